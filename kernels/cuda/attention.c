/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/launch.h"

static int takes(const struct sdrt_attention_shape *s)
{
    return cuda_knows(s->q_type) && cuda_knows(s->k_type) && cuda_knows(s->v_type) &&
           cuda_knows(s->o_type) && s->head_dim <= SDRT_CUDA_ATTENTION_MOST;
}

/* Causal and biased attention is the text encoders', which is short and stays in f32. */
static enum sdrt_dtype operand(const struct sdrt_attention_shape *s)
{
    return s->causal || s->biased ? SDRT_F32 : SDRT_BF16;
}

static int parts(const struct sdrt_attention_shape *s, int workers)
{
    (void)s;
    (void)workers;
    return 1;
}

static size_t scratch(const struct sdrt_attention_shape *s)
{
    (void)s;
    return 0;
}

/* Rows of bf16 that copies of 16 bytes can read. */
static int is_copied(enum sdrt_dtype type, int pitch, const void *p)
{
    return type == SDRT_BF16 && pitch % 8 == 0 && cuda_aligned(p, 16);
}

/* The kernel for tensor cores, or the one for everything else. */
static enum sdrt_cuda_number choose(const struct sdrt_attention_shape *s,
                                    const struct sdrt_attention_args *a)
{
    if (operand(s) != SDRT_BF16 || !is_copied(s->q_type, s->q_pitch, a->q) ||
        !is_copied(s->k_type, s->k_pitch, a->k) || !is_copied(s->v_type, s->v_pitch, a->v))
        return SDRT_CUDA_attention_plain;
    switch (s->head_dim) {
    case 40: return SDRT_CUDA_attention_bf16_40;
    case 64: return SDRT_CUDA_attention_bf16_64;
    case 80: return SDRT_CUDA_attention_bf16_80;
    case 160: return SDRT_CUDA_attention_bf16_160;
    default: return SDRT_CUDA_attention_plain;
    }
}

static int attention(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a)
{
    const enum sdrt_cuda_number kernel = choose(s, a);
    const struct sdrt_cuda_attention p = {
        .q = a->q,
        .k = a->k,
        .v = a->v,
        .o = a->o,
        .bias = s->biased ? a->bias : NULL,
        .heads = s->heads,
        .head_dim = s->head_dim,
        .q_len = s->q_len,
        .kv_len = s->kv_len,
        .q_pitch = s->q_pitch,
        .k_pitch = s->k_pitch,
        .v_pitch = s->v_pitch,
        .o_pitch = s->o_pitch,
        .q_bf16 = s->q_type == SDRT_BF16,
        .k_bf16 = s->k_type == SDRT_BF16,
        .v_bf16 = s->v_type == SDRT_BF16,
        .o_bf16 = s->o_type == SDRT_BF16,
        .causal = s->causal,
        .rounded = operand(s) == SDRT_BF16,
        .pairs = s->o_pitch % 2 == 0 && cuda_aligned(a->o, s->o_type == SDRT_BF16 ? 4 : 8),
        .scale = s->scale,
    };

    if (ex->part) return 0;
    if (!takes(s)) return -1;
    if (kernel == SDRT_CUDA_attention_plain)
        return cuda_launch(ex, kernel, cuda_divide_up(s->q_len, SDRT_CUDA_ATTENTION_WARPS),
                           s->heads * s->batch, SDRT_CUDA_ATTENTION_PLAIN_SHARED, &p, sizeof p);
    return cuda_launch(ex, kernel, cuda_divide_up(s->q_len, SDRT_CUDA_ATTENTION_QUERIES),
                       s->heads * s->batch, (size_t)SDRT_CUDA_ATTENTION_SHARED(s->head_dim), &p,
                       sizeof p);
}

void sdrt_cuda_attention_init(struct sdrt_attention_ops *ops)
{
    *ops = (struct sdrt_attention_ops){
        .takes = takes,
        .operand = operand,
        .parts = parts,
        .scratch = scratch,
        .attention = attention,
    };
}
