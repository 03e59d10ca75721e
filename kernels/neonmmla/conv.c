/* SPDX-License-Identifier: MIT
 *
 * Convolutions whose weights are bf16, by the direct sum, 3x3 too; the others are NEON's.
 *
 * Winograd's tile takes 36 products a channel pair where the direct sum takes 144, but in f32: in
 * bf16 its transforms would lose too many digits.  Where BFMMLA has four times the rate of f32
 * (Neoverse N2, V1, V2, and the cores that these are), both have equally many product
 * instructions, and the direct sum has no transforms, reads its weights once, not 36 / 9 as much,
 * and rounds its operands alone.  Other makers' cores, whose BFMMLA is not that fast, are not
 * given this level (kernels/isa.c).
 */
#include "kernels/neon/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonmmla/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonmmla/product.h"
/* As in gemm.c. */
#define SDRT_TILE_ROWS 6
/* Products take so little time that a patch is made once; direct_parts() alone cuts its panels. */
#define SDRT_CONV_WANTED 1
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    CONV_CHUNK = 32,      /* slots: a panel's chunk of nine taps is 36 KiB, as neon's */
    CONV_CHUNK_1X1 = 160, /* as in gemm.c */
    CONV_PIXELS = 512,    /* a patch of 128 channels is 170 KiB of L2 */
};

#include "kernels/simd/conv.h"

static void fill_f32(struct sdrt_conv_ops *ops) { sdrt_conv_init_neon(ops); }

#include "kernels/simd/conv_bf16.h"

void sdrt_conv_init_neonmmla(struct sdrt_conv_ops *ops) { fill_bf16(ops); }
