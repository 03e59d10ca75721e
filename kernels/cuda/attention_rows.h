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

/* Two eights of a row in 16 bits, j and the one after it.  Neighbouring lanes exchange halves, so that each
 * stores 8 bytes and a row's four lanes 32 that follow each other, a sector of memory. */
template <class Value>
DEVICE void store_sixteen(narrow *o, int j, int inside, float factor, Value value)
{
    const int lane = lane_number() % 4, odd = lane % 2;
    const uint32_t here = pack_narrow(value(j, 0) * factor, value(j, 1) * factor);
    const uint32_t next = pack_narrow(value(j + 1, 0) * factor, value(j + 1, 1) * factor);
    const uint32_t other = bits_of_float(shuffle_xor(float_of_bits(odd ? here : next), 1));
    bytes8 x = { { here, other } };

    if (odd) x = { { other, next } };
    if (inside) store_8(o + (j + odd) * 8 + lane / 2 * 4, x);
}

DEVICE void store_pair(const sdrt_cuda_attention &p, size_t at, float lo, float hi)
{
    if (!p.pairs) {
        store_typed(p.o, p.o_narrow, at, lo);
        store_typed(p.o, p.o_narrow, at + 1, hi);
    } else if (p.o_narrow) {
        *(uint32_t *)((narrow *)p.o + at) = pack_narrow(lo, hi);
    } else {
        store_8((float *)p.o + at, { { bits_of_float(lo), bits_of_float(hi) } });
    }
}

/* A row's outputs, divided by the sum of its weights, where it is inside; value(j, i) is the lane's i-th of the
 * j-th eight.  All lanes of a warp come here. */
template <int D, class Value>
DEVICE void store_row(const sdrt_cuda_attention &p, size_t row, int head, int inside, float factor,
                      Value value)
{
    const size_t first = row * (size_t)p.o_pitch + (size_t)(head * D);
    const size_t mine = first + (size_t)(lane_number() % 4 * 2);

#pragma unroll
    for (int j = 0; j < D / 8; j++) {
        if (p.fours && j / 2 * 2 + 1 < D / 8) {
            if (j % 2 == 0) store_sixteen((narrow *)p.o + first, j, inside, factor, value);
            continue;
        }
        if (inside)
            store_pair(p, mine + (size_t)(j * 8), value(j, 0) * factor, value(j, 1) * factor);
    }
}

#endif
