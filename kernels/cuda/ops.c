/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/launch.h"

const struct sdrt_cuda_kernel sdrt_cuda_kernels[SDRT_CUDA_KERNELS] = {
#define SDRT_CUDA_KERNEL(name, threads, shared, shared_75, capability) \
    { #name, threads, shared, shared_75, capability },
#include "kernels/cuda/list.h"
};

void sdrt_cuda_ops_init(struct sdrt_ops *ops, enum sdrt_dtype narrow)
{
    sdrt_cuda_gemm_init(&ops->gemm, narrow);
    sdrt_cuda_conv_init(&ops->conv, narrow);
    sdrt_cuda_attention_init(&ops->attention, narrow);
    sdrt_cuda_norm_init(&ops->norm);
    sdrt_cuda_elementwise_init(&ops->elementwise);
}

void sdrt_cuda_wide_ops_init(struct sdrt_ops *ops)
{
    sdrt_cuda_ops_init(ops, SDRT_F16);
    sdrt_cuda_attention_init(&ops->attention, SDRT_F32);
}
