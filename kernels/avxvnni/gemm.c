/* SPDX-License-Identifier: MIT */
#include "kernels/avxvnni/int16.h"

#define SDRT_SLOT_HEADER "kernels/simd/slot_int16.h"
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

static void fill_f32(struct sdrt_gemm_ops *ops) { sdrt_gemm_init_avx2(ops); }
#define SDRT_FILL_INT8 sdrt_gemm_int8_init_avxvnni

#include "kernels/simd/gemm_bf16.h"

void sdrt_gemm_init_avxvnni(struct sdrt_gemm_ops *ops) { fill_bf16(ops); }
