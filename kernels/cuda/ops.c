/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/launch.h"

const struct sdrt_cuda_kernel sdrt_cuda_kernels[SDRT_CUDA_KERNELS] = {
#define SDRT_CUDA_KERNEL(name, threads, shared, capability) { #name, threads, shared, capability },
#include "kernels/cuda/list.h"
};

void sdrt_cuda_ops_init(struct sdrt_ops *ops)
{
    sdrt_cuda_gemm_init(&ops->gemm);
    sdrt_cuda_conv_init(&ops->conv);
    sdrt_cuda_attention_init(&ops->attention);
    sdrt_cuda_norm_init(&ops->norm);
    sdrt_cuda_elementwise_init(&ops->elementwise);
}
