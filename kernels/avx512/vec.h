/* SPDX-License-Identifier: MIT
 *
 * AVX-512 (F, BW, DQ, VL) under the names that kernels/simd/ is written in; see
 * kernels/avx2/vec.h for what each function does.
 */
#ifndef SDRT_KERNELS_AVX512_VEC_H
#define SDRT_KERNELS_AVX512_VEC_H

#include <immintrin.h>

#define SDRT_ALWAYS_INLINE static inline __attribute__((always_inline))

enum { VL = 16 };
typedef __m512 vf;

SDRT_ALWAYS_INLINE __mmask16 v_tail_mask(int n) { return (__mmask16)((1u << n) - 1); }

SDRT_ALWAYS_INLINE vf v_zero(void) { return _mm512_setzero_ps(); }
SDRT_ALWAYS_INLINE vf v_set1(float x) { return _mm512_set1_ps(x); }
SDRT_ALWAYS_INLINE vf v_bcast(const float *p) { return _mm512_set1_ps(*p); }
SDRT_ALWAYS_INLINE vf v_load(const float *p) { return _mm512_loadu_ps(p); }
SDRT_ALWAYS_INLINE void v_store(float *p, vf v) { _mm512_storeu_ps(p, v); }
SDRT_ALWAYS_INLINE vf v_load_n(const float *p, int n)
{
    return _mm512_maskz_loadu_ps(v_tail_mask(n), p);
}
SDRT_ALWAYS_INLINE void v_store_n(float *p, vf v, int n)
{
    _mm512_mask_storeu_ps(p, v_tail_mask(n), v);
}
SDRT_ALWAYS_INLINE vf v_add(vf a, vf b) { return _mm512_add_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_div(vf a, vf b) { return _mm512_div_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_max(vf a, vf b) { return _mm512_max_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_min(vf a, vf b) { return _mm512_min_ps(a, b); }
SDRT_ALWAYS_INLINE vf v_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
SDRT_ALWAYS_INLINE vf v_fnma(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
SDRT_ALWAYS_INLINE vf v_round(vf a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
SDRT_ALWAYS_INLINE vf v_scale2(vf p, vf k) { return _mm512_scalef_ps(p, k); }
SDRT_ALWAYS_INLINE vf v_abs(vf a) { return _mm512_abs_ps(a); }
SDRT_ALWAYS_INLINE vf v_copysign(vf a, vf s)
{
    const vf sign = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, s));
}
SDRT_ALWAYS_INLINE vf v_select_lt(vf x, vf y, vf a, vf b)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
}
SDRT_ALWAYS_INLINE float v_hsum(vf a) { return _mm512_reduce_add_ps(a); }
SDRT_ALWAYS_INLINE float v_hmax(vf a) { return _mm512_reduce_max_ps(a); }
SDRT_ALWAYS_INLINE float v_first(vf a) { return _mm_cvtss_f32(_mm512_castps512_ps128(a)); }
SDRT_ALWAYS_INLINE void v_transpose(vf r[VL])
{
    vf t[VL];

#pragma GCC unroll 4
    for (int i = 0; i < VL; i += 4) {
        const vf a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        const vf c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
        const vf d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    /* t[4 g + i] holds lanes i, i + 4, i + 8, i + 12 of rows 4 g .. 4 g + 3. */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        const vf a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        const vf b = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        const vf c = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
        const vf d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        r[i] = _mm512_shuffle_f32x4(a, b, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
    }
}
SDRT_ALWAYS_INLINE vf v_load_f16(const unsigned short *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
SDRT_ALWAYS_INLINE vf v_load_bf16(const unsigned short *p)
{
    const __m512i h = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(h, 16));
}
SDRT_ALWAYS_INLINE void v_add_to_f64(double *dst, vf v)
{
    const __m512d lo = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d hi = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    _mm512_storeu_pd(dst, _mm512_add_pd(_mm512_loadu_pd(dst), lo));
    _mm512_storeu_pd(dst + 8, _mm512_add_pd(_mm512_loadu_pd(dst + 8), hi));
}

#endif
