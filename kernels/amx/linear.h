/* SPDX-License-Identifier: MIT
 *
 * Products of rows by packed weights, for linear layers and 1x1 convolutions.
 *
 * Work is cut into units, a band of rows by a range of columns.  A band's rows become bf16 (or
 * int8: int8.h) in scratch, a chunk of k at a time, and stay in L2; there they meet groups of weights that
 * stay in L2 too.  A block is 3x2 tiles, 48 rows by 32 columns: its rows stay in L1 while the
 * columns of a group pass by, with k forwards and backwards by turns, so that each block
 * starts where the last one ended.  7 tile loads for 6 products need 53 bytes a cycle, about
 * what L2 gives.
 *
 * Beside the products: the tiles of the block before are stored in the first step, some of its
 * rows are finished (bias, activation, residual) in each later one, and of the next block's
 * are converted; rows that are bf16 already are read where they are, if their pitch allows it.
 * There is one buffer for stored tiles, because a tile store must hit L1.
 */
#ifndef SDRT_KERNELS_AMX_LINEAR_H
#define SDRT_KERNELS_AMX_LINEAR_H

#include "kernels/amx/pack.h"
#include "kernels/exec.h"
#include "kernels/act.h"
#include "kernels/amx/math.h"

enum {
    LINEAR_FEED = 4, /* lines that one piece of work converts */
    PAIR_BYTES  = 2 * TILE_BYTES,
};

/* What one of a row's integers is worth, and what the row's values are multiplied by. */
struct linear_unit {
    float worth, times;
};

/* Channels c0 .. c0+n-1 of a row, LINEAR_FEED lines at most, to bf16 or int8; zeros up to a whole
 * line.  unit: int8 sets it where c0 is 0, and finds it again for the row's other channels. */
typedef void linear_feed(const void *source, int row, int c0, int n, void *to,
                         struct linear_unit *unit);

struct linear {
    int m, n, k;        /* n: columns of y */
    struct sdrt_weight_shape shape;
    const char *w;
    const float *units; /* int8: what one is worth, [pair][2][VL]; NULL: bf16 */
    const float *bias, *chan, *gate, *residual; /* as in gemm.h and conv.h; any may be NULL */
    size_t residual_pitch, y_pitch, chan_pitch;
    int chan_rows;      /* rows that share one chan; 0: all */
    enum sdrt_act act;
    void *y;
    enum sdrt_dtype y_type;
    linear_feed *feed;
    const void *source;
    const char *rows;   /* the left operand where it is used in place, or NULL */
    size_t rows_pitch;  /* bytes */
};

/* Whether rows of bf16 can be tiles where they are: whole tiles, whose rows do not meet in a few
 * sets of L1. */
SDRT_ALWAYS_INLINE int linear_in_place(int m, int k, const void *rows, size_t pitch)
{
    return m % TILE_ROWS == 0 && k % TILE_K == 0 && (uintptr_t)rows % LINE == 0 &&
           pitch % LINE == 0 && pitch / LINE % 16 != 0;
}

/* Values of k in a step. */
SDRT_ALWAYS_INLINE int linear_line(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_I8 ? TILE_K8 : TILE_K;
}

/* ---- how the work is cut: by the shape alone ---- */

struct linear_cut {
    int pairs, steps;     /* columns of tile pairs; k in tiles */
    int chunks, chunk;    /* of k, in steps */
    int bands, ranges;
    int tiles;            /* of rows, most in a band */
    int range_pairs;      /* most in a range */
    int group;            /* pairs that stay in L2 */
    size_t pitch;         /* bytes from row to row of the band's copy */
};

/* Bytes that come from beyond L2 in all: a band's rows once for each range, and the weights
 * once for each band unless a range of them stays in L2. */
static double linear_traffic(const struct linear_cut *u, int m, int bands, int ranges)
{
    const int again = divide_up(u->pairs, ranges) > u->group ? bands : 1;

    return (double)u->steps * (64.0 * 2 * m * ranges + (double)PAIR_BYTES * u->pairs * again);
}

static struct linear_cut linear_cut(int m, int k, const struct sdrt_weight_shape *w)
{
    enum {
        MOST_STEPS  = 48,      /* 48 rows of 3 KiB: a block's step stays short of L2's half */
        BAND_BYTES  = 960 << 10, /* of a 2 MiB L2, which all processors with AMX have ... */
        GROUP_BYTES = 640 << 10, /* ... beside so many weights */
        SUM_PAIRS   = 20,      /* of one band's sums that wait for the next chunk */
        WANTED      = 8,       /* units, so that workers find something to do */
        MORE        = 16,      /* bands than need be */
    };
    struct linear_cut u = { .pairs = divide_up(w->n, pack_pair_columns(w)),
                            .steps = divide_up(k, linear_line(w)) };
    const int tiles = divide_up(m, TILE_ROWS);
    double least = 0.0;

    u.chunks = divide_up(u.steps, MOST_STEPS);
    u.chunk = divide_up(u.steps, u.chunks);
    u.pitch = odd_pitch((size_t)u.chunk * LINE);
    u.group = int_min(u.pairs, GROUP_BYTES / (u.chunk * PAIR_BYTES));
    const int most = BAND_BYTES / (int)u.pitch / TILE_ROWS;
    const int fewest_ranges = u.chunks > 1 ? divide_up(u.pairs, SUM_PAIRS) : 1;
    const int all = int_min(WANTED, divide_up(tiles, 3) * divide_up(u.pairs, 4));
    const int few = divide_up(tiles, most);
    for (int bands = few; bands <= tiles && bands <= few + MORE; bands++)
        for (int fit = 0; fit < 2; fit++) { /* as few ranges as will do, or so that each fits */
            int ranges = int_min(u.pairs, divide_up(all, bands));
            if (ranges < fewest_ranges) ranges = fewest_ranges;
            if (fit && ranges < divide_up(u.pairs, u.group)) ranges = divide_up(u.pairs, u.group);
            const double traffic = linear_traffic(&u, m, bands, ranges);
            if (bands * ranges < all || (u.bands && traffic >= least)) continue;
            least = traffic;
            u.bands = bands;
            u.ranges = ranges;
        }
    u.tiles = divide_up(tiles, u.bands);
    u.range_pairs = divide_up(u.pairs, u.ranges);
    return u;
}

static int linear_parts(const struct linear_cut *u, int workers)
{
    return int_min(u->bands * u->ranges, 16 * workers);
}

/* ---- scratch ---- */

enum { BLOCK_TILES = 3, BLOCK_SUMS = TILE_SUM_REGISTERS * TILE_SUMS };

struct linear_scratch {
    float *out;  /* one block's sums, to be finished */
    float *dump; /* what the keep-alive stores write, and the tiles before the first block */
    float *sums; /* [block of rows][pair][BLOCK_SUMS], between chunks */
    struct linear_unit *units; /* [16 * tiles] */
    char  *rows; /* [16 * tiles][pitch] */
};

/* Places the arrays from base on (NULL: only to measure) and returns the bytes they take. */
static size_t linear_place(const struct linear_cut *u, char *base, struct linear_scratch *to)
{
    const size_t blocks = (size_t)divide_up(u->tiles, BLOCK_TILES), f = sizeof(float);
    const size_t sums = u->chunks > 1 ? blocks * (size_t)u->range_pairs * BLOCK_SUMS : 0;
    const size_t rows = (size_t)u->tiles * TILE_ROWS;

    if (base)
        *to = (struct linear_scratch){
            .out = (float *)(void *)base,
            .dump = (float *)(void *)base + BLOCK_SUMS,
            .sums = (float *)(void *)base + 2 * BLOCK_SUMS,
            .units = (struct linear_unit *)(void *)(base + f * (2 * BLOCK_SUMS + sums)),
            .rows = base + f * (2 * BLOCK_SUMS + sums) + rows * sizeof *to->units,
        };
    return f * (2 * BLOCK_SUMS + sums) + rows * (sizeof *to->units + u->pitch);
}

/* ---- one block at work ---- */

/* Sums in the tiles or in memory, and where they belong. */
struct linear_out {
    float *sums;
    int tiles;     /* of rows */
    int row, rows; /* of y; no rows: nothing to finish */
    int pair;
    const struct linear_unit *units; /* of these rows */
};

struct linear_state {
    const struct linear *l;
    const struct linear_cut *u;
    struct linear_scratch at;
    struct linear_out pending;    /* still in the tiles */
    struct linear_out finishing;  /* stored, from row `finished` on not yet finished */
    int finished;
    int band_row, band_rows;      /* of y */
    int fed, fed_step, feed_end;  /* rows of the band: so many are converted, and may be */
    int rate, owed;               /* pieces to feed in a step, and until now, in 1024ths */
    int step0, steps;             /* of this chunk */
    const char *next, *next_end;  /* weights to fetch into L2 */
    int fetch;                    /* lines in each step */
};

/* The sums of a block's row: of the left tile's columns; the right one's are TILE_SUMS further. */
SDRT_ALWAYS_INLINE const float *linear_sums(const struct linear_out *o, int r)
{
    return o->sums + (size_t)(r / TILE_ROWS * 2 * TILE_SUMS + r % TILE_ROWS * VL);
}

/* What one is worth in columns 0 .. 15 of a block's left or right tile. */
SDRT_ALWAYS_INLINE vf linear_units(const int integers, const struct linear *l, int pair, int right)
{
    return integers ? v_load(l->units + (2 * pair + right) * VL) : v_zero();
}

/* Sums of a row's products and what is added to them. */
SDRT_ALWAYS_INLINE vf linear_plus(const int integers, const float *c, vf columns, vf row, vf bias)
{
    if (!integers) return v_add(v_load(c), bias);
    return v_fma(_mm512_cvtepi32_ps(_mm512_loadu_si512(c)), v_mul(columns, row), bias);
}

SDRT_ALWAYS_INLINE vf linear_row_unit(const int integers, const struct linear_out *o, int r)
{
    return integers ? v_set1(o->units[r].worth) : v_zero();
}

SDRT_ALWAYS_INLINE vf linear_bias(const struct linear *l, size_t row, int column, int n)
{
    const vf bias = l->bias ? load_first(l->bias + column, n) : v_zero();

    if (!l->chan) return bias;
    const float *chan = l->chan + (l->chan_rows ? row / (size_t)l->chan_rows * l->chan_pitch : 0);
    return v_add(bias, load_first(chan + column, n));
}

/* Gated: the left tile's sums are values, the right one's their gates.  What becomes bf16 may have
 * its GELU from a table. */
SDRT_ALWAYS_INLINE void linear_finish_gated(const int integers, const struct linear *l,
                                            const struct linear_out *o, int r0, int r1,
                                            const int by_table)
{
    const int column = o->pair * VL, n = l->n - column;
    const vf bias = l->bias ? load_first(l->bias + column, n) : v_zero();
    const vf gate_bias = l->bias ? load_first(l->bias + l->n + column, n) : v_zero();
    const vf units = linear_units(integers, l, o->pair, 0);
    const vf gate_units = linear_units(integers, l, o->pair, 1);
    const struct tail table = tail_table();

    for (int r = r0; r < r1; r++) {
        const float *c = linear_sums(o, r);
        const size_t to = (size_t)(o->row + r) * l->y_pitch + (size_t)column;
        const vf unit = linear_row_unit(integers, o, r);
        const vf value = linear_plus(integers, c, units, unit, bias);
        vf gate = linear_plus(integers, c + TILE_SUMS, gate_units, unit, gate_bias);
        gate = by_table ? gelu_by_table(&table, gate) : v_act(gate, l->act);
        store_typed(l->y, l->y_type, to, v_mul(value, gate), n);
    }
}

SDRT_ALWAYS_INLINE void linear_finish_plain(const int integers, const struct linear *l,
                                            const struct linear_out *o, int r0, int r1,
                                            const enum sdrt_act act)
{
    enum { AHEAD = 16 }; /* rows */
    const int column = 2 * o->pair * VL, each = l->chan && l->chan_rows;
    int n[2];
    vf bias[2], gate[2], units[2];

    for (int v = 0; v < 2; v++) {
        const int at = column + v * VL;
        n[v] = l->n - at;
        if (n[v] <= 0) continue;
        bias[v] = linear_bias(l, (size_t)(o->row + r0), at, n[v]);
        units[v] = linear_units(integers, l, o->pair, v);
        if (l->gate) gate[v] = load_first(l->gate + at, n[v]);
    }
    for (int r = r0; r < r1; r++) {
        const float *c = linear_sums(o, r);
        const size_t row = (size_t)(o->row + r);
        const float *residual = l->residual ? l->residual + row * l->residual_pitch + column : NULL;
        if (residual && r + AHEAD < o->rows) {
            __builtin_prefetch(residual + AHEAD * l->residual_pitch);
            __builtin_prefetch(residual + AHEAD * l->residual_pitch + VL);
        }
        const vf unit = linear_row_unit(integers, o, r);
        for (int v = 0; v < 2 && n[v] > 0; v++) {
            const vf more = each ? linear_bias(l, row, column + v * VL, n[v]) : bias[v];
            vf t = v_act(linear_plus(integers, c + v * TILE_SUMS, units[v], unit, more), act);
            if (l->gate) t = v_mul(t, gate[v]);
            if (residual) t = v_add(t, load_first(residual + v * VL, n[v]));
            store_typed(l->y, l->y_type, row * l->y_pitch + (size_t)(column + v * VL), t, n[v]);
        }
    }
}

SDRT_ALWAYS_INLINE void linear_finish(const int integers, const struct linear *l,
                                      const struct linear_out *o, int r0, int r1)
{
    if (l->shape.gated && l->act == SDRT_ACT_GELU && is_bf16(l->y_type))
        linear_finish_gated(integers, l, o, r0, r1, 1);
    else if (l->shape.gated) linear_finish_gated(integers, l, o, r0, r1, 0);
    else if (l->act == SDRT_ACT_NONE)
        linear_finish_plain(integers, l, o, r0, r1, SDRT_ACT_NONE);
    else linear_finish_plain(integers, l, o, r0, r1, l->act);
}

/* The next rows of the block before, so many at most. */
static __attribute__((noinline)) void linear_finish_some(struct linear_state *s, int some)
{
    const int r0 = s->finished, r1 = int_min(r0 + some, s->finishing.rows);

    if (s->l->units) linear_finish(1, s->l, &s->finishing, r0, r1);
    else linear_finish(0, s->l, &s->finishing, r0, r1);
    s->finished = r1;
}

static void linear_feed_some(struct linear_state *s)
{
    const int line = linear_line(&s->l->shape);
    const int c0 = (s->step0 + s->fed_step) * line, end = (s->step0 + s->steps) * line;
    const int left = int_min(s->l->k, end) - c0;

    s->l->feed(s->l->source, s->band_row + s->fed, c0, int_min(left, LINEAR_FEED * line),
               s->at.rows + (size_t)s->fed * s->u->pitch + s->fed_step * LINE,
               s->at.units + s->fed);
    s->fed_step += LINEAR_FEED;
    if (s->fed_step >= s->steps) {
        s->fed_step = 0;
        s->fed++;
    }
}

/* What is done in the shadow of a step's products. */
SDRT_ALWAYS_INLINE void linear_beside(struct linear_state *s, int rows)
{
    if (s->finished < s->finishing.rows) linear_finish_some(s, rows);
    for (s->owed += s->rate; s->owed > 1024 && s->fed < s->feed_end; s->owed -= 1024)
        linear_feed_some(s);
    for (int i = 0; i < s->fetch && s->next < s->next_end; i++, s->next += LINE)
        __builtin_prefetch(s->next, 0, 2);
}

/* One step of k: mt x 2 products, down the left column of tiles and up the right one.  In a
 * block's first step the pending sums leave the registers, and those of c (NULL: zeros) come. */
SDRT_ALWAYS_INLINE void linear_step(const int mt, const int integers, const int first,
                                    const struct linear_state *s,
                                    const char *a, size_t pitch, const char *w, const float *c)
{
#pragma GCC unroll 6
    for (int i = 0; i < 2 * mt; i++) {
        const int right = i >= mt, row = right ? 2 * mt - 1 - i : i, sum = 2 * row + right;
        if (i % mt == 0) tile_right(w + right * TILE_BYTES);
        if (i != mt) tile_left(a + (size_t)row * TILE_ROWS * pitch, pitch);
        if (first) {
            tile_store_sum(sum, s->pending.sums + sum * TILE_SUMS);
            if (c) tile_load_sum(sum, c + sum * TILE_SUMS);
            else tile_clear(sum);
        }
        if (integers) tile_multiply_i8(sum);
        else tile_multiply(sum);
    }
}

/* A block, of whose place out tells, from rows a and weights w on; from is its sums so far. */
SDRT_ALWAYS_INLINE void linear_block(const int mt, const int integers, struct linear_state *s,
                                     const char *a, const char *w, int backwards, const float *from,
                                     const struct linear_out *out)
{
    enum { AWAKE = 16 }; /* steps: 1500 cycles */
    const ptrdiff_t da = backwards ? -LINE : LINE, dw = backwards ? -PAIR_BYTES : PAIR_BYTES;

    if (backwards) {
        a += (s->steps - 1) * LINE;
        w += (size_t)(s->steps - 1) * PAIR_BYTES;
    }
    tile_fence();
    if (s->pending.tiles > mt)
#pragma GCC unroll 6
        for (int i = 2 * mt; i < TILE_SUM_REGISTERS; i++)
            tile_store_sum(i, s->pending.sums + i * TILE_SUMS);
    const int steps = s->steps, rows = divide_up(s->pending.rows, steps > 1 ? steps - 1 : 1);
    const size_t pitch = s->l->rows ? s->l->rows_pitch : s->u->pitch;
    linear_step(mt, integers, 1, s, a, pitch, w, from);
    s->finishing = s->pending;
    s->finished = 0;
    for (int k = 1; k < steps; k++) {
        a += da;
        w += dw;
        linear_step(mt, integers, 0, s, a, pitch, w, NULL);
        linear_beside(s, rows);
        if (k % AWAKE == AWAKE - 1) tile_keep_awake(s->at.dump);
    }
    linear_finish_some(s, BLOCK_TILES * TILE_ROWS);
    s->pending = *out;
}

static void linear_block_run(struct linear_state *s, const char *a, const char *w, int backwards,
                             const float *from, const struct linear_out *out)
{
    switch (2 * out->tiles + (s->l->units != NULL)) {
    case 2: linear_block(1, 0, s, a, w, backwards, from, out); break;
    case 3: linear_block(1, 1, s, a, w, backwards, from, out); break;
    case 4: linear_block(2, 0, s, a, w, backwards, from, out); break;
    case 5: linear_block(2, 1, s, a, w, backwards, from, out); break;
    case 6: linear_block(3, 0, s, a, w, backwards, from, out); break;
    case 7: linear_block(3, 1, s, a, w, backwards, from, out); break;
    }
}

/* The last block's sums. */
static void linear_drain(struct linear_state *s)
{
#pragma GCC unroll 6
    for (int i = 0; i < TILE_SUM_REGISTERS; i++)
        tile_store_sum(i, s->pending.sums + i * TILE_SUMS);
    s->finishing = s->pending;
    s->finished = 0;
    linear_finish_some(s, BLOCK_TILES * TILE_ROWS);
    s->pending = (struct linear_out){ .sums = s->at.dump };
}

/* ---- one unit ---- */

struct linear_range {
    int p0, p1; /* pairs */
    int g0, g1; /* those of the group at work */
};

/* Weights from pair p's step s->step0 on. */
SDRT_ALWAYS_INLINE const char *linear_weights(const struct linear_state *s, int p)
{
    return s->l->w + ((size_t)p * (size_t)s->u->steps + (size_t)s->step0) * PAIR_BYTES;
}

/* Block number b of a band's rows, by a group of columns. */
static void linear_rows_by_group(struct linear_state *s, const struct linear_range *g, int b,
                                 int blocks, int tiles)
{
    const int t0 = sdrt_row_begin(tiles, b, blocks), t1 = sdrt_row_begin(tiles, b + 1, blocks);
    const int row = t0 * TILE_ROWS, last = s->step0 + s->steps == s->u->steps;
    const struct linear *l = s->l;
    const char *a = l->rows ? l->rows + (size_t)(s->band_row + row) * l->rows_pitch +
                                  (size_t)s->step0 * LINE
                            : s->at.rows + (size_t)row * s->u->pitch;

    s->feed_end = l->rows ? 0 : int_min(s->band_rows, t1 * TILE_ROWS);
    while (s->fed < s->feed_end) linear_feed_some(s);
    s->feed_end = int_min(s->band_rows, sdrt_row_begin(tiles, b + 2, blocks) * TILE_ROWS);
    if (b + 1 >= blocks || l->rows) s->feed_end = s->fed;
    const long pieces = (long)(s->feed_end - s->fed) * divide_up(s->steps, LINEAR_FEED);
    s->rate = (int)(pieces * 1024 / ((g->g1 - g->g0) * (s->steps > 1 ? s->steps - 1 : 1))) + 1;
    s->owed = 0;
    for (int p = g->g0; p < g->g1; p++) {
        const size_t place = (size_t)b * (size_t)(g->p1 - g->p0) + (size_t)(p - g->p0);
        float *sums = s->at.sums + place * BLOCK_SUMS;
        const struct linear_out out = {
            .sums = last ? s->at.out : sums, .tiles = t1 - t0, .row = s->band_row + row,
            .rows = last ? int_min(s->band_rows - row, (t1 - t0) * TILE_ROWS) : 0, .pair = p,
            .units = s->at.units + row,
        };
        linear_block_run(s, a, linear_weights(s, p), (p + b) & 1, s->step0 ? sums : NULL, &out);
    }
}

static void linear_unit(struct linear_state *s, struct linear_range *g)
{
    const struct linear_cut *u = s->u;
    const int tiles = divide_up(s->band_rows, TILE_ROWS), blocks = divide_up(tiles, BLOCK_TILES);
    const int groups = divide_up(g->p1 - g->p0, u->group);

    for (s->step0 = 0; s->step0 < u->steps; s->step0 += u->chunk) {
        s->steps = int_min(u->chunk, u->steps - s->step0);
        s->fed = s->fed_step = 0;
        for (int i = 0; i < groups; i++) {
            g->g0 = g->p0 + sdrt_row_begin(g->p1 - g->p0, i, groups);
            g->g1 = g->p0 + sdrt_row_begin(g->p1 - g->p0, i + 1, groups);
            /* The next group's weights, line by line while this one's are in use. */
            s->next = linear_weights(s, g->g1);
            s->next_end = g->g1 < g->p1 ? s->next + (size_t)(g->g1 - g->g0) *
                                                    (size_t)s->steps * PAIR_BYTES : s->next;
            s->fetch = divide_up(PAIR_BYTES / LINE, blocks);
            for (int b = 0; b < blocks; b++) linear_rows_by_group(s, g, b, blocks, tiles);
        }
    }
}

static void linear_run(const struct sdrt_exec *ex, const struct linear *l)
{
    const struct linear_cut u = linear_cut(l->m, l->k, &l->shape);
    const int units = u.bands * u.ranges, tiles = divide_up(l->m, TILE_ROWS);
    struct linear_state s = { .l = l, .u = &u };

    linear_place(&u, ex->scratch, &s.at);
    s.pending.sums = s.at.dump;
    tiles_begin();
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int range = i / u.bands, band = i % u.bands;
        struct linear_range g = { .p0 = sdrt_row_begin(u.pairs, range, u.ranges),
                                  .p1 = sdrt_row_begin(u.pairs, range + 1, u.ranges) };
        s.band_row = sdrt_row_begin(tiles, band, u.bands) * TILE_ROWS;
        s.band_rows = int_min(l->m, sdrt_row_begin(tiles, band + 1, u.bands) * TILE_ROWS) -
                      s.band_row;
        linear_unit(&s, &g);
        /* The band's rows and sums make room for the next unit's. */
        linear_drain(&s);
    }
    tiles_end();
}

#endif
