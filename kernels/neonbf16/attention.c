/* SPDX-License-Identifier: MIT
 *
 * Attention of the denoisers and the VAE; the text encoders', masked or biased, stays f32.
 */
#include "kernels/neon/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonbf16/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonbf16/product.h"
/* As in neon/attention.c, but that weights of half the width let twice the keys stay in L1. */
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

static struct sdrt_attention_ops ops_for(const struct sdrt_attention_shape *s)
{
    struct sdrt_attention_ops ops = { 0 };

    if (s->causal || s->biased) sdrt_attention_init_neon(&ops);
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

void sdrt_attention_init_neonbf16(struct sdrt_attention_ops *ops)
{
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->attention = attention;
}
