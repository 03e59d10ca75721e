/* SPDX-License-Identifier: MIT
 *
 * Attention with a tiled online softmax, for any vector length.  Include after vec.h; the
 * including file defines SDRT_ATTENTION_ROWS (the rows of a tile of two vectors), and in an
 * enum the block sizes ROWS_2, ROWS_3, QUERIES, Q_FLOATS, TILE, KEYS and KV_FLOATS.
 *
 * A unit is one image's head and a block of queries.  For each block of keys, K is
 * transposed and V copied into scratch, both as panels of two or three vectors.  Then, for
 * each tile of queries: scores = q K^T, weights = 2^(scores - maximum), o += weights V, the
 * products by one micro-kernel.  Scores and weights stay in L1, a panel passes through L1
 * once a tile, K and V wait in L2.
 * Milakov and Gimelshein, 2018.
 */
#include "kernels/attention.h"
#include "kernels/simd/math.h"
#include "kernels/simd/narrow.h"
#include "kernels/simd/slot.h"
#include "kernels/simd/unroll.h"

#ifdef SDRT_PRODUCT_HEADER
#include SDRT_PRODUCT_HEADER
#endif

#include <float.h>
#include <math.h>
#include <string.h>

/* Rows between a prefetch and its use: an L3 miss is some ten rows of copying. */
enum { AHEAD = 12 };

/* A set that computes in integers defines SDRT_ATTENTION_INTEGERS: its SDRT_ATTENTION_PACK_HEADER has
 * what is between attention_place() and attention_tile() too (kernels/simd/attention_int16.h). */
#ifdef SDRT_ATTENTION_INTEGERS
enum {
    OWN_FLOATS = 1, /* of its own, for each query, key and channel */
    KEY_STEP = 2,
};
#else
enum { OWN_FLOATS = 0 };
#endif

/* A set that makes weights of scores where it sums them defines SDRT_ATTENTION_FUSED_HEADER and
 * these with values of its own (kernels/avx512bf16/attention_fused.h). */
#if !defined SDRT_ATTENTION_FUSED_HEADER && !defined SDRT_ATTENTION_INTEGERS
enum {
    KEY_STEP = 1,  /* of several blocks of keys, each is whole times as many vectors */
    SLOT_DOWN = 0, /* weights are times 2^-SLOT_DOWN */
};
#endif

static int attention_min(int a, int b) { return a < b ? a : b; }
static int attention_vectors(int n) { return n > VL ? (n + VL - 1) / VL : 2; }

/* n vectors (at least 2) are panels of two; an odd one makes the last panel three. */
static int panel_width(int vectors, int p) { return vectors - 2 * p == 3 ? 3 : 2; }

/* ---- how the work is cut: by the shape alone ---- */

struct attention_cut {
    int blocks, rows;   /* of queries of one head, and the most queries in one */
    int key_vectors;    /* of all keys */
    int key_blocks;
    int keys;           /* most in a block, padded to vectors */
    int step;           /* vectors, of which each block is whole times as many */
    int d_vectors;      /* of one head */
    int depth;          /* slots of one head */
};

static struct attention_cut attention_cut(const struct sdrt_attention_shape *s)
{
    enum { WANTED = 32, REPAY = 128 };
    struct attention_cut u = {
        .key_vectors = attention_vectors(s->kv_len), .d_vectors = attention_vectors(s->head_dim),
        .depth = slots_of(s->head_dim),
    };
    const int heads = s->batch * s->heads;
    int keys = attention_min(KV_FLOATS / s->head_dim / (KEY_STEP * VL) * (KEY_STEP * VL), KEYS);
    int queries = attention_min(Q_FLOATS / s->head_dim, QUERIES);

    if (keys < 4 * VL) keys = 4 * VL;
    if (queries < 4 * TILE) queries = 4 * TILE;
    u.step = u.key_vectors * VL > keys ? KEY_STEP : 1;
    u.key_vectors = (u.key_vectors + u.step - 1) / u.step * u.step;
    u.key_blocks = (u.key_vectors * VL + keys - 1) / keys;
    u.keys = (u.key_vectors / u.step + u.key_blocks - 1) / u.key_blocks * u.step * VL;
    /* Fewer queries a unit where there are few units, but enough to repay the packing, which costs as
     * much as some 50 queries' products. */
    const int most = (s->q_len + queries - 1) / queries, least = (s->q_len + REPAY - 1) / REPAY;
    u.blocks = attention_min((WANTED + heads - 1) / heads, least);
    if (u.blocks < most) u.blocks = most;
    u.rows = (s->q_len + u.blocks - 1) / u.blocks;
    return u;
}

static int attention_parts(const struct sdrt_attention_shape *s, int workers)
{
    const int units = s->batch * s->heads * attention_cut(s).blocks;

    return attention_min(units, 16 * workers);
}

/* Floats from query to query of the copy. */
static size_t attention_pitch(const struct attention_cut *u)
{
    return (size_t)(u->depth * SLOT_FLOATS + SLOT_EXTRA);
}

/* One unit at work; scratch is cut into the arrays after cut. */
struct attention_unit {
    const struct sdrt_attention_shape *s;
    struct attention_cut cut;
    const char *q, *k, *v;  /* of this image and head, from token 0 */
    size_t q_bytes, k_bytes, v_bytes; /* from token to token */
    float unit, limit;      /* what scores are times, and how large they may be */
    const float *bias;      /* of this head, or NULL */
    int q0, q_n;            /* the unit's queries */
    float *qs;              /* [rows][depth + SLOT_EXTRA]; f32 is times scale / ln 2 */
    float *o;               /* [rows][d_vectors * VL] */
    float *max, *sum;       /* [rows], of scores and of weights; behind max, the keys' units */
    float *kt;              /* [panel][depth][panel's keys] */
    float *vp;              /* [panel][slots of keys][panel's channels] */
    float *scores;          /* [TILE][keys], then the weights, in slots at each row's start */
    float *own;             /* [rows + keys + d_vectors * VL][OWN_FLOATS] */
};

/* Places the arrays from base on (NULL: only to measure) and returns the floats they take. */
static size_t attention_place(struct attention_unit *u, float *base)
{
    const size_t depth = (size_t)u->cut.depth, width = (size_t)u->cut.d_vectors * VL;
    const size_t rows = (size_t)rows_abreast(u->cut.rows), keys = (size_t)u->cut.keys;
    const size_t sizes[] = { rows * attention_pitch(&u->cut), rows * width, rows + 2 * SLOT_EXTRA,
                             rows, depth * keys * SLOT_FLOATS,
                             keys / SLOT * width * SLOT_FLOATS, TILE * keys,
                             OWN_FLOATS * (rows + keys + width) };
    float **const arrays[] = { &u->qs, &u->o,  &u->max,    &u->sum,
                               &u->kt, &u->vp, &u->scores, &u->own };
    size_t at = 0;

    for (int i = 0; i < (int)(sizeof sizes / sizeof *sizes); i++) {
        if (base) *arrays[i] = base + at;
        at += (sizes[i] + 15) / 16 * 16;
    }
    return at;
}

static size_t attention_scratch(const struct sdrt_attention_shape *s)
{
    struct attention_unit u = { .s = s, .cut = attention_cut(s) };

    return sizeof(float) * attention_place(&u, NULL);
}

/* First row of share i of n. */
SDRT_ALWAYS_INLINE int attention_share(int rows, int i, int n)
{
    return row_of(rows_abreast(rows) / ABREAST * i / n, rows);
}

#include "kernels/simd/attention_pack.h"

#ifndef SDRT_ATTENTION_INTEGERS
#ifndef SDRT_SLOT_UNITS

/* What the row's scores are times, how large they may be, and a change of them before. */
SDRT_ALWAYS_INLINE float attention_row_unit(const struct attention_unit *u, int row)
{
    (void)row;
    return u->unit;
}
SDRT_ALWAYS_INLINE float attention_row_limit(const struct attention_unit *u, int row)
{
    (void)row;
    return u->limit;
}
SDRT_ALWAYS_INLINE void attention_row_fit(const struct attention_unit *u, int row, float *scores,
                                          int n)
{
    (void)u, (void)row, (void)scores, (void)n;
}
#endif

/* ---- products ---- */

/* c [rows][c_pitch] (+)= a [rows][a_pitch] * w [k][panel] */
struct attention_product {
    const float *a, *w;
    float *c;
    size_t a_pitch, c_pitch;
    int k;          /* slots */
    int accumulate; /* 0: c starts at 0 */
#ifdef SDRT_PRODUCT_TILE
    float unit;     /* what sums are times */
#endif
};

#ifdef SDRT_PRODUCT_TILE
SDRT_ALWAYS_INLINE void attention_rows(const int mr, const int nv,
                                       const struct attention_product *t)
{
    static const ptrdiff_t same[ROWS_2];
    const struct product_tile p = {
        .c = t->c, .c_pitch = t->c_pitch, .a = t->a, .w = t->w, .k = t->k, .unit = &t->unit,
        .set = !t->accumulate,
    };
    ptrdiff_t row[ROWS_2];

    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) row[i] = (ptrdiff_t)((size_t)i * t->a_pitch);
    product_tile(mr, nv, &p, row, same);
}
#else
SDRT_ALWAYS_INLINE void attention_rows(const int mr, const int nv,
                                       const struct attention_product *t)
{
    vf acc[ROWS_2][3];
    const size_t a_pitch = t->a_pitch, c_pitch = t->c_pitch;
    const float *a = t->a, *w = t->w;
    float *const c = t->c;

    if (mr % ABREAST) return; /* no such tile comes up */
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++)
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++)
            acc[i][j] = t->accumulate ? v_load(c + (size_t)i * c_pitch + (size_t)j * VL) : v_zero();
#ifdef SDRT_PRODUCT_TURN
    if (t->accumulate) product_turn(mr, nv, 3, acc[0]);
#endif
#ifdef SDRT_PRODUCT_HEADER
    ptrdiff_t row[ROWS_2];
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) row[i] = (ptrdiff_t)((size_t)i * a_pitch);
    product_sum(mr, nv, 3, acc[0], a, row, t->k, w);
#else
    for (const float *const end = a + t->k; a < end; a++, w += nv * VL) {
        vf b[3];
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) b[j] = v_load(w + (size_t)j * VL);
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            const vf x = v_bcast(a + (size_t)i * a_pitch);
            SDRT_UNROLL(3)
            for (int j = 0; j < nv; j++) acc[i][j] = v_product(x, b[j], acc[i][j]);
        }
    }
#endif
#ifdef SDRT_PRODUCT_TURN
    product_turn(mr, nv, 3, acc[0]);
#endif
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++)
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) v_store(c + (size_t)i * c_pitch + (size_t)j * VL, acc[i][j]);
}
#endif

/* One function for each height, so that each has its sums in registers. */
static void attention_rows_2(int mr, const struct attention_product *t)
{
    switch (mr) {
    case 1: attention_rows(1, 2, t); break;
    case 2: attention_rows(2, 2, t); break;
    case 3: attention_rows(3, 2, t); break;
    case 4: attention_rows(4, 2, t); break;
    case 5: attention_rows(5, 2, t); break;
    case 6: attention_rows(6, 2, t); break;
#if SDRT_ATTENTION_ROWS > 6
    case 7: attention_rows(7, 2, t); break;
    case 8: attention_rows(8, 2, t); break;
    case 9: attention_rows(9, 2, t); break;
    case 10: attention_rows(10, 2, t); break;
    case 11: attention_rows(11, 2, t); break;
    case 12: attention_rows(12, 2, t); break;
    case 13: attention_rows(13, 2, t); break;
    case 14: attention_rows(14, 2, t); break;
#endif
    }
}

static void attention_rows_3(int mr, const struct attention_product *t)
{
    switch (mr) {
    case 1: attention_rows(1, 3, t); break;
    case 2: attention_rows(2, 3, t); break;
    case 3: attention_rows(3, 3, t); break;
    case 4: attention_rows(4, 3, t); break;
#if SDRT_ATTENTION_ROWS > 6
    case 5: attention_rows(5, 3, t); break;
    case 6: attention_rows(6, 3, t); break;
    case 7: attention_rows(7, 3, t); break;
    case 8: attention_rows(8, 3, t); break;
    case 9: attention_rows(9, 3, t); break;
#endif
    }
}

/* rows rows by all panels of vectors vectors. */
static void attention_multiply(const struct attention_product *product, int rows, int vectors)
{
    struct attention_product t = *product;

    for (int p = 0; p < vectors / 2; p++) {
        const int w = panel_width(vectors, p);
        const int tiles = w == 2 ? (rows + ROWS_2 - 1) / ROWS_2 : (rows + ROWS_3 - 1) / ROWS_3;
        for (int i = 0; i < tiles; i++) {
            const int r = attention_share(rows, i, tiles);
            const int mr = rows_abreast(attention_share(rows, i + 1, tiles) - r);
            t.a = product->a + (size_t)r * t.a_pitch;
            t.c = product->c + (size_t)r * t.c_pitch + (size_t)(2 * p) * VL;
            if (w == 2) attention_rows_2(mr, &t);
            else attention_rows_3(mr, &t);
        }
        t.w += (size_t)t.k * (size_t)w * VL * SLOT_FLOATS;
    }
}

/* ---- softmax ---- */

/* Scores that overflowed, and a maximum of -infinity, become finite. */
static float attention_clamp(float *scores, int n, float max, float limit)
{
    for (int j = 0; j < n; j++)
        scores[j] = scores[j] > limit ? limit : scores[j] > -limit ? scores[j] : -limit;
    return max > 0.0f ? limit : -limit;
}

/* A vector of scores as weights; shift is in units of log2, as scores of f32 products are. */
SDRT_ALWAYS_INLINE vf attention_weigh(const float *scores, vf unit, vf shift)
{
    const vf x = v_load(scores);

    return slots_exp2(SLOT > 1 ? v_fma(x, unit, v_sub(v_zero(), shift)) : v_sub(x, shift));
}

/* Where the weights of a row of scores go: a row's begin where its scores do, a pair's where those
 * of its even row do, which are weights already when the odd row's come. */
SDRT_ALWAYS_INLINE float *attention_weights(float *scores, int row, int keys)
{
    return scores - row % ABREAST * (keys - SLOT_FLOATS);
}

/* One row's n visible scores become weights, and the others 0.  The
 * maximum that weights are relative to moves on, and what was summed so far with it, only
 * when it is SLOT_LATE behind: a weight of 2^SLOT_LATE is as exact as one of 1.  The first block of
 * keys starts both; every query sees its key 0. */
static void attention_softmax(const struct attention_unit *u, int row, float *scores, int n,
                              int keys, int first)
{
    const int width = u->cut.d_vectors * VL;
    float *const o = u->o + (size_t)row * (size_t)width;
    float *const to = attention_weights(scores, row, keys);
    vf m0 = v_set1(-FLT_MAX), m1 = m0, t0 = v_zero(), t1 = t0;
    int j;

    attention_row_fit(u, row, scores, n);
    for (j = n; j < keys; j++) scores[j] = -INFINITY; /* less than any score */
    for (j = 0; j + 2 * VL <= keys; j += 2 * VL) {
        m0 = v_max(v_load(scores + j), m0);
        m1 = v_max(v_load(scores + j + VL), m1);
    }
    if (j < keys) m0 = v_max(v_load(scores + j), m0);
    float max = v_hmax(v_max(m0, m1));
    const float limit = attention_row_limit(u, row);
    if (!(max < limit && max > -limit)) max = attention_clamp(scores, n, max, limit);
    if (SLOT > 1) max *= attention_row_unit(u, row);
    if (first) {
        u->max[row] = max;
        u->sum[row] = 0.0f;
    } else if (max > u->max[row] + SLOT_LATE) {
        const vf old = v_exp2(v_set1(u->max[row] - max));
        for (int c = 0; c < width; c += VL) v_store(o + c, v_mul(v_load(o + c), old));
        u->sum[row] *= v_first(old);
        u->max[row] = max;
    }
    const vf shift = v_set1(u->max[row] + SLOT_DOWN), unit = v_set1(attention_row_unit(u, row));
    for (j = 0; j + 2 * VL <= keys; j += 2 * VL) {
        const vf p0 = attention_weigh(scores + j, unit, shift);
        const vf p1 = attention_weigh(scores + j + VL, unit, shift);
        slots_store_2(to, j, p0, p1);
        t0 = v_add(t0, p0);
        t1 = v_add(t1, p1);
    }
    if (j < keys) {
        const vf p = attention_weigh(scores + j, unit, shift);
        slots_store(to, j, p);
        t0 = v_add(t0, p);
    }
    u->sum[row] += v_hsum(v_add(t0, t1));
    slots_clear(to, n, keys);
}

/* Scores are in units of log2: no level of narrower products adds a bias here. */
static void attention_add_bias(float *scores, const float *bias, int n)
{
    const float log2e = 1.44269504f;
    const vf unit = v_set1(log2e);
    int j = 0;

    for (; j + VL <= n; j += VL)
        v_store(scores + j, v_fma(v_load(bias + j), unit, v_load(scores + j)));
    for (; j < n; j++) scores[j] += bias[j] * log2e;
}

#ifdef SDRT_ATTENTION_FUSED_HEADER
#include SDRT_ATTENTION_FUSED_HEADER
#else

/* Whether the tile's weights lie in u->scores, row behind row, with no gap between them. */
SDRT_ALWAYS_INLINE int attention_fused(const struct attention_unit *u, int r0, int rows, int n,
                                       int vectors, int first)
{
    (void)u, (void)r0, (void)rows, (void)n, (void)vectors, (void)first;
    return 0;
}

/* Whether it did what attention_multiply() does by values of d channels. */
SDRT_ALWAYS_INLINE int fused_values(const struct attention_product *product, int rows, int d)
{
    (void)product, (void)rows, (void)d;
    return 0;
}
#endif

/* ---- one unit ---- */

/* The tile's weights by their scores, which are stored. */
static void attention_weights_of(const struct attention_unit *u, int r0, int rows, int k0, int n,
                                 int vectors)
{
    const size_t pitch = attention_pitch(&u->cut);
    const int keys = vectors * VL, first = u->q0 + r0;
    const struct attention_product scores = {
        .a = u->qs + (size_t)r0 * pitch,
        .a_pitch = pitch,
        .w = u->kt,
        .k = u->cut.depth,
        .c = u->scores,
        .c_pitch = (size_t)keys,
#ifdef SDRT_PRODUCT_TILE
        .unit = 1.0f,
#endif
    };

    attention_multiply(&scores, rows, vectors);
    for (int i = 0; i < rows; i++) {
        const int visible = u->s->causal ? attention_min(n, first + i + 1 - k0) : n;
        float *row = u->scores + (size_t)i * (size_t)keys;
        if (u->bias)
            attention_add_bias(row, u->bias + (size_t)(first + i) * (size_t)u->s->kv_len + k0,
                               visible);
        if (visible > 0) attention_softmax(u, r0 + i, row, visible, keys, k0 == 0);
        else slots_zero(attention_weights(row, r0 + i, keys), keys / SLOT_STEP);
    }
    if (rows % ABREAST)
        slots_zero(attention_weights(u->scores + (size_t)rows * (size_t)keys, r0 + rows, keys),
                   keys / SLOT_STEP);
}

/* Queries r0 .. r0+rows-1 of the unit against the packed keys k0 .. k0+n-1. */
static void attention_tile(const struct attention_unit *u, int r0, int rows, int k0, int n,
                           int vectors)
{
    const size_t width = (size_t)u->cut.d_vectors * VL;
    const int keys = vectors * VL;
    struct attention_product values = {
        .a = u->scores,
        .a_pitch = (size_t)keys,
        .w = u->vp,
        .k = keys / SLOT,
        .c = u->o + (size_t)r0 * width,
        .c_pitch = width,
        .accumulate = k0 > 0,
#ifdef SDRT_PRODUCT_TILE
        .unit = attention_values_unit(u),
#endif
    };

    if (attention_fused(u, r0, rows, n, vectors, k0 == 0)) values.a_pitch = (size_t)(keys / SLOT);
    else attention_weights_of(u, r0, rows, k0, n, vectors);
    if (!fused_values(&values, rows, u->s->head_dim))
        attention_multiply(&values, rows, u->cut.d_vectors);
}
#endif

SDRT_ALWAYS_INLINE void attention_finish_as(const struct attention_unit *u, char *out,
                                            const int narrow)
{
    const struct sdrt_attention_shape *s = u->s;
    const size_t pitch = sdrt_dtype_bytes(s->o_type, (size_t)s->o_pitch);
    const size_t bytes = sdrt_dtype_bytes(s->o_type, (size_t)s->head_dim);
    const int d = s->head_dim, width = u->cut.d_vectors * VL;

    for (int i = 0; i < u->q_n; i++) {
        const float *o = u->o + (size_t)i * (size_t)width;
        char *to = out + (size_t)(u->q0 + i) * pitch;
        if (i + AHEAD < u->q_n) attention_prefetch(to + AHEAD * pitch, 0, 1, bytes);
        const vf r = v_set1(1.0f / u->sum[i]);
        for (int c = 0; c < d; c += VL)
            narrow_store(to, narrow, (size_t)c, v_mul(v_load(o + c), r), d - c);
    }
}

static void attention_finish(const struct attention_unit *u, char *out)
{
    if (attention_narrow(u->s->o_type)) attention_finish_as(u, out, 1);
    else attention_finish_as(u, out, 0);
}

static void attention_one_unit(const struct attention_unit *u, char *out)
{
    const struct attention_cut *cut = &u->cut;
    const int tiles = (u->q_n + TILE - 1) / TILE;

    attention_prefetch_keys(u, 0, attention_min(u->cut.keys, u->s->kv_len));
    attention_pack_queries(u);
    for (int b = 0; b < cut->key_blocks; b++) {
        const int steps = cut->key_vectors / cut->step;
        const int begin = cut->step * sdrt_row_begin(steps, b, cut->key_blocks);
        const int vectors = cut->step * sdrt_row_begin(steps, b + 1, cut->key_blocks) - begin;
        const int k0 = begin * VL, n = attention_min(u->s->kv_len - k0, vectors * VL);
        if (u->s->causal && k0 >= u->q0 + u->q_n) break;
        attention_pack(u, k0, n, vectors);
        const int next = k0 + n, fetch = attention_min(u->s->kv_len - next, cut->keys);
        for (int t = 0; t < tiles; t++) {
            const int r = attention_share(u->q_n, t, tiles), f = fetch * t / tiles;
            attention_prefetch_keys(u, next + f, fetch * (t + 1) / tiles - f);
            attention_tile(u, r, attention_share(u->q_n, t + 1, tiles) - r, k0, n, vectors);
        }
    }
    attention_finish(u, out);
}

/* Element c of an image's token 0. */
static void *attention_head(const void *x, enum sdrt_dtype type, size_t image, int len, int pitch,
                            size_t c)
{
    return sdrt_element(x, type, image * (size_t)len * (size_t)pitch + c);
}

static int attention_run(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                         const struct sdrt_attention_args *a)
{
    struct attention_unit u = {
        .s = s, .cut = attention_cut(s),
        .q_bytes = sdrt_dtype_bytes(s->q_type, (size_t)s->q_pitch),
        .k_bytes = sdrt_dtype_bytes(s->k_type, (size_t)s->k_pitch),
        .v_bytes = sdrt_dtype_bytes(s->v_type, (size_t)s->v_pitch),
        .unit = SLOT > 1 ? (float)(s->scale * 1.4426950408889634) : 1.0f,
    };
    const int blocks = u.cut.blocks, units = s->batch * s->heads * blocks;

    u.limit = u.unit > 1.0f ? FLT_MAX / u.unit : FLT_MAX;
    attention_place(&u, ex->scratch);
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int block = i % blocks, head = i / blocks % s->heads;
        const size_t image = (size_t)(i / blocks / s->heads);
        const size_t c = (size_t)head * (size_t)s->head_dim;
        u.q0 = sdrt_row_begin(s->q_len, block, blocks);
        u.q_n = sdrt_row_begin(s->q_len, block + 1, blocks) - u.q0;
        u.q = attention_head(a->q, s->q_type, image, s->q_len, s->q_pitch, c);
        u.k = attention_head(a->k, s->k_type, image, s->kv_len, s->k_pitch, c);
        u.v = attention_head(a->v, s->v_type, image, s->kv_len, s->v_pitch, c);
        u.bias = s->biased ? a->bias + (size_t)head * (size_t)s->q_len * (size_t)s->kv_len : NULL;
        attention_one_unit(&u, attention_head(a->o, s->o_type, image, s->q_len, s->o_pitch, c));
    }
    return 0;
}

static int attention_taken(enum sdrt_dtype type)
{
    return type == SDRT_F32 || attention_narrow(type);
}

static int attention_takes(const struct sdrt_attention_shape *s)
{
    return attention_taken(s->q_type) && attention_taken(s->k_type) && attention_taken(s->v_type) &&
           attention_taken(s->o_type);
}

static enum sdrt_dtype attention_operand(const struct sdrt_attention_shape *s)
{
    (void)s;
    return slots_stored();
}

static void attention_fill(struct sdrt_attention_ops *ops)
{
    ops->takes = attention_takes;
    ops->operand = attention_operand;
    ops->parts = attention_parts;
    ops->scratch = attention_scratch;
    ops->attention = attention_run;
}
