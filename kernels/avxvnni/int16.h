/* SPDX-License-Identifier: MIT
 *
 * Vectors of 256 bits, and AVX-VNNI's VPDPWSSD and VPDPBUSD, which client processors have that lack
 * AVX-512: the rest is AVX2's (kernels/avx2int16/int16.h).
 */
#ifndef SDRT_KERNELS_AVXVNNI_INT16_H
#define SDRT_KERNELS_AVXVNNI_INT16_H

#define SDRT_OWN_PRODUCT
#include "kernels/avx2int16/int16.h"

/* Fill what is not of integers; where tests emulate this level, the list has no rows of AVX2. */
struct sdrt_attention_ops;
struct sdrt_conv_ops;
struct sdrt_gemm_ops;
void sdrt_attention_init_avx2(struct sdrt_attention_ops *ops);
void sdrt_conv_init_avx2(struct sdrt_conv_ops *ops);
void sdrt_gemm_init_avx2(struct sdrt_gemm_ops *ops);

/* acc + x.lo * w.lo + x.hi * w.hi, in 32 bits; tied as AVX2's sums are. */
SDRT_ALWAYS_INLINE vi vi_product(vi x, vi w, vi acc)
{
    acc = _mm256_dpwssd_avx_epi32(acc, x, w);
    __asm__("" : "+x"(acc));
    return acc;
}

/* acc + the sum of a lane's products of unsigned u and signed s. */
SDRT_ALWAYS_INLINE vi vi_product_u8(vi u, vi s, vi acc)
{
    acc = _mm256_dpbusd_avx_epi32(acc, u, s);
    __asm__("" : "+x"(acc));
    return acc;
}

/* x * by, rounded to nearest even, to VL int8 at p and in 32 bits; |x * by| < 2^7. */
SDRT_ALWAYS_INLINE vi vi_store_scaled_i8(int8_t *p, vf x, vf by)
{
    const vf magic = _mm256_set1_ps(0x1.8p23f); /* the sum's low bits are the integer's */
    const __m256i n = _mm256_castps_si256(_mm256_fmadd_ps(x, by, magic));
    const __m256i low = _mm256_and_si256(n, _mm256_set1_epi32(0xff));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low),
                                           _mm256_extracti128_si256(low, 1));

    _mm_storel_epi64((__m128i *)(void *)p, _mm_packus_epi16(words, words));
    return _mm256_sub_epi32(n, _mm256_castps_si256(magic));
}

#endif
