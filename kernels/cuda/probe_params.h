/* SPDX-License-Identifier: MIT
 *
 * Probes: what a device can do at best, for sdbench's roofs.
 */
#ifndef SDRT_KERNELS_CUDA_PROBE_PARAMS_H
#define SDRT_KERNELS_CUDA_PROBE_PARAMS_H

struct sdrt_probe_params {
    void *out;      /* a float for each thread of the launch; the copy's target, 16-byte aligned */
    const void *in; /* the copy's source, 16-byte aligned */
    long long n;    /* bytes to copy, a multiple of 16 */
    int rounds;     /* of the arithmetic; probe_empty and probe_copy ignore it */
    int pad;
};

enum {
    SDRT_PROBE_THREADS = 256,
    SDRT_PROBE_CHAINS = 8, /* independent sums of a thread or warp */
    /* Operations of one block in one round. */
    SDRT_PROBE_MMA_FLOP = SDRT_PROBE_THREADS / 32 * SDRT_PROBE_CHAINS * 2 * 16 * 8 * 16,
    SDRT_PROBE_FMA_FLOP = SDRT_PROBE_THREADS * SDRT_PROBE_CHAINS * 2,
};

#endif
