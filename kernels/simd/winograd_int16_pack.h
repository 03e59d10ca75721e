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

/* Of VL channels' taps g: sum |u| of each position, and into *first the largest of the taps and of
 * the first pass's values, into *largest that of u. */
static void weight_2d(const vf g[9], vf sum[WINO_POSITIONS], vf *first, vf *largest)
{
    static const float G[WINO_IN][3] = { { 1, 0, 0 },    { C0, C1, C2 },  { C0, -C1, C2 },
                                         { C2, C1, C0 }, { C2, -C1, C0 }, { 0, 0, 1 } };
    vf t[WINO_IN][3];

    for (int i = 0; i < 9; i++) *first = v_max(*first, v_abs(g[i]));
    for (int i = 0; i < WINO_IN; i++)
        for (int x = 0; x < 3; x++) {
            const vf p = v_fma(v_set1(G[i][2]), g[6 + x], v_mul(v_set1(G[i][0]), g[x]));
            t[i][x] = v_fma(v_set1(G[i][1]), g[3 + x], p);
            *first = v_max(*first, v_max(v_abs(p), v_abs(t[i][x])));
        }
    for (int i = 0; i < WINO_IN; i++)
        for (int j = 0; j < WINO_IN; j++) {
            const vf p = v_fma(v_set1(G[j][2]), t[i][2], v_mul(v_set1(G[j][0]), t[i][0]));
            const vf u = v_abs(v_fma(v_set1(G[j][1]), t[i][1], p));
            sum[i * WINO_IN + j] = v_add(sum[i * WINO_IN + j], u);
            *largest = v_max(*largest, u);
        }
}

/* What one unit of an output channel's u is worth, from the least that its chunks allow; 8 units are
 * for the sums' own roundings. */
static double chunk_scale(const float *g, int channels)
{
    const double room = 2147483647.0 / V_MAX - 3.0 * CHUNK - 8.0;
    vf sum[WINO_POSITIONS], first = v_zero(), largest = v_zero();
    double scale = 1e-30;

    for (int p = 0; p < WINO_POSITIONS; p++) sum[p] = v_zero();
    for (int c = 0; c < channels; c += VL) {
        float taps[9][VL] = { { 0 } };
        vf v[9];
        for (int i = 0; i < VL && c + i < channels; i++)
            for (int t = 0; t < 9; t++) taps[t][i] = g[9 * (c + i) + t];
        for (int t = 0; t < 9; t++) v[t] = v_load(taps[t]);
        weight_2d(v, sum, &first, &largest);
    }
    for (int p = 0; p < WINO_POSITIONS; p++) scale = fmax(scale, (double)v_hsum(sum[p]) / room);
    scale = fmax(scale, (double)v_hmax(largest) * (1 + 1e-5) / U_MAX);
    return fmax(scale, (double)v_hmax(first) * (1 + 1e-5) * 2 / U_MAX);
}

/* One output channel. */
static int pack_row(const struct sdrt_weight_shape *w, int row, const char *src,
                    enum sdrt_dtype from, int16_t *packed)
{
    const int panel = row / PANEL, lane = row % PANEL, chunks = (w->k + CHUNK - 1) / CHUNK;
    const size_t chunk_bytes = sdrt_dtype_bytes(from, 9 * CHUNK);
    float g[9 * CHUNK] = { 0 };
    int16_t taps[9 * CHUNK];
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
        for (int t = 0; t < n * 9; t += VL) /* g and taps are whole vectors */
            vi_store_scaled(taps + t, v_load(g + t), v_set1((float)(2 / scale)));
        for (int c = 0; c < n; c++)
            for (int t = 0; t < 9; t++) {
                int16_t *to = packed + taps_at(w, panel, i) + (size_t)(t * even(n)) * PANEL;
                to[(c / 2 * PANEL + lane) * 2 + c % 2] = taps[9 * c + t];
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
