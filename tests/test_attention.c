/* SPDX-License-Identifier: MIT */
#include "bench/shapes_attention.h"
#include "kernels/ops.h"
#include "tests/emulated.h"
#include "bench/oracle/attention.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the keys do to the scores. */
enum scores {
    SMALL,   /* a soft softmax */
    RISING,  /* each tile's largest is above all before it: all is rescaled each time */
    PEAKED,  /* exponentials beyond f32's range if the largest is not taken off */
    KINDS,   /* those that check_size() draws from */
    LAST,    /* the last key outweighs all before it */
    OVER,    /* one key's score is beyond f32's range and wins, the others are small */
    OVER_LAST, /* the same, and that key is the last */
    UNDER,   /* all scores are below f32's range, and equal */
    BOTH,    /* one key's score above f32's range, all others below */
    FLAT,    /* all of an operand is equal: sums as large as integers come to */
};

/* The keys of each image that differ from the rest, if any. */
static int outstanding(const struct sdrt_attention_shape *s, enum scores kind)
{
    return kind == LAST || kind == OVER_LAST ? s->kv_len - 1 : s->kv_len / 3;
}

/* Keys against queries that are all positive, for the kinds after KINDS. */
static void fill_constant_keys(const struct sdrt_attention_shape *s, enum scores kind, int pitch,
                               float *k)
{
    const int over = kind == OVER || kind == OVER_LAST;
    const float rest = kind == FLAT ? -1.0f : kind == LAST ? 0.1f : over ? 1e-20f : -1e20f;
    const float special = kind == LAST ? 24.0f / sqrtf((float)s->head_dim)
                                       : kind == UNDER || kind == FLAT ? rest : 1e20f;

    for (int r = 0; r < s->batch * s->kv_len; r++)
        for (int c = 0; c < s->heads * s->head_dim; c++)
            k[(long)r * pitch + c] = r % s->kv_len == outstanding(s, kind) ? special : rest;
}

static void fill_queries(uint64_t *rng, const struct sdrt_attention_shape *s, enum scores kind,
                         float *q)
{
    const size_t n = (size_t)s->batch * (size_t)s->q_len;
    const float scale = kind > LAST ? 1e20f : 1.0f;

    for (size_t i = 0; kind == FLAT && i < n * (size_t)s->q_pitch; i++) q[i] = 1.0f;
    if (kind == FLAT) return;
    trand_rows(rng, q, n, s->heads * s->head_dim, s->q_pitch, 1.0f);
    if (kind != RISING && kind < KINDS) return;
    for (size_t i = 0; i < n * (size_t)s->q_pitch; i++)
        q[i] = scale * (kind == RISING ? fabsf(q[i]) : 1.0f + 0.5f * q[i]);
}

static void fill_keys(uint64_t *rng, const struct sdrt_attention_shape *s, enum scores kind,
                      float *k)
{
    const int width = s->heads * s->head_dim;

    if (kind > KINDS) {
        fill_constant_keys(s, kind, s->k_pitch, k);
        return;
    }
    trand_rows(rng, k, (size_t)s->batch * (size_t)s->kv_len, width, s->k_pitch,
               kind == PEAKED ? 60.0f : 1.5f);
    if (kind != RISING) return;
    for (int r = 0; r < s->batch * s->kv_len; r++)
        for (int c = 0; c < width; c++) {
            const float rise = (float)(r % s->kv_len) / (float)s->kv_len;
            k[(long)r * s->k_pitch + c] = 6.0f * rise + 0.5f * k[(long)r * s->k_pitch + c];
        }
}

/* Whether its attention is in bf16, which it is in where that and integers are. */
static int bf16_level(const char *level)
{
    const struct sdrt_isa_level *l = sdrt_isa_find(level);

    return l && (l->flags & SDRT_ISA_ANY_BF16);
}

static int in_bf16(const char *level, const struct sdrt_attention_shape *s)
{
    return bf16_level(level) && !s->causal && !s->biased;
}

static int in_f16(const char *level, const struct sdrt_attention_shape *s)
{
    return tin_f16(level, SDRT_F16) && !s->causal && !s->biased;
}

static int in_int16(const char *level, const struct sdrt_attention_shape *s)
{
    return tint16_level(level) && !bf16_level(level) && !s->causal && !s->biased;
}

/* What the oracle makes of the operands, here f32, in bf16 of what correct rounding makes of them. */
static void expect(const char *level, const struct sdrt_attention_shape *s,
                   const struct sdrt_attention_args *a, double *want)
{
    const size_t queries = (size_t)s->batch * (size_t)s->q_len;
    const size_t keys = (size_t)s->batch * (size_t)s->kv_len;
    const size_t width = (size_t)(s->heads * s->head_dim);
    const int round = in_bf16(level, s);
    float *q = trounded_rows(a->q, queries, width, (size_t)s->q_pitch,
                             round || s->q_type == tnarrow_type);
    float *k = trounded_rows(a->k, keys, width, (size_t)s->k_pitch,
                             round || s->k_type == tnarrow_type);
    float *v = trounded_rows(a->v, keys, width, (size_t)s->v_pitch,
                             round || s->v_type == tnarrow_type);

    oracle_attention(s, q, k, v, a->bias, 1, want);
    free(q);
    free(k);
    free(v);
}

/* Rows of floats that a points to, in the types that the shape says; of a fused projection all at
 * once. */
static void set_types(const struct sdrt_attention_shape *s, int fused,
                      struct sdrt_attention_args *a, struct tbuf typed[3])
{
    const size_t queries = (size_t)s->batch * (size_t)s->q_len;
    const size_t keys = (size_t)s->batch * (size_t)s->kv_len;
    const size_t width = (size_t)(s->heads * s->head_dim);

    typed[0] = ttyped_rows(a->q, s->q_type, queries, fused ? 3 * width : width, (size_t)s->q_pitch);
    a->q = typed[0].p;
    if (fused) {
        a->k = sdrt_element(a->q, s->k_type, width);
        a->v = sdrt_element(a->q, s->v_type, 2 * width);
        return;
    }
    typed[1] = ttyped_rows(a->k, s->k_type, keys, width, (size_t)s->k_pitch);
    typed[2] = ttyped_rows(a->v, s->v_type, keys, width, (size_t)s->v_pitch);
    a->k = typed[1].p;
    a->v = typed[2].p;
}

/* Those that the level takes; the three of a fused projection are one. */
static void choose_types(const struct sdrt_attention_ops *ops, uint64_t *rng, int fused,
                         struct sdrt_attention_shape *s)
{
    s->q_type = trand_type(rng);
    s->k_type = fused ? s->q_type : trand_type(rng);
    s->v_type = fused ? s->q_type : trand_type(rng);
    if (!ops->takes(s)) s->q_type = s->k_type = s->v_type = SDRT_F32;
    s->o_type = trand_type(rng);
    if (!ops->takes(s)) s->o_type = SDRT_F32;
}

/* q, k and v are slices of one fused projection where their pitches say so. */
static void check(const char *level, const struct sdrt_attention_ops *ops, uint64_t *rng,
                  const struct sdrt_attention_shape *s, enum scores kind)
{
    const int width = s->heads * s->head_dim, own = ops->parts(s, 2);
    const int fused = s->q_len == s->kv_len && s->q_pitch == s->k_pitch && s->q_pitch >= 3 * width;
    const size_t queries = (size_t)s->batch * (size_t)s->q_len;
    const size_t keys = (size_t)s->batch * (size_t)s->kv_len;
    const int nparts[] = { 1, 2, own, s->q_len + 1 };
    struct tbuf q = tbuf_floats(queries * (size_t)s->q_pitch);
    struct tbuf k = tbuf_floats(keys * (size_t)s->k_pitch);
    struct tbuf v = tbuf_floats(keys * (size_t)s->v_pitch);
    struct tbuf o = tbuf_bytes(sdrt_dtype_bytes(s->o_type, queries * (size_t)s->o_pitch));
    struct tbuf first = tbuf_bytes(o.bytes);
    struct tbuf scratch = tbuf_bytes(ops->scratch(s));
    struct tbuf bias = tbuf_floats((size_t)s->heads * (size_t)s->q_len * (size_t)s->kv_len);
    double *want = malloc(queries * (size_t)width * sizeof *want);
    struct sdrt_attention_args a = { q.v, fused ? q.v + width : k.v, fused ? q.v + 2 * width : v.v,
                                     o.v, s->biased ? bias.v : NULL };
    char text[256];

    cr_assert_not_null(want);
    snprintf(text, sizeof text, "%s batch=%d heads=%dx%d %dx%d pitches %d %d %d %d causal=%d "
             "biased=%d scores=%d %s %s %s to %s seed=%llu", level, s->batch, s->heads,
             s->head_dim, s->q_len, s->kv_len, s->q_pitch, s->k_pitch, s->v_pitch, s->o_pitch, s->causal, s->biased, kind,
             sdrt_dtype_name(s->q_type), sdrt_dtype_name(s->k_type), sdrt_dtype_name(s->v_type),
             sdrt_dtype_name(s->o_type), (unsigned long long)trand_seed());
    fill_queries(rng, s, kind, q.v);
    fill_keys(rng, s, kind, (float *)a.k);
    if (kind == FLAT) fill_constant_keys(s, kind, s->v_pitch, (float *)a.v);
    else trand_rows(rng, (float *)a.v, keys, width, s->v_pitch, 1.0f);
    trand_rows(rng, bias.v, (size_t)(s->heads * s->q_len), s->kv_len, s->kv_len, 5.0f);
    expect(level, s, &a, want);
    struct tbuf typed[3];
    set_types(s, fused, &a, typed);
    cr_expect(own >= 1 && ops->parts(s, 1) >= 1 && ops->parts(s, 64) >= own, "%s: parts", text);

    for (size_t i = 0; i < sizeof nparts / sizeof nparts[0]; i++) {
        tbuf_nan(&o);
        for (int part = 0; part < nparts[i]; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = nparts[i], .scratch = scratch.p };
            tbuf_nan(&scratch);
            cr_expect(ops->attention(&ex, s, &a) == 0);
        }
        if (i == 0) memcpy(first.p, o.p, o.bytes);
        cr_expect(!memcmp(first.p, o.p, o.bytes), "%s: %d parts change bits", text, nparts[i]);
    }
    /* A score's rounding error is an exponential's relative error: how large do they get? */
    const double largest = (kind == PEAKED ? 300.0 : kind == RISING ? 3.0 * sqrt(s->head_dim) : 3.0) +
                           (s->biased ? 5.0 : 0.0);
    double atol = 6e-6 + 7e-7 * largest;
    /* Each weight is rounded to 2^-8 of itself, in f16 to 2^-11, and the values, which are below 1, differ
     * by up to 2. */
    if (in_bf16(level, s)) atol += 2.0 * ttyped_error(tnarrow_type);
    /* In f16 so is each score, to 2^-10 of its terms' sum, and with it the weight's exponent. */
    if (in_f16(level, s)) atol += 4e-3 + 1e-3 * largest;
    /* Queries and keys are rounded to 1/4094 of their largest value at worst, at head 512, weights to
     * 2^-16 of the largest in a block and values to 1/8190. */
    if (in_int16(level, s)) atol += 1e-3 + 2e-4 * largest;
    float *got = ttyped_values(&o, s->o_type);
    const struct tdiff d = tcompare(got, want, queries, width, s->o_pitch, atol,
                                    3e-6 + ttyped_error(s->o_type));
    cr_expect(d.bad == 0, "%s: %zu bad, max %.3g at %zu, nmse %.2g", text, d.bad, d.max_abs, d.at,
              d.nmse);
    if (in_int16(level, s) && kind == SMALL && queries * (size_t)width > 1000)
        cr_expect(d.nmse < TINT16_NMSE, "%s: nmse %.2g", text, d.nmse);
    cr_expect(tgaps_written(got, queries, width, s->o_pitch) == 0, "%s: wrote a gap", text);
    cr_expect(tbuf_ok(&o) && tbuf_ok(&scratch) && tbuf_ok(&bias) && tbuf_ok(&typed[0]) &&
              (fused || (tbuf_ok(&typed[1]) && tbuf_ok(&typed[2]))),
              "%s: wrote outside a buffer", text);
    free(got);
    for (int i = 0; i < (fused ? 1 : 3); i++) tbuf_free(&typed[i]);
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%s max %.2e nmse %.1e\n", text, d.max_abs, d.nmse);
    free(want);
    tbuf_free(&q), tbuf_free(&k), tbuf_free(&v), tbuf_free(&o), tbuf_free(&first);
    tbuf_free(&scratch), tbuf_free(&bias);
}

static void check_kind(const char *level, const struct sdrt_attention_ops *ops, uint64_t *rng,
                       int q_len, int kv_len, int head_dim, enum scores kind)
{
    struct sdrt_attention_shape s = { .batch = 1 + trand_int(rng, 3),
                                      .heads = 1 + trand_int(rng, 3), .head_dim = head_dim,
                                      .q_len = q_len, .kv_len = kv_len };
    if (tevery() > 1 && head_dim >= 40) { /* long on the execution model */
        s.batch = 1;
        s.heads = 2;
    }
    const int width = s.heads * head_dim, fused = trand_int(rng, 2);

    s.scale = 1.0f / sqrtf((float)head_dim);
    s.causal = q_len == kv_len && trand_int(rng, 2);
    s.biased = kind < OVER && trand_int(rng, 2);
    s.q_pitch = fused ? 3 * width : width + trand_int(rng, 9);
    s.k_pitch = fused ? 3 * width : width + trand_int(rng, 9);
    s.v_pitch = fused ? 3 * width : width + trand_int(rng, 9);
    s.o_pitch = width + trand_int(rng, 2) * trand_int(rng, 9);
    choose_types(ops, rng, fused, &s);
    check(level, ops, rng, &s, kind);
}

static void check_size(const char *level, const struct sdrt_attention_ops *ops, uint64_t *rng,
                       int q_len, int kv_len, int head_dim)
{
    if (tevery() > 1 && head_dim < 40 && tleft_out(rng)) return;
    check_kind(level, ops, rng, q_len, kv_len, head_dim, (enum scores)trand_int(rng, KINDS));
}

static void check_edges(const char *level)
{
    /* Around the blocks of queries and of keys, and the heads of the models. */
    static const int lengths[] = { 31, 32, 33, 63, 64, 65, 77, 95, 96, 97, 127, 128, 129, 257 };
    static const int dims[] = { 40, 64, 80, 160, 512 };
    struct sdrt_attention_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tattention_init(&ops, level);
    for (int q = 1; q <= 18; q++)
        for (int k = 1; k <= 18; k++) check_size(level, &ops, &rng, q, k, 1 + trand_int(&rng, 20));
    for (int d = 1; d <= 70; d++) {
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), 1 + trand_int(&rng, 40), d);
        check_size(level, &ops, &rng, 20, 20, d);
    }
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        check_size(level, &ops, &rng, lengths[i], 1 + trand_int(&rng, 20), 5);
        check_size(level, &ops, &rng, 1 + trand_int(&rng, 20), lengths[i], 17);
        check_size(level, &ops, &rng, lengths[i], lengths[i], 8);
    }
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++)
        check_size(level, &ops, &rng, 70, 140, dims[i]);
    check_size(level, &ops, &rng, 9, 1500, 16);
}

/* Keys enough for several blocks of them at every level, and a last one that is not full. */
__attribute__((unused)) static void check_extremes(const char *level)
{
    static const enum scores kinds[] = { RISING, PEAKED,    LAST, OVER,
                                         OVER_LAST, UNDER, BOTH, FLAT };
    static const int dims[] = { 1, 8, 40, 64, 160, 512 }, lengths[] = { 5, 131, 390 };
    struct sdrt_attention_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tattention_init(&ops, level);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++)
            for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
                check_kind(level, &ops, &rng, d % 2 ? lengths[l] : 7, lengths[l], dims[d],
                           kinds[i]);
}

/* Scores far above all that came before them, in a later block of keys; with some in it that do not
 * exist, and values that end in either half of a vector. */
__attribute__((unused)) static void check_late(const char *level)
{
    static const enum scores kinds[] = { RISING, LAST };
    static const int dims[] = { 8, 33, 40, 41, 64, 80 }, lengths[] = { 131, 390 };
    struct sdrt_attention_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tattention_init(&ops, level);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (size_t d = 0; d < sizeof dims / sizeof dims[0]; d++)
            for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
                check_kind(level, &ops, &rng, d % 2 ? 29 : 7, lengths[l], dims[d], kinds[i]);
}

/* As gemm's. */
static void check_types(const char *level, const struct sdrt_attention_ops *ops)
{
    struct sdrt_attention_shape s = { .batch = 1, .heads = 2, .head_dim = 40, .q_len = 9,
                                      .kv_len = 7 };
    const int narrow = bf16_level(level);

    cr_expect(ops->takes(&s), "%s: f32", level);
    cr_expect_eq(ops->operand(&s) == tnarrow_type, narrow, "%s: operand", level);
    for (int i = 1; narrow && i < 16; i++) {
        s.q_type = i & 1 ? tnarrow_type : SDRT_F32;
        s.k_type = i & 2 ? tnarrow_type : SDRT_F32;
        s.v_type = i & 4 ? tnarrow_type : SDRT_F32;
        s.o_type = i & 8 ? tnarrow_type : SDRT_F32;
        cr_expect(ops->takes(&s), "%s: bf16, case %d", level, i);
    }
    s.o_type = SDRT_I32;
    cr_expect_not(ops->takes(&s), "%s: i32", level);
}

static void check_models(const char *level)
{
    struct sdrt_attention_ops ops = { 0 };
    uint64_t rng = trand_seed();

    tattention_init(&ops, level);
    check_types(level, &ops);
    for (int i = 0; i < SDRT_ATTENTION_MODEL_SHAPES; i++) {
        struct sdrt_attention_shape s = sdrt_attention_model_shapes[i].s;
        if (s.q_len == s.kv_len) s.q_len = s.kv_len = s.q_len < 150 ? s.q_len : 150;
        else s.q_len = s.q_len < 70 ? s.q_len : 70;
        if (s.heads > 8) s.heads = 3;
        if (tevery() > 1) {
            s.heads = s.heads < 2 ? s.heads : 2;
            s.q_len = s.q_len < 70 ? s.q_len : 70;
            s.kv_len = s.kv_len < 70 ? s.kv_len : 70;
        }
        choose_types(&ops, &rng, 1, &s);
        check(level, &ops, &rng, &s, SMALL);
    }
}

/* One test for each level, so that the report names the one that broke. */
#define SDRT_LEVEL(level, ...) Test(attention, edges_##level) { check_edges(#level); }
#include "kernels/levels.h"
#define SDRT_F32_LEVEL(level, ...) Test(attention, extremes_##level) { check_extremes(#level); }
#define SDRT_F16_LEVEL SDRT_F32_LEVEL
#include "kernels/levels.h"
#define SDRT_INT16_LEVEL(level, ...)                 \
    Test(attention, extremes_##level)                \
    {                                                \
        if (bf16_level(#level)) check_late(#level);  \
        else check_extremes(#level);                 \
    }
#include "kernels/levels.h"
#define SDRT_BF16_LEVEL(level, ...) \
    Test(attention, late_##level) { check_late(#level); }
#include "kernels/levels.h"
#define SDRT_LEVEL(level, ...) Test(attention, models_##level) { check_models(#level); }
#include "kernels/levels.h"

Test(attention, no_null_entries)
{
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name; l++) {
        struct sdrt_attention_ops ops = { 0 };
        sdrt_attention_init(&ops, l->flags);
        cr_expect(ops.takes && ops.operand && ops.parts && ops.scratch && ops.attention,
                  "hole at %s", l->name);
    }
}
