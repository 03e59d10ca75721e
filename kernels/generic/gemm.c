/* SPDX-License-Identifier: MIT */
#include "kernels/gemm.h"
#include "kernels/generic/scalar.h"
#include "kernels/generic/tile.h"
#include "kernels/generic/typed.h"

enum {
    CHUNK  = 512, /* a panel's chunk is 16 KiB: half of an L1 */
    ROWS   = 64,  /* 64 rows of 512 are 128 KiB: they stay in L2 while the panels pass by */
    GROUP  = 16,  /* panels of one unit, at least */
    WANTED = 64,  /* units, so that many workers find something to do */
};

static const struct sdrt_panel_layout layout = { .panel = PANEL, .chunk = CHUNK };

/* The product is cut into units, a block of rows by a group of panels each. */
struct cut {
    int columns; /* of y in one panel */
    int panels, groups, blocks;
};

static struct cut cut_shape(const struct sdrt_gemm_shape *s)
{
    struct cut c = { .columns = s->w.gated ? PANEL / 2 : PANEL };

    c.panels = (s->n + c.columns - 1) / c.columns;
    c.blocks = (s->m + ROWS - 1) / ROWS;
    const int most = (c.panels + GROUP - 1) / GROUP, wanted = (WANTED + c.blocks - 1) / c.blocks;
    c.groups = wanted < most ? wanted : most;
    return c;
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

static int parts(const struct sdrt_gemm_shape *s, int workers)
{
    const struct cut c = cut_shape(s);
    const int units = c.blocks * c.groups, most = 8 * workers;

    return units < most ? units : most;
}

static int takes(const struct sdrt_gemm_shape *s)
{
    return typed_known(s->a_type) && typed_known(s->y_type);
}

static enum sdrt_dtype operand(const struct sdrt_gemm_shape *s)
{
    (void)s;
    return SDRT_F32;
}

/* The sums of one block by one panel, one chunk of weights as f32, and of rows where they are not
 * f32 themselves. */
static size_t scratch(const struct sdrt_gemm_shape *s)
{
    const size_t rows = s->a_type == SDRT_F32 ? 0 : TILE_ROWS;

    return sizeof(float) * ((size_t)ROWS * PANEL + (size_t)CHUNK * PANEL + rows * CHUNK);
}

static void finish_plain(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a, int row,
                         int column, int columns, const float *sum)
{
    const size_t y = (size_t)row * (size_t)s->y_pitch + (size_t)column;
    const float *bias = a->bias ? a->bias + column : NULL, *residual = NULL;
    const float *gate = a->gate ? a->gate + column : NULL;

    if (a->residual) residual = a->residual + (size_t)row * (size_t)s->residual_pitch + column;
    for (int j = 0; j < columns; j++) {
        float t = scalar_act(sum[j] + (bias ? bias[j] : 0.0f), s->act);
        if (gate) t *= gate[j];
        typed_store(a->y, s->y_type, y + (size_t)j, residual ? t + residual[j] : t);
    }
}

static void finish_gated(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a, int row,
                         int column, int columns, const float *sum)
{
    const size_t y = (size_t)row * (size_t)s->y_pitch + (size_t)column;
    const float *bias = a->bias ? a->bias + column : NULL;

    for (int j = 0; j < columns; j++) {
        const float value = sum[j] + (bias ? bias[j] : 0.0f);
        const float gate = sum[PANEL / 2 + j] + (bias ? bias[s->n + j] : 0.0f);
        typed_store(a->y, s->y_type, y + (size_t)j, value * scalar_act(gate, s->act));
    }
}

/* Channels k0 .. k0+k-1 of a row: where they are, or converted into buffer. */
static const float *row_values(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a,
                               int row, int k0, int k, float *buffer)
{
    const void *from = sdrt_element(a->a, s->a_type,
                                    (size_t)row * (size_t)s->a_pitch + (size_t)k0);

    if (s->a_type == SDRT_F32) return from;
    sdrt_to_f32(from, s->a_type, buffer, (size_t)k);
    return buffer;
}

/* Rows row0 .. row0+rows-1 by one panel. */
static void block_by_panel(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a,
                           int row0, int rows, int panel, float *sums, float *weights)
{
    static const size_t no_offset = 0;
    const int width = s->w.gated ? PANEL / 2 : PANEL, column = panel * width;
    const int columns = s->n - column < width ? s->n - column : width;
    struct tile t = { .segments = &no_offset, .n_segments = 1 };
    float *values = weights + (size_t)CHUNK * PANEL;

    for (int c = 0, k0 = 0; k0 < s->k; c++, k0 += CHUNK) {
        t.k = s->k - k0 < CHUNK ? s->k - k0 : CHUNK;
        t.w = tile_weights(&layout, &s->w, a->w, panel, c, t.k, weights);
        t.accumulate = c > 0;
        for (int r = 0; r < rows; r += TILE_ROWS) {
            const int n = rows - r < TILE_ROWS ? rows - r : TILE_ROWS;
            for (int i = 0; i < n; i++)
                t.a[i] = row_values(s, a, row0 + r + i, k0, t.k, values + (size_t)i * CHUNK);
            t.c = sums + (size_t)r * PANEL;
            tile_run(n, &t);
        }
    }
    for (int r = 0; r < rows; r++) {
        const float *sum = sums + (size_t)r * PANEL;
        if (s->w.gated) finish_gated(s, a, row0 + r, column, columns, sum);
        else finish_plain(s, a, row0 + r, column, columns, sum);
    }
}

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    const struct cut c = cut_shape(s);
    const int units = c.blocks * c.groups, end = sdrt_row_begin(units, ex->part + 1, ex->nparts);
    float *sums = ex->scratch, *weights = sums + (size_t)ROWS * PANEL;

    for (int u = sdrt_row_begin(units, ex->part, ex->nparts); u < end; u++) {
        const int row0 = u / c.groups * ROWS, group = u % c.groups;
        const int rows = s->m - row0 < ROWS ? s->m - row0 : ROWS;
        const int panel_end = sdrt_row_begin(c.panels, group + 1, c.groups);
        for (int p = sdrt_row_begin(c.panels, group, c.groups); p < panel_end; p++)
            block_by_panel(s, a, row0, rows, p, sums, weights);
    }
    return 0;
}

void sdrt_gemm_init_generic(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->gemm = gemm;
}
