/* SPDX-License-Identifier: MIT
 *
 * The kernels for NVIDIA GPUs, as whoever opens such a device sees them.
 */
#ifndef SDRT_KERNELS_CUDA_CUDA_H
#define SDRT_KERNELS_CUDA_CUDA_H

#include "kernels/ops.h"

enum sdrt_cuda_number {
#define SDRT_CUDA_KERNEL(name, threads, shared, capability) SDRT_CUDA_##name,
#include "kernels/cuda/list.h"
    SDRT_CUDA_KERNELS
};

/* A row of list.h; the name is the function's in the module. */
struct sdrt_cuda_kernel {
    const char *name;
    unsigned threads, shared;
    int capability;
};
extern const struct sdrt_cuda_kernel sdrt_cuda_kernels[SDRT_CUDA_KERNELS];

/* The kernels compiled for all GPUs (a fatbin), for cuModuleLoadData; 0 bytes where the build had
 * no nvcc. */
extern const unsigned char sdrt_cuda_image[];
extern const size_t sdrt_cuda_image_bytes;

/* Fills every entry.  The operations enqueue on exec->stream and return at once: 0, or -1 for a
 * launch that was refused or a shape that they do not know.  All pointers are the device's.  Part
 * 0 does all of a step, whatever nparts is; scratch is one block for the step.
 *
 * Products multiply bf16 where the weight is stored so or in e4m3, and f32 elsewhere; sums are f32.  A 16-bit
 * operand whose rows begin at multiples of 16 bytes is read as it lies; any other is brought into
 * such rows in scratch. */
void sdrt_cuda_ops_init(struct sdrt_ops *ops);

#endif
