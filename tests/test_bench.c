/* SPDX-License-Identifier: MIT
 *
 * What sdbench says of its figures: medians, the noise test, energy counters, roofs.
 */
#include "bench/sketch.h"
#include "bench/harness.h"
#include "bench/assembly.h"
#include "bench/counters.h"
#include "bench/energy.h"
#include "bench/roof.h"
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

/* Time of the thread is counted everywhere that has perf_event; a processor's own counters are not. */
Test(counters, time_and_executions)
{
    struct sdrt_counters c = { .open = 0 };
    double value[SDRT_COUNTERS];
    volatile double x = 1.0;

    sdrt_counters_close(&c); /* never opened: nothing is closed */
    sdrt_counters_open(&c);
    sdrt_counters_start(&c);
    for (int i = 0; i < 20000000; i++) x = x * 1.0000001;
    sdrt_counters_stop(&c, value);
    if (isnan(value[SDRT_COUNTER_TASK_NS])) cr_skip_test("no perf_event: %s", sdrt_counter_why());
    cr_expect_gt(value[SDRT_COUNTER_TASK_NS], 1e6);
    cr_expect_lt(value[SDRT_COUNTER_TASK_NS], 1e11);
    for (int i = 0; i < SDRT_COUNTERS; i++) cr_expect(isnan(value[i]) || value[i] >= 0.0);
    sdrt_counters_close(&c);
    cr_expect_eq(c.open, 0);
    sdrt_counters_close(&c);
}

static void fill(struct sdrt_assembly *a, struct sdrt_instruction *at, int n)
{
    *a = (struct sdrt_assembly){ .at = at, .n = n, .function = "f" };
    for (int i = 0; i < n; i++) {
        at[i].address = 100 + 4u * (unsigned)i;
        snprintf(at[i].text, sizeof at[i].text, "add    $0x%x,%%rax", i);
    }
}

/* An outer loop 1..8, in it 2..4 and 5..7, the second of which is where the time goes by. */
Test(assembly, loop_and_text)
{
    struct sdrt_instruction at[10] = { { .samples = 0 } };
    struct sdrt_assembly a;
    char text[512] = "";
    int first, last;

    fill(&a, at, 10);
    at[4].target = 108;
    at[7].target = 120;
    at[8].target = 104;
    snprintf(at[6].text, sizeof at[6].text, "ja     8c <f+0x28>");
    at[6].target = 140;
    snprintf(at[7].text, sizeof at[7].text, "jne    78 <f+0x14>");
    snprintf(at[5].text, sizeof at[5].text, "vmovaps 0x10(%%rip),%%zmm2        # 404040 <g>");
    for (int i = 0; i < 30; i++)
        cr_assert(sdrt_assembly_sample(&a, 121)); /* inside an instruction */
    for (int i = 0; i < 10; i++) cr_assert(sdrt_assembly_sample(&a, 108));
    cr_expect_not(sdrt_assembly_sample(&a, 99));
    cr_expect_not(sdrt_assembly_sample(&a, 1000));
    cr_assert(sdrt_assembly_loop(&a, &first, &last));
    cr_expect_eq(first, 5);
    cr_expect_eq(last, 7);
    FILE *f = fmemopen(text, sizeof text, "w");
    sdrt_assembly_write(&a, first, last, f);
    fclose(f);
    cr_expect_str_eq(text, "# LLVM-MCA-BEGIN f\n1:\n\tvmovaps 0x10(%rip),%zmm2\n\tja     sdrt_8c\n"
                           "\tjne    1b\n# LLVM-MCA-END\n");
    at[7].target = 0;
    at[8].target = 0;
    cr_expect_not(sdrt_assembly_loop(&a, &first, &last), "a quarter of the samples is none");
}

/* ---- roofs ---- */

/* What binds, by level: f32 alone, with integers, with bf16 too, with tiles. */
Test(roof, arithmetic)
{
    enum { LEVELS = 4 };
    const struct {
        const char *precision;
        enum sdrt_step_class class_;
        enum sdrt_dtype stored;
        enum sdrt_roof_kind want[LEVELS];
    } cases[] = {
        { "f32",
          SDRT_CLASS_CONV,
          SDRT_F32,
          { SDRT_ROOF_F32, SDRT_ROOF_F32, SDRT_ROOF_F32, SDRT_ROOF_F32 } },
        { "bf16",
          SDRT_CLASS_GEMM,
          SDRT_BF16,
          { SDRT_ROOF_F32, SDRT_ROOF_F32, SDRT_ROOF_BF16, SDRT_ROOF_BF16 } },
        { "bf16",
          SDRT_CLASS_NORM,
          SDRT_F32,
          { SDRT_ROOF_F32, SDRT_ROOF_F32, SDRT_ROOF_F32, SDRT_ROOF_F32 } },
        { "int16",
          SDRT_CLASS_CONV,
          SDRT_F16,
          { SDRT_ROOF_F32, SDRT_ROOF_INT16, SDRT_ROOF_INT16, SDRT_ROOF_BF16 } },
        { "int16",
          SDRT_CLASS_ATTENTION,
          SDRT_F32,
          { SDRT_ROOF_F32, SDRT_ROOF_INT16, SDRT_ROOF_BF16, SDRT_ROOF_BF16 } },
        { "int8",
          SDRT_CLASS_GEMM,
          SDRT_I8,
          { SDRT_ROOF_F32, SDRT_ROOF_INT8, SDRT_ROOF_INT8, SDRT_ROOF_INT8 } },
        { "int8",
          SDRT_CLASS_GEMM,
          SDRT_BF16,
          { SDRT_ROOF_F32, SDRT_ROOF_INT16, SDRT_ROOF_INT16, SDRT_ROOF_BF16 } },
    };
    const struct sdrt_roof levels[LEVELS] = {
        { .best = { [SDRT_ROOF_F32] = 1.0 } },
        { .best = { [SDRT_ROOF_F32] = 1.0, [SDRT_ROOF_INT16] = 2.0, [SDRT_ROOF_INT8] = 4.0 } },
        { .best = { [SDRT_ROOF_F32] = 1.0,
                    [SDRT_ROOF_BF16] = 2.0,
                    [SDRT_ROOF_INT16] = 2.0,
                    [SDRT_ROOF_INT8] = 4.0 } },
        { .best = { [SDRT_ROOF_F32] = 1.0, [SDRT_ROOF_BF16] = 16.0, [SDRT_ROOF_INT8] = 32.0 } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int l = 0; l < LEVELS; l++) {
            const enum sdrt_roof_kind kind = sdrt_roof_arithmetic(&levels[l], cases[i].precision,
                                                                  cases[i].class_, cases[i].stored);
            const struct sdrt_step_info step = { .class_ = cases[i].class_,
                                                 .stored = cases[i].stored,
                                                 .flop = 3e9 };
            cr_expect_eq(kind, cases[i].want[l], "case %zu, level %d: %d", i, l, (int)kind);
            cr_expect(epsilon_eq(dbl, sdrt_roof_step_seconds(&levels[l], cases[i].precision, &step),
                                 3.0 / levels[l].best[cases[i].want[l]], 1e-12));
        }
}
