/* SPDX-License-Identifier: MIT
 *
 * From f32 to integers times a unit.  Include after a level's vectors of integers
 * (kernels/avx512vnni/int16.h).
 */
#ifndef SDRT_KERNELS_SIMD_INT16_H
#define SDRT_KERNELS_SIMD_INT16_H

#include <stdint.h>

/* What brings values to most, a whole number, of which the largest has these bits (vi_magnitude());
 * *unit is what one is worth then.  Values that are not finite stay so: no integer is, but the unit. */
SDRT_ALWAYS_INLINE float integer_times(int32_t bits, float most, float *unit)
{
    const union { int32_t bits; float value; } largest = { bits };
    const float least = 1e-37f; /* its inverse is still finite */

    *unit = largest.value / most;
    return *unit > least && bits < 0x7f800000 ? most / largest.value : 0.0f;
}

/* The bits of the largest magnitude of n floats, those ahead being asked for meanwhile. */
SDRT_ALWAYS_INLINE int32_t integer_largest(const float *p, int n, const float *ahead)
{
    vi most = vi_zero();
    int i = 0;

    for (; i + VL <= n; i += VL) {
        __builtin_prefetch(ahead + i);
        most = vi_max(most, vi_magnitude(v_load(p + i)));
    }
    if (i < n) most = vi_max(most, vi_magnitude(v_load_n(p + i, n - i)));
    return vi_hmax(most);
}

#endif
