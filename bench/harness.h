/* SPDX-License-Identifier: MIT
 *
 * Times and what to say of them.
 */
#ifndef SDRT_BENCH_HARNESS_H
#define SDRT_BENCH_HARNESS_H

#include "runtime/base/clock.h"

#include <jansson.h>

enum { SDRT_BENCH_SAMPLES = 101 };

/* Samples in the order in which they were taken. */
struct sdrt_times {
    double s[SDRT_BENCH_SAMPLES];
    int n;
};

struct sdrt_summary {
    double median, min, max;
    double spread; /* (p90 - p10) / median */
};

/* Samples past the last place are dropped. */
void sdrt_bench_add(struct sdrt_times *t, double sample);

/* All zero without samples. */
struct sdrt_summary sdrt_bench_summary(const struct sdrt_times *t);

/* Whether --until-spread wants another sample: the spread is above it, and --max-seconds since start are
 * not over. */
struct sdrt_bench_options;
int sdrt_bench_go_on(const struct sdrt_bench_options *o, const struct sdrt_times *t, double start);

/* Facts of that: how many samples it took, and a warning where time ended it. */
struct sdrt_report;
void sdrt_bench_told_spread(const struct sdrt_bench_options *o, const struct sdrt_times *t,
                            struct sdrt_report *r);

/* The samples times scale, as a new array. */
json_t *sdrt_bench_samples(const struct sdrt_times *t, double scale);

#endif
