/* SPDX-License-Identifier: MIT
 *
 * A slot of two bf16, neighbours in k, the first one in the lower half: what BFDOT multiplies.
 * Include kernels/simd/slot.h.
 */
#ifndef SDRT_KERNELS_NEONBF16_SLOT_H
#define SDRT_KERNELS_NEONBF16_SLOT_H

#include "kernels/dtype.h"
#include "kernels/neonbf16/narrow.h"

enum { SLOT = 2, SLOT_FLOATS = 1, ABREAST = 1 };
static const enum sdrt_dtype SLOT_TYPE = SDRT_F32;

SDRT_ALWAYS_INLINE vf slots_interleave(vf x, vf y)
{
    const uint16x8_t a = vreinterpretq_u16_bf16(v_narrow(x));
    const uint16x8_t b = vreinterpretq_u16_bf16(v_narrow(y));

    return v_pair(vreinterpretq_f32_u16(vzip1q_u16(a, b)), vreinterpretq_f32_u16(vzip2q_u16(a, b)));
}

SDRT_ALWAYS_INLINE vf v_product(vf x, vf w, vf acc)
{
    return v_pair(vbfdotq_f32(acc.lo, vreinterpretq_bf16_f32(w.lo), vreinterpretq_bf16_f32(x.lo)),
                  vbfdotq_f32(acc.hi, vreinterpretq_bf16_f32(w.hi), vreinterpretq_bf16_f32(x.hi)));
}

SDRT_ALWAYS_INLINE void slots_store(float *p, int i, vf x)
{
    vst1q_f32(p + i / 2, vreinterpretq_f32_bf16(v_narrow(x)));
}

/* The first slots of x, 0 < n <= VL. */
SDRT_ALWAYS_INLINE void slots_store_first(float *p, vf x, int n)
{
    if (n >= VL) v_store(p, x);
    else v_store_n(p, x, n);
}

SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    int i = 0;

    for (; i + 2 * VL <= n; i += 2 * VL) {
        __builtin_prefetch(ahead + i);
        v_store(to + i / 2, pair_bf16(v_load(from + i), v_load(from + i + VL)));
    }
    if (i < n) slots_store_first(to + i / 2, slots_load(from + i, n - i), (n - i + 1) / 2);
}

SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    const uint16_t *h = from;
    int i = 0;

    for (; i + 2 * VL <= n; i += 2 * VL) {
        __builtin_prefetch((const uint16_t *)ahead + i);
        v_store(to + i / 2, v_load((const float *)(const void *)(h + i)));
    }
    if (i < n) slots_store_first(to + i / 2, slots_load_bf16(h + i, n - i), (n - i + 1) / 2);
}

#include "kernels/simd/slot_bf16.h"

#endif
