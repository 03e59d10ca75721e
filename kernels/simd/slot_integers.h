/* SPDX-License-Identifier: MIT
 *
 * What slots of integers share, whose rows and weights have units (slot_int16.h, slot_int8.h).
 * Before it: enum { SLOT }, SDRT_SLOT_UNITS, slot_value, a slot's integer as it is packed; the header
 * that includes it defines slots_narrow().
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_INTEGERS_H
#define SDRT_KERNELS_SIMD_SLOT_INTEGERS_H

#include "kernels/pack.h"
#include "kernels/simd/int16.h"
#include "kernels/simd/slot_units.h"

/* As large as a slot. */
static const enum sdrt_dtype SLOT_TYPE = SDRT_F32;

SDRT_ALWAYS_INLINE int slots_of(int n) { return (n + SLOT - 1) / SLOT; }

/* Activations are f32 in memory. */
SDRT_ALWAYS_INLINE enum sdrt_dtype slots_stored(void) { return SDRT_F32; }

/* Never called here. */
SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    (void)to, (void)from, (void)n, (void)ahead;
}

/* The panels' functions move slots without looking into them. */
SDRT_ALWAYS_INLINE struct sdrt_weight_shape slots_weight(const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_shape s = *w;

    s.k = slots_of(w->k);
    s.stored = SDRT_F32;
    return s;
}

enum { SLOTS_BUFFER = 6144 }; /* of rows that are converted together; it lies on the stack */

/* Whether a row at a time can be converted. */
static inline int slots_fit(const struct sdrt_weight_shape *w)
{
    return slots_of(w->k) * w->taps <= SLOTS_BUFFER;
}

/* A row that is packed. */
struct slot_source {
    const struct sdrt_weight_shape *w;
    const struct sdrt_panel_layout *l;
    const char *p;
    enum sdrt_dtype from;
};

/* The values of n slots, [SLOT n][taps], with zeros behind the row's last one; how many. */
static int slots_values(const struct slot_source *s, int first, int n, float *values)
{
    const int taps = s->w->taps, all = SLOT * n * taps, left = (s->w->k - SLOT * first) * taps;
    const int some = all < left ? all : left;

    sdrt_to_f32(s->p + (size_t)(SLOT * first * taps) * sdrt_dtype_size(s->from), s->from, values,
                (size_t)some);
    for (int i = some; i < all; i++) values[i] = 0.0f;
    return all;
}

/* All slots of a row, [slot][taps]; returns what its integers are worth. */
static float slots_narrow(const struct slot_source *s, slot_value *to);

static inline int slots_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                             int row0, int count, const void *src, enum sdrt_dtype from, void *dst)
{
    const struct sdrt_weight_shape slots = slots_weight(w);
    const int row = slots.k * w->taps, most = SLOTS_BUFFER / row;
    const size_t bytes = (size_t)w->k * (size_t)w->taps * sdrt_dtype_size(from);
    slot_value buffer[SLOT * SLOTS_BUFFER];
    float *const units = dst;
    int status = 0;

    if (!sdrt_is_float(from)) return -1;
    for (int i = 0, n; i < count && status == 0; i += n) {
        n = count - i < most ? count - i : most;
        for (int r = 0; r < n; r++) {
            const struct slot_source s = { .w = w,
                                           .l = l,
                                           .from = from,
                                           .p = (const char *)src + (size_t)(i + r) * bytes };
            units[slots_column(w, row0 + i + r)] = slots_narrow(&s, buffer + SLOT * r * row);
        }
        status = sdrt_panel_pack(l, &slots, row0 + i, n, buffer, SLOT_TYPE,
                                 (char *)dst + slots_front(w));
    }
    return status;
}

#endif
