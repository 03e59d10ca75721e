/* SPDX-License-Identifier: MIT
 *
 * From a product's sums to what it stores.  The sums of a tile go through shared memory, so that
 * neighbouring threads store neighbouring columns, and so that what an epilogue does is there once
 * and not once for each of a thread's sums.
 */
#ifndef SDRT_KERNELS_CUDA_EPILOGUE_H
#define SDRT_KERNELS_CUDA_EPILOGUE_H

#include "kernels/cuda/math.h"
#include "kernels/cuda/product.h"

enum { FOUR = 4 }; /* columns that a thread finishes at once */

/* Where row r, column c of a tile of n columns lies.  Four columns stay together and change places
 * by the row, so that eight rows of two columns come to all banks alike. */
DEVICE int tile_at(int n, int r, int c) { return r * n + (c ^ (r & 7) * FOUR); }

/* Two neighbouring columns of a row. */
DEVICE void put_sums(float *tile, int n, int r, int c, float lo, float hi)
{
    const bytes8 x = { { bits_of_float(lo), bits_of_float(hi) } };

    *(bytes8 *)(void *)(tile + tile_at(n, r, c)) = x;
}

DEVICE void get_sums(const float *tile, int n, int r, int c, float (&v)[FOUR])
{
    const bytes16 x = *(const bytes16 *)(const void *)(tile + tile_at(n, r, c));

#pragma unroll
    for (int i = 0; i < FOUR; i++) v[i] = float_of_bits(x.v[i]);
}

/* Where a row of the output finds what is its image's own. */
DEVICE const float *chan_of(const sdrt_cuda_product &p, int m)
{
    return p.chan ? p.chan + (size_t)(m / (p.out_h * p.out_w)) * (size_t)p.chan_pitch : nullptr;
}

/* Of a plain weight, without the residual. */
DEVICE float finished(const sdrt_cuda_product &p, const float *chan, int column, float sum)
{
    float t = sum + (p.bias ? p.bias[column] : 0.0f);

    if (chan) t += chan[column];
    t = activate(t, p.act);
    return p.gate ? t * p.gate[column] : t;
}

/* Of a gated one. */
DEVICE float gated(const sdrt_cuda_product &p, int column, float value, float gate)
{
    if (p.bias) {
        value += p.bias[column];
        gate += p.bias[p.n + column];
    }
    return value * activate(gate, p.act);
}

DEVICE void store_value(const sdrt_cuda_product &p, int m, int column, float v)
{
    if (column >= p.n) return;
    if (p.residual) v += p.residual[(size_t)m * (size_t)p.residual_pitch + (size_t)column];
    if (p.relu) v = fmaxf(v, 0.0f);
    store_typed(p.y, p.y_narrow, (size_t)m * (size_t)p.y_pitch + (size_t)column, v);
}

/* Four columns, of which the first is a multiple of 4. */
DEVICE void store_four(const sdrt_cuda_product &p, int m, int column, float (&v)[FOUR])
{
    const size_t at = (size_t)m * (size_t)p.y_pitch + (size_t)column;

    if (!p.fours) {
#pragma unroll
        for (int i = 0; i < FOUR; i++) store_value(p, m, column + i, v[i]);
        return;
    }
    if (p.residual) {
        const bytes16 r = load_16(p.residual + (size_t)m * (size_t)p.residual_pitch + column);
#pragma unroll
        for (int i = 0; i < FOUR; i++) v[i] += float_of_bits(r.v[i]);
    }
    if (p.relu) {
#pragma unroll
        for (int i = 0; i < FOUR; i++) v[i] = fmaxf(v[i], 0.0f);
    }
    if (p.y_narrow)
        store_8((narrow *)p.y + at, { { pack_narrow(v[0], v[1]), pack_narrow(v[2], v[3]) } });
    else
        store_16((float *)p.y + at, { { bits_of_float(v[0]), bits_of_float(v[1]),
                                        bits_of_float(v[2]), bits_of_float(v[3]) } });
}

/* Four columns of row r of the tile, which become columns n .. of row m of the output. */
template <int N>
DEVICE void finish_four(const sdrt_cuda_product &p, const float *tile, int r, int c, int m, int n)
{
    const float *chan = chan_of(p, m);
    float v[FOUR], gates[FOUR] = {};

    get_sums(tile, N, r, c, v);
    if (p.gated) get_sums(tile, N, r, c + 8, gates);
#pragma unroll
    for (int i = 0; i < FOUR; i++) {
        const int column = n + i < p.n ? n + i : p.n - 1;
        v[i] = p.gated ? gated(p, column, v[i], gates[i]) : finished(p, chan, column, v[i]);
    }
    store_four(p, m, n, v);
}

/* A tile of M rows and N columns, which are rows row0 .. of w, by THREADS threads of which this is
 * number `thread`; row_of(r) is the output's row, -1 for none. */
template <int M, int N, int THREADS, class Row>
DEVICE void finish_tile(const sdrt_cuda_product &p, const float *tile, int thread, int row0,
                        Row row_of)
{
    const int each = p.gated ? N / 2 : N;

#pragma unroll 1
    for (int i = thread; i < M * (each / FOUR); i += THREADS) {
        const int r = i / (each / FOUR), at = i % (each / FOUR) * FOUR, m = row_of(r);
        /* Values and gates alternate in eights. */
        const int c = p.gated ? at / 8 * 16 + at % 8 : at;
        const int n = (p.gated ? row0 / 2 : row0) + at;
        if (m >= 0 && n < p.n) finish_four<N>(p, tile, r, c, m, n);
    }
}

#endif
