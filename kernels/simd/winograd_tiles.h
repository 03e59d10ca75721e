/* SPDX-License-Identifier: MIT
 *
 * What 3x3 convolutions by Winograd's F(4x4, 3x3) share, whatever their products are of: how the work
 * is cut, the patch that tiles are read from, and the way of sums to outputs.  Include after vec.h,
 * with what conv.h wants defined, and in an enum WINO_TILES: of a block at most.
 *
 *     Y = At [ (G g Gt) o (Bt d B) ] A        Lavin and Gray, arXiv 1509.09308, section 4.3
 */
#ifndef SDRT_KERNELS_SIMD_WINOGRAD_TILES_H
#define SDRT_KERNELS_SIMD_WINOGRAD_TILES_H

#include "kernels/simd/conv.h"
#include "kernels/simd/unroll.h"

enum {
    WINO_OUT = 4,
    WINO_IN = 6,
    WINO_POSITIONS = WINO_IN * WINO_IN,
    WINO_BYTES = 10 << 20, /* of a block's transformed input: a worker's share of L3 */
    WINO_LEAST_PANELS = 4, /* of a group */
};

/* At, for the points of whoever includes this, which defines it. */
SDRT_ALWAYS_INLINE void wino_output_1d(const vf m[WINO_IN], vf t[WINO_OUT]);

/* An odd number of lines, so that the positions fall into different sets of the caches. */
static size_t odd_lines(size_t lanes) { return ((lanes + 15) / 16 | 1) * 16; }

/* ---- how the work is cut ---- */

static int wino_across(int pixels) { return (pixels + WINO_OUT - 1) / WINO_OUT; }

static int wino_tiles(const struct conv_block *b)
{
    return b->images * wino_across(b->h) * wino_across(b->w);
}

/* Blocks of whole tiles, in pixels, whose transformed input of size bytes a value keeps within
 * WINO_BYTES, by groups of panels.  Returns the most tiles that a block has. */
static int wino_grid(const struct sdrt_conv_shape *s, size_t size, struct conv_grid *g)
{
    enum { WIDEST = 16 };
    const int tiles_h = wino_across(s->out_h), tiles_w = wino_across(s->out_w);
    const int columns = (tiles_w + WIDEST - 1) / WIDEST;
    int most = (int)(WINO_BYTES / ((size_t)WINO_POSITIONS * (size_t)s->w.k * size));

    most = most < 1 ? 1 : most > WINO_TILES ? WINO_TILES : most;
    int bw = (tiles_w + columns - 1) / columns;
    if (bw > most) bw = most;
    int bh = most / bw < tiles_h ? most / bw : tiles_h;
    const int rows = (tiles_h + bh - 1) / bh;
    bh = (tiles_h + rows - 1) / rows;
    g->h = s->out_h;
    g->w = s->out_w;
    g->bh = bh * WINO_OUT;
    g->bw = bw * WINO_OUT;
    conv_grid_count(s, g, most / (bh * bw));
    g->groups = (g->panels + WINO_LEAST_PANELS - 1) / WINO_LEAST_PANELS;
    return g->images * bh * bw;
}

/* Whole blocks, where there are enough of them for all workers: each part of a block transforms
 * the block's input once more. */
static int wino_grid_parts(const struct conv_grid *g, int workers)
{
    enum { EACH = 2 };
    const int blocks = conv_units(g) / g->groups;
    const int pieces = (EACH * workers + blocks - 1) / blocks;

    return blocks * (pieces < g->groups ? pieces : g->groups);
}

/* Some panels of a block, p0 .. p1-1. */
struct wino_piece {
    struct conv_block b;
    int p0, p1;
};

/* The piece that begins at a unit of a share that ends at end; returns the unit behind it. */
static int wino_next(const struct sdrt_conv_shape *s, const struct conv_grid *g, int unit, int end,
                     struct wino_piece *p)
{
    const int whole = (unit / g->groups + 1) * g->groups, last = whole < end ? whole : end;

    p->b = conv_block_of(s, g, unit);
    p->p0 = sdrt_row_begin(g->panels, unit % g->groups, g->groups);
    p->p1 = sdrt_row_begin(g->panels, (last - 1) % g->groups + 1, g->groups);
    return last;
}

/* ---- input ---- */

/* The pixels that a row of tiles reads. */
static int wino_width(const struct conv_block *b) { return wino_across(b->w) * WINO_OUT + 2; }

/* The six rows of them, of the tiles that begin at row y of the block: channels k0 .. k0+k-1, pitch
 * floats from pixel to pixel.  The patch is a ring of six rows of row floats; the next tiles share
 * two of them. */
static void wino_patch(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                       const struct conv_block *b, int image, int y, int k0, int k, int pitch,
                       size_t row, float *patch, const float *rows[WINO_IN])
{
    for (int i = 0; i < WINO_IN; i++) {
        float *to = patch + (size_t)((y + i) % WINO_IN) * row;
        rows[i] = to;
        if (i < 2 && y > 0) continue;
        conv_fill_row(s, a, image, b->y0 + y + i - s->pad + s->lead, b->x0 - s->pad, wino_width(b),
                      k0, k, pitch, to, 0);
    }
}

/* ---- output ---- */

/* Where a tile's outputs go: h x w of the 4 x 4 exist. */
struct wino_place {
    size_t pixel; /* of y, the tile's first */
    int h, w;
};

/* Columns column .. of a tile's sums m, stride floats from position to position, times scales where
 * these are not NULL.  Out of line: inlined it costs 2 % of the whole. */
static __attribute__((noinline)) void wino_output_tile(const struct sdrt_conv_shape *s,
                                                       const struct sdrt_conv_args *a,
                                                       const struct wino_place *place,
                                                       const float *m, size_t stride, int column,
                                                       const float *scales)
{
    const int n = s->out_c - column;
    vf t[WINO_IN][WINO_OUT]; /* [column][row] */
    vf by = v_zero(), add = v_zero();

    if (scales) by = load_some(scales + column, n);
    if (a->bias) add = load_some(a->bias + column, n);
    if (a->chan) add = v_add(add, load_some(conv_chan(s, a, place->pixel) + column, n));
    for (int x = 0; x < WINO_IN; x++) {
        vf d[WINO_IN];
        SDRT_UNROLL(6)
        for (int y = 0; y < WINO_IN; y++) d[y] = v_load(m + (size_t)(y * WINO_IN + x) * stride);
        wino_output_1d(d, t[x]);
    }
    for (int y = 0; y < place->h; y++) {
        const size_t pixel = place->pixel + (size_t)y * (size_t)s->out_w;
        float *to = (float *)a->y + pixel * (size_t)s->y_pitch + column;
        const float *residual = a->residual
                                    ? a->residual + pixel * (size_t)s->residual_pitch + column
                                    : NULL;
        vf d[WINO_IN], out[WINO_OUT];
        SDRT_UNROLL(6)
        for (int x = 0; x < WINO_IN; x++) d[x] = t[x][y];
        wino_output_1d(d, out);
        SDRT_UNROLL(4)
        for (int x = 0; x < WINO_OUT; x++) {
            if (x >= place->w) break;
            vf v = scales ? v_fma(out[x], by, add) : v_add(out[x], add);
            if (residual)
                v = v_add(v, load_some(residual + (size_t)x * (size_t)s->residual_pitch, n));
            if (s->relu) v = v_max(v, v_zero());
            store_some(to + (size_t)x * (size_t)s->y_pitch, v, n);
        }
    }
}

/* A panel's sums m [position][tile][PANEL] to y; scales are of all columns, or NULL. */
SDRT_ALWAYS_INLINE void wino_output(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                                    const struct conv_block *b, int panel, const float *m,
                                    size_t stride, const float *scales)
{
    for (int image = 0; image < b->images; image++)
        for (int y = 0; y < b->h; y += WINO_OUT)
            for (int x = 0; x < b->w; x += WINO_OUT, m += PANEL) {
                const struct wino_place place = {
                    .pixel = ((size_t)(b->image + image) * (size_t)s->out_h + (size_t)(b->y0 + y)) *
                                 (size_t)s->out_w +
                             (size_t)(b->x0 + x),
                    .h = b->h - y < WINO_OUT ? b->h - y : WINO_OUT,
                    .w = b->w - x < WINO_OUT ? b->w - x : WINO_OUT,
                };
                for (int v = 0; v < 2 && panel * PANEL + v * VL < s->out_c; v++)
                    wino_output_tile(s, a, &place, m + v * VL, stride, panel * PANEL + v * VL,
                                     scales);
            }
}

#endif
