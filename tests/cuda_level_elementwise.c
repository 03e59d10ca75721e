/* SPDX-License-Identifier: MIT */
#include "tests/cuda_call.h"

#include <string.h>

static const struct sdrt_elementwise_ops *device;

static int timestep_embedding(const struct sdrt_exec *ex, const float *t, int n, int dim, float *y)
{
    const size_t bytes = (size_t)n * (size_t)dim * sizeof *y;

    if (ex->part) return device->timestep_embedding(ex, t, n, dim, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = tcuda_copied(&c, t, (size_t)n * sizeof *t);
    const int status = device->timestep_embedding(&c.ex, from, n, dim, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int silu_of_sums(const struct sdrt_exec *ex, int n, int m, int width, const float *a,
                        const float *b, float *y)
{
    const size_t row = (size_t)width * sizeof *y, bytes = (size_t)n * (size_t)m * row;

    if (ex->part) return device->silu_of_sums(ex, n, m, width, a, b, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = tcuda_copied(&c, a, (size_t)n * row),
                *other = tcuda_copied(&c, b, (size_t)m * row);
    const int status = device->silu_of_sums(&c.ex, n, m, width, from, other, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int embed(const struct sdrt_exec *ex, int rows, int width, const int32_t *ids,
                 const void *table, enum sdrt_dtype from, const void *positions,
                 enum sdrt_dtype positions_from, int positions_n, float *y)
{
    const struct sdrt_elementwise_ops *ops = device;
    const size_t bytes = (size_t)rows * (size_t)width * sizeof *y;
    int words = 0;

    for (int i = 0; i < rows; i++) words = ids[i] >= words ? ids[i] + 1 : words;
    if (ex->part)
        return ops->embed(ex, rows, width, ids, table, from, positions, positions_from, positions_n,
                          y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const int32_t *id = tcuda_copied(&c, ids, (size_t)rows * sizeof *ids);
    const void *words_of = tcuda_copied(&c, table, sdrt_dtype_bytes(from, (size_t)(words * width)));
    const void *places = tcuda_copied(&c, positions,
                                      sdrt_dtype_bytes(positions_from,
                                                       (size_t)(positions_n * width)));
    const int status = ops->embed(&c.ex, rows, width, id, words_of, from, places, positions_from,
                                  positions_n, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int relative_bias(const struct sdrt_exec *ex, int tokens, int buckets, int max_distance,
                         int heads, const void *table, enum sdrt_dtype from, float *y)
{
    const struct sdrt_elementwise_ops *ops = device;
    const size_t bytes = (size_t)heads * (size_t)tokens * (size_t)tokens * sizeof *y;

    if (ex->part)
        return ops->relative_bias(ex, tokens, buckets, max_distance, heads, table, from, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const void *d = tcuda_copied(&c, table, sdrt_dtype_bytes(from, (size_t)(buckets * heads)));
    const int status = ops->relative_bias(&c.ex, tokens, buckets, max_distance, heads, d, from, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int guide(const struct sdrt_exec *ex, int batch, int pixels, int width, float cfg_scale,
                 const float *eps, float *y)
{
    const size_t bytes = (size_t)batch * (size_t)pixels * (size_t)width * sizeof *y;

    if (ex->part) return device->guide(ex, batch, pixels, width, cfg_scale, eps, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = tcuda_copied(&c, eps, 2 * bytes);
    const int status = device->guide(&c.ex, batch, pixels, width, cfg_scale, from, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int to_nhwc(const struct sdrt_exec *ex, int batch, int images, int pixels, int width,
                   float scale, const float *x, float *y)
{
    const struct sdrt_elementwise_ops *ops = device;
    const size_t image = (size_t)pixels * (size_t)width * sizeof *y;

    if (ex->part) return ops->to_nhwc(ex, batch, images, pixels, width, scale, x, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, (size_t)images * image);
    const float *from = tcuda_copied(&c, x, (size_t)batch * image);
    const int status = ops->to_nhwc(&c.ex, batch, images, pixels, width, scale, from, to);
    memcpy(y, to, (size_t)images * image);
    tcuda_end(&c);
    return status;
}

static int to_nchw(const struct sdrt_exec *ex, int batch, int pixels, int width, float scale,
                   const float *x, float *y)
{
    const size_t bytes = (size_t)batch * (size_t)pixels * (size_t)width * sizeof *y;

    if (ex->part) return device->to_nchw(ex, batch, pixels, width, scale, x, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = tcuda_copied(&c, x, bytes);
    const int status = device->to_nchw(&c.ex, batch, pixels, width, scale, from, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

typedef int patches_fn(const struct sdrt_exec *ex, int batch, int h, int w, int width, int p,
                       const float *x, float *y);

static int patches(patches_fn *f, const struct sdrt_exec *ex, int batch, int h, int w, int width,
                   int p, const float *x, float *y)
{
    const size_t bytes = (size_t)batch * (size_t)h * (size_t)w * (size_t)width * sizeof *y;

    if (ex->part) return f(ex, batch, h, w, width, p, x, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = tcuda_copied(&c, x, bytes);
    const int status = f(&c.ex, batch, h, w, width, p, from, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int to_patches(const struct sdrt_exec *ex, int batch, int h, int w, int width, int p,
                      const float *x, float *y)
{
    return patches(device->to_patches, ex, batch, h, w, width, p, x, y);
}

static int from_patches(const struct sdrt_exec *ex, int batch, int h, int w, int width, int p,
                        const float *x, float *y)
{
    return patches(device->from_patches, ex, batch, h, w, width, p, x, y);
}

static int crop(const struct sdrt_exec *ex, int side, int h, int w, int width, const void *table,
                enum sdrt_dtype from, float *y)
{
    const size_t bytes = (size_t)h * (size_t)w * (size_t)width * sizeof *y;

    if (ex->part) return device->crop(ex, side, h, w, width, table, from, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const void *d = tcuda_copied(&c, table, sdrt_dtype_bytes(from, (size_t)(side * side * width)));
    const int status = device->crop(&c.ex, side, h, w, width, d, from, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int relu(const struct sdrt_exec *ex, const struct sdrt_relu_shape *s, const float *slopes,
                float *x)
{
    const size_t bytes = tcuda_rows_bytes((size_t)s->rows, s->c, s->pitch, SDRT_F32);

    if (ex->part) return device->relu(ex, s, slopes, x);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, x, bytes);
    const float *by = tcuda_copied(&c, slopes, (size_t)s->c * sizeof *slopes);
    const int status = device->relu(&c.ex, s, by, to);
    memcpy(x, to, bytes);
    tcuda_end(&c);
    return status;
}

static int silu(const struct sdrt_exec *ex, int rows, int width, float *x)
{
    const size_t bytes = tcuda_rows_bytes((size_t)rows, width, width, SDRT_F32);

    if (ex->part) return device->silu(ex, rows, width, x);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, x, bytes);
    const int status = device->silu(&c.ex, rows, width, to);
    memcpy(x, to, bytes);
    tcuda_end(&c);
    return status;
}

static int halve(const struct sdrt_exec *ex, int batch, int h, int w, int width, const float *x,
                 float *y)
{
    const size_t row = (size_t)batch * (size_t)width * sizeof *y;
    const size_t bytes = row * (size_t)((h + 1) / 2) * (size_t)((w + 1) / 2);

    if (ex->part) return device->halve(ex, batch, h, w, width, x, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = tcuda_copied(&c, x, row * (size_t)h * (size_t)w);
    const int status = device->halve(&c.ex, batch, h, w, width, from, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int blend(const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x,
                 const float *z, float *y)
{
    const size_t rows = (size_t)s->rows, bytes = tcuda_rows_bytes(rows, s->c, s->y_pitch, SDRT_F32);

    if (ex->part) return device->blend(ex, s, x, z, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, y, bytes);
    const float *from = x == y ? to : tcuda_copied_rows(&c, x, rows, s->c, s->x_pitch, SDRT_F32);
    const float *more = z == y ? to : tcuda_copied_rows(&c, z, rows, s->c, s->z_pitch, SDRT_F32);
    const int status = device->blend(&c.ex, s, from, more, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int low_frequencies(const struct sdrt_exec *ex, const struct sdrt_low_shape *s, float *x)
{
    const size_t bytes = (size_t)s->batch * (size_t)s->h * (size_t)s->w * (size_t)s->c * sizeof *x;

    if (ex->part) return device->low_frequencies(ex, s, x);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, x, bytes);
    const int status = device->low_frequencies(&c.ex, s, to);
    memcpy(x, to, bytes);
    tcuda_end(&c);
    return status;
}

void tcuda_elementwise_init(struct sdrt_elementwise_ops *ops, const struct sdrt_elementwise_ops *to)
{
    device = to;
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
