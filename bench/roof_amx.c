/* SPDX-License-Identifier: MIT
 *
 * Tile products: four accumulators that do not depend on one another and no loads in the loop,
 * which is all that the unit can do (a product takes 16 cycles and is ready after 52).
 */
#include "bench/roof.h"

#include <immintrin.h>
#include <stdint.h>

enum { PRODUCTS = 4, TILE_ROWS = 16, TILE_BYTES = 64 };

/* Static, and read by inline assembly with a full operand: GCC's own intrinsic tells the compiler
 * about 8 of the 64 bytes. */
static const struct {
    uint8_t  palette, start_row, zero[14];
    uint16_t bytes[16];
    uint8_t  rows[16];
} config = {
    .palette = 1,
    .bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
    .rows = { 16, 16, 16, 16, 16, 16, 16, 16 },
};

static void begin(const void *data)
{
    const char *x = data; /* four tiles of a kilobyte: SDRT_ROOF_DATA */

    __asm__ volatile("ldtilecfg %0" : : "m"(config));
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, x, TILE_BYTES);
    _tile_loadd(5, x + 1024, TILE_BYTES);
    _tile_loadd(6, x + 2048, TILE_BYTES);
    _tile_loadd(7, x + 3072, TILE_BYTES);
}

/* A round of four products is as long as ten of the vector loops'. */
static long shorter(long rounds) { return rounds / 10 + 1; }

static double bf16(long rounds, const void *data)
{
    const long n = shorter(rounds);

    begin(data);
    for (long r = 0; r < n; r++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 2.0 * PRODUCTS * TILE_ROWS * 16 * (TILE_BYTES / 2) * (double)n;
}

static double int8(long rounds, const void *data)
{
    const long n = shorter(rounds);

    begin(data);
    for (long r = 0; r < n; r++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return 2.0 * PRODUCTS * TILE_ROWS * 16 * TILE_BYTES * (double)n;
}

/* Vectors and reads are measured with AVX-512, which every such processor has. */
static double f32(long rounds, const void *data) { return sdrt_roof_avx512.f32(rounds, data); }
static double read_all(const float *x, long n) { return sdrt_roof_avx512.read(x, n); }

const struct sdrt_roof_loops sdrt_roof_amx = {
    .f32 = f32, .bf16 = bf16, .int8 = int8, .read = read_all,
};
