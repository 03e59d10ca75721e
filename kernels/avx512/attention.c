/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/vec.h"

/* 32 registers: 12 x 2 scores; 4 x 5 outputs. */
enum {
    SCORE_ROWS        = 12,
    VALUE_ROWS        = 4,
    VALUE_VECTORS     = 5,
    ATTENTION_QUERIES = 240, /* so many share a packed block of keys */
    ATTENTION_KEYS    = 256, /* K and V of head 40 are 80 KiB of L2; a tile's scores stay in L1 */
};

#include "kernels/simd/attention.h"

void sdrt_attention_init_avx512(struct sdrt_attention_ops *ops) { attention_fill(ops); }
