/* SPDX-License-Identifier: MIT
 *
 * 3x3 and 1x1 convolution on channels-last activations, as an implicit GEMM.
 *
 *     in(y, x, c)  = prologue(source pixel (y / upsample, x / upsample), channel c), 0 outside
 *     out(y, x, o) = sum_{ky,kx,c} in(y*stride + ky - pad, x*stride + kx - pad, c) * w[o][c][ky][kx]
 *                    + bias[o] + chan(image)[o] + residual(y, x, o), or 0 if that is less and relu
 *
 * The prologue is a group norm, with or without SiLU, that norm.h has reduced to
 * three vectors an image: v = (x - mean) * scale + beta.  It is applied while the
 * kernel reads, so a normalised copy of the activations never exists.  Padding is
 * zero after the prologue.
 *
 * The input may be two tensors whose channels follow one another, which is how a
 * skip connection's concat costs nothing: x gives channels 0..in_c-1, x2 the next
 * in_c2.  All tensors are f32 but y, which may have another type that takes() allows.  y may be the
 * same pixels as residual, where it is f32; never as x or x2.
 */
#ifndef SDRT_KERNELS_CONV_H
#define SDRT_KERNELS_CONV_H

#include "kernels/exec.h"
#include "kernels/pack.h"

enum sdrt_prologue {
    SDRT_PROLOGUE_NONE,
    SDRT_PROLOGUE_NORM,
    SDRT_PROLOGUE_NORM_SILU,
};

struct sdrt_conv_shape {
    int batch;
    int in_h, in_w;     /* of the stored input, before upsampling */
    int in_c, in_c2;    /* in_c2 is 0 without a second source */
    int out_h, out_w, out_c;
    int kernel;         /* 1 or 3 */
    int stride;         /* 1 or 2 */
    int upsample;       /* 1, or 2: nearest neighbour, folded into the read.  With 2 the
                         * upsampled image is out_h x out_w (stride 1), which may be odd:
                         * source row y * in_h / out_h as torch's nearest with a size */
    int pad;            /* rows above and columns left; below and right follow from the sizes */
    int lead; /* rows of x above those that the first row of y stands for: more of the picture, in the place of
               * padding, for ranks that have its rows between them; row y reads y*stride + ky - pad + lead */
    enum sdrt_dtype y_type;
    int x_pitch;        /* elements from one pixel to the next; rows and images are dense */
    int x2_pitch;
    int y_pitch;
    int residual_pitch; /* used when args.residual is set */
    int chan_pitch;     /* floats from one image's args.chan to the next; 0: all share one */
    enum sdrt_prologue prologue;
    struct sdrt_weight_shape w; /* n == out_c, k == in_c + in_c2, taps == kernel*kernel */
    int relu; /* 1, of kernel 3: what would be below 0, or no number, becomes 0, last of all */
};

/* A group norm that conv2d makes itself, of x and x2 together: as norm.h's gn_fold. */
struct sdrt_conv_norm {
    const float *gamma, *beta; /* [in_c + in_c2] */
    int groups;                /* divides in_c + in_c2 */
    float eps;
};

struct sdrt_conv_args {
    const float *x;        /* [batch][in_h][in_w][in_c] */
    const float *x2;       /* [batch][in_h][in_w][in_c2] or NULL */
    const float *msb;      /* [batch][3][in_c + in_c2]: mean, scale, beta; NULL without a prologue */
    const void  *w;        /* packed by pack_rows */
    const float *bias;     /* [out_c] or NULL */
    const float *chan;     /* [batch or 1][out_c], the time embedding's share; or NULL */
    const float *residual; /* [batch][out_h][out_w][out_c] or NULL */
    void        *y;        /* [batch][out_h][out_w][out_c] of s->y_type */
    const struct sdrt_conv_norm *norm; /* of the prologue where msb is NULL and norms() says so */
};

struct sdrt_conv_ops {
    /* As in gemm.h. */
    size_t (*pack_bytes)(const struct sdrt_weight_shape *w);
    int (*pack_rows)(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst);
    int (*takes)(const struct sdrt_conv_shape *s); /* the shape's y_type */
    int (*parts)(const struct sdrt_conv_shape *s, int workers);
    size_t (*scratch)(const struct sdrt_conv_shape *s);
    int (*conv2d)(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a);
    /* Whether conv2d takes args.norm of so many groups for this shape, so that nobody need make msb;
     * NULL: never.  It takes msb all the same. */
    int (*norms)(const struct sdrt_conv_shape *s, int groups);
};

#ifndef SDRT_KERNEL_H /* not for plugins */
void sdrt_conv_init(struct sdrt_conv_ops *ops, unsigned isa);

#define SDRT_CONV_FILLER(flag, filler) void filler(struct sdrt_conv_ops *ops);
#include "kernels/levels.h"
#endif

#endif
