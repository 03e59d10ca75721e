/* SPDX-License-Identifier: MIT
 *
 * Units of work are a block of output pixels by a group of panels.  The input pixels that
 * a block reads are copied once, prologue and padding applied, into a patch; the taps are
 * then offsets into the patch.
 */
#include "kernels/conv.h"
#include "kernels/generic/conv_pixel.h"
#include "kernels/generic/tile.h"

enum {
    CHUNK  = 64, /* nine taps of a panel's chunk are 18 KiB: they stay in L1 */
    SIDE   = 8,  /* a block is up to SIDE x SIDE output pixels */
    GROUP  = 16, /* panels of one unit, at least: each unit fills its own patch */
    WANTED = 64,
    TAPS   = 9,
};

static const struct sdrt_panel_layout layout = { .panel = PANEL, .chunk = CHUNK };

struct cut {
    int across, down; /* blocks of one image */
    int panels, groups;
};

static struct cut cut_shape(const struct sdrt_conv_shape *s)
{
    struct cut c = { .across = (s->out_w + SIDE - 1) / SIDE, .down = (s->out_h + SIDE - 1) / SIDE,
                     .panels = (s->out_c + PANEL - 1) / PANEL };
    const int blocks = c.across * c.down * s->batch, most = (c.panels + GROUP - 1) / GROUP;
    const int wanted = (WANTED + blocks - 1) / blocks;

    c.groups = wanted < most ? wanted : most;
    return c;
}

static int units_of(const struct sdrt_conv_shape *s, const struct cut *c)
{
    return s->batch * c->down * c->across * c->groups;
}

/* Pixels of the input that SIDE outputs reach in one direction. */
static int reach(const struct sdrt_conv_shape *s, int outputs)
{
    return (outputs - 1) * s->stride + s->kernel;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    return sdrt_panel_bytes(&layout, w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return sdrt_panel_pack(&layout, w, row0, count, src, from, dst);
}

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    const struct cut c = cut_shape(s);
    const int units = units_of(s, &c), most = 8 * workers;

    return units < most ? units : most;
}

/* The sums of one block by one panel, one chunk of weights as f32, and the patch. */
static size_t scratch(const struct sdrt_conv_shape *s)
{
    const size_t side = (size_t)reach(s, SIDE), k = (size_t)(s->in_c + s->in_c2);

    return sizeof(float) *
           ((size_t)SIDE * SIDE * PANEL + (size_t)CHUNK * TAPS * PANEL + side * side * k);
}

/* Fills patch [rows][columns][k], whose first pixel is (y0, x0) of the input. */
static void fill_patch(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int image,
                       int y0, int x0, int rows, int columns, float *patch)
{
    const size_t k = (size_t)(s->in_c + s->in_c2);

    for (int i = 0; i < rows * columns; i++)
        conv_read_pixel(s, a, image, y0 + i / columns, x0 + i % columns, patch + (size_t)i * k);
}

struct block {
    int image, y, x, rows, columns; /* of outputs */
    int patch_columns;
    const float *patch;
};

static void block_by_panel(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                           const struct block *b, int panel, float *sums, float *weights)
{
    const size_t k = (size_t)(s->in_c + s->in_c2), stride = (size_t)s->stride;
    const int pixels = b->rows * b->columns, columns = b->columns;
    const int o = panel * PANEL, n_out = s->out_c - o < PANEL ? s->out_c - o : PANEL;
    size_t taps[TAPS];
    struct tile t = { .segments = taps, .n_segments = s->kernel * s->kernel };

    for (int i = 0; i < t.n_segments; i++)
        taps[i] = (size_t)(i / s->kernel * b->patch_columns + i % s->kernel) * k;
    for (int c = 0, k0 = 0; k0 < (int)k; c++, k0 += CHUNK) {
        t.k = (int)k - k0 < CHUNK ? (int)k - k0 : CHUNK;
        t.w = tile_weights(&layout, &s->w, a->w, panel, c, t.k, weights);
        t.accumulate = c > 0;
        for (int p = 0; p < pixels; p += TILE_ROWS) {
            const int n = pixels - p < TILE_ROWS ? pixels - p : TILE_ROWS;
            for (int i = 0; i < n; i++) {
                const size_t y = (size_t)((p + i) / columns), x = (size_t)((p + i) % columns);
                t.a[i] = b->patch + (y * stride * (size_t)b->patch_columns + x * stride) * k + k0;
            }
            t.c = sums + (size_t)p * PANEL;
            tile_run(n, &t);
        }
    }
    for (int p = 0; p < pixels; p++)
        conv_write_pixel(s, a, b->image, b->y + p / columns, b->x + p % columns, o, n_out,
                         sums + (size_t)p * PANEL);
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    const struct cut c = cut_shape(s);
    const int units = units_of(s, &c), end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    float *sums = ex->scratch, *weights = sums + (size_t)SIDE * SIDE * PANEL;
    float *patch = weights + (size_t)CHUNK * TAPS * PANEL;

    for (int u = sdrt_row_begin(units, ex->part, ex->nparts); u < end; u++) {
        const int group = u % c.groups, at = u / c.groups;
        struct block b = { .image = at / (c.down * c.across),
                           .y = at / c.across % c.down * SIDE, .x = at % c.across * SIDE,
                           .patch = patch };
        b.rows = s->out_h - b.y < SIDE ? s->out_h - b.y : SIDE;
        b.columns = s->out_w - b.x < SIDE ? s->out_w - b.x : SIDE;
        b.patch_columns = reach(s, b.columns);
        fill_patch(s, a, b.image, b.y * s->stride - s->pad + s->lead, b.x * s->stride - s->pad,
                   reach(s, b.rows), b.patch_columns, patch);
        const int panel_end = sdrt_row_begin(c.panels, group + 1, c.groups);
        for (int p = sdrt_row_begin(c.panels, group, c.groups); p < panel_end; p++)
            block_by_panel(s, a, &b, p, sums, weights);
    }
    return 0;
}

void sdrt_conv_init_generic(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = conv_takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
