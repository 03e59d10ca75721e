/* SPDX-License-Identifier: MIT
 *
 * What the host's side of all families shares.
 */
#ifndef SDRT_KERNELS_CUDA_LAUNCH_H
#define SDRT_KERNELS_CUDA_LAUNCH_H

#include "kernels/cuda/cuda.h"
#include "kernels/stream.h"

#include <stdint.h>

/* Fills one family's entries each, for devices of this 16-bit type; attention's F32: rounding nothing. */
void sdrt_cuda_gemm_init(struct sdrt_gemm_ops *ops, enum sdrt_dtype narrow);
void sdrt_cuda_conv_init(struct sdrt_conv_ops *ops, enum sdrt_dtype narrow);
void sdrt_cuda_attention_init(struct sdrt_attention_ops *ops, enum sdrt_dtype narrow);
void sdrt_cuda_norm_init(struct sdrt_norm_ops *ops);
void sdrt_cuda_elementwise_init(struct sdrt_elementwise_ops *ops);

static inline int cuda_divide_up(int a, int b) { return (a + b - 1) / b; }
static inline int cuda_round_up(int a, int b) { return cuda_divide_up(a, b) * b; }

/* Types that operands may have on some device, and on this one. */
static inline int cuda_knows(enum sdrt_dtype type)
{
    return type == SDRT_F32 || type == SDRT_BF16 || type == SDRT_F16;
}
static inline enum sdrt_dtype cuda_narrow(const struct sdrt_exec *ex)
{
    return sdrt_cuda_narrow(ex->stream->capability);
}
static inline int cuda_has(const struct sdrt_exec *ex, enum sdrt_dtype type)
{
    return type == SDRT_F32 || type == cuda_narrow(ex);
}

static inline int cuda_aligned(const void *p, size_t bytes) { return (uintptr_t)p % bytes == 0; }

/* Blocks in x, y and z, as many threads each as the kernel's row says. */
static inline int cuda_launch_3d(const struct sdrt_exec *ex, enum sdrt_cuda_number kernel,
                                 int grid_x, int grid_y, int grid_z, size_t shared,
                                 const void *params, size_t bytes)
{
    const struct sdrt_launch l = {
        .kernel = (int)kernel,
        .grid_x = (unsigned)grid_x,
        .grid_y = (unsigned)grid_y,
        .grid_z = (unsigned)grid_z,
        .shared_bytes = (unsigned)shared,
        .params = params,
        .params_bytes = bytes,
    };

    return ex->stream->launch(ex->stream, &l);
}

static inline int cuda_launch(const struct sdrt_exec *ex, enum sdrt_cuda_number kernel, int grid_x,
                              int grid_y, size_t shared, const void *params, size_t bytes)
{
    return cuda_launch_3d(ex, kernel, grid_x, grid_y, 1, shared, params, bytes);
}

/* A thread for each of n values. */
static inline int cuda_launch_each(const struct sdrt_exec *ex, enum sdrt_cuda_number kernel, int n,
                                   const void *params, size_t bytes)
{
    const int threads = (int)sdrt_cuda_kernels[kernel].threads;

    return cuda_launch(ex, kernel, cuda_divide_up(n, threads), 1, 0, params, bytes);
}

#endif
