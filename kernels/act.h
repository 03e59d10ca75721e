/* SPDX-License-Identifier: MIT
 *
 * The functions that an epilogue applies to its sums.
 */
#ifndef SDRT_KERNELS_ACT_H
#define SDRT_KERNELS_ACT_H

enum sdrt_act {
    SDRT_ACT_NONE,
    SDRT_ACT_SILU,       /* x / (1 + exp(-x)) */
    SDRT_ACT_GELU,       /* x * Phi(x), exact: 0.5 x (1 + erf(x / sqrt 2)) */
    SDRT_ACT_GELU_TANH,  /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    SDRT_ACT_GELU_QUICK, /* x / (1 + exp(-1.702 x)), CLIP's */
};

#endif
