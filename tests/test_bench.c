/* SPDX-License-Identifier: MIT
 *
 * What sdbench says of its figures: medians, the noise test, energy counters.
 */
#include "bench/sketch.h"
#include "bench/harness.h"
#include "bench/energy.h"
#include "bench/stats.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* p values of scipy.stats.mannwhitneyu(a, b), method "exact" and, with ties or many samples,
 * "asymptotic". */
Test(stats, exact)
{
    const double a[] = { 1, 2, 3, 4, 5 }, b[] = { 6, 7, 8, 9, 10 }, c[] = { 1.5, 3.5, 2.5, 6, 7 };
    const double d[] = { 0.5, 4.5, 11 };

    cr_assert(epsilon_eq(dbl, sdrt_mann_whitney(a, 5, b, 5), 0.007936507936507936, 1e-12));
    cr_assert(epsilon_eq(dbl, sdrt_mann_whitney(b, 5, a, 5), 0.007936507936507936, 1e-12));
    cr_assert(epsilon_eq(dbl, sdrt_mann_whitney(a, 5, c, 5), 0.5476190476190477, 1e-12));
    cr_assert(epsilon_eq(dbl, sdrt_mann_whitney(a, 5, d, 3), 0.7857142857142857, 1e-12));
    cr_assert(eq(dbl, sdrt_mann_whitney(a, 5, d, 0), 1.0));
}

Test(stats, ties_and_many)
{
    const double a[] = { 1, 2, 2, 3, 4 }, b[] = { 2, 3, 5, 6, 7, 7 }, same[] = { 1, 1, 1 };
    double x[30], y[30];

    for (int i = 0; i < 30; i++) {
        x[i] = i;
        y[i] = i + 8.25;
    }
    cr_assert(epsilon_eq(dbl, sdrt_mann_whitney(a, 5, b, 6), 0.06414661873440437, 1e-9));
    cr_assert(epsilon_eq(dbl, sdrt_mann_whitney(x, 30, y, 30), 0.001236184563209011, 1e-12));
    cr_assert(eq(dbl, sdrt_mann_whitney(same, 3, same, 3), 1.0));
}

Test(harness, summary)
{
    struct sdrt_times t = { .n = 0 };
    struct sdrt_summary s = sdrt_bench_summary(&t);

    cr_assert(eq(dbl, s.median, 0.0));
    for (int i = 0; i < 11; i++) sdrt_bench_add(&t, (i * 7) % 11 + 1); /* 1 .. 11 */
    s = sdrt_bench_summary(&t);
    cr_assert(eq(dbl, s.median, 6.0));
    cr_assert(eq(dbl, s.min, 1.0));
    cr_assert(eq(dbl, s.max, 11.0));
    cr_assert(epsilon_eq(dbl, s.spread, 8.0 / 6.0, 1e-12)); /* 10 - 2 */
    cr_assert(eq(dbl, t.s[1], 8.0));                        /* the order is kept */
    sdrt_bench_add(&t, 100.0);
    s = sdrt_bench_summary(&t);
    cr_assert(eq(dbl, s.median, 6.5));
    for (int i = 0; i < 2 * SDRT_BENCH_SAMPLES; i++) sdrt_bench_add(&t, 1.0);
    cr_assert(eq(int, t.n, SDRT_BENCH_SAMPLES));
}

static void write_counter(int package, const char *file, const char *value)
{
    char name[128];

    snprintf(name, sizeof name, "class/powercap/intel-rapl:%d/%s", package, file);
    temp_write(name, value, strlen(value));
}

Test(energy, packages_and_wrapping, .init = temp_folder_make, .fini = temp_folder_remove)
{
    static const char *const folders[] = { "class", "class/powercap", "class/powercap/intel-rapl:0",
                                           "class/powercap/intel-rapl:1" };
    struct sdrt_energy before, after;
    const char *root = temp_path(".");

    sdrt_energy_read(root, &before);
    cr_assert(eq(int, before.packages, 0));
    cr_assert(isnan(sdrt_energy_used(&before, &before)));
    for (int i = 0; i < 4; i++) cr_assert(eq(int, mkdir(temp_path(folders[i]), 0700), 0));
    write_counter(0, "energy_uj", "1000000");
    write_counter(0, "max_energy_range_uj", "50000000");
    write_counter(1, "energy_uj", "48000000");
    write_counter(1, "max_energy_range_uj", "50000000");
    sdrt_energy_read(root, &before);
    cr_assert(eq(int, before.packages, 2));
    write_counter(0, "energy_uj", "3500000");
    write_counter(1, "energy_uj", "1000000"); /* wrapped: 3 J */
    sdrt_energy_read(root, &after);
    cr_assert(epsilon_eq(dbl, sdrt_energy_used(&before, &after), 5.5, 1e-9));
    write_counter(1, "energy_uj", "none");
    sdrt_energy_read(root, &after);
    cr_assert(isnan(sdrt_energy_used(&before, &after)));
}

/* A sketch's distance is its vectors', wherever the difference lies. */
Test(bench, sketch_sees_a_tile)
{
    enum { N = 64 * 512 };
    static float x[N], y[N];
    double a[SDRT_SKETCH], b[SDRT_SKETCH];
    uint64_t state = 7;

    for (int i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = y[i] = (float)(int32_t)(state >> 32) * 0x1p-31f;
    }
    sdrt_sketch(x, N, a);
    sdrt_sketch(y, N, b);
    cr_expect_eq(sdrt_sketch_distance(b, a), 0.0);
    for (int tile = 0; tile < 64;
         tile += 21) { /* left out: 1/8 of the whole, a tenth more or less */
        memcpy(y, x, sizeof y);
        memset(y + tile * 512, 0, 512 * sizeof *y);
        sdrt_sketch(y, N, b);
        cr_expect_gt(sdrt_sketch_distance(b, a), 0.09, "tile %d", tile);
        cr_expect_lt(sdrt_sketch_distance(b, a), 0.17, "tile %d", tile);
    }
    y[5] = NAN;
    sdrt_sketch(y, N, b);
    cr_expect(isnan(sdrt_sketch_distance(b, a)));
}
