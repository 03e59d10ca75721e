/* SPDX-License-Identifier: MIT
 *
 * Vectors of 16-bit integers, two to a lane, and VPMADDWD, which multiplies them and adds the products
 * of a lane: with VPADDD behind it as good as VPDPWSSD, since no product of ours is 2^31 (both would
 * have to be -2^15).  A set that has VPDPWSSD defines SDRT_OWN_PRODUCT and vi_product().
 */
#ifndef SDRT_KERNELS_AVX2INT16_INT16_H
#define SDRT_KERNELS_AVX2INT16_INT16_H

#include "kernels/avx2/vec.h"

#include <stdint.h>

typedef __m256i vi;

SDRT_ALWAYS_INLINE vi vi_zero(void) { return _mm256_setzero_si256(); }
SDRT_ALWAYS_INLINE vi vi_load(const int32_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
SDRT_ALWAYS_INLINE void vi_store(int32_t *p, vi x) { _mm256_storeu_si256((__m256i *)(void *)p, x); }
SDRT_ALWAYS_INLINE vi vi_bcast(const int32_t *p) { return _mm256_set1_epi32(*p); }

SDRT_ALWAYS_INLINE vi vi_add_i16(vi a, vi b) { return _mm256_add_epi16(a, b); }
SDRT_ALWAYS_INLINE vi vi_sub_i16(vi a, vi b) { return _mm256_sub_epi16(a, b); }
/* x * c, rounded, for a constant 0 < c < 1. */
SDRT_ALWAYS_INLINE vi vi_scale_i16(vi x, double c)
{
    return _mm256_mulhrs_epi16(x, _mm256_set1_epi16((short)(c * 32768 + 0.5)));
}

#ifndef SDRT_OWN_PRODUCT
/* acc + x.lo * w.lo + x.hi * w.hi, in 32 bits.  GCC 12 makes all products of a step before it adds
 * them, and spills, unless something ties each sum to its register. */
SDRT_ALWAYS_INLINE vi vi_product(vi x, vi w, vi acc)
{
    acc = _mm256_add_epi32(acc, _mm256_madd_epi16(x, w));
    __asm__("" : "+x"(acc));
    return acc;
}
#endif
SDRT_ALWAYS_INLINE vf vi_to_f32(vi x) { return _mm256_cvtepi32_ps(x); }
SDRT_ALWAYS_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
SDRT_ALWAYS_INLINE int32_t vi_hsum(vi a)
{
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

/* The bits of |x|, whose order is that of the values; NaN and infinity are above all. */
SDRT_ALWAYS_INLINE vi vi_magnitude(vf x) { return _mm256_castps_si256(v_abs(x)); }
SDRT_ALWAYS_INLINE vi vi_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
SDRT_ALWAYS_INLINE int32_t vi_hmax(vi a)
{
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
    return _mm_cvtsi128_si32(m);
}

/* x * by, rounded to nearest even, to VL int16 at p; |x * by| < 2^15. */
SDRT_ALWAYS_INLINE void vi_store_scaled(int16_t *p, vf x, vf by)
{
    const vf magic = _mm256_set1_ps(0x1.8p23f); /* the sum's low bits are the integer's */
    const __m256i low = _mm256_set1_epi32(0xffff);
    const __m256i n = _mm256_and_si256(_mm256_castps_si256(_mm256_fmadd_ps(x, by, magic)), low);

    _mm_storeu_si128((__m128i *)(void *)p,
                     _mm_packus_epi32(_mm256_castsi256_si128(n), _mm256_extracti128_si256(n, 1)));
}

/* ---- for attention ---- */

SDRT_ALWAYS_INLINE vi vi_of_bits(vf x) { return _mm256_castps_si256(x); }
SDRT_ALWAYS_INLINE vf vi_as_f32(vi bits) { return _mm256_castsi256_ps(bits); }
/* Bits of a float whose exponent is x higher: x << 23. */
SDRT_ALWAYS_INLINE vi vi_exponent(vi x) { return _mm256_slli_epi32(x, 23); }
/* Rounded to nearest even. */
SDRT_ALWAYS_INLINE vi vi_from_f32(vf x) { return _mm256_cvtps_epi32(x); }
/* Of lane n of both, of 128 bits: x's four, then y's, to 16 bits or the nearest that has them. */
SDRT_ALWAYS_INLINE vi vi_pack_i16(vi x, vi y) { return _mm256_packs_epi32(x, y); }
/* x's low halves, and y's behind each. */
SDRT_ALWAYS_INLINE vi vi_pair(vi x, vi y)
{
    return _mm256_blend_epi16(x, _mm256_slli_epi32(y, 16), 0xaa);
}
/* All of x, which are of 16 bits, to p. */
SDRT_ALWAYS_INLINE void vi_store_i16(int16_t *p, vi x)
{
    const __m128i low = _mm256_castsi256_si128(x), high = _mm256_extracti128_si256(x, 1);

    _mm_storeu_si128((__m128i *)(void *)p, _mm_packs_epi32(low, high));
}

#endif
