/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/vec.h"

/* 32 registers: 14 x 2 sums, two weights, one broadcast. */
#define SDRT_TILE_ROWS 14
enum {
    TILE_ROWS   = SDRT_TILE_ROWS,
    GEMM_CHUNK  = 320, /* a panel's chunk is 40 KiB, from L2 where L1 is smaller: 9 bytes a cycle */
    GEMM_ROWS   = 168, /* 168 rows of 320 are 221 KiB of a 1 or 2 MiB L2 ... */
    GEMM_PANELS = 16,  /* ... and their sums 336 KiB */
};

#include "kernels/simd/gemm.h"

void sdrt_gemm_init_avx512(struct sdrt_gemm_ops *ops) { gemm_fill(ops); }
