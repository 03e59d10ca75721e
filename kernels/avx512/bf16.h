/* SPDX-License-Identifier: MIT
 *
 * Conversions to bf16, for the sets whose products are in bf16: avx512bf16 and amx.
 */
#ifndef SDRT_KERNELS_AVX512_BF16_H
#define SDRT_KERNELS_AVX512_BF16_H

#include "kernels/avx512/vec.h"

#include <stdint.h>

/* 32 values to bf16, to nearest even: low's first ... */
SDRT_ALWAYS_INLINE vf pair_bf16(vf low, vf high)
{
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(high, low));
}
/* ... or in turns: x0 y0 x1 y1 ... */
SDRT_ALWAYS_INLINE vf interleave_bf16(vf x, vf y)
{
    static const uint16_t order[32] = {
        0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31,
    };
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(y, x);

    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_loadu_si512(order), both));
}

/* The first n lanes of a vector; all where n >= VL, none where n <= 0. */
SDRT_ALWAYS_INLINE vf load_first(const float *p, int n)
{
    return n >= VL ? v_load(p) : n > 0 ? v_load_n(p, n) : v_zero();
}

#endif
