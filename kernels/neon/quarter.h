/* SPDX-License-Identifier: MIT
 *
 * What the vectors of Arm's levels are made of: one register of four floats.
 */
#ifndef SDRT_KERNELS_NEON_QUARTER_H
#define SDRT_KERNELS_NEON_QUARTER_H

#include "kernels/simd/unroll.h"

#include <arm_neon.h>

#define SDRT_ALWAYS_INLINE static inline __attribute__((always_inline))

/* The first n lanes of four, 0 <= n < 4. */
SDRT_ALWAYS_INLINE float32x4_t v_quarter_load(const float *p, int n)
{
    float32x4_t v = vdupq_n_f32(0.0f);

    if (n > 0) v = vld1q_lane_f32(p, v, 0);
    if (n > 1) v = vld1q_lane_f32(p + 1, v, 1);
    if (n > 2) v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}
SDRT_ALWAYS_INLINE void v_quarter_store(float *p, float32x4_t v, int n)
{
    if (n > 0) vst1q_lane_f32(p, v, 0);
    if (n > 1) vst1q_lane_f32(p + 1, v, 1);
    if (n > 2) vst1q_lane_f32(p + 2, v, 2);
}
/* p * 2^k, k whole. */
SDRT_ALWAYS_INLINE float32x4_t v_four_scale2(float32x4_t p, float32x4_t k)
{
    const int32x4_t e = vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(k), vdupq_n_s32(127)), 23);
    return vmulq_f32(p, vreinterpretq_f32_s32(e));
}
/* What kernels/simd/narrow.h would do by the compiler's own vectors: to bf16, to nearest even; a NaN
 * stays one. */
SDRT_ALWAYS_INLINE uint16x4_t narrow_quarter(float32x4_t v)
{
    const uint32x4_t u = vreinterpretq_u32_f32(v), top = vshrq_n_u32(u, 16);
    const uint32x4_t half = vaddq_u32(vdupq_n_u32(0x7fff), vandq_u32(top, vdupq_n_u32(1)));
    const uint32x4_t nan = vorrq_u32(top, vdupq_n_u32(0x40));

    return vmovn_u32(vbslq_u32(vceqq_f32(v, v), vshrq_n_u32(vaddq_u32(u, half), 16), nan));
}

#endif
