/* SPDX-License-Identifier: MIT
 *
 * Vectors of 16-bit integers, two to a lane, and VPDPWSSD, which multiplies and adds them in pairs.
 */
#ifndef SDRT_KERNELS_AVX512VNNI_INT16_H
#define SDRT_KERNELS_AVX512VNNI_INT16_H

#include "kernels/avx512/vec.h"

#include <stdint.h>

typedef __m512i vi;

SDRT_ALWAYS_INLINE vi vi_zero(void) { return _mm512_setzero_si512(); }
SDRT_ALWAYS_INLINE vi vi_load(const int32_t *p) { return _mm512_loadu_si512(p); }
SDRT_ALWAYS_INLINE void vi_store(int32_t *p, vi x) { _mm512_storeu_si512(p, x); }
SDRT_ALWAYS_INLINE vi vi_bcast(const int32_t *p) { return _mm512_set1_epi32(*p); }

SDRT_ALWAYS_INLINE vi vi_add_i16(vi a, vi b) { return _mm512_add_epi16(a, b); }
SDRT_ALWAYS_INLINE vi vi_sub_i16(vi a, vi b) { return _mm512_sub_epi16(a, b); }
/* x * c, rounded, for a constant 0 < c < 1. */
SDRT_ALWAYS_INLINE vi vi_scale_i16(vi x, double c)
{
    return _mm512_mulhrs_epi16(x, _mm512_set1_epi16((short)(c * 32768 + 0.5)));
}

/* acc + x.lo * w.lo + x.hi * w.hi, in 32 bits.  GCC 12 copies and spills sums that an instruction
 * overwrites in place, unless something ties each to its register. */
SDRT_ALWAYS_INLINE vi vi_product(vi x, vi w, vi acc)
{
    acc = _mm512_dpwssd_epi32(acc, x, w);
#ifdef __AVX512VNNI__ /* not where tests emulate it */
    __asm__("" : "+v"(acc));
#endif
    return acc;
}
SDRT_ALWAYS_INLINE vf vi_to_f32(vi x) { return _mm512_cvtepi32_ps(x); }
SDRT_ALWAYS_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
SDRT_ALWAYS_INLINE int32_t vi_hsum(vi a) { return _mm512_reduce_add_epi32(a); }

/* The bits of |x|, whose order is that of the values; NaN and infinity are above all. */
SDRT_ALWAYS_INLINE vi vi_magnitude(vf x) { return _mm512_castps_si512(v_abs(x)); }
SDRT_ALWAYS_INLINE vi vi_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
SDRT_ALWAYS_INLINE int32_t vi_hmax(vi a) { return _mm512_reduce_max_epi32(a); }

/* x * by, rounded to nearest even, to VL int16 at p; |x * by| < 2^15. */
SDRT_ALWAYS_INLINE void vi_store_scaled(int16_t *p, vf x, vf by)
{
    const vf magic = _mm512_set1_ps(0x1.8p23f); /* the sum's low bits are the integer's */
    const __m512i n = _mm512_castps_si512(_mm512_fmadd_ps(x, by, magic));

    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(n));
}

/* ---- for attention ---- */

SDRT_ALWAYS_INLINE vi vi_of_bits(vf x) { return _mm512_castps_si512(x); }
SDRT_ALWAYS_INLINE vf vi_as_f32(vi bits) { return _mm512_castsi512_ps(bits); }
/* Bits of a float whose exponent is x higher: x << 23. */
SDRT_ALWAYS_INLINE vi vi_exponent(vi x) { return _mm512_slli_epi32(x, 23); }
/* Rounded to nearest even. */
SDRT_ALWAYS_INLINE vi vi_from_f32(vf x) { return _mm512_cvtps_epi32(x); }
/* Of lane n of both, of 128 bits: x's four, then y's, to 16 bits or the nearest that has them. */
SDRT_ALWAYS_INLINE vi vi_pack_i16(vi x, vi y) { return _mm512_packs_epi32(x, y); }
/* x's low halves, and y's behind each. */
SDRT_ALWAYS_INLINE vi vi_pair(vi x, vi y)
{
    return _mm512_add_epi32(_mm512_and_si512(x, _mm512_set1_epi32(0xffff)),
                            _mm512_slli_epi32(y, 16));
}
/* All of x, which are of 16 bits, to p. */
SDRT_ALWAYS_INLINE void vi_store_i16(int16_t *p, vi x)
{
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(x));
}

#endif
