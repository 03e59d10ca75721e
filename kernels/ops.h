/* SPDX-License-Identifier: MIT
 *
 * All kernel families at one level, chosen once.
 */
#ifndef SDRT_KERNELS_OPS_H
#define SDRT_KERNELS_OPS_H

#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"

struct sdrt_ops {
    struct sdrt_gemm_ops        gemm;
    struct sdrt_conv_ops        conv;
    struct sdrt_attention_ops   attention;
    struct sdrt_norm_ops        norm;
    struct sdrt_elementwise_ops elementwise;
};

/* Fills every entry with the best that the given sdrt_isa flags allow. */
void sdrt_ops_init(struct sdrt_ops *ops, unsigned isa);

#endif
