/* SPDX-License-Identifier: MIT
 *
 * Linear layers and convolutions are one product: a linear layer is a 1x1 convolution of an image
 * of one line.  The kernels read a single dense operand, which prepare or a norm makes of what is
 * not one already (two sources, a norm, other types), and weights of [tap][row][w_pitch].  Some read f32
 * sources as they lie instead.  16-bit numbers are of the device's own type (ptx.h), and are read in pieces of
 * eight, in which channels that there are not are zero.
 *
 * A gated weight's rows alternate in eights, values and their gates, so that a thread that has a
 * value's sum has its gate's too: column c has its value in row c/8*16 + c%8, its gate 8 below.
 *
 * Read by the host's C and by the kernels' C++.
 */
#ifndef SDRT_KERNELS_CUDA_PRODUCT_H
#define SDRT_KERNELS_CUDA_PRODUCT_H

#include <stddef.h>

struct sdrt_cuda_product {
    const void *a;         /* [image][in_h][in_w][a_pitch], 16 bits or f32, by kernel */
    const float *x2;       /* where the kernel reads sources: the last c2 channels; or NULL */
    const void *w;         /* [tap][rows][w_pitch] */
    const float *bias;     /* [n], gated: [2n]; or NULL */
    const float *gate;     /* [n] or NULL */
    const float *chan;     /* [image or 1][n] or NULL */
    const float *residual; /* [m][n] or NULL */
    void *y;               /* [m][n] */
    int m, n;              /* pixels and columns of the output */
    int rows, k;           /* of w in a tap; channels */
    int c2, x2_pitch;
    int a_pitch, w_pitch, y_pitch, residual_pitch, chan_pitch; /* elements */
    int in_h, in_w, out_h, out_w;
    int kernel, stride, pad;
    int pad_y;    /* rows: pad, but for what lies above them already */
    int upsample; /* 1: the input is enlarged to out_h x out_w first, source y * in_h / out_h */
    unsigned up_y,
        up_x; /* in_h / out_h and in_w / out_w in units of 2^-31, rounded up; 1 without it */
    int read; /* a and x2 are f32 sources, which a kernel for tensor cores converts */
    int source_eights; /* in pieces of eight channels of one source, four to be read at once */
    int act;           /* enum sdrt_act */
    int relu;          /* last of all */
    int gated;
    int y_narrow;
    int fours;      /* four neighbouring columns of y and residual may be accessed at once */
    int parts;      /* split-K: blocks a tile, in z, each with a share of the steps; see split.h */
    float *partial; /* [tile][part][...]: their sums, where there are several; or NULL */
    unsigned *arrived; /* [tile]: blocks that have stored theirs, 0 before and after */
};

/* The tiles of the kernels for tensor cores, and how many steps their rings hold. */
enum {
    SDRT_CUDA_PRODUCT_K = 32,
    SDRT_CUDA_PRODUCT_STAGES = 4,
    SDRT_CUDA_PRODUCT_STAGES_75 = 2, /* on sm_75, whose blocks share 64 KiB */
    SDRT_CUDA_PRODUCT_THREADS = 128,
    SDRT_CUDA_F32_TILE = 64, /* of the f32 kernel, both ways, with steps of 16 */
    SDRT_CUDA_F32_THREADS = 256,
};

/* Shared memory of a tile_m x tile_n kernel: its ring, in whose place the sums lie later. */
#define SDRT_CUDA_PRODUCT_SHARED(stages, tile_m, tile_n) \
    (((tile_m) + (tile_n)) * SDRT_CUDA_PRODUCT_K * 2 * (stages))
/* Two tiles of 16 rows of 66 floats. */
#define SDRT_CUDA_F32_SHARED (2 * 16 * (SDRT_CUDA_F32_TILE + 2) * 4)

/* The tiles of the kernels for sm_90a: 128 pixels, steps of 64 channels of a tap. */
enum {
    SDRT_CUDA_WGMMA_M = 128,
    SDRT_CUDA_WGMMA_K = 64,
    SDRT_CUDA_WGMMA_STAGES = 4,
    SDRT_CUDA_WGMMA_THREADS = 3 * 128, /* a warpgroup that copies, two that multiply */
};
#define SDRT_CUDA_WGMMA_STAGE(tile_n) ((SDRT_CUDA_WGMMA_M + (tile_n)) * SDRT_CUDA_WGMMA_K * 2)
/* The ring and its barriers. */
#define SDRT_CUDA_WGMMA_SHARED(tile_n) \
    (SDRT_CUDA_WGMMA_STAGES * (SDRT_CUDA_WGMMA_STAGE(tile_n) + 2 * 8))

/* y [pixel][y_pitch] = silu(norm(x or x2)), both optional; columns from c + c2 on are zero. */
struct sdrt_cuda_prepare {
    const void *x;    /* [pixel][c], f32 or 16-bit numbers */
    const float *x2;  /* [pixel][c2] or NULL */
    const float *msb; /* [image][3][c + c2] as conv.h's, or NULL */
    void *y;          /* 16-byte aligned */
    int pixels, image_pixels;
    int c, c2, x_pitch, x2_pitch, y_pitch; /* y_pitch: a multiple of 8 */
    int silu;
    int x_narrow, y_narrow;
    int fours; /* x and x2 are f32 whose rows and channels come in fours, 16-byte aligned */
};

enum { SDRT_CUDA_PREPARE_THREADS = 256, SDRT_CUDA_PREPARE_CHANNELS = 8 /* by a thread */ };

#endif
