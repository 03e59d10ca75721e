/* SPDX-License-Identifier: MIT
 *
 * Advanced SIMD of AArch64 (no option beyond Armv8.0) under the names that kernels/simd/ is
 * written in; see kernels/avx2/vec.h for what each function does.
 *
 * A vector is two registers: 32 registers of 4 floats are used as AVX2's 16 of 8, so that panels,
 * tiles and tails are AVX2's, and two chains run where one would wait.  Sums over lanes add in
 * AVX2's order, so both give the same bits.
 */
#ifndef SDRT_KERNELS_NEON_VEC_H
#define SDRT_KERNELS_NEON_VEC_H

#include "kernels/neon/quarter.h"

enum { VL = 8 };
typedef struct {
    float32x4_t lo, hi;
} vf;

SDRT_ALWAYS_INLINE vf v_pair(float32x4_t lo, float32x4_t hi) { return (vf){ lo, hi }; }
SDRT_ALWAYS_INLINE vf v_set1(float x) { return v_pair(vdupq_n_f32(x), vdupq_n_f32(x)); }
SDRT_ALWAYS_INLINE vf v_zero(void) { return v_set1(0.0f); }
SDRT_ALWAYS_INLINE vf v_bcast(const float *p) { return v_pair(vld1q_dup_f32(p), vld1q_dup_f32(p)); }
SDRT_ALWAYS_INLINE vf v_load(const float *p) { return v_pair(vld1q_f32(p), vld1q_f32(p + 4)); }
SDRT_ALWAYS_INLINE void v_store(float *p, vf v)
{
    vst1q_f32(p, v.lo);
    vst1q_f32(p + 4, v.hi);
}
SDRT_ALWAYS_INLINE vf v_load_n(const float *p, int n)
{
    if (n < 4) return v_pair(v_quarter_load(p, n), vdupq_n_f32(0.0f));
    return v_pair(vld1q_f32(p), v_quarter_load(p + 4, n - 4));
}
SDRT_ALWAYS_INLINE void v_store_n(float *p, vf v, int n)
{
    if (n < 4) {
        v_quarter_store(p, v.lo, n);
        return;
    }
    vst1q_f32(p, v.lo);
    v_quarter_store(p + 4, v.hi, n - 4);
}
SDRT_ALWAYS_INLINE vf v_add(vf a, vf b)
{
    return v_pair(vaddq_f32(a.lo, b.lo), vaddq_f32(a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_sub(vf a, vf b)
{
    return v_pair(vsubq_f32(a.lo, b.lo), vsubq_f32(a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_mul(vf a, vf b)
{
    return v_pair(vmulq_f32(a.lo, b.lo), vmulq_f32(a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_div(vf a, vf b)
{
    return v_pair(vdivq_f32(a.lo, b.lo), vdivq_f32(a.hi, b.hi));
}
/* Where an operand is NaN, x86 gives the second one.  The bodies have NaN as the first operand of
 * a maximum and as the second of a minimum only: FMAXNM drops it there, and FMIN keeps it. */
SDRT_ALWAYS_INLINE vf v_max(vf a, vf b)
{
    return v_pair(vmaxnmq_f32(a.lo, b.lo), vmaxnmq_f32(a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_min(vf a, vf b)
{
    return v_pair(vminq_f32(a.lo, b.lo), vminq_f32(a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_fma(vf a, vf b, vf c)
{
    return v_pair(vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_fnma(vf a, vf b, vf c)
{
    return v_pair(vfmsq_f32(c.lo, a.lo, b.lo), vfmsq_f32(c.hi, a.hi, b.hi));
}
SDRT_ALWAYS_INLINE vf v_round(vf a) { return v_pair(vrndnq_f32(a.lo), vrndnq_f32(a.hi)); }
SDRT_ALWAYS_INLINE vf v_scale2(vf p, vf k)
{
    return v_pair(v_four_scale2(p.lo, k.lo), v_four_scale2(p.hi, k.hi));
}
SDRT_ALWAYS_INLINE vf v_abs(vf a) { return v_pair(vabsq_f32(a.lo), vabsq_f32(a.hi)); }
SDRT_ALWAYS_INLINE vf v_copysign(vf a, vf s)
{
    const uint32x4_t sign = vdupq_n_u32(0x80000000u);
    return v_pair(vbslq_f32(sign, s.lo, a.lo), vbslq_f32(sign, s.hi, a.hi));
}
SDRT_ALWAYS_INLINE vf v_select_lt(vf x, vf y, vf a, vf b)
{
    return v_pair(vbslq_f32(vcltq_f32(x.lo, y.lo), a.lo, b.lo),
                  vbslq_f32(vcltq_f32(x.hi, y.hi), a.hi, b.hi));
}
SDRT_ALWAYS_INLINE float v_hsum(vf a)
{
    const float32x4_t s = vaddq_f32(a.lo, a.hi);
    return vpadds_f32(vadd_f32(vget_low_f32(s), vget_high_f32(s)));
}
SDRT_ALWAYS_INLINE float v_hmax(vf a) { return vmaxnmvq_f32(vmaxnmq_f32(a.lo, a.hi)); }
SDRT_ALWAYS_INLINE float v_first(vf a) { return vgetq_lane_f32(a.lo, 0); }
/* Four by four. */
SDRT_ALWAYS_INLINE void v_quarter_transpose(float32x4_t *a, float32x4_t *b, float32x4_t *c,
                                            float32x4_t *d)
{
    const float64x2_t p = vreinterpretq_f64_f32(vtrn1q_f32(*a, *b));
    const float64x2_t q = vreinterpretq_f64_f32(vtrn2q_f32(*a, *b));
    const float64x2_t r = vreinterpretq_f64_f32(vtrn1q_f32(*c, *d));
    const float64x2_t s = vreinterpretq_f64_f32(vtrn2q_f32(*c, *d));

    *a = vreinterpretq_f32_f64(vtrn1q_f64(p, r));
    *b = vreinterpretq_f32_f64(vtrn1q_f64(q, s));
    *c = vreinterpretq_f32_f64(vtrn2q_f64(p, r));
    *d = vreinterpretq_f32_f64(vtrn2q_f64(q, s));
}
SDRT_ALWAYS_INLINE void v_transpose(vf r[VL])
{
    v_quarter_transpose(&r[0].lo, &r[1].lo, &r[2].lo, &r[3].lo);
    v_quarter_transpose(&r[0].hi, &r[1].hi, &r[2].hi, &r[3].hi);
    v_quarter_transpose(&r[4].lo, &r[5].lo, &r[6].lo, &r[7].lo);
    v_quarter_transpose(&r[4].hi, &r[5].hi, &r[6].hi, &r[7].hi);
    SDRT_UNROLL(4)
    for (int i = 0; i < 4; i++) {
        const float32x4_t t = r[i].hi;
        r[i].hi = r[i + 4].lo;
        r[i + 4].lo = t;
    }
}
SDRT_ALWAYS_INLINE vf v_load_f16(const unsigned short *p)
{
    const float16x8_t h = vreinterpretq_f16_u16(vld1q_u16(p));
    return v_pair(vcvt_f32_f16(vget_low_f16(h)), vcvt_high_f32_f16(h));
}
SDRT_ALWAYS_INLINE vf v_load_bf16(const unsigned short *p)
{
    const uint16x8_t h = vld1q_u16(p);
    return v_pair(vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(h), 16)),
                  vreinterpretq_f32_u32(vshll_high_n_u16(h, 16)));
}
/* As kernels/simd/narrow.h wants them. */
#define SDRT_OWN_NARROW
typedef uint16x8_t narrow_halves;
SDRT_ALWAYS_INLINE narrow_halves narrow_from(vf v)
{
    return vcombine_u16(narrow_quarter(v.lo), narrow_quarter(v.hi));
}
SDRT_ALWAYS_INLINE void v_add_to_f64(double *dst, vf v)
{
    vst1q_f64(dst, vaddq_f64(vld1q_f64(dst), vcvt_f64_f32(vget_low_f32(v.lo))));
    vst1q_f64(dst + 2, vaddq_f64(vld1q_f64(dst + 2), vcvt_high_f64_f32(v.lo)));
    vst1q_f64(dst + 4, vaddq_f64(vld1q_f64(dst + 4), vcvt_f64_f32(vget_low_f32(v.hi))));
    vst1q_f64(dst + 6, vaddq_f64(vld1q_f64(dst + 6), vcvt_high_f64_f32(v.hi)));
}

#endif
