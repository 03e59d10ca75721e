/* SPDX-License-Identifier: MIT */
#include "kernels/avxvnni/int16.h"

#define SDRT_SLOT_HEADER "kernels/simd/slot_int16.h"
#define SDRT_PRODUCT_HEADER "kernels/simd/product_integers.h"
/* As in avx2/conv.c, in slots. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    CONV_CHUNK = 64,
    CONV_CHUNK_1X1 = 320,
    CONV_PIXELS = 512,
    WINO_TILES = 64, /* of a block: one position's 128 channels are 16 KiB of L1 */
};

#include "kernels/simd/winograd_int16.h"

static void fill_f32(struct sdrt_conv_ops *ops) { sdrt_conv_init_avx2(ops); }

#include "kernels/simd/conv_int16.h"

void sdrt_conv_init_avxvnni(struct sdrt_conv_ops *ops) { fill_int16(ops); }
