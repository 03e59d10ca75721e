/* SPDX-License-Identifier: MIT
 *
 * Attention of the denoisers; the text encoders', masked or biased, stays f32.
 */
#include "kernels/neonf16/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonf16/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonf16/product.h"
#define SDRT_ATTENTION_PACK_HEADER "kernels/neonf16/attention_pack.h"
/* As in neonbf16/attention.c: a vector is two registers of halves. */
#define SDRT_ATTENTION_ROWS 6
enum {
    ROWS_2 = SDRT_ATTENTION_ROWS,
    ROWS_3 = 4,
    QUERIES = 512,
    Q_FLOATS = 40960,
    TILE = 24,
    KEYS = 256,
    KV_FLOATS = 16384,
};

#include "kernels/simd/attention.h"

static void fill_f32(struct sdrt_attention_ops *ops) { sdrt_attention_init_neon(ops); }

#include "kernels/simd/attention_bf16.h"

void sdrt_attention_init_neonf16(struct sdrt_attention_ops *ops) { fill_bf16(ops); }
