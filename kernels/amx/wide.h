/* SPDX-License-Identifier: MIT
 *
 * Attention of wide heads, whose outputs do not fit into the tiles: for each block of keys,
 * and each 48 queries, all scores, then their weights as bf16, then outputs, each step a
 * product of 3x2 tiles; outputs and running maxima wait in scratch.
 */
#ifndef SDRT_KERNELS_AMX_WIDE_H
#define SDRT_KERNELS_AMX_WIDE_H

#include "kernels/amx/attention_unit.h"

#include <float.h>

enum {
    WIDE_TILES = 3,
    WIDE_ROWS  = WIDE_TILES * TILE_ROWS,
    WIDE_SUMS  = 2 * WIDE_TILES * TILE_SUMS, /* floats of one block of 3x2 tiles */
    PAIR       = 32,                         /* its columns */
};

struct wide_cut {
    int blocks, rows;  /* of queries: units of one head, and the most queries in one */
    int panels;        /* of 48 of them */
    int keys;          /* of a block, most, a multiple of 32 */
    int depth, width;  /* of a head: tiles of 32 channels as k, and as pairs of columns */
    size_t q_pitch, p_pitch;
};

static struct wide_cut wide_cut(const struct sdrt_attention_shape *s)
{
    enum {
        QUERY_VALUES = 512 << 10, /* the outputs are 2 MiB, mostly half of it, and pass once a */
        KEY_VALUES   = 128 << 10, /* block of keys, which with its values takes 512 KiB of L2 */
        WANTED       = 8,
    };
    struct wide_cut u = { .depth = divide_up(s->head_dim, TILE_K) };
    const int heads = s->batch * s->heads, all = divide_up(s->q_len, WIDE_ROWS);
    const int most = QUERY_VALUES / s->head_dim / WIDE_ROWS;

    u.width = u.depth;
    u.blocks = divide_up(all, most > 0 ? most : 1);
    if (u.blocks < divide_up(WANTED, heads)) u.blocks = int_min(divide_up(WANTED, heads), all);
    u.panels = divide_up(all, u.blocks);
    u.rows = u.panels * WIDE_ROWS;
    const int keys = KEY_VALUES / s->head_dim / PAIR * PAIR;
    u.keys = int_min(keys > PAIR ? keys : PAIR, divide_up(s->kv_len, PAIR) * PAIR);
    u.q_pitch = odd_pitch((size_t)u.depth * LINE);
    u.p_pitch = odd_pitch((size_t)u.keys * sizeof(bf16));
    return u;
}

struct wide_scratch {
    float *o;          /* [panel][pair of columns][WIDE_SUMS] */
    float *scores;     /* [pair of keys][WIDE_SUMS] */
    float *max, *sum;  /* [rows] */
    char *q, *p, *k, *v;
};

/* Places the arrays from base on (NULL: only to measure) and returns the bytes they take. */
static size_t wide_place(const struct wide_cut *u, char *base, struct wide_scratch *to)
{
    const size_t f = sizeof(float), rows = (size_t)u->rows, pairs = (size_t)(u->keys / PAIR);
    const size_t tiles = (size_t)u->depth * pairs * 2 * TILE_BYTES;
    const size_t sizes[] = { f * (size_t)(u->panels * u->width) * WIDE_SUMS,
                             f * pairs * WIDE_SUMS, f * rows, f * rows, rows * u->q_pitch,
                             WIDE_ROWS * u->p_pitch, tiles, tiles };
    char *at[sizeof sizes / sizeof *sizes];
    size_t sum = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        at[i] = base ? base + sum : NULL;
        sum += (sizes[i] + LINE - 1) / LINE * LINE;
    }
    if (to)
        *to = (struct wide_scratch){ (float *)(void *)at[0], (float *)(void *)at[1],
                                     (float *)(void *)at[2], (float *)(void *)at[3],
                                     at[4], at[5], at[6], at[7] };
    return sum;
}

/* c (+)= 48 rows at a, pitch apart, by a pair of columns of tiles w; steps of 32. */
static void wide_block(const char *a, size_t pitch, const char *w, int steps, float *c,
                       int accumulate)
{
#pragma GCC unroll 6
    for (int i = 0; i < 2 * WIDE_TILES; i++) {
        if (accumulate) tile_load_sum(i, c + i * TILE_SUMS);
        else tile_clear(i);
    }
    for (int k = 0; k < steps; k++, a += LINE, w += 2 * TILE_BYTES) {
#pragma GCC unroll 6
        for (int i = 0; i < 2 * WIDE_TILES; i++) { /* down the left column, up the right one */
            const int right = i >= WIDE_TILES, row = right ? 2 * WIDE_TILES - 1 - i : i;
            if (i % WIDE_TILES == 0) tile_right(w + right * TILE_BYTES);
            if (i != WIDE_TILES) tile_left(a + (size_t)row * TILE_ROWS * pitch, pitch);
            tile_multiply(2 * row + right);
        }
    }
#pragma GCC unroll 6
    for (int i = 0; i < 2 * WIDE_TILES; i++) tile_store_sum(i, c + i * TILE_SUMS);
}

/* Row r of the pair's two tiles: its first half; the second is TILE_SUMS further. */
SDRT_ALWAYS_INLINE float *wide_row(float *blocks, int pair, int r)
{
    return blocks + (size_t)pair * WIDE_SUMS + r / TILE_ROWS * 2 * TILE_SUMS + r % TILE_ROWS * VL;
}

/* n keys from k0 on, and their values. */
static void wide_pack(const struct attention_unit *a, const struct wide_cut *u,
                      const struct wide_scratch *at, int k0, int n)
{
    const int pairs = divide_up(n, PAIR);
    char *k = at->k, *v = at->v;

    for (int p = 0; p < pairs; p++)
        for (int c = 0; c < u->depth; c++)
            for (int half = 0; half < 2; half++, k += TILE_BYTES)
                attention_pack_key_tile(a, k0 + p * PAIR + half * TILE_ROWS, c * TILE_K,
                                        (bf16 *)(void *)k);
    for (int column = 0; column < u->width; column++)
        for (int p = 0; p < pairs; p++)
            for (int half = 0; half < 2; half++)
                for (int r = 0; r < TILE_ROWS; r++, v += LINE) {
                    const int key = k0 + p * PAIR + 2 * r;
                    attention_pack_value_row(a, key, key + 1, column * PAIR + half * VL,
                                             (bf16 *)(void *)v);
                }
}

/* One row's n scores become weights, 2^(score * scale - maximum); what was summed so far moves
 * on to a maximum that is much larger. */
static void wide_softmax(const struct wide_cut *u, const struct wide_scratch *at, float *o,
                         int row, int r, int n, int first, float scale)
{
    enum { LATE = 8 };
    const int pairs = divide_up(n, PAIR);
    bf16 *p = (bf16 *)(void *)(at->p + (size_t)r * u->p_pitch);
    const vf to_log2 = v_set1(scale), lowest = v_set1(-FLT_MAX);
    vf most = lowest, total = v_zero();

    /* Keys beyond the last are copies of it: they raise no maximum, and leave the sum below. */
    for (int i = 0; i < pairs; i++) {
        const float *s = wide_row(at->scores, i, r);
        most = v_max(v_max(v_mul(v_load(s), to_log2), v_mul(v_load(s + TILE_SUMS), to_log2)), most);
    }
    float max = v_hmax(most);
    if (!(max < FLT_MAX)) max = FLT_MAX;
    if (first) {
        at->max[row] = max;
        at->sum[row] = 0.0f;
    } else if (max > at->max[row] + LATE) {
        const vf shrink = v_exp2(v_set1(at->max[row] - max));
        for (int i = 0; i < u->width; i++) {
            float *x = wide_row(o, i, r);
            v_store(x, v_mul(v_load(x), shrink));
            v_store(x + TILE_SUMS, v_mul(v_load(x + TILE_SUMS), shrink));
        }
        at->sum[row] *= v_first(shrink);
        at->max[row] = max;
    }
    const vf shift = v_set1(at->max[row]);
    for (int i = 0; i < pairs; i++) {
        const float *s = wide_row(at->scores, i, r);
        const vf a = v_exp2(v_sub(v_mul(v_load(s), to_log2), shift));
        const vf b = v_exp2(v_sub(v_mul(v_load(s + TILE_SUMS), to_log2), shift));
        store_bf16(p + i * PAIR, a, b);
        const int left = n - i * PAIR;
        if (left >= PAIR) {
            total = v_add(total, v_add(a, b));
            continue;
        }
        float some[PAIR];
        v_store(some, a);
        v_store(some + VL, b);
        total = v_add(total, v_add(load_first(some, left), load_first(some + VL, left - VL)));
    }
    at->sum[row] += v_hsum(total);
}

static void wide_finish(const struct attention_unit *a, const struct wide_cut *u,
                        const struct wide_scratch *at)
{
    const int d = a->s->head_dim;

    for (int q = 0; q < a->queries; q++) {
        float *o = at->o + (size_t)(q / WIDE_ROWS * u->width) * WIDE_SUMS;
        const size_t to = (size_t)q * (size_t)a->s->o_pitch;
        const vf r = v_set1(1.0f / at->sum[q]);
        for (int c = 0; c < d; c += VL) {
            const float *x = wide_row(o, c / PAIR, q % WIDE_ROWS) + (c / VL % 2) * TILE_SUMS;
            store_typed(a->o, a->s->o_type, to + (size_t)c, v_mul(v_load(x), r), d - c);
        }
    }
}

static void wide_unit(const struct attention_unit *a, const struct wide_cut *u,
                      const struct wide_scratch *at)
{
    const int panels = divide_up(a->queries, WIDE_ROWS), n = a->s->kv_len;
    const float scale = (float)(a->s->scale * 1.4426950408889634);

    for (int q = 0; q < panels * WIDE_ROWS; q++)
        for (int c = 0; c < u->depth; c++)
            attention_pack_query(a, q, c * TILE_K,
                                 (bf16 *)(void *)(at->q + (size_t)q * u->q_pitch) + c * TILE_K);
    for (int k0 = 0; k0 < n; k0 += u->keys) {
        const int keys = int_min(u->keys, n - k0), pairs = divide_up(keys, PAIR);
        wide_pack(a, u, at, k0, keys);
        for (int i = 0; i < panels; i++) {
            const char *q = at->q + (size_t)(i * WIDE_ROWS) * u->q_pitch;
            float *o = at->o + (size_t)(i * u->width) * WIDE_SUMS;
            tile_fence();
            for (int p = 0; p < pairs; p++)
                wide_block(q, u->q_pitch, at->k + (size_t)(p * u->depth) * 2 * TILE_BYTES,
                           u->depth, at->scores + (size_t)p * WIDE_SUMS, 0);
            for (int r = 0; r < WIDE_ROWS; r++)
                wide_softmax(u, at, o, i * WIDE_ROWS + r, r, keys, k0 == 0, scale);
            tile_fence();
            for (int c = 0; c < u->width; c++)
                wide_block(at->p, u->p_pitch, at->v + (size_t)(c * pairs) * 2 * TILE_BYTES, pairs,
                           o + (size_t)c * WIDE_SUMS, k0 > 0);
        }
    }
    wide_finish(a, u, at);
}

#endif
