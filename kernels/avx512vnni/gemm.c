/* SPDX-License-Identifier: MIT */
#include "kernels/avx512vnni/int16.h"
#include "kernels/avx512vnni/int8.h"

#define SDRT_SLOT_HEADER "kernels/simd/slot_int16.h"
#define SDRT_PRODUCT_HEADER "kernels/simd/product_integers.h"
/* As in avx512/gemm.c, in slots. */
#define SDRT_TILE_ROWS 14
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    GEMM_CHUNK = 320,
    GEMM_ROWS = 168,
    GEMM_PANELS = 16,
};

#include "kernels/simd/gemm.h"

static void fill_f32(struct sdrt_gemm_ops *ops) { sdrt_gemm_init_avx512(ops); }
#define SDRT_FILL_INT8 sdrt_gemm_int8_init_avx512vnni

#include "kernels/simd/gemm_bf16.h"

void sdrt_gemm_init_avx512vnni(struct sdrt_gemm_ops *ops) { fill_bf16(ops); }
