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
 * Beside the products weights and patch come closer, in each slot; the block before is
 * finished and the next block's patch is built, in each step (conv_feed.h).
 */
#ifndef SDRT_KERNELS_AMX_CONV3X3_H
#define SDRT_KERNELS_AMX_CONV3X3_H

#include "kernels/amx/conv_feed.h"

/* ---- one block ---- */

/* Slot i of a step: weights and patch come into L1. */
SDRT_ALWAYS_INLINE void conv_fetch(const int mt, const int i, const char *w, const char *ahead,
                                   size_t tile, size_t pixel)
{
    enum { LINES = TILE_BYTES / LINE };

#pragma GCC unroll 16
    for (int z = i * LINES / mt; z < (i + 1) * LINES / mt; z++) /* two steps ahead */
        __builtin_prefetch(w + 2 * TILE_BYTES + z * LINE);
#pragma GCC unroll 8
    for (int z = i * (mt + 2) / mt; z < (i + 1) * (mt + 2) / mt; z++) {
        __builtin_prefetch(ahead + (size_t)z * tile);
        __builtin_prefetch(ahead + (size_t)z * tile + pixel);
    }
}

/* One tap of 32 channels: mt products with one tile of weights.  In a block's first step the
 * pending sums leave the registers, and those of c (NULL: zeros) come. */
SDRT_ALWAYS_INLINE void conv_step(const int mt, const int first, const struct conv_state *s,
                                  const char *p, const char *w, const float *c, const char *ahead,
                                  size_t tile, size_t pixel)
{
    tile_right(w);
#pragma GCC unroll 6
    for (int i = 0; i < mt; i++) {
        tile_left(p + (size_t)i * tile, pixel);
        if (first) {
            tile_store_sum(i, s->pending.sums + i * TILE_SUMS);
            if (c) tile_load_sum(i, c + i * TILE_SUMS);
            else tile_clear(i);
        }
        conv_fetch(mt, i, w, ahead, tile, pixel);
        tile_multiply(i);
    }
}

/* What is done in the shadow of a step's products. */
SDRT_ALWAYS_INLINE void conv_beside(struct conv_state *s, int rows)
{
    if (s->finished < s->finishing.pixels) conv_finish_some(s, rows);
    for (s->owed += s->rate; s->owed > 1024 && conv_hungry(s); s->owed -= 1024)
        conv_feed_some(s);
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
    const int steps = s->steps, rows = divide_up(CONV_TILES * TILE_ROWS, steps * CONV_TAPS - 1);
    const size_t tile = s->tile, pixel = s->u->pixel;
    for (int c = 0; c < steps; c++, a += LINE) {
        const char *ahead = c + 1 < steps ? a + LINE : next;
        for (int t = 0; t < CONV_TAPS; t++, w += TILE_BYTES, ahead += 2 * pixel) {
            const char *p = a + s->tap[t];
            if (c == 0 && t == 0) {
                conv_step(mt, 1, s, p, w, from, ahead, tile, pixel);
                conv_begin_finish(s);
            } else {
                conv_step(mt, 0, s, p, w, NULL, ahead, tile, pixel);
                conv_beside(s, rows);
            }
            if (t == CONV_TAPS / 2) tile_keep_awake(s->at.dump);
        }
    }
    conv_finish_some(s, CONV_TILES * TILE_ROWS);
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
    conv_begin_finish(s);
    conv_finish_some(s, CONV_TILES * TILE_ROWS);
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

/* Makes the block's part of the patch what is to be fed, over so many steps. */
static void conv_set_feed(struct conv_state *s, const struct conv_spot *p, long steps)
{
    const long pixels = (long)(p->need_y - p->from_y) * (p->need_x - p->from_x) * s->u->mix;
    const long pieces = (pixels + FEED_PIXELS - 1) / FEED_PIXELS * s->steps;

    s->feed = (struct conv_feed){ .image = p->image, .y = p->from_y, .y1 = p->need_y,
                                  .x = p->from_x, .x0 = p->from_x, .x1 = p->need_x };
    if (p->from_x >= p->need_x) s->feed.y1 = s->feed.y;
    s->rate = (int)(pieces * 1024 / steps) + 1;
    s->owed = 0;
    conv_feed_pixels(s);
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

    s->feed.busy = s->rate = 0;
    if (first_group) conv_set_feed(s, &p, 1);
    s->fetch = divide_up(TILE_BYTES / LINE, all);
    for (int i = 0; i < all; i++) {
        const struct conv_spot after = conv_spot(s, spots, i + 1 < all ? i + 1 : i);
        const char *a = conv_spot_patch(s, &p), *next = conv_spot_patch(s, &after);
        int *place = s->place[s->turn ^= 1];
        while (conv_hungry(s)) conv_feed_some(s);
        if (first_group && i + 1 < all)
            conv_set_feed(s, &after, (long)(o1 - o0) * s->steps * CONV_TAPS);
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
