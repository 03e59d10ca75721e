/* SPDX-License-Identifier: MIT
 *
 * Parameters of the norms' kernels, for the host's C and for the kernels' C++.  What the vectors
 * are kernels/norm.h says.
 */
#ifndef SDRT_KERNELS_CUDA_NORM_PARAMS_H
#define SDRT_KERNELS_CUDA_NORM_PARAMS_H

/* A block for each group (grid x) and image (grid y). */
struct sdrt_cuda_group_norm {
    const float *x, *x2, *gamma, *beta;
    float *msb;
    int pixels, c, c2, x_pitch, x2_pitch, groups;
    float eps;
};

/* The same, written as a product's operand: y [image][pixel][y_pitch] = silu(norm(x and x2)), columns from
 * c + c2 on zero. */
struct sdrt_cuda_norm_operand {
    const float *x, *x2, *gamma, *beta;
    void *y;
    int pixels, c, c2, x_pitch, x2_pitch, y_pitch, groups;
    int silu, y_narrow;
    int pairs; /* two neighbouring channels may be read at once, and belong to one group */
    float eps;
};

/* A warp for each row. */
struct sdrt_cuda_layer_norm {
    const float *x, *gain, *shift;
    void *y;
    int rows, c, x_pitch, y_pitch;
    int y_narrow;
    float one; /* added to gain */
    float eps;
};

/* A warp for each piece. */
struct sdrt_cuda_rms_norm {
    const void *x;
    const float *gamma;
    void *y;
    int rows, groups, width, x_pitch, y_pitch;
    int x_narrow, y_narrow;
    float eps;
};

enum {
    SDRT_CUDA_GROUP_NORM_THREADS = 256,
    SDRT_CUDA_GROUP_NORM_SHARED = 2 * (SDRT_CUDA_GROUP_NORM_THREADS / 32) * 4,
    SDRT_CUDA_NORM_OPERAND_THREADS = 1024,
    SDRT_CUDA_NORM_OPERAND_SHARED = 2 * (SDRT_CUDA_NORM_OPERAND_THREADS / 32) * 4,
    SDRT_CUDA_NORM_OPERAND_FEW = 8192, /* values of an image's group */
    SDRT_CUDA_ROW_NORM_THREADS = 128,  /* of a block; a row has a warp */
};

#endif
