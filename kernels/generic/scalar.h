/* SPDX-License-Identifier: MIT
 *
 * The activations, one value at a time, for the levels that use libm.
 */
#ifndef SDRT_KERNELS_GENERIC_SCALAR_H
#define SDRT_KERNELS_GENERIC_SCALAR_H

#include "kernels/act.h"

#include <math.h>

static inline float scalar_silu(float x) { return x / (1.0f + expf(-x)); }

static inline float scalar_act(float x, enum sdrt_act act)
{
    switch (act) {
    case SDRT_ACT_SILU:
        return scalar_silu(x);
    case SDRT_ACT_GELU: /* erfc, because 1 + erf cancels for negative x */
        return 0.5f * x * erfcf(x * -0.70710678118654752f);
    case SDRT_ACT_GELU_TANH: /* 0.5 (1 + tanh u) = 1 / (1 + exp(-2u)) */
        return x / (1.0f + expf(-1.59576912160573071f * (x + 0.044715f * x * x * x)));
    case SDRT_ACT_GELU_QUICK:
        return x / (1.0f + expf(-1.702f * x));
    case SDRT_ACT_NONE:
        break;
    }
    return x;
}

#endif
