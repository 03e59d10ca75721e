/* SPDX-License-Identifier: MIT */
#include "bench/harness.h"

#include <stdlib.h>

void sdrt_bench_add(struct sdrt_times *t, double sample)
{
    if (t->n < SDRT_BENCH_SAMPLES) t->s[t->n++] = sample;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct sdrt_summary sdrt_bench_summary(const struct sdrt_times *t)
{
    struct sdrt_summary r = { 0 };
    struct sdrt_times sorted = *t;
    const double *s = sorted.s;
    const int n = t->n;

    if (!n) return r;
    qsort(sorted.s, (size_t)n, sizeof sorted.s[0], by_value);
    r.median = n % 2 ? s[n / 2] : 0.5 * (s[n / 2 - 1] + s[n / 2]);
    r.min = s[0];
    r.max = s[n - 1];
    r.spread = (s[(n - 1) * 9 / 10] - s[(n - 1) / 10]) / r.median;
    return r;
}

json_t *sdrt_bench_samples(const struct sdrt_times *t, double scale)
{
    json_t *list = json_array();

    for (int i = 0; i < t->n && list; i++) json_array_append_new(list, json_real(scale * t->s[i]));
    return list;
}
