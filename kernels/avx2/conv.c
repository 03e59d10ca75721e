/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/vec.h"

/* As in gemm.c. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS      = SDRT_TILE_ROWS,
    CONV_CHUNK     = 64,  /* a panel's chunk of nine taps streams from L2 into L1 */
    CONV_CHUNK_1X1 = 320, /* as in gemm.c */
    CONV_PIXELS    = 512, /* a patch of 64 channels is 170 KiB of L2 */
    WINO_TILES     = 32,  /* of a block: their pair of rows, 128 channels, is 192 KiB of L2 ... */
    WINO_PANELS    = 4,   /* ... and the sums of four panels 96 KiB */
};

#include "kernels/simd/winograd.h"

void sdrt_conv_init_avx2(struct sdrt_conv_ops *ops) { conv_fill(ops); }
