/* SPDX-License-Identifier: MIT
 *
 * What conv.h says of one pixel: how it is read and how it is finished.  Shared by the
 * levels without vectors of their own.
 */
#ifndef SDRT_KERNELS_GENERIC_CONV_PIXEL_H
#define SDRT_KERNELS_GENERIC_CONV_PIXEL_H

#include "kernels/conv.h"
#include "kernels/generic/scalar.h"
#include "kernels/generic/typed.h"

#include <string.h>

/* n channels of one source; msb is at the first of them, its three vectors all apart. */
static inline void conv_read_source(enum sdrt_prologue prologue, const float *x, int n,
                                    const float *msb, size_t all, float *to)
{
    if (prologue == SDRT_PROLOGUE_NONE) {
        memcpy(to, x, (size_t)n * sizeof *to);
        return;
    }
    const float *mean = msb, *scale = msb + all, *beta = msb + 2 * all;
    for (int c = 0; c < n; c++) to[c] = (x[c] - mean[c]) * scale[c] + beta[c];
    if (prologue == SDRT_PROLOGUE_NORM_SILU)
        for (int c = 0; c < n; c++) to[c] = scalar_silu(to[c]);
}

/* The stored coordinate that a coordinate of the (upsampled) input reads; -1 outside. */
static inline int conv_source_at(const struct sdrt_conv_shape *s, int at, int in, int out)
{
    if (at < 0 || at >= (s->upsample == 2 ? out : in)) return -1;
    return s->upsample == 2 ? (int)((long long)at * in / out) : at;
}

/* All channels of the (upsampled) input's pixel (y, x), which may lie outside. */
static inline void conv_read_pixel(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                                   int image, int y, int x, float *to)
{
    const size_t all = (size_t)(s->in_c + s->in_c2);
    const float *msb = a->msb ? a->msb + (size_t)image * 3 * all : NULL;
    const int sy = conv_source_at(s, y, s->in_h, s->out_h);
    const int sx = conv_source_at(s, x, s->in_w, s->out_w);

    if (sy < 0 || sx < 0) {
        memset(to, 0, all * sizeof *to);
        return;
    }
    const size_t row = (size_t)image * (size_t)s->in_h + (size_t)sy;
    const size_t pixel = row * (size_t)s->in_w + (size_t)sx;
    conv_read_source(s->prologue, a->x + pixel * (size_t)s->x_pitch, s->in_c, msb, all, to);
    if (s->in_c2)
        conv_read_source(s->prologue, a->x2 + pixel * (size_t)s->x2_pitch, s->in_c2,
                         msb ? msb + s->in_c : NULL, all, to + s->in_c);
}

/* Output channels o .. o+n-1 of the pixel (y, x) from their sums. */
static inline void conv_write_pixel(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                                    int image, int y, int x, int o, int n, const float *sums)
{
    const size_t row = (size_t)image * (size_t)s->out_h + (size_t)y;
    const size_t pixel = row * (size_t)s->out_w + (size_t)x;
    const size_t to = pixel * (size_t)s->y_pitch + (size_t)o;
    const float *chan = a->chan ? a->chan + (size_t)image * (size_t)s->chan_pitch : NULL;
    const float *residual = NULL;

    if (a->residual) residual = a->residual + pixel * (size_t)s->residual_pitch + o;
    for (int j = 0; j < n; j++) {
        float v = sums[j];
        if (a->bias) v += a->bias[o + j];
        if (chan) v += chan[o + j];
        if (residual) v += residual[j];
        if (s->relu && !(v > 0.0f)) v = 0.0f;
        typed_store(a->y, s->y_type, to + (size_t)j, v);
    }
}

/* conv.h's takes(), for what is written so. */
static inline int conv_takes(const struct sdrt_conv_shape *s) { return typed_known(s->y_type); }

#endif
