/* SPDX-License-Identifier: MIT
 *
 * What linear layers and convolutions share on the host.
 */
#ifndef SDRT_KERNELS_CUDA_PRODUCT_HOST_H
#define SDRT_KERNELS_CUDA_PRODUCT_HOST_H

#include "kernels/cuda/launch.h"
#include "kernels/cuda/norm_params.h"
#include "kernels/cuda/product.h"

/* What products of weights that are stored so multiply, on a device whose 16-bit type is narrow. */
static inline enum sdrt_dtype cuda_operand(enum sdrt_dtype stored, enum sdrt_dtype narrow)
{
    return stored == narrow || stored == SDRT_F8_E4M3 ? narrow : SDRT_F32;
}

/* The packed weight is [tap][row][pitch], of the device's 16-bit type or e4m3 where it is stored so, else
 * f32; see product.h. */
int cuda_weight_rows(const struct sdrt_weight_shape *w);
int cuda_weight_pitch(const struct sdrt_weight_shape *w);
struct cuda_packing {
    size_t (*bytes)(const struct sdrt_weight_shape *w);
    int (*rows)(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                enum sdrt_dtype from, void *dst);
};
const struct cuda_packing *cuda_packing(enum sdrt_dtype narrow);

/* Launches, after filling in what follows from the rest: fours, pairs, quotients.  A product of an
 * enlarged input is one that reads, where it is not in f32. */
int cuda_norm_operand(const struct sdrt_exec *ex, int batch, struct sdrt_cuda_norm_operand *p);
int cuda_prepare(const struct sdrt_exec *ex, struct sdrt_cuda_prepare *p);
int cuda_product(const struct sdrt_exec *ex, enum sdrt_dtype stored, struct sdrt_cuda_product *p);

#endif
