/* SPDX-License-Identifier: MIT
 *
 * Conversions to bf16 by BFCVTN, for the levels with products of bf16.
 */
#ifndef SDRT_KERNELS_NEONBF16_NARROW_H
#define SDRT_KERNELS_NEONBF16_NARROW_H

#include "kernels/neon/vec.h"

#include <stdint.h>
#include <string.h>

/* Eight values to bf16, to nearest even. */
SDRT_ALWAYS_INLINE bfloat16x8_t v_narrow(vf x)
{
    return vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(x.lo), x.hi);
}
/* 16 values, low's first. */
SDRT_ALWAYS_INLINE vf pair_bf16(vf low, vf high)
{
    return v_pair(vreinterpretq_f32_bf16(v_narrow(low)), vreinterpretq_f32_bf16(v_narrow(high)));
}

/* p * 2^k for p around 1 and k from -126 on, by p's exponent: FCVTZS shifts while it converts.
 * What is less than the least normal number is any number as small. */
#define SDRT_OWN_SCALE2
SDRT_ALWAYS_INLINE float32x4_t v_quarter_scale2(float32x4_t p, float32x4_t k)
{
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vcvtq_n_s32_f32(k, 23)));
}
SDRT_ALWAYS_INLINE vf slots_scale2(vf p, vf k)
{
    return v_pair(v_quarter_scale2(p.lo, k.lo), v_quarter_scale2(p.hi, k.hi));
}

/* The first n lanes of a vector; all where n >= VL, none where n <= 0. */
SDRT_ALWAYS_INLINE vf load_first(const float *p, int n)
{
    return n >= VL ? v_load(p) : n > 0 ? v_load_n(p, n) : v_zero();
}

/* The first n > 0 of 16 values at p, as bf16, zeros behind them. */
SDRT_ALWAYS_INLINE vf slots_load(const float *p, int n)
{
    return pair_bf16(load_first(p, n), load_first(p + VL, n - VL));
}

/* From the n > 0 bf16 at p. */
SDRT_ALWAYS_INLINE vf slots_load_bf16(const void *p, int n)
{
    uint16_t some[2 * VL] = { 0 };

    if (n >= 2 * VL) return v_load(p);
    memcpy(some, p, (size_t)n * sizeof *some);
    return v_load((const float *)(const void *)some);
}

#endif
