/* SPDX-License-Identifier: MIT
 *
 * What attention kernels for tensor cores share: four lanes have a row of scores and of outputs, two
 * neighbouring columns of each eight.
 */
#ifndef SDRT_KERNELS_CUDA_ATTENTION_ROWS_H
#define SDRT_KERNELS_CUDA_ATTENTION_ROWS_H

#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/math.h"

/* Largest and sum over the four lanes that share a row. */
DEVICE float most_of_four(float v)
{
    v = fmaxf(v, shuffle_xor(v, 1));
    return fmaxf(v, shuffle_xor(v, 2));
}
DEVICE float sum_of_four(float v)
{
    v += shuffle_xor(v, 1);
    return v + shuffle_xor(v, 2);
}

/* A row's outputs, divided by the sum of its weights; value(j, i) is the lane's i-th of the j-th eight. */
template <int D, class Value>
DEVICE void store_row(const sdrt_cuda_attention &p, size_t row, int head, float factor, Value value)
{
    const size_t first = row * (size_t)p.o_pitch + (size_t)(head * D + lane_number() % 4 * 2);

#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        const float lo = value(j, 0) * factor, hi = value(j, 1) * factor;
        const size_t at = first + (size_t)(j * 8);
        if (!p.pairs) {
            store_typed(p.o, p.o_narrow, at, lo);
            store_typed(p.o, p.o_narrow, at + 1, hi);
        } else if (p.o_narrow) {
            *(uint32_t *)((narrow *)p.o + at) = pack_narrow(lo, hi);
        } else {
            store_8((float *)p.o + at, { { bits_of_float(lo), bits_of_float(hi) } });
        }
    }
}

#endif
