/* SPDX-License-Identifier: MIT
 *
 * How a convolution reads one pixel: two sources, group norm and SiLU, as conv.h says, and
 * then bf16.
 */
#ifndef SDRT_KERNELS_AMX_PIXEL_H
#define SDRT_KERNELS_AMX_PIXEL_H

#include "kernels/amx/math.h"
#include "kernels/conv.h"

/* Where one pixel's channels are, those of the second source in its own count. */
struct pixel {
    const float *x, *x2, *msb; /* no x: it lies in the padding; msb: its image's */
};

/* image's pixel number at (of all images' pixels). */
SDRT_ALWAYS_INLINE struct pixel pixel_at(const struct sdrt_conv_shape *s,
                                         const struct sdrt_conv_args *a, int image, size_t at)
{
    return (struct pixel){
        .x = a->x + at * (size_t)s->x_pitch,
        .x2 = s->in_c2 ? a->x2 + at * (size_t)s->x2_pitch : NULL,
        .msb = s->prologue == SDRT_PROLOGUE_NONE ? NULL
                                                 : a->msb + (size_t)image * 3 * (size_t)s->w.k,
    };
}

/* Channels c .. c+VL-1 of both tensors, zeros beyond the last. */
SDRT_ALWAYS_INLINE vf pixel_load(const struct sdrt_conv_shape *s, const struct pixel *p, int c)
{
    const int own = s->in_c - c;
    float both[VL] = { 0 };

    if (own <= 0) return load_first(p->x2 - own, s->in_c2 + own);
    const float *x = p->x + c;
    if (own >= VL || !s->in_c2) return load_first(x, own);
    for (int i = 0; i < VL && i < own + s->in_c2; i++) both[i] = i < own ? x[i] : p->x2[i - own];
    return v_load(both);
}

/* A lane without a channel stays zero. */
SDRT_ALWAYS_INLINE vf pixel_norm(const struct sdrt_conv_shape *s, const float *msb, vf x, int c,
                                 const int silu)
{
    const int n = s->w.k - c;
    const size_t all = (size_t)s->w.k;
    const float *m = msb + c;
    const vf v = v_fma(v_sub(x, load_first(m, n)), load_first(m + all, n),
                       load_first(m + 2 * all, n));

    return silu ? silu_by_reciprocal(v) : v;
}

/* TILE_K channels from c0 on that are not all of one tensor. */
static __attribute__((noinline)) void pixel_feed_edge(const struct sdrt_conv_shape *s,
                                                      const struct pixel *p, int c0, bf16 *to)
{
    vf v[2];

    for (int i = 0; i < 2; i++) {
        const int c = c0 + i * VL;
        v[i] = c < s->w.k ? pixel_load(s, p, c) : v_zero();
        if (c >= s->w.k) continue;
        if (s->prologue == SDRT_PROLOGUE_NORM) v[i] = pixel_norm(s, p->msb, v[i], c, 0);
        if (s->prologue == SDRT_PROLOGUE_NORM_SILU) v[i] = pixel_norm(s, p->msb, v[i], c, 1);
    }
    store_bf16(to, v[0], v[1]);
}

/* How TILE_K channels are normalised. */
struct pixel_norms {
    vf mean[2], scale[2], beta[2];
};

SDRT_ALWAYS_INLINE struct pixel_norms pixel_norms_at(const struct sdrt_conv_shape *s,
                                                     const float *msb, int c0)
{
    const size_t all = (size_t)s->w.k;
    const float *m = msb + c0;

    return (struct pixel_norms){ { v_load(m), v_load(m + VL) },
                                 { v_load(m + all), v_load(m + all + VL) },
                                 { v_load(m + 2 * all), v_load(m + 2 * all + VL) } };
}

/* TILE_K channels of one tensor, through the prologue, as bf16. */
SDRT_ALWAYS_INLINE vf pixel_pairs(enum sdrt_prologue prologue, const struct pixel_norms *n,
                                  vf a, vf b)
{
    if (prologue != SDRT_PROLOGUE_NONE) {
        a = v_fma(v_sub(a, n->mean[0]), n->scale[0], n->beta[0]);
        b = v_fma(v_sub(b, n->mean[1]), n->scale[1], n->beta[1]);
    }
    if (prologue == SDRT_PROLOGUE_NORM_SILU) {
        a = silu_by_reciprocal(a);
        b = silu_by_reciprocal(b);
    }
    return pair_bf16(a, b);
}

/* Where a pixel's channels c0 .. c0+TILE_K-1 are; NULL where not all are of one tensor. */
SDRT_ALWAYS_INLINE const float *pixel_piece(const struct sdrt_conv_shape *s,
                                            const struct pixel *p, int c0)
{
    const int second = c0 >= s->in_c;

    if (c0 + TILE_K > (second ? s->w.k : s->in_c)) return NULL;
    return second ? p->x2 + (c0 - s->in_c) : p->x + c0;
}

/* TILE_K channels of one pixel from c0 on; those that lie so many floats further are asked
 * for. */
SDRT_ALWAYS_INLINE void pixel_feed(const struct sdrt_conv_shape *s, const struct pixel *p, int c0,
                                   size_t ahead, bf16 *to)
{
    const float *x = pixel_piece(s, p, c0);
    struct pixel_norms n = { 0 };

    if (!x) {
        pixel_feed_edge(s, p, c0, to);
        return;
    }
    __builtin_prefetch(x + ahead);
    __builtin_prefetch(x + ahead + VL);
    if (s->prologue != SDRT_PROLOGUE_NONE) n = pixel_norms_at(s, p->msb, c0);
    _mm512_storeu_ps(to, pixel_pairs(s->prologue, &n, v_load(x), v_load(x + VL)));
}

#endif
