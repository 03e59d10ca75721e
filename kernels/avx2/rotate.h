/* SPDX-License-Identifier: MIT
 *
 * As avx512/rotate.h.
 */
#ifndef SDRT_KERNELS_AVX2_ROTATE_H
#define SDRT_KERNELS_AVX2_ROTATE_H

#include "kernels/avx2/vec.h"

SDRT_ALWAYS_INLINE vf rotate_step(vf sum, vf opposite)
{
    return v_fnma(v_set1(2.0f), opposite, sum);
}

SDRT_ALWAYS_INLINE vf rotate_quads(vf x)
{
    vf sum = v_add(x, _mm256_permute_ps(x, 0xb1));

    sum = v_add(sum, _mm256_permute_ps(sum, 0x4e));
    return rotate_step(sum, _mm256_permute_ps(x, 0x1b));
}

SDRT_ALWAYS_INLINE vf rotate_halves(vf x) { return _mm256_permute2f128_ps(x, x, 1); }

/* Of sixteen in two vectors, whose halves are x[0], x[1] and x[2], x[3] of the second step. */
SDRT_ALWAYS_INLINE void rotate_within(vf *v)
{
    const vf a = rotate_quads(v[0]), b = rotate_quads(v[1]), both = v_add(a, b);
    const vf sum = v_add(both, rotate_halves(both));

    v[0] = rotate_step(sum, rotate_halves(b));
    v[1] = rotate_step(sum, rotate_halves(a));
}

/* v[8]: in place. */
SDRT_ALWAYS_INLINE void v_rotate(vf *v)
{
    for (int i = 0; i < 8; i += 2) rotate_within(v + i);
    for (int i = 0; i < 2; i++) {
        const vf a = v[i], b = v[i + 2], c = v[i + 4], d = v[i + 6];
        const vf sum = v_add(v_add(a, b), v_add(c, d));
        v[i] = rotate_step(sum, d);
        v[i + 2] = rotate_step(sum, c);
        v[i + 4] = rotate_step(sum, b);
        v[i + 6] = rotate_step(sum, a);
    }
}

#endif
