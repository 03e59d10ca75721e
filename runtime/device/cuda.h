/* SPDX-License-Identifier: MIT
 *
 * An NVIDIA GPU as a device, through the driver that is found at run time.  Its kernels are those of
 * kernels/cuda; a queue is a stream, beside which the workers of a processor's queue pack weights.
 * Programs that ran once are captured, and launched as one graph from then on.
 */
#ifndef SDRT_RUNTIME_DEVICE_CUDA_H
#define SDRT_RUNTIME_DEVICE_CUDA_H

#include "runtime/device/device.h"

struct sdrt_cuda_options {
    int index;     /* which of the driver's GPUs */
    int plan_only; /* 1: no driver is looked for; programs can be planned, memory is refused */
    int f16;       /* 1: to plan for a GPU of compute capability 7.5, which multiplies f16 */
    size_t limit;  /* bytes of memory that it may take together; 0: all that is free */
};

/* Takes *host, a processor's device, over and sets it to NULL, whatever the result.  *out belongs to
 * the caller, NULL after a failure.  SDRT_E_UNSUPPORTED with one line: no driver, no GPU of that
 * index, one that is too old, no kernels in this build or for this GPU; SDRT_E_NOMEM. */
int sdrt_cuda_device_open(struct sdrt_device **out, struct sdrt_device **host,
                          const struct sdrt_cuda_options *options, const struct sdrt_log *log);

/* What the GPU is, for reports: "NVIDIA H200", 90 (10 * major + minor), the driver's version as
 * 1000 * major + 10 * minor.  Borrowed from the device. */
struct sdrt_cuda_facts {
    const char *name;
    int capability, multiprocessors, driver;
    size_t memory; /* bytes in all */
};
void sdrt_cuda_device_facts(const struct sdrt_device *device, struct sdrt_cuda_facts *facts);

/* What the GPU multiplies, of 16-bit types: "bf16", or "f16" before compute capability 8.0, where wide_ops
 * are for what f16 does not hold. */
const char *sdrt_cuda_device_precision(const struct sdrt_device *device);

/* Whether a device is one of these. */
int sdrt_is_cuda_device(const struct sdrt_device *device);

#endif
