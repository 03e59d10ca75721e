/* SPDX-License-Identifier: MIT
 *
 * Group norm statistics, layer norm and RMS norm, on channels-last activations.  What is read
 * is f32, but for an RMS norm's x; what a layer norm or an RMS norm writes is f32 or bf16.
 *
 * A group norm is two steps with a barrier between them: gn_sums, then gn_fold,
 * which leaves three vectors an image.  The convolution that follows applies them
 * while it reads (conv.h):  y = (x - mean[c]) * scale[c] + beta[c].
 */
#ifndef SDRT_KERNELS_NORM_H
#define SDRT_KERNELS_NORM_H

#include "kernels/dtype.h"
#include "kernels/exec.h"

struct sdrt_gn_shape {
    int   batch;
    int   pixels;   /* height * width of one image */
    int   c, c2;    /* channels of x and of x2 (0 without a second source) */
    int   x_pitch, x2_pitch;
    int   groups;   /* divides c + c2; a group may span both sources */
    float eps;
};

struct sdrt_ln_shape {
    int   rows, c;
    enum sdrt_dtype y_type; /* F32 or BF16, at every level */
    int   x_pitch, y_pitch; /* elements from one row to the next */
    float eps;
};

struct sdrt_rms_shape {
    int   rows, groups, width; /* a row is groups pieces of width channels */
    enum sdrt_dtype x_type, y_type; /* F32 or BF16 each, at every level */
    int   x_pitch, y_pitch;
    float eps;
};

/* A fixed share count of gn_sums for this shape: the same on every machine and every
 * level, so that an image does not depend on the number of threads. */
static inline int sdrt_gn_parts(const struct sdrt_gn_shape *s)
{
    return s->pixels < 4096 ? (s->pixels + 63) / 64 : 64;
}

#ifndef SDRT_KERNEL_H /* not for plugins */
/* Bytes of sums (doubles [parts][batch][2][c + c2]) and of msb (floats
 * [batch][3][c + c2]), for the planner. */
size_t sdrt_gn_sums_bytes(const struct sdrt_gn_shape *s);
size_t sdrt_gn_msb_bytes(const struct sdrt_gn_shape *s);
#endif

struct sdrt_norm_ops {
    /* sums[part][image][0][c] = sum of d, [1][c] = sum of d*d over this part's pixels
     * of each image, d = x - (the value at that image's pixel 0).  nparts must be
     * sdrt_gn_parts(s).  Where gn_fold reads x and x2 itself, which is one launch less on a
     * device, this does nothing and sums stays as it was. */
    int (*gn_sums)(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s,
                   const float *x, const float *x2, double *sums);
    /* All parts' sums -> msb.  gamma and beta are [c + c2].  The parts of this step
     * split the images (ex->nparts may be 1 .. batch).  The mean is kept apart from beta
     * on purpose: x * a + b cancels badly when a group's variance is small. */
    int (*gn_fold)(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s,
                   const float *x, const float *x2, const float *gamma, const float *beta,
                   const double *sums, float *msb);
    /* y[r][c] = (x[r][c] - mean_r) / sqrt(var_r + eps) * gamma[c] + beta[c]; parts split
     * the rows; y may be x where it is f32. */
    int (*layer_norm)(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s,
                      const float *x, const float *gamma, const float *beta, void *y);
    /* The same with y = (..) * (1 + scale[c]) + shift[c]: adaLN, whose vectors a network has
     * made of the timestep.  Peebles and Xie, 2022 (arXiv:2212.09748). */
    int (*ada_norm)(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                    const float *scale, const float *shift, void *y);
    /* Each piece on its own: y[..][c] = x[..][c] / sqrt(mean of the piece's squares + eps) *
     * gamma[c], c < width; parts split the rows; y may be x where their types agree.  Zhang and Sennrich, 2019
     * (arXiv:1910.07467). */
    int (*rms_norm)(const struct sdrt_exec *ex, const struct sdrt_rms_shape *s, const void *x,
                    const float *gamma, void *y);
};

#ifndef SDRT_KERNEL_H /* not for plugins */
void sdrt_norm_init(struct sdrt_norm_ops *ops, unsigned isa);

#define SDRT_NORM_FILLER(flag, filler) void filler(struct sdrt_norm_ops *ops);
#include "kernels/levels.h"
#endif

#endif
