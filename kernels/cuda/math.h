/* SPDX-License-Identifier: MIT
 *
 * Device functions that several kernels use: activations, sums over a warp, types.
 */
#ifndef SDRT_KERNELS_CUDA_MATH_H
#define SDRT_KERNELS_CUDA_MATH_H

#include "kernels/act.h"
#include "kernels/cuda/ptx.h"

enum { LANES = 32 };

DEVICE int lane_number(void) { return (int)threadIdx.x % LANES; }
DEVICE int warp_number(void) { return (int)threadIdx.x / LANES; }
/* Of all threads of a launch in one dimension. */
DEVICE int thread_number(void) { return (int)(blockIdx.x * blockDim.x + threadIdx.x); }

#if SDRT_ARCH >= 90 || !defined(__CUDACC__)
/* Before the first access of what launches write, and before any store.  Whoever comes next may begin only
 * then, so that no more than one launch waits on the multiprocessors. */
DEVICE void follow_previous(void)
{
    if (!PLANTED(launch_no_wait)) wait_for_previous();
    launch_next();
}
#endif

DEVICE float silu(float v) { return v / (1.0f + expf(-v)); }

/* The functions of kernels/act.h. */
DEVICE float activate(float v, int act)
{
    switch (act) {
    case SDRT_ACT_SILU: return silu(v);
    case SDRT_ACT_GELU: return 0.5f * v * (1.0f + erff(v * 0.70710678f));
    case SDRT_ACT_GELU_TANH:
        return 0.5f * v * (1.0f + tanhf(0.79788456f * (v + 0.044715f * v * v * v)));
    case SDRT_ACT_GELU_QUICK: return v / (1.0f + expf(-1.702f * v));
    default: return v;
    }
}

/* In all lanes. */
DEVICE float sum_of_warp(float v)
{
#pragma unroll
    for (int lanes = LANES / 2; lanes > 0; lanes /= 2) v += shuffle_xor(v, lanes);
    return v;
}
DEVICE float most_of_warp(float v)
{
#pragma unroll
    for (int lanes = LANES / 2; lanes > 0; lanes /= 2) v = fmaxf(v, shuffle_xor(v, lanes));
    return v;
}

DEVICE float load_typed(const void *p, int is_narrow, size_t i)
{
    return is_narrow ? low_narrow(((const narrow *)p)[i]) : ((const float *)p)[i];
}
DEVICE void store_typed(void *p, int is_narrow, size_t i, float v)
{
    if (is_narrow) ((narrow *)p)[i] = (narrow)pack_narrow(v, 0.0f);
    else ((float *)p)[i] = v;
}

#endif
