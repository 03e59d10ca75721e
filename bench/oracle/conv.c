/* SPDX-License-Identifier: MIT */
#include "bench/oracle/conv.h"
#include "bench/oracle/values.h"

#include <math.h>
#include <stdlib.h>

/* The whole input as the sum sees it: two sources, norm, SiLU, rounding, then nearest
 * upsampling. */
static double *whole_input(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                           enum sdrt_dtype type)
{
    const int all = s->in_c + s->in_c2, h = s->upsample == 2 ? s->out_h : s->in_h;
    const int w = s->upsample == 2 ? s->out_w : s->in_w;
    const size_t n = (size_t)s->batch * (size_t)h * (size_t)w * (size_t)all;
    double *in = malloc(n * sizeof *in), *to = in;

    if (!in) abort();
    for (int b = 0; b < s->batch; b++)
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                for (int c = 0; c < all; c++) {
                    const int sy = (int)floor((double)y * s->in_h / h);
                    const int sx = (int)floor((double)x * s->in_w / w);
                    const long at = ((long)b * s->in_h + sy) * s->in_w + sx;
                    double v = c < s->in_c ? (double)a->x[at * s->x_pitch + c]
                                           : (double)a->x2[at * s->x2_pitch + c - s->in_c];
                    if (s->prologue != SDRT_PROLOGUE_NONE) {
                        const float *msb = a->msb + (long)b * 3 * all;
                        v = (v - (double)msb[c]) * (double)msb[all + c] + (double)msb[2 * all + c];
                    }
                    if (s->prologue == SDRT_PROLOGUE_NORM_SILU) v = v / (1.0 + exp(-v));
                    *to++ = type == SDRT_F32 ? v : tround(v, type);
                }
    return in;
}

static double one_output(const struct sdrt_conv_shape *s, const double *in, const double *w, int y,
                         int x, int o)
{
    const int h = s->upsample == 2 ? s->out_h : s->in_h;
    const int width = s->upsample == 2 ? s->out_w : s->in_w;
    const int all = s->in_c + s->in_c2, kk = s->kernel * s->kernel;
    double sum = 0.0;

    for (int tap = 0; tap < kk; tap++) {
        const int iy = y * s->stride + tap / s->kernel - s->pad + s->lead;
        const int ix = x * s->stride + tap % s->kernel - s->pad;
        if (iy < 0 || iy >= h || ix < 0 || ix >= width) continue;
        for (int c = 0; c < all; c++)
            sum += in[((long)iy * width + ix) * all + c] * w[((long)o * all + c) * kk + tap];
    }
    return sum;
}

void oracle_conv(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, const double *w,
                 enum sdrt_dtype type, const double *residual, size_t step, double *want)
{
    const size_t image = (size_t)s->out_h * (size_t)s->out_w * (size_t)s->out_c;
    const int h = s->upsample == 2 ? s->out_h : s->in_h;
    const int width = s->upsample == 2 ? s->out_w : s->in_w;
    double *in = whole_input(s, a, type);

    for (size_t i = 0; i < (size_t)s->batch * image; i++) {
        const int o = (int)(i % (size_t)s->out_c), b = (int)(i / image);
        const int pixel = (int)(i % image / (size_t)s->out_c);
        want[i] = NAN;
        if (i % step) continue;
        want[i] = one_output(s, in + (long)b * h * width * (s->in_c + s->in_c2), w,
                             pixel / s->out_w, pixel % s->out_w, o);
        if (a->bias) want[i] += (double)a->bias[o];
        if (a->chan) want[i] += (double)a->chan[b * s->chan_pitch + o];
        if (residual) want[i] += residual[i];
        if (s->relu && !(want[i] > 0.0)) want[i] = 0.0;
    }
    free(in);
}
