/* SPDX-License-Identifier: MIT */
#include "config.h"

#include "kernels/isa.h"
#include "kernels/ops.h"

/* Each level's filler in turn, lowest first, where the flags have its level. */
#define FILL(flag, filler) \
    if ((isa & (unsigned)(flag)) == (unsigned)(flag)) filler(ops);

void sdrt_gemm_init(struct sdrt_gemm_ops *ops, unsigned isa)
{
#define SDRT_GEMM_FILLER FILL
#include "kernels/levels.h"
}

void sdrt_conv_init(struct sdrt_conv_ops *ops, unsigned isa)
{
#define SDRT_CONV_FILLER FILL
#include "kernels/levels.h"
}

void sdrt_attention_init(struct sdrt_attention_ops *ops, unsigned isa)
{
#define SDRT_ATTENTION_FILLER FILL
#include "kernels/levels.h"
}

void sdrt_norm_init(struct sdrt_norm_ops *ops, unsigned isa)
{
#define SDRT_NORM_FILLER FILL
#include "kernels/levels.h"
}

void sdrt_elementwise_init(struct sdrt_elementwise_ops *ops, unsigned isa)
{
#define SDRT_ELEMENTWISE_FILLER FILL
#include "kernels/levels.h"
}

void sdrt_ops_init(struct sdrt_ops *ops, unsigned isa)
{
    sdrt_gemm_init(&ops->gemm, isa);
    sdrt_conv_init(&ops->conv, isa);
    sdrt_attention_init(&ops->attention, isa);
    sdrt_norm_init(&ops->norm, isa);
    sdrt_elementwise_init(&ops->elementwise, isa);
}
