/* SPDX-License-Identifier: MIT
 *
 * The linear layers, for any vector length.  Include after vec.h; the including file
 * defines SDRT_TILE_ROWS, and in enums TILE_ROWS, GEMM_CHUNK, GEMM_ROWS.
 *
 * A block of rows stays in L2 while the panels pass by; a chunk of a panel stays in L1
 * while the block's tiles pass by.  Sums between chunks wait in scratch.
 */
#include "kernels/gemm.h"
#include "kernels/simd/math.h"
#include "kernels/simd/tile.h"

static const struct sdrt_panel_layout gemm_layout = { .panel = PANEL, .chunk = GEMM_CHUNK };

static size_t gemm_pack_bytes(const struct sdrt_weight_shape *w)
{
    return sdrt_panel_bytes(&gemm_layout, w);
}

static int gemm_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                          enum sdrt_dtype from, void *dst)
{
    return sdrt_panel_pack(&gemm_layout, w, row0, count, src, from, dst);
}

/* Work is cut into units: a block of rows by a group of panels.  The cut depends on the
 * shape alone, so that a share count changes who computes a value, never the value. */
struct gemm_units {
    int columns;        /* of y in one panel */
    int panels, groups; /* groups of panels */
    int blocks;         /* of rows */
};

static struct gemm_units gemm_cut(const struct sdrt_gemm_shape *s)
{
    enum { WANTED = 32, LEAST_PANELS = 4 };
    struct gemm_units u = { .columns = s->w.gated ? VL : PANEL };

    u.panels = (s->n + u.columns - 1) / u.columns;
    u.blocks = (s->m + GEMM_ROWS - 1) / GEMM_ROWS;
    u.groups = (WANTED + u.blocks - 1) / u.blocks;
    if (u.groups > (u.panels + LEAST_PANELS - 1) / LEAST_PANELS)
        u.groups = (u.panels + LEAST_PANELS - 1) / LEAST_PANELS;
    return u;
}

static int gemm_parts(const struct sdrt_gemm_shape *s, int workers)
{
    const struct gemm_units u = gemm_cut(s);
    const int units = u.blocks * u.groups, most = 16 * workers;

    return units < most ? units : most;
}

static size_t gemm_scratch(const struct sdrt_gemm_shape *s)
{
    const int k = s->k < GEMM_CHUNK ? s->k : GEMM_CHUNK;

    return sizeof(float) * ((size_t)k * PANEL + (size_t)GEMM_ROWS * PANEL);
}

SDRT_ALWAYS_INLINE vf load_some(const float *p, int n) { return n >= VL ? v_load(p) : v_load_n(p, n); }
SDRT_ALWAYS_INLINE void store_some(float *p, vf v, int n)
{
    if (n >= VL) v_store(p, v);
    else v_store_n(p, v, n);
}

SDRT_ALWAYS_INLINE void gemm_epilogue_plain(const struct sdrt_gemm_shape *s,
                                            const struct sdrt_gemm_args *a, int row, int rows,
                                            int column, const float *c, enum sdrt_act act)
{
    for (int v = 0; v < 2; v++) {
        const int at = column + v * VL, n = s->n - at;
        if (n <= 0) break;
        const vf bias = a->bias ? load_some(a->bias + at, n) : v_zero();
        for (int i = 0; i < rows; i++) {
            vf t = v_act(v_add(v_load(c + (size_t)i * PANEL + (size_t)v * VL), bias), act);
            if (a->residual)
                t = v_add(t, load_some(a->residual + (size_t)(row + i) * (size_t)s->residual_pitch +
                                       at, n));
            store_some(a->y + (size_t)(row + i) * (size_t)s->y_pitch + at, t, n);
        }
    }
}

SDRT_ALWAYS_INLINE void gemm_epilogue_gated(const struct sdrt_gemm_shape *s,
                                            const struct sdrt_gemm_args *a, int row, int rows,
                                            int column, const float *c, enum sdrt_act act)
{
    const int n = s->n - column;
    const vf bias = a->bias ? load_some(a->bias + column, n) : v_zero();
    const vf gate_bias = a->bias ? load_some(a->bias + s->n + column, n) : v_zero();

    for (int i = 0; i < rows; i++) {
        const vf value = v_add(v_load(c + (size_t)i * PANEL), bias);
        const vf gate = v_act(v_add(v_load(c + (size_t)i * PANEL + VL), gate_bias), act);
        store_some(a->y + (size_t)(row + i) * (size_t)s->y_pitch + column, v_mul(value, gate), n);
    }
}

/* The activation is a constant in each call, so that its branch leaves the loops. */
static void gemm_epilogue(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a, int row,
                          int rows, int column, const float *c)
{
    if (s->w.gated) {
        if (s->act == SDRT_ACT_GELU)
            gemm_epilogue_gated(s, a, row, rows, column, c, SDRT_ACT_GELU);
        else
            gemm_epilogue_gated(s, a, row, rows, column, c, s->act);
    } else if (s->act == SDRT_ACT_NONE) {
        gemm_epilogue_plain(s, a, row, rows, column, c, SDRT_ACT_NONE);
    } else {
        gemm_epilogue_plain(s, a, row, rows, column, c, s->act);
    }
}

/* Rows row0 .. row0+rows-1 by one panel. */
static void gemm_block(const struct sdrt_gemm_shape *s, const struct sdrt_gemm_args *a, int row0,
                       int rows, int panel, int columns, float *values, float *sums)
{
    static const int no_offset = 0;
    const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    struct tile t = {
        .a_stride = (size_t)s->a_pitch, .segments = &no_offset, .n_segments = 1,
    };

    for (int c = 0, k0 = 0; k0 < s->k; c++, k0 += GEMM_CHUNK) {
        const int last = k0 + GEMM_CHUNK >= s->k;
        t.k = last ? s->k - k0 : GEMM_CHUNK;
        t.w = panel_values(&gemm_layout, &s->w, a->w, panel, c, t.k, values);
        t.accumulate = c > 0;
        for (int i = 0; i < tiles; i++) {
            const int r = tile_begin(rows, i), n = tile_begin(rows, i + 1) - r;
            t.a = a->a + (size_t)(row0 + r) * (size_t)s->a_pitch + k0;
            t.c = sums + (size_t)r * PANEL;
            tile_run(n, &t);
            if (last) gemm_epilogue(s, a, row0 + r, n, panel * columns, t.c);
        }
    }
}

static int gemm_run(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                    const struct sdrt_gemm_args *a)
{
    const struct gemm_units u = gemm_cut(s);
    const int units = u.blocks * u.groups;
    float *values = ex->scratch;
    float *sums = values + (size_t)(s->k < GEMM_CHUNK ? s->k : GEMM_CHUNK) * PANEL;

    for (int i = sdrt_row_begin(units, ex->part, ex->nparts);
         i < sdrt_row_begin(units, ex->part + 1, ex->nparts); i++) {
        const int block = i / u.groups, group = i % u.groups;
        const int row0 = sdrt_row_begin(s->m, block, u.blocks);
        const int rows = sdrt_row_begin(s->m, block + 1, u.blocks) - row0;
        for (int p = sdrt_row_begin(u.panels, group, u.groups);
             p < sdrt_row_begin(u.panels, group + 1, u.groups); p++)
            gemm_block(s, a, row0, rows, p, u.columns, values, sums);
    }
    return 0;
}

static void gemm_fill(struct sdrt_gemm_ops *ops)
{
    ops->pack_bytes = gemm_pack_bytes;
    ops->pack_rows = gemm_pack_rows;
    ops->parts = gemm_parts;
    ops->scratch = gemm_scratch;
    ops->gemm = gemm_run;
}
