/* SPDX-License-Identifier: MIT
 *
 * The packed weights of winograd_int16.h, where the choice of their scales is explained.
 */
#ifndef SDRT_KERNELS_SIMD_WINOGRAD_INT16_PACK_H
#define SDRT_KERNELS_SIMD_WINOGRAD_INT16_PACK_H

#include "kernels/simd/winograd_tiles.h"

#include <math.h>
#include <stdint.h>

enum {
    V_MAX = 8191,
    U_MAX = 32700,
    CHUNK = 128, /* channels: 295 KiB of U; a tile's, 18 KiB in f32, stay in L1 */
};

/* G's rows at a point p are (1, +-p, p^2) / N; of norm 1 they are (C0, +-C1, C2) at 2/3 and
 * (C2, +-C1, C0) at 3/2. */
#define C0 0.78039897
#define C1 0.52026598
#define C2 0.34684399

static int chunk_channels(int channels, int chunk)
{
    return channels - chunk * CHUNK < CHUNK ? channels - chunk * CHUNK : CHUNK;
}

/* Taps are int16 [panel][chunk][tap][slot][PANEL][2]; each column's scale follows them. */

static int even(int k) { return (k + 1) / 2 * 2; }

static size_t taps_at(const struct sdrt_weight_shape *w, int panel, int chunk)
{
    return ((size_t)panel * (size_t)even(w->k) + (size_t)chunk * CHUNK) * 9 * PANEL;
}

static int panels_of(const struct sdrt_weight_shape *w) { return (w->n + PANEL - 1) / PANEL; }

static const float *column_scales(const struct sdrt_weight_shape *w, const void *packed)
{
    return (const float *)(const void *)((const int16_t *)packed + taps_at(w, panels_of(w), 0));
}

static size_t wino_pack_bytes(const struct sdrt_weight_shape *w)
{
    const size_t columns = (size_t)panels_of(w) * PANEL;

    return taps_at(w, panels_of(w), 0) * sizeof(int16_t) + (columns * sizeof(float) + 63) / 64 * 64;
}

/* The transformed taps, and into *first the largest of the taps and of the first pass's values. */
static void weight_2d(const float g[9], double u[WINO_POSITIONS], double *first)
{
    static const double G[WINO_IN][3] = { { 1, 0, 0 }, { C0, C1, C2 }, { C0, -C1, C2 },
                                     { C2, C1, C0 }, { C2, -C1, C0 }, { 0, 0, 1 } };
    double t[WINO_IN][3];

    for (int i = 0; i < 9; i++) *first = fmax(*first, fabs((double)g[i]));
    for (int i = 0; i < WINO_IN; i++)
        for (int x = 0; x < 3; x++) {
            const double p = G[i][0] * g[x] + G[i][2] * g[6 + x];
            t[i][x] = p + G[i][1] * g[3 + x];
            *first = fmax(*first, fmax(fabs(p), fabs(t[i][x])));
        }
    for (int i = 0; i < WINO_IN; i++)
        for (int j = 0; j < WINO_IN; j++)
            u[i * WINO_IN + j] = G[j][0] * t[i][0] + G[j][1] * t[i][1] + G[j][2] * t[i][2];
}

/* What one unit of an output channel's u is worth, from the least that its chunks allow. */
static double chunk_scale(const float *g, int channels)
{
    const double room = 2147483647.0 / V_MAX - 3.0 * CHUNK;
    double sum[WINO_POSITIONS] = { 0 }, u[WINO_POSITIONS], scale = 1e-30, first = 0;

    for (int c = 0; c < channels; c++) {
        weight_2d(g + 9 * c, u, &first);
        for (int p = 0; p < WINO_POSITIONS; p++) {
            sum[p] += fabs(u[p]);
            scale = fmax(scale, fabs(u[p]) / U_MAX);
        }
    }
    for (int p = 0; p < WINO_POSITIONS; p++) scale = fmax(scale, sum[p] / room);
    return fmax(scale, first * 2 / U_MAX);
}

/* One output channel. */
static int pack_row(const struct sdrt_weight_shape *w, int row, const char *src,
                    enum sdrt_dtype from, int16_t *packed)
{
    const int panel = row / PANEL, lane = row % PANEL, chunks = (w->k + CHUNK - 1) / CHUNK;
    const size_t chunk_bytes = sdrt_dtype_bytes(from, 9 * CHUNK);
    float g[9 * CHUNK];
    double scale = 0;

    for (int i = 0; i < chunks; i++) {
        const int n = chunk_channels(w->k, i);
        if (sdrt_to_f32(src + (size_t)i * chunk_bytes, from, g, (size_t)n * 9)) return -1;
        scale = fmax(scale, chunk_scale(g, n));
    }
    ((float *)(uintptr_t)column_scales(w, packed))[row] = (float)scale;
    for (int i = 0; i < chunks; i++) {
        const int n = chunk_channels(w->k, i);
        sdrt_to_f32(src + (size_t)i * chunk_bytes, from, g, (size_t)n * 9);
        for (int c = 0; c < n; c++)
            for (int t = 0; t < 9; t++) {
                int16_t *to = packed + taps_at(w, panel, i) + (size_t)(t * even(n)) * PANEL;
                to[(c / 2 * PANEL + lane) * 2 + c % 2] = (int16_t)lrint(g[9 * c + t] * 2 / scale);
            }
    }
    return 0;
}

static int wino_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                           enum sdrt_dtype from, void *dst)
{
    const size_t row_bytes = sdrt_dtype_bytes(from, (size_t)w->k * 9);

    if (!sdrt_is_float(from)) return -1;
    for (int i = 0; i < count; i++)
        if (pack_row(w, row0 + i, (const char *)src + (size_t)i * row_bytes, from, dst)) return -1;
    return 0;
}

#endif
