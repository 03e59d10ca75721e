/* SPDX-License-Identifier: MIT
 *
 * Scaled dot-product attention with a tiled online softmax; the score matrix never
 * exists as a whole.
 *
 *     o[i] = sum_j softmax_j(scale * q[i] . k[j] + bias[i][j]) v[j]   for each image and head
 *
 * q, k, v and o are rows of tokens with their own type (f32, or another that takes() allows) and
 * pitch; head h occupies elements h*head_dim .. (h+1)*head_dim-1 of a row, so they may be slices
 * of one fused projection.  Token rows of consecutive images follow each other densely
 * (row = image * len + token).  o overlaps nothing.  The bias, of finite values, is each head's
 * own and the same for all images; without one it is 0.
 *
 * Finite inputs may have scores beyond the range of f32: such a score counts as the largest
 * f32 of its sign, so it wins over (loses against) all that are in range, and several of one
 * sign weigh the same.
 * Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018.
 */
#ifndef SDRT_KERNELS_ATTENTION_H
#define SDRT_KERNELS_ATTENTION_H

#include "kernels/dtype.h"
#include "kernels/exec.h"

struct sdrt_attention_shape {
    int   batch, heads, head_dim;
    int   q_len, kv_len; /* tokens of one image */
    enum sdrt_dtype q_type, k_type, v_type, o_type;
    int   q_pitch, k_pitch, v_pitch, o_pitch; /* elements from one row to the next */
    int   causal;        /* 1: query i sees keys 0 .. i only (q_len == kv_len) */
    int   biased;        /* 1: args.bias is given */
    float scale;         /* usually 1 / sqrt(head_dim) */
};

struct sdrt_attention_args {
    const void  *q, *k, *v;
    void        *o;
    const float *bias; /* [heads][q_len][kv_len], or NULL when not biased */
};

struct sdrt_attention_ops {
    /* As in gemm.h, for q_type, k_type, v_type and o_type; operand() is what q, k and v are
     * rounded to. */
    int (*takes)(const struct sdrt_attention_shape *s);
    enum sdrt_dtype (*operand)(const struct sdrt_attention_shape *s);
    int (*parts)(const struct sdrt_attention_shape *s, int workers);
    size_t (*scratch)(const struct sdrt_attention_shape *s);
    int (*attention)(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a);
};

#ifndef SDRT_KERNEL_H /* not for plugins */
void sdrt_attention_init(struct sdrt_attention_ops *ops, unsigned isa);

#define SDRT_ATTENTION_FILLER(flag, filler) void filler(struct sdrt_attention_ops *ops);
#include "kernels/levels.h"
#endif

#endif
