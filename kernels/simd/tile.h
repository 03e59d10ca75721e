/* SPDX-License-Identifier: MIT
 *
 * The micro-kernel of all products: a tile of mr rows and one panel of 2 vectors, its
 * accumulators in registers.
 *
 *     c[i][j] (+)= sum_s sum_k a[i * a_stride + segment[s] + k] * w[s][k][j]
 *
 * A linear layer has one segment; a 3x3 conv has nine, one a tap, whose rows are pixels of
 * a patch.  c is [mr][PANEL] of scratch in L1; what becomes of it is the caller's epilogue.
 *
 * Before including: a set's vec.h, and enum { TILE_ROWS }, as many rows as leave registers
 * for two weight vectors and a broadcast.
 */
#ifndef SDRT_KERNELS_SIMD_TILE_H
#define SDRT_KERNELS_SIMD_TILE_H

#include "kernels/pack.h"

#include <stddef.h>

enum { PANEL = 2 * VL };

struct tile {
    const float *a;
    size_t a_stride;        /* floats from row to row */
    const int *segments;    /* offsets in floats, n_segments of them */
    int n_segments;
    int k;                  /* values of one segment */
    const float *w;         /* [n_segments][k][PANEL] */
    float *c;
    int accumulate;         /* 0: c starts at 0 */
};

SDRT_ALWAYS_INLINE void tile_rows(const int mr, const struct tile *t)
{
    vf acc[TILE_ROWS][2];
    const size_t stride = t->a_stride;
    const float *w = t->w;
    float *const c = t->c;

#pragma GCC unroll 16
    for (int i = 0; i < mr; i++) {
        acc[i][0] = t->accumulate ? v_load(c + (size_t)i * PANEL) : v_zero();
        acc[i][1] = t->accumulate ? v_load(c + (size_t)i * PANEL + VL) : v_zero();
    }
    for (int s = 0; s < t->n_segments; s++) {
        const float *a = t->a + t->segments[s];
        const float *const end = a + t->k;
        for (; a < end; a++, w += PANEL) {
            const vf w0 = v_load(w), w1 = v_load(w + VL);
#pragma GCC unroll 16
            for (int i = 0; i < mr; i++) {
                const vf x = v_bcast(a + (size_t)i * stride);
                acc[i][0] = v_fma(x, w0, acc[i][0]);
                acc[i][1] = v_fma(x, w1, acc[i][1]);
            }
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < mr; i++) {
        v_store(c + (size_t)i * PANEL, acc[i][0]);
        v_store(c + (size_t)i * PANEL + VL, acc[i][1]);
    }
}

/* One function for each height, so that each has its accumulators in registers. */
static void tile_run(int mr, const struct tile *t)
{
    switch (mr) {
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

/* The f32 values of one chunk of one panel: where they are, or converted into buffer. */
static const float *panel_values(const struct sdrt_panel_layout *l,
                                 const struct sdrt_weight_shape *shape, const void *w, int panel,
                                 int chunk, int k, float *buffer)
{
    const void *p = (const char *)w + sdrt_panel_offset(l, shape, panel, chunk);
    const size_t n = (size_t)k * (size_t)shape->taps * PANEL;
    const unsigned short *h = p;

    if (shape->stored == SDRT_F32) return p;
    if (shape->stored == SDRT_F16)
        for (size_t i = 0; i < n; i += VL) v_store(buffer + i, v_load_f16(h + i));
    else
        for (size_t i = 0; i < n; i += VL) v_store(buffer + i, v_load_bf16(h + i));
    return buffer;
}

/* Height of tile i when rows are split evenly into tiles of at most TILE_ROWS. */
SDRT_ALWAYS_INLINE int tile_begin(int rows, int i)
{
    const int tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;

    return (int)((long long)rows * i / tiles);
}

#endif
