/* SPDX-License-Identifier: MIT
 *
 * What sets whose slots are bf16 share.  Their slot.h includes it last, with pair_bf16() (16 or
 * 32 values to slots), load_first(), slots_load() and slots_copy() of their own.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_BF16_H
#define SDRT_KERNELS_SIMD_SLOT_BF16_H

#include "kernels/pack.h"
#include "kernels/simd/narrow.h"

#include <stdint.h>
#include <string.h>

#ifndef SDRT_OWN_SCALE2
SDRT_ALWAYS_INLINE vf slots_scale2(vf p, vf k) { return v_scale2(p, k); }
#endif

SDRT_ALWAYS_INLINE enum sdrt_dtype slots_stored(void) { return SDRT_BF16; }

/* To 8e-5, where rounding to bf16 comes to 2e-3. */
SDRT_ALWAYS_INLINE vf slots_exp2(vf x)
{
    x = v_max(x, v_set1(-126.0f));
    const vf k = v_round(x), r = v_sub(x, k);
    vf p = v_set1(5.517149397601918e-2f);
    p = v_fma(p, r, v_set1(2.426109383663306e-1f));
    p = v_fma(p, r, v_set1(6.932609937847314e-1f));
    p = v_fma(p, r, v_set1(9.999280848578576e-1f));
    return slots_scale2(p, k);
}

#ifndef SDRT_SLOTS_ABREAST
SDRT_ALWAYS_INLINE void slots_store_2(float *p, int i, vf x, vf y)
{
    v_store(p + i / 2, pair_bf16(x, y));
}

SDRT_ALWAYS_INLINE void slots_clear(float *p, int i, int end)
{
    memset((char *)p + 2 * i, 0, 2 * (size_t)(end - i));
}
#endif

/* The panels' functions move values of a slot's size without looking into them. */
SDRT_ALWAYS_INLINE struct sdrt_weight_shape slots_weight(const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_shape s = *w;

    s.k = (w->k + SLOT - 1) / SLOT;
    s.stored = SLOT_TYPE;
    return s;
}

/* A weight's taps, where the set has products for more than one. */
SDRT_ALWAYS_INLINE int slots_taps(const struct sdrt_weight_shape *w)
{
    return ABREAST > 1 ? w->taps : 1;
}

/* One row of n values of type from to bf16, with zeros behind the last up to a whole slot. */
static void slots_narrow(const char *src, enum sdrt_dtype from, int n, uint16_t *to)
{
    enum { SOME = 256 };
    const size_t size = sdrt_dtype_size(from);
    float values[SOME];

    for (int i = 0; i < n; i += SOME) {
        const int some = n - i < SOME ? n - i : SOME;
        sdrt_to_f32(src + (size_t)i * size, from, values, (size_t)some);
        if (ABREAST == 1) {
            slots_copy((float *)(void *)(to + i), values, some, values);
            continue;
        }
        for (int j = 0; j < some; j += VL)
            narrow_store(to, 1, (size_t)(i + j), load_first(values + j, some - j), some - j);
    }
    for (int i = n; ABREAST > 1 && i % SLOT; i++) to[i] = 0;
}

enum { SLOTS_BUFFER = 7680 }; /* of rows that are converted together; it lies on the stack */

/* Whether the level has products for it: bf16, and a row at a time can be converted. */
static inline int slots_fit(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_BF16 && w->k <= SLOT * (SLOTS_BUFFER / SLOT_FLOATS);
}

/* Slots of one row of several taps, [k][taps] of type from, to their places: those of slot c and
 * tap t are values SLOT * c .. SLOT * c + SLOT - 1 of that tap. */
static inline void slots_pack_row(const struct sdrt_panel_layout *l,
                                  const struct sdrt_weight_shape *slots, int row, int k,
                                  const char *src, enum sdrt_dtype from, char *dst)
{
    enum { MOST = 9 };
    const size_t bytes = SLOT * sizeof(uint16_t), lane = (size_t)(row % l->panel) * bytes;
    const int taps = slots->taps;

    for (int c = 0; c < slots->k; c++) {
        const int chunk = c / l->chunk, left = slots->k - chunk * l->chunk;
        const int channels = left < l->chunk ? left : l->chunk, n = k - SLOT * c;
        char *to = dst + sdrt_panel_offset(l, slots, row / l->panel, chunk) + lane +
                   (size_t)(c % l->chunk) * (size_t)l->panel * bytes;
        uint16_t values[SLOT * MOST] = { 0 };
        slots_narrow(src + (size_t)(SLOT * c * taps) * sdrt_dtype_size(from), from,
                     (n < SLOT ? n : SLOT) * taps, values);
        for (int t = 0; t < taps; t++) {
            uint16_t slot[SLOT];
            for (int i = 0; i < SLOT; i++) slot[i] = values[i * taps + t];
            memcpy(to + (size_t)(t * channels) * (size_t)l->panel * bytes, slot, bytes);
        }
    }
}

static inline int slots_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                             int row0, int count, const void *src, enum sdrt_dtype from, void *dst)
{
    const struct sdrt_weight_shape slots = slots_weight(w);
    const size_t row = (size_t)(w->k * slots_taps(w)) * sdrt_dtype_size(from);
    const int most = SLOTS_BUFFER / SLOT_FLOATS / slots.k;
    float buffer[SLOTS_BUFFER];
    int status = 0;

    if (!sdrt_is_float(from)) return -1;
    if (slots_taps(w) > 1) {
        for (int i = 0; i < count; i++)
            slots_pack_row(l, &slots, row0 + i, w->k, (const char *)src + (size_t)i * row, from,
                           dst);
        return 0;
    }
    if (from == SDRT_BF16 && w->k % SLOT == 0)
        return sdrt_panel_pack(l, &slots, row0, count, src, SLOT_TYPE, dst);
    for (int i = 0, n; i < count && status == 0; i += n) {
        n = count - i < most ? count - i : most;
        for (int r = 0; r < n; r++)
            slots_narrow((const char *)src + (size_t)(i + r) * row, from, w->k,
                         (uint16_t *)(void *)(buffer + (size_t)(r * slots.k) * SLOT_FLOATS));
        status = sdrt_panel_pack(l, &slots, row0 + i, n, buffer, SLOT_TYPE, dst);
    }
    return status;
}

#endif
