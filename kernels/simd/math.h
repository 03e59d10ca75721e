/* SPDX-License-Identifier: MIT
 *
 * Functions of one vector.  Include a set's vec.h first.
 */
#ifndef SDRT_KERNELS_SIMD_MATH_H
#define SDRT_KERNELS_SIMD_MATH_H

#include "kernels/gemm.h"

/* 2^x to 1e-7 relative for x in -126 .. 127; below, 2^-126.  Taylor's series of 2^r on
 * |r| <= 1/2, fitted by minimax. */
SDRT_ALWAYS_INLINE vf v_exp2(vf x)
{
    x = v_max(x, v_set1(-126.0f));
    const vf k = v_round(x), r = v_sub(x, k);
    vf p = v_set1(1.535336188319500e-4f);
    p = v_fma(p, r, v_set1(1.339887440266574e-3f));
    p = v_fma(p, r, v_set1(9.618437357674640e-3f));
    p = v_fma(p, r, v_set1(5.550332471162809e-2f));
    p = v_fma(p, r, v_set1(2.402264791363012e-1f));
    p = v_fma(p, r, v_set1(6.931472028550421e-1f));
    p = v_fma(p, r, v_set1(1.0f));
    return v_scale2(p, k);
}

/* exp(x), 2 ulp, x clamped to where the result is a normal number: x = k ln2 + r. */
SDRT_ALWAYS_INLINE vf v_exp(vf x)
{
    x = v_min(v_max(x, v_set1(-87.0f)), v_set1(88.0f));
    const vf k = v_round(v_mul(x, v_set1(1.44269504f)));
    vf r = v_fnma(k, v_set1(0.693145752f), x);
    r = v_fnma(k, v_set1(1.42860677e-6f), r);
    vf p = v_set1(1.0f / 5040);
    p = v_fma(p, r, v_set1(1.0f / 720));
    p = v_fma(p, r, v_set1(1.0f / 120));
    p = v_fma(p, r, v_set1(1.0f / 24));
    p = v_fma(p, r, v_set1(1.0f / 6));
    p = v_fma(p, r, v_set1(0.5f));
    p = v_fma(p, r, v_set1(1.0f));
    p = v_fma(p, r, v_set1(1.0f));
    return v_scale2(p, k);
}

/* x / (1 + exp(-a x)): SiLU for a = 1, CLIP's quick GELU for a = 1.702. */
SDRT_ALWAYS_INLINE vf v_sigmoid_gate(vf x, float a)
{
    const vf e = v_exp(v_mul(x, v_set1(-a)));
    return v_div(x, v_add(v_set1(1.0f), e));
}

SDRT_ALWAYS_INLINE vf v_silu(vf x) { return v_sigmoid_gate(x, 1.0f); }

/* erf(x) to 1.5e-7: Abramowitz and Stegun 7.1.26 above 1/2, Taylor's series below, where
 * the former loses relative digits. */
SDRT_ALWAYS_INLINE vf v_erf(vf x)
{
    const vf a = v_abs(x), one = v_set1(1.0f), x2 = v_mul(x, x);
    const vf t = v_div(one, v_fma(v_set1(0.3275911f), a, one));
    vf p = v_set1(1.061405429f);
    p = v_fma(p, t, v_set1(-1.453152027f));
    p = v_fma(p, t, v_set1(1.421413741f));
    p = v_fma(p, t, v_set1(-0.284496736f));
    p = v_fma(p, t, v_set1(0.254829592f));
    const vf big = v_copysign(v_fnma(v_mul(p, t), v_exp(v_sub(v_zero(), x2)), one), x);
    vf s = v_set1(1.0f / 1320 / -1.0f);
    s = v_fma(s, x2, v_set1(1.0f / 216));
    s = v_fma(s, x2, v_set1(-1.0f / 42));
    s = v_fma(s, x2, v_set1(0.1f));
    s = v_fma(s, x2, v_set1(-1.0f / 3));
    s = v_fma(s, x2, one);
    const vf small = v_mul(v_mul(s, x), v_set1(1.12837917f));
    return v_select_lt(a, v_set1(0.5f), small, big);
}

SDRT_ALWAYS_INLINE vf v_gelu(vf x)
{
    const vf half = v_mul(x, v_set1(0.5f));
    return v_fma(half, v_erf(v_mul(x, v_set1(0.70710678f))), half);
}

/* 0.5 x (1 + tanh u) = x / (1 + exp(-2u)). */
SDRT_ALWAYS_INLINE vf v_gelu_tanh(vf x)
{
    const vf inner = v_fma(v_mul(v_mul(x, x), x), v_set1(0.044715f), x);
    const vf e = v_exp(v_mul(inner, v_set1(-2.0f * 0.79788456f)));
    return v_div(x, v_add(v_set1(1.0f), e));
}

SDRT_ALWAYS_INLINE vf v_act(vf x, enum sdrt_act act)
{
    switch (act) {
    case SDRT_ACT_SILU:       return v_silu(x);
    case SDRT_ACT_GELU:       return v_gelu(x);
    case SDRT_ACT_GELU_TANH:  return v_gelu_tanh(x);
    case SDRT_ACT_GELU_QUICK: return v_sigmoid_gate(x, 1.702f);
    case SDRT_ACT_NONE:       break;
    }
    return x;
}

#endif
