/* SPDX-License-Identifier: MIT
 *
 * Counters of the processor through Linux's perf_event, where it lets a program count its own:
 * perf_event_open(2).  Elsewhere none opens, and sdrt_counter_why() says why.
 */
#ifndef SDRT_BENCH_COUNTERS_H
#define SDRT_BENCH_COUNTERS_H

#include <stdint.h>

enum sdrt_counter {
    SDRT_COUNTER_CYCLES,
    SDRT_COUNTER_INSTRUCTIONS,
    SDRT_COUNTER_L2_MISSES,
    SDRT_COUNTER_L3_MISSES,
    SDRT_COUNTER_TASK_NS, /* CPU time of all threads */
    SDRT_COUNTERS
};

/* Of this process and of the threads that it starts later, user code alone; a file is -1 where its counter
 * is not to be had. */
struct sdrt_counters {
    int open; /* 0: the rest means nothing */
    int file[SDRT_COUNTERS];
    double before[SDRT_COUNTERS];
};

void sdrt_counters_open(struct sdrt_counters *c);
/* Of ones never opened too, where all is zero. */
void sdrt_counters_close(struct sdrt_counters *c);
void sdrt_counters_start(struct sdrt_counters *c);
/* Since the start; NAN where a counter is not open.  Scaled up where the processor counted part of the
 * time, since it has fewer counters than are wanted. */
void sdrt_counters_stop(const struct sdrt_counters *c, double value[SDRT_COUNTERS]);

/* How often this thread executes the instruction at an address of this process: a file to close(), or -1. */
int sdrt_counter_open_at(uintptr_t address);
/* Its count so far; NAN where it is not open. */
double sdrt_counter_read(int file);

/* Why the last one did not open. */
const char *sdrt_counter_why(void);

#endif
