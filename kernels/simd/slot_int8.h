/* SPDX-License-Identifier: MIT
 *
 * Rows and weights of 8-bit integers, each times a unit of its own, for linear layers: a slot is four
 * neighbours in k, which VPDPBUSD multiplies and adds.  Both have 7 bits and a sign of the largest
 * value of a row's chunk, or of a weight's column.
 *
 * The instruction multiplies unsigned by signed.  Weights q are stored as q + 128, and a row's sums
 * begin at -128 sum a, which lies behind its unit (SLOT_EXTRA).  Of a chunk of K values, no sum can
 * overflow: it is at most 128 ROW_MAX K + 255 ROW_MAX K < 2^31 for K <= 44150.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_INT8_H
#define SDRT_KERNELS_SIMD_SLOT_INT8_H

#include <stdint.h>
#include <string.h>

#define SDRT_SLOT_UNITS
enum {
    SLOT = 4,
    SLOT_FLOATS = 1,
    ABREAST = 1,
    SLOT_EXTRA = 2,   /* floats behind a row: its unit, and what its sums begin at */
    RUN = GEMM_CHUNK, /* slots that are summed in integers: all */
    ROW_MAX = 127,
    WEIGHT_MAX = 127,
    WEIGHT_ZERO = 128,
};
_Static_assert((WEIGHT_ZERO + 255ll) * ROW_MAX * SLOT * RUN < 1ll << 31, "a chunk's sum overflows");

typedef uint8_t slot_value;

#include "kernels/simd/slot_integers.h"

/* ---- rows ---- */

#define SDRT_SLOT_ROTATES

/* n floats, a multiple of SDRT_ROTATION, each group times the matrix (kernels/pack.h); to may be from. */
SDRT_ALWAYS_INLINE void slots_rotate(float *to, const float *from, int n)
{
    enum { VECTORS = SDRT_ROTATION / VL };

    for (int i = 0; i < n; i += SDRT_ROTATION) {
        vf v[VECTORS];
        for (int j = 0; j < VECTORS; j++) v[j] = v_load(from + i + j * VL);
        v_rotate(v);
        for (int j = 0; j < VECTORS; j++) v_store(to + i + j * VL, v[j]);
    }
}

/* n floats times by to integers, with zeros up to a whole slot; VL sums of them. */
SDRT_ALWAYS_INLINE vi int8_row(int8_t *to, const float *from, int n, float by)
{
    const vf times = v_set1(by);
    vi sum = vi_zero();
    int8_t last[VL];
    int i = 0;

    for (; i + VL <= n; i += VL)
        sum = vi_add(sum, vi_store_scaled_i8(to + i, v_load(from + i), times));
    if (i == n) return sum;
    sum = vi_add(sum, vi_store_scaled_i8(last, v_load_n(from + i, n - i), times));
    memcpy(to + i, last, (size_t)(SLOT * slots_of(n - i)));
    return sum;
}

/* Reads the row twice, the second time from L1. */
SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    float unit;
    const float by = integer_times(integer_largest(from, n, ahead), ROW_MAX, &unit);
    /* Unsigned, since the integers of what is not finite may come to anything. */
    const uint32_t sum = (uint32_t)vi_hsum(int8_row((int8_t *)(void *)to, from, n, by));
    const uint32_t start = 0u - WEIGHT_ZERO * sum;

    to[slots_of(n)] = unit;
    memcpy(to + slots_of(n) + 1, &start, sizeof start);
}

/* What a chunk's sums begin at, of a row whose unit is there. */
SDRT_ALWAYS_INLINE vi slots_start(const float *unit)
{
    return vi_bcast((const int32_t *)(const void *)(unit + 1));
}

SDRT_ALWAYS_INLINE vi slots_product(vi x, vi w, vi acc) { return vi_product_u8(w, x, acc); }

/* ---- weights ---- */

enum { SOME_SLOTS = 256 }; /* that are converted together */
_Static_assert(SOME_SLOTS % (SDRT_ROTATION / SLOT) == 0, "a group is torn");

/* As slots_values(), rotated where the weight is. */
static int int8_values(const struct slot_source *s, int first, int n, float *values)
{
    const int all = slots_values(s, first, n, values);

    if (sdrt_rotates(s->w)) slots_rotate(values, values, all);
    return all;
}

/* What a row's integers are worth. */
static float int8_unit(const struct slot_source *s)
{
    float values[SLOT * SOME_SLOTS], most = 1e-30f;

    for (int at = 0, left; (left = slots_of(s->w->k) - at) > 0; at += SOME_SLOTS) {
        const int all = int8_values(s, at, left < SOME_SLOTS ? left : SOME_SLOTS, values);
        const union {
            int32_t bits;
            float value;
        } largest = { integer_largest(values, all, values) };
        if (largest.value / WEIGHT_MAX > most) most = largest.value / WEIGHT_MAX;
    }
    return most;
}

static float slots_narrow(const struct slot_source *s, slot_value *to)
{
    const float unit = int8_unit(s);
    float values[SLOT * SOME_SLOTS];

    for (int at = 0, left; (left = slots_of(s->w->k) - at) > 0; at += SOME_SLOTS) {
        const int all = int8_values(s, at, left < SOME_SLOTS ? left : SOME_SLOTS, values);
        (void)int8_row((int8_t *)to, values, all, 1.0f / unit);
        for (int i = 0; i < all; i++) *to++ ^= WEIGHT_ZERO;
    }
    /* Both operands' matrices are of norm sqrt(SDRT_ROTATION). */
    return sdrt_rotates(s->w) ? unit / SDRT_ROTATION : unit;
}

#endif
