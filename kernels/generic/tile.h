/* SPDX-License-Identifier: MIT
 *
 * The micro-kernel of the generic level: up to TILE_ROWS rows by one panel of columns,
 * the sums in registers.  Vectors of four floats are what every 64-bit CPU has (SSE2,
 * Advanced SIMD); the compiler splits them where one has not.
 */
#ifndef SDRT_KERNELS_GENERIC_TILE_H
#define SDRT_KERNELS_GENERIC_TILE_H

#include "kernels/pack.h"

enum {
    TILE_ROWS = 4, /* 4 x 2 sums, two weights and a broadcast: 11 of SSE2's 16 registers */
    PANEL     = 8,
};

typedef float tile_v4 __attribute__((vector_size(16), aligned(4), may_alias));

struct tile {
    const float *a[TILE_ROWS]; /* where each row starts */
    const size_t *segments;    /* offsets from there, n_segments of them: a conv's taps */
    int n_segments;
    int k;                     /* values of one segment */
    const float *w;            /* [n_segments][k][PANEL] */
    float *c;                  /* [rows][PANEL] */
    int accumulate;            /* 0: c starts at 0 */
};

/* c[i][j] (+)= sum_s sum_k a[i][segments[s] + k] * w[s][k][j], for i < rows. */
static inline __attribute__((always_inline)) void tile_rows(const int rows, const struct tile *t)
{
    const tile_v4 zero = { 0.0f, 0.0f, 0.0f, 0.0f };
    const float *w = t->w;
    tile_v4 sum[TILE_ROWS][2];

#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) {
        const float *c = t->c + (size_t)i * PANEL;
        sum[i][0] = t->accumulate ? *(const tile_v4 *)c : zero;
        sum[i][1] = t->accumulate ? *(const tile_v4 *)(c + 4) : zero;
    }
    for (int s = 0; s < t->n_segments; s++) {
        const size_t at = t->segments[s];
        for (size_t k = at; k < at + (size_t)t->k; k++, w += PANEL) {
            const tile_v4 w0 = *(const tile_v4 *)w, w1 = *(const tile_v4 *)(w + 4);
#pragma GCC unroll 4
            for (int i = 0; i < rows; i++) {
                const float x = t->a[i][k];
                sum[i][0] += x * w0;
                sum[i][1] += x * w1;
            }
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < rows; i++) {
        float *c = t->c + (size_t)i * PANEL;
        *(tile_v4 *)c = sum[i][0];
        *(tile_v4 *)(c + 4) = sum[i][1];
    }
}

/* A constant height in each call keeps the sums in registers. */
static void tile_run(int rows, const struct tile *t)
{
    switch (rows) {
    case 1: tile_rows(1, t); break;
    case 2: tile_rows(2, t); break;
    case 3: tile_rows(3, t); break;
    case 4: tile_rows(4, t); break;
    }
}

/* The f32 values of one chunk of k channels of one panel: where they are, or converted
 * into buffer. */
static inline const float *tile_weights(const struct sdrt_panel_layout *l,
                                        const struct sdrt_weight_shape *shape, const void *w,
                                        int panel, int chunk, int k, float *buffer)
{
    const void *p = (const char *)w + sdrt_panel_offset(l, shape, panel, chunk);

    if (shape->stored == SDRT_F32) return p;
    sdrt_to_f32(p, shape->stored, buffer, (size_t)k * (size_t)shape->taps * PANEL);
    return buffer;
}

#endif
