/* SPDX-License-Identifier: MIT
 *
 * What one of a row's integers is worth.
 */
#ifndef SDRT_KERNELS_SIMD_UNIT_H
#define SDRT_KERNELS_SIMD_UNIT_H

#include <stdint.h>

/* What brings values to most, a whole number, of which the largest has the bits of this magnitude;
 * *unit is what one is worth then.  Values that are not finite stay so: no integer is, but the unit. */
static inline float integer_times(int32_t bits, float most, float *unit)
{
    const union {
        int32_t bits;
        float value;
    } largest = { bits };
    const float least = 1e-37f; /* its inverse is still finite */

    *unit = largest.value / most;
    return *unit > least && bits < 0x7f800000 ? most / largest.value : 0.0f;
}

#endif
