/* SPDX-License-Identifier: MIT
 *
 * Functions of one vector.  Include a set's vec.h first.
 */
#ifndef SDRT_KERNELS_SIMD_MATH_H
#define SDRT_KERNELS_SIMD_MATH_H

#include "kernels/act.h"

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

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), which loses no digits left of 0, with
 * Phi(-a) = exp(-a^2 / 2) t q(t), t = 1 / (1 + 0.2316419 a), Abramowitz and Stegun 26.2.17,
 * q refitted to degree 7: 1e-6 relative for x > -4, 5e-6 for x > -9.  From 13 on Phi(-a)
 * is nothing; the bound comes first so that NaN passes and infinity gives no NaN. */
SDRT_ALWAYS_INLINE vf v_gelu(vf x)
{
    const vf a = v_min(v_set1(13.0f), v_abs(x)), one = v_set1(1.0f);
    const vf t = v_div(one, v_fma(v_set1(0.2316419f), a, one));
    vf q = v_set1(-0.0703434568f);
    q = v_fma(q, t, v_set1(0.246398274f));
    q = v_fma(q, t, v_set1(-0.197466986f));
    q = v_fma(q, t, v_set1(0.219193719f));
    q = v_fma(q, t, v_set1(0.0181711847f));
    q = v_fma(q, t, v_set1(0.100732242f));
    q = v_fma(q, t, v_set1(0.0908268727f));
    q = v_fma(q, t, v_set1(0.0924880556f));
    const vf e = v_exp2(v_mul(v_mul(a, a), v_set1(-0.72134752f)));
    return v_fnma(a, v_mul(v_mul(q, t), e), v_max(x, v_zero()));
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
