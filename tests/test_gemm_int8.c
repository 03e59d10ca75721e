/* SPDX-License-Identifier: MIT
 *
 * Linear layers of 8-bit integers.  The oracle is given both factors as the kernel has to round them, so
 * that its products, whole numbers times units, are held to what f32 loses of their sum; and what
 * the rounding costs is held to its size.
 */
#include "bench/oracle/gemm.h"
#include "kernels/ops.h"
#include "tests/emulated.h"
#include "tests/gemm_not_finite.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if HAVE_AVX512VNNI || HAVE_AVXVNNI || HAVE_AMX

enum { MOST = 127, SLOT = 4, CHUNK = 320 }; /* values in a slot, slots in a chunk at most */

struct problem {
    const char *level;
    struct sdrt_gemm_shape s;
    int bias, gate, residual;
    float scale; /* of the rows */
};

/* The values that have a unit: AMX's of the whole row, the others' of a chunk of it; chunks are of about
 * equal length (kernels/simd/tile.h). */
static int chunk_values(const char *level, int k)
{
    if (tbf16_level(level)) return k;
    const int slots = (k + SLOT - 1) / SLOT, chunks = (slots + CHUNK - 1) / CHUNK;
    const int lines = ((slots + chunks - 1) / chunks + 15) / 16 * 16;

    return SLOT * (lines < CHUNK ? lines : CHUNK);
}

/* n values as they are multiplied: rotated (kernels/pack.h) where the weight is. */
static void turn(const struct sdrt_weight_shape *w, float *x, int n)
{
    for (int step = 1; sdrt_rotates(w) && step < SDRT_ROTATION; step *= 4)
        for (int i = 0; i < n; i++) {
            if (i / step % 4) continue;
            float *p = x + i, v[4];
            for (int j = 0; j < 4; j++) v[j] = p[j * step];
            for (int j = 0; j < 4; j++) p[j * step] = v[0] + v[1] + v[2] + v[3] - 2.0f * v[3 - j];
        }
}

/* n values as integers times their unit; the largest becomes MOST. */
static void narrow(const float *from, int n, double *to)
{
    float most = 0.0f;

    for (int i = 0; i < n; i++) most = fabsf(from[i]) > most ? fabsf(from[i]) : most;
    const float unit = most / MOST, by = most > 0.0f ? MOST / most : 0.0f;
    for (int i = 0; i < n; i++) to[i] = nearbyint((double)from[i] * (double)by) * (double)unit;
}

/* A weight's: its unit is at least 1e-30, and its inverse is rounded. */
static void narrow_weight(const float *from, int n, double *to)
{
    float unit = 1e-30f;

    for (int i = 0; i < n; i++)
        if (fabsf(from[i]) / MOST > unit) unit = fabsf(from[i]) / MOST;
    for (int i = 0; i < n; i++)
        to[i] = nearbyint((double)from[i] * (double)(1.0f / unit)) * (double)unit;
}

struct operands {
    struct tbuf a, w, bias, gate, residual, packed, y, scratch;
    double *weights, *residuals, *want, *exact;
    float *seen;
};

static struct operands make(const struct problem *p, const struct sdrt_gemm_ops *ops, uint64_t *rng)
{
    const struct sdrt_gemm_shape *s = &p->s;
    const size_t m = (size_t)s->m, n = (size_t)s->n, k = (size_t)s->k,
                 rows = s->w.gated ? 2 * n : n;
    struct operands o = {
        .a = tbuf_floats(m * (size_t)s->a_pitch),
        .w = tbuf_floats(rows * k),
        .bias = tbuf_floats(rows),
        .gate = tbuf_floats(n),
        .residual = tbuf_floats(m * (size_t)s->residual_pitch),
        .packed = tbuf_bytes(ops->pack_bytes(&s->w)),
        .scratch = tbuf_bytes(ops->scratch(s)),
        .y = tbuf_bytes(sdrt_dtype_bytes(s->y_type, m * (size_t)s->y_pitch)),
        .weights = malloc(rows * k * sizeof(double)),
        .residuals = malloc(m * n * sizeof(double)),
        .want = malloc(m * n * sizeof(double)),
        .exact = malloc(m * n * sizeof(double)),
        .seen = malloc(m * (size_t)s->a_pitch * sizeof(float)),
    };
    double *row = malloc(k * sizeof *row);
    float *turned = malloc(k * sizeof *turned);

    trand_rows(rng, o.a.v, m, s->k, s->a_pitch, p->scale);
    trand_rows(rng, o.w.v, rows, s->k, s->k, 1.0f);
    trand_rows(rng, o.bias.v, 1, (int)rows, (int)rows, 1.0f);
    trand_rows(rng, o.gate.v, 1, s->n, s->n, 1.0f);
    trand_rows(rng, o.residual.v, m, s->n, s->residual_pitch, 1.0f);
    for (size_t i = 0; i < rows * k; i++) o.w.v[i] *= 3.0f / sqrtf((float)s->k) / p->scale;
    for (size_t i = 0; i < m * n; i++)
        o.residuals[i] = (double)o.residual.v[i / n * (size_t)s->residual_pitch + i % n];
    const double *residual = p->residual ? o.residuals : NULL;
    const float *bias = p->bias ? o.bias.v : NULL, *gate = p->gate ? o.gate.v : NULL;
    for (size_t i = 0; i < rows * k; i++) o.weights[i] = (double)o.w.v[i];
    oracle_gemm(s, o.a.v, o.weights, bias, gate, residual, 1, o.exact);
    for (size_t r = 0; r < m; r++) {
        float *const from = o.seen + r * (size_t)s->a_pitch;
        memcpy(from, o.a.v + r * (size_t)s->a_pitch, k * sizeof *from);
        turn(&s->w, from, s->k);
        for (int i = 0, all = chunk_values(p->level, s->k); i < s->k; i += all)
            narrow(from + i, s->k - i < all ? s->k - i : all, row + i);
        for (size_t i = 0; i < k; i++) o.seen[r * (size_t)s->a_pitch + i] = (float)row[i];
    }
    for (size_t r = 0; r < rows; r++) {
        memcpy(turned, o.w.v + r * k, k * sizeof *turned);
        turn(&s->w, turned, s->k);
        narrow_weight(turned, s->k, o.weights + r * k);
        for (size_t i = 0; sdrt_rotates(&s->w) && i < k; i++) o.weights[r * k + i] /= SDRT_ROTATION;
    }
    oracle_gemm(s, o.seen, o.weights, bias, gate, residual, 1, o.want);
    memset(o.packed.p, 0, o.packed.bytes);
    for (int r = (int)rows - 1, count; r >= 0; r -= count) { /* in several calls, the last first */
        count = 1 + trand_int(rng, r + 1);
        cr_assert_eq(ops->pack_rows(&s->w, r + 1 - count, count,
                                    o.w.v + (size_t)(r + 1 - count) * k, SDRT_F32, o.packed.p),
                     0);
    }
    free(row), free(turned);
    return o;
}

static void release(struct operands *o)
{
    tbuf_free(&o->a), tbuf_free(&o->w), tbuf_free(&o->bias), tbuf_free(&o->gate);
    tbuf_free(&o->residual), tbuf_free(&o->packed), tbuf_free(&o->y), tbuf_free(&o->scratch);
    free(o->weights), free(o->residuals), free(o->want), free(o->exact), free(o->seen);
}

static void check(const struct problem *p, const struct sdrt_gemm_ops *ops, uint64_t *rng)
{
    const struct sdrt_gemm_shape *s = &p->s;
    struct operands o = make(p, ops, rng);
    const struct sdrt_gemm_args a = {
        .a = o.a.p,
        .w = o.packed.p,
        .y = o.y.p,
        .bias = p->bias ? o.bias.v : NULL,
        .gate = p->gate ? o.gate.v : NULL,
        .residual = p->residual ? o.residual.v : NULL,
    };
    const int parts[] = { 1, 2, s->m + s->n };
    void *first = malloc(o.y.bytes);
    char text[160];

    snprintf(text, sizeof text,
             "%s m=%d n=%d k=%d pitches %d %d act=%d gated=%d rotated=%d to %s seed=%llu", p->level,
             s->m, s->n, s->k, s->a_pitch, s->y_pitch, s->act, s->w.gated, s->w.rotated,
             sdrt_dtype_name(s->y_type), (unsigned long long)trand_seed());
    cr_expect(ops->takes(s) && ops->operand(s) == toperand(p->level), "%s: types", text);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        tbuf_nan(&o.y);
        for (int part = 0; part < parts[i]; part++) {
            tbuf_nan(&o.scratch);
            cr_expect_eq(ops->gemm(&(struct sdrt_exec){ .part = part,
                                                        .nparts = parts[i],
                                                        .scratch = o.scratch.p },
                                   s, &a),
                         0);
        }
        if (i == 0) memcpy(first, o.y.p, o.y.bytes);
        cr_expect(!memcmp(first, o.y.p, o.y.bytes), "%s: %d parts change bits", text, parts[i]);
    }
    float *y = ttyped_values(&o.y, s->y_type);
    /* A rotated value's last bit depends on the order of its sums, and now and then rounds otherwise. */
    const double bound = sdrt_rotates(&s->w) ? 1.0 : 1e-5;
    const struct tdiff d = tcompare(y, o.want, (size_t)s->m, s->n, s->y_pitch, bound,
                                    bound + ttyped_error(s->y_type));
    if (sdrt_rotates(&s->w) && s->m * s->n >= 100)
        cr_expect_lt(d.nmse, 1e-6 + ttyped_error(s->y_type) * ttyped_error(s->y_type),
                     "%s: nmse of the same integers %.2g", text, d.nmse);
    cr_expect(d.bad == 0, "%s: %zu bad, max %.3g at %zu", text, d.bad, d.max_abs, d.at);
    /* Two roundings to 1/254 of the largest of k uniform values: 1e-2 of what they come to. */
    const struct tdiff e = tcompare(y, o.exact, (size_t)s->m, s->n, s->y_pitch, 1.0, 1.0);
    if (s->m * s->n >= 1000 && s->k >= 16)
        cr_expect_lt(e.nmse, (s->w.gated ? 2.0 : 1.0) * 2e-4, "%s: nmse %.2g", text, e.nmse);
    cr_expect_eq(tgaps_written(y, (size_t)s->m, s->n, s->y_pitch), 0, "%s: wrote a gap", text);
    cr_expect(tbuf_ok(&o.y) && tbuf_ok(&o.scratch) && tbuf_ok(&o.packed), "%s: outside", text);
    free(y), free(first);
    release(&o);
}

static void check_size(const char *level, const struct sdrt_gemm_ops *ops, uint64_t *rng, int m,
                       int n, int k)
{
    struct problem p = { .level = level, .bias = trand_int(rng, 2), .scale = 1.0f };

    if (tevery() > 1 && tleft_out(rng)) return;
    if (trand_int(rng, 4) == 0) p.scale = trand_int(rng, 2) ? 1e20f : 1e-20f;
    p.s = (struct sdrt_gemm_shape){ .m = m,
                                    .n = n,
                                    .k = k,
                                    .act = trand_int(rng, 5),
                                    .a_pitch = k + trand_int(rng, 2) * trand_int(rng, 9),
                                    .y_pitch = n + trand_int(rng, 2) * trand_int(rng, 9),
                                    .residual_pitch = n + trand_int(rng, 9),
                                    .y_type = trand_type(rng) };
    p.s.w = (struct sdrt_weight_shape){ .n = n,
                                        .k = k,
                                        .taps = 1,
                                        .gated = trand_int(rng, 3) == 0,
                                        .rotated = trand_int(rng, 2),
                                        .stored = SDRT_I8 };
    if (!p.s.w.gated) p.residual = trand_int(rng, 2);
    if (!p.s.w.gated) p.gate = trand_int(rng, 2);
    check(&p, ops, rng);
}

/* Around slots, tiles, blocks of rows, panels and chunks. */
static void check_sizes(const char *level)
{
    static const int rows[] = { 14, 15, 28, 29, 167, 168, 169, 337 },
                     columns[] = { 31, 32, 33, 520 };
    static const int depths[] = { 63, 64, 65, 1279, 1280, 1281, 1290, 2560, 2561, 3000 };
    struct sdrt_gemm_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tgemm_init(&ops, level);
    for (int m = 1; m <= 17; m++)
        for (int n = 1; n <= 35; n++) check_size(level, &ops, &rng, m, n, 1 + trand_int(&rng, 40));
    for (int k = 1; k <= 70; k++)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), 1 + trand_int(&rng, 70), k);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_size(level, &ops, &rng, rows[i], 1 + trand_int(&rng, 40), 1 + trand_int(&rng, 90));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 40), columns[i], 1 + trand_int(&rng, 90));
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), 1 + trand_int(&rng, 99), depths[i]);
    check_size(level, &ops, &rng, 80, 600, 2700); /* several groups of panels */
    for (int k = SDRT_ROTATION; k <= 45 * SDRT_ROTATION; k += 4 * SDRT_ROTATION)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 40), 1 + trand_int(&rng, 70), k);
}

/* One channel in 97 is 20 times as large: the error beside float32's products, rotated and not. */
static double outliers_cost(const char *level, int rotated)
{
    enum { M = 40, N = 64, K = 640 };
    const struct sdrt_gemm_shape s = {
        .m = M,
        .n = N,
        .k = K,
        .a_pitch = K,
        .y_pitch = N,
        .w = { .n = N, .k = K, .taps = 1, .stored = SDRT_I8, .rotated = rotated }
    };
    struct sdrt_gemm_ops ops = { 0 };
    uint64_t rng = trand_seed();
    static double weights[N * K], want[M * N];

    tgemm_init(&ops, level);
    struct tbuf a = tbuf_floats(M * K), w = tbuf_floats(N * K), y = tbuf_floats(M * N);
    struct tbuf scratch = tbuf_bytes(ops.scratch(&s)), packed = tbuf_bytes(ops.pack_bytes(&s.w));
    trand_rows(&rng, a.v, M, K, K, 1.0f);
    trand_rows(&rng, w.v, N, K, K, 0.1f);
    for (int i = 0; i < M * K; i++) a.v[i] *= i % K % 97 ? 1.0f : 20.0f;
    for (int i = 0; i < N * K; i++) weights[i] = (double)w.v[i];
    oracle_gemm(&s, a.v, weights, NULL, NULL, NULL, 1, want);
    memset(packed.p, 0, packed.bytes);
    cr_assert_eq(ops.pack_rows(&s.w, 0, N, w.p, SDRT_F32, packed.p), 0);
    cr_assert_eq(ops.gemm(&(struct sdrt_exec){ .nparts = 1, .scratch = scratch.p }, &s,
                          &(struct sdrt_gemm_args){ .a = a.p, .w = packed.p, .y = y.p }),
                 0);
    const double cost = tcompare(y.v, want, M, N, N, 1.0, 1.0).nmse;
    tbuf_free(&a), tbuf_free(&w), tbuf_free(&y), tbuf_free(&scratch), tbuf_free(&packed);
    return cost;
}

static void check_outliers(const char *level)
{
    const double plain = outliers_cost(level, 0), rotated = outliers_cost(level, 1);

    cr_expect_lt(8.0 * rotated, plain, "%s: nmse %.2g, rotated %.2g", level, plain, rotated);
}

/* Sums as large as they can be, of both signs: a wrapped or saturated one is far off. */
static void check_extremes(const char *level)
{
    static const int depths[] = { 1, 4, 5, 1280, 1281, 5120, 24576 };
    enum { M = 15, N = 33 };
    struct sdrt_gemm_ops ops = { 0 };

    tgemm_init(&ops, level);
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        const int k = depths[i];
        const struct sdrt_gemm_shape s = { .m = M,
                                           .n = N,
                                           .k = k,
                                           .a_pitch = k,
                                           .y_pitch = N,
                                           .w = { .n = N, .k = k, .taps = 1, .stored = SDRT_I8 } };
        struct tbuf a = tbuf_floats((size_t)(M * k)), w = tbuf_floats((size_t)(N * k));
        struct tbuf y = tbuf_floats(M * N), scratch = tbuf_bytes(ops.scratch(&s));
        struct tbuf packed = tbuf_bytes(ops.pack_bytes(&s.w));
        const struct sdrt_gemm_args args = { .a = a.p, .w = packed.p, .y = y.p };
        for (int j = 0; j < M * k; j++) a.v[j] = j / k % 2 ? 3.0f : -3.0f;
        for (int j = 0; j < N * k; j++) w.v[j] = j / k % 3 ? 0.5f : -0.5f;
        memset(packed.p, 0, packed.bytes);
        cr_assert_eq(ops.pack_rows(&s.w, 0, N, w.p, SDRT_F32, packed.p), 0);
        cr_assert_eq(ops.gemm(&(struct sdrt_exec){ .nparts = 1, .scratch = scratch.p }, &s, &args),
                     0);
        for (int j = 0; j < M * N; j++) {
            const double want = 1.5 * k * (j / N % 2 ? 1 : -1) * (j % N % 3 ? 1 : -1);
            cr_expect_lt(fabs((double)y.v[j] - want), 1e-5 * fabs(want), "%s: k %d: %g for %g",
                         level, k, (double)y.v[j], want);
        }
        tbuf_free(&a), tbuf_free(&w), tbuf_free(&y), tbuf_free(&scratch), tbuf_free(&packed);
    }
}

#define SDRT_BF16_INT8_LEVEL SDRT_INT8_LEVEL
#define SDRT_INT8_LEVEL(level, ...)                               \
    Test(gemm_int8, sizes_##level) { check_sizes(#level); }       \
    Test(gemm_int8, extremes_##level) { check_extremes(#level); } \
    Test(gemm_int8, outliers_##level) { check_outliers(#level); } \
    Test(gemm_int8, not_finite_##level) { tgemm_not_finite(#level, SDRT_I8); }
#include "kernels/levels.h"
#else
Test(gemm_int8, none) { cr_skip_test("no level here computes in 8-bit integers"); }
#endif
