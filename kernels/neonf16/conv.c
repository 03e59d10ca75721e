/* SPDX-License-Identifier: MIT
 *
 * 1x1 convolutions whose weights are f16.  The others are NEON's: Winograd's tiles in f32 save more
 * than products of halves do.
 */
#include "kernels/neonf16/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonf16/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonf16/product.h"
/* As in gemm.c, in slots. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    CONV_CHUNK = 64,
    CONV_CHUNK_1X1 = 320,
    CONV_PIXELS = 512,
};

#include "kernels/simd/conv.h"

static void fill_f32(struct sdrt_conv_ops *ops) { sdrt_conv_init_neon(ops); }

#include "kernels/simd/conv_bf16.h"

void sdrt_conv_init_neonf16(struct sdrt_conv_ops *ops) { fill_bf16(ops); }
