/* SPDX-License-Identifier: MIT
 *
 * From f32 to 16-bit integers times a unit.  Include after a level's vectors of integers
 * (kernels/avx512vnni/int16.h).
 */
#ifndef SDRT_KERNELS_SIMD_INT16_H
#define SDRT_KERNELS_SIMD_INT16_H

#include <stdint.h>

/* What brings values to most, a whole number, of which the largest has these bits (vi_magnitude());
 * *unit is what one is worth then.  Values that are not finite stay so: no integer is, but the unit. */
SDRT_ALWAYS_INLINE float int16_times(int32_t bits, float most, float *unit)
{
    const union { int32_t bits; float value; } largest = { bits };
    const float least = 1e-37f; /* its inverse is still finite */

    *unit = largest.value / most;
    return *unit > least && bits < 0x7f800000 ? most / largest.value : 0.0f;
}

#endif
