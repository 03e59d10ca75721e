/* SPDX-License-Identifier: MIT
 *
 * The micro-kernel of all products of integers: sums of a run (slot_int16.h, slot_int8.h) are whole
 * numbers in registers, and are added, times their row's unit, to f32 sums in memory.
 */
#ifndef SDRT_KERNELS_SIMD_PRODUCT_INTEGERS_H
#define SDRT_KERNELS_SIMD_PRODUCT_INTEGERS_H

#include "kernels/simd/slot.h"
#include "kernels/simd/unroll.h"

#include <stddef.h>

#define SDRT_PRODUCT_TILE

/* What a tile's products are about: c[i] of c_pitch floats each, row i at a + row[i], its unit at
 * unit + at[i].  set: c is set, not added to. */
struct product_tile {
    float *c;
    size_t c_pitch;
    const float *a, *w; /* w: [k][nv * VL] slots */
    int k;              /* slots */
    const float *unit;
    int set;
};

/* mr rows by nv vectors. */
SDRT_ALWAYS_INLINE void product_tile(const int mr, const int nv, const struct product_tile *t,
                                     const ptrdiff_t *row, const ptrdiff_t *at)
{
    const int32_t *a = (const int32_t *)(const void *)t->a;
    const int32_t *w = (const int32_t *)(const void *)t->w, *const end = a + t->k;

    for (int set = t->set; a < end; set = 0) {
        const int32_t *const stop = end - a > RUN ? a + RUN : end;
        vi acc[TILE_ROWS][2];
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            SDRT_UNROLL(2)
            for (int v = 0; v < nv; v++) acc[i][v] = slots_start(t->unit + at[i]);
        }
        for (; a < stop; a++, w += nv * VL) {
            vi panel[2];
            SDRT_UNROLL(2)
            for (int v = 0; v < nv; v++) panel[v] = vi_load(w + v * VL);
            SDRT_UNROLL(16)
            for (int i = 0; i < mr; i++) {
                const vi x = vi_bcast(a + row[i]);
                SDRT_UNROLL(2)
                for (int v = 0; v < nv; v++) acc[i][v] = slots_product(x, panel[v], acc[i][v]);
            }
        }
        SDRT_UNROLL(16)
        for (int i = 0; i < mr; i++) {
            const vf unit = v_bcast(t->unit + at[i]);
            SDRT_UNROLL(2)
            for (int v = 0; v < nv; v++) {
                float *const c = t->c + (size_t)i * t->c_pitch + v * VL;
                const vf x = vi_to_f32(acc[i][v]);
                v_store(c, set ? v_mul(x, unit) : v_fma(x, unit, v_load(c)));
            }
        }
    }
}

#endif
