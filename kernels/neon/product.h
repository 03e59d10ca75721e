/* SPDX-License-Identifier: MIT
 *
 * The inner loop of all products, by FMLA with an element: four values of k of each row come in one
 * load and are multiplied from their lanes, where a broadcast (LD1R) would cost Arm's own cores a
 * vector operation each.
 */
#ifndef SDRT_KERNELS_NEON_PRODUCT_H
#define SDRT_KERNELS_NEON_PRODUCT_H

#include "kernels/neon/vec.h"

#include <stddef.h>

/* acc + w * x[lane]; lane is a constant in each call. */
SDRT_ALWAYS_INLINE float32x4_t v_by_lane(float32x4_t acc, float32x4_t w, float32x4_t x,
                                         const int lane)
{
    switch (lane) {
    case 0: return vfmaq_laneq_f32(acc, w, x, 0);
    case 1: return vfmaq_laneq_f32(acc, w, x, 1);
    case 2: return vfmaq_laneq_f32(acc, w, x, 2);
    default: return vfmaq_laneq_f32(acc, w, x, 3);
    }
}

SDRT_ALWAYS_INLINE vf v_by_all(vf x, vf w, vf acc) { return v_fma(x, w, acc); }

#include "kernels/neon/product_sum.h"

#endif
