/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/math.h"
#include "kernels/cuda/probe_params.h"

enum { THREADS = SDRT_PROBE_THREADS, CHAINS = SDRT_PROBE_CHAINS };

/* Nothing but a launch. */
KERNEL(probe_empty, sdrt_probe_params, THREADS, 4)
{
    if (p.rounds < 0) ((float *)p.out)[thread_number()] = 0.0f;
}

/* Products of tensor cores whose operands stay in registers. */
KERNEL(probe_mma, sdrt_probe_params, THREADS, 2)
{
    float sum[CHAINS][4] = {}, all = 0.0f;
    /* 16-bit numbers near 1 of both signs, so that sums stay small and the units work on real bits. */
    const uint32_t bits = 0x3f803f80u | (threadIdx.x * 2654435761u & 0x807f807fu);
    const uint32_t a[4] = { bits, bits ^ 0x80000000u, bits ^ 0x8000u, bits ^ 0x80008000u };

    for (int r = 0; r < p.rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) multiply_narrow(sum[i], a, bits, bits ^ 0x80008000u);
#pragma unroll
    for (int i = 0; i < CHAINS; i++) all += sum[i][0] + sum[i][1] + sum[i][2] + sum[i][3];
    ((float *)p.out)[thread_number()] = all;
}

/* f32 multiplications with additions. */
KERNEL(probe_fma, sdrt_probe_params, THREADS, 4)
{
    float sum[CHAINS], all = 0.0f;
    const float factor = 0.999f + 1e-6f * (float)threadIdx.x;

#pragma unroll
    for (int i = 0; i < CHAINS; i++) sum[i] = (float)i;
    for (int r = 0; r < p.rounds; r++)
#pragma unroll
        for (int i = 0; i < CHAINS; i++) sum[i] = sum[i] * factor + 0.5f;
#pragma unroll
    for (int i = 0; i < CHAINS; i++) all += sum[i];
    ((float *)p.out)[thread_number()] = all;
}

KERNEL(probe_copy, sdrt_probe_params, THREADS, 4)
{
    const long long step = 16ll * THREADS * gridDim.x;

    for (long long at = 16ll * thread_number(); at < p.n; at += step)
        store_16((char *)p.out + at, load_16((const char *)p.in + at));
}
