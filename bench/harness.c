/* SPDX-License-Identifier: MIT */
#include "bench/harness.h"

#include <stdlib.h>
#include <time.h>

double sdrt_bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void sdrt_bench_add(struct sdrt_times *t, double seconds)
{
    if (t->n < SDRT_BENCH_SAMPLES) t->s[t->n++] = seconds;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct sdrt_summary sdrt_bench_summary(struct sdrt_times *t)
{
    struct sdrt_summary r = { 0 };

    if (!t->n) return r;
    qsort(t->s, (size_t)t->n, sizeof t->s[0], by_value);
    r.median = t->n % 2 ? t->s[t->n / 2] : 0.5 * (t->s[t->n / 2 - 1] + t->s[t->n / 2]);
    r.min = t->s[0];
    r.spread = (t->s[(t->n - 1) * 9 / 10] - t->s[(t->n - 1) / 10]) / r.median;
    return r;
}
