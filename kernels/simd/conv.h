/* SPDX-License-Identifier: MIT
 *
 * Convolution as an implicit GEMM, for any vector length.  Include after vec.h; the
 * including file defines SDRT_TILE_ROWS, and in enums TILE_ROWS, CONV_CHUNK, CONV_CHUNK_1X1,
 * CONV_PIXELS.
 *
 * Work goes by blocks of output pixels.  For each chunk of channels the block's input is
 * copied into a patch, through the group norm and SiLU, with zeros outside the image; then
 * every tap of every tile reads the patch.  The patch stays in L2 while the panels of
 * weights pass by.  Sums between chunks wait in scratch.
 */
#include "kernels/conv.h"
#include "kernels/simd/math.h"
#include "kernels/simd/tile.h"

#include <string.h>

static struct sdrt_panel_layout conv_layout(const struct sdrt_weight_shape *w)
{
    return (struct sdrt_panel_layout){
        .panel = PANEL, .chunk = w->taps == 1 ? CONV_CHUNK_1X1 : CONV_CHUNK,
    };
}

static size_t conv_pack_bytes(const struct sdrt_weight_shape *w)
{
    const struct sdrt_panel_layout l = conv_layout(w);

    return sdrt_panel_bytes(&l, w);
}

static int conv_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                          enum sdrt_dtype from, void *dst)
{
    const struct sdrt_panel_layout l = conv_layout(w);

    return sdrt_panel_pack(&l, w, row0, count, src, from, dst);
}

/* How the work is cut: blocks of bh x bw output pixels of one image, by groups of panels.  The
 * cut depends on the shape alone.  A 1x1 conv of stride 1 sees each image as one long row. */
struct conv_cut {
    int flat;           /* each image is one row */
    int h, w;           /* of the output, or 1 and all its pixels */
    int bh, bw;         /* of a block */
    int rows, columns;  /* blocks down and across an image */
    int panels, groups;
    int chunk, patch_h, patch_w;
};

static struct conv_cut conv_cut(const struct sdrt_conv_shape *s)
{
    enum { WANTED = 32, LEAST_PANELS = 4, WIDEST = 64 };
    struct conv_cut u = { .h = s->out_h, .w = s->out_w };

    u.flat = s->kernel == 1 && s->stride == 1 && s->upsample == 1;
    if (u.flat) {
        u.w = s->out_h * s->out_w;
        u.h = 1;
    }
    const int pixels = u.flat || s->stride == 2 ? CONV_PIXELS / 4 : CONV_PIXELS;
    const int widest = u.flat ? pixels : WIDEST;
    u.columns = (u.w + widest - 1) / widest;
    u.bw = (u.w + u.columns - 1) / u.columns;
    u.bh = pixels / u.bw < u.h ? (pixels / u.bw > 0 ? pixels / u.bw : 1) : u.h;
    u.rows = (u.h + u.bh - 1) / u.bh;
    u.panels = (s->out_c + PANEL - 1) / PANEL;
    const int blocks = s->batch * u.rows * u.columns;
    const int most = (u.panels + LEAST_PANELS - 1) / LEAST_PANELS;
    u.groups = (WANTED + blocks - 1) / blocks;
    if (u.groups > most) u.groups = most;
    u.chunk = conv_layout(&s->w).chunk < s->w.k ? conv_layout(&s->w).chunk : s->w.k;
    u.patch_h = (u.bh - 1) * s->stride + s->kernel;
    u.patch_w = (u.bw - 1) * s->stride + s->kernel;
    return u;
}

static int conv_units(const struct sdrt_conv_shape *s, const struct conv_cut *u)
{
    return s->batch * u->rows * u->columns * u->groups;
}

static int conv_parts(const struct sdrt_conv_shape *s, int workers)
{
    const struct conv_cut u = conv_cut(s);
    const int units = conv_units(s, &u), most = 16 * workers;

    return units < most ? units : most;
}

struct conv_scratch {
    size_t patch, values, sums; /* floats of each */
};

static struct conv_scratch conv_scratch_sizes(const struct sdrt_conv_shape *s,
                                              const struct conv_cut *u)
{
    const size_t panels = (size_t)(u->panels + u->groups - 1) / (size_t)u->groups;
    const size_t pixels = (size_t)u->bh * (size_t)u->bw;
    const int chunks = (s->w.k + u->chunk - 1) / u->chunk;
    struct conv_scratch z = {
        .patch = (size_t)u->patch_h * (size_t)u->patch_w * (size_t)u->chunk,
        .values = s->w.stored == SDRT_F32 ? 0 : (size_t)u->chunk * (size_t)s->w.taps * PANEL,
        .sums = chunks > 1 ? panels * pixels * PANEL : (size_t)TILE_ROWS * PANEL,
    };
    z.patch = (z.patch + 15) / 16 * 16;
    return z;
}

static size_t conv_scratch(const struct sdrt_conv_shape *s)
{
    const struct conv_cut u = conv_cut(s);
    const struct conv_scratch z = conv_scratch_sizes(s, &u);

    return sizeof(float) * (z.patch + z.values + z.sums);
}

/* ---- the patch ---- */

SDRT_ALWAYS_INLINE vf conv_prologue(vf x, vf mean, vf scale, vf beta, int silu)
{
    const vf v = v_fma(v_sub(x, mean), scale, beta);

    return silu ? v_silu(v) : v;
}

/* n channels of one pixel; msb points at the first of them, total apart. */
SDRT_ALWAYS_INLINE void conv_copy(float *to, const float *from, int n, const float *msb,
                                  size_t total, int silu)
{
    int c = 0;

    for (; c + VL <= n; c += VL)
        v_store(to + c, conv_prologue(v_load(from + c), v_load(msb + c), v_load(msb + total + c),
                                      v_load(msb + 2 * total + c), silu));
    if (c < n) {
        const int m = n - c;
        v_store_n(to + c, conv_prologue(v_load_n(from + c, m), v_load_n(msb + c, m),
                                        v_load_n(msb + total + c, m),
                                        v_load_n(msb + 2 * total + c, m), silu), m);
    }
}

/* Channels k0 .. k0+k-1 of the two sources, of pixel number at of image. */
static void conv_pixel(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int image,
                       size_t at, int k0, int k, float *to)
{
    const size_t total = (size_t)s->w.k;
    const int first = k0 < s->in_c ? (k0 + k <= s->in_c ? k : s->in_c - k0) : 0;
    const int counts[2] = { first, k - first };
    const int starts[2] = { k0, k0 + first };

    for (int src = 0; src < 2; src++) {
        const int n = counts[src], c = starts[src];
        if (!n) continue;
        const float *from = src == 0 ? a->x + at * (size_t)s->x_pitch + c
                                     : a->x2 + at * (size_t)s->x2_pitch + (c - s->in_c);
        if (s->prologue == SDRT_PROLOGUE_NONE) {
            memcpy(to, from, (size_t)n * sizeof *to);
        } else {
            const float *msb = a->msb + (size_t)image * 3 * total + c;
            if (s->prologue == SDRT_PROLOGUE_NORM_SILU) conv_copy(to, from, n, msb, total, 1);
            else conv_copy(to, from, n, msb, total, 0);
        }
        to += n;
    }
}

/* A block's place: rows and columns of the output that it makes. */
struct conv_block {
    int image, y0, x0, h, w;
};

static void conv_fill_patch(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                            const struct conv_cut *u, const struct conv_block *b, int k0, int k,
                            float *patch)
{
    const int full_h = s->upsample == 2 ? s->out_h : s->in_h;
    const int full_w = s->upsample == 2 ? s->out_w : s->in_w;
    const int ph = (b->h - 1) * s->stride + s->kernel, pw = (b->w - 1) * s->stride + s->kernel;

    for (int py = 0; py < ph; py++)
        for (int px = 0; px < pw; px++) {
            float *to = patch + ((size_t)py * (size_t)u->patch_w + (size_t)px) * (size_t)k;
            int y = b->y0 * s->stride + py - s->pad, x = b->x0 * s->stride + px - s->pad;
            size_t at = (size_t)b->image * (size_t)s->in_h * (size_t)s->in_w;
            if (u->flat) {
                conv_pixel(s, a, b->image, at + (size_t)x, k0, k, to);
                continue;
            }
            if (y < 0 || x < 0 || y >= full_h || x >= full_w) {
                memset(to, 0, (size_t)k * sizeof *to);
                continue;
            }
            if (s->upsample == 2) {
                y = (int)((long long)y * s->in_h / s->out_h);
                x = (int)((long long)x * s->in_w / s->out_w);
            }
            at += (size_t)y * (size_t)s->in_w + (size_t)x;
            conv_pixel(s, a, b->image, at, k0, k, to);
        }
}

/* ---- products and epilogue ---- */

SDRT_ALWAYS_INLINE vf conv_load(const float *p, int n) { return n >= VL ? v_load(p) : v_load_n(p, n); }

static void conv_epilogue(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                          size_t pixel, int pixels, int column, const float *c)
{
    for (int v = 0; v < 2; v++) {
        const int at = column + v * VL, n = s->out_c - at;
        if (n <= 0) break;
        vf bias = a->bias ? conv_load(a->bias + at, n) : v_zero();
        if (a->chan) bias = v_add(bias, conv_load(a->chan + at, n));
        for (int i = 0; i < pixels; i++) {
            vf t = v_add(v_load(c + (size_t)i * PANEL + (size_t)v * VL), bias);
            float *y = a->y + (pixel + (size_t)i) * (size_t)s->y_pitch + at;
            if (a->residual)
                t = v_add(t, conv_load(a->residual + (pixel + (size_t)i) * (size_t)s->residual_pitch +
                                       at, n));
            if (n >= VL) v_store(y, t);
            else v_store_n(y, t, n);
        }
    }
}

/* What one chunk's passes over the panels share. */
struct conv_pass {
    const struct sdrt_conv_shape *s;
    const struct sdrt_conv_args *a;
    const struct conv_cut *u;
    const struct conv_block *b;
    struct tile t;
    const float *patch;
    int first, last;    /* chunk */
    int k;
};

/* All tiles of the block by one panel; sums is the panel's own when there are several chunks. */
static void conv_panel(const struct conv_pass *p, int panel, float *sums)
{
    const struct conv_block *b = p->b;
    const int tiles = (b->w + TILE_ROWS - 1) / TILE_ROWS;
    const int keep = !(p->first && p->last);
    struct tile t = p->t;

    t.accumulate = !p->first;
    for (int y = 0; y < b->h; y++)
        for (int i = 0; i < tiles; i++) {
            const int x = tile_begin(b->w, i), n = tile_begin(b->w, i + 1) - x;
            t.a = p->patch + ((size_t)(y * p->s->stride) * (size_t)p->u->patch_w +
                              (size_t)(x * p->s->stride)) * (size_t)p->k;
            t.c = keep ? sums + (size_t)(y * b->w + x) * PANEL : sums;
            tile_run(n, &t);
            if (!p->last) continue;
            const size_t pixel = ((size_t)b->image * (size_t)p->u->h + (size_t)(b->y0 + y)) *
                                     (size_t)p->u->w + (size_t)(b->x0 + x);
            conv_epilogue(p->s, p->a, pixel, n, panel * PANEL, t.c);
        }
}

static void conv_one_block(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                           const struct conv_cut *u, const struct conv_block *b, int group,
                           float *scratch)
{
    const struct sdrt_panel_layout layout = conv_layout(&s->w);
    const struct conv_scratch z = conv_scratch_sizes(s, u);
    float *patch = scratch, *values = patch + z.patch, *sums = values + z.values;
    const int p0 = sdrt_row_begin(u->panels, group, u->groups);
    const int p1 = sdrt_row_begin(u->panels, group + 1, u->groups);
    int segments[9];

    for (int c = 0, k0 = 0; k0 < s->w.k; c++, k0 += u->chunk) {
        const int last = k0 + u->chunk >= s->w.k, k = last ? s->w.k - k0 : u->chunk;
        struct conv_pass pass = {
            .s = s, .a = a, .u = u, .b = b, .patch = patch, .first = c == 0, .last = last, .k = k,
            .t = { .a_stride = (size_t)(s->stride * k), .segments = segments,
                   .n_segments = s->w.taps, .k = k },
        };
        for (int t = 0; t < s->w.taps; t++)
            segments[t] = (t / s->kernel * u->patch_w + t % s->kernel) * k;
        conv_fill_patch(s, a, u, b, k0, k, patch);
        for (int p = p0; p < p1; p++) {
            const size_t at = c == 0 && last ? 0 : (size_t)(p - p0) * (size_t)(u->bh * u->bw);
            pass.t.w = panel_values(&layout, &s->w, a->w, p, c, k, values);
            conv_panel(&pass, p, sums + at * PANEL);
        }
    }
}

static int conv_run(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                    const struct sdrt_conv_args *a)
{
    const struct conv_cut u = conv_cut(s);
    const int units = conv_units(s, &u);

    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int group = i % u.groups, at = i / u.groups;
        const int column = at % u.columns, row = at / u.columns % u.rows;
        const struct conv_block b = {
            .image = at / u.columns / u.rows,
            .y0 = row * u.bh, .h = row * u.bh + u.bh < u.h ? u.bh : u.h - row * u.bh,
            .x0 = column * u.bw, .w = column * u.bw + u.bw < u.w ? u.bw : u.w - column * u.bw,
        };
        conv_one_block(s, a, &u, &b, group, ex->scratch);
    }
    return 0;
}

static void conv_fill(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = conv_pack_bytes;
    ops->pack_rows = conv_pack_rows;
    ops->parts = conv_parts;
    ops->scratch = conv_scratch;
    ops->conv2d = conv_run;
}
