/* SPDX-License-Identifier: MIT
 *
 * Rows and weights of 16-bit integers, each times a unit of its own: f32 multiplied at the rate of
 * VPDPWSSD or VPMADDWD, with 14 bits of each row's largest value.  A slot is two neighbours in k.
 * SDRT_SLOT_UNITS says that rows and weights have units: a row's lies behind it, that of a weight's
 * column in front of the panels.  Include a level's vectors of integers (kernels/avx512vnni/int16.h),
 * then kernels/simd/slot.h.
 *
 * No sum overflows.  A run of RUN slots is summed in 32 bits and then added to f32
 * (product_integers.h).  A row's largest value becomes ROW_MAX.  A column's unit is chosen when weights
 * are packed, of the least that all its runs allow: of sum |w| over a run, w before rounding, there
 * are at most room = (2^31 - 1) / ROW_MAX - SLOT RUN units.  Rounding to nearest adds half a unit to
 * each of a run's SLOT RUN values at most, so that the integers' sum |q| <= room + SLOT RUN / 2, and
 * |sum a q| <= ROW_MAX sum |q| < 2^31.  The half that is left of SLOT RUN is for the rounding of
 * sum |w| itself, which is summed in f32.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_INT16_H
#define SDRT_KERNELS_SIMD_SLOT_INT16_H

#include <stdint.h>
#include <string.h>

#define SDRT_SLOT_UNITS
enum {
    SLOT = 2,
    SLOT_FLOATS = 1,
    ABREAST = 1,
    SLOT_EXTRA = 1, /* floats behind a row: its unit */
    RUN = 160, /* slots that are summed in integers: more cost digits of the weights, fewer time */
    ROW_MAX = 8191,
    WEIGHT_MAX = 32700,
    RUN_TAPS = 9 * 64, /* slots and taps of a run, at most */
};

typedef int16_t slot_value;

#include "kernels/simd/slot_integers.h"

/* ---- rows ---- */

/* n floats times by to integers, with a zero behind an odd last one. */
SDRT_ALWAYS_INLINE void int16_row(int16_t *to, const float *from, int n, float by)
{
    const vf times = v_set1(by);
    int16_t last[VL];
    int i = 0;

    for (; i + VL <= n; i += VL) vi_store_scaled(to + i, v_load(from + i), times);
    if (i == n) return;
    vi_store_scaled(last, v_load_n(from + i, n - i), times);
    memcpy(to + i, last, (size_t)(SLOT * slots_of(n - i)) * sizeof *to);
}

/* Reads the row twice, the second time from L1. */
SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    float unit;
    const float by = integer_times(integer_largest(from, n, ahead), ROW_MAX, &unit);

    int16_row((int16_t *)(void *)to, from, n, by);
    to[slots_of(n)] = unit;
}

/* What a run's sums begin at, of a row whose unit is there. */
SDRT_ALWAYS_INLINE vi slots_start(const float *unit)
{
    (void)unit;
    return vi_zero();
}

SDRT_ALWAYS_INLINE vi slots_product(vi x, vi w, vi acc) { return vi_product(x, w, acc); }

/* ---- weights ---- */

/* How many slots of a run there are from slot first on. */
static int int16_run(const struct slot_source *s, int first)
{
    const int in_chunk = first % s->l->chunk, left = slots_of(s->w->k) - first;
    const int in_run = RUN - in_chunk % RUN, chunk = s->l->chunk - in_chunk;
    const int most = in_run < chunk ? in_run : chunk;

    return left < most ? left : most;
}

/* The most that a tap's magnitudes come to. */
static float int16_sum(const float *values, int n, int taps)
{
    float sums[9] = { 0 }, most = 0.0f;
    vf sum = v_zero();
    int i = 0;

    for (; taps == 1 && i + VL <= n; i += VL) sum = v_add(sum, v_abs(v_load(values + i)));
    sums[0] = v_hsum(sum);
    for (; i < n; i++) sums[i % taps] += values[i] < 0.0f ? -values[i] : values[i];
    for (int t = 0; t < taps; t++) most = sums[t] > most ? sums[t] : most;
    return most;
}

/* What a row's integers are worth. */
static float int16_unit(const struct slot_source *s)
{
    const float room = (float)(2147483647.0 / ROW_MAX - SLOT * RUN);
    float values[SLOT * RUN_TAPS], unit = 1e-30f;

    for (int at = 0, n; at < slots_of(s->w->k); at += n) {
        n = int16_run(s, at);
        const int all = slots_values(s, at, n, values);
        const union {
            int32_t bits;
            float value;
        } largest = { integer_largest(values, all, values) };
        const float sum = int16_sum(values, all, s->w->taps) / room;
        if (largest.value / WEIGHT_MAX > unit) unit = largest.value / WEIGHT_MAX;
        if (sum > unit) unit = sum;
    }
    return unit;
}

static float slots_narrow(const struct slot_source *s, slot_value *to)
{
    const float unit = int16_unit(s);
    const int taps = s->w->taps;
    float values[SLOT * RUN_TAPS];
    int16_t integers[SLOT * RUN_TAPS];

    for (int at = 0, n; at < slots_of(s->w->k); at += n, to += SLOT * n * taps) {
        n = int16_run(s, at);
        const int all = slots_values(s, at, n, values);
        if (taps == 1) {
            int16_row(to, values, all, 1.0f / unit);
            continue;
        }
        int16_row(integers, values, all, 1.0f / unit);
        for (int i = 0; i < n * taps; i++)
            for (int v = 0; v < SLOT; v++)
                to[SLOT * i + v] = integers[(i / taps * SLOT + v) * taps + i % taps];
    }
    return unit;
}

#endif
