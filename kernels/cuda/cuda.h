/* SPDX-License-Identifier: MIT
 *
 * The kernels for NVIDIA GPUs, as whoever opens such a device sees them.
 */
#ifndef SDRT_KERNELS_CUDA_CUDA_H
#define SDRT_KERNELS_CUDA_CUDA_H

#include "kernels/ops.h"

enum sdrt_cuda_number {
#define SDRT_CUDA_KERNEL(name, threads, shared, shared_75, capability) SDRT_CUDA_##name,
#include "kernels/cuda/list.h"
    SDRT_CUDA_KERNELS
};

/* A row of list.h; the name is the function's in the module. */
struct sdrt_cuda_kernel {
    const char *name;
    unsigned threads, shared, shared_75;
    int capability;
};
extern const struct sdrt_cuda_kernel sdrt_cuda_kernels[SDRT_CUDA_KERNELS];

/* The least compute capability that any of them are for, and the first that multiplies bf16; 10 * major
 * + minor. */
enum { SDRT_CUDA_OLDEST = 75, SDRT_CUDA_BF16 = 80 };

/* The most shared memory that a launch of the kernel asks for on a device of this capability. */
static inline unsigned sdrt_cuda_shared(const struct sdrt_cuda_kernel *kernel, int capability)
{
    return capability < SDRT_CUDA_BF16 ? kernel->shared_75 : kernel->shared;
}

/* The 16-bit type that a device of this capability multiplies and stores. */
static inline enum sdrt_dtype sdrt_cuda_narrow(int capability)
{
    return capability < SDRT_CUDA_BF16 ? SDRT_F16 : SDRT_BF16;
}

/* The kernels compiled for all GPUs (a fatbin), for cuModuleLoadData; 0 bytes where the build had
 * no nvcc. */
extern const unsigned char sdrt_cuda_image[];
extern const size_t sdrt_cuda_image_bytes;

/* Fills every entry for devices whose 16-bit type is narrow (sdrt_cuda_narrow).  The operations enqueue on
 * exec->stream and return at once: 0, or -1 for a launch that was refused or a shape that they do not know.
 * All pointers are the device's.  Part 0 does all of a step, whatever nparts is; scratch is one block for the
 * step.
 *
 * Products multiply that type where the weight is stored so or in e4m3, and f32 elsewhere; sums are f32.  A
 * 16-bit operand whose rows begin at multiples of 16 bytes is read as it lies; any other is brought into
 * such rows in scratch.  An f32 operand that f16 does not hold becomes infinite, and so does what is made of
 * it. */
void sdrt_cuda_ops_init(struct sdrt_ops *ops, enum sdrt_dtype narrow);

/* For networks whose values f16 does not hold, on a device that multiplies it: as above, but attention
 * multiplies f32.  Products are by their weights, which therefore must not be stored as f16. */
void sdrt_cuda_wide_ops_init(struct sdrt_ops *ops);

#endif
