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

/* The samples times scale, as a new array. */
json_t *sdrt_bench_samples(const struct sdrt_times *t, double scale);

#endif
