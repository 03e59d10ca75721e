/* SPDX-License-Identifier: MIT
 *
 * The inner loop of all products, by BFMMLA: of a pair of rows, one load has a slot of each; of a
 * panel, one load has a slot of two columns.  Sums are 2 x 2 blocks, [row][column], until
 * product_turn(): of four columns, the block of the first two is where the even row's sums will be,
 * that of the others where the odd row's will.
 */
#ifndef SDRT_KERNELS_NEONMMLA_PRODUCT_H
#define SDRT_KERNELS_NEONMMLA_PRODUCT_H

#include "kernels/neonmmla/slot.h"

#include <stddef.h>

#define SDRT_PRODUCT_TURN

SDRT_ALWAYS_INLINE float32x4_t v_block(float32x4_t acc, float32x4_t rows, float32x4_t columns)
{
    return vbfmmlaq_f32(acc, vreinterpretq_bf16_f32(rows), vreinterpretq_bf16_f32(columns));
}

/* Rows of sums to blocks, and back: the halves of two registers change places. */
SDRT_ALWAYS_INLINE void product_turn(const int mr, const int nv, const int ld, vf *acc)
{
    SDRT_UNROLL(6)
    for (int i = 0; i < mr; i += 2) {
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) {
            const vf x = acc[i * ld + j], y = acc[(i + 1) * ld + j];
            acc[i * ld + j] = v_pair(v_lower_halves(x.lo, y.lo), v_lower_halves(x.hi, y.hi));
            acc[(i + 1) * ld + j] = v_pair(v_upper_halves(x.lo, y.lo), v_upper_halves(x.hi, y.hi));
        }
    }
}

/* acc += the sums over k slots, as blocks, for mr rows, an even number, and nv vectors, the rows of
 * acc ld vectors apart; row[i] of an even i is the pair's. */
SDRT_ALWAYS_INLINE void product_sum(const int mr, const int nv, const int ld, vf *acc,
                                    const float *a, const ptrdiff_t *row, int k, const float *w)
{
    enum { STEP = SLOT_FLOATS * ABREAST };

    for (const float *const end = a + (ptrdiff_t)STEP * k; a < end;
         a += STEP, w += SLOT_FLOATS * nv * VL) {
        float32x4_t x[3];
        SDRT_UNROLL(3)
        for (int i = 0; i < mr / 2; i++) x[i] = vld1q_f32(a + row[2 * i]);
        SDRT_UNROLL(3)
        for (int j = 0; j < nv; j++) {
            const float *const p = w + SLOT_FLOATS * j * VL;
            const float32x4_t b0 = vld1q_f32(p), b1 = vld1q_f32(p + 4);
            const float32x4_t b2 = vld1q_f32(p + 8), b3 = vld1q_f32(p + 12);
            SDRT_UNROLL(3)
            for (int i = 0; i < mr / 2; i++) {
                vf *const even = acc + 2 * i * ld + j, *const odd = even + ld;
                even->lo = v_block(even->lo, x[i], b0);
                odd->lo = v_block(odd->lo, x[i], b1);
                even->hi = v_block(even->hi, x[i], b2);
                odd->hi = v_block(odd->hi, x[i], b3);
            }
        }
    }
}

#endif
