/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/launch.h"

static int takes(const struct sdrt_attention_shape *s)
{
    return cuda_knows(s->q_type) && cuda_knows(s->k_type) && cuda_knows(s->v_type) &&
           cuda_knows(s->o_type) && s->head_dim <= SDRT_CUDA_ATTENTION_MOST;
}

/* Causal and biased attention is the text encoders', which is short and stays in f32. */
static enum sdrt_dtype operand_of(const struct sdrt_attention_shape *s, enum sdrt_dtype narrow)
{
    return s->causal || s->biased ? SDRT_F32 : narrow;
}

static enum sdrt_dtype operand_bf16(const struct sdrt_attention_shape *s)
{
    return operand_of(s, SDRT_BF16);
}

static enum sdrt_dtype operand_f16(const struct sdrt_attention_shape *s)
{
    return operand_of(s, SDRT_F16);
}

static enum sdrt_dtype operand_f32(const struct sdrt_attention_shape *s)
{
    return operand_of(s, SDRT_F32);
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

/* Rows of 16-bit numbers that copies of 16 bytes can read. */
static int is_copied(enum sdrt_dtype type, int pitch, const void *p)
{
    return type != SDRT_F32 && pitch % 8 == 0 && cuda_aligned(p, 16);
}

/* The kernel for tensor cores, or the one for everything else. */
static enum sdrt_cuda_number choose(const struct sdrt_attention_shape *s,
                                    const struct sdrt_attention_args *a, int rounded)
{
    if (!rounded || !is_copied(s->q_type, s->q_pitch, a->q) ||
        !is_copied(s->k_type, s->k_pitch, a->k) || !is_copied(s->v_type, s->v_pitch, a->v))
        return SDRT_CUDA_attention_plain;
    switch (s->head_dim) {
    case 40: return SDRT_CUDA_attention_40;
    case 64: return SDRT_CUDA_attention_64;
    case 80: return SDRT_CUDA_attention_80;
    case 160: return SDRT_CUDA_attention_160;
    default: return SDRT_CUDA_attention_plain;
    }
}

static size_t tiles_bytes(const struct sdrt_exec *ex, int head_dim)
{
    return (size_t)(cuda_narrow(ex) == SDRT_F16 ? SDRT_CUDA_ATTENTION_SHARED_75(head_dim)
                                                : SDRT_CUDA_ATTENTION_SHARED(head_dim));
}

/* rounded: operands count as what the device's 16-bit type has of them. */
static int attention_of(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                        const struct sdrt_attention_args *a, int rounded)
{
    const enum sdrt_cuda_number kernel = choose(s, a, rounded);
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
        .q_narrow = s->q_type != SDRT_F32,
        .k_narrow = s->k_type != SDRT_F32,
        .v_narrow = s->v_type != SDRT_F32,
        .o_narrow = s->o_type != SDRT_F32,
        .causal = s->causal,
        .rounded = rounded,
        .pairs = s->o_pitch % 2 == 0 && cuda_aligned(a->o, s->o_type == SDRT_F32 ? 8 : 4),
        .scale = s->scale,
    };

    if (ex->part) return 0;
    if (!takes(s) || !cuda_has(ex, s->q_type) || !cuda_has(ex, s->k_type) ||
        !cuda_has(ex, s->v_type) || !cuda_has(ex, s->o_type))
        return -1;
    if (kernel == SDRT_CUDA_attention_plain)
        return cuda_launch(ex, kernel, cuda_divide_up(s->q_len, SDRT_CUDA_ATTENTION_WARPS),
                           s->heads * s->batch, SDRT_CUDA_ATTENTION_PLAIN_SHARED, &p, sizeof p);
    return cuda_launch(ex, kernel, cuda_divide_up(s->q_len, SDRT_CUDA_ATTENTION_QUERIES),
                       s->heads * s->batch, tiles_bytes(ex, s->head_dim), &p, sizeof p);
}

static int attention(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a)
{
    return attention_of(ex, s, a, !s->causal && !s->biased);
}

static int attention_f32(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                         const struct sdrt_attention_args *a)
{
    return attention_of(ex, s, a, 0);
}

void sdrt_cuda_attention_init(struct sdrt_attention_ops *ops, enum sdrt_dtype narrow)
{
    *ops = (struct sdrt_attention_ops){
        .takes = takes,
        .operand = narrow == SDRT_BF16  ? operand_bf16
                   : narrow == SDRT_F16 ? operand_f16
                                        : operand_f32,
        .parts = parts,
        .scratch = scratch,
        .attention = narrow == SDRT_F32 ? attention_f32 : attention,
    };
}
