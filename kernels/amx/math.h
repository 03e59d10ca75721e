/* SPDX-License-Identifier: MIT
 *
 * SiLU without a division, which keeps a vector port busy for as long as a product keeps the
 * tiles: one step of Newton's method from 14 bits of a reciprocal.
 */
#ifndef SDRT_KERNELS_AMX_MATH_H
#define SDRT_KERNELS_AMX_MATH_H

#include "kernels/amx/tile.h"
#include "kernels/simd/math.h"

/* 1 / x to 2^-27, for 2^-126 <= x <= 2^126. */
SDRT_ALWAYS_INLINE vf reciprocal(vf x)
{
    const vf r = _mm512_rcp14_ps(x);

    return v_mul(r, v_fnma(x, r, v_set1(2.0f)));
}

/* x / (1 + exp(-x)), to 4e-7 of it; where that is below 2^-126, 0 to within 2^-119. */
SDRT_ALWAYS_INLINE vf silu_by_reciprocal(vf x)
{
    const vf e = v_exp2(v_min(v_set1(126.0f), v_mul(x, v_set1(-1.44269504f))));

    return v_mul(x, reciprocal(v_add(v_set1(1.0f), e)));
}

#endif
