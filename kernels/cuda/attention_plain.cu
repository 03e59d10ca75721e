/* SPDX-License-Identifier: MIT
 *
 * Attention in f32 for whatever the kernels for tensor cores do not take: any head up to 512, any
 * types and pitches, causal, biased.  A warp has a query.  Of 32 keys at a time each lane makes one
 * score; of the outputs each lane makes every 32nd channel.
 */
#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/math.h"

enum { MOST = SDRT_CUDA_ATTENTION_MOST, WARPS = SDRT_CUDA_ATTENTION_WARPS };

DEVICE float load_operand(const sdrt_cuda_attention &p, const void *x, int is_narrow, size_t i)
{
    const float v = load_typed(x, is_narrow, i);

    return p.rounded && !is_narrow ? low_narrow(pack_narrow(v, 0.0f)) : v;
}

/* Scores beyond the range of f32 count as the largest of their sign. */
DEVICE float in_range(float v) { return fminf(fmaxf(v, -3.402823466e38f), 3.402823466e38f); }

/* Where one query's operands begin. */
struct place {
    size_t k, v, bias; /* elements */
    int keys;          /* that it sees */
};

DEVICE float score_of(const sdrt_cuda_attention &p, const place &at, const float *q, int key)
{
    const size_t row = at.k + (size_t)key * (size_t)p.k_pitch;
    float sum = 0.0f;

    for (int c = 0; c < p.head_dim; c++)
        sum += q[c] * load_operand(p, p.k, p.k_narrow, row + (size_t)c);
    sum = sum * p.scale + (p.bias ? p.bias[at.bias + (size_t)key] : 0.0f);
    return in_range(sum);
}

/* Adds keys key0 .. key0+31 to o, which lane i has channels i, i + 32 .. of. */
DEVICE void add_keys(const sdrt_cuda_attention &p, const place &at, const float *q, int key0,
                     float &most, float &sum, float (&o)[MOST / LANES])
{
    const int key = key0 + lane_number(), seen = at.keys + (PLANTED(attention_plain_keys) ? 1 : 0);
    const float score = key < seen ? score_of(p, at, q, key) : -INFINITY;
    const float above = fmaxf(most, most_of_warp(score)), shrink = expf(most - above);
    const float weight = key < seen ? expf(score - above) : 0.0f;

    most = above;
    sum = sum * shrink + sum_of_warp(weight);
#pragma unroll
    for (int i = 0; i < MOST / LANES; i++) o[i] *= shrink;
    for (int j = 0; j < LANES && key0 + j < at.keys; j++) {
        const float w = shuffle(weight, j);
        const size_t row = at.v + (size_t)(key0 + j) * (size_t)p.v_pitch;
#pragma unroll
        for (int i = 0; i < MOST / LANES; i++) {
            const int c = i * LANES + lane_number();
            if (c < p.head_dim) o[i] += w * load_operand(p, p.v, p.v_narrow, row + (size_t)c);
        }
    }
}

KERNEL(attention_plain, sdrt_cuda_attention, WARPS *LANES, 4)
{
    SHARED(shared);
    const int query = (int)blockIdx.x * WARPS + warp_number(), head = (int)blockIdx.y % p.heads;
    const size_t image = (size_t)((int)blockIdx.y / p.heads), column = (size_t)(head * p.head_dim);
    const size_t row = image * (size_t)p.q_len + (size_t)query;
    float *q = (float *)(void *)shared + warp_number() * MOST;
    const place at = {
        image * (size_t)p.kv_len * (size_t)p.k_pitch + column,
        image * (size_t)p.kv_len * (size_t)p.v_pitch + column,
        ((size_t)head * (size_t)p.q_len + (size_t)query) * (size_t)p.kv_len,
        p.causal && query + 1 < p.kv_len ? query + 1 : p.kv_len,
    };
    float o[MOST / LANES] = {}, most = -3.402823466e38f, sum = 0.0f;

    if (query >= p.q_len + (PLANTED(attention_plain_bound) ? 1 : 0)) return;
    for (int c = lane_number(); c < p.head_dim; c += LANES)
        q[c] = load_operand(p, p.q, p.q_narrow, row * (size_t)p.q_pitch + column + (size_t)c);
    if (!PLANTED(attention_plain_no_barrier)) sync_warp();
    for (int key = 0; key < at.keys; key += LANES) add_keys(p, at, q, key, most, sum, o);
#pragma unroll
    for (int i = 0; i < MOST / LANES; i++) {
        const int c = i * LANES + lane_number();
        if (c < p.head_dim)
            store_typed(p.o, p.o_narrow, row * (size_t)p.o_pitch + column + (size_t)c, o[i] / sum);
    }
}
