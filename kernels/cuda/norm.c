/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/launch.h"
#include "kernels/cuda/norm_params.h"

enum { ROWS = SDRT_CUDA_ROW_NORM_THREADS / 32 }; /* of a block */

/* gn_fold reads the image itself, in one launch instead of two. */
static int gn_sums(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, double *sums)
{
    (void)ex;
    (void)s;
    (void)x;
    (void)x2;
    (void)sums;
    return 0;
}

static int gn_fold(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, const float *gamma, const float *beta, const double *sums,
                   float *msb)
{
    const struct sdrt_cuda_group_norm p = {
        .x = x,
        .x2 = x2,
        .gamma = gamma,
        .beta = beta,
        .msb = msb,
        .pixels = s->pixels,
        .c = s->c,
        .c2 = s->c2,
        .x_pitch = s->x_pitch,
        .x2_pitch = s->x2_pitch,
        .groups = s->groups,
        .eps = s->eps,
    };

    (void)sums;
    if (ex->part) return 0;
    return cuda_launch(ex, SDRT_CUDA_group_norm_fold, s->groups, s->batch,
                       SDRT_CUDA_GROUP_NORM_SHARED, &p, sizeof p);
}

static int norm_rows(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                     const float *gain, float one, const float *shift, void *y)
{
    const struct sdrt_cuda_layer_norm p = {
        .x = x,
        .gain = gain,
        .shift = shift,
        .y = y,
        .rows = s->rows,
        .c = s->c,
        .x_pitch = s->x_pitch,
        .y_pitch = s->y_pitch,
        .y_narrow = s->y_type != SDRT_F32,
        .one = one,
        .eps = s->eps,
    };

    if (ex->part) return 0;
    if (!cuda_has(ex, s->y_type)) return -1;
    return cuda_launch(ex, SDRT_CUDA_layer_norm, cuda_divide_up(s->rows, ROWS), 1, 0, &p, sizeof p);
}

static int layer_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gamma, const float *beta, void *y)
{
    return norm_rows(ex, s, x, gamma, 0.0f, beta, y);
}

static int ada_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                    const float *scale, const float *shift, void *y)
{
    return norm_rows(ex, s, x, scale, 1.0f, shift, y);
}

static int rms_norm(const struct sdrt_exec *ex, const struct sdrt_rms_shape *s, const void *x,
                    const float *gamma, void *y)
{
    const struct sdrt_cuda_rms_norm p = {
        .x = x,
        .gamma = gamma,
        .y = y,
        .rows = s->rows,
        .groups = s->groups,
        .width = s->width,
        .x_pitch = s->x_pitch,
        .y_pitch = s->y_pitch,
        .x_narrow = s->x_type != SDRT_F32,
        .y_narrow = s->y_type != SDRT_F32,
        .eps = s->eps,
    };

    if (ex->part) return 0;
    if (!cuda_has(ex, s->x_type) || !cuda_has(ex, s->y_type)) return -1;
    return cuda_launch(ex, SDRT_CUDA_rms_norm, cuda_divide_up(s->rows * s->groups, ROWS), 1, 0, &p,
                       sizeof p);
}

void sdrt_cuda_norm_init(struct sdrt_norm_ops *ops)
{
    *ops = (struct sdrt_norm_ops){
        .gn_sums = gn_sums,
        .gn_fold = gn_fold,
        .layer_norm = layer_norm,
        .ada_norm = ada_norm,
        .rms_norm = rms_norm,
    };
}
