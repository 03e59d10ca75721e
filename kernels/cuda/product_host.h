/* SPDX-License-Identifier: MIT
 *
 * What linear layers and convolutions share on the host.
 */
#ifndef SDRT_KERNELS_CUDA_PRODUCT_HOST_H
#define SDRT_KERNELS_CUDA_PRODUCT_HOST_H

#include "kernels/cuda/launch.h"
#include "kernels/cuda/norm_params.h"
#include "kernels/cuda/product.h"

/* Whether products of weights that are stored so multiply bf16. */
static inline int cuda_in_bf16(enum sdrt_dtype stored)
{
    return stored == SDRT_BF16 || stored == SDRT_F8_E4M3;
}

/* The packed weight is [tap][row][pitch], bf16 or e4m3 where it is stored so, else f32; see product.h. */
int cuda_weight_rows(const struct sdrt_weight_shape *w);
int cuda_weight_pitch(const struct sdrt_weight_shape *w);
size_t cuda_pack_bytes(const struct sdrt_weight_shape *w);
int cuda_pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                   enum sdrt_dtype from, void *dst);

/* Launches, after filling in what follows from the rest: fours, pairs, quotients.  A bf16 product of an
 * enlarged input is one that reads. */
int cuda_norm_operand(const struct sdrt_exec *ex, int batch, struct sdrt_cuda_norm_operand *p);
int cuda_prepare(const struct sdrt_exec *ex, struct sdrt_cuda_prepare *p);
int cuda_product(const struct sdrt_exec *ex, enum sdrt_dtype stored, struct sdrt_cuda_product *p);

#endif
