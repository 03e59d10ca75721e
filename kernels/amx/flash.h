/* SPDX-License-Identifier: MIT
 *
 * Attention of heads of up to 80 channels: 16 queries by 64 keys a step, their outputs in the
 * tiles over all keys.  Three steps are at work at once: while the tiles multiply the weights
 * of the step before by its values and then the queries by the keys of the step after, the
 * vectors turn this step's scores into weights.  Scores and weights have one buffer each,
 * which stays in L1; the order of the instructions makes that safe.
 *
 * Heads of up to 40 channels, which would fill their tiles badly, have the eight from 32 on of
 * four tiles of keys in one tile: each tile of keys meets queries that are zeros but at its
 * place.  That is 3 KiB less of 14 to come from L2 each step.  Their last column of values,
 * which is spare, holds ones, so that the weights' sums are one of the outputs.
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
#include <string.h>

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
    int shared;        /* channels 32 .. 39 of a step's four tiles of keys are one tile */
    int depth, width;  /* of a head: in tiles of 32 as k, in tiles of 16 columns */
    int q_tiles;       /* of 16 queries */
    int k_tiles;       /* of a step */
};

static struct flash_cut flash_cut(const struct sdrt_attention_shape *s)
{
    enum { WANTED = 16, LEAST = 512 }; /* queries repay the packing of the keys */
    const int heads = s->batch * s->heads, d = s->head_dim;
    struct flash_cut u = { .steps = divide_up(s->kv_len, FLASH_KEYS), .shared = d <= 40,
                           .depth = d <= 64 ? 2 : 3, .width = d <= 40 ? 3 : d <= 64 ? 4 : 5 };

    u.q_tiles = u.shared ? 1 + SCORE_TILES : u.depth;
    u.k_tiles = u.shared ? SCORE_TILES + 1 : SCORE_TILES * u.depth;
    u.blocks = int_min(divide_up(WANTED, heads), divide_up(s->q_len, LEAST));
    u.rows = divide_up(divide_up(s->q_len, u.blocks), TILE_ROWS) * TILE_ROWS;
    u.blocks = divide_up(s->q_len, u.rows);
    return u;
}

SDRT_ALWAYS_INLINE size_t flash_tile(int i) { return (size_t)i * TILE_BYTES; }

/* Buffers: of scores, of weights, then of sums, one for each tile of queries and one more. */
enum {
    FLASH_TILES   = FLASH_QUERIES / TILE_ROWS,
    FLASH_WEIGHTS = SCORE_TILES,
    FLASH_SUMS    = FLASH_WEIGHTS + 2,
    FLASH_BUFFERS = FLASH_SUMS + FLASH_TILES + 1,
};

struct flash_scratch {
    char  *b;        /* the buffers */
    char  *q, *kv;   /* a tile of queries' tiles, and a step's of keys, then of values */
    float *o;        /* [FLASH_TILES + 1][width][16][16]: outputs; the last for steps that only
                      * fill or empty the pipeline */
};

static size_t flash_place(const struct flash_cut *u, char *base, struct flash_scratch *to)
{
    const size_t b = flash_tile(FLASH_BUFFERS), o = flash_tile((FLASH_TILES + 1) * u->width);
    const size_t q = flash_tile(FLASH_TILES * u->q_tiles);
    const size_t kv = (size_t)u->steps * flash_tile(u->k_tiles + 2 * u->width);

    if (to)
        *to = (struct flash_scratch){ base, base + b + o, base + b + o + q,
                                      (float *)(void *)(base + b) };
    return b + o + q + kv;
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
    const char *q, *kv;
    float *o, *sums;
    const __m512i *ones; /* [2]: bf16 1 for each of 32 weights whose key exists */
    int first, last;     /* of this tile's steps */
};

/* Vector work number g of 32: row g % 16, 32 keys of either half. */
SDRT_ALWAYS_INLINE void flash_weigh(const int relative, const int sum, int g,
                                    const struct flash_item *it, const struct flash_exp *e,
                                    char *b, const float *offsets)
{
    const int half = g / TILE_ROWS, row = g % TILE_ROWS;
    const float *s0 = (const float *)(void *)(b + flash_tile(2 * half)) + row * VL;
    const float *s1 = (const float *)(void *)(b + flash_tile(2 * half + 1)) + row * VL;
    const vf offset = relative ? v_set1(offsets[row]) : e->offset;
    const __m512i p = flash_exp2(e, v_load(s0), v_load(s1), offset);

    _mm512_storeu_si512(b + flash_tile(FLASH_WEIGHTS + half) + row * LINE, p);
    if (sum) {
        float *to = it->sums + row * VL;
        v_store(to, _mm512_dpbf16_ps(v_load(to), (__m512bh)p, (__m512bh)it->ones[half]));
    }
}

/* The queries' tiles that stay in registers over a step's tiles of keys. */
SDRT_ALWAYS_INLINE void flash_keep(const int shared, const int width, const struct flash_item *it)
{
    if (width < 5) _tile_loadd(3, it->q, LINE);
    if (shared) _tile_loadd(4, it->kv + flash_tile(SCORE_TILES), LINE);
}

/* The operands of tile t's first products. */
SDRT_ALWAYS_INLINE void flash_load_score(const int shared, const int depth, const int width,
                                         const int t, const struct flash_item *it)
{
    _tile_loadd(2, it->kv + flash_tile(shared ? t : t * depth), LINE);
    _tile_loadd(1, it->q + flash_tile(shared ? 1 + t : width < 5 ? 1 : 0), LINE);
}

SDRT_ALWAYS_INLINE void flash_score(const int shared, const int depth, const int width,
                                    const int t, const int k, const struct flash_item *it)
{
    if (width < 5 && k == 0) {
        _tile_dpbf16ps(0, 3, 2);
    } else if (shared) {
        _tile_dpbf16ps(0, 1, 4);
    } else {
        if (k > 0) _tile_loadd(2, it->kv + flash_tile(t * depth + k), LINE);
        if (k > 0 && width == 5) _tile_loadd(1, it->q + flash_tile(k), LINE);
        _tile_dpbf16ps(0, 1, 2);
    }
}

/* The tiles finish item `done`, whose weights are there, and start item `next`, while the
 * vectors weigh item `now`. */
SDRT_ALWAYS_INLINE void flash_step(const int relative, const int shared, const int depth,
                                   const int width, const struct flash_item *next,
                                   const struct flash_item *now, const struct flash_item *done,
                                   const struct flash_exp *e, char *b, const float *offsets)
{
    const int k_tiles = shared ? SCORE_TILES + 1 : SCORE_TILES * depth;

    if (done->first)
#pragma GCC unroll 5
        for (int c = 0; c < width; c++) flash_clear(c);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
        tile_fence();
        _tile_loadd(1, b + flash_tile(FLASH_WEIGHTS + half), LINE);
        tile_fence(); /* half 0 is overwritten from here on, half 1 in the second part */
#pragma GCC unroll 5
        for (int c = 0; c < width; c++) {
            const int x = half * width + c;
            flash_add_values(c, done->kv + flash_tile(k_tiles + x));
            if (x == 1) _tile_stored(0, b + flash_tile(SCORE_TILES - 1), LINE);
            for (int g = x * 16 / (2 * width); g < (x + 1) * 16 / (2 * width); g++)
                flash_weigh(relative, !shared, g, now, e, b, offsets);
        }
    }
    if (done->last)
#pragma GCC unroll 5
        for (int c = 0; c < width; c++) flash_store(c, done->o + c * TILE_SUMS);
    flash_keep(shared, width, next);
#pragma GCC unroll 4
    for (int t = 0; t < SCORE_TILES; t++) { /* loads before the store, which waits for a product */
        flash_load_score(shared, depth, width, t, next);
        if (t > 0) _tile_stored(0, b + flash_tile(t - 1), LINE);
        _tile_zero(0);
#pragma GCC unroll 3
        for (int k = 0; k < depth; k++) {
            const int x = t * depth + k;
            flash_score(shared, depth, width, t, k, next);
            /* All scores of this step are read before the last but one tile of the next. */
            for (int g = 16 + x * 16 / (3 * depth); t < 3 && g < 16 + (x + 1) * 16 / (3 * depth);
                 g++)
                flash_weigh(relative, !shared, g, now, e, b, offsets);
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

static void flash_set_item(const struct flash_run *r, int tile, int step, struct flash_item *it)
{
    const struct flash_cut *u = r->u;

    it->q = r->at.q + (size_t)tile * flash_tile(u->q_tiles);
    it->kv = r->at.kv + (size_t)step * flash_tile(u->k_tiles + 2 * u->width);
    it->o = r->at.o + (size_t)(tile * u->width) * TILE_SUMS;
    it->sums = (float *)(void *)(r->at.b + flash_tile(FLASH_SUMS + tile));
    it->ones = r->ones + (step + 1 == u->steps ? 2 : 0);
    it->first = step == 0;
    it->last = step + 1 == u->steps;
}

/* All steps of the run's tiles of queries, in turn; before the first and after the last the
 * pipeline works on what nobody reads. */
SDRT_ALWAYS_INLINE void flash_steps(const int relative, const int shared, const int depth,
                                    const int width, const struct flash_run *r)
{
    const int n = r->tiles * r->u->steps;
    struct flash_item items[3], nothing, *next = &items[0], *now = &nothing, *done = &nothing;
    int tile = r->tile, step = 0;

    for (int i = 0; i < r->tiles; i++) {
        float *sums = (float *)(void *)(r->at.b + flash_tile(FLASH_SUMS + r->tile + i));
        for (int j = 0; j < TILE_SUMS; j += VL) v_store(sums + j, v_zero());
    }
    flash_set_item(r, FLASH_TILES, 0, &nothing);
    nothing.first = 1;
    nothing.last = 0;
    flash_set_item(r, tile, 0, next);
    for (int x = -1; x <= n; x++) {
        flash_step(relative, shared, depth, width, next, now, done, &r->exp, r->at.b, r->offset);
        done = now;
        now = x + 1 < n ? next : &nothing;
        if (x + 2 < n) {
            if (++step == r->u->steps) {
                step = 0;
                tile++;
            }
            next = &items[(x + 2) % 3];
            flash_set_item(r, tile, step, next);
        }
    }
}

/* The sizes of the models' heads as constants. */
static void flash_run_steps(const struct flash_run *r, int relative)
{
    const int width = r->u->width;

    tile_fence();
    if (width == 3) {
        if (relative) flash_steps(1, 1, 2, 3, r);
        else flash_steps(0, 1, 2, 3, r);
    } else if (width == 4) {
        if (relative) flash_steps(1, 0, 2, 4, r);
        else flash_steps(0, 0, 2, 4, r);
    } else {
        if (relative) flash_steps(1, 0, 3, 5, r);
        else flash_steps(0, 0, 3, 5, r);
    }
    tile_fence();
}

/* Where channels 32 k .. of a step's 16 keys number t are among its tiles. */
static int flash_keys_tile(const struct flash_cut *u, int t, int k)
{
    return !u->shared ? t * u->depth + k : k == 0 ? t : SCORE_TILES;
}

/* Offsets that make the largest weight of each query 1, from the same products as above. */
static void flash_find_offsets(struct flash_run *r, int tile, float scale)
{
    const struct flash_cut *u = r->u;
    float *scores = (float *)(void *)(r->at.b + flash_tile(0));
    struct flash_item it;
    vf most[TILE_ROWS];

    for (int row = 0; row < TILE_ROWS; row++) most[row] = v_set1(-FLT_MAX);
    for (int x = 0; x < u->steps * SCORE_TILES; x++) {
        const int t = x % SCORE_TILES;
        flash_set_item(r, tile, x / SCORE_TILES, &it);
        _tile_zero(0);
        for (int k = 0; k < u->depth; k++) {
            const int q = u->shared && k > 0 ? 1 + t : k;
            _tile_loadd(1, it.q + flash_tile(q), LINE);
            _tile_loadd(2, it.kv + flash_tile(flash_keys_tile(u, t, k)), LINE);
            _tile_dpbf16ps(0, 1, 2);
        }
        _tile_stored(0, scores, LINE);
        tile_fence();
        for (int row = 0; row < TILE_ROWS; row++)
            most[row] = v_max(v_mul(v_load(scores + row * VL), v_set1(scale)), most[row]);
    }
    for (int row = 0; row < TILE_ROWS; row++)
        r->offset[row] = (127.0f - v_hmax(most[row]) * 1.44269504f) * 256.0f;
}

/* Writes the outputs of one tile of queries; 0 where a sum is out of range and may_fail. */
static int flash_finish(const struct flash_run *r, int tile, int query, int may_fail)
{
    const int rows = int_min(r->a->queries - query, TILE_ROWS), d = r->a->s->head_dim;
    struct flash_item it;
    float total[TILE_ROWS];

    flash_set_item(r, tile, 0, &it);
    for (int row = 0; row < rows; row++) {
        total[row] = r->u->shared ? it.o[d / VL * TILE_SUMS + row * VL + d % VL]
                                  : v_hsum(v_load(it.sums + row * VL));
        if (may_fail && !(total[row] > 0x1p-90f && total[row] < 0x1p100f)) return 0;
    }
    for (int row = 0; row < rows; row++) {
        const size_t to = (size_t)(query + row) * (size_t)r->a->s->o_pitch;
        const vf scale = v_set1(1.0f / total[row]);
        for (int c = 0; c < d; c += VL)
            store_typed(r->a->o, r->a->s->o_type, to + (size_t)c,
                        v_mul(v_load(it.o + c / VL * TILE_SUMS + row * VL), scale), d - c);
    }
    return 1;
}

/* ---- packing ---- */

enum { SHARED_CHANNELS = 8 }; /* from 32 on */

static void flash_pack_keys(const struct attention_unit *a, const struct flash_cut *u, int step,
                            char *to)
{
    enum { PART = TILE_BYTES / SCORE_TILES };

    for (int t = 0; t < SCORE_TILES; t++) {
        const int key = step * FLASH_KEYS + t * TILE_ROWS;
        bf16 rest[TILE_BYTES / 2];
        for (int k = 0; k < (u->shared ? 1 : u->depth); k++)
            attention_pack_key_tile(a, key, k * TILE_K,
                                    (bf16 *)(void *)(to + flash_tile(flash_keys_tile(u, t, k))));
        if (!u->shared) continue;
        attention_pack_key_tile(a, key, TILE_K, rest);
        memcpy(to + flash_tile(SCORE_TILES) + t * PART, rest, PART);
    }
}

/* With a column of ones behind the channels, which sums the weights, where the keys' channels
 * are shared. */
static void flash_pack_values(const struct attention_unit *a, const struct flash_cut *u, int step,
                              char *to)
{
    const int d = a->s->head_dim, n = a->s->kv_len;

    for (int x = 0; x < 2 * u->width; x++) {
        bf16 *v = (bf16 *)(void *)(to + flash_tile(u->k_tiles + x));
        const int begin = step * FLASH_KEYS + x / u->width * PAIR_KEYS, c = x % u->width * VL;
        for (int i = 0; i < PAIR_KEYS; i += 2, v += TILE_K) {
            const int key = begin + flash_key(i);
            attention_pack_value_row(a, key, key + 1, c, v);
            if (!u->shared || d < c || d >= c + VL) continue;
            v[2 * (d - c)] = key < n ? 0x3f80 : 0;
            v[2 * (d - c) + 1] = key + 1 < n ? 0x3f80 : 0;
        }
    }
}

/* The shared channels of each tile of keys have queries of their own, zeros but there. */
static void flash_pack_query(const struct attention_unit *a, const struct flash_cut *u, int query,
                             char *to)
{
    bf16 rest[TILE_K];

    for (int k = 0; k < (u->shared ? 1 : u->depth); k++)
        attention_pack_query(a, query, k * TILE_K, (bf16 *)(void *)(to + flash_tile(k)));
    if (!u->shared) return;
    attention_pack_query(a, query, TILE_K, rest);
    for (int t = 0; t < SCORE_TILES; t++) {
        bf16 *row = (bf16 *)(void *)(to + flash_tile(1 + t));
        v_store((float *)(void *)row, v_zero());
        memcpy(row + t * SHARED_CHANNELS, rest, SHARED_CHANNELS * sizeof *rest);
    }
}

static void flash_pack(const struct attention_unit *a, const struct flash_run *r)
{
    const struct flash_cut *u = r->u;

    for (int step = 0; step < u->steps; step++) {
        char *to = r->at.kv + (size_t)step * flash_tile(u->k_tiles + 2 * u->width);
        flash_pack_keys(a, u, step, to);
        flash_pack_values(a, u, step, to);
    }
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
            flash_pack_query(a, u, q0 + q, at->q + q % TILE_ROWS * LINE +
                             (size_t)(q / TILE_ROWS) * flash_tile(u->q_tiles));
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
