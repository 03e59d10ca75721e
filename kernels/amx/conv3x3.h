/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolutions on tiles, as an implicit GEMM.
 *
 * A unit is a block of output pixels by a range of output channels.  A chunk of the input's
 * channels becomes a patch of bf16 pixels in scratch, normalised, upsampled and padded; it
 * stays in L2 while groups of weights, which stay in L2 too, pass by.  A block is up to six
 * tiles of 16 pixels each by 16 channels: 32 input channels of its part of the patch stay in
 * L1 for all nine taps, so that L2 gives 1 KiB of weights a step and little else, 21 bytes
 * a cycle.
 *
 * Where the width is a multiple of 16 (times the images interleaved, see below) the tiles of
 * a block are 16 pixels of six rows.  Any other width is seen as one sequence of pixels that
 * runs on through the padding, and what it finds there is thrown away.  Images 8 or fewer
 * pixels wide are interleaved pixel by pixel, so that two of them fill a tile.  For stride 2
 * the patch is four planes, of even and odd rows and columns: in a plane, neighbours in the
 * output are neighbours again.
 *
 * Beside the products, a piece in each slot: weights and patch come closer, the block
 * before is stored and finished, and the next block's patch is built.
 */
#ifndef SDRT_KERNELS_AMX_CONV3X3_H
#define SDRT_KERNELS_AMX_CONV3X3_H

#include "kernels/amx/pack.h"
#include "kernels/amx/pixel.h"

#include <string.h>

enum { CONV_TAPS = 9, CONV_TILES = TILE_SUM_REGISTERS, CONV_SUMS = CONV_TILES * TILE_SUMS };

/* ---- how the work is cut: by the shape alone ---- */

struct conv_cut {
    int mix;              /* images interleaved */
    int flat;             /* tiles run on over the ends of rows */
    int images;           /* of a unit, a multiple of mix */
    int bh, bw;           /* output rows and columns of a unit, at most */
    int stacks, down, across, ranges;
    int tiles, range;     /* tiles of 16 output channels: all, and most in a range */
    int steps, chunks, chunk; /* of 32 input channels */
    int group;            /* tiles of channels whose weights stay in L2 */
    int planes, rows;     /* planes of a patch; rows of each */
    size_t pixel, row, plane, patch; /* bytes from one to the next */
    int blocks;           /* most in a unit */
};

/* Bytes to add to each row so that a block's lines spread best over the 64 sets of L1. */
static size_t conv_row_padding(size_t pixel, size_t entries)
{
    enum { SETS = 64, MOST = 32, ROWS = 8, PIXELS = 18 };
    const size_t p = pixel / LINE;
    int one[2 * SETS] = { 0 }, least = -1; /* the lines of one row, twice round */
    size_t best = 0;

    for (size_t i = 0; i < 2 * PIXELS; i++) {
        const size_t set = (i / 2 * p + i % 2) % SETS;
        one[set]++;
        one[set + SETS]++;
    }
    for (size_t pad = 0; pad < MOST; pad++) {
        int lines[SETS] = { 0 }, crowd = 0;
        for (size_t y = 0; y < ROWS; y++) {
            const int *shifted = one + (SETS - y * (entries * p + pad) % SETS) % SETS;
            for (int i = 0; i < SETS; i++) lines[i] += shifted[i];
        }
        for (int i = 0; i < SETS; i++) crowd += lines[i] * lines[i];
        if (least >= 0 && crowd >= least) continue;
        least = crowd;
        best = pad;
    }
    return best * LINE;
}

/* Rows (or columns) of the input that so many of the output need. */
static int conv_reach(const struct sdrt_conv_shape *s, int n) { return (n - 1) * s->stride + 3; }

/* Sizes of the patch for units of bh rows by bw columns. */
static void conv_measure(const struct sdrt_conv_shape *s, struct conv_cut *u)
{
    const int halo = s->stride == 2 ? 1 : 2;
    const size_t entries = (size_t)(u->bw + halo) * (size_t)u->mix;

    u->flat = u->bw * u->mix % TILE_ROWS != 0;
    u->planes = s->stride * s->stride;
    u->rows = u->bh + halo;
    u->pixel = odd_pitch((size_t)u->chunk * LINE);
    u->row = entries * u->pixel;
    if (!u->flat) u->row += conv_row_padding(u->pixel, entries);
    u->plane = (size_t)u->rows * u->row;
    u->patch = u->plane * (size_t)u->planes;
}

static struct conv_cut conv_cut(const struct sdrt_conv_shape *s)
{
    enum {
        MOST_STEPS  = 20,        /* 640 channels: one pixel of a row is 1.3 KiB */
        PATCH_BYTES = 720 << 10, /* of a 2 MiB L2 ... */
        GROUP_BYTES = 720 << 10, /* ... and of weights */
        WANTED      = 8,         /* units, so that workers find something to do */
        LEAST       = 8,         /* tiles of channels: fewer do not repay the patch */
        EASY        = CONV_TILES,
    };
    struct conv_cut u = { .mix = 1, .tiles = divide_up(s->out_c, TILE_ROWS),
                          .steps = divide_up(s->w.k, TILE_K), .bw = s->out_w };

    u.chunks = divide_up(u.steps, MOST_STEPS);
    u.chunk = divide_up(u.steps, u.chunks);
    if (s->out_w < TILE_ROWS && TILE_ROWS % s->out_w == 0 && s->batch % (TILE_ROWS / s->out_w) == 0)
        u.mix = TILE_ROWS / s->out_w;
    /* Whole rows where enough of them fit, else columns in multiples of a tile. */
    u.bh = int_min(s->out_h, EASY);
    conv_measure(s, &u);
    if (u.patch > PATCH_BYTES) {
        const int parts = (int)(u.patch / PATCH_BYTES) + 1;
        u.bw = divide_up(divide_up(s->out_w, parts), TILE_ROWS) * TILE_ROWS;
        conv_measure(s, &u);
    }
    u.across = divide_up(s->out_w, u.bw);
    const int fit = (int)(PATCH_BYTES / (u.row * (size_t)u.planes)) - (s->stride == 2 ? 1 : 2);
    int most = fit < 1 ? 1 : fit > EASY ? fit / EASY * EASY : fit;
    if (most < u.bh) most = u.bh;
    u.down = divide_up(s->out_h, most);
    u.bh = divide_up(s->out_h, u.down);
    conv_measure(s, &u);
    u.images = u.mix;
    if (u.down * u.across == 1)
        while (u.images + u.mix <= s->batch &&
               (size_t)(u.images / u.mix + 1) * u.patch <= PATCH_BYTES * 5 / 4)
            u.images += u.mix;
    u.stacks = divide_up(s->batch, u.images);
    u.ranges = int_min(divide_up(WANTED, u.stacks * u.down * u.across), divide_up(u.tiles, LEAST));
    u.range = divide_up(u.tiles, u.ranges);
    u.group = (int)(GROUP_BYTES / ((size_t)u.chunk * CONV_TAPS * TILE_BYTES));
    const int lines = u.flat ? divide_up((int)(u.row / u.pixel) * u.bh, TILE_ROWS * CONV_TILES)
                             : divide_up(u.bh, CONV_TILES) * (u.bw * u.mix / TILE_ROWS);
    u.blocks = lines * (u.images / u.mix);
    return u;
}

static int conv_units(const struct conv_cut *u)
{
    return u->stacks * u->down * u->across * u->ranges;
}

/* ---- scratch ---- */

struct conv_scratch {
    float *out;   /* one block's sums, to be finished */
    float *dump;  /* what the keep-alive stores write, and the tiles before the first block */
    float *sums;  /* [block][tile of channels][CONV_SUMS], between chunks */
    char  *patch; /* [image of the unit / mix] */
};

/* Places the arrays from base on (NULL: only to measure) and returns the bytes they take. */
static size_t conv_place(const struct conv_cut *u, char *base, struct conv_scratch *to)
{
    const size_t sums = u->chunks > 1 ? (size_t)u->blocks * (size_t)u->range * CONV_SUMS : 0;
    const size_t before = sizeof(float) * (2 * CONV_SUMS + sums);
    const size_t slack = (CONV_TILES * TILE_ROWS + 2 * TILE_ROWS) * u->pixel; /* flat tiles */

    if (base)
        *to = (struct conv_scratch){
            .out = (float *)(void *)base, .dump = (float *)(void *)base + CONV_SUMS,
            .sums = (float *)(void *)base + 2 * CONV_SUMS, .patch = base + before,
        };
    return before + (size_t)(u->images / u->mix) * u->patch + (u->flat ? slack : 0);
}

/* ---- one block at work ---- */

/* Sums in the tiles or in memory, and where they belong. */
struct conv_out {
    float *sums;
    int tiles, channel;
    int pixels;        /* 16 * tiles, or 0: nothing to finish */
    const int *place;  /* of each of them in y; -1: nowhere */
};

/* What is left to do of a part of the patch: rows y0 .. y1-1 and columns x0 .. x1-1 of it. */
struct conv_feed {
    int image;         /* of the unit, / mix */
    int y1, x0, x1;
    int y, x, mixed, step;
};

struct conv_state {
    const struct sdrt_conv_shape *s;
    const struct sdrt_conv_args *a;
    const struct conv_cut *u;
    struct conv_scratch at;
    int image, y0, x0, h, w;      /* the unit's place in the output */
    int images;
    int step0, steps;             /* of this chunk */
    struct conv_out pending, finishing;
    int finished;
    struct conv_feed feed;
    int every, wait;              /* slots from one piece of feeding to the next */
    size_t tap[CONV_TAPS];        /* bytes, in the order of the packed weights */
    size_t tile;                  /* bytes from a block's tile to the next */
    const char *next, *next_end;  /* weights to fetch into L2 */
    int fetch;                    /* lines in each step */
    int turn, place[2][CONV_TILES * TILE_ROWS]; /* of this block and of the one before */
};

static void conv_finish_pixel(struct conv_state *s)
{
    const struct sdrt_conv_shape *c = s->s;
    const struct conv_out *o = &s->finishing;
    const int r = s->finished++, n = c->out_c - o->channel;

    if (o->place[r] < 0) return;
    const size_t pixel = (size_t)o->place[r];
    vf t = v_load(o->sums + (size_t)r * VL);
    if (s->a->bias) t = v_add(t, load_first(s->a->bias + o->channel, n));
    if (s->a->chan) {
        const int image = c->chan_pitch ? o->place[r] / (c->out_h * c->out_w) : 0;
        const float *p = s->a->chan + (size_t)image * (size_t)c->chan_pitch + o->channel;
        t = v_add(t, load_first(p, n));
    }
    if (s->a->residual) {
        const float *p = s->a->residual + pixel * (size_t)c->residual_pitch + o->channel;
        t = v_add(t, load_first(p, n));
    }
    if (c->relu) t = v_max(t, v_zero());
    store_first((float *)s->a->y + pixel * (size_t)c->y_pitch + o->channel, t, n);
}

/* The source pixel of the unit's patch at (y, x), counted over all images; -1 in the padding. */
static long conv_source(const struct conv_state *s, int image, int py, int px)
{
    const struct sdrt_conv_shape *c = s->s;
    const int high = c->upsample == 2 ? c->out_h : c->in_h;
    const int wide = c->upsample == 2 ? c->out_w : c->in_w;
    int y = s->y0 * c->stride + py - c->pad + c->lead, x = s->x0 * c->stride + px - c->pad;

    if (y < 0 || x < 0 || y >= high || x >= wide) return -1;
    if (c->upsample == 2) {
        y = (int)((long)y * c->in_h / c->out_h);
        x = (int)((long)x * c->in_w / c->out_w);
    }
    return ((long)image * c->in_h + y) * c->in_w + x;
}

/* 32 channels of one pixel of the patch. */
static void conv_feed_some(struct conv_state *s)
{
    enum { AHEAD = 6 }; /* pixels */
    const struct conv_cut *u = s->u;
    struct conv_feed *f = &s->feed;
    const int image = s->image + f->image * u->mix + f->mixed;
    const int stride = s->s->stride, plane = f->y % stride * stride + f->x % stride;
    const long at = conv_source(s, image, f->y, f->x);
    char *to = s->at.patch + (size_t)f->image * u->patch + (size_t)plane * u->plane +
               (size_t)(f->y / stride) * u->row +
               (size_t)(f->x / stride * u->mix + f->mixed) * u->pixel + (size_t)f->step * LINE;
    const int c0 = (s->step0 + f->step) * TILE_K;

    if (at < 0) {
        memset(to, 0, LINE);
    } else {
        pixel_fetch(s->s, s->a, (size_t)at + AHEAD, c0);
        pixel_feed(s->s, s->a, image, (size_t)at, c0, (bf16 *)(void *)to);
    }
    if (++f->step < s->steps) return;
    f->step = 0;
    if (++f->mixed < u->mix) return;
    f->mixed = 0;
    if (++f->x < f->x1) return;
    f->x = f->x0;
    f->y++;
}

SDRT_ALWAYS_INLINE int conv_hungry(const struct conv_state *s) { return s->feed.y < s->feed.y1; }

/* Slot i of a step: what is done in the shadow of one product. */
SDRT_ALWAYS_INLINE void conv_beside(const int mt, const int i, const int finish,
                                    struct conv_state *s, const char *w, const char *ahead)
{
    enum { LINES = TILE_BYTES / LINE };

#pragma GCC unroll 16
    for (int z = i * LINES / mt; z < (i + 1) * LINES / mt; z++) /* two steps ahead */
        __builtin_prefetch(w + 2 * TILE_BYTES + z * LINE);
#pragma GCC unroll 8
    for (int z = i * (mt + 2) / mt; z < (i + 1) * (mt + 2) / mt; z++) {
        __builtin_prefetch(ahead + (size_t)z * s->tile);
        __builtin_prefetch(ahead + (size_t)z * s->tile + s->u->pixel);
    }
    if (finish && s->finished < s->finishing.pixels) conv_finish_pixel(s);
    if (--s->wait <= 0 && conv_hungry(s)) {
        conv_feed_some(s);
        s->wait = s->every;
    }
}

/* One tap of 32 channels: mt products with one tile of weights.  In a block's first step the
 * pending sums leave the registers, and those of c (NULL: zeros) come. */
SDRT_ALWAYS_INLINE void conv_step(const int mt, const int first, const int finish,
                                  struct conv_state *s, const char *p, const char *w,
                                  const float *c, const char *ahead)
{
    tile_right(w);
#pragma GCC unroll 6
    for (int i = 0; i < mt; i++) {
        tile_left(p + (size_t)i * s->tile, s->u->pixel);
        if (first) {
            tile_store_sum(i, s->pending.sums + i * TILE_SUMS);
            if (c) tile_load_sum(i, c + i * TILE_SUMS);
            else tile_clear(i);
        }
        conv_beside(mt, i, finish, s, w, ahead);
        tile_multiply(i);
    }
    for (int i = 0; i < s->fetch && s->next < s->next_end; i++, s->next += LINE)
        __builtin_prefetch(s->next, 0, 2);
}

/* A block whose first pixel's first tap is at a; next is where the block after it begins. */
SDRT_ALWAYS_INLINE void conv_block(const int mt, struct conv_state *s, const char *a,
                                   const char *next, const char *w, const float *from,
                                   const struct conv_out *out)
{
    tile_fence();
    if (s->pending.tiles > mt)
#pragma GCC unroll 6
        for (int i = mt; i < CONV_TILES; i++)
            tile_store_sum(i, s->pending.sums + i * TILE_SUMS);
    for (int c = 0; c < s->steps; c++, a += LINE) {
        const char *ahead = c + 1 < s->steps ? a + LINE : next;
        for (int t = 0; t < CONV_TAPS; t++, w += TILE_BYTES) {
            const char *p = a + s->tap[t];
            if (c == 0 && t == 0) {
                conv_step(mt, 1, 0, s, p, w, from, ahead);
                s->finishing = s->pending;
                s->finished = 0;
            } else {
                conv_step(mt, 0, 1, s, p, w, NULL, ahead + 2 * (size_t)t * s->u->pixel);
            }
            if (t == CONV_TAPS / 2) tile_keep_awake(s->at.dump);
        }
    }
    while (s->finished < s->finishing.pixels) conv_finish_pixel(s);
    s->pending = *out;
}

static void conv_block_run(struct conv_state *s, const char *a, const char *next, const char *w,
                           const float *from, const struct conv_out *out)
{
    switch (out->tiles) {
    case 1: conv_block(1, s, a, next, w, from, out); break;
    case 2: conv_block(2, s, a, next, w, from, out); break;
    case 3: conv_block(3, s, a, next, w, from, out); break;
    case 4: conv_block(4, s, a, next, w, from, out); break;
    case 5: conv_block(5, s, a, next, w, from, out); break;
    case 6: conv_block(6, s, a, next, w, from, out); break;
    }
}

/* The last block's sums. */
static void conv_drain(struct conv_state *s)
{
#pragma GCC unroll 6
    for (int i = 0; i < CONV_TILES; i++) tile_store_sum(i, s->pending.sums + i * TILE_SUMS);
    s->finishing = s->pending;
    s->finished = 0;
    while (s->finished < s->finishing.pixels) conv_finish_pixel(s);
    s->pending = (struct conv_out){ .sums = s->at.dump };
}

/* ---- one unit ---- */

/* A block's place in the unit. */
struct conv_spot {
    int image;          /* of the unit, / mix */
    int tiles;
    int first;          /* flat: the first tile's first pixel in the patch's sequence */
    int y, x;           /* else: the first row, and the column in pixels times mix */
    int need_y, need_x; /* rows and columns of the patch that it and those before it need */
    int from_y, from_x; /* of them, those that are there already */
};

/* How many blocks one image (or mix of them) has. */
static int conv_spots(const struct conv_state *s)
{
    const struct conv_cut *u = s->u;
    const int entries = (int)(u->row / u->pixel);

    if (u->flat)
        return divide_up(divide_up((s->h - 1) * entries + s->w * u->mix, TILE_ROWS), CONV_TILES);
    return divide_up(s->h, CONV_TILES) * divide_up(s->w * u->mix, TILE_ROWS);
}

static struct conv_spot conv_spot(const struct conv_state *s, int spots, int i)
{
    const struct conv_cut *u = s->u;
    const int all_y = conv_reach(s->s, s->h), all_x = conv_reach(s->s, s->w), at = i % spots;
    struct conv_spot p = { .image = i / spots, .need_x = all_x };

    if (u->flat) {
        const int entries = (int)(u->row / u->pixel);
        const int tiles = divide_up((s->h - 1) * entries + s->w * u->mix, TILE_ROWS);
        const int t0 = sdrt_row_begin(tiles, at, spots), t1 = sdrt_row_begin(tiles, at + 1, spots);
        const int last = int_min((t1 * TILE_ROWS - 1) / entries + 1, s->h);
        const int before = int_min((t0 * TILE_ROWS - 1) / entries + 1, s->h);
        p.tiles = t1 - t0;
        p.first = t0 * TILE_ROWS;
        p.need_y = conv_reach(s->s, last);
        p.from_y = at ? conv_reach(s->s, before) : 0;
        return p;
    }
    const int across = divide_up(s->w * u->mix, TILE_ROWS), down = divide_up(s->h, CONV_TILES);
    const int column = at % across, row = at / across, wide = TILE_ROWS / u->mix;
    const int y1 = sdrt_row_begin(s->h, row + 1, down);
    p.y = sdrt_row_begin(s->h, row, down);
    p.x = column * TILE_ROWS;
    p.tiles = y1 - p.y;
    p.need_y = int_min(all_y, conv_reach(s->s, y1));
    p.from_y = row ? conv_reach(s->s, p.y) : 0;
    p.need_x = int_min(all_x, conv_reach(s->s, (column + 1) * wide));
    p.from_x = column ? conv_reach(s->s, column * wide) : 0;
    return p;
}

/* Where the block's first pixel's first tap is. */
static const char *conv_spot_patch(const struct conv_state *s, const struct conv_spot *p)
{
    const struct conv_cut *u = s->u;
    const size_t at = u->flat ? (size_t)p->first * u->pixel
                              : (size_t)p->y * u->row + (size_t)p->x * u->pixel;

    return s->at.patch + (size_t)p->image * u->patch + at;
}

/* Where the block's pixels go in y. */
static void conv_spot_place(const struct conv_state *s, const struct conv_spot *p, int *place)
{
    const struct conv_cut *u = s->u;
    const int entries = (int)(u->row / u->pixel), wide = s->w * u->mix;

    for (int i = 0; i < p->tiles * TILE_ROWS; i++) {
        const int at = p->first + i;
        const int y = u->flat ? at / entries : p->y + i / TILE_ROWS;
        const int e = u->flat ? at % entries : p->x + i % TILE_ROWS;
        const int image = s->image + p->image * u->mix + e % u->mix;
        place[i] = y >= s->h || e >= wide
                       ? -1
                       : (image * s->s->out_h + s->y0 + y) * s->s->out_w + s->x0 + e / u->mix;
    }
}

/* Makes the block's part of the patch what is to be fed, at most one piece every so many
 * slots. */
static void conv_set_feed(struct conv_state *s, const struct conv_spot *p, long slots)
{
    const long pieces = (long)(p->need_y - p->from_y) * (p->need_x - p->from_x) * s->u->mix *
                        s->steps;

    s->feed = (struct conv_feed){ .image = p->image, .y = p->from_y, .y1 = p->need_y,
                                  .x = p->from_x, .x0 = p->from_x, .x1 = p->need_x };
    if (p->from_x >= p->need_x) s->feed.y1 = s->feed.y;
    s->every = pieces > 0 && slots / pieces > 1 ? (int)(slots / pieces) : 1;
    s->wait = s->every;
}

/* Share i of n of tile o's weights, of the next group, come to L2 while this one's are in use. */
static void conv_set_fetch(struct conv_state *s, const char *w, int o, int end, int i, int n)
{
    const size_t lines = (size_t)s->steps * CONV_TAPS * (TILE_BYTES / LINE);
    const char *p = w + (size_t)o * (size_t)s->u->steps * CONV_TAPS * TILE_BYTES;

    s->next = p + lines * (size_t)i / (size_t)n * LINE;
    s->next_end = o < end ? p + lines * (size_t)(i + 1) / (size_t)n * LINE : s->next;
}

/* All blocks of the unit by channels o0 .. o1-1 (in tiles) of its range r0 .. r1-1.  The first
 * group builds the patch on the way. */
static void conv_group(struct conv_state *s, int r0, int r1, int o0, int o1)
{
    const struct conv_cut *u = s->u;
    const int spots = conv_spots(s), all = spots * (s->images / u->mix), first_group = o0 == r0;
    const int last = s->step0 + s->steps == u->steps;
    const size_t column = (size_t)u->steps * CONV_TAPS * TILE_BYTES;
    const char *w = (const char *)s->a->w + (size_t)s->step0 * CONV_TAPS * TILE_BYTES;
    struct conv_spot p = conv_spot(s, spots, 0);

    s->feed.y1 = s->feed.y;
    if (first_group) conv_set_feed(s, &p, 1);
    s->fetch = divide_up(TILE_BYTES / LINE, all);
    for (int i = 0; i < all; i++) {
        const struct conv_spot after = conv_spot(s, spots, i + 1 < all ? i + 1 : i);
        const char *a = conv_spot_patch(s, &p), *next = conv_spot_patch(s, &after);
        int *place = s->place[s->turn ^= 1];
        while (conv_hungry(s)) conv_feed_some(s);
        if (first_group && i + 1 < all)
            conv_set_feed(s, &after, (long)(o1 - o0) * s->steps * CONV_TAPS * p.tiles);
        if (last) conv_spot_place(s, &p, place);
        for (int o = o0; o < o1; o++) {
            const size_t at = (size_t)i * (size_t)(r1 - r0) + (size_t)(o - r0);
            float *sums = s->at.sums + at * CONV_SUMS;
            const struct conv_out out = {
                .sums = last ? s->at.out : sums, .tiles = p.tiles, .channel = o * VL,
                .pixels = last ? p.tiles * TILE_ROWS : 0, .place = place,
            };
            conv_set_fetch(s, w, o + o1 - o0, r1, i, all);
            conv_block_run(s, a, o + 1 < o1 ? a : next, w + (size_t)o * column,
                           s->step0 ? sums : NULL, &out);
        }
        p = after;
    }
}

static void conv_unit(struct conv_state *s, int r0, int r1)
{
    const struct conv_cut *u = s->u;
    const int groups = u->group > 0 ? divide_up(r1 - r0, u->group) : r1 - r0;

    for (s->step0 = 0; s->step0 < u->steps; s->step0 += u->chunk) {
        s->steps = int_min(u->chunk, u->steps - s->step0);
        for (int g = 0; g < groups; g++)
            conv_group(s, r0, r1, r0 + sdrt_row_begin(r1 - r0, g, groups),
                       r0 + sdrt_row_begin(r1 - r0, g + 1, groups));
    }
}

/* Where each tap of a pixel is, kx outside and ky inside as the weights have them. */
static void conv_set_taps(struct conv_state *s)
{
    const struct conv_cut *u = s->u;
    const int stride = s->s->stride;

    for (int t = 0; t < CONV_TAPS; t++) {
        const int kx = t / 3, ky = t % 3, plane = ky % stride * stride + kx % stride;
        s->tap[t] = (size_t)plane * u->plane + (size_t)(ky / stride) * u->row +
                    (size_t)(kx / stride * u->mix) * u->pixel;
    }
    s->tile = u->flat ? TILE_ROWS * u->pixel : u->row;
}

static void conv3x3_run(const struct sdrt_exec *ex, const struct sdrt_conv_shape *c,
                        const struct sdrt_conv_args *a)
{
    const struct conv_cut u = conv_cut(c);
    const int units = conv_units(&u), blocks = u.stacks * u.down * u.across;
    struct conv_state s = { .s = c, .a = a, .u = &u };

    conv_place(&u, ex->scratch, &s.at);
    s.pending.sums = s.at.dump;
    conv_set_taps(&s);
    tiles_begin();
    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int range = i / blocks, block = i % blocks; /* neighbours share weights */
        s.x0 = block % u.across * u.bw;
        s.y0 = block / u.across % u.down * u.bh;
        s.image = block / u.across / u.down * u.images;
        s.w = int_min(u.bw, c->out_w - s.x0);
        s.h = int_min(u.bh, c->out_h - s.y0);
        s.images = int_min(u.images, c->batch - s.image);
        conv_unit(&s, sdrt_row_begin(u.tiles, range, u.ranges),
                  sdrt_row_begin(u.tiles, range + 1, u.ranges));
        conv_drain(&s); /* the unit's places and sums make room for the next one's */
    }
    tiles_end();
}

#endif
