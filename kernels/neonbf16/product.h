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

/* As in kernels/neon/product.h, with k in slots. */
SDRT_ALWAYS_INLINE void product_sum(const int mr, const int nv, const int ld, vf *acc,
                                    const float *a, const ptrdiff_t *row, int k, const float *w)
{
    const float *const end = a + k;

    for (; a + 4 <= end; a += 4, w += 4 * nv * VL) {
        float32x4_t x[6];
        SDRT_UNROLL(6)
        for (int i = 0; i < mr; i++) x[i] = vld1q_f32(a + row[i]);
        SDRT_UNROLL(4)
        for (int lane = 0; lane < 4; lane++) {
            SDRT_UNROLL(3)
            for (int j = 0; j < nv; j++) {
                const float *const p = w + (lane * nv + j) * VL;
                const float32x4_t lo = vld1q_f32(p), hi = vld1q_f32(p + 4);
                SDRT_UNROLL(6)
                for (int i = 0; i < mr; i++)
                    acc[i * ld + j].lo = v_by_lane(acc[i * ld + j].lo, lo, x[i], lane);
                SDRT_UNROLL(6)
                for (int i = 0; i < mr; i++)
                    acc[i * ld + j].hi = v_by_lane(acc[i * ld + j].hi, hi, x[i], lane);
            }
        }
    }
    for (; a < end; a++, w += nv * VL) {
        vf b[3];
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) b[j] = v_load(w + j * VL);
        SDRT_UNROLL(6)
        for (int i = 0; i < mr; i++) {
            const vf x = v_bcast(a + row[i]);
            SDRT_UNROLL(3)
            for (int j = 0; j < nv; j++) acc[i * ld + j] = v_product(x, b[j], acc[i * ld + j]);
        }
    }
}

#endif
