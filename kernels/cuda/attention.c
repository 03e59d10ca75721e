/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/attention_wgmma.h"
#include "kernels/cuda/launch.h"

#include <math.h>

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

/* ---- which tiles ---- */

/* A kernel for one head size, and what a tile of a block takes of a multiprocessor, by a model of an H100
 * that nothing has timed: the most of its loop's issue slots (tests/check_cubins.sh), of its
 * products' clocks, for warps at 62 % of warpgroups' rate, and of 8 clocks for each of a warp's exponentials.
 * Warpgroups: of one, two of which a block has. */
struct tile {
    enum sdrt_cuda_number kernel;
    int clocks; /* 0: there is none */
};
static const struct head {
    int channels;
    struct tile warps, warpgroup;
} heads[] = {
    { 40, { SDRT_CUDA_attention_40, 404 }, { SDRT_CUDA_attention_wgmma_40, 528 } },
    { 64, { SDRT_CUDA_attention_64, 433 }, { SDRT_CUDA_attention_wgmma_64, 528 } },
    { 80, { SDRT_CUDA_attention_80, 527 }, { SDRT_CUDA_attention_wgmma_80, 640 } },
    { 128, { SDRT_CUDA_attention_plain, 0 }, { SDRT_CUDA_attention_wgmma_128, 1024 } },
    { 160, { SDRT_CUDA_attention_160, 1032 }, { SDRT_CUDA_attention_wgmma_160, 800 } },
};

static const struct head *head_of(int channels)
{
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        if (heads[i].channels == channels) return &heads[i];
    return NULL;
}

/* Of all blocks, as many at once as there are multiprocessors. */
static double clocks_of(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                        int queries, int keys, int clocks)
{
    const double blocks = (double)cuda_divide_up(s->q_len, queries) * s->heads * s->batch;
    const double rounds = ceil(blocks / ex->stream->multiprocessors);

    return rounds * cuda_divide_up(s->kv_len, keys) * clocks;
}

/* Each stride of a tensor map divides the next one. */
static int takes_warpgroups(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s)
{
    return ex->stream->capability == 90 && ex->stream->tensor_map &&
           s->q_pitch % s->head_dim == 0 && s->k_pitch % s->head_dim == 0 &&
           s->v_pitch % s->head_dim == 0;
}

static int are_faster(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                      const struct head *h)
{
    const int groups = s->q_len > SDRT_CUDA_ATTENTION_WGMMA_QUERIES / 2 ? 2 : 1;
    const int keys = SDRT_CUDA_ATTENTION_WGMMA_KEYS(s->head_dim);

    if (!h->warps.clocks || ex->stream->attention == SDRT_ATTENTION_OF_WARPGROUPS) return 1;
    if (ex->stream->attention == SDRT_ATTENTION_OF_WARPS) return 0;
    return clocks_of(ex, s, SDRT_CUDA_ATTENTION_WGMMA_QUERIES, keys,
                     groups * h->warpgroup.clocks) <=
           clocks_of(ex, s, SDRT_CUDA_ATTENTION_QUERIES, SDRT_CUDA_ATTENTION_KEYS, h->warps.clocks);
}

/* A kernel for tensor cores, or the one for everything else. */
static enum sdrt_cuda_number choose(const struct sdrt_exec *ex,
                                    const struct sdrt_attention_shape *s,
                                    const struct sdrt_attention_args *a, int rounded)
{
    const struct head *h = head_of(s->head_dim);

    if (!h || !rounded || !is_copied(s->q_type, s->q_pitch, a->q) ||
        !is_copied(s->k_type, s->k_pitch, a->k) || !is_copied(s->v_type, s->v_pitch, a->v))
        return SDRT_CUDA_attention_plain;
    return takes_warpgroups(ex, s) && are_faster(ex, s, h) ? h->warpgroup.kernel : h->warps.kernel;
}

/* ---- launches ---- */

static size_t tiles_bytes(const struct sdrt_exec *ex, int head_dim)
{
    return (size_t)(cuda_narrow(ex) == SDRT_F16 ? SDRT_CUDA_ATTENTION_SHARED_75(head_dim)
                                                : SDRT_CUDA_ATTENTION_SHARED(head_dim));
}

/* Rows of heads of one operand, a box of 64 channels of so many tokens. */
static int describe(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s, const void *x,
                    int len, int pitch, int tokens, struct sdrt_tensor_map *map)
{
    const uint64_t head = (uint64_t)s->head_dim * 2, token = (uint64_t)pitch * 2;
    const uint64_t dims[] = { (uint64_t)s->head_dim, (uint64_t)s->heads, (uint64_t)len,
                              (uint64_t)s->batch };
    const uint64_t strides[] = { head, token, token * (uint64_t)len };
    const uint32_t box[] = { SDRT_CUDA_ATTENTION_WGMMA_BOX, 1, (uint32_t)tokens, 1 };
    const uint32_t steps[] = { 1, 1, 1, 1 };

    return ex->stream->tensor_map(ex->stream, map, x, 4, dims, strides, box, steps);
}

static int attention_warpgroups(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                                const struct sdrt_cuda_attention *p, enum sdrt_cuda_number kernel)
{
    const int queries = SDRT_CUDA_ATTENTION_WGMMA_QUERIES;
    const int keys = SDRT_CUDA_ATTENTION_WGMMA_KEYS(s->head_dim);
    struct sdrt_cuda_attention_wgmma w = { .p = *p };

    if (describe(ex, s, p->q, s->q_len, s->q_pitch, queries, &w.q) ||
        describe(ex, s, p->k, s->kv_len, s->k_pitch, keys, &w.k) ||
        describe(ex, s, p->v, s->kv_len, s->v_pitch, keys, &w.v))
        return -1;
    return cuda_launch(ex, kernel, cuda_divide_up(s->q_len, queries), s->heads * s->batch,
                       (size_t)SDRT_CUDA_ATTENTION_WGMMA_SHARED(s->head_dim), &w, sizeof w);
}

/* rounded: operands count as what the device's 16-bit type has of them. */
static int attention_of(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                        const struct sdrt_attention_args *a, int rounded)
{
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
        .fours = s->o_type != SDRT_F32 && s->o_pitch % 4 == 0 && cuda_aligned(a->o, 8),
        .scale = s->scale,
    };

    if (ex->part) return 0;
    if (!takes(s) || !cuda_has(ex, s->q_type) || !cuda_has(ex, s->k_type) ||
        !cuda_has(ex, s->v_type) || !cuda_has(ex, s->o_type))
        return -1;
    const enum sdrt_cuda_number kernel = choose(ex, s, a, rounded);
    if (kernel == SDRT_CUDA_attention_plain)
        return cuda_launch(ex, kernel, cuda_divide_up(s->q_len, SDRT_CUDA_ATTENTION_WARPS),
                           s->heads * s->batch, SDRT_CUDA_ATTENTION_PLAIN_SHARED, &p, sizeof p);
    if (sdrt_cuda_kernels[kernel].capability == 90) return attention_warpgroups(ex, s, &p, kernel);
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
