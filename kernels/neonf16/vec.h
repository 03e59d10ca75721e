/* SPDX-License-Identifier: MIT
 *
 * Advanced SIMD of AArch64 with vectors of four registers, under the names that kernels/simd/ is
 * written in; see kernels/avx2/vec.h for what each function does.  Sixteen floats are what two
 * registers of halves widen to, so that a panel of two vectors is four registers of halves.
 */
#ifndef SDRT_KERNELS_NEONF16_VEC_H
#define SDRT_KERNELS_NEONF16_VEC_H

#include "kernels/neon/quarter.h"

enum { VL = 16 };
typedef struct {
    float32x4_t a, b, c, d;
} vf;

/* f of each quarter of one, two or three vectors. */
#define V_EACH(f, x) ((vf){ f((x).a), f((x).b), f((x).c), f((x).d) })
#define V_EACH_2(f, x, y) \
    ((vf){ f((x).a, (y).a), f((x).b, (y).b), f((x).c, (y).c), f((x).d, (y).d) })
#define V_EACH_3(f, x, y, z)                                                       \
    ((vf){ f((x).a, (y).a, (z).a), f((x).b, (y).b, (z).b), f((x).c, (y).c, (z).c), \
           f((x).d, (y).d, (z).d) })

SDRT_ALWAYS_INLINE vf v_all(float32x4_t x) { return (vf){ x, x, x, x }; }
SDRT_ALWAYS_INLINE vf v_set1(float x) { return v_all(vdupq_n_f32(x)); }
SDRT_ALWAYS_INLINE vf v_zero(void) { return v_set1(0.0f); }
SDRT_ALWAYS_INLINE vf v_bcast(const float *p) { return v_all(vld1q_dup_f32(p)); }
SDRT_ALWAYS_INLINE vf v_load(const float *p)
{
    return (vf){ vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12) };
}
SDRT_ALWAYS_INLINE void v_store(float *p, vf v)
{
    vst1q_f32(p, v.a);
    vst1q_f32(p + 4, v.b);
    vst1q_f32(p + 8, v.c);
    vst1q_f32(p + 12, v.d);
}
/* The quarter at p of n lanes; n may be below 0 or above 4. */
SDRT_ALWAYS_INLINE float32x4_t v_some_load(const float *p, int n)
{
    return n >= 4 ? vld1q_f32(p) : v_quarter_load(p, n);
}
SDRT_ALWAYS_INLINE void v_some_store(float *p, float32x4_t v, int n)
{
    if (n >= 4) vst1q_f32(p, v);
    else v_quarter_store(p, v, n);
}
SDRT_ALWAYS_INLINE vf v_load_n(const float *p, int n)
{
    return (vf){ v_some_load(p, n), v_some_load(p + 4, n - 4), v_some_load(p + 8, n - 8),
                 v_some_load(p + 12, n - 12) };
}
SDRT_ALWAYS_INLINE void v_store_n(float *p, vf v, int n)
{
    v_some_store(p, v.a, n);
    v_some_store(p + 4, v.b, n - 4);
    v_some_store(p + 8, v.c, n - 8);
    v_some_store(p + 12, v.d, n - 12);
}
SDRT_ALWAYS_INLINE vf v_add(vf x, vf y) { return V_EACH_2(vaddq_f32, x, y); }
SDRT_ALWAYS_INLINE vf v_sub(vf x, vf y) { return V_EACH_2(vsubq_f32, x, y); }
SDRT_ALWAYS_INLINE vf v_mul(vf x, vf y) { return V_EACH_2(vmulq_f32, x, y); }
SDRT_ALWAYS_INLINE vf v_div(vf x, vf y) { return V_EACH_2(vdivq_f32, x, y); }
/* As in kernels/neon/vec.h, where an operand is NaN. */
SDRT_ALWAYS_INLINE vf v_max(vf x, vf y) { return V_EACH_2(vmaxnmq_f32, x, y); }
SDRT_ALWAYS_INLINE vf v_min(vf x, vf y) { return V_EACH_2(vminq_f32, x, y); }
SDRT_ALWAYS_INLINE vf v_fma(vf x, vf y, vf z) { return V_EACH_3(vfmaq_f32, z, x, y); }
SDRT_ALWAYS_INLINE vf v_fnma(vf x, vf y, vf z) { return V_EACH_3(vfmsq_f32, z, x, y); }
SDRT_ALWAYS_INLINE vf v_round(vf x) { return V_EACH(vrndnq_f32, x); }
SDRT_ALWAYS_INLINE vf v_scale2(vf p, vf k) { return V_EACH_2(v_four_scale2, p, k); }
SDRT_ALWAYS_INLINE vf v_abs(vf x) { return V_EACH(vabsq_f32, x); }
SDRT_ALWAYS_INLINE float v_hsum(vf x)
{
    return vaddvq_f32(vaddq_f32(vaddq_f32(x.a, x.b), vaddq_f32(x.c, x.d)));
}
SDRT_ALWAYS_INLINE float v_hmax(vf x)
{
    return vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(x.a, x.b), vmaxnmq_f32(x.c, x.d)));
}
SDRT_ALWAYS_INLINE float v_first(vf x) { return vgetq_lane_f32(x.a, 0); }
SDRT_ALWAYS_INLINE float32x4_t v_quarter_load_f16(const unsigned short *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
SDRT_ALWAYS_INLINE float32x4_t v_quarter_load_bf16(const unsigned short *p)
{
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
SDRT_ALWAYS_INLINE vf v_load_f16(const unsigned short *p)
{
    return (vf){ v_quarter_load_f16(p), v_quarter_load_f16(p + 4), v_quarter_load_f16(p + 8),
                 v_quarter_load_f16(p + 12) };
}
SDRT_ALWAYS_INLINE vf v_load_bf16(const unsigned short *p)
{
    return (vf){ v_quarter_load_bf16(p), v_quarter_load_bf16(p + 4), v_quarter_load_bf16(p + 8),
                 v_quarter_load_bf16(p + 12) };
}
/* As kernels/simd/narrow.h wants them. */
#define SDRT_OWN_NARROW
typedef struct {
    uint16x8_t lo, hi;
} narrow_halves;
SDRT_ALWAYS_INLINE narrow_halves narrow_from(vf v)
{
    return (narrow_halves){ vcombine_u16(narrow_quarter(v.a), narrow_quarter(v.b)),
                            vcombine_u16(narrow_quarter(v.c), narrow_quarter(v.d)) };
}

#endif
