/* SPDX-License-Identifier: MIT */
#include "kernels/neon/vec.h"

#define SDRT_PRODUCT_HEADER "kernels/neon/product.h"
/* 32 registers: 6 x 4 sums, four values of k of six rows, two weights. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 320, /* a panel's chunk is 20 KiB: a third of L1 */
    GEMM_ROWS = 144,  /* 144 rows of 320 are 189 KiB of a 512 KiB L2 (Cortex-A76) ... */
    GEMM_PANELS = 24, /* ... and their sums 216 KiB */
};

#include "kernels/simd/gemm.h"

void sdrt_gemm_init_neon(struct sdrt_gemm_ops *ops) { gemm_fill(ops); }
