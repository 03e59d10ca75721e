/* SPDX-License-Identifier: MIT
 *
 * Slots whose columns of weights have a unit each, stored in front of the panels: a sum times its
 * column's unit is the product.  The levels' vec.h comes before it.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_UNITS_H
#define SDRT_KERNELS_SIMD_SLOT_UNITS_H

#include "kernels/pack.h"

#include <stddef.h>

/* Bytes in front of the panels: a unit for each of their columns. */
SDRT_ALWAYS_INLINE size_t slots_front(const struct sdrt_weight_shape *w)
{
    const int columns = w->gated ? VL : 2 * VL;

    return (size_t)((w->n + columns - 1) / columns) * 2 * VL * sizeof(float);
}

/* Those of a panel's columns at .. at+VL-1, counted over all panels. */
SDRT_ALWAYS_INLINE vf slots_units(const void *packed, int at)
{
    return v_load((const float *)packed + at);
}

SDRT_ALWAYS_INLINE vf slots_sum(vf c, vf units, vf bias) { return v_fma(c, units, bias); }

/* The place of a row's column among those of all panels. */
static inline int slots_column(const struct sdrt_weight_shape *w, int row)
{
    if (!w->gated) return row;
    return row < w->n ? row / VL * 2 * VL + row % VL
                      : (row - w->n) / VL * 2 * VL + VL + (row - w->n) % VL;
}

#endif
