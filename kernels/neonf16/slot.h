/* SPDX-License-Identifier: MIT
 *
 * Rows and weights of f16, each times a power of two of its own.
 *
 * Products are halves and so are their first sums, which end at 65504.  So that neither activations
 * nor weights can lead there, whatever their size, a row's largest value is brought to 4 .. 8
 * before it is rounded, and what it was divided by, its unit, lies behind it as an f32; a weight's
 * rows have theirs in front of the panels.  A sum of F16_TERMS products is then below
 * 256 * 8 * 8 = 16384, and what is 2^-16 of the largest still keeps all its digits.
 *
 * A slot is two neighbours in k, of which there are always four together; SDRT_SLOT_UNITS says that
 * rows and weights have units.  Include kernels/simd/slot.h.
 */
#ifndef SDRT_KERNELS_NEONF16_SLOT_H
#define SDRT_KERNELS_NEONF16_SLOT_H

#include "kernels/neonf16/vec.h"
#include "kernels/pack.h"
#include "kernels/simd/slot_units.h"

#include <stdint.h>
#include <string.h>

#define SDRT_SLOT_UNITS
enum {
    SLOT = 2,
    SLOT_FLOATS = 1,
    ABREAST = 1,
    SLOT_EXTRA = 1, /* floats behind a row: its unit */
    SLOT_LATE = 0,  /* attention's weights stay below 1 */
    F16_RUN = 32,   /* products whose sum stays in registers ... */
    F16_TERMS = 256 /* ... and those whose sum is in f16 at all */
};

/* As large as a slot. */
static const enum sdrt_dtype SLOT_TYPE = SDRT_F32;

/* ---- units ---- */

/* A power of two that brings largest >= 0 to 4 .. 8, and its inverse.  Both are normal numbers for
 * every largest, infinity too, which stays one. */
SDRT_ALWAYS_INLINE float f16_unit(float largest, float *inverse)
{
    enum { SHIFT = 2, LEAST = SHIFT + 1 };
    uint32_t bits, e, up, down;
    float unit;

    memcpy(&bits, &largest, sizeof bits);
    e = bits >> 23 & 0xff;
    if (e < LEAST) e = LEAST;
    down = (e - SHIFT) << 23;
    up = (254 - (e - SHIFT)) << 23;
    memcpy(&unit, &down, sizeof unit);
    memcpy(inverse, &up, sizeof *inverse);
    return unit;
}

SDRT_ALWAYS_INLINE float32x4_t f16_larger(float32x4_t m, float32x4_t x)
{
    return vmaxnmq_f32(m, vabsq_f32(x));
}

/* The largest magnitude of n floats, those ahead being asked for meanwhile. */
SDRT_ALWAYS_INLINE float f16_largest(const float *p, int n, const float *ahead)
{
    vf m = v_zero();
    int i = 0;

    for (; i + VL <= n; i += VL) {
        const vf x = v_load(p + i);
        __builtin_prefetch(ahead + i);
        m = V_EACH_2(f16_larger, m, x);
    }
    if (i < n) {
        const vf x = v_load_n(p + i, n - i);
        m = V_EACH_2(f16_larger, m, x);
    }
    return v_hmax(m);
}

/* ---- rows ---- */

/* Eight values times a power of two to halves, to nearest even. */
SDRT_ALWAYS_INLINE float16x8_t f16_narrow(float32x4_t lo, float32x4_t hi, float32x4_t times)
{
    return vcvt_high_f16_f32(vcvt_f16_f32(vmulq_f32(lo, times)), vmulq_f32(hi, times));
}

SDRT_ALWAYS_INLINE void f16_store(uint16_t *p, vf x, float32x4_t times)
{
    vst1q_u16(p, vreinterpretq_u16_f16(f16_narrow(x.a, x.b, times)));
    vst1q_u16(p + 8, vreinterpretq_u16_f16(f16_narrow(x.c, x.d, times)));
}

/* The slots that n values take: eight halves are a register. */
SDRT_ALWAYS_INLINE int slots_of(int n) { return (n + 7) / 8 * 4; }

/* n floats to as many halves, with zeros behind the last up to a whole register. */
SDRT_ALWAYS_INLINE void f16_row(uint16_t *to, const float *from, int n, float inverse)
{
    const float32x4_t times = vdupq_n_f32(inverse);
    uint16_t last[VL];
    int i = 0;

    for (; i + VL <= n; i += VL) f16_store(to + i, v_load(from + i), times);
    if (i == n) return;
    f16_store(last, v_load_n(from + i, n - i), times);
    memcpy(to + i, last, (size_t)(SLOT * slots_of(n - i)) * sizeof *to);
}

SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    float inverse;
    const float unit = f16_unit(f16_largest(from, n, ahead), &inverse);

    f16_row((uint16_t *)(void *)to, from, n, inverse);
    to[slots_of(n)] = unit;
}

/* Activations are f32 in memory: halves have no place for what lies beyond them. */
SDRT_ALWAYS_INLINE enum sdrt_dtype slots_stored(void) { return SDRT_F32; }

/* Never called here. */
SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    (void)to, (void)from, (void)n, (void)ahead;
}

/* Weights of attention, at most 1: no unit. */
SDRT_ALWAYS_INLINE void slots_store(float *p, int i, vf x)
{
    f16_store((uint16_t *)(void *)p + i, x, vdupq_n_f32(1.0f));
}

SDRT_ALWAYS_INLINE void slots_store_2(float *p, int i, vf x, vf y)
{
    slots_store(p, i, x);
    slots_store(p, i + VL, y);
}

SDRT_ALWAYS_INLINE void slots_clear(float *p, int i, int end)
{
    memset((char *)p + 2 * i, 0, 2 * (size_t)(end - i));
}

/* p * 2^k: bits has k in its lowest ones. */
SDRT_ALWAYS_INLINE float32x4_t f16_scale2(float32x4_t p, float32x4_t bits)
{
    const int32x4_t k = vshlq_n_s32(vreinterpretq_s32_f32(bits), 23);

    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), k));
}

/* To 8e-5, where rounding to f16 comes to 2.4e-4.  Adding 1.5 * 2^23 leaves the whole number that is
 * nearest to x in the sum's lowest bits. */
SDRT_ALWAYS_INLINE vf slots_exp2(vf x)
{
    const vf whole = v_set1(0x1.8p23f);
    x = v_max(x, v_set1(-125.0f));
    const vf t = v_add(x, whole), r = v_sub(x, v_sub(t, whole));
    vf p = v_set1(5.517149397601918e-2f);
    p = v_fma(p, r, v_set1(2.426109383663306e-1f));
    p = v_fma(p, r, v_set1(6.932609937847314e-1f));
    p = v_fma(p, r, v_set1(9.999280848578576e-1f));
    return V_EACH_2(f16_scale2, p, t);
}

/* ---- weights ---- */

/* The panels' functions move slots without looking into them. */
SDRT_ALWAYS_INLINE struct sdrt_weight_shape slots_weight(const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_shape s = *w;

    s.k = slots_of(w->k);
    s.stored = SDRT_F32;
    return s;
}

enum { SLOTS_BUFFER = 7680 }; /* of rows that are converted together; it lies on the stack */

SDRT_ALWAYS_INLINE int slots_taps(const struct sdrt_weight_shape *w)
{
    (void)w;
    return 1;
}

/* Whether the level has products for it: f16, one tap, and a row at a time can be converted. */
static inline int slots_fit(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_F16 && w->taps == 1 && w->k <= SLOT * SLOTS_BUFFER;
}

/* One row of n values of type from; returns its unit. */
static float slots_narrow(const char *src, enum sdrt_dtype from, int n, uint16_t *to)
{
    enum { SOME = 256 };
    const size_t size = sdrt_dtype_size(from);
    float values[SOME], largest = 0.0f, inverse;

    for (int i = 0; i < n; i += SOME) {
        const int some = n - i < SOME ? n - i : SOME;
        sdrt_to_f32(src + (size_t)i * size, from, values, (size_t)some);
        const float most = f16_largest(values, some, values);
        if (most > largest) largest = most;
    }
    const float unit = f16_unit(largest, &inverse);
    for (int i = 0; i < n; i += SOME) {
        const int some = n - i < SOME ? n - i : SOME;
        sdrt_to_f32(src + (size_t)i * size, from, values, (size_t)some);
        f16_row(to + i, values, some, inverse);
    }
    return unit;
}

/* As sdrt_panel_pack(), but a row of a panel, [2][2 * VL] halves, has one value of k after the
 * other. */
static inline int slots_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                             int row0, int count, const void *src, enum sdrt_dtype from, void *dst)
{
    const struct sdrt_panel_layout halves = { .panel = l->panel, .chunk = SLOT * l->chunk };
    struct sdrt_weight_shape shape = *w;
    const size_t row = (size_t)w->k * sdrt_dtype_size(from);
    uint16_t buffer[SLOT * SLOTS_BUFFER];
    float *const units = dst;
    int status = 0;

    if (!sdrt_is_float(from)) return -1;
    shape.k = SLOT * slots_of(w->k);
    shape.stored = SDRT_F16;
    const int most = SLOT * SLOTS_BUFFER / shape.k;
    for (int i = 0, n; i < count && status == 0; i += n) {
        n = count - i < most ? count - i : most;
        for (int r = 0; r < n; r++)
            units[slots_column(w, row0 + i + r)] =
                slots_narrow((const char *)src + (size_t)(i + r) * row, from, w->k,
                             buffer + (size_t)r * (size_t)shape.k);
        status = sdrt_panel_pack(&halves, &shape, row0 + i, n, buffer, SDRT_F16,
                                 (char *)dst + slots_front(w));
    }
    return status;
}

#endif
