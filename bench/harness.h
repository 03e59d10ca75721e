/* SPDX-License-Identifier: MIT
 *
 * Times and what to say of them.
 */
#ifndef SDRT_BENCH_HARNESS_H
#define SDRT_BENCH_HARNESS_H

enum { SDRT_BENCH_SAMPLES = 101 };

struct sdrt_times {
    double s[SDRT_BENCH_SAMPLES];
    int    n;
};

struct sdrt_summary {
    double median, min; /* seconds */
    double spread;      /* (p90 - p10) / median */
};

double sdrt_bench_now(void); /* seconds, monotonic */

/* Samples past the last place are dropped. */
void sdrt_bench_add(struct sdrt_times *t, double seconds);

/* Sorts t; all zero without samples. */
struct sdrt_summary sdrt_bench_summary(struct sdrt_times *t);

#endif
