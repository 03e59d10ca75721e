/* SPDX-License-Identifier: MIT
 *
 * What a product takes of each operand at once, a slot: one f32 here.  A set whose instructions
 * multiply narrower values, several of a row together, defines SDRT_SLOT_HEADER, which gives the
 * same names (kernels/avx512bf16/slot.h).  Rows of operands are rows of slots; lengths in k count
 * slots, and only what reads a family's arguments counts values.
 *
 * Products of whole blocks (kernels/neonmmla/) want the slots of two rows of a in turns: ABREAST
 * rows of a copy, which begins with an even one, lie side by side, slot by slot; an odd last row
 * has a neighbour that is computed and never used.  A tile's heights are then multiples of ABREAST.
 * Such a set defines SDRT_SLOTS_ABREAST and has functions of its own for what rows alone share
 * below.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_H
#define SDRT_KERNELS_SIMD_SLOT_H

#include "kernels/pack.h"
#include "kernels/simd/math.h"

#include <string.h>

#ifdef SDRT_SLOT_HEADER
#include SDRT_SLOT_HEADER
#else

enum {
    SLOT = 1,        /* values in one */
    SLOT_FLOATS = 1, /* floats of memory that it takes */
    ABREAST = 1,     /* rows whose slots lie side by side */
};
/* As large as a slot: panels are moved as values of it. */
static const enum sdrt_dtype SLOT_TYPE = SDRT_F32;

/* How rows may lie in memory, beside f32. */
SDRT_ALWAYS_INLINE enum sdrt_dtype slots_stored(void) { return SDRT_F32; }

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

enum {
    SLOT_STEP = SLOT_FLOATS * ABREAST, /* floats from slot to slot of a row in a copy */
    SLOTS_VL = VL / SLOT_FLOATS,       /* slots of a vector */
};

#ifndef SDRT_SLOTS_ABREAST
/* A row's first k slots become 0. */
SDRT_ALWAYS_INLINE void slots_zero(float *p, int k) { memset(p, 0, (size_t)k * sizeof *p); }

#ifndef SDRT_SLOT_UNITS
/* Of VL rows of as many slots as a vector holds: the first slots of all, the second ones, ... */
SDRT_ALWAYS_INLINE void slots_transpose(vf r[VL]) { v_transpose(r); }

/* As slots_interleave() of four, to p; never called here. */
SDRT_ALWAYS_INLINE void slots_interleave_4(float *p, vf a, vf b, vf c, vf d)
{
    (void)p, (void)a, (void)b, (void)c, (void)d;
}
#endif
#endif

#ifndef SDRT_SLOT_UNITS
/* A set whose values have little range gives each row, and each row of a weight, a factor of its own,
 * its unit (kernels/neonf16/slot.h); the others have none. */
enum {
    SLOT_EXTRA = 0, /* floats behind a row */
    SLOT_LATE = 8,  /* attention's weights stay below 2^SLOT_LATE */
};

/* Bytes in front of a weight's panels, and VL columns' units there, from column at of all panels. */
SDRT_ALWAYS_INLINE size_t slots_front(const struct sdrt_weight_shape *w) { (void)w; return 0; }
SDRT_ALWAYS_INLINE vf slots_units(const void *packed, int at)
{
    (void)packed, (void)at;
    return v_zero();
}

/* Sums of products, with their columns' units, and the bias. */
SDRT_ALWAYS_INLINE vf slots_sum(vf c, vf units, vf bias) { (void)units; return v_add(c, bias); }
#endif

/* The slots that n values take. */
#ifndef SDRT_SLOT_UNITS
SDRT_ALWAYS_INLINE int slots_of(int n) { return (n + SLOT - 1) / SLOT; }
#endif

/* Rows with the neighbour of an odd last one. */
SDRT_ALWAYS_INLINE int rows_abreast(int rows)
{
    return (rows + ABREAST - 1) / ABREAST * ABREAST;
}

/* The first row of neighbours number at, or the end of all. */
SDRT_ALWAYS_INLINE int row_of(int at, int rows)
{
    return ABREAST > 1 && at * ABREAST > rows ? rows : at * ABREAST;
}

/* Where row i of a copy begins whose neighbours are pitch floats from the next ones. */
SDRT_ALWAYS_INLINE int row_at(int i, int pitch)
{
    return i / ABREAST * pitch + i % ABREAST * SLOT_FLOATS;
}

#endif
