/* SPDX-License-Identifier: MIT
 *
 * Four 8-bit integers to a lane, and VPDPBUSD, which multiplies and adds them.  Include int16.h first.
 */
#ifndef SDRT_KERNELS_AVX512VNNI_INT8_H
#define SDRT_KERNELS_AVX512VNNI_INT8_H

#include "kernels/avx512/rotate.h"

/* acc + the sum of a lane's products of unsigned u and signed s; tied as vi_product()'s sums are. */
SDRT_ALWAYS_INLINE vi vi_product_u8(vi u, vi s, vi acc)
{
    acc = _mm512_dpbusd_epi32(acc, u, s);
#ifdef __AVX512VNNI__ /* not where tests emulate it */
    __asm__("" : "+v"(acc));
#endif
    return acc;
}

/* x * by, rounded to nearest even, to VL int8 at p and in 32 bits; |x * by| < 2^7. */
SDRT_ALWAYS_INLINE vi vi_store_scaled_i8(int8_t *p, vf x, vf by)
{
    const vf magic = _mm512_set1_ps(0x1.8p23f); /* the sum's low bits are the integer's */
    const __m512i n = _mm512_castps_si512(_mm512_fmadd_ps(x, by, magic));

    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(n));
    return _mm512_sub_epi32(n, _mm512_castps_si512(magic));
}

#endif
