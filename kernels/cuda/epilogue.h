/* SPDX-License-Identifier: MIT
 *
 * From a product's sums to what it stores.
 */
#ifndef SDRT_KERNELS_CUDA_EPILOGUE_H
#define SDRT_KERNELS_CUDA_EPILOGUE_H

#include "kernels/cuda/math.h"
#include "kernels/cuda/product.h"

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
    store_typed(p.y, p.y_bf16, (size_t)m * (size_t)p.y_pitch + (size_t)column, v);
}

/* Columns column and column + 1, of which the first is even. */
DEVICE void store_values(const sdrt_cuda_product &p, int m, int column, float lo, float hi)
{
    if (!p.pairs) {
        store_value(p, m, column, lo);
        store_value(p, m, column + 1, hi);
        return;
    }
    const size_t at = (size_t)m * (size_t)p.y_pitch + (size_t)column;
    if (p.residual) {
        const bytes8 r = load_8(p.residual + (size_t)m * (size_t)p.residual_pitch + column);
        lo += float_of_bits(r.v[0]);
        hi += float_of_bits(r.v[1]);
    }
    if (p.y_bf16) *(uint32_t *)((bf16 *)p.y + at) = pack_bf16(lo, hi);
    else store_8((float *)p.y + at, { { bits_of_float(lo), bits_of_float(hi) } });
}

#endif
