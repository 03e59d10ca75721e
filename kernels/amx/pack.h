/* SPDX-License-Identifier: MIT
 *
 * Weights as tiles: [column of tiles][block of 32 channels][tap][16 pairs of channels]
 * [16 columns][2], bf16, so that one tile is 1 KiB and a column of tiles is read from end to
 * end.  A linear layer's (and 1x1 conv's) tiles go in pairs, [pair][block][2]: 32 columns, or
 * for a gated one 16 values and their 16 gates.  A 3x3 conv's taps are ordered by columns of
 * the kernel: kx outside, ky inside.
 */
#ifndef SDRT_KERNELS_AMX_PACK_H
#define SDRT_KERNELS_AMX_PACK_H

#include "kernels/amx/tile.h"
#include "kernels/pack.h"

static int pack_blocks(const struct sdrt_weight_shape *w) { return divide_up(w->k, TILE_K); }

/* Columns of the output that one pair of tiles gives. */
static inline int pack_pair_columns(const struct sdrt_weight_shape *w)
{
    return w->gated ? 16 : 32;
}

static size_t pack_size(const struct sdrt_weight_shape *w)
{
    const int columns = w->taps == 1 ? 2 * divide_up(w->n, pack_pair_columns(w))
                                     : divide_up(w->n, TILE_ROWS);

    return (size_t)columns * (size_t)pack_blocks(w) * (size_t)w->taps * TILE_BYTES;
}

/* Where row's channel 0 of tap 0 goes, in values, and how far block and tap lie apart. */
static size_t pack_place(const struct sdrt_weight_shape *w, int row, size_t *block, size_t *tap)
{
    enum { TILE = TILE_BYTES / 2 };
    const int gate = w->gated && row >= w->n, column = gate ? row - w->n : row;
    const size_t blocks = (size_t)pack_blocks(w);

    *tap = TILE;
    *block = w->taps == 1 ? 2 * TILE : (size_t)w->taps * TILE;
    const int tile = column / TILE_ROWS;
    const size_t lane = 2 * (size_t)(column % TILE_ROWS);
    if (w->taps > 1) return (size_t)tile * blocks * *block + lane;
    if (w->gated) return (size_t)tile * blocks * *block + (gate ? TILE : 0) + lane;
    return (size_t)(tile / 2) * blocks * *block + (size_t)(tile % 2) * TILE + lane;
}

/* n values of type from as bf16. */
static void pack_convert(const void *src, enum sdrt_dtype from, int n, bf16 *to)
{
    const unsigned short *h = src;
    int i = 0;

    for (; i < n; i += TILE_K) {
        vf v[2];
        for (int j = 0; j < 2; j++) {
            const int at = i + j * VL, left = n - at;
            unsigned short tail[VL] = { 0 };
            const unsigned short *p = tail;
            if (sdrt_dtype_size(from) == 1) {
                float wide[VL] = { 0 };
                if (left > 0)
                    sdrt_to_f32((const char *)src + at, from, wide, (size_t)int_min(left, VL));
                v[j] = v_load(wide);
                continue;
            }
            if (from == SDRT_F32) {
                v[j] = load_first((const float *)src + at, left);
                continue;
            }
            if (left >= VL) p = h + at;
            else for (int l = 0; l < left; l++) tail[l] = h[at + l];
            v[j] = from == SDRT_F16 ? v_load_f16(p) : v_load_bf16(p);
        }
        store_bf16(to + i, v[0], v[1]);
    }
}

/* As pack_rows of the families' headers, for w->stored == SDRT_BF16. */
static int pack_tiles(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                      enum sdrt_dtype from, void *dst)
{
    enum { SOME = 288 }; /* a multiple of 9 and of 32 */
    const size_t size = sdrt_dtype_size(from), row = (size_t)w->k * (size_t)w->taps;
    const int side = w->taps == 9 ? 3 : 1;
    bf16 values[SOME];

    if (!sdrt_is_float(from)) return -1;
    for (int i = 0; i < count; i++) {
        size_t block, tap;
        bf16 *const to = (bf16 *)dst + pack_place(w, row0 + i, &block, &tap);
        const char *from_row = (const char *)src + (size_t)i * row * size;
        for (size_t at = 0; at < row; at += SOME) {
            const int n = int_min((int)(row - at), SOME);
            pack_convert(from_row + at * size, from, n, values);
            for (int j = 0; j < n; j++) {
                const size_t c = (at + (size_t)j) / (size_t)w->taps;
                const int t = (int)((at + (size_t)j) % (size_t)w->taps);
                const int order = t % side * side + t / side;
                to[c / TILE_K * block + (size_t)order * tap + c % TILE_K / 2 * 32 + c % 2] =
                    values[j];
            }
        }
    }
    return 0;
}

#endif
