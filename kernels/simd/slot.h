/* SPDX-License-Identifier: MIT
 *
 * What a product takes of each operand in one lane of 32 bits, a slot: one f32 here.  A set whose
 * instructions multiply narrower values, several to a lane, defines SDRT_SLOT_HEADER, which
 * gives the same names (kernels/avx512bf16/slot.h).  Rows of operands are rows of slots; lengths
 * and offsets in k count slots, and only what reads a family's f32 arguments counts values.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_H
#define SDRT_KERNELS_SIMD_SLOT_H

#include "kernels/pack.h"
#include "kernels/simd/math.h"

#ifdef SDRT_SLOT_HEADER
#include SDRT_SLOT_HEADER
#else

enum { SLOT = 1 }; /* values in one */

/* acc + the sum over a slot's values of x * w. */
SDRT_ALWAYS_INLINE vf v_product(vf x, vf w, vf acc) { return v_fma(x, w, acc); }

/* VL slots from the n > 0 values at p, zeros behind the last. */
SDRT_ALWAYS_INLINE vf slots_load(const float *p, int n)
{
    return n >= VL ? v_load(p) : v_load_n(p, n);
}

/* 2^x, as v_exp2(), to the digits that a slot keeps. */
SDRT_ALWAYS_INLINE vf slots_exp2(vf x) { return v_exp2(x); }

/* Of two neighbours in k that lie in one lane each, the slots; never called here. */
SDRT_ALWAYS_INLINE vf slots_interleave(vf x, vf y) { (void)y; return x; }

/* Values i .. i+2*VL-1, or i .. i+VL-1, of the row of slots at p. */
SDRT_ALWAYS_INLINE void slots_store_2(float *p, int i, vf x, vf y)
{
    v_store(p + i, x);
    v_store(p + i + VL, y);
}
SDRT_ALWAYS_INLINE void slots_store(float *p, int i, vf x) { v_store(p + i, x); }

/* Values i .. end-1 become 0. */
SDRT_ALWAYS_INLINE void slots_clear(float *p, int i, int end)
{
    for (; i < end; i++) p[i] = 0.0f;
}

/* n values at from to slots; those at ahead, of another row, are asked for meanwhile. */
SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    int i = 0;

    for (; i + 16 <= n; i += 16) {
        __builtin_prefetch(ahead + i);
        for (int j = 0; j < 16; j += VL) v_store(to + i + j, v_load(from + i + j));
    }
    for (; i < n; i++) to[i] = from[i];
}

/* The same for bf16 in slots of that type; never called here. */
SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    (void)to, (void)from, (void)n, (void)ahead;
}

/* As slots_load() for n bf16 at p; never called here. */
SDRT_ALWAYS_INLINE vf slots_load_bf16(const void *p, int n) { (void)p, (void)n; return v_zero(); }

/* The shape of a weight whose k counts slots. */
SDRT_ALWAYS_INLINE struct sdrt_weight_shape slots_weight(const struct sdrt_weight_shape *w)
{
    return *w;
}

/* As sdrt_panel_pack(); the layout's chunk counts slots. */
static inline int slots_pack(const struct sdrt_panel_layout *l,
                             const struct sdrt_weight_shape *w, int row0, int count,
                             const void *src, enum sdrt_dtype from, void *dst)
{
    return sdrt_panel_pack(l, w, row0, count, src, from, dst);
}

#endif

/* The slots that n values take. */
SDRT_ALWAYS_INLINE int slots_of(int n) { return (n + SLOT - 1) / SLOT; }

#endif
