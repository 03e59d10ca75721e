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

/* The first n of 32 bf16 at p; all where n >= 32, none where n <= 0. */
SDRT_ALWAYS_INLINE vf load_pair_bf16(const void *p, int n)
{
    const uint32_t mask = n >= 2 * VL ? 0xffffffffu : n > 0 ? (1u << n) - 1 : 0;

    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(mask, p));
}

/* As load_first() for n bf16 at p, as f32. */
SDRT_ALWAYS_INLINE vf load_first_bf16(const void *p, int n)
{
    /* The upper 16 are zero; one of them is each lane's lower half. */
    static const uint16_t order[32] = {
        31, 0, 31, 1, 31, 2,  31, 3,  31, 4,  31, 5,  31, 6,  31, 7,
        31, 8, 31, 9, 31, 10, 31, 11, 31, 12, 31, 13, 31, 14, 31, 15,
    };
    const __m512i h = (__m512i)load_pair_bf16(p, n < VL ? n : VL);

    return _mm512_castsi512_ps(_mm512_permutexvar_epi16(_mm512_loadu_si512(order), h));
}

#endif
