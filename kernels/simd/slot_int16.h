/* SPDX-License-Identifier: MIT
 *
 * Rows and weights of 16-bit integers, each times a unit of its own: f32 multiplied at the rate of
 * VPDPWSSD or VPMADDWD, with 14 bits of each row's largest value.  A slot is two neighbours in k.
 * SDRT_SLOT_UNITS says that rows and weights have units: a row's lies behind it, that of a weight's
 * column in front of the panels.  Include a level's vectors of integers (kernels/avx512vnni/int16.h),
 * then kernels/simd/slot.h.
 *
 * No sum overflows.  A run of RUN slots is summed in 32 bits and then added to f32
 * (product_int16.h).  A row's largest value becomes ROW_MAX.  A column's unit is chosen when weights
 * are packed, of the least that all its runs allow: of sum |w| over a run, w before rounding, there
 * are at most room = (2^31 - 1) / ROW_MAX - SLOT RUN units.  Rounding to nearest adds half a unit to
 * each of a run's SLOT RUN values at most, so that the integers' sum |q| <= room + SLOT RUN / 2, and
 * |sum a q| <= ROW_MAX sum |q| < 2^31.  The half that is left of SLOT RUN is for the rounding of
 * sum |w| itself, which is summed in f32.
 */
#ifndef SDRT_KERNELS_SIMD_SLOT_INT16_H
#define SDRT_KERNELS_SIMD_SLOT_INT16_H

#include "kernels/pack.h"
#include "kernels/simd/int16.h"
#include "kernels/simd/slot_units.h"

#include <stdint.h>
#include <string.h>

#define SDRT_SLOT_UNITS
enum {
    SLOT = 2,
    SLOT_FLOATS = 1,
    ABREAST = 1,
    SLOT_EXTRA = 1, /* floats behind a row: its unit */
    RUN = 160,      /* slots that are summed in integers: more cost digits of the weights, fewer time */
    ROW_MAX = 8191,
    WEIGHT_MAX = 32700,
    RUN_TAPS = 9 * 64, /* slots and taps of a run, at most */
};

/* As large as a slot. */
static const enum sdrt_dtype SLOT_TYPE = SDRT_F32;

/* ---- rows ---- */

SDRT_ALWAYS_INLINE int slots_of(int n) { return (n + SLOT - 1) / SLOT; }

/* The bits of the largest magnitude of n floats, those ahead being asked for meanwhile. */
SDRT_ALWAYS_INLINE int32_t int16_largest(const float *p, int n, const float *ahead)
{
    vi most = vi_zero();
    int i = 0;

    for (; i + VL <= n; i += VL) {
        __builtin_prefetch(ahead + i);
        most = vi_max(most, vi_magnitude(v_load(p + i)));
    }
    if (i < n) most = vi_max(most, vi_magnitude(v_load_n(p + i, n - i)));
    return vi_hmax(most);
}

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
    const float by = int16_times(int16_largest(from, n, ahead), ROW_MAX, &unit);

    int16_row((int16_t *)(void *)to, from, n, by);
    to[slots_of(n)] = unit;
}

/* Activations are f32 in memory. */
SDRT_ALWAYS_INLINE enum sdrt_dtype slots_stored(void) { return SDRT_F32; }

/* Never called here. */
SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    (void)to, (void)from, (void)n, (void)ahead;
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

enum { SLOTS_BUFFER = 6144 }; /* of rows that are converted together; it lies on the stack */

/* Whether a row at a time can be converted. */
static inline int slots_fit(const struct sdrt_weight_shape *w)
{
    return slots_of(w->k) * w->taps <= SLOTS_BUFFER;
}

/* A row that is packed: n of its slots from first on lie in one run. */
struct int16_source {
    const struct sdrt_weight_shape *w;
    const struct sdrt_panel_layout *l;
    const char *p;
    enum sdrt_dtype from;
};

/* How many slots of a run there are from slot first on. */
static int int16_run(const struct int16_source *s, int first)
{
    const int in_chunk = first % s->l->chunk, left = slots_of(s->w->k) - first;
    const int in_run = RUN - in_chunk % RUN, chunk = s->l->chunk - in_chunk;
    const int most = in_run < chunk ? in_run : chunk;

    return left < most ? left : most;
}

/* The values of n slots, [SLOT n][taps], with zeros behind the row's last one; how many. */
static int int16_values(const struct int16_source *s, int first, int n, float *values)
{
    const int taps = s->w->taps, all = SLOT * n * taps, left = (s->w->k - SLOT * first) * taps;
    const int some = all < left ? all : left;

    sdrt_to_f32(s->p + (size_t)(SLOT * first * taps) * sdrt_dtype_size(s->from), s->from, values,
                (size_t)some);
    for (int i = some; i < all; i++) values[i] = 0.0f;
    return all;
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
static float int16_unit(const struct int16_source *s)
{
    const float room = (float)(2147483647.0 / ROW_MAX - SLOT * RUN);
    float values[SLOT * RUN_TAPS], unit = 1e-30f;

    for (int at = 0, n; at < slots_of(s->w->k); at += n) {
        n = int16_run(s, at);
        const int all = int16_values(s, at, n, values);
        const union { int32_t bits; float value; } largest = { int16_largest(values, all, values) };
        const float sum = int16_sum(values, all, s->w->taps) / room;
        if (largest.value / WEIGHT_MAX > unit) unit = largest.value / WEIGHT_MAX;
        if (sum > unit) unit = sum;
    }
    return unit;
}

/* All slots of a row, [slot][taps]; returns their unit. */
static float int16_narrow(const struct int16_source *s, int16_t *to)
{
    const float unit = int16_unit(s);
    const int taps = s->w->taps;
    float values[SLOT * RUN_TAPS];
    int16_t integers[SLOT * RUN_TAPS];

    for (int at = 0, n; at < slots_of(s->w->k); at += n, to += SLOT * n * taps) {
        n = int16_run(s, at);
        const int all = int16_values(s, at, n, values);
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

static inline int slots_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                             int row0, int count, const void *src, enum sdrt_dtype from, void *dst)
{
    const struct sdrt_weight_shape slots = slots_weight(w);
    const int row = slots.k * w->taps, most = SLOTS_BUFFER / row;
    const size_t bytes = (size_t)w->k * (size_t)w->taps * sdrt_dtype_size(from);
    int16_t buffer[SLOT * SLOTS_BUFFER];
    float *const units = dst;
    int status = 0;

    if (!sdrt_is_float(from)) return -1;
    for (int i = 0, n; i < count && status == 0; i += n) {
        n = count - i < most ? count - i : most;
        for (int r = 0; r < n; r++) {
            const struct int16_source s = { .w = w, .l = l, .from = from,
                                            .p = (const char *)src + (size_t)(i + r) * bytes };
            units[slots_column(w, row0 + i + r)] = int16_narrow(&s, buffer + SLOT * r * row);
        }
        status = sdrt_panel_pack(l, &slots, row0 + i, n, buffer, SLOT_TYPE,
                                 (char *)dst + slots_front(w));
    }
    return status;
}

#endif
