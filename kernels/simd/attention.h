/* SPDX-License-Identifier: MIT
 *
 * Attention with a tiled online softmax, for any vector length.  Include after vec.h; the
 * including file defines in enums ATTENTION_QUERIES, ATTENTION_KEYS, SCORE_ROWS, VALUE_ROWS
 * and VALUE_VECTORS.
 *
 * A unit is one image's head and a block of queries.  For each block of keys, K is
 * transposed and V copied into scratch, where all of the unit's queries use them; a tile of
 * queries makes its scores in L1, turns them into weights there, and adds to its outputs.
 * Milakov and Gimelshein, 2018.
 */
#include "kernels/attention.h"
#include "kernels/simd/math.h"

#include <math.h>
#include <string.h>

struct attention_sizes {
    int blocks;       /* of queries */
    int keys;         /* in a block, a multiple of 2 VL */
    int values;       /* head_dim rounded up to whole vectors */
    size_t kt, v, q, s, o, state; /* floats of each part of scratch */
};

static int attention_round(int n, int unit) { return (n + unit - 1) / unit * unit; }

static struct attention_sizes attention_sizes(const struct sdrt_attention_shape *s)
{
    struct attention_sizes z = { .blocks = (s->q_len + ATTENTION_QUERIES - 1) / ATTENTION_QUERIES };
    const int keys = s->head_dim > 256 ? ATTENTION_KEYS / 2 : ATTENTION_KEYS;

    z.keys = attention_round(s->kv_len < keys ? s->kv_len : keys, 2 * VL);
    z.values = attention_round(s->head_dim, VL);
    z.kt = (size_t)s->head_dim * (size_t)z.keys;
    z.v = (size_t)z.keys * (size_t)z.values;
    z.q = (size_t)SCORE_ROWS * (size_t)attention_round(s->head_dim, 16);
    z.s = (size_t)SCORE_ROWS * (size_t)z.keys;
    z.o = (size_t)ATTENTION_QUERIES * (size_t)z.values;
    z.state = 2 * ATTENTION_QUERIES;
    return z;
}

static int attention_units(const struct sdrt_attention_shape *s)
{
    return s->batch * s->heads * attention_sizes(s).blocks;
}

static int attention_parts(const struct sdrt_attention_shape *s, int workers)
{
    const int units = attention_units(s), most = 32 * workers;

    return units < most ? units : most;
}

static size_t attention_scratch(const struct sdrt_attention_shape *s)
{
    const struct attention_sizes z = attention_sizes(s);

    return sizeof(float) * (z.kt + z.v + z.q + z.s + z.o + z.state);
}

/* One unit at work. */
struct attention_unit {
    const struct sdrt_attention_shape *s;
    struct attention_sizes z;
    const float *q, *k, *v;  /* of this image and head, from token 0 */
    float *kt, *vt, *qs, *scores, *o, *max, *sum;
    int q0, q_n;             /* queries */
};

/* kt [head_dim][keys] and vt [keys][values] of keys k0 .. k0+n-1; the rest are zeros. */
static void attention_pack(const struct attention_unit *u, int k0, int n)
{
    const struct sdrt_attention_shape *s = u->s;
    const int keys = attention_round(n, 2 * VL), d = s->head_dim;

    for (int j = 0; j < n; j++) {
        const float *k = u->k + (size_t)(k0 + j) * (size_t)s->k_pitch;
        const float *v = u->v + (size_t)(k0 + j) * (size_t)s->v_pitch;
        float *to = u->vt + (size_t)j * (size_t)u->z.values;
        for (int i = 0; i < d; i++) u->kt[(size_t)i * (size_t)u->z.keys + (size_t)j] = k[i];
        memcpy(to, v, (size_t)d * sizeof *to);
        for (int i = d; i < u->z.values; i++) to[i] = 0.0f;
    }
    for (int j = n; j < keys; j++) {
        for (int i = 0; i < d; i++) u->kt[(size_t)i * (size_t)u->z.keys + (size_t)j] = 0.0f;
        memset(u->vt + (size_t)j * (size_t)u->z.values, 0, (size_t)u->z.values * sizeof(float));
    }
}

/* scores[i][j] = q_i . k_j for mr queries and keys (a multiple of 2 VL). */
SDRT_ALWAYS_INLINE void score_rows(const int mr, const struct attention_unit *u, int keys)
{
    const int d = u->s->head_dim;
    const size_t pitch = (size_t)u->z.keys, q_pitch = (size_t)d;

    for (int j = 0; j < keys; j += 2 * VL) {
        vf acc[SCORE_ROWS][2];
        const float *kt = u->kt + j, *q = u->qs;
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) acc[i][0] = acc[i][1] = v_zero();
        for (int k = 0; k < d; k++, kt += pitch, q++) {
            const vf k0 = v_load(kt), k1 = v_load(kt + VL);
#pragma GCC unroll 16
            for (int i = 0; i < mr; i++) {
                const vf x = v_bcast(q + (size_t)i * q_pitch);
                acc[i][0] = v_fma(x, k0, acc[i][0]);
                acc[i][1] = v_fma(x, k1, acc[i][1]);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) {
            v_store(u->scores + (size_t)i * pitch + j, acc[i][0]);
            v_store(u->scores + (size_t)i * pitch + j + VL, acc[i][1]);
        }
    }
}

/* Scores of one row, already in units of log2, become weights; the running maximum and sum
 * move on.  Returns the factor for what was summed before. */
static float attention_softmax(float *scores, int n, int padded, float *max, float *sum)
{
    vf m = v_set1(-INFINITY);
    int j = 0;

    for (j = n; j < padded; j++) scores[j] = -INFINITY;
    for (j = 0; j < padded; j += VL) m = v_max(m, v_load(scores + j));
    const float row = v_hmax(m), next = row > *max ? row : *max;
    const vf shift = v_set1(next);
    vf total = v_zero();
    for (j = 0; j < padded; j += VL) {
        const vf p = v_exp2(v_sub(v_load(scores + j), shift));
        v_store(scores + j, p);
        total = v_add(total, p);
    }
    /* exp2 is clamped at 2^-126: padded keys weigh nothing beside the maximum's 1. */
    const float old = *max == -INFINITY ? 0.0f : exp2f(*max - next);
    *sum = *sum * old + v_hsum(total);
    *max = next;
    return old;
}

/* o[i][..] = o[i][..] * factor[i] + sum_j p[i][j] v[j][..], for mr rows and nv vectors. */
SDRT_ALWAYS_INLINE void value_block(const int mr, const int nv, const float *p, size_t p_pitch,
                                    const float *v, size_t v_pitch, int n, float *o,
                                    const float *factor)
{
    vf acc[VALUE_ROWS][VALUE_VECTORS];

#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 16
        for (int c = 0; c < nv; c++)
            acc[i][c] = v_mul(v_load(o + (size_t)i * v_pitch + (size_t)c * VL), v_bcast(factor + i));
    for (int j = 0; j < n; j++, v += v_pitch) {
        vf x[VALUE_ROWS];
#pragma GCC unroll 16
        for (int i = 0; i < mr; i++) x[i] = v_bcast(p + (size_t)i * p_pitch + j);
#pragma GCC unroll 16
        for (int c = 0; c < nv; c++) {
            const vf w = v_load(v + (size_t)c * VL);
#pragma GCC unroll 16
            for (int i = 0; i < mr; i++) acc[i][c] = v_fma(x[i], w, acc[i][c]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 16
        for (int c = 0; c < nv; c++)
            v_store(o + (size_t)i * v_pitch + (size_t)c * VL, acc[i][c]);
}

static void attention_values(int rows, const struct attention_unit *u, float *o, int n,
                             const float *factor)
{
    const size_t values = (size_t)u->z.values, keys = (size_t)u->z.keys;
    const int vectors = u->z.values / VL;

    for (int r = 0; r < rows; r += VALUE_ROWS) {
        const float *p = u->scores + (size_t)r * keys;
        float *to = o + (size_t)r * values;
        int c = 0;
        if (rows - r >= VALUE_ROWS) {
            for (; c + VALUE_VECTORS <= vectors; c += VALUE_VECTORS)
                value_block(VALUE_ROWS, VALUE_VECTORS, p, keys, u->vt + (size_t)c * VL, values, n,
                            to + (size_t)c * VL, factor + r);
            for (; c < vectors; c++)
                value_block(VALUE_ROWS, 1, p, keys, u->vt + (size_t)c * VL, values, n,
                            to + (size_t)c * VL, factor + r);
            continue;
        }
        for (int i = 0; i < rows - r; i++)
            for (c = 0; c < vectors; c++)
                value_block(1, 1, p + (size_t)i * keys, keys, u->vt + (size_t)c * VL, values, n,
                            to + (size_t)i * values + (size_t)c * VL, factor + r + i);
    }
}

/* Queries r0 .. r0+rows-1 of the unit against keys k0 .. k0+n-1. */
static void attention_tile(const struct attention_unit *u, int r0, int rows, int k0, int n)
{
    const struct sdrt_attention_shape *s = u->s;
    const int d = s->head_dim;
    const vf scale = v_set1(s->scale * 1.44269504f);
    float factor[SCORE_ROWS];

    for (int i = 0; i < rows; i++) {
        const float *q = u->q + (size_t)(u->q0 + r0 + i) * (size_t)s->q_pitch;
        float *to = u->qs + (size_t)i * (size_t)d;
        int c = 0;
        for (; c + VL <= d; c += VL) v_store(to + c, v_mul(v_load(q + c), scale));
        for (; c < d; c++) to[c] = q[c] * s->scale * 1.44269504f;
    }
    /* The last tile may be short: its other rows score old, finite queries for nothing. */
    score_rows(SCORE_ROWS, u, attention_round(n, 2 * VL));
    for (int i = 0; i < rows; i++) {
        const int query = u->q0 + r0 + i;
        int visible = s->causal && query + 1 - k0 < n ? query + 1 - k0 : n;
        float *scores = u->scores + (size_t)i * (size_t)u->z.keys;
        if (visible <= 0) { /* nothing to add: weights of zero, sums as they are */
            memset(scores, 0, (size_t)attention_round(n, VL) * sizeof *scores);
            factor[i] = 1.0f;
            continue;
        }
        factor[i] = attention_softmax(scores, visible, attention_round(n, VL), u->max + r0 + i,
                                      u->sum + r0 + i);
    }
    attention_values(rows, u, u->o + (size_t)r0 * (size_t)u->z.values, n, factor);
}

static void attention_finish(const struct attention_unit *u, float *out)
{
    const struct sdrt_attention_shape *s = u->s;

    for (int i = 0; i < u->q_n; i++) {
        const float *o = u->o + (size_t)i * (size_t)u->z.values;
        float *to = out + (size_t)(u->q0 + i) * (size_t)s->o_pitch;
        const float r = 1.0f / u->sum[i];
        int c = 0;
        for (; c + VL <= s->head_dim; c += VL) v_store(to + c, v_mul(v_load(o + c), v_set1(r)));
        for (; c < s->head_dim; c++) to[c] = o[c] * r;
    }
}

static void attention_one_unit(struct attention_unit *u, float *out)
{
    const struct sdrt_attention_shape *s = u->s;

    memset(u->o, 0, (size_t)u->q_n * (size_t)u->z.values * sizeof *u->o);
    memset(u->qs, 0, u->z.q * sizeof *u->qs);
    for (int i = 0; i < u->q_n; i++) {
        u->max[i] = -INFINITY;
        u->sum[i] = 0.0f;
    }
    for (int k0 = 0; k0 < s->kv_len; k0 += u->z.keys) {
        const int n = s->kv_len - k0 < u->z.keys ? s->kv_len - k0 : u->z.keys;
        if (s->causal && k0 > u->q0 + u->q_n - 1) break;
        attention_pack(u, k0, n);
        for (int r = 0; r < u->q_n; r += SCORE_ROWS)
            attention_tile(u, r, u->q_n - r < SCORE_ROWS ? u->q_n - r : SCORE_ROWS, k0, n);
    }
    attention_finish(u, out);
}

static int attention_run(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                         const struct sdrt_attention_args *a)
{
    const int units = attention_units(s);
    struct attention_unit u = { .s = s, .z = attention_sizes(s) };

    u.kt = ex->scratch;
    u.vt = u.kt + u.z.kt;
    u.scores = u.vt + u.z.v;
    u.o = u.scores + u.z.s;
    u.qs = u.o + u.z.o;
    u.max = u.qs + u.z.q;
    u.sum = u.max + ATTENTION_QUERIES;
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int block = i % u.z.blocks, head = i / u.z.blocks % s->heads;
        const size_t image = (size_t)(i / u.z.blocks / s->heads);
        const size_t c = (size_t)head * (size_t)s->head_dim;
        u.q0 = sdrt_row_begin(s->q_len, block, u.z.blocks);
        u.q_n = sdrt_row_begin(s->q_len, block + 1, u.z.blocks) - u.q0;
        u.q = a->q + image * (size_t)s->q_len * (size_t)s->q_pitch + c;
        u.k = a->k + image * (size_t)s->kv_len * (size_t)s->k_pitch + c;
        u.v = a->v + image * (size_t)s->kv_len * (size_t)s->v_pitch + c;
        attention_one_unit(&u, a->o + image * (size_t)s->q_len * (size_t)s->o_pitch + c);
    }
    return 0;
}

static void attention_fill(struct sdrt_attention_ops *ops)
{
    ops->parts = attention_parts;
    ops->scratch = attention_scratch;
    ops->attention = attention_run;
}
