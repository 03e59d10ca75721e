/* SPDX-License-Identifier: MIT
 *
 * Linear layers whose weights are 8-bit integers.
 */
#include "kernels/avx512vnni/int16.h"
#include "kernels/avx512vnni/int8.h"

#define SDRT_SLOT_HEADER "kernels/simd/slot_int8.h"
#define SDRT_PRODUCT_HEADER "kernels/simd/product_integers.h"
/* As in avx512vnni/gemm.c. */
#define SDRT_TILE_ROWS 14
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 320,
    GEMM_ROWS = 168,
    GEMM_PANELS = 16,
};

#include "kernels/simd/gemm.h"

void sdrt_gemm_int8_init_avx512vnni(struct sdrt_gemm_ops *ops) { gemm_fill(ops); }
