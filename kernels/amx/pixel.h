/* SPDX-License-Identifier: MIT
 *
 * How a convolution reads one pixel: two sources, group norm and SiLU, as conv.h says, and
 * then bf16.
 */
#ifndef SDRT_KERNELS_AMX_PIXEL_H
#define SDRT_KERNELS_AMX_PIXEL_H

#include "kernels/amx/tile.h"
#include "kernels/conv.h"
#include "kernels/simd/math.h"

/* Channels c .. c+VL-1 of pixel number at of both tensors, zeros beyond the last. */
SDRT_ALWAYS_INLINE vf pixel_load(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                                 size_t at, int c)
{
    const int own = s->in_c - c;
    float both[VL] = { 0 };

    if (own <= 0)
        return load_first(a->x2 + at * (size_t)s->x2_pitch - own, s->in_c2 + own);
    const float *x = a->x + at * (size_t)s->x_pitch + c;
    if (own >= VL || !s->in_c2) return load_first(x, own);
    const float *x2 = a->x2 + at * (size_t)s->x2_pitch;
    for (int i = 0; i < VL && i < own + s->in_c2; i++) both[i] = i < own ? x[i] : x2[i - own];
    return v_load(both);
}

/* msb is the image's; a lane without a channel stays zero. */
SDRT_ALWAYS_INLINE vf pixel_norm(const struct sdrt_conv_shape *s, const float *msb, vf x, int c,
                                 const int silu)
{
    const int n = s->w.k - c;
    const size_t all = (size_t)s->w.k;
    const float *m = msb + c;
    const vf v = v_fma(v_sub(x, load_first(m, n)), load_first(m + all, n),
                       load_first(m + 2 * all, n));

    return silu ? v_silu(v) : v;
}

/* TILE_K channels from c0 on of image's pixel number at (of all images' pixels). */
static void pixel_feed(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int image,
                       size_t at, int c0, bf16 *to)
{
    const float *msb = a->msb + (size_t)image * 3 * (size_t)s->w.k;
    vf v[2];

    for (int i = 0; i < 2; i++) {
        const int c = c0 + i * VL;
        v[i] = c < s->w.k ? pixel_load(s, a, at, c) : v_zero();
        if (c >= s->w.k) continue;
        if (s->prologue == SDRT_PROLOGUE_NORM) v[i] = pixel_norm(s, msb, v[i], c, 0);
        if (s->prologue == SDRT_PROLOGUE_NORM_SILU) v[i] = pixel_norm(s, msb, v[i], c, 1);
    }
    store_bf16(to, v[0], v[1]);
}

/* Asks for the same channels of a later pixel (a hint: it may lie outside everything). */
SDRT_ALWAYS_INLINE void pixel_fetch(const struct sdrt_conv_shape *s,
                                    const struct sdrt_conv_args *a, size_t at, int c0)
{
    const float *p = c0 < s->in_c ? a->x + at * (size_t)s->x_pitch + c0
                                  : a->x2 + at * (size_t)s->x2_pitch + (c0 - s->in_c);

    __builtin_prefetch(p);
    __builtin_prefetch(p + VL);
}

#endif
