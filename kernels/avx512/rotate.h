/* SPDX-License-Identifier: MIT
 *
 * 64 neighbours by the regular Hadamard matrix (kernels/pack.h), whose steps of four are
 * y[i] = sum - 2 x[3 - i].
 */
#ifndef SDRT_KERNELS_AVX512_ROTATE_H
#define SDRT_KERNELS_AVX512_ROTATE_H

#include "kernels/avx512/vec.h"

/* From a vector of sums and one of what lies opposite. */
SDRT_ALWAYS_INLINE vf rotate_step(vf sum, vf opposite)
{
    return v_fnma(v_set1(2.0f), opposite, sum);
}

/* Of the vector's sixteen. */
SDRT_ALWAYS_INLINE vf rotate_within(vf x)
{
    vf sum = v_add(x, _mm512_shuffle_ps(x, x, 0xb1));

    sum = v_add(sum, _mm512_shuffle_ps(sum, sum, 0x4e));
    x = rotate_step(sum, _mm512_shuffle_ps(x, x, 0x1b));
    sum = v_add(x, _mm512_shuffle_f32x4(x, x, 0xb1));
    sum = v_add(sum, _mm512_shuffle_f32x4(sum, sum, 0x4e));
    return rotate_step(sum, _mm512_shuffle_f32x4(x, x, 0x1b));
}

/* v[4]: in place. */
SDRT_ALWAYS_INLINE void v_rotate(vf *v)
{
    const vf a = rotate_within(v[0]), b = rotate_within(v[1]), c = rotate_within(v[2]),
             d = rotate_within(v[3]);
    const vf sum = v_add(v_add(a, b), v_add(c, d));

    v[0] = rotate_step(sum, d);
    v[1] = rotate_step(sum, c);
    v[2] = rotate_step(sum, b);
    v[3] = rotate_step(sum, a);
}

#endif
