/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are bf16; other weights are NEON's.
 */
#include "kernels/neon/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonmmla/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonmmla/product.h"
/* 32 registers: 3 pairs of rows by 8 of columns, three slots of rows, the others of the panel. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 160, /* slots: as many bytes as neonbf16's */
    GEMM_ROWS = 144,
    GEMM_PANELS = 24,
};

#include "kernels/simd/gemm.h"

static void fill_f32(struct sdrt_gemm_ops *ops) { sdrt_gemm_init_neon(ops); }

#include "kernels/simd/gemm_bf16.h"

void sdrt_gemm_init_neonmmla(struct sdrt_gemm_ops *ops) { fill_bf16(ops); }
