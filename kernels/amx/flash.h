/* SPDX-License-Identifier: MIT
 *
 * Attention of heads of up to 80 channels: 16 queries by 64 keys a step, their outputs in the
 * tiles over all keys.  Three steps are at work at once: while the tiles multiply the weights
 * of the step before by its values and then the queries by the keys of the step after, the
 * vectors turn this step's scores into weights.  Scores and weights have one buffer each,
 * which stays in L1; the order of the instructions makes that safe.
 *
 * Weights are 2^score without taking off a maximum, which costs nothing and has the range of
 * bf16 and f32 to spare.  Where a row's sum leaves that range, its 16 queries are done again
 * relative to their true maxima; a block of queries for which this happens often is done so
 * from the start.  (A bound on the score in place of the maximum fails: one key of large norm
 * makes all weights vanish.)
 */
#ifndef SDRT_KERNELS_AMX_FLASH_H
#define SDRT_KERNELS_AMX_FLASH_H

#include "kernels/amx/attention_unit.h"

#include <float.h>

enum {
    FLASH_KEYS      = 64,
    FLASH_CHANNELS  = 80,  /* five tiles of outputs, beside one each of scores, weights, values */
    FLASH_QUERIES   = 128, /* packed at once */
    SCORE_TILES     = FLASH_KEYS / TILE_ROWS,
    PAIR_KEYS       = 32,
};

struct flash_cut {
    int blocks, rows;  /* of queries: units of one head, and the most queries in one */
    int steps;         /* of 64 keys */
    int depth, width;  /* of a head: in tiles of 32 as k, in tiles of 16 columns */
};

static struct flash_cut flash_cut(const struct sdrt_attention_shape *s)
{
    enum { WANTED = 16, LEAST = 512 }; /* queries repay the packing of the keys */
    const int heads = s->batch * s->heads, d = s->head_dim;
    struct flash_cut u = { .steps = divide_up(s->kv_len, FLASH_KEYS),
                           .depth = d <= 64 ? 2 : 3, .width = d <= 48 ? 3 : d <= 64 ? 4 : 5 };

    u.blocks = int_min(divide_up(WANTED, heads), divide_up(s->q_len, LEAST));
    u.rows = divide_up(divide_up(s->q_len, u.blocks), TILE_ROWS) * TILE_ROWS;
    u.blocks = divide_up(s->q_len, u.rows);
    return u;
}

struct flash_scratch {
    float *scores;   /* [4][16][16] */
    bf16  *weights;  /* [2][16][32] */
    float *o;        /* [FLASH_QUERIES / 16 + 1][width + 1][16][16]: outputs, then partial sums;
                      * the last for steps that only fill or empty the pipeline */
    char  *q, *k, *v;
};

static size_t flash_place(const struct flash_cut *u, char *base, struct flash_scratch *to)
{
    const size_t f = sizeof(float), tiles = FLASH_QUERIES / TILE_ROWS;
    const size_t sizes[] = { f * SCORE_TILES * TILE_SUMS, 2 * TILE_BYTES,
                             f * (tiles + 1) * (size_t)(u->width + 1) * TILE_SUMS,
                             tiles * (size_t)u->depth * TILE_BYTES,
                             (size_t)(u->steps * SCORE_TILES * u->depth) * TILE_BYTES,
                             (size_t)(u->steps * 2 * u->width) * TILE_BYTES };
    char *at[sizeof sizes / sizeof *sizes];
    size_t sum = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        at[i] = base ? base + sum : NULL;
        sum += sizes[i];
    }
    if (to)
        *to = (struct flash_scratch){ (float *)(void *)at[0], (bf16 *)(void *)at[1],
                                      (float *)(void *)at[2], at[3], at[4], at[5] };
    return sum;
}

/* ---- tiles: 0 a tile of scores, 1 the left and 2 the right operand, 7 down to 3 outputs;
 * outputs that are not in use hold queries ---- */

SDRT_ALWAYS_INLINE void flash_clear(const int column)
{
    switch (column) {
    case 0: _tile_zero(7); break;
    case 1: _tile_zero(6); break;
    case 2: _tile_zero(5); break;
    case 3: _tile_zero(4); break;
    case 4: _tile_zero(3); break;
    }
}

SDRT_ALWAYS_INLINE void flash_store(const int column, float *p)
{
    switch (column) {
    case 0: _tile_stored(7, p, LINE); break;
    case 1: _tile_stored(6, p, LINE); break;
    case 2: _tile_stored(5, p, LINE); break;
    case 3: _tile_stored(4, p, LINE); break;
    case 4: _tile_stored(3, p, LINE); break;
    }
}

SDRT_ALWAYS_INLINE void flash_add_values(const int column, const char *v)
{
    _tile_loadd(2, v, LINE);
    switch (column) {
    case 0: _tile_dpbf16ps(7, 1, 2); break;
    case 1: _tile_dpbf16ps(6, 1, 2); break;
    case 2: _tile_dpbf16ps(5, 1, 2); break;
    case 3: _tile_dpbf16ps(4, 1, 2); break;
    case 4: _tile_dpbf16ps(3, 1, 2); break;
    }
}

/* Channels 32 k .. of the queries by those of 16 keys; the first `kept` of the queries' tiles
 * stay in registers over the four tiles of keys. */
SDRT_ALWAYS_INLINE void flash_score(const int kept, const int k, const char *q, const char *keys)
{
    _tile_loadd(2, keys, LINE);
    if (k < kept && k == 0) {
        _tile_dpbf16ps(0, 3, 2);
    } else if (k < kept) {
        _tile_dpbf16ps(0, 4, 2);
    } else {
        _tile_loadd(1, q + k * TILE_BYTES, LINE);
        _tile_dpbf16ps(0, 1, 2);
    }
}

/* ---- scores to weights ---- */

struct flash_exp {
    vf scale, offset;     /* 256 * scale / ln 2; 256 * 127 */
    __m512i table;        /* in 1/256: f + 1 - 2^f at the middle of each 64th */
};

static struct flash_exp flash_exp_of(float scale)
{
    /* round(256 * (f + 1 - 2^f)), f = (i + 0.5) / 64 */
    static const uint8_t table[64] = {
        1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 14, 15, 16, 17, 17, 18, 18, 19,
        19, 20, 20, 21, 21, 21, 21, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 21, 21, 21, 20, 20,
        19, 19, 18, 18, 17, 16, 16, 15, 14, 13, 12, 11, 10, 9,  8,  6,  5,  4,  2,  1,
    };

    return (struct flash_exp){
        .scale = v_set1((float)((double)scale * 256.0 * 1.4426950408889634)),
        .offset = v_set1(256.0f * 127.0f), .table = _mm512_loadu_si512(table),
    };
}

/* 2^(score * scale) of 2 x 16 scores as bf16, to a relative 2^-8: x = 256 (log2 + 127) is, but
 * for the curve of 2^f, twice the bits of the result, which the table corrects.  Too small
 * becomes 0, too large infinity or NaN, which a sum shows.  The order is that of packing: four
 * of a, four of b, and so on. */
SDRT_ALWAYS_INLINE __m512i flash_exp2(const struct flash_exp *e, vf a, vf b, vf offset)
{
    const vf top = v_set1(65535.0f); /* beyond int the conversion would wrap */
    const __m512i x = _mm512_cvtps_epi32(v_min(v_fma(a, e->scale, offset), top));
    const __m512i y = _mm512_cvtps_epi32(v_min(v_fma(b, e->scale, offset), top));
    const __m512i u = _mm512_packus_epi32(x, y);
    const __m512i bend = _mm512_maskz_permutexvar_epi8(0x5555555555555555ull,
                                                       _mm512_srli_epi16(u, 2), e->table);

    return _mm512_avg_epu16(_mm512_subs_epu16(u, bend), _mm512_setzero_si512());
}

/* The key whose weight is at place i of 32. */
SDRT_ALWAYS_INLINE int flash_key(int i) { return (i >> 3) * 4 + (i & 3) + (i & 4 ? 16 : 0); }

/* One step of one tile of queries. */
struct flash_item {
    const char *q, *k, *v;
    float *o;
    int first, last;     /* of this tile's steps */
    const __m512i *ones; /* [2]: bf16 1 for each of 32 weights whose key exists */
    const float *offset; /* of each query's scores, where flash_run says to use it */
};

/* Vector work number g of 32: row g % 16, 32 keys of either half. */
SDRT_ALWAYS_INLINE void flash_weigh(const int relative, const int width, int g,
                                    const struct flash_item *it, const struct flash_exp *e,
                                    const struct flash_scratch *at)
{
    const int half = g / TILE_ROWS, row = g % TILE_ROWS;
    const float *s = at->scores + half * 2 * TILE_SUMS + row * VL;
    float *sum = it->o + width * TILE_SUMS + row * VL;
    const vf offset = relative ? v_set1(it->offset[row]) : e->offset;
    const __m512i p = flash_exp2(e, v_load(s), v_load(s + TILE_SUMS), offset);

    _mm512_storeu_si512(at->weights + half * TILE_BYTES / 2 + row * TILE_K, p);
    v_store(sum, _mm512_dpbf16_ps(v_load(sum), (__m512bh)p, (__m512bh)it->ones[half]));
}

/* The tiles finish item `done`, whose weights are there, and start item `next`, while the
 * vectors weigh item `now`. */
SDRT_ALWAYS_INLINE void flash_step(const int relative, const int depth, const int width,
                                   const struct flash_item *next, const struct flash_item *now,
                                   const struct flash_item *done, const struct flash_exp *e,
                                   const struct flash_scratch *at)
{
    const int kept = 5 - width < depth ? 5 - width : depth;

    _tile_stored(0, at->scores + (SCORE_TILES - 1) * TILE_SUMS, LINE);
    if (done->first)
#pragma GCC unroll 5
        for (int c = 0; c < width; c++) flash_clear(c);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        tile_fence();
        _tile_loadd(1, at->weights + half * TILE_BYTES / 2, LINE);
        tile_fence(); /* half 0 is overwritten from here on, half 1 in the second part */
#pragma GCC unroll 5
        for (int c = 0; c < width; c++) {
            const int x = half * width + c;
            flash_add_values(c, done->v + x * TILE_BYTES);
            for (int g = x * 16 / (2 * width); g < (x + 1) * 16 / (2 * width); g++)
                flash_weigh(relative, width, g, now, e, at);
        }
    }
    if (done->last)
#pragma GCC unroll 5
        for (int c = 0; c < width; c++) flash_store(c, done->o + c * TILE_SUMS);
    if (kept > 0) _tile_loadd(3, next->q, LINE);
    if (kept > 1) _tile_loadd(4, next->q + TILE_BYTES, LINE);
#pragma GCC unroll 4
    for (int t = 0; t < SCORE_TILES; t++) {
        if (t > 0) _tile_stored(0, at->scores + (t - 1) * TILE_SUMS, LINE);
        _tile_zero(0);
#pragma GCC unroll 3
        for (int k = 0; k < depth; k++) {
            const int x = t * depth + k;
            flash_score(kept, k, next->q, next->k + x * TILE_BYTES);
            /* All scores of this step are read before the last but one tile of the next. */
            for (int g = 16 + x * 16 / (3 * depth); t < 3 && g < 16 + (x + 1) * 16 / (3 * depth);
                 g++)
                flash_weigh(relative, width, g, now, e, at);
        }
    }
}

/* ---- runs of steps ---- */

struct flash_run {
    const struct attention_unit *a;
    const struct flash_cut *u;
    struct flash_scratch at;
    struct flash_exp exp;
    __m512i ones[4];       /* for a whole step, and for the last one */
    float offset[TILE_ROWS];
    int tile, tiles;       /* of queries: the first and the number */
};

static struct flash_item flash_item_of(const struct flash_run *r, int tile, int step)
{
    const struct flash_cut *u = r->u;

    return (struct flash_item){
        .q = r->at.q + (size_t)(tile * u->depth) * TILE_BYTES,
        .k = r->at.k + (size_t)(step * SCORE_TILES * u->depth) * TILE_BYTES,
        .v = r->at.v + (size_t)(step * 2 * u->width) * TILE_BYTES,
        .o = r->at.o + (size_t)(tile * (u->width + 1)) * TILE_SUMS,
        .first = step == 0, .last = step + 1 == u->steps,
        .ones = r->ones + (step + 1 == u->steps ? 2 : 0), .offset = r->offset,
    };
}

/* All steps of the run's tiles of queries, in turn; before the first and after the last the
 * pipeline works on what nobody reads. */
SDRT_ALWAYS_INLINE void flash_steps(const int relative, const int depth, const int width,
                                    const struct flash_run *r)
{
    const int n = r->tiles * r->u->steps;
    struct flash_item next = flash_item_of(r, r->tile, 0), now = next, done = next;
    int tile = r->tile, step = 0;

    for (int i = 0; i < r->tiles; i++) {
        float *sums = flash_item_of(r, r->tile + i, 0).o + width * TILE_SUMS;
        for (int j = 0; j < TILE_SUMS; j += VL) v_store(sums + j, v_zero());
    }
    now.o = done.o = r->at.o + (size_t)(FLASH_QUERIES / TILE_ROWS * (width + 1)) * TILE_SUMS;
    done.first = 1;
    done.last = 0;
    const struct flash_item nothing = now;
    for (int x = -1; x <= n; x++) {
        flash_step(relative, depth, width, &next, &now, &done, &r->exp, &r->at);
        done = now;
        if (x < 0) done.first = 1, done.last = 0;
        now = x + 1 < n ? next : nothing;
        if (x + 2 < n) {
            if (++step == r->u->steps) {
                step = 0;
                tile++;
            }
            next = flash_item_of(r, tile, step);
        }
    }
}

/* The sizes of the models' heads as constants. */
static void flash_run_steps(const struct flash_run *r, int relative)
{
    const int width = r->u->width;

    tile_fence();
    if (width == 3) {
        if (relative) flash_steps(1, 2, 3, r);
        else flash_steps(0, 2, 3, r);
    } else if (width == 4) {
        if (relative) flash_steps(1, 2, 4, r);
        else flash_steps(0, 2, 4, r);
    } else {
        if (relative) flash_steps(1, 3, 5, r);
        else flash_steps(0, 3, 5, r);
    }
    tile_fence();
}

/* Offsets that make the largest weight of each query 1, from the same products as above. */
static void flash_find_offsets(struct flash_run *r, int tile, float scale)
{
    vf most[TILE_ROWS];

    for (int row = 0; row < TILE_ROWS; row++) most[row] = v_set1(-FLT_MAX);
    for (int step = 0; step < r->u->steps; step++) {
        const struct flash_item it = flash_item_of(r, tile, step);
        for (int t = 0; t < SCORE_TILES; t++) {
            _tile_zero(0);
            for (int k = 0; k < r->u->depth; k++) {
                _tile_loadd(1, it.q + k * TILE_BYTES, LINE);
                _tile_loadd(2, it.k + (size_t)(t * r->u->depth + k) * TILE_BYTES, LINE);
                _tile_dpbf16ps(0, 1, 2);
            }
            _tile_stored(0, r->at.scores, LINE);
            for (int row = 0; row < TILE_ROWS; row++)
                most[row] = v_max(v_mul(v_load(r->at.scores + row * VL), v_set1(scale)), most[row]);
        }
    }
    for (int row = 0; row < TILE_ROWS; row++)
        r->offset[row] = (127.0f - v_hmax(most[row]) * 1.44269504f) * 256.0f;
}

/* Writes the outputs of one tile of queries; 0 where a sum is out of range and may_fail. */
static int flash_finish(const struct flash_run *r, int tile, int query, int may_fail)
{
    const float *o = flash_item_of(r, tile, 0).o, *sums = o + r->u->width * TILE_SUMS;
    const int rows = int_min(r->a->queries - query, TILE_ROWS), d = r->a->s->head_dim;
    float total[TILE_ROWS];

    for (int row = 0; row < rows; row++) {
        total[row] = v_hsum(v_load(sums + row * VL));
        if (may_fail && !(total[row] > 0x1p-90f && total[row] < 0x1p100f)) return 0;
    }
    for (int row = 0; row < rows; row++) {
        const size_t to = (size_t)(query + row) * (size_t)r->a->s->o_pitch;
        const vf scale = v_set1(1.0f / total[row]);
        for (int c = 0; c < d; c += VL)
            store_typed(r->a->o, r->a->s->o_type, to + (size_t)c,
                        v_mul(v_load(o + c / VL * TILE_SUMS + row * VL), scale), d - c);
    }
    return 1;
}

static void flash_pack(const struct attention_unit *a, const struct flash_run *r)
{
    const struct flash_cut *u = r->u;
    bf16 *k = (bf16 *)(void *)r->at.k, *v = (bf16 *)(void *)r->at.v;

    for (int key = 0; key < u->steps * FLASH_KEYS; key += TILE_ROWS)
        for (int c = 0; c < u->depth; c++, k += TILE_BYTES / 2)
            attention_pack_key_tile(a, key, c * TILE_K, k);
    for (int key = 0; key < u->steps * FLASH_KEYS; key += PAIR_KEYS)
        for (int c = 0; c < u->width; c++)
            for (int i = 0; i < PAIR_KEYS; i += 2, v += TILE_K)
                attention_pack_value_row(a, key + flash_key(i), key + flash_key(i + 1), c * VL, v);
}

/* 1 for the keys of a step that exist, in the order of the weights. */
static void flash_set_ones(struct flash_run *r)
{
    const int begin = (r->u->steps - 1) * FLASH_KEYS;
    bf16 ones[PAIR_KEYS];

    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < PAIR_KEYS; j++) {
            const int key = begin + i % 2 * PAIR_KEYS + flash_key(j);
            ones[j] = i < 2 || key < r->a->s->kv_len ? 0x3f80 : 0;
        }
        r->ones[i] = _mm512_loadu_si512(ones);
    }
}

static void flash_unit(const struct attention_unit *a, const struct flash_cut *u,
                       const struct flash_scratch *at)
{
    struct flash_run r = { .a = a, .u = u, .at = *at, .exp = flash_exp_of(a->s->scale) };
    int again = 0, all = 0;

    flash_set_ones(&r);
    flash_pack(a, &r);
    for (int q0 = 0; q0 < a->queries; q0 += FLASH_QUERIES) {
        const int tiles = divide_up(int_min(a->queries - q0, FLASH_QUERIES), TILE_ROWS);
        const int relative = all > 0 && 2 * again > all; /* it will be needed once more */
        for (int q = 0; q < tiles * TILE_ROWS; q++)
            for (int c = 0; c < u->depth; c++)
                attention_pack_query(a, q0 + q, c * TILE_K,
                                     (bf16 *)(void *)at->q +
                                     (size_t)(q / TILE_ROWS * u->depth + c) * (TILE_BYTES / 2) +
                                     q % TILE_ROWS * TILE_K);
        r.tile = 0;
        r.tiles = tiles;
        if (!relative) flash_run_steps(&r, 0);
        for (int t = 0; t < tiles; t++) {
            all++;
            if (!relative && flash_finish(&r, t, q0 + t * TILE_ROWS, 1)) continue;
            again++;
            r.tile = t;
            r.tiles = 1;
            tile_fence();
            flash_find_offsets(&r, t, a->s->scale);
            flash_run_steps(&r, 1);
            flash_finish(&r, t, q0 + t * TILE_ROWS, 0);
        }
    }
}

#endif
