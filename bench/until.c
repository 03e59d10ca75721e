/* SPDX-License-Identifier: MIT */
#include "bench/harness.h"
#include "bench/report.h"

enum { LEAST = 5 /* samples, before a spread says something */ };

int sdrt_bench_go_on(const struct sdrt_bench_options *o, const struct sdrt_times *t, double start)
{
    return o->until_spread > 0.0 && t->n < SDRT_BENCH_SAMPLES &&
           sdrt_now() - start < o->max_seconds &&
           (t->n < LEAST || 100.0 * sdrt_bench_summary(t).spread > o->until_spread);
}

void sdrt_bench_told_spread(const struct sdrt_bench_options *o, const struct sdrt_times *t,
                            struct sdrt_report *r)
{
    const double spread = 100.0 * sdrt_bench_summary(t).spread;

    if (!(o->until_spread > 0.0)) return;
    sdrt_report_number(r, "until_spread", o->until_spread, NULL, "", 6);
    sdrt_report_number(r, "samples", t->n, "samples", "", 0);
    if (spread > o->until_spread)
        sdrt_report_warn(
            r, "the spread is still %.1f %% after %d samples: expected %.1f, but time is out",
            spread, t->n, o->until_spread);
}
