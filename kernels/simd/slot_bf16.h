/* SPDX-License-Identifier: MIT
 *
 * What sets whose slots are two bf16 share.  Their slot.h includes it last, with pair_bf16() (16 or
 * 32 values to slots), slots_load() and slots_copy() of their own.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_BF16_H
#define SDRT_KERNELS_SIMD_SLOT_BF16_H

#include "kernels/pack.h"

#include <stdint.h>
#include <string.h>

/* To 8e-5, where rounding to bf16 comes to 2e-3. */
SDRT_ALWAYS_INLINE vf slots_exp2(vf x)
{
    x = v_max(x, v_set1(-126.0f));
    const vf k = v_round(x), r = v_sub(x, k);
    vf p = v_set1(5.517149397601918e-2f);
    p = v_fma(p, r, v_set1(2.426109383663306e-1f));
    p = v_fma(p, r, v_set1(6.932609937847314e-1f));
    p = v_fma(p, r, v_set1(9.999280848578576e-1f));
    return v_scale2(p, k);
}

SDRT_ALWAYS_INLINE void slots_store_2(float *p, int i, vf x, vf y)
{
    v_store(p + i / 2, pair_bf16(x, y));
}

SDRT_ALWAYS_INLINE void slots_clear(float *p, int i, int end)
{
    memset((char *)p + 2 * i, 0, 2 * (size_t)(end - i));
}

/* The panels' functions move values of 32 bits without looking into them. */
SDRT_ALWAYS_INLINE struct sdrt_weight_shape slots_weight(const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_shape s = *w;

    s.k = (w->k + 1) / 2;
    s.stored = SDRT_F32;
    return s;
}

/* One row of n values of type from to bf16, with a zero behind an odd last one. */
static void slots_narrow(const char *src, enum sdrt_dtype from, int n, uint16_t *to)
{
    enum { SOME = 256 };
    const size_t size = sdrt_dtype_size(from);
    float values[SOME];

    for (int i = 0; i < n; i += SOME) {
        const int some = n - i < SOME ? n - i : SOME;
        sdrt_to_f32(src + (size_t)i * size, from, values, (size_t)some);
        slots_copy((float *)(void *)(to + i), values, some, values);
    }
}

enum { SLOTS_BUFFER = 7680 }; /* of rows that are converted together; it lies on the stack */

/* Whether the level has products for it: bf16, and a row at a time can be converted. */
static inline int slots_fit(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_BF16 && w->k <= SLOT * SLOTS_BUFFER;
}

static inline int slots_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                             int row0, int count, const void *src, enum sdrt_dtype from, void *dst)
{
    const struct sdrt_weight_shape slots = slots_weight(w);
    const size_t row = (size_t)w->k * sdrt_dtype_size(from);
    const int most = SLOTS_BUFFER / slots.k;
    float buffer[SLOTS_BUFFER];
    int status = 0;

    if (!sdrt_is_float(from)) return -1;
    if (from == SDRT_BF16 && w->k % 2 == 0)
        return sdrt_panel_pack(l, &slots, row0, count, src, SDRT_F32, dst);
    for (int i = 0, n; i < count && status == 0; i += n) {
        n = count - i < most ? count - i : most;
        for (int r = 0; r < n; r++)
            slots_narrow((const char *)src + (size_t)(i + r) * row, from, w->k,
                         (uint16_t *)(void *)(buffer + (size_t)r * (size_t)slots.k));
        status = sdrt_panel_pack(l, &slots, row0 + i, n, buffer, SDRT_F32, dst);
    }
    return status;
}

#endif
