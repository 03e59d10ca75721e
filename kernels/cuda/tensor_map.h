/* SPDX-License-Identifier: MIT
 *
 * A description of a tensor for the copy engine as a part of a kernel's parameters.  Only its type differs
 * between the host's C (struct sdrt_tensor_map) and the kernels' C++ (struct tensor_map).
 */
#ifndef SDRT_KERNELS_CUDA_TENSOR_MAP_H
#define SDRT_KERNELS_CUDA_TENSOR_MAP_H

#ifdef __cplusplus
typedef tensor_map sdrt_cuda_map;
#else
#include "kernels/stream.h"
typedef struct sdrt_tensor_map sdrt_cuda_map;
#endif

#endif
