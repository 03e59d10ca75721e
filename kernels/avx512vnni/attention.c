/* SPDX-License-Identifier: MIT
 *
 * Attention of the denoisers and the VAE; the text encoders', masked or biased, stays f32.
 */
#include "kernels/avx512vnni/int16.h"

#define SDRT_SLOT_HEADER "kernels/simd/slot_int16.h"
#define SDRT_ATTENTION_INTEGERS
#define SDRT_ATTENTION_PACK_HEADER "kernels/simd/attention_int16.h"
/* As in avx512/attention.c, but that weights of half the width let twice the keys stay in L1. */
#define SDRT_ATTENTION_ROWS 14
enum {
    ROWS_2 = SDRT_ATTENTION_ROWS,
    ROWS_3 = 9,
    QUERIES = 1024,
    Q_FLOATS = 81920,
    TILE = 27,
    KEYS = 256,
    KV_FLOATS = 32768,
};

#include "kernels/simd/attention.h"

static void fill_f32(struct sdrt_attention_ops *ops) { sdrt_attention_init_avx512(ops); }

#include "kernels/simd/attention_bf16.h"

void sdrt_attention_init_avx512vnni(struct sdrt_attention_ops *ops) { fill_bf16(ops); }
