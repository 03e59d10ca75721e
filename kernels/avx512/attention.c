/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/vec.h"

/* 32 registers: 14 x 2 or 9 x 3 sums and the panel's two or three vectors; the broadcast is
 * the FMA's memory operand or one register. */
#define SDRT_ATTENTION_ROWS 14
enum {
    ROWS_2    = SDRT_ATTENTION_ROWS,
    ROWS_3    = 9,
    QUERIES   = 504,   /* so many share a packed block of keys */
    Q_FLOATS  = 81920, /* they and their outputs: 640 KiB, streamed once a block of keys */
    TILE      = 28,    /* 28 x 128 weights are 14 KiB of L1, beside a panel of V, 24 KiB at most */
    KEYS      = 128,
    KV_FLOATS = 32768, /* K and V of a block are 256 KiB of a 1 or 2 MiB L2 */
};

#include "kernels/simd/attention.h"

void sdrt_attention_init_avx512(struct sdrt_attention_ops *ops) { attention_fill(ops); }
