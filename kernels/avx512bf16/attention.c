/* SPDX-License-Identifier: MIT
 *
 * Attention of the denoisers and the VAE; the text encoders', masked or biased, stays f32.
 */
#include "kernels/avx512/vec.h"

#define SDRT_SLOT_HEADER "kernels/avx512bf16/slot.h"
/* As in avx512/attention.c, but that weights of half the width let twice the keys stay in L1. */
#define SDRT_ATTENTION_ROWS 14
enum {
    ROWS_2    = SDRT_ATTENTION_ROWS,
    ROWS_3    = 9,
    QUERIES   = 504,
    Q_FLOATS  = 81920,
    TILE      = 27,   /* by three rows of nine */
    KEYS      = 256,
    KV_FLOATS = 32768,
};

#include "kernels/simd/attention.h"

static struct sdrt_attention_ops ops_for(const struct sdrt_attention_shape *s)
{
    struct sdrt_attention_ops ops = { 0 };

    if (s->causal || s->biased) sdrt_attention_init_avx512(&ops);
    else attention_fill(&ops);
    return ops;
}

static int takes(const struct sdrt_attention_shape *s) { return ops_for(s).takes(s); }

static enum sdrt_dtype operand(const struct sdrt_attention_shape *s)
{
    return ops_for(s).operand(s);
}

static int parts(const struct sdrt_attention_shape *s, int workers)
{
    return ops_for(s).parts(s, workers);
}

static size_t scratch(const struct sdrt_attention_shape *s) { return ops_for(s).scratch(s); }

static int attention(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a)
{
    return ops_for(s).attention(ex, s, a);
}

void sdrt_attention_init_avx512bf16(struct sdrt_attention_ops *ops)
{
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->attention = attention;
}
