/* SPDX-License-Identifier: MIT
 *
 * What the host's side of a kernel asks of a device that runs beside it: launches, in order, and
 * descriptions of tensors for its copy engine.  Whoever opens the device makes one
 * (runtime/device); the operations of kernels/cuda enqueue on exec->stream.
 */
#ifndef SDRT_KERNELS_STREAM_H
#define SDRT_KERNELS_STREAM_H

#include <stddef.h>
#include <stdint.h>

/* A CUtensorMap: opaque, made by the driver, part of a kernel's parameters. */
struct sdrt_tensor_map {
    _Alignas(64) uint64_t opaque[16];
};

struct sdrt_launch {
    int kernel; /* of enum sdrt_cuda_number, whose row says the threads of a block */
    unsigned grid_x, grid_y, grid_z;
    unsigned shared_bytes;
    const void *params; /* the kernel's only argument, copied before launch() returns */
    size_t params_bytes;
};

/* Of a stream. */
enum { SDRT_STREAM_COUNTERS = 256 };

/* Which kernels attention takes where there are several; to measure and to test. */
enum sdrt_stream_attention {
    SDRT_ATTENTION_BY_MODEL, /* the faster ones, by kernels/cuda/attention.c */
    SDRT_ATTENTION_OF_WARPS,
    SDRT_ATTENTION_OF_WARPGROUPS,
};

struct sdrt_stream {
    /* Enqueues the launch; 0, or -1 where the device refuses it.  Allocates nothing. */
    int (*launch)(struct sdrt_stream *stream, const struct sdrt_launch *launch);
    /* Describes a tensor of 16-bit elements: rank 3 to 5, dims and box in elements, innermost
     * first; strides in bytes, of dimensions 1 and up; steps: every how many-th element is taken.
     * 128-byte swizzle, zeros outside.  0, or -1.  NULL where the device has no copy engine. */
    int (*tensor_map)(struct sdrt_stream *stream, struct sdrt_tensor_map *map, const void *base,
                      int rank, const uint64_t *dims, const uint64_t *strides, const uint32_t *box,
                      const uint32_t *steps);
    /* In device memory, SDRT_STREAM_COUNTERS of them: zero between launches, which leave them so.  They
     * are not of a step's scratch since other steps write there.  NULL: no launch counts its blocks. */
    unsigned *counters;
    int capability; /* of the device, 10 * major + minor: 80, 90 */
    int multiprocessors;
    /* A launch may begin before the one before it is over, for which its kernel waits (kernels/cuda/math.h);
     * whoever wants to see one by one sets it to 0. */
    int dependent;
    enum sdrt_stream_attention attention;
};

#endif
