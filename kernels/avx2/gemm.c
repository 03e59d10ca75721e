/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/vec.h"

/* 16 registers: 6 x 2 sums, two weights, one broadcast. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS   = SDRT_TILE_ROWS,
    GEMM_CHUNK  = 320, /* a panel's chunk is 20 KiB: two thirds of L1 */
    GEMM_ROWS   = 144, /* 144 rows of 320 are 189 KiB of a 512 KiB L2 ... */
    GEMM_PANELS = 24,  /* ... and their sums 216 KiB */
};

#include "kernels/simd/gemm.h"

void sdrt_gemm_init_avx2(struct sdrt_gemm_ops *ops) { gemm_fill(ops); }
