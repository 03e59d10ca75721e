/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are 8-bit integers.
 */
#include "kernels/avx2/rotate.h"
#include "kernels/avxvnni/int16.h"

#define SDRT_SLOT_HEADER "kernels/simd/slot_int8.h"
#define SDRT_PRODUCT_HEADER "kernels/simd/product_integers.h"
/* As in avx2/gemm.c, in slots. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 320,
    GEMM_ROWS = 144,
    GEMM_PANELS = 24,
};

#include "kernels/simd/gemm.h"

void sdrt_gemm_int8_init_avxvnni(struct sdrt_gemm_ops *ops) { gemm_fill(ops); }
