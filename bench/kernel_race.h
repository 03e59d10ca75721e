/* SPDX-License-Identifier: MIT
 *
 * Several ways to do the same work, timed in turn, so that a machine that is slow for a while is
 * slow for all of them.
 */
#ifndef SDRT_BENCH_KERNEL_RACE_H
#define SDRT_BENCH_KERNEL_RACE_H

#include "bench/harness.h"
#include "bench/kernel_jobs.h"

struct sdrt_racer {
    void (*run)(void *arg);
    void *arg;
    /* Around each run, untimed; NULL: nothing.  watch is for both. */
    void (*before)(void *watch);
    void (*after)(void *watch);
    void *watch;
    struct sdrt_times times;
};

/* SDRT_RACE_ROUNDS rounds; in each, every racer runs once untimed, then timed for its share of
 * seconds, once at least. */
enum { SDRT_RACE_ROUNDS = 5 };
void sdrt_race(struct sdrt_racer *racers, int n, double seconds);

/* Looks at each run of a job while it is timed: two sets of numbers take turns by chance in the
 * place of the job's x, its result is NaN before, and afterwards has to be bit by bit what it was in the
 * first run with those numbers.  So what was right once stays right, and nothing is left out. */
struct sdrt_watch {
    struct sdrt_job *job;
    const float *x[2]; /* borrowed, of x_bytes */
    size_t x_bytes;
    void *y[2]; /* of y_bytes */
    size_t y_bytes;
    uint64_t chance;
    int set, wrong; /* which numbers; how often y was another */
};

/* Runs the job with each set of numbers and keeps what it gives; 0 without memory. */
int sdrt_watch_create(struct sdrt_watch *w, struct sdrt_job *job, const float *const x[2],
                      size_t x_bytes, uint64_t seed);
void sdrt_watch_free(struct sdrt_watch *w);
void sdrt_watch_before(void *watch);
void sdrt_watch_after(void *watch);

/* Relative L2 distance of what two watched jobs of one shape gave at first, the larger one's. */
double sdrt_watch_distance(const struct sdrt_watch *a, const struct sdrt_watch *b);

#endif
