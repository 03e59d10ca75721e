/* SPDX-License-Identifier: MIT
 *
 * The tile registers, and what all kernels here share.  Every register is a full tile: 16 rows
 * of 64 bytes, which is 16x16 sums, 16 rows of 32 bf16 (64 int8) of the left operand, or 16 pairs
 * (fours) of rows of 16 of the right one.  A product takes 16 cycles whatever its shape, so that
 * smaller tiles would gain nothing.
 *
 * The configuration is loaded on entry to a kernel and released on return (some 100 cycles of
 * a share that takes a millisecond): a thread without tiles is cheap to switch.
 *
 * Tile numbers must be literals, so numbers that loops compute go through switches, which
 * vanish once the loops are unrolled.
 */
#ifndef SDRT_KERNELS_AMX_TILE_H
#define SDRT_KERNELS_AMX_TILE_H

#include "kernels/avx512/bf16.h"
#include "kernels/dtype.h"
#include "kernels/simd/narrow.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TILE_ROWS  = 16,
    TILE_K     = 32,   /* bf16 values of one row */
    TILE_K8    = 64,   /* int8 values */
    TILE_BYTES = 1024,
    TILE_SUMS  = 256,  /* floats */
    LINE       = 64,
};

typedef uint16_t bf16;

/* Static and constant: GCC 12's intrinsic tells the compiler of 8 bytes of it only. */
static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} tile_config __attribute__((aligned(64))) = {
    .palette = 1,
    .bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
    .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
};

SDRT_ALWAYS_INLINE void tiles_begin(void) { _tile_loadconfig(&tile_config); }
SDRT_ALWAYS_INLINE void tiles_end(void) { _tile_release(); }

/* What was stored before is in memory before later tile loads, which the compiler cannot see
 * to read memory. */
SDRT_ALWAYS_INLINE void tile_fence(void) { __asm__ volatile("" ::: "memory"); }

/* Products use tiles 0 .. 5 for sums, 6 for the left operand and 7 for the right one. */
enum { TILE_SUM_REGISTERS = 6 };

SDRT_ALWAYS_INLINE void tile_left(const void *p, size_t stride) { _tile_loadd(6, p, stride); }
SDRT_ALWAYS_INLINE void tile_right(const void *p) { _tile_loadd(7, p, LINE); }

SDRT_ALWAYS_INLINE void tile_multiply(const int sum)
{
    switch (sum) {
    case 0: _tile_dpbf16ps(0, 6, 7); break;
    case 1: _tile_dpbf16ps(1, 6, 7); break;
    case 2: _tile_dpbf16ps(2, 6, 7); break;
    case 3: _tile_dpbf16ps(3, 6, 7); break;
    case 4: _tile_dpbf16ps(4, 6, 7); break;
    case 5: _tile_dpbf16ps(5, 6, 7); break;
    }
}

/* The same of int8; the sums are int32. */
SDRT_ALWAYS_INLINE void tile_multiply_i8(const int sum)
{
    switch (sum) {
    case 0: _tile_dpbssd(0, 6, 7); break;
    case 1: _tile_dpbssd(1, 6, 7); break;
    case 2: _tile_dpbssd(2, 6, 7); break;
    case 3: _tile_dpbssd(3, 6, 7); break;
    case 4: _tile_dpbssd(4, 6, 7); break;
    case 5: _tile_dpbssd(5, 6, 7); break;
    }
}

SDRT_ALWAYS_INLINE void tile_clear(const int sum)
{
    switch (sum) {
    case 0: _tile_zero(0); break;
    case 1: _tile_zero(1); break;
    case 2: _tile_zero(2); break;
    case 3: _tile_zero(3); break;
    case 4: _tile_zero(4); break;
    case 5: _tile_zero(5); break;
    }
}

/* Sum number sum, [16][16] dense. */
SDRT_ALWAYS_INLINE void tile_load_sum(const int sum, const float *p)
{
    switch (sum) {
    case 0: _tile_loadd(0, p, LINE); break;
    case 1: _tile_loadd(1, p, LINE); break;
    case 2: _tile_loadd(2, p, LINE); break;
    case 3: _tile_loadd(3, p, LINE); break;
    case 4: _tile_loadd(4, p, LINE); break;
    case 5: _tile_loadd(5, p, LINE); break;
    }
}

SDRT_ALWAYS_INLINE void tile_store_sum(const int sum, float *p)
{
    switch (sum) {
    case 0: _tile_stored(0, p, LINE); break;
    case 1: _tile_stored(1, p, LINE); break;
    case 2: _tile_stored(2, p, LINE); break;
    case 3: _tile_stored(3, p, LINE); break;
    case 4: _tile_stored(4, p, LINE); break;
    case 5: _tile_stored(5, p, LINE); break;
    }
}

/* After some 2000 cycles without a tile store the next one takes 900 longer; storing any tile
 * now and then avoids it. */
SDRT_ALWAYS_INLINE void tile_keep_awake(void *p) { _tile_stored(7, p, LINE); }

SDRT_ALWAYS_INLINE void store_bf16(bf16 *to, vf low, vf high)
{
    _mm512_storeu_ps(to, pair_bf16(low, high));
}

/* The first n lanes of v, as load_first() takes n. */
SDRT_ALWAYS_INLINE void store_first(float *p, vf v, int n)
{
    if (n >= VL) v_store(p, v);
    else if (n > 0) v_store_n(p, v, n);
}

/* Whether an operand that is f32 or bf16 is the latter. */
SDRT_ALWAYS_INLINE int is_bf16(enum sdrt_dtype type) { return type == SDRT_BF16; }

/* The first n lanes of v, as load_first() takes n, from element i of row y on. */
SDRT_ALWAYS_INLINE void store_typed(void *y, enum sdrt_dtype type, size_t i, vf v, int n)
{
    if (n <= 0) return;
    if (is_bf16(type)) narrow_store(y, 1, i, v, n);
    else narrow_store(y, 0, i, v, n);
}

/* The first n values (all where n >= TILE_K, none where n <= 0) from element i of row x on, as
 * bf16. */
SDRT_ALWAYS_INLINE vf load_pair_typed(const void *x, enum sdrt_dtype type, size_t i, int n)
{
    if (is_bf16(type)) return load_pair_bf16((const uint16_t *)x + i, n);
    const float *p = (const float *)x + i;
    return pair_bf16(load_first(p, n), load_first(p + VL, n - VL));
}

/* The same of VL values, as f32. */
SDRT_ALWAYS_INLINE vf load_first_typed(const void *x, enum sdrt_dtype type, size_t i, int n)
{
    return is_bf16(type) ? load_first_bf16((const uint16_t *)x + i, n)
                         : load_first((const float *)x + i, n);
}

/* Bytes from row to row of rows of some bytes: an odd number of lines, so that the rows of a
 * tile fall into different sets of L1. */
SDRT_ALWAYS_INLINE size_t odd_pitch(size_t bytes) { return ((bytes + LINE - 1) / LINE | 1) * LINE; }

SDRT_ALWAYS_INLINE int int_min(int a, int b) { return a < b ? a : b; }
SDRT_ALWAYS_INLINE int divide_up(int a, int b) { return (a + b - 1) / b; }

#endif
