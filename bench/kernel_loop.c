/* SPDX-License-Identifier: MIT
 *
 * sdbench kernels --asm: the loop in which a kernel's time goes by.  It is found by samples of the program
 * counter, its rounds are counted by a breakpoint of the processor's, which perf_event counts without
 * stopping anything, and so its clocks a round are known beside those that llvm-mca predicts.
 */
#if defined(__linux__)
#define _GNU_SOURCE /* dladdr1(), REG_RIP */
#include <link.h>
#include <ucontext.h>
#endif

#include "bench/assembly.h"
#include "bench/counters.h"
#include "bench/kernel_contest.h"
#include "bench/shape_text.h"
#include "runtime/base/clock.h"

#include <dlfcn.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    SAMPLES = 8192,
    LEAST_SAMPLES = 20,
    LEAST_RUNS = 5,
    PARTS = 64, /* a breakpoint costs some microseconds each time */
    INTERVAL_US = 1000,
};

static const double sampled_seconds = 2.0;

static struct {
    uintptr_t at[SAMPLES];
    volatile sig_atomic_t n;
} samples;

/* ---- where the time goes by ---- */

/* Where the program is: nowhere that is known on other systems than Linux. */
static uintptr_t counter_of(const void *context)
{
#if defined(__linux__) && defined(__x86_64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#elif defined(__linux__) && defined(__aarch64__)
    return (uintptr_t)((const ucontext_t *)context)->uc_mcontext.pc;
#else
    (void)context;
    return 0;
#endif
}

static void take_sample(int signal, siginfo_t *info, void *context)
{
    const int n = samples.n;
    const uintptr_t at = counter_of(context);

    (void)signal;
    (void)info;
    if (n == SAMPLES || !at) return;
    samples.at[n] = at;
    samples.n = n + 1;
}

static void run_sampled(struct sdrt_job *j)
{
    const struct sigaction action = { .sa_sigaction = take_sample,
                                      .sa_flags = SA_SIGINFO | SA_RESTART };
    const struct itimerval on = { .it_interval.tv_usec = INTERVAL_US,
                                  .it_value.tv_usec = INTERVAL_US };
    const struct itimerval off = { .it_interval.tv_usec = 0 };
    struct sigaction before;

    samples.n = 0;
    sigaction(SIGPROF, &action, &before);
    setitimer(ITIMER_PROF, &on, NULL);
    for (const double start = sdrt_now(); sdrt_now() - start < sampled_seconds;) sdrt_job_run(j);
    setitimer(ITIMER_PROF, &off, NULL);
    sigaction(SIGPROF, &before, NULL);
}

/* An address of this process as an object's file and the offset in it; NULL where it is not known. */
static const char *object_of(uintptr_t address, uintptr_t *base)
{
#if defined(__linux__)
    static char self[4096];
    struct link_map *map = NULL;
    Dl_info info;

    if (!dladdr1((void *)address, &info, (void **)&map, RTLD_DL_LINKMAP) || !map) return NULL;
    *base = (uintptr_t)map->l_addr;
    if (map->l_name[0]) return map->l_name;
    const ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return NULL;
    self[n] = '\0';
    return self;
#else
    (void)address;
    (void)base;
    return NULL;
#endif
}

/* The function that most samples lie in: disassembled, with its samples; and where its object is. */
static int find_function(struct sdrt_assembly *a, uintptr_t *base, int *share,
                         const struct sdrt_log *log)
{
    int most = 0;

    if (samples.n < LEAST_SAMPLES)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%d samples of the program counter: expected %d or more", (int)samples.n,
                         LEAST_SAMPLES);
    /* A few tries: each disassembles the function of a sample, the fullest one stays. */
    for (int i = 0, told = 0; i < samples.n && told * 2 < samples.n; i += 1 + samples.n / 16) {
        struct sdrt_assembly one;
        uintptr_t here;
        const char *object = object_of(samples.at[i], &here);
        int inside = 0;
        if (!object) continue;
        const int status = sdrt_assembly_create(&one, object, samples.at[i] - here, log);
        if (status != SDRT_OK) return status;
        for (int k = 0; k < samples.n; k++)
            inside += sdrt_assembly_sample(&one, samples.at[k] - here);
        if (inside > most) {
            sdrt_assembly_free(a);
            *a = one;
            *base = here;
            told = most = inside;
        } else sdrt_assembly_free(&one);
    }
    *share = most;
    if (!most) return sdrt_fail(log, SDRT_E_UNSUPPORTED, "no object for the kernel's code");
    return SDRT_OK;
}

/* ---- what is told ---- */

struct loop {
    const struct sdrt_assembly *a;
    int first, last;
    uintptr_t base;
    double share; /* of the kernel's time */
    int nparts;
    double seconds; /* of the first part */
    double clock;   /* GHz */
};

/* CPU time, so that others on the machine are not counted; the only worker is this thread. */
static double thread_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(struct sdrt_job *j, int nparts, double enough)
{
    struct sdrt_times t = { .n = 0 };

    for (const double start = sdrt_now();
         t.n < LEAST_RUNS || (sdrt_now() - start < enough && t.n < SDRT_BENCH_SAMPLES);) {
        const double one = thread_seconds();
        sdrt_job_run_part(j, 0, nparts);
        sdrt_bench_add(&t, thread_seconds() - one);
    }
    return sdrt_bench_summary(&t).median;
}

/* Rounds of the loop in the first part, counted at its last instruction; NAN where they cannot be. */
static double rounds_of(const struct loop *l, struct sdrt_job *j, const char **why)
{
    const uintptr_t at = l->base + (uintptr_t)l->a->at[l->last].address;
    const int counter = sdrt_counter_open_at(at);

    *why = sdrt_counter_why();
    if (counter < 0) return NAN;
    const double before = sdrt_counter_read(counter);
    sdrt_job_run_part(j, 0, l->nparts);
    const double rounds = sdrt_counter_read(counter) - before;
    close(counter);
    return rounds > 0.0 ? rounds : NAN;
}

static void write_loop(const struct loop *l, struct sdrt_job *j, const char *level, FILE *to)
{
    char version[192], text[160];
    const char *why = NULL;
    const double rounds = rounds_of(l, j, &why);
    const double clocks = l->seconds * l->clock * 1e9 * l->share / rounds;
    const double predicted = sdrt_assembly_predict(l->a, l->first, l->last, version,
                                                   sizeof version);

    sdrt_shape_write(j, text, sizeof text);
    fprintf(
        to,
        "# %s at %s, one thread: %.3f ms for one part of %d at %.2f GHz, %.0f %% of it in this loop of %s\n",
        text, level, 1e3 * l->seconds, l->nparts, l->clock, 100.0 * l->share, l->a->function);
    if (isnan(clocks)) fprintf(to, "# measured: n/a, rounds cannot be counted: %s\n", why);
    else fprintf(to, "# measured: %.0f rounds of %.1f clocks\n", rounds, clocks);
    if (predicted > 0.0) fprintf(to, "# predicted: %.1f clocks, by %s\n", predicted, version);
    else fprintf(to, "# predicted: n/a, %s\n", version);
    sdrt_assembly_write(l->a, l->first, l->last, to);
}

int sdrt_kernel_loop(const struct sdrt_kernel_bench *b, const struct sdrt_job *shape)
{
    const struct sdrt_bench_level *level = &b->levels[b->n_levels - 1];
    struct sdrt_assembly a = { .n = 0 };
    struct loop l = { .a = &a };
    struct sdrt_job j = *shape;
    int inside = 0, status = SDRT_OK;

    sdrt_job_set_precision(&j, level->precision->stored);
    if (!sdrt_job_set(&j, &level->ops, b->queue))
        status = sdrt_fail(b->o->log, SDRT_E_NOMEM, "out of memory for %s", shape->name);
    if (status == SDRT_OK) {
        run_sampled(&j);
        status = find_function(&a, &l.base, &inside, b->o->log);
    }
    if (status == SDRT_OK && !sdrt_assembly_loop(&a, &l.first, &l.last))
        status = sdrt_fail(
            b->o->log, SDRT_E_UNSUPPORTED,
            "%s: no loop has a third of its time: it is spent in a function that it calls, or "
            "in straight code",
            a.function);
    if (status == SDRT_OK) {
        int in_loop = 0;
        for (int i = l.first; i <= l.last; i++) in_loop += a.at[i].samples;
        l.share = (double)in_loop / samples.n;
        sdrt_roof_tries(level->meter, 1);
        l.clock = sdrt_roof_of(level->meter)->best[SDRT_ROOF_CLOCK];
        l.nparts = sdrt_job_parts(&j, PARTS);
        l.seconds = seconds_of(&j, l.nparts, b->o->seconds);
        write_loop(&l, &j, level->name, stdout);
    }
    sdrt_assembly_free(&a);
    sdrt_job_release(&j);
    return status;
}
