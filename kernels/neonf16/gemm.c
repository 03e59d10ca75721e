/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are f16; other weights are NEON's.
 */
#include "kernels/neonf16/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonf16/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonf16/product.h"
/* 32 registers: 6 x 4 sums of eight halves, eight values of k of six rows, two weights. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 320, /* slots: a panel's chunk is 40 KiB of a 64 KiB L1 */
    GEMM_ROWS = 96,   /* 96 rows of them are 126 KiB of a 512 KiB L2 (Cortex-A76) ... */
    GEMM_PANELS = 20, /* ... and their sums 240 KiB */
};

#include "kernels/simd/gemm.h"

static void fill_f32(struct sdrt_gemm_ops *ops) { sdrt_gemm_init_neon(ops); }

#include "kernels/simd/gemm_bf16.h"

void sdrt_gemm_init_neonf16(struct sdrt_gemm_ops *ops) { fill_bf16(ops); }
