/* SPDX-License-Identifier: MIT
 *
 * AVX2 under the names that kernels/simd/ is written in.  Every set's vec.h defines the
 * same type and functions.
 */
#ifndef SDRT_KERNELS_AVX2_VEC_H
#define SDRT_KERNELS_AVX2_VEC_H

#include <immintrin.h>

#define SDRT_ALWAYS_INLINE static inline __attribute__((always_inline))

enum { VL = 8 }; /* floats in a vector */
typedef __m256 vf;

SDRT_ALWAYS_INLINE __m256i v_tail_mask(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

SDRT_ALWAYS_INLINE vf v_zero(void) { return _mm256_setzero_ps(); }
SDRT_ALWAYS_INLINE vf v_set1(float x) { return _mm256_set1_ps(x); }
SDRT_ALWAYS_INLINE vf v_bcast(const float *p) { return _mm256_broadcast_ss(p); }
SDRT_ALWAYS_INLINE vf v_load(const float *p) { return _mm256_loadu_ps(p); }
SDRT_ALWAYS_INLINE void v_store(float *p, vf v) { _mm256_storeu_ps(p, v); }
/* The first n lanes, 0 < n < VL; the others read as 0 and stay unwritten. */
SDRT_ALWAYS_INLINE vf v_load_n(const float *p, int n)
{
    return _mm256_maskload_ps(p, v_tail_mask(n));
}
SDRT_ALWAYS_INLINE void v_store_n(float *p, vf v, int n)
{
    _mm256_maskstore_ps(p, v_tail_mask(n), v);
}
SDRT_ALWAYS_INLINE vf v_add(vf a, vf b) { return _mm256_add_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_div(vf a, vf b) { return _mm256_div_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_max(vf a, vf b) { return _mm256_max_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_min(vf a, vf b) { return _mm256_min_ps(a, b); }
/* a * b + c, and c - a * b. */
SDRT_ALWAYS_INLINE vf v_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
SDRT_ALWAYS_INLINE vf v_fnma(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
SDRT_ALWAYS_INLINE vf v_round(vf a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* p * 2^k for a whole k in -126 .. 127. */
SDRT_ALWAYS_INLINE vf v_scale2(vf p, vf k)
{
    const __m256i e = _mm256_slli_epi32(
        _mm256_add_epi32(_mm256_cvtps_epi32(k), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(p, _mm256_castsi256_ps(e));
}
SDRT_ALWAYS_INLINE vf v_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
/* |a| with the sign of s. */
SDRT_ALWAYS_INLINE vf v_copysign(vf a, vf s)
{
    const vf sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, s));
}
/* a where x < y, else b. */
SDRT_ALWAYS_INLINE vf v_select_lt(vf x, vf y, vf a, vf b)
{
    return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ));
}
SDRT_ALWAYS_INLINE float v_hsum(vf a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
SDRT_ALWAYS_INLINE float v_hmax(vf a)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
SDRT_ALWAYS_INLINE float v_first(vf a) { return _mm256_cvtss_f32(a); }
/* Lane j of r[i] and lane i of r[j] change places. */
SDRT_ALWAYS_INLINE void v_transpose(vf r[VL])
{
    vf t[VL];

#pragma GCC unroll 2
    for (int i = 0; i < VL; i += 4) {
        const vf a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
        const vf c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
        const vf d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}
SDRT_ALWAYS_INLINE vf v_load_f16(const unsigned short *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
SDRT_ALWAYS_INLINE vf v_load_bf16(const unsigned short *p)
{
    const __m256i h = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(h, 16));
}
/* dst[0 .. VL-1] += v, in double. */
SDRT_ALWAYS_INLINE void v_add_to_f64(double *dst, vf v)
{
    const __m256d lo = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    const __m256d hi = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    _mm256_storeu_pd(dst, _mm256_add_pd(_mm256_loadu_pd(dst), lo));
    _mm256_storeu_pd(dst + 4, _mm256_add_pd(_mm256_loadu_pd(dst + 4), hi));
}

#endif
