/* SPDX-License-Identifier: MIT
 *
 * The micro-kernel of all products, by FMLA of eight halves with an element.
 *
 * A sum of halves loses a digit at each step, so it is cut in runs: F16_RUN products are summed in
 * registers, each run is added to those before it, and F16_TERMS of them are widened and added, times
 * the row's unit, to f32 sums in memory.  Widening each run would be more exact by a tenth, and take
 * an eighth of the time instead of a 23rd.
 */
#ifndef SDRT_KERNELS_NEONF16_PRODUCT_H
#define SDRT_KERNELS_NEONF16_PRODUCT_H

#include "kernels/neonf16/slot.h"

#include <stddef.h>

#define SDRT_PRODUCT_TILE

enum { F16_SUMS = 24 }; /* registers of them: 6 rows of 4, or 4 of 6 */

/* acc + w * x[lane].  An element of halves must lie in one of registers 0 to 15, and GCC 12, which
 * knows that of the intrinsic, moves half of the tile about for it: so it is told outright. */
#define F16_FMLA(lane) \
    case lane: __asm__("fmla %0.8h, %1.8h, %2.h[" #lane "]" : "+w"(acc) : "w"(w), "x"(x)); break

SDRT_ALWAYS_INLINE float16x8_t f16_by_lane(float16x8_t acc, float16x8_t w, float16x8_t x,
                                           const int lane)
{
    switch (lane) {
        F16_FMLA(0);
        F16_FMLA(1);
        F16_FMLA(2);
        F16_FMLA(3);
        F16_FMLA(4);
        F16_FMLA(5);
        F16_FMLA(6);
        F16_FMLA(7);
    }
    return acc;
}

/* A run's first products set the sums; told outright too, since GCC would make elements of x. */
SDRT_ALWAYS_INLINE void f16_first(const int mr, const int nq, float16x8_t acc[F16_SUMS],
                                  const float *a, const ptrdiff_t *row, const float *w)
{
    const float16_t *const panel = (const float16_t *)(const void *)w;

    SDRT_UNROLL(6)
    for (int i = 0; i < mr; i++) {
        const float16x8_t x = vld1q_dup_f16((const float16_t *)(const void *)(a + row[i]));
        SDRT_UNROLL(6)
        for (int j = 0; j < nq; j++)
            __asm__("fmul %0.8h, %1.8h, %2.8h"
                    : "=w"(acc[i * nq + j])
                    : "w"(vld1q_f16(panel + 8 * j)), "w"(x));
    }
}

/* Four slots of each row by their rows of the panel, from the one of number begin on. */
SDRT_ALWAYS_INLINE void f16_turn(const int mr, const int nq, const int begin,
                                 float16x8_t acc[F16_SUMS], const float *a, const ptrdiff_t *row,
                                 const float *w)
{
    const float16_t *const panel = (const float16_t *)(const void *)w;
    float16x8_t x[6];

    SDRT_UNROLL(6)
    for (int i = 0; i < mr; i++) {
        x[i] = vreinterpretq_f16_f32(vld1q_f32(a + row[i]));
        __asm__("" : "+x"(x[i])); /* from here on, and not moved there for each product */
    }
    SDRT_UNROLL(8)
    for (int lane = begin; lane < 8; lane++) {
        SDRT_UNROLL(6)
        for (int j = 0; j < nq; j++) {
            const float16x8_t b = vld1q_f16(panel + (lane * nq + j) * 8);
            SDRT_UNROLL(6)
            for (int i = 0; i < mr; i++)
                acc[i * nq + j] = f16_by_lane(acc[i * nq + j], b, x[i], lane);
        }
    }
}

/* c (+)= acc * unit. */
SDRT_ALWAYS_INLINE void f16_widen(float *c, float16x8_t acc, float32x4_t unit, int set)
{
    const float32x4_t lo = vcvt_f32_f16(vget_low_f16(acc)), hi = vcvt_high_f32_f16(acc);

    if (set) {
        vst1q_f32(c, vmulq_f32(lo, unit));
        vst1q_f32(c + 4, vmulq_f32(hi, unit));
    } else {
        vst1q_f32(c, vfmaq_f32(vld1q_f32(c), lo, unit));
        vst1q_f32(c + 4, vfmaq_f32(vld1q_f32(c + 4), hi, unit));
    }
}

/* Two loops each, of few turns: clang does not unroll one of mr * nq at -O1, and says so. */
SDRT_ALWAYS_INLINE void f16_add_kept(const int mr, const int nq, float16x8_t *acc,
                                     const float16_t *kept)
{
    SDRT_UNROLL(6)
    for (int i = 0; i < mr; i++) {
        SDRT_UNROLL(6)
        for (int j = 0; j < nq; j++) {
            const int at = i * nq + j;
            acc[at] = vaddq_f16(acc[at], vld1q_f16(kept + 8 * at));
        }
    }
}

SDRT_ALWAYS_INLINE void f16_keep(const int mr, const int nq, float16_t *kept,
                                 const float16x8_t *acc)
{
    SDRT_UNROLL(6)
    for (int i = 0; i < mr; i++) {
        SDRT_UNROLL(6)
        for (int j = 0; j < nq; j++) vst1q_f16(kept + 8 * (i * nq + j), acc[i * nq + j]);
    }
}

/* What a tile's products are about: c[i] of c_pitch floats each, row i at a + row[i], its unit at
 * unit + at[i].  set: c is set, not added to. */
struct product_tile {
    float *c;
    size_t c_pitch;
    const float *a, *w; /* w: [k][2][nv * VL] halves */
    int k;              /* slots, a multiple of four */
    const float *unit;
    int set;
};

/* mr rows by nv vectors. */
SDRT_ALWAYS_INLINE void product_tile(const int mr, const int nv, const struct product_tile *t,
                                     const ptrdiff_t *row, const ptrdiff_t *at)
{
    enum { RUN = F16_RUN / SLOT, RUNS = F16_TERMS / F16_RUN };
    const int nq = 2 * nv;
    const float *a = t->a, *w = t->w, *const end = a + t->k;
    float16_t kept[F16_SUMS * 8];

    for (int set = t->set; a < end; set = 0) {
        float16x8_t acc[F16_SUMS];
        for (int run = 0;; run++) {
            const float *const stop = end - a > RUN ? a + RUN : end;
            if (run > 0) f16_keep(mr, nq, kept, acc);
            f16_first(mr, nq, acc, a, row, w);
            f16_turn(mr, nq, 1, acc, a, row, w);
            for (a += 4, w += 4 * 8 * nq; a < stop; a += 4, w += 4 * 8 * nq)
                f16_turn(mr, nq, 0, acc, a, row, w);
            if (run > 0) f16_add_kept(mr, nq, acc, kept);
            if (run + 1 == RUNS || stop == end) break;
        }
        SDRT_UNROLL(6)
        for (int i = 0; i < mr; i++) {
            const float32x4_t unit = vld1q_dup_f32(t->unit + at[i]);
            SDRT_UNROLL(6)
            for (int j = 0; j < nq; j++)
                f16_widen(t->c + (size_t)i * t->c_pitch + 8 * j, acc[i * nq + j], unit, set);
        }
    }
}

#endif
