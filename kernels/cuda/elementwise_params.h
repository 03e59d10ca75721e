/* SPDX-License-Identifier: MIT
 *
 * Parameters of the elementwise kernels, for the host's C and for the kernels' C++; each kernel has
 * a thread for each value of y.  What they mean kernels/elementwise.h says.
 */
#ifndef SDRT_KERNELS_CUDA_ELEMENTWISE_PARAMS_H
#define SDRT_KERNELS_CUDA_ELEMENTWISE_PARAMS_H

#include "kernels/dtype.h"

#include <stdint.h>

struct sdrt_cuda_timesteps {
    const float *t;
    float *y;
    int n, dim;
};

struct sdrt_cuda_sums {
    const float *a, *b;
    float *y;
    int n, m, c;
};

struct sdrt_cuda_embed {
    const int32_t *ids;
    const void *table, *positions;
    float *y;
    int rows, c, positions_n;
    enum sdrt_dtype from, positions_from;
};

struct sdrt_cuda_relative {
    const void *table;
    float *y;
    int tokens, buckets, max_distance, heads;
    enum sdrt_dtype from;
    float log_range; /* log(max_distance / buckets that are for one distance each) */
};

/* guide, to_nhwc and to_nchw. */
struct sdrt_cuda_layout {
    const float *x;
    float *y;
    int batch, images, pixels, c;
    float scale;
};

struct sdrt_cuda_patches {
    const float *x;
    float *y;
    int batch, h, w, c, p;
};

struct sdrt_cuda_crop {
    const void *table;
    float *y;
    int side, h, w, c;
    enum sdrt_dtype from;
};

/* relu_in_place and silu_in_place. */
struct sdrt_cuda_in_place {
    const float *slopes; /* [c] or NULL */
    float *x;
    int rows, c, pitch;
    float slope;
};

struct sdrt_cuda_halve {
    const float *x;
    float *y;
    int batch, h, w, c;
};

struct sdrt_cuda_blend {
    const float *x, *z; /* z may be NULL */
    float *y;
    int rows, c, x_pitch, z_pitch, y_pitch;
    float a, b;
};

/* A block for each 32 channels (grid x) of an image (grid y), which its warps share the pixels of. */
struct sdrt_cuda_low {
    float *x;
    int h, w, c;
    float gain;
};

enum {
    SDRT_CUDA_ELEMENTWISE_THREADS = 128,
    SDRT_CUDA_LOW_CHANNELS = 32,
    SDRT_CUDA_LOW_WAVES = 7,
    SDRT_CUDA_LOW_SHARED = SDRT_CUDA_LOW_WAVES * SDRT_CUDA_ELEMENTWISE_THREADS * 4,
};

#endif
