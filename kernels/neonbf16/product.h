/* SPDX-License-Identifier: MIT
 *
 * The inner loop of all products, by BFDOT with an element: four slots of each row come in one load.
 */
#ifndef SDRT_KERNELS_NEONBF16_PRODUCT_H
#define SDRT_KERNELS_NEONBF16_PRODUCT_H

#include "kernels/neonbf16/slot.h"

#include <stddef.h>

/* acc + the two products of w and x[lane]; lane is a constant in each call. */
SDRT_ALWAYS_INLINE float32x4_t v_by_lane(float32x4_t acc, float32x4_t w, float32x4_t x,
                                         const int lane)
{
    switch (lane) {
    case 0: return vbfdotq_laneq_f32(acc, vreinterpretq_bf16_f32(w), vreinterpretq_bf16_f32(x), 0);
    case 1: return vbfdotq_laneq_f32(acc, vreinterpretq_bf16_f32(w), vreinterpretq_bf16_f32(x), 1);
    case 2: return vbfdotq_laneq_f32(acc, vreinterpretq_bf16_f32(w), vreinterpretq_bf16_f32(x), 2);
    default: return vbfdotq_laneq_f32(acc, vreinterpretq_bf16_f32(w), vreinterpretq_bf16_f32(x), 3);
    }
}

SDRT_ALWAYS_INLINE vf v_by_all(vf x, vf w, vf acc) { return v_product(x, w, acc); }

#include "kernels/neon/product_sum.h"

#endif
