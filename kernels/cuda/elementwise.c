/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/elementwise_params.h"
#include "kernels/cuda/launch.h"
#include "kernels/pack.h"

#include <limits.h>
#include <math.h>

static int timestep_embedding(const struct sdrt_exec *ex, const float *t, int n, int dim, float *y)
{
    const struct sdrt_cuda_timesteps p = { .t = t, .y = y, .n = n, .dim = dim };

    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_timestep_embedding, n * dim, &p, sizeof p);
}

static int silu_of_sums(const struct sdrt_exec *ex, int n, int m, int c, const float *a,
                        const float *b, float *y)
{
    const struct sdrt_cuda_sums p = { .a = a, .b = b, .y = y, .n = n, .m = m, .c = c };

    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_silu_of_sums, n * m * c, &p, sizeof p);
}

static int embed(const struct sdrt_exec *ex, int rows, int c, const int32_t *ids, const void *table,
                 enum sdrt_dtype from, const void *positions, enum sdrt_dtype positions_from,
                 int positions_n, float *y)
{
    const struct sdrt_cuda_embed p = {
        .ids = ids,
        .table = table,
        .positions = positions,
        .y = y,
        .rows = rows,
        .c = c,
        .positions_n = positions_n,
        .from = from,
        .positions_from = positions_from,
    };

    if (!sdrt_is_float(from) || (positions && !sdrt_is_float(positions_from))) return -1;
    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_embed, rows * c, &p, sizeof p);
}

static int relative_bias(const struct sdrt_exec *ex, int tokens, int buckets, int max_distance,
                         int heads, const void *table, enum sdrt_dtype from, float *y)
{
    const int exact = buckets / 4;
    const struct sdrt_cuda_relative p = {
        .table = table,
        .y = y,
        .tokens = tokens,
        .buckets = buckets,
        .max_distance = max_distance,
        .heads = heads,
        .from = from,
        .log_range = (float)log((double)max_distance / (double)exact),
    };

    if (!sdrt_is_float(from)) return -1;
    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_relative_bias, heads * tokens * tokens, &p, sizeof p);
}

static int guide(const struct sdrt_exec *ex, int batch, int pixels, int c, float cfg_scale,
                 const float *eps, float *y)
{
    const struct sdrt_cuda_layout p = { .x = eps,
                                        .y = y,
                                        .batch = batch,
                                        .images = batch,
                                        .pixels = pixels,
                                        .c = c,
                                        .scale = cfg_scale };

    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_guide, batch * pixels * c, &p, sizeof p);
}

static int to_nhwc(const struct sdrt_exec *ex, int batch, int images, int pixels, int c,
                   float scale, const float *x, float *y)
{
    const struct sdrt_cuda_layout p = { .x = x,
                                        .y = y,
                                        .batch = batch,
                                        .images = images,
                                        .pixels = pixels,
                                        .c = c,
                                        .scale = scale };

    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_to_nhwc, images * pixels * c, &p, sizeof p);
}

static int to_nchw(const struct sdrt_exec *ex, int batch, int pixels, int c, float scale,
                   const float *x, float *y)
{
    const struct sdrt_cuda_layout p = { .x = x,
                                        .y = y,
                                        .batch = batch,
                                        .images = batch,
                                        .pixels = pixels,
                                        .c = c,
                                        .scale = scale };

    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_to_nchw, batch * pixels * c, &p, sizeof p);
}

static int patches(const struct sdrt_exec *ex, enum sdrt_cuda_number kernel,
                   const struct sdrt_cuda_patches *p)
{
    if (ex->part) return 0;
    return cuda_launch_each(ex, kernel, p->batch * p->h * p->w * p->c, p, sizeof *p);
}

static int to_patches(const struct sdrt_exec *ex, int batch, int h, int w, int c, int p,
                      const float *x, float *y)
{
    const struct sdrt_cuda_patches
        s = { .x = x, .y = y, .batch = batch, .h = h, .w = w, .c = c, .p = p };

    return patches(ex, SDRT_CUDA_to_patches, &s);
}

static int from_patches(const struct sdrt_exec *ex, int batch, int h, int w, int c, int p,
                        const float *x, float *y)
{
    const struct sdrt_cuda_patches
        s = { .x = x, .y = y, .batch = batch, .h = h, .w = w, .c = c, .p = p };

    return patches(ex, SDRT_CUDA_from_patches, &s);
}

static int crop(const struct sdrt_exec *ex, int side, int h, int w, int c, const void *table,
                enum sdrt_dtype from, float *y)
{
    const struct sdrt_cuda_crop
        p = { .table = table, .y = y, .side = side, .h = h, .w = w, .c = c, .from = from };

    if (!sdrt_is_float(from)) return -1;
    if (ex->part) return 0;
    return cuda_launch_each(ex, SDRT_CUDA_crop, h * w * c, &p, sizeof p);
}

/* A thread for each of rows of c values, which kernels number by int. */
static int launch_rows(const struct sdrt_exec *ex, enum sdrt_cuda_number kernel, int rows, int c,
                       const void *params, size_t bytes)
{
    if (ex->part) return 0;
    if ((long long)rows * c > INT_MAX - SDRT_CUDA_ELEMENTWISE_THREADS) return -1;
    return cuda_launch_each(ex, kernel, rows * c, params, bytes);
}

static int relu(const struct sdrt_exec *ex, const struct sdrt_relu_shape *s, const float *slopes,
                float *x)
{
    const struct sdrt_cuda_in_place p = { .slopes = slopes,
                                          .x = x,
                                          .rows = s->rows,
                                          .c = s->c,
                                          .pitch = s->pitch,
                                          .slope = s->slope };

    return launch_rows(ex, SDRT_CUDA_relu_in_place, s->rows, s->c, &p, sizeof p);
}

static int silu(const struct sdrt_exec *ex, int rows, int c, float *x)
{
    const struct sdrt_cuda_in_place p = { .x = x, .rows = rows, .c = c, .pitch = c };

    return launch_rows(ex, SDRT_CUDA_silu_in_place, rows, c, &p, sizeof p);
}

static int halve(const struct sdrt_exec *ex, int batch, int h, int w, int c, const float *x,
                 float *y)
{
    const struct sdrt_cuda_halve p = { .x = x, .y = y, .batch = batch, .h = h, .w = w, .c = c };

    return launch_rows(ex, SDRT_CUDA_halve, batch * ((h + 1) / 2) * ((w + 1) / 2), c, &p, sizeof p);
}

static int blend(const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x,
                 const float *z, float *y)
{
    const struct sdrt_cuda_blend p = { .x = x,
                                       .z = z,
                                       .y = y,
                                       .rows = s->rows,
                                       .c = s->c,
                                       .x_pitch = s->x_pitch,
                                       .z_pitch = s->z_pitch,
                                       .y_pitch = s->y_pitch,
                                       .a = s->a,
                                       .b = s->b };

    return launch_rows(ex, SDRT_CUDA_blend, s->rows, s->c, &p, sizeof p);
}

static int low_frequencies(const struct sdrt_exec *ex, const struct sdrt_low_shape *s, float *x)
{
    const struct sdrt_cuda_low p = { .x = x, .h = s->h, .w = s->w, .c = s->c, .gain = s->gain };

    if (ex->part) return 0;
    return cuda_launch(ex, SDRT_CUDA_low_frequencies, cuda_divide_up(s->c, SDRT_CUDA_LOW_CHANNELS),
                       s->batch, SDRT_CUDA_LOW_SHARED, &p, sizeof p);
}

void sdrt_cuda_elementwise_init(struct sdrt_elementwise_ops *ops)
{
    *ops = (struct sdrt_elementwise_ops){
        .timestep_embedding = timestep_embedding,
        .silu_of_sums = silu_of_sums,
        .embed = embed,
        .relative_bias = relative_bias,
        .guide = guide,
        .to_nhwc = to_nhwc,
        .to_patches = to_patches,
        .from_patches = from_patches,
        .to_nchw = to_nchw,
        .crop = crop,
        .relu = relu,
        .silu = silu,
        .halve = halve,
        .blend = blend,
        .low_frequencies = low_frequencies,
    };
}
