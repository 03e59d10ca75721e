/* SPDX-License-Identifier: MIT
 *
 * Attention in bf16 (or f16) without mask and bias; with them it is the level below's, in f32.
 *
 * The including file takes in kernels/simd/attention.h with slots of that type, and defines fill_f32(), the
 * filler of the level below.
 */

static struct sdrt_attention_ops ops_for(const struct sdrt_attention_shape *s)
{
    struct sdrt_attention_ops ops = { 0 };

    if (s->causal || s->biased) fill_f32(&ops);
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

static void fill_bf16(struct sdrt_attention_ops *ops)
{
    ops->takes = takes;
    ops->operand = operand;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->attention = attention;
}
