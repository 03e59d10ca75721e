/* SPDX-License-Identifier: MIT */
#include "bench/counters.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static char why[96] = "nothing was counted";

const char *sdrt_counter_why(void) { return why; }

#if defined(__linux__)

#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_counter(struct perf_event_attr *a)
{
    a->size = sizeof *a;
    a->exclude_kernel = a->exclude_hv = 1;
    a->read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    const long file = syscall(SYS_perf_event_open, a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (file < 0) snprintf(why, sizeof why, "perf_event_open: %s", strerror(errno));
    return (int)file;
}

/* L2 misses have no name of the kernel's: AMD's event 0x64 with mask 0x08 (Processor Programming Reference,
 * families 17h to 1Ah), Intel's L2_RQSTS.MISS, Arm's L2D_CACHE_REFILL. */
static uint64_t l2_misses(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_is("amd") ? 0x0864 : 0x3f24;
#elif defined(__aarch64__)
    return 0x17;
#else
    return 0;
#endif
}

void sdrt_counters_open(struct sdrt_counters *c)
{
    const struct {
        uint32_t type;
        uint64_t config;
    } events[SDRT_COUNTERS] = {
        [SDRT_COUNTER_CYCLES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
        [SDRT_COUNTER_INSTRUCTIONS] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
        [SDRT_COUNTER_L2_MISSES] = { PERF_TYPE_RAW, l2_misses() },
        [SDRT_COUNTER_L3_MISSES] = { PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES },
        [SDRT_COUNTER_TASK_NS] = { PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK },
    };

    c->open = 1;
    for (int i = 0; i < SDRT_COUNTERS; i++) {
        struct perf_event_attr a = { .type = events[i].type,
                                     .config = events[i].config,
                                     .inherit = 1 };
        c->file[i] = open_counter(&a);
    }
}

int sdrt_counter_open_at(uintptr_t address)
{
    struct perf_event_attr a = {
        .type = PERF_TYPE_BREAKPOINT,
        .bp_type = HW_BREAKPOINT_X,
        .bp_addr = address,
#if defined(__aarch64__)
        .bp_len = HW_BREAKPOINT_LEN_4
    };
#else
        .bp_len = sizeof(long)
    };
#endif

    return open_counter(&a);
}

double sdrt_counter_read(int file)
{
    uint64_t v[3]; /* the count, nanoseconds it was wanted, nanoseconds it counted */

    if (file < 0 || read(file, v, sizeof v) != sizeof v || !v[2]) return NAN;
    return (double)v[0] * (double)v[1] / (double)v[2];
}

static void close_counter(int file)
{
    if (file >= 0) close(file);
}

#else

void sdrt_counters_open(struct sdrt_counters *c)
{
    snprintf(why, sizeof why, "this system has no perf_event");
    c->open = 1;
    for (int i = 0; i < SDRT_COUNTERS; i++) c->file[i] = -1;
}
int sdrt_counter_open_at(uintptr_t address)
{
    (void)address;
    snprintf(why, sizeof why, "this system has no perf_event");
    return -1;
}
double sdrt_counter_read(int file)
{
    (void)file;
    return NAN;
}
static void close_counter(int file) { (void)file; }

#endif

void sdrt_counters_close(struct sdrt_counters *c)
{
    for (int i = 0; i < SDRT_COUNTERS && c->open; i++) close_counter(c->file[i]);
    c->open = 0;
}

void sdrt_counters_start(struct sdrt_counters *c)
{
    for (int i = 0; i < SDRT_COUNTERS; i++) c->before[i] = sdrt_counter_read(c->file[i]);
}

void sdrt_counters_stop(const struct sdrt_counters *c, double value[SDRT_COUNTERS])
{
    for (int i = 0; i < SDRT_COUNTERS; i++) value[i] = sdrt_counter_read(c->file[i]) - c->before[i];
}
