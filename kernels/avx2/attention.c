/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/vec.h"

/* 16 registers: 6 x 2 scores; 2 x 5 outputs, which is all of a head of 40. */
enum {
    SCORE_ROWS        = 6,
    VALUE_ROWS        = 2,
    VALUE_VECTORS     = 5,
    ATTENTION_QUERIES = 240, /* so many share a packed block of keys */
    ATTENTION_KEYS    = 256, /* K and V of head 40 are 80 KiB of L2; a tile's scores stay in L1 */
};

#include "kernels/simd/attention.h"

void sdrt_attention_init_avx2(struct sdrt_attention_ops *ops) { attention_fill(ops); }
