/* SPDX-License-Identifier: MIT
 *
 * Convolution as an implicit GEMM, for any vector length.  Include after vec.h; the
 * including file defines SDRT_TILE_ROWS, and in enums TILE_ROWS, CONV_CHUNK, CONV_CHUNK_1X1,
 * CONV_PIXELS.
 *
 * Work goes by blocks of output pixels.  For each chunk of channels the block's input is
 * copied into a patch, through the group norm and SiLU, with zeros outside the image; then
 * every tap of every tile reads the patch.  The patch stays in L2 while the panels of
 * weights pass by.  Sums between chunks wait in scratch.  The pixels of a block form one
 * sequence, over rows and images, so that tiles are full whatever the image's width.
 */
#include "kernels/conv.h"
#include "kernels/simd/math.h"
#include "kernels/simd/tile.h"

#include <string.h>

/* Pieces of work that an image gives at least: where its blocks are fewer, a patch's panels are
 * cut, which makes it again for each piece, but keeps fewer sums waiting in scratch. */
#ifndef SDRT_CONV_WANTED
#define SDRT_CONV_WANTED 16
#endif

/* Its chunk counts slots. */
static struct sdrt_panel_layout conv_layout(const struct sdrt_weight_shape *w)
{
    return panel_layout(slots_of(w->k), w->taps == 1 ? CONV_CHUNK_1X1 : CONV_CHUNK);
}

static size_t conv_pack_bytes(const struct sdrt_weight_shape *w)
{
    const struct sdrt_panel_layout l = conv_layout(w);
    const struct sdrt_weight_shape slots = slots_weight(w);

    return slots_front(w) + sdrt_panel_bytes(&l, &slots);
}

static int conv_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                          enum sdrt_dtype from, void *dst)
{
    const struct sdrt_panel_layout l = conv_layout(w);

    return slots_pack(&l, w, row0, count, src, from, dst);
}

/* Blocks of bh x bw output pixels of one image, or of several images small enough to be whole,
 * by groups of panels.  They depend on the shape alone. */
struct conv_grid {
    int h, w;           /* of the output, or 1 and all its pixels */
    int bh, bw, images; /* of a block */
    int rows, columns;  /* blocks down and across an image */
    int stacks;         /* blocks over the batch */
    int panels, groups; /* groups: a direct sum's are of one panel */
};

/* A block's place: images image .. image+images-1, rows and columns of the output. */
struct conv_block {
    int image, images, y0, x0, h, w;
};

/* Counts the blocks; most is how many images a block may hold that is an image whole. */
static void conv_grid_count(const struct sdrt_conv_shape *s, struct conv_grid *g, int most)
{
    g->rows = (g->h + g->bh - 1) / g->bh;
    g->columns = (g->w + g->bw - 1) / g->bw;
    g->images = g->rows * g->columns == 1 && most > 1 ? most : 1;
    if (g->images > s->batch) g->images = s->batch;
    g->stacks = (s->batch + g->images - 1) / g->images;
    g->panels = (s->out_c + PANEL - 1) / PANEL;
    g->groups = g->panels;
}

/* Units of work: each block by each group. */
static int conv_units(const struct conv_grid *g)
{
    return g->stacks * g->rows * g->columns * g->groups;
}

/* The block of a unit; its group is unit % groups. */
static struct conv_block conv_block_of(const struct sdrt_conv_shape *s, const struct conv_grid *g,
                                       int unit)
{
    const int at = unit / g->groups, x0 = at % g->columns * g->bw;
    const int y0 = at / g->columns % g->rows * g->bh;
    const int image = at / g->columns / g->rows * g->images;

    return (struct conv_block){
        .image = image, .images = s->batch - image < g->images ? s->batch - image : g->images,
        .y0 = y0, .h = y0 + g->bh < g->h ? g->bh : g->h - y0,
        .x0 = x0, .w = x0 + g->bw < g->w ? g->bw : g->w - x0,
    };
}

/* How the direct sum is cut.  A 1x1 conv of stride 1 sees each image as one long row. */
struct conv_cut {
    struct conv_grid g;
    int flat; /* each image is one row */
    int together; /* panels, at most, behind one patch: their sums are in scratch */
    struct sdrt_weight_shape w; /* k in slots */
    int chunk, patch_h, patch_w; /* chunk: slots; patch_w: of a strip */
};

/* A block is cut into ABREAST strips of its columns, whose pixels lie side by side in the patch: a
 * tap moves all of them alike, whatever its place, so that neighbours stay neighbours. */
SDRT_ALWAYS_INLINE int conv_strip(int width) { return rows_abreast(width) / ABREAST; }

static struct conv_cut conv_cut(const struct sdrt_conv_shape *s)
{
    enum { WIDEST = 64, SMALL = CONV_PIXELS / 4, WANTED = SDRT_CONV_WANTED };
    struct conv_cut u = { .g = { .h = s->out_h, .w = s->out_w }, .w = slots_weight(&s->w) };
    struct conv_grid *g = &u.g;

    u.flat = s->kernel == 1 && s->stride == 1 && s->upsample == 1;
    if (u.flat) {
        g->w = s->out_h * s->out_w;
        g->h = 1;
    }
    const int pixels = u.flat || s->stride == 2 ? CONV_PIXELS / 4 : CONV_PIXELS;
    const int widest = u.flat ? pixels : WIDEST, columns = (g->w + widest - 1) / widest;
    g->bw = (g->w + columns - 1) / columns;
    g->bh = pixels / g->bw < g->h ? (pixels / g->bw > 0 ? pixels / g->bw : 1) : g->h;
    conv_grid_count(s, g, SMALL / (g->bh * g->bw));
    const int blocks = conv_units(g) / g->groups, pieces = (WANTED + blocks - 1) / blocks;
    u.together = (g->groups + pieces - 1) / pieces;
    u.chunk = conv_layout(&s->w).chunk < u.w.k ? conv_layout(&s->w).chunk : u.w.k;
    u.patch_h = (g->bh - 1) * s->stride + s->kernel;
    u.patch_w = ((g->bw + ABREAST - 1) / ABREAST - 1) * s->stride + s->kernel;
    return u;
}

/* Floats from pixel to pixel of a patch of k slots. */
static int conv_pitch(const struct sdrt_conv_shape *s, int k)
{
    return s->w.taps == 1 ? row_pitch(SLOT_STEP * k) : SLOT_STEP * k + SLOT_EXTRA;
}

/* Blocks in as many pieces as give each worker EACH shares, but each piece makes the patch once
 * more, so of LEAST_PANELS at least, unless a worker would have none; and in fewer where that
 * leaves less time in which some have nothing to do. */
static int direct_parts(const struct sdrt_conv_shape *s, int workers)
{
    enum { EACH = 8, LEAST_PANELS = 4 };
    const struct conv_cut u = conv_cut(s);
    const int groups = u.g.groups, blocks = conv_units(&u.g) / groups;
    const int one_each = (workers + blocks - 1) / blocks;
    int most = (EACH * workers + blocks - 1) / blocks, best = 1;
    long least = 0;

    if (most > groups / LEAST_PANELS) most = groups / LEAST_PANELS;
    if (most < one_each) most = one_each;
    if (most > groups) most = groups;
    for (int pieces = most; pieces > 0; pieces--) {
        const long rounds = (blocks * pieces + workers - 1) / workers;
        const long time = rounds * ((groups + pieces - 1) / pieces);
        if (least && time >= least) continue;
        least = time;
        best = pieces;
    }
    return blocks * best;
}

struct conv_scratch {
    size_t patch, values, sums; /* floats of each */
};

static struct conv_scratch conv_scratch_sizes(const struct sdrt_conv_shape *s,
                                              const struct conv_cut *u)
{
    const size_t pixels = (size_t)(u->g.images * u->g.bh * rows_abreast(u->g.bw));
    const int chunks = (u->w.k + u->chunk - 1) / u->chunk;
    struct conv_scratch z = {
        .patch = (size_t)(u->g.images * u->patch_h * u->patch_w) *
                 (size_t)conv_pitch(s, u->chunk),
        .values = u->w.stored == SLOT_TYPE ? 0 : (size_t)u->chunk * (size_t)s->w.taps * PANEL,
        .sums = chunks > 1 ? (size_t)u->together * pixels * PANEL : (size_t)TILE_ROWS * PANEL,
    };
    z.patch = (z.patch + 15) / 16 * 16;
    return z;
}

static size_t direct_scratch(const struct sdrt_conv_shape *s)
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
    enum { AHEAD = 8 }; /* pixels: an L3 miss */
    const size_t total = (size_t)s->w.k;
    const int first = k0 < s->in_c ? (k0 + k <= s->in_c ? k : s->in_c - k0) : 0;
    const int counts[2] = { first, k - first };
    const int starts[2] = { k0, k0 + first };

    for (int src = 0; src < 2; src++) {
        const int n = counts[src], c = starts[src];
        if (!n) continue;
        const size_t pitch = (size_t)(src == 0 ? s->x_pitch : s->x2_pitch);
        const float *from = src == 0 ? a->x + at * pitch + c : a->x2 + at * pitch + (c - s->in_c);
        for (int i = 0; i < n; i += 16) __builtin_prefetch(from + AHEAD * pitch + i);
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

/* The same in slots. */
static void conv_slots(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int image,
                       size_t at, int k0, int k, float *to)
{
    const int left = s->w.k - SLOT * k0, n = SLOT * k < left ? SLOT * k : left;
    float values[SLOT * CONV_CHUNK_1X1];

    if (SLOT == 1) {
        conv_pixel(s, a, image, at, k0, k, to);
        return;
    }
    conv_pixel(s, a, image, at, SLOT * k0, n, values);
    slots_copy(to, values, n, values);
}

/* Row y of the (upsampled) input, which may lie outside: width pixels from x0 on, slots, or values as
 * they are, k0 .. k0+k-1, pitch floats from pixel to pixel. */
SDRT_ALWAYS_INLINE void conv_fill_row(const struct sdrt_conv_shape *s,
                                      const struct sdrt_conv_args *a, int image, int y, int x0,
                                      int width, int k0, int k, int pitch, float *to,
                                      const int slots)
{
    const int full_h = s->upsample == 2 ? s->out_h : s->in_h;
    const int full_w = s->upsample == 2 ? s->out_w : s->in_w;
    const int inside = y >= 0 && y < full_h;
    const int row = s->upsample == 2 ? (int)((long long)y * s->in_h / s->out_h) : y;
    const size_t first = ((size_t)image * (size_t)s->in_h + (size_t)(inside ? row : 0)) *
                         (size_t)s->in_w;

    for (int i = 0; i < width; i++, to += pitch) {
        int x = x0 + i;
        if (!inside || x < 0 || x >= full_w) {
            if (slots) slots_zero(to, k + SLOT_EXTRA);
            else memset(to, 0, (size_t)k * sizeof *to);
            continue;
        }
        if (s->upsample == 2) x = (int)((long long)x * s->in_w / s->out_w);
        if (slots) conv_slots(s, a, image, first + (size_t)x, k0, k, to);
        else conv_pixel(s, a, image, first + (size_t)x, k0, k, to);
    }
}

/* The output column that a block's strip begins at. */
SDRT_ALWAYS_INLINE int conv_column(const struct conv_block *b, int strip)
{
    return ABREAST > 1 ? b->x0 + strip * conv_strip(b->w) : b->x0;
}

/* Strip number strip of the patch of the block's image number image, at patch. */
static void conv_fill_patch(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                            const struct conv_cut *u, const struct conv_block *b, int image,
                            int strip, int k0, int k, float *patch)
{
    const int ph = (b->h - 1) * s->stride + s->kernel;
    const int pw = (conv_strip(b->w) - 1) * s->stride + s->kernel;
    const int pitch = conv_pitch(s, k);

    for (int py = 0; py < ph; py++) {
        float *to = patch + (size_t)(py * u->patch_w) * (size_t)pitch;
        if (u->flat) {
            const size_t first = (size_t)image * (size_t)s->in_h * (size_t)s->in_w;
            for (int x = 0; x < pw; x++)
                if (ABREAST > 1 && conv_column(b, strip) + x >= u->g.w)
                    slots_zero(to + (size_t)x * (size_t)pitch, k);
                else
                    conv_slots(s, a, image, first + (size_t)(conv_column(b, strip) + x), k0, k,
                               to + (size_t)x * (size_t)pitch);
        } else {
            conv_fill_row(s, a, image, b->y0 * s->stride + py - s->pad + s->lead,
                          conv_column(b, strip) * s->stride - s->pad, pw, k0, k, pitch, to, 1);
        }
    }
}

/* Where each of the block's output pixels is: its first tap in the patch, in floats, and
 * its place in y, counted in pixels from the block's first; -1: a neighbour that is none. */
struct conv_pixels {
    int count;
    int patch[CONV_PIXELS * ABREAST], out[CONV_PIXELS * ABREAST];
};

static void conv_place(const struct sdrt_conv_shape *s, const struct conv_cut *u,
                       const struct conv_block *b, int k, struct conv_pixels *p)
{
    int n = 0;

    for (int image = 0; image < b->images; image++)
        for (int y = 0; y < b->h; y++)
            for (int at = 0; at < rows_abreast(b->w); at++, n++) {
                const int row = image * u->patch_h + y * s->stride;
                const int x = at / ABREAST, out = x + at % ABREAST * conv_strip(b->w);
                p->patch[n] = (row * u->patch_w + x * s->stride) * conv_pitch(s, k);
                p->out[n] = ABREAST == 1 || out < b->w ? (image * u->g.h + y) * u->g.w + out : -1;
            }
    p->count = n;
}

/* ---- products and epilogue ---- */

/* The channel vector of the image that has this pixel of y. */
static inline const float *conv_chan(const struct sdrt_conv_shape *s,
                                     const struct sdrt_conv_args *a, size_t pixel)
{
    const size_t image = pixel / ((size_t)s->out_h * (size_t)s->out_w);

    return a->chan + image * (size_t)s->chan_pitch;
}

/* A tile whose pixels lie at first + out[0 .. pixels-1] of y. */
SDRT_ALWAYS_INLINE void conv_epilogue_as(const struct sdrt_conv_shape *s,
                                         const struct sdrt_conv_args *a, size_t first,
                                         const int *out, int pixels, int column, const float *c,
                                         const int narrow)
{
    for (int v = 0; v < 2; v++) {
        const int at = column + v * VL, n = s->out_c - at;
        if (n <= 0) break;
        const vf plain = a->bias ? load_some(a->bias + at, n) : v_zero();
        const vf units = slots_units(a->w, at);
        vf bias = plain;
        if (a->chan) bias = v_add(plain, load_some(a->chan + at, n));
        for (int i = 0; i < pixels; i++) {
            const size_t pixel = first + (size_t)out[i];
            if (ABREAST > 1 && out[i] < 0) continue;
            if (a->chan && s->chan_pitch)
                bias = v_add(plain, load_some(conv_chan(s, a, pixel) + at, n));
            vf t = slots_sum(v_load(c + (size_t)i * PANEL + (size_t)v * VL), units, bias);
            if (a->residual)
                t = v_add(t, load_some(a->residual + pixel * (size_t)s->residual_pitch + at, n));
            if (s->relu) t = v_max(t, v_zero());
            narrow_store(a->y, narrow, pixel * (size_t)s->y_pitch + (size_t)at, t, n);
        }
    }
}

static void conv_epilogue(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                          size_t first, const int *out, int pixels, int column, const float *c)
{
    if (s->y_type == SDRT_BF16) conv_epilogue_as(s, a, first, out, pixels, column, c, 1);
    else conv_epilogue_as(s, a, first, out, pixels, column, c, 0);
}

static int direct_takes(const struct sdrt_conv_shape *s)
{
    return s->y_type == SDRT_F32 || s->y_type == SDRT_BF16;
}

/* What one chunk's passes over the panels share. */
struct conv_pass {
    const struct sdrt_conv_shape *s;
    const struct sdrt_conv_args *a;
    const struct conv_pixels *pixels;
    size_t first_pixel; /* of y */
    struct tile t;
    int first, last;    /* chunk */
};

/* Asks for what a tile's epilogue will touch. */
static void conv_fetch(const struct conv_pass *p, const int *out, int pixels, int column)
{
    for (int i = 0; i < pixels; i++) {
        const size_t pixel = p->first_pixel + (size_t)out[i];
        if (ABREAST > 1 && out[i] < 0) continue;
        const size_t at = pixel * (size_t)p->s->y_pitch + (size_t)column;
        fetch_panel(sdrt_element(p->a->y, p->s->y_type, at), (int)sdrt_dtype_size(p->s->y_type));
        if (p->a->residual)
            fetch_panel(p->a->residual + pixel * (size_t)p->s->residual_pitch + column,
                        sizeof(float));
    }
}

/* All tiles of the block by one panel; sums is the panel's own when there are several chunks. */
static void conv_panel(const struct conv_pass *p, int panel, float *sums,
                       const struct panel_next *next)
{
    const int tiles = (p->pixels->count + TILE_ROWS - 1) / TILE_ROWS;
    const int keep = !(p->first && p->last), column = panel * PANEL;
    struct tile t = p->t;

    t.accumulate = !p->first;
    for (int i = 0; i < tiles; i++) {
        const int at = tile_begin(p->pixels->count, i);
        const int n = tile_begin(p->pixels->count, i + 1) - at;
        const int *out = p->pixels->out + at;
        t.rows = p->pixels->patch + at;
        t.c = keep ? sums + (size_t)at * PANEL : sums;
        panel_fetch(next, i, tiles);
        if (p->last) conv_fetch(p, out, n, column);
        tile_run(n, &t);
        if (p->last) conv_epilogue(p->s, p->a, p->first_pixel, out, n, column, t.c);
    }
}

static void conv_one_block(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                           const struct conv_cut *u, const struct conv_block *b, int p0, int p1,
                           float *scratch)
{
    const struct sdrt_panel_layout layout = conv_layout(&s->w);
    const struct conv_scratch z = conv_scratch_sizes(s, u);
    float *patch = scratch, *values = patch + z.patch, *sums = values + z.values;
    struct conv_pixels pixels;
    int segments[9];

    for (int c = 0, k0 = 0; k0 < u->w.k; c++, k0 += u->chunk) {
        const int last = k0 + u->chunk >= u->w.k, k = last ? u->w.k - k0 : u->chunk;
        const int pitch = conv_pitch(s, k);
        struct conv_pass pass = {
            .s = s, .a = a, .pixels = &pixels, .first = c == 0, .last = last,
            .first_pixel = ((size_t)b->image * (size_t)u->g.h + (size_t)b->y0) * (size_t)u->g.w +
                           (size_t)b->x0,
            .t = { .a = patch, .segments = segments, .n_segments = s->w.taps, .k = k },
        };
        for (int t = 0; t < s->w.taps; t++)
            segments[t] = (t / s->kernel * u->patch_w + t % s->kernel) * pitch;
        if (c == 0 || last) conv_place(s, u, b, k, &pixels);
        for (int i = 0; i < b->images * ABREAST; i++) {
            const int image = i / ABREAST, strip = i % ABREAST;
            conv_fill_patch(s, a, u, b, b->image + image, strip, k0, k,
                            patch + (size_t)(image * u->patch_h * u->patch_w) * (size_t)pitch +
                            strip * SLOT_FLOATS);
        }
        for (int p = p0; p < p1; p++) {
            const size_t at = c == 0 && last ? 0 : (size_t)(p - p0) * (size_t)pixels.count;
            const struct panel_next next = panel_after(&layout, &u->w, a->w, p, c, p0, p1);
            pass.t.w = panel_values(&layout, &u->w, a->w, p, c, k, values);
            conv_panel(&pass, p, sums + at * PANEL, &next);
        }
    }
}

static void direct_run(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                       const struct sdrt_conv_args *a)
{
    const struct conv_cut u = conv_cut(s);
    const int units = conv_units(&u.g), groups = u.g.groups;
    const int end = sdrt_row_begin(units, ex->part + 1, ex->nparts);

    for (int i = sdrt_row_begin(units, ex->part, ex->nparts), last; i < end; i = last) {
        const struct conv_block b = conv_block_of(s, &u.g, i);
        last = (i / groups + 1) * groups;
        if (last > end) last = end;
        if (last > i + u.together) last = i + u.together;
        conv_one_block(s, a, &u, &b, i % groups, i % groups + last - i, ex->scratch);
    }
}
