/* SPDX-License-Identifier: MIT
 *
 * From f32 to integers times a unit.  Include after a level's vectors of integers
 * (kernels/avx512vnni/int16.h).
 */
#ifndef SDRT_KERNELS_SIMD_INT16_H
#define SDRT_KERNELS_SIMD_INT16_H

#include "kernels/simd/unit.h"

#include <stdint.h>

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
