/* SPDX-License-Identifier: MIT
 *
 * A unit of work is a block of queries of one head.  It walks over the keys in tiles and
 * keeps, for each query, the largest score so far, and the sum of exponentials and the
 * output relative to that score (online softmax).
 */
#include "kernels/attention.h"
#include "kernels/generic/tile.h"
#include "kernels/generic/typed.h"
#include "kernels/pack.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    QUERIES = 64,
    KEYS    = 64, /* a tile's scores are 16 KiB, its keys at head_dim 64 as much again */
};

/* What a worker keeps in its scratch, all of it in panels but p. */
struct memory {
    float *k;      /* [KEYS / PANEL][head_dim][PANEL] */
    float *v;      /* [panels of head_dim][KEYS][PANEL] */
    float *scores; /* [KEYS / PANEL][QUERIES][PANEL] */
    float *p;      /* [QUERIES][KEYS]: exponentials of the scores */
    float *o;      /* [panels of head_dim][QUERIES][PANEL] */
    float *top;    /* [QUERIES] */
    float *total;  /* [QUERIES] */
    float *q;      /* [QUERIES][head_dim], where they are not f32 */
};

/* Queries q0 .. q0+queries-1 of one head of one image. */
struct block {
    const float *q;         /* the first query's */
    size_t q_pitch;
    const void *k, *v;      /* the first key's */
    const float *bias;      /* of the first query and key, or NULL */
    int q0, queries, limit; /* keys 0 .. limit-1 count */
};

static int panels_of(const struct sdrt_attention_shape *s)
{
    return (s->head_dim + PANEL - 1) / PANEL;
}

static int blocks_of(const struct sdrt_attention_shape *s)
{
    return (s->q_len + QUERIES - 1) / QUERIES;
}

static int parts(const struct sdrt_attention_shape *s, int workers)
{
    const int units = s->batch * s->heads * blocks_of(s), most = 8 * workers;

    return units < most ? units : most;
}

static int takes(const struct sdrt_attention_shape *s)
{
    return typed_known(s->q_type) && typed_known(s->k_type) && typed_known(s->v_type) &&
           typed_known(s->o_type);
}

static enum sdrt_dtype operand(const struct sdrt_attention_shape *s)
{
    (void)s;
    return SDRT_F32;
}

static size_t scratch(const struct sdrt_attention_shape *s)
{
    const size_t padded = (size_t)panels_of(s) * PANEL;
    const size_t queries = s->q_type == SDRT_F32 ? 0 : QUERIES * (size_t)s->head_dim;

    return sizeof(float) * (KEYS * (size_t)s->head_dim + KEYS * padded +
                            2 * (size_t)QUERIES * KEYS + QUERIES * padded + 2 * (size_t)QUERIES +
                            queries);
}

static struct memory place(const struct sdrt_attention_shape *s, float *base)
{
    const size_t padded = (size_t)panels_of(s) * PANEL;
    struct memory m = { .k = base };

    m.v = m.k + KEYS * (size_t)s->head_dim;
    m.scores = m.v + KEYS * padded;
    m.p = m.scores + (size_t)QUERIES * KEYS;
    m.o = m.p + (size_t)QUERIES * KEYS;
    m.top = m.o + QUERIES * padded;
    m.total = m.top + QUERIES;
    m.q = m.total + QUERIES;
    return m;
}

/* Keys and values key0 .. key0+keys-1 into panels; lanes without one are zero. */
static void load_keys(const struct sdrt_attention_shape *s, const struct block *b, int key0,
                      int keys, const struct memory *m)
{
    const int d = s->head_dim;

    memset(m->k, 0, sizeof(float) * KEYS * (size_t)d);
    memset(m->v, 0, sizeof(float) * KEYS * (size_t)panels_of(s) * PANEL);
    for (int j = 0; j < keys; j++) {
        const size_t key = (size_t)(key0 + j);
        const void *k = sdrt_element(b->k, s->k_type, key * (size_t)s->k_pitch);
        const void *v = sdrt_element(b->v, s->v_type, key * (size_t)s->v_pitch);
        float *to = m->k + (size_t)(j / PANEL * d) * PANEL + j % PANEL;
        for (int i = 0; i < d; i++) to[(size_t)i * PANEL] = typed_load(k, s->k_type, (size_t)i);
        for (int i = 0; i < d; i++)
            m->v[((size_t)(i / PANEL) * KEYS + (size_t)j) * PANEL + i % PANEL] =
                typed_load(v, s->v_type, (size_t)i);
    }
}

static void score_keys(const struct sdrt_attention_shape *s, const struct block *b, int keys,
                       const struct memory *m)
{
    static const size_t no_offset = 0;
    struct tile t = { .segments = &no_offset, .n_segments = 1, .k = s->head_dim };

    for (int panel = 0; panel * PANEL < keys; panel++)
        for (int r = 0; r < b->queries; r += TILE_ROWS) {
            const int n = b->queries - r < TILE_ROWS ? b->queries - r : TILE_ROWS;
            for (int i = 0; i < n; i++) t.a[i] = b->q + (size_t)(r + i) * b->q_pitch;
            t.w = m->k + (size_t)panel * (size_t)s->head_dim * PANEL;
            t.c = m->scores + (size_t)(panel * QUERIES + r) * PANEL;
            tile_run(n, &t);
        }
}

/* Infinities would leave no difference between a score and the top. */
static float in_range(float score)
{
    return score > FLT_MAX ? FLT_MAX : score < -FLT_MAX ? -FLT_MAX : score;
}

/* Row i's first n scores, to which bias is added where there is one -> exponentials relative to
 * its new top; all it has so far is brought to that top. */
static void softmax_row(const struct sdrt_attention_shape *s, int i, int n, const float *bias,
                        const struct memory *m)
{
    float *p = m->p + (size_t)i * KEYS, top = m->top[i], sum = 0.0f;

    for (int j = 0; j < n; j++) {
        const float *panel = m->scores + (size_t)(j / PANEL * QUERIES + i) * PANEL;
        p[j] = in_range(s->scale * panel[j % PANEL] + (bias ? bias[j] : 0.0f));
        if (p[j] > top) top = p[j];
    }
    for (int j = 0; j < n; j++) {
        p[j] = expf(p[j] - top);
        sum += p[j];
    }
    for (int j = n > 0 ? n : 0; j < KEYS; j++) p[j] = 0.0f;
    if (top > m->top[i]) {
        const float shrink = expf(m->top[i] - top);
        m->total[i] *= shrink;
        m->top[i] = top;
        for (int d = 0; d < panels_of(s); d++)
            for (int j = 0; j < PANEL; j++) m->o[(size_t)(d * QUERIES + i) * PANEL + j] *= shrink;
    }
    m->total[i] += sum;
}

static void add_values(const struct sdrt_attention_shape *s, const struct block *b, int keys,
                       const struct memory *m)
{
    static const size_t no_offset = 0;
    struct tile t = { .segments = &no_offset, .n_segments = 1, .k = keys, .accumulate = 1 };

    for (int panel = 0; panel < panels_of(s); panel++)
        for (int r = 0; r < b->queries; r += TILE_ROWS) {
            const int n = b->queries - r < TILE_ROWS ? b->queries - r : TILE_ROWS;
            for (int i = 0; i < n; i++) t.a[i] = m->p + (size_t)(r + i) * KEYS;
            t.w = m->v + (size_t)panel * KEYS * PANEL;
            t.c = m->o + (size_t)(panel * QUERIES + r) * PANEL;
            tile_run(n, &t);
        }
}

/* The block's queries: where they are, or converted into scratch. */
static void set_queries(const struct sdrt_attention_shape *s, struct block *b, const void *q,
                        const struct memory *m)
{
    const size_t d = (size_t)s->head_dim, pitch = (size_t)s->q_pitch;

    b->q = s->q_type == SDRT_F32 ? q : m->q;
    b->q_pitch = s->q_type == SDRT_F32 ? pitch : d;
    for (int i = 0; s->q_type != SDRT_F32 && i < b->queries; i++)
        sdrt_to_f32(sdrt_element(q, s->q_type, (size_t)i * pitch), s->q_type, m->q + (size_t)i * d,
                    d);
}

static void run_block(const struct sdrt_attention_shape *s, const struct block *b, void *o,
                      const struct memory *m)
{
    memset(m->o, 0, sizeof(float) * QUERIES * (size_t)panels_of(s) * PANEL);
    for (int i = 0; i < b->queries; i++) {
        m->top[i] = -INFINITY;
        m->total[i] = 0.0f;
    }
    for (int key0 = 0; key0 < b->limit; key0 += KEYS) {
        const int keys = b->limit - key0 < KEYS ? b->limit - key0 : KEYS;
        load_keys(s, b, key0, keys, m);
        score_keys(s, b, keys, m);
        for (int i = 0; i < b->queries; i++) {
            const int seen = b->q0 + i + 1 - key0; /* by a causal query */
            const float *bias = b->bias ? b->bias + (size_t)i * (size_t)s->kv_len + key0 : NULL;
            softmax_row(s, i, s->causal && seen < keys ? seen : keys, bias, m);
        }
        add_values(s, b, keys, m);
    }
    for (int i = 0; i < b->queries; i++)
        for (int d = 0; d < s->head_dim; d++)
            typed_store(o, s->o_type, (size_t)i * (size_t)s->o_pitch + (size_t)d,
                        m->o[(size_t)(d / PANEL * QUERIES + i) * PANEL + (size_t)(d % PANEL)] /
                            m->total[i]);
}

static int attention(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a)
{
    const int blocks = blocks_of(s), units = s->batch * s->heads * blocks;
    const int end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    const struct memory m = place(s, ex->scratch);

    for (int u = sdrt_row_begin(units, ex->part, ex->nparts); u < end; u++) {
        struct block b = { .q0 = u % blocks * QUERIES };
        const int image = u / blocks / s->heads;
        const size_t head = (size_t)(u / blocks % s->heads), column = head * (size_t)s->head_dim;
        const size_t query = (size_t)image * (size_t)s->q_len + (size_t)b.q0;
        const size_t key = (size_t)image * (size_t)s->kv_len;
        b.queries = s->q_len - b.q0 < QUERIES ? s->q_len - b.q0 : QUERIES;
        b.limit = s->causal ? b.q0 + b.queries : s->kv_len;
        set_queries(s, &b, sdrt_element(a->q, s->q_type, query * (size_t)s->q_pitch + column), &m);
        b.k = sdrt_element(a->k, s->k_type, key * (size_t)s->k_pitch + column);
        b.v = sdrt_element(a->v, s->v_type, key * (size_t)s->v_pitch + column);
        if (s->biased)
            b.bias = a->bias + (head * (size_t)s->q_len + (size_t)b.q0) * (size_t)s->kv_len;
        run_block(s, &b, sdrt_element(a->o, s->o_type, query * (size_t)s->o_pitch + column), &m);
    }
    return 0;
}

void sdrt_attention_init_generic(struct sdrt_attention_ops *ops)
{
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->attention = attention;
}
