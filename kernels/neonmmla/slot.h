/* SPDX-License-Identifier: MIT
 *
 * A slot of four bf16, neighbours in k, of rows in pairs: BFMMLA multiplies a register of two rows'
 * slots by one of two columns', and adds to 2 x 2 sums.  A pair of rows lies [k / 4][2][4], a panel
 * [k / 4][column][4].  Include kernels/simd/slot.h.
 */
#ifndef SDRT_KERNELS_NEONMMLA_SLOT_H
#define SDRT_KERNELS_NEONMMLA_SLOT_H

#include "kernels/dtype.h"
#include "kernels/neonbf16/narrow.h"

enum { SLOT = 4, SLOT_FLOATS = 2, ABREAST = 2 };
static const enum sdrt_dtype SLOT_TYPE = SDRT_F64;
#define SDRT_SLOTS_ABREAST

/* Floats to value i of a row, where a slot begins. */
SDRT_ALWAYS_INLINE int slots_at(int i) { return i / SLOT * SLOT_FLOATS * ABREAST; }

/* The first n slots of x, all four where n >= 4, into a row. */
SDRT_ALWAYS_INLINE void slots_put(float *p, vf x, int n)
{
    if (n > 0) vst1_f32(p, vget_low_f32(x.lo));
    if (n > 1) vst1_f32(p + 4, vget_high_f32(x.lo));
    if (n > 2) vst1_f32(p + 8, vget_low_f32(x.hi));
    if (n > 3) vst1_f32(p + 12, vget_high_f32(x.hi));
}

/* Two registers by their halves. */
SDRT_ALWAYS_INLINE float32x4_t v_lower_halves(float32x4_t a, float32x4_t b)
{
    return vreinterpretq_f32_f64(vzip1q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
}
SDRT_ALWAYS_INLINE float32x4_t v_upper_halves(float32x4_t a, float32x4_t b)
{
    return vreinterpretq_f32_f64(vzip2q_f64(vreinterpretq_f64_f32(a), vreinterpretq_f64_f32(b)));
}

SDRT_ALWAYS_INLINE vf slots_interleave(vf x, vf y)
{
    (void)y;
    return x;
} /* never called */

/* Of four neighbours in k, the slots of VL columns. */
SDRT_ALWAYS_INLINE void slots_interleave_4(float *p, vf w, vf x, vf y, vf z)
{
    const uint16x8_t a = vreinterpretq_u16_bf16(v_narrow(w));
    const uint16x8_t b = vreinterpretq_u16_bf16(v_narrow(x));
    const uint16x8_t c = vreinterpretq_u16_bf16(v_narrow(y));
    const uint16x8_t d = vreinterpretq_u16_bf16(v_narrow(z));
    const uint16x8_t ac = vzip1q_u16(a, c), bd = vzip1q_u16(b, d);
    const uint16x8_t ac2 = vzip2q_u16(a, c), bd2 = vzip2q_u16(b, d);

    v_store(p, v_pair(vreinterpretq_f32_u16(vzip1q_u16(ac, bd)),
                      vreinterpretq_f32_u16(vzip2q_u16(ac, bd))));
    v_store(p + VL, v_pair(vreinterpretq_f32_u16(vzip1q_u16(ac2, bd2)),
                           vreinterpretq_f32_u16(vzip2q_u16(ac2, bd2))));
}

/* Two vectors for each of the four slots. */
SDRT_ALWAYS_INLINE void slots_transpose(vf r[VL])
{
    vf t[VL];

    SDRT_UNROLL(2)
    for (int i = 0; i < 2; i++) {
        const vf *const q = r + 4 * i;
        t[i] = v_pair(v_lower_halves(q[0].lo, q[1].lo), v_lower_halves(q[2].lo, q[3].lo));
        t[2 + i] = v_pair(v_upper_halves(q[0].lo, q[1].lo), v_upper_halves(q[2].lo, q[3].lo));
        t[4 + i] = v_pair(v_lower_halves(q[0].hi, q[1].hi), v_lower_halves(q[2].hi, q[3].hi));
        t[6 + i] = v_pair(v_upper_halves(q[0].hi, q[1].hi), v_upper_halves(q[2].hi, q[3].hi));
    }
    SDRT_UNROLL(8)
    for (int i = 0; i < VL; i++) r[i] = t[i];
}

/* Two slots.  Each has a conversion of its own, whose result need not be taken apart. */
SDRT_ALWAYS_INLINE void slots_store(float *p, int i, vf x)
{
    vst1_bf16((bfloat16_t *)(void *)(p + slots_at(i)), vcvt_bf16_f32(x.lo));
    vst1_bf16((bfloat16_t *)(void *)(p + slots_at(i + SLOT)), vcvt_bf16_f32(x.hi));
}

SDRT_ALWAYS_INLINE void slots_store_2(float *p, int i, vf x, vf y)
{
    slots_store(p, i, x);
    slots_store(p, i + VL, y);
}

SDRT_ALWAYS_INLINE void slots_clear(float *p, int i, int end)
{
    for (; i < end; i++) memset((uint16_t *)(void *)(p + slots_at(i)) + i % SLOT, 0, 2);
}

SDRT_ALWAYS_INLINE void slots_zero(float *p, int k)
{
    for (int i = 0; i < k; i++) vst1_f32(p + slots_at(SLOT * i), vdup_n_f32(0.0f));
}

SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    int i = 0;

    for (; i + 2 * VL <= n; i += 2 * VL) {
        __builtin_prefetch(ahead + i);
        slots_store_2(to, i, v_load(from + i), v_load(from + i + VL));
    }
    if (i < n) slots_put(to + i, slots_load(from + i, n - i), (n - i + 3) / 4);
}

SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    const uint16_t *h = from;
    int i = 0;

    for (; i + 2 * VL <= n; i += 2 * VL) {
        __builtin_prefetch((const uint16_t *)ahead + i);
        for (int j = 0; j < 2 * VL; j += SLOT) memcpy(to + i + j, h + i + j, SLOT * sizeof *h);
    }
    if (i < n) slots_put(to + i, slots_load_bf16(h + i, n - i), (n - i + 3) / 4);
}

#include "kernels/simd/slot_bf16.h"

#endif
