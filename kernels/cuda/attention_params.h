/* SPDX-License-Identifier: MIT
 *
 * Parameters of the attention kernels, for the host's C and for the kernels' C++.
 */
#ifndef SDRT_KERNELS_CUDA_ATTENTION_PARAMS_H
#define SDRT_KERNELS_CUDA_ATTENTION_PARAMS_H

struct sdrt_cuda_attention {
    const void *q, *k, *v; /* [image][token][pitch], head h in columns h * head_dim .. */
    void *o;
    const float *bias; /* [head][q_len][kv_len] or NULL */
    int heads, head_dim, q_len, kv_len;
    int q_pitch, k_pitch, v_pitch, o_pitch;
    int q_narrow, k_narrow, v_narrow, o_narrow;
    int causal;
    int rounded; /* operands count as what the 16-bit type has of them */
    int pairs;   /* two neighbouring channels of o may be stored at once */
    int fours;   /* four of them, of o in 16 bits */
    float scale;
};

/* For tensor cores.  A block: 64 queries of one head and image, 16 a warp; a ring of two stages of
 * 64 keys and values, on sm_75 one in whose place the queries lie before.  The grid is (blocks of queries,
 * heads * images). */
enum {
    SDRT_CUDA_ATTENTION_QUERIES = 64,
    SDRT_CUDA_ATTENTION_KEYS = 64,
    SDRT_CUDA_ATTENTION_STAGES = 2,
    SDRT_CUDA_ATTENTION_THREADS = 128,
};

/* Bytes from row to row in shared memory: the head, padded to whole products, and 16 more, so that
 * eight rows begin in eight different groups of banks. */
#define SDRT_CUDA_ATTENTION_ROW(d) (((d) + 15) / 16 * 32 + 16)
#define SDRT_CUDA_ATTENTION_TILE(d) (SDRT_CUDA_ATTENTION_KEYS * SDRT_CUDA_ATTENTION_ROW(d))
#define SDRT_CUDA_ATTENTION_SHARED(d) \
    ((1 + 2 * SDRT_CUDA_ATTENTION_STAGES) * SDRT_CUDA_ATTENTION_TILE(d))
#define SDRT_CUDA_ATTENTION_SHARED_75(d) (2 * SDRT_CUDA_ATTENTION_TILE(d))

/* For everything else: a warp for each query, its 512 channels at most in shared memory. */
enum {
    SDRT_CUDA_ATTENTION_WARPS = 4,
    SDRT_CUDA_ATTENTION_MOST = 512, /* channels of a head */
    SDRT_CUDA_ATTENTION_PLAIN_SHARED = SDRT_CUDA_ATTENTION_WARPS * SDRT_CUDA_ATTENTION_MOST * 4,
};

#endif
