/* SPDX-License-Identifier: MIT */
#include "bench/shapes_gemm.h"
#include "kernels/ops.h"
#include "tests/emulated.h"
#include "tests/gemm_not_finite.h"
#include "bench/oracle/gemm.h"
#include "tests/support.h"
#include "tests/weights.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum residual { NO_RESIDUAL, OWN_RESIDUAL, IN_PLACE, RESIDUALS };

struct problem {
    const char *level;
    struct sdrt_gemm_shape s;
    enum residual residual;
    enum sdrt_dtype from;
    int bias, gate;
    float bias_scale; /* large: to reach the flat ends of the activations */
    float small;      /* weights divided by this, inputs multiplied: subnormal f16 */
    size_t step;      /* every step-th value is checked */
};

struct operands {
    struct tbuf a, bias, gate, residual, y, first, scratch; /* a and y in their own types */
    struct tweights w;
    double *want;
};

static void describe(const struct problem *p, char *text, size_t size)
{
    const struct sdrt_gemm_shape *s = &p->s;

    snprintf(text, size,
             "%s m=%d n=%d k=%d %s to %s pitches %d %d %d act=%d gated=%d %s from %s residual=%d "
             "bias=%d gate=%d seed=%llu", p->level, s->m, s->n, s->k, sdrt_dtype_name(s->a_type),
             sdrt_dtype_name(s->y_type), s->a_pitch, s->y_pitch,
             s->residual_pitch, s->act, s->w.gated, sdrt_dtype_name(s->w.stored),
             sdrt_dtype_name(p->from), p->residual, p->bias, p->gate,
             (unsigned long long)trand_seed());
}

static struct operands make(const struct problem *p, const struct sdrt_gemm_ops *ops, uint64_t *rng)
{
    const struct sdrt_gemm_shape *s = &p->s;
    const size_t m = (size_t)s->m, n = (size_t)s->n, values = s->w.gated ? 2 * n : n;
    const size_t y_bytes = sdrt_dtype_bytes(s->y_type, m * (size_t)s->y_pitch);
    struct tbuf rows = tbuf_floats(m * (size_t)s->a_pitch);
    struct operands o = {
        .bias = tbuf_floats(values), .gate = tbuf_floats(n),
        .residual = tbuf_floats(m * (size_t)s->residual_pitch),
        .y = tbuf_bytes(y_bytes), .first = tbuf_bytes(y_bytes),
        .scratch = tbuf_bytes(ops->scratch(s)), .want = malloc(m * n * sizeof(double)),
    };
    double *residual = p->residual ? malloc(m * n * sizeof(double)) : NULL;

    trand_rows(rng, rows.v, m, s->k, s->a_pitch, p->small);
    o.a = ttyped_rows(rows.v, s->a_type, m, (size_t)s->k, (size_t)s->a_pitch);
    trand_rows(rng, o.bias.v, 1, (int)values, (int)values, p->bias_scale);
    trand_rows(rng, o.gate.v, 1, s->n, s->n, 1.0f);
    trand_rows(rng, o.residual.v, m, s->n, s->residual_pitch, 1.0f);
    for (size_t i = 0; residual && i < m * n; i++)
        residual[i] = (double)o.residual.v[i / n * (size_t)s->residual_pitch + i % n];
    o.w = tweights_new(rng, &s->w, p->from, 3.0f / sqrtf((float)s->k) / p->small, ops->pack_bytes,
                       ops->pack_rows);
    /* Levels that multiply bf16: the oracle is given what a correct rounding gives them. */
    float *seen = trounded_rows(rows.v, m, (size_t)s->k, (size_t)s->a_pitch,
                                s->a_type == tnarrow_type || tin_bf16(p->level, s->w.stored));
    oracle_gemm(s, seen, o.w.values, p->bias ? o.bias.v : NULL,
                p->gate ? o.gate.v : NULL, residual, p->step, o.want);
    tbuf_free(&rows);
    free(seen);
    free(residual);
    return o;
}

static void run(const struct problem *p, const struct sdrt_gemm_ops *ops, struct operands *o,
                int nparts)
{
    const struct sdrt_gemm_shape *s = &p->s;
    struct sdrt_gemm_args a = { .a = o->a.p, .w = o->w.packed.p, .y = o->y.p };

    if (p->bias) a.bias = o->bias.v;
    if (p->gate) a.gate = o->gate.v;
    if (p->residual == OWN_RESIDUAL) a.residual = o->residual.v;
    if (p->residual == IN_PLACE) a.residual = o->y.v;
    tbuf_nan(&o->y);
    if (p->residual == IN_PLACE)
        for (size_t r = 0; r < (size_t)s->m; r++)
            memcpy(o->y.v + r * (size_t)s->y_pitch, o->residual.v + r * (size_t)s->residual_pitch,
                   (size_t)s->n * sizeof(float));
    for (int part = 0; part < nparts; part++) {
        const struct sdrt_exec ex = { .part = part, .nparts = nparts, .scratch = o->scratch.p };
        tbuf_nan(&o->scratch);
        cr_expect(ops->gemm(&ex, s, &a) == 0);
    }
}

static void check(const struct problem *p, const struct sdrt_gemm_ops *ops, uint64_t *rng)
{
    const struct sdrt_gemm_shape *s = &p->s;
    const int own = ops->parts(s, 2), nparts[] = { 1, own, 2, s->m + s->n };
    const size_t splits = p->step == 1 ? 4 : 2; /* the models' shapes take long */
    struct operands o = make(p, ops, rng);
    char text[256];

    describe(p, text, sizeof text);
    cr_expect(own >= 1 && ops->parts(s, 1) >= 1 && ops->parts(s, 64) >= own, "%s: parts", text);
    for (size_t i = 0; i < splits; i++) {
        run(p, ops, &o, nparts[i]);
        if (i == 0) memcpy(o.first.p, o.y.p, o.y.bytes);
        cr_expect(!memcmp(o.first.p, o.y.p, o.y.bytes), "%s: %d parts change bits", text,
                  nparts[i]);
    }
    /* Rounding of k products in f32, then of the activation; a gated product multiplies the
     * error of one half by the other half. */
    const double large = (double)p->bias_scale, factor = s->w.gated ? 2.0 * large : 1.0;
    const double atol = 3e-6 + 1.5e-7 * sqrt((double)s->k) + 1.2e-7 * large * factor +
                        tf16_error(p->level, s->w.stored) * factor +
                        (tint16_level(p->level) ? 10.0 * sqrt(TINT16_NMSE) * factor : 0.0);
    float *y = ttyped_values(&o.y, s->y_type);
    const struct tdiff d = tcompare(y, o.want, (size_t)s->m, s->n, s->y_pitch, atol,
                                    3e-6 + ttyped_error(s->y_type));
    cr_expect(d.bad == 0, "%s: %zu bad, max %.3g at %zu, nmse %.2g", text, d.bad, d.max_abs, d.at,
              d.nmse);
    /* A gated product has the errors of both halves; rounding y to bf16 comes to 1.7e-3. */
    const double limit = tint16_level(p->level) ? TINT16_NMSE : TF16_NMSE;
    const double mean = (s->w.gated ? 2.0 : 1.0) * limit + (s->y_type == SDRT_F32 ? 0.0 : 4e-6);
    if ((tin_f16(p->level, s->w.stored) || tint16_level(p->level)) && s->m * s->n >= 1000)
        cr_expect(d.nmse < mean, "%s: nmse %.2g", text, d.nmse);
    cr_expect(tgaps_written(y, (size_t)s->m, s->n, s->y_pitch) == 0, "%s: wrote a gap", text);
    cr_expect(tbuf_ok(&o.y) && tbuf_ok(&o.scratch) && tbuf_ok(&o.a) && tbuf_ok(&o.gate) &&
              tbuf_ok(&o.w.packed), "%s: wrote outside a buffer", text);
    free(y);
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%s max %.2e nmse %.1e\n", text, d.max_abs, d.nmse);
    free(o.want);
    tweights_free(&o.w);
    tbuf_free(&o.a), tbuf_free(&o.bias), tbuf_free(&o.gate), tbuf_free(&o.residual);
    tbuf_free(&o.y), tbuf_free(&o.first), tbuf_free(&o.scratch);
}

/* Those that the level takes. */
static void choose_types(const struct sdrt_gemm_ops *ops, uint64_t *rng, struct sdrt_gemm_shape *s)
{
    s->a_type = trand_type(rng);
    if (!ops->takes(s)) s->a_type = SDRT_F32;
    s->y_type = trand_type(rng);
    if (!ops->takes(s)) s->y_type = SDRT_F32;
}

/* A problem of this size with everything else drawn at random. */
static void check_size(const char *level, const struct sdrt_gemm_ops *ops, uint64_t *rng, int m,
                       int n, int k)
{
    static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16 };
    struct problem p = { .level = level, .bias = trand_int(rng, 2), .step = 1, .small = 1.0f };

    if (tevery() > 1 && tleft_out(rng)) return;
    p.from = types[trand_int(rng, 3)];
    p.bias_scale = trand_int(rng, 4) ? 1.0f : 150.0f;
    if (trand_int(rng, 8) == 0) p.small = 0x1p12f;
    p.s = (struct sdrt_gemm_shape){ .m = m, .n = n, .k = k, .act = trand_int(rng, 5),
                                    .a_pitch = k + trand_int(rng, 2) * trand_int(rng, 9),
                                    .y_pitch = n + trand_int(rng, 2) * trand_int(rng, 9) };
    p.s.w = (struct sdrt_weight_shape){ .n = n, .k = k, .taps = 1, .gated = trand_int(rng, 3) == 0,
                                        .stored = types[trand_int(rng, 3)] };
    if (toperand(level) != SDRT_F32 && trand_int(rng, 8)) p.s.w.stored = toperand(level);
    /* Integers are of the values as they come. */
    if (tint16_level(level) && p.s.w.stored != SDRT_F32) p.s.w.stored = p.from;
    if (!strncmp(level, "cuda", 4) && trand_int(rng, 4) == 0) p.s.w.stored = SDRT_F8_E4M3;
    if (p.s.w.stored == SDRT_F8_E4M3 && trand_int(rng, 2)) p.from = SDRT_F8_E4M3;
    if (p.s.w.stored == SDRT_F8_E4M3) p.small = 1.0f; /* smaller ones than those are all 0 */
    choose_types(ops, rng, &p.s);
    if (!p.s.w.gated) p.residual = trand_int(rng, p.s.y_type == SDRT_F32 ? RESIDUALS : IN_PLACE);
    if (!p.s.w.gated) p.gate = trand_int(rng, 2);
    p.s.residual_pitch = p.residual == IN_PLACE ? p.s.y_pitch : n + trand_int(rng, 9);
    check(&p, ops, rng);
}

static void check_edges(const char *level)
{
    /* Around the tiles, row blocks, panels and chunks of all levels. */
    static const int rows[] = { 63,  64,  65,  95,  96,  97,  128, 167,
                                168, 169, 193, 337, 511, 512, 513 };
    static const int columns[] = { 127, 128, 129, 255, 256, 257, 520 };
    static const int depths[] = { 255, 256, 257, 319, 320, 321, 511, 512, 513, 1025 };
    struct sdrt_gemm_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tgemm_init(&ops, level);
    for (int m = 1; m <= 17; m++)
        for (int n = 1; n <= 35; n++) check_size(level, &ops, &rng, m, n, 1 + trand_int(&rng, 40));
    for (int k = 1; k <= 70; k++)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), 1 + trand_int(&rng, 70), k);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        check_size(level, &ops, &rng, rows[i], 1 + trand_int(&rng, 40), 1 + trand_int(&rng, 40));
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), columns[i], 1 + trand_int(&rng, 40));
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), 1 + trand_int(&rng, 40), depths[i]);
    /* Several groups of weights, then chunks too, each with blocks of unequal height. */
    check_size(level, &ops, &rng, 80, 250, 1500);
    check_size(level, &ops, &rng, 76, 230, 1600);
}

/* What the type pass relies on: every level takes f32, and one of bf16 products takes what it rounds
 * its operands to, each operand on its own. */
static void check_types(const char *level, const struct sdrt_gemm_ops *ops)
{
    struct sdrt_gemm_shape s = { .m = 8, .n = 64, .k = 64, .a_pitch = 64, .y_pitch = 64,
                                 .w = { .n = 64, .k = 64, .taps = 1, .stored = tnarrow_type } };
    const int narrow = tbf16_level(level);

    cr_expect(ops->takes(&s), "%s: f32", level);
    cr_expect_eq(ops->operand(&s) == tnarrow_type, narrow, "%s: operand", level);
    for (int i = 1; narrow && i < 4; i++) {
        s.a_type = i & 1 ? tnarrow_type : SDRT_F32;
        s.y_type = i & 2 ? tnarrow_type : SDRT_F32;
        cr_expect(ops->takes(&s), "%s: bf16, case %d", level, i);
    }
    s.a_type = SDRT_I32;
    cr_expect_not(ops->takes(&s), "%s: i32", level);
}

static void check_models(const char *level)
{
    struct sdrt_gemm_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tgemm_init(&ops, level);
    check_types(level, &ops);
    for (int i = 0; i < SDRT_GEMM_MODEL_SHAPES; i++) {
        struct problem p = { .level = level, .s = sdrt_gemm_model_shapes[i].s, .bias = 1,
                             .bias_scale = 1.0f, .small = 1.0f, .step = 13, .from = SDRT_F16 };
        p.s.m = p.s.m < 29 ? p.s.m : 29;
        if (tevery() > 1 && p.s.n > 129) p.s.n = p.s.w.n = 129;
        p.s.w.stored = i % 2 ? SDRT_F32 : SDRT_F16; /* and they come as F16 */
        if (toperand(level) != SDRT_F32) p.s.w.stored = toperand(level);
        choose_types(&ops, &rng, &p.s);
        if (!p.s.w.gated) p.residual = p.s.y_type == SDRT_F32 ? IN_PLACE : OWN_RESIDUAL;
        check(&p, &ops, &rng);
    }
}

/* Each row and each column of a size of its own, far beyond the range of f16: what a level rounds is
 * rounded relative to its own row, or, where it rounds to f16 itself, what that does not hold is infinite,
 * and so is no sum of it finite. */
static void check_range(const char *level)
{
    enum { M = 40, N = 50, K = 300 };
    struct sdrt_gemm_ops ops = { 0 };
    uint64_t rng = trand_seed();
    double want[M * N];
    struct sdrt_gemm_args a;

    tgemm_init(&ops, level);
    const enum sdrt_dtype stored = toperand(level);
    const struct sdrt_gemm_shape s = { .m = M, .n = N, .k = K, .a_pitch = K, .y_pitch = N,
                                       .w = { .n = N, .k = K, .taps = 1, .stored = stored } };
    struct tbuf rows = tbuf_floats(M * K), y = tbuf_floats(M * N);
    struct tbuf scratch = tbuf_bytes(ops.scratch(&s)), source = tbuf_floats(N * K);
    struct tbuf packed = tbuf_bytes(ops.pack_bytes(&s.w));
    double *values = malloc(N * K * sizeof *values);
    trand_rows(&rng, rows.v, M, K, K, 1.0f);
    trand_rows(&rng, source.v, N, K, K, 1.0f);
    for (int i = 0; i < M * K; i++) rows.v[i] = ldexpf(rows.v[i], i / K * 5 - 100);
    for (int i = 0; i < N * K; i++) {
        source.v[i] = (float)tround((double)ldexpf(source.v[i], i / K % 20 - 4), stored);
        values[i] = (double)source.v[i];
    }
    float *seen = trounded_rows(rows.v, M, K, K, stored == tnarrow_type);
    oracle_gemm(&s, seen, values, NULL, NULL, NULL, 1, want);
    memset(packed.p, 0, packed.bytes);
    cr_expect_eq(ops.pack_rows(&s.w, 0, N, source.p, SDRT_F32, packed.p), 0);
    a = (struct sdrt_gemm_args){ .a = rows.p, .w = packed.p, .y = y.p };
    cr_expect_eq(ops.gemm(&(struct sdrt_exec){ .nparts = 1, .scratch = scratch.p }, &s, &a), 0);
    for (int i = 0; i < M * N; i++) { /* a sum of 300 is about 10 times its terms' mean */
        const double size = ldexp(6.0, i / N * 5 - 100 + i % N % 20 - 4);
        const double limit = tin_f16(level, stored) ? 6e-3 : tint16_level(level) ? 2e-3 : 1e-5;
        if (!isfinite(want[i])) {
            cr_expect_not(isfinite(y.v[i]), "%s: row %d overflows in silence", level, i / N);
            continue;
        }
        cr_expect_lt(fabs((double)y.v[i] - want[i]), limit * size, "%s: row %d column %d: %g for %g",
                     level, i / N, i % N, (double)y.v[i], want[i]);
    }
    free(seen);
    free(values);
    tbuf_free(&rows), tbuf_free(&y), tbuf_free(&scratch), tbuf_free(&source), tbuf_free(&packed);
}

#if HAVE_AVX512VNNI /* whoever compiles for one such level does for all */
/* Values that are all alike: products of a sum have one sign and are as large as packing allows, so
 * that a sum that could overflow does.  alone: but for one weight, which is the largest there can be. */
static void check_extremes(const char *level, const struct sdrt_gemm_ops *ops, int k, int alone)
{
    enum { M = 15, N = 33 };
    const struct sdrt_gemm_shape s = { .m = M, .n = N, .k = k, .a_pitch = k, .y_pitch = N,
                                       .w = { .n = N, .k = k, .taps = 1, .stored = SDRT_F32 } };
    struct tbuf rows = tbuf_floats((size_t)(M * k)), y = tbuf_floats(M * N);
    struct tbuf scratch = tbuf_bytes(ops->scratch(&s)), source = tbuf_floats((size_t)(N * k));
    struct tbuf packed = tbuf_bytes(ops->pack_bytes(&s.w));
    double *values = malloc((size_t)(N * k) * sizeof *values), want[M * N];
    const struct sdrt_gemm_args a = { .a = rows.p, .w = packed.p, .y = y.p };
    uint64_t rng = trand_seed();

    for (int i = 0; i < M * k; i++) rows.v[i] = i % k ? rows.v[i - 1] : 1000.0f * trand(&rng);
    for (int i = 0; i < N * k; i++) {
        source.v[i] = i % k ? source.v[i / k * k] : trand(&rng);
        if (alone && i % k && i % k % 7 == 0) source.v[i] = source.v[i / k * k] / 1000.0f;
        values[i] = (double)source.v[i];
    }
    memset(packed.p, 0, packed.bytes);
    cr_assert_eq(ops->pack_rows(&s.w, 0, N, source.p, SDRT_F32, packed.p), 0);
    cr_assert_eq(ops->gemm(&(struct sdrt_exec){ .nparts = 1, .scratch = scratch.p }, &s, &a), 0);
    oracle_gemm(&s, rows.v, values, NULL, NULL, NULL, 1, want);
    /* All roundings of a sum are the same one. */
    for (int i = 0; i < M * N; i++)
        cr_expect_lt(fabs((double)y.v[i] - want[i]), 2e-3 * fabs(want[i]),
                     "%s: k %d, row %d column %d: %g for %g", level, k, i / N, i % N,
                     (double)y.v[i], want[i]);
    free(values);
    tbuf_free(&rows), tbuf_free(&y), tbuf_free(&scratch), tbuf_free(&source), tbuf_free(&packed);
}

static void check_int16(const char *level)
{
    static const int depths[] = { 1, 2, 3, 64, 319, 320, 321, 640, 1000, 2560 };
    struct sdrt_gemm_ops ops = { 0 };

    tgemm_init(&ops, level);
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++)
        for (int alone = 0; alone < 2; alone++) check_extremes(level, &ops, depths[i], alone);
}

#define SDRT_INT16_LEVEL(level, ...) \
    Test(gemm, sums_of_##level) { check_int16(#level); } \
    Test(gemm, not_finite_##level) { tgemm_not_finite(#level, SDRT_F32); }
#include "kernels/levels.h"
#endif

/* One test for each level, so that the report names the one that broke. */
#define SDRT_LEVEL(level, ...) Test(gemm, range_##level) { check_range(#level); }
#include "kernels/levels.h"
#define SDRT_LEVEL(level, ...) Test(gemm, edges_##level) { check_edges(#level); }
#include "kernels/levels.h"
#define SDRT_LEVEL(level, ...) Test(gemm, models_##level) { check_models(#level); }
#include "kernels/levels.h"

/* A table must never leave a hole: every entry is set at every level. */
Test(gemm, no_null_entries)
{
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++) {
        struct sdrt_gemm_ops ops = { 0 };
        sdrt_gemm_init(&ops, l->flags);
        cr_expect(ops.pack_bytes && ops.pack_rows && ops.takes && ops.operand && ops.parts &&
                  ops.scratch && ops.gemm, "hole at %s", l->name);
    }
}
