/* SPDX-License-Identifier: MIT
 *
 * The micro-kernel of all products: a tile of mr rows and one panel of 2 vectors, its
 * accumulators in registers.
 *
 *     c[i][j] (+)= sum_s sum_k a[row[i] + segment[s] + k] * w[s][k][j]
 *
 * A linear layer has one segment; a 3x3 conv has nine, one a tap, whose rows are pixels of
 * a patch, anywhere in it.  c is [mr][PANEL] of scratch; what becomes of it is the caller's
 * epilogue.
 *
 * Before including: a set's vec.h, and enum { TILE_ROWS }, as many rows as leave registers
 * for two weight vectors and a broadcast.  A set that multiplies by an element of a vector, where
 * others broadcast each value, defines SDRT_PRODUCT_HEADER (kernels/neon/product.h); if its sums
 * are blocks of several rows, that header defines SDRT_PRODUCT_TURN (kernels/neonmmla/product.h).
 * Where it defines SDRT_PRODUCT_TILE, it sums into c itself (kernels/neonf16/product.h).
 */
#ifndef SDRT_KERNELS_SIMD_TILE_H
#define SDRT_KERNELS_SIMD_TILE_H

#include "kernels/pack.h"
#include "kernels/simd/narrow.h"
#include "kernels/simd/slot.h"
#include "kernels/simd/unroll.h"

#include <stddef.h>

#ifdef SDRT_PRODUCT_HEADER
#include SDRT_PRODUCT_HEADER
#endif

enum { PANEL = 2 * VL };

struct tile {
    const float *a;
    const int *rows;        /* offsets in floats, one for each row of the tile */
    const int *segments;    /* likewise, n_segments of them */
    int n_segments;
    int k;                  /* slots of one segment */
    const float *w;         /* [n_segments][k][PANEL], slots */
    float *c;
    int accumulate;         /* 0: c is set, 1: added to */
};

/* Asks for the lines of PANEL elements of some bytes (a hint: p may lie outside everything). */
SDRT_ALWAYS_INLINE void fetch_panel(const void *p, int size)
{
    for (int i = 0; i < PANEL * size; i += 64) __builtin_prefetch((const char *)p + i);
}

#ifdef SDRT_PRODUCT_TILE
SDRT_ALWAYS_INLINE void tile_rows(const int mr, const struct tile *t)
{
    ptrdiff_t row[TILE_ROWS];

    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        row[i] = (ptrdiff_t)t->rows[i] - t->rows[0];
        if (t->accumulate) fetch_panel(t->c + (size_t)i * PANEL, sizeof *t->c);
    }
    for (int s = 0; s < t->n_segments; s++) {
        const float *const a = t->a + t->rows[0] + t->segments[s];
        const struct product_tile p = {
            .c = t->c, .c_pitch = PANEL, .a = a, .w = t->w + (size_t)s * (size_t)t->k * PANEL,
            .k = t->k, .unit = a + t->k, .set = s == 0 && !t->accumulate,
        };
        product_tile(mr, 2, &p, row, row);
    }
}
#else
SDRT_ALWAYS_INLINE void tile_rows(const int mr, const struct tile *t)
{
    vf acc[TILE_ROWS][2];
    ptrdiff_t row[TILE_ROWS];
    const float *w = t->w;
    float *const c = t->c;

    if (mr % ABREAST) return; /* no such tile comes up */
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++) {
        acc[i][0] = acc[i][1] = v_zero();
        row[i] = (ptrdiff_t)t->rows[i / ABREAST * ABREAST] - t->rows[0];
        if (t->accumulate) fetch_panel(c + (size_t)i * PANEL, sizeof *c);
    }
    for (int s = 0; s < t->n_segments; s++) {
        const float *a = t->a + t->rows[0] + t->segments[s];
#ifdef SDRT_PRODUCT_HEADER
        product_sum(mr, 2, 2, acc[0], a, row, t->k, w);
        w += (size_t)t->k * PANEL * SLOT_FLOATS;
#else
        const float *const end = a + t->k;
        for (; a < end; a++, w += PANEL) {
            const vf w0 = v_load(w), w1 = v_load(w + VL);
            SDRT_UNROLL(16)
            for (int i = 0; i < mr; i++) {
                const vf x = v_bcast(a + row[i]);
                acc[i][0] = v_product(x, w0, acc[i][0]);
                acc[i][1] = v_product(x, w1, acc[i][1]);
            }
        }
#endif
    }
#ifdef SDRT_PRODUCT_TURN
    product_turn(mr, 2, 2, acc[0]);
#endif
    SDRT_UNROLL(16)
    for (int i = 0; i < mr; i++)
        SDRT_UNROLL(2)
        for (int v = 0; v < 2; v++) {
            float *const to = c + (size_t)i * PANEL + (size_t)v * VL;
            v_store(to, t->accumulate ? v_add(v_load(to), acc[i][v]) : acc[i][v]);
        }
}
#endif

/* One function for each height, so that each has its accumulators in registers.  c has rows for a
 * last row's neighbour. */
static void tile_run(int rows, const struct tile *t)
{
    switch (rows_abreast(rows)) {
    case 1: tile_rows(1, t); break;
    case 2: tile_rows(2, t); break;
    case 3: tile_rows(3, t); break;
    case 4: tile_rows(4, t); break;
    case 5: tile_rows(5, t); break;
    case 6: tile_rows(6, t); break;
#if SDRT_TILE_ROWS > 6
    case 7: tile_rows(7, t); break;
    case 8: tile_rows(8, t); break;
    case 9: tile_rows(9, t); break;
    case 10: tile_rows(10, t); break;
    case 11: tile_rows(11, t); break;
    case 12: tile_rows(12, t); break;
    case 13: tile_rows(13, t); break;
    case 14: tile_rows(14, t); break;
#endif
    }
}

/* Panels whose chunks are of about equal length, none above most: a short last chunk would
 * cost as much around it as a long one. */
SDRT_ALWAYS_INLINE struct sdrt_panel_layout panel_layout(int k, int most)
{
    const int chunks = (k + most - 1) / most, even = (k + chunks - 1) / chunks;
    const int lines = (even + 15) / 16 * 16;

    return (struct sdrt_panel_layout){ .panel = PANEL, .chunk = lines < most ? lines : most };
}

/* One chunk of one panel as slots: where they are, or converted into buffer. */
static const float *panel_values(const struct sdrt_panel_layout *l,
                                 const struct sdrt_weight_shape *shape, const void *w, int panel,
                                 int chunk, int k, float *buffer)
{
    const void *p = (const char *)w + slots_front(shape) + sdrt_panel_offset(l, shape, panel, chunk);
    const size_t n = (size_t)k * (size_t)shape->taps * PANEL;
    const unsigned short *h = p;

    if (shape->stored == SLOT_TYPE) return p;
    if (shape->stored == SDRT_F16)
        for (size_t i = 0; i < n; i += VL) v_store(buffer + i, v_load_f16(h + i));
    else
        for (size_t i = 0; i < n; i += VL) v_store(buffer + i, v_load_bf16(h + i));
    return buffer;
}

/* Where the packed weights lie that come next, to be fetched into L2 meanwhile. */
struct panel_next {
    const char *p;
    size_t bytes;
};

/* After panel p of chunk c: the next panel of p0 .. p1-1, or the first one's next chunk. */
static struct panel_next panel_after(const struct sdrt_panel_layout *l,
                                     const struct sdrt_weight_shape *shape, const void *w, int p,
                                     int c, int p0, int p1)
{
    const int wrap = p + 1 >= p1, k0 = (c + wrap) * l->chunk;
    const int k = shape->k - k0 < l->chunk ? shape->k - k0 : l->chunk;

    if (k <= 0) return (struct panel_next){ 0 };
    return (struct panel_next){
        .p = (const char *)w + slots_front(shape) +
             sdrt_panel_offset(l, shape, wrap ? p0 : p + 1, c + wrap),
        .bytes = (size_t)k * (size_t)shape->taps * PANEL * sdrt_dtype_size(shape->stored),
    };
}

/* Share i of n of it. */
static void panel_fetch(const struct panel_next *next, int i, int n)
{
    enum { LINE = 64 };
    const size_t lines = (next->bytes + LINE - 1) / LINE, to = lines * (size_t)(i + 1) / (size_t)n;

    for (size_t at = lines * (size_t)i / (size_t)n; at < to; at++)
        __builtin_prefetch(next->p + at * LINE, 0, 2);
}

/* Floats from row to row of a copy of rows of k slots: an odd number of lines, so that a tile's
 * rows fall into different sets of L1. */
SDRT_ALWAYS_INLINE int row_pitch(int k) { return ((k + SLOT_EXTRA + 15) / 16 | 1) * 16; }

/* The first n lanes of a vector, n > 0; all of them where n >= VL. */
SDRT_ALWAYS_INLINE vf load_some(const float *p, int n)
{
    return n >= VL ? v_load(p) : v_load_n(p, n);
}
SDRT_ALWAYS_INLINE void store_some(float *p, vf v, int n)
{
    if (n >= VL) v_store(p, v);
    else v_store_n(p, v, n);
}

/* First row of tile i when rows are split evenly into tiles of at most TILE_ROWS. */
SDRT_ALWAYS_INLINE int tile_begin(int rows, int i)
{
    const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;

    return row_of((int)((long long)(rows_abreast(rows) / ABREAST) * i / tiles), rows);
}

#endif
