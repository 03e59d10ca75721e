/* SPDX-License-Identifier: MIT */
#include "kernels/neon/vec.h"

#define SDRT_PRODUCT_HEADER "kernels/neon/product.h"
/* 32 registers: 6 x 4 or 4 x 6 sums, four values of k of each row, two of the panel. */
#define SDRT_ATTENTION_ROWS 6
enum {
    ROWS_2 = SDRT_ATTENTION_ROWS,
    ROWS_3 = 4,
    QUERIES = 512,    /* so many share a packed block of keys */
    Q_FLOATS = 40960, /* they and their outputs: 320 KiB, streamed once a block of keys */
    TILE = 24,        /* 24 x 128 weights are 12 KiB of L1, beside a panel of V, 12 KiB at most */
    KEYS = 128,
    KV_FLOATS = 16384, /* K and V of a block are 128 KiB of a 512 KiB L2 */
};

#include "kernels/simd/attention.h"

void sdrt_attention_init_neon(struct sdrt_attention_ops *ops) { attention_fill(ops); }
