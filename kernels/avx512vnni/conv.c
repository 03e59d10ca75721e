/* SPDX-License-Identifier: MIT
 *
 * 3x3 convolutions of stride 1 by Winograd's tiles in 16-bit integers; the others by the direct
 * sum in f32, as AVX-512's.
 */
#include "kernels/avx512vnni/int16.h"

/* As in avx512/conv.c. */
#define SDRT_TILE_ROWS 14
enum {
    TILE_ROWS      = SDRT_TILE_ROWS,
    CONV_CHUNK     = 64,
    CONV_CHUNK_1X1 = 320,
    CONV_PIXELS    = 512,
    WINO_TILES     = 64,
};

#include "kernels/simd/winograd_int16.h"

/* Weights are packed once for all sizes of images, so that the size plays no part here. */
static int fits(const struct sdrt_weight_shape *w)
{
    return w->taps == 9 && w->stride == 1 && w->k >= 32 && w->n >= 32;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    return fits(w) ? wino_pack_bytes(w) : conv_pack_bytes(w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return fits(w) ? wino_pack_rows(w, row0, count, src, from, dst)
                   : conv_pack_rows(w, row0, count, src, from, dst);
}

static int takes(const struct sdrt_conv_shape *s)
{
    return fits(&s->w) ? wino_takes(s) : direct_takes(s);
}

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    return fits(&s->w) ? wino_parts(s, workers) : direct_parts(s, workers);
}

static size_t scratch(const struct sdrt_conv_shape *s)
{
    return fits(&s->w) ? wino_scratch(s) : direct_scratch(s);
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    if (fits(&s->w)) wino_run(ex, s, a);
    else direct_run(ex, s, a);
    return 0;
}

void sdrt_conv_init_avx512vnni(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
