/* SPDX-License-Identifier: MIT
 *
 * Rows and weights of 8-bit integers: seven bits and a sign of the largest value of a whole row, or of
 * a column of weights, each with its unit.  The tiles multiply signed by signed, so that the sums
 * have no offset; none can overflow: 127 * 127 * k < 2^31 for k <= 133000.
 *
 * Four neighbours in k are a slot of 32 bits, and a line's 16 slots lie transposed, as a matrix of
 * 4x4: so do instructions leave them that narrow four vectors to one.  A packed weight begins with
 * its units, [pair][2][16]; then come tiles as in pack.h, [16 slots][16 columns][4].
 */
#ifndef SDRT_KERNELS_AMX_INT8_H
#define SDRT_KERNELS_AMX_INT8_H

#include "kernels/amx/pack.h"
#include "kernels/avx512/rotate.h"
#include "kernels/simd/unit.h"

#include <math.h>
#include <string.h>

enum { INT8_MOST = 127, INT8_SLOT = 4, INT8_DEEPEST = 133000 };
_Static_assert(1ll * INT8_MOST * INT8_MOST * INT8_DEEPEST < 1ll << 31, "a sum overflows");

/* ---- rows ---- */

/* The bits of the largest magnitude of n values; NaN and infinity are above all. */
SDRT_ALWAYS_INLINE int32_t int8_largest_f32(const float *p, int n)
{
    __m512i most = _mm512_setzero_si512();

    for (int i = 0; i < n; i += VL)
        most = _mm512_max_epi32(most, _mm512_castps_si512(v_abs(load_first(p + i, n - i))));
    return _mm512_reduce_max_epi32(most);
}

SDRT_ALWAYS_INLINE int32_t int8_largest_bf16(const bf16 *p, int n)
{
    const __m512i magnitude = _mm512_set1_epi16(0x7fff);
    __m512i most = _mm512_setzero_si512();

    for (int i = 0; i < n; i += TILE_K) {
        const __m512i x = _mm512_castps_si512(load_pair_bf16(p + i, n - i));
        most = _mm512_max_epu16(most, _mm512_and_si512(x, magnitude));
    }
    /* Of two in a lane, the one below is not larger by its low bits alone. */
    return _mm512_reduce_max_epi32(_mm512_max_epi32(_mm512_slli_epi32(most, 16), most)) &
           (int32_t)0xffff0000;
}

/* VL values to the nearest whole numbers, even ones of two. */
SDRT_ALWAYS_INLINE __m512i int8_whole(vf v, vf by)
{
    const vf magic = v_set1(0x1.8p23f); /* the sum's low bits are the integer's */

    return _mm512_sub_epi32(_mm512_castps_si512(v_fma(v, by, magic)), _mm512_castps_si512(magic));
}

/* VL values from element i of row x on, as load_first() takes n. */
SDRT_ALWAYS_INLINE vf int8_load(const void *x, enum sdrt_dtype type, size_t i, int n)
{
    return is_bf16(type) && n >= VL ? v_load_bf16((const bf16 *)x + i)
                                    : load_first_typed(x, type, i, n);
}

/* The first n of a line's values from element i of row x on, rotated or not; zeros behind them. */
SDRT_ALWAYS_INLINE void int8_values(const void *x, enum sdrt_dtype type, size_t i, int n,
                                    int rotated, vf *v)
{
    _Static_assert((int)SDRT_ROTATION == (int)TILE_K8, "a group is a line");

#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) v[j] = int8_load(x, type, i + (size_t)(j * VL), n - j * VL);
    if (rotated) v_rotate(v);
}

SDRT_ALWAYS_INLINE int32_t int8_largest_rotated(const void *x, enum sdrt_dtype type, int n)
{
    __m512i most = _mm512_setzero_si512();
    vf v[4];

    for (int i = 0; i < n; i += TILE_K8) {
        int8_values(x, type, (size_t)i, n - i, 1, v);
        for (int j = 0; j < 4; j++) most = _mm512_max_epi32(most, _mm512_castps_si512(v_abs(v[j])));
    }
    return _mm512_reduce_max_epi32(most);
}

/* The bits of the largest magnitude of a row, as it is multiplied. */
SDRT_ALWAYS_INLINE int32_t int8_largest(const void *x, enum sdrt_dtype type, int n, int rotated)
{
    if (rotated) return int8_largest_rotated(x, type, n);
    return is_bf16(type) ? int8_largest_bf16(x, n) : int8_largest_f32(x, n);
}

/* A line of a row's values, as int8_values() takes them, times by. */
SDRT_ALWAYS_INLINE void int8_line(const void *x, enum sdrt_dtype type, size_t i, int n, int rotated,
                                  vf by, void *to)
{
    vf v[4];

    int8_values(x, type, i, n, rotated, v);
    const __m512i low = _mm512_packs_epi32(int8_whole(v[0], by), int8_whole(v[1], by)),
                  high = _mm512_packs_epi32(int8_whole(v[2], by), int8_whole(v[3], by));
    _mm512_storeu_si512(to, _mm512_packs_epi16(low, high));
}

/* ---- weights ---- */

static size_t int8_units(const struct sdrt_weight_shape *w)
{
    return (size_t)divide_up(w->n, pack_pair_columns(w)) * 2 * VL;
}

static size_t int8_pack_size(const struct sdrt_weight_shape *w)
{
    const size_t lines = (size_t)divide_up(w->k, TILE_K8);

    return int8_units(w) * (sizeof(float) + lines * TILE_K8);
}

/* Where slot number i of a column lies from its first, in slots. */
static size_t int8_place(int i)
{
    const int line = i / VL, slot = i % VL;

    return (size_t)line * (2 * TILE_BYTES / INT8_SLOT) + (size_t)((slot % 4 * 4 + slot / 4) * VL);
}

enum { INT8_SOME = 4 * TILE_K8 }; /* values that are converted together */

/* A column that is packed. */
struct int8_column {
    const char *p;
    enum sdrt_dtype from;
    int k, rotated;
};

/* Values first .. of a column, with zeros behind the last; how many slots. */
static int int8_some(const struct int8_column *c, int first, float *values)
{
    const int n = int_min(c->k - first, INT8_SOME);

    sdrt_to_f32(c->p + (size_t)first * sdrt_dtype_size(c->from), c->from, values, (size_t)n);
    for (int i = n; i < INT8_SOME; i++) values[i] = 0.0f;
    for (int i = 0; c->rotated && i < n; i += SDRT_ROTATION) {
        vf v[4];
        int8_values(values, SDRT_F32, (size_t)i, TILE_K8, 1, v);
        for (int j = 0; j < 4; j++) v_store(values + i + j * VL, v[j]);
    }
    return divide_up(n, INT8_SLOT);
}

/* A column to its slots from to on; what one is worth. */
static float int8_pack_column(const struct int8_column *c, int32_t *to)
{
    float values[INT8_SOME], unit = 1e-30f;
    int8_t whole[INT8_SOME];

    for (int at = 0; at < c->k; at += INT8_SOME) {
        int8_some(c, at, values);
        for (int i = 0; i < INT8_SOME; i++) unit = fmaxf(unit, fabsf(values[i]) / INT8_MOST);
    }
    for (int at = 0; at < c->k; at += INT8_SOME) {
        const int slots = int8_some(c, at, values);
        for (int i = 0; i < INT8_SOME; i += VL) {
            const __m512i n = int8_whole(v_load(values + i), v_set1(1.0f / unit));
            _mm_storeu_si128((__m128i *)(void *)(whole + i), _mm512_cvtepi32_epi8(n));
        }
        for (int i = 0; i < slots; i++)
            memcpy(to + int8_place(at / INT8_SLOT + i), whole + INT8_SLOT * i, INT8_SLOT);
    }
    /* Both operands' matrices are of norm sqrt(SDRT_ROTATION). */
    return c->rotated ? unit / SDRT_ROTATION : unit;
}

/* As sdrt_gemm_ops.pack_rows, for weights of I8. */
static int int8_pack(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    const size_t bytes = (size_t)w->k * sdrt_dtype_size(from);
    const size_t lines = (size_t)divide_up(w->k, TILE_K8);
    const int columns = pack_pair_columns(w);
    float *const units = dst;
    int32_t *const tiles = (int32_t *)(void *)(units + int8_units(w));

    if (!sdrt_is_float(from) || w->k > INT8_DEEPEST) return -1;
    for (int i = 0; i < count; i++) {
        const int gate = w->gated && row0 + i >= w->n, n = row0 + i - (gate ? w->n : 0);
        const int pair = n / columns, right = w->gated ? gate : n % columns / VL;
        int32_t *const to = tiles +
                            ((size_t)pair * lines * 2 + (size_t)right) * (TILE_BYTES / INT8_SLOT) +
                            n % VL;
        const struct int8_column c = { (const char *)src + (size_t)i * bytes, from, w->k,
                                       sdrt_rotates(w) };
        units[(2 * pair + right) * VL + n % VL] = int8_pack_column(&c, to);
    }
    return 0;
}

#endif
