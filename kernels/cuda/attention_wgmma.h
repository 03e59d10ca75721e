/* SPDX-License-Identifier: MIT
 *
 * Parameters of the attention kernels for sm_90a.
 */
#ifndef SDRT_KERNELS_CUDA_ATTENTION_WGMMA_H
#define SDRT_KERNELS_CUDA_ATTENTION_WGMMA_H

#include "kernels/cuda/attention_params.h"
#include "kernels/cuda/tensor_map.h"

/* Rows: (channel, head, token, image), box of 64 channels of one head's tile of tokens. */
struct sdrt_cuda_attention_wgmma {
    sdrt_cuda_map q, k, v;
    struct sdrt_cuda_attention p;
};

/* A block: 128 queries of one head and image, 64 of a warpgroup, beside one that copies.  Keys and
 * values each have a ring.  The grid is (blocks of queries, heads * images). */
enum {
    SDRT_CUDA_ATTENTION_WGMMA_QUERIES = 128,
    SDRT_CUDA_ATTENTION_WGMMA_STAGES = 2,
    SDRT_CUDA_ATTENTION_WGMMA_THREADS = 3 * 128,
    SDRT_CUDA_ATTENTION_WGMMA_BOX = 64, /* channels */
};

/* Keys of a tile: what registers have room for, and of heads of 160 what shared memory has. */
#define SDRT_CUDA_ATTENTION_WGMMA_KEYS(d) ((d) > 128 ? 80 : 128)
/* Bytes of so many rows of a head, whose channels lie in boxes of 128 bytes a row. */
#define SDRT_CUDA_ATTENTION_WGMMA_TILE(d, rows) \
    (((d) + SDRT_CUDA_ATTENTION_WGMMA_BOX - 1) / SDRT_CUDA_ATTENTION_WGMMA_BOX * (rows)*128)
/* Queries, both rings, and barriers: "full" and "free" of each stage, and the queries' one. */
#define SDRT_CUDA_ATTENTION_WGMMA_SHARED(d)                                            \
    (SDRT_CUDA_ATTENTION_WGMMA_TILE(d, SDRT_CUDA_ATTENTION_WGMMA_QUERIES) +            \
     2 * SDRT_CUDA_ATTENTION_WGMMA_STAGES *                                            \
         (SDRT_CUDA_ATTENTION_WGMMA_TILE(d, SDRT_CUDA_ATTENTION_WGMMA_KEYS(d)) + 16) + \
     8)

#endif
