/* SPDX-License-Identifier: MIT
 *
 * The few operations that no epilogue could take in.
 */
#ifndef SDRT_KERNELS_ELEMENTWISE_H
#define SDRT_KERNELS_ELEMENTWISE_H

#include "kernels/dtype.h"
#include "kernels/exec.h"

#include <stdint.h>

/* Rows of c channels, pitch floats apart.  slope is all channels' where there are no slopes [c]: 0 of
 * ReLU, 0.2 of ESRGAN's leaky one.  He et al. 2015 (arXiv:1502.01852) for slopes of channels. */
struct sdrt_relu_shape {
    int rows, c, pitch;
    float slope;
};

struct sdrt_blend_shape {
    int rows, c;
    int x_pitch, z_pitch, y_pitch;
    float a, b;
};

struct sdrt_low_shape {
    int batch, h, w, c;
    float gain;
};

struct sdrt_own_shape {
    int batch, rows, first, count; /* of the rows of an image, count from first on */
    int heads, head_dim;
    int pitch, o_pitch; /* elements from one row to the next */
    float scale;        /* usually 1 / sqrt(head_dim) */
};

struct sdrt_elementwise_ops {
    /* Sinusoidal timestep embedding, SD order (flip_sin_to_cos, shift 0):
     * y[i][j] = cos(t[i] f_j), y[i][dim/2 + j] = sin(t[i] f_j), f_j = 10000^(-j / (dim/2)).
     * t [n], y [n][dim], dim even.  Ho et al., DDPM, 2020. */
    int (*timestep_embedding)(const struct sdrt_exec *ex, const float *t, int n, int dim, float *y);
    /* All sums of a row of a with a row of b: y[i * m + j][c] = silu(a[i][c] + b[j][c]);
     * a [n][c], b [m][c], y [n * m][c]. */
    int (*silu_of_sums)(const struct sdrt_exec *ex, int n, int m, int c, const float *a,
                        const float *b, float *y);
    /* y[r][c] = table[ids[r]][c] + positions[r % positions_n][c], the latter only where positions
     * is not NULL; table and positions are of type from (F32, F16, BF16, F8), ids [rows] are below
     * the table's height (the caller checks). */
    int (*embed)(const struct sdrt_exec *ex, int rows, int c, const int32_t *ids,
                 const void *table, enum sdrt_dtype from, const void *positions,
                 enum sdrt_dtype positions_from, int positions_n, float *y);
    /* What a pair of tokens adds to its score, by how far apart they are: y [heads][tokens]
     * [tokens], y[h][i][j] = table[bucket(j - i)][h]; table [buckets][heads] of type from.  Half of
     * the buckets are for j > i; in each half, half are for one distance each, the others widen
     * with its logarithm up to max_distance.  The parts split the heads.  Raffel et al., T5, 2020
     * (arXiv:1910.10683), section 2.1. */
    int (*relative_bias)(const struct sdrt_exec *ex, int tokens, int buckets, int max_distance,
                         int heads, const void *table, enum sdrt_dtype from, float *y);
    /* Guidance and the change of layout in one pass:
     * eps [2*batch][pixels][c] (all unconditional images first, then the conditional ones)
     * -> y [batch][c][pixels] = u + cfg * (cond - u).  Ho and Salimans, 2022. */
    int (*guide)(const struct sdrt_exec *ex, int batch, int pixels, int c, float cfg_scale,
                 const float *eps, float *y);
    /* y [images][pixels][c] = scale * x [batch][c][pixels]; image i reads x's image i % batch. */
    int (*to_nhwc)(const struct sdrt_exec *ex, int batch, int images, int pixels, int c,
                   float scale, const float *x, float *y);
    /* Squares of pixels as rows of tokens, for patch p, h and w multiples of it:
     * x [batch][h][w][c] -> y [batch][h/p * w/p][c][p][p], the order of a convolution's weights. */
    int (*to_patches)(const struct sdrt_exec *ex, int batch, int h, int w, int c, int p,
                      const float *x, float *y);
    /* And back: x [batch][h/p * w/p][p][p][c] -> y [batch][h][w][c]. */
    int (*from_patches)(const struct sdrt_exec *ex, int batch, int h, int w, int c, int p,
                        const float *x, float *y);
    /* The middle h x w of a square table of positions: table [side][side][c] of type from (F32,
     * F16, BF16, F8), y [h][w][c]; what lies around it differs by at most a row or a column from
     * one side to the other.  -1 for another type. */
    int (*crop)(const struct sdrt_exec *ex, int side, int h, int w, int c, const void *table,
                enum sdrt_dtype from, float *y);
    /* What is below 0 in x is multiplied by its channel's slope. */
    int (*relu)(const struct sdrt_exec *ex, const struct sdrt_relu_shape *s, const float *slopes,
                float *x);
    /* x[r][c] becomes x / (1 + exp(-x)), in rows of c that follow each other. */
    int (*silu)(const struct sdrt_exec *ex, int rows, int c, float *x);
    /* The mean of each square of 2 x 2, of what there is of it at the last row and column:
     * x [batch][h][w][c] -> y [batch][(h + 1) / 2][(w + 1) / 2][c]. */
    int (*halve)(const struct sdrt_exec *ex, int batch, int h, int w, int c, const float *x,
                 float *y);
    /* y = a x + b z in each of rows of c channels; z NULL: y = a x.  y may be x or z. */
    int (*blend)(const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x,
                 const float *z, float *y);
    /* x [batch][h][w][c] += (gain - 1) times the real part of its frequencies -1 and 0 of both axes: FreeU's
     * filter, Si et al. 2023 (arXiv:2309.11497), section 3.2, with a threshold of 1.  The parts split the
     * channels. */
    int (*low_frequencies)(const struct sdrt_exec *ex, const struct sdrt_low_shape *s, float *x);
    /* Attention of rows that do not see each other: of count rows of an image each sees itself and the rows that
     * are not among them, o = softmax(scale * q . k) v over those.  q, k and v are rows [batch][rows] of
     * heads * head_dim, pitch apart; o likewise, of which those rows are written.  The parts split the rows.
     * Ahn et al. 2024 (arXiv:2403.17377), as diffusers has it for SD 3. */
    int (*own_attention)(const struct sdrt_exec *ex, const struct sdrt_own_shape *s, const float *q,
                         const float *k, const float *v, float *o);
    /* y [batch][c][pixels] = scale * x [batch][pixels][c]. */
    int (*to_nchw)(const struct sdrt_exec *ex, int batch, int pixels, int c, float scale,
                   const float *x, float *y);
};

#ifndef SDRT_KERNEL_H /* not for plugins */
void sdrt_elementwise_init(struct sdrt_elementwise_ops *ops, unsigned isa);

#define SDRT_ELEMENTWISE_FILLER(flag, filler) void filler(struct sdrt_elementwise_ops *ops);
#include "kernels/levels.h"
#endif

#endif
