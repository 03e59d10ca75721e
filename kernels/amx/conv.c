/* SPDX-License-Identifier: MIT
 *
 * Convolutions whose weights are bf16; other weights are AVX-512's.  A 1x1 convolution is a
 * linear layer over all pixels.
 */
#include "kernels/amx/conv3x3.h"
#include "kernels/amx/linear.h"

static struct sdrt_conv_ops wider(void)
{
    struct sdrt_conv_ops ops = { 0 };

    sdrt_conv_init_avx512(&ops);
    return ops;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    return w->stored == SDRT_BF16 ? pack_size(w) : wider().pack_bytes(w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return w->stored == SDRT_BF16 ? pack_tiles(w, row0, count, src, from, dst)
                                  : wider().pack_rows(w, row0, count, src, from, dst);
}

static struct linear_cut cut_1x1(const struct sdrt_conv_shape *s)
{
    return linear_cut(s->batch * s->out_h * s->out_w, s->w.k, &s->w);
}

static int takes(const struct sdrt_conv_shape *s)
{
    if (s->w.stored != SDRT_BF16) return wider().takes(s);
    return s->y_type == SDRT_F32 || (s->kernel == 1 && is_bf16(s->y_type));
}

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    if (s->w.stored != SDRT_BF16) return wider().parts(s, workers);
    if (s->kernel == 1) {
        const struct linear_cut u = cut_1x1(s);
        return linear_parts(&u, workers);
    }
    const struct conv_cut u = conv_cut(s);
    return int_min(conv_units(&u), 16 * workers);
}

static size_t scratch(const struct sdrt_conv_shape *s)
{
    if (s->w.stored != SDRT_BF16) return wider().scratch(s);
    if (s->kernel == 1) {
        const struct linear_cut u = cut_1x1(s);
        return linear_place(&u, NULL, NULL);
    }
    const struct conv_cut u = conv_cut(s);
    return conv_place(&u, NULL, NULL);
}

struct source {
    const struct sdrt_conv_shape *s;
    const struct sdrt_conv_args *a;
};

/* Row number row of a 1x1 convolution: the pixel that output pixel reads. */
static void feed(const void *source, int row, int c0, int n, void *lines, struct linear_unit *unit)
{
    enum { AHEAD = 4 };
    const struct source *p = source;
    const struct sdrt_conv_shape *s = p->s;
    bf16 *to = lines;
    const int each = s->out_h * s->out_w, image = row / each;
    size_t at = (size_t)row;
    struct pixel from = { 0 };

    if (s->stride == 1 && s->upsample != 2 && s->pad == 0) {
        from = pixel_at(s, p->a, image, at);
    } else {
        const int pixel = row % each;
        int y = pixel / s->out_w * s->stride - s->pad + s->lead,
            x = pixel % s->out_w * s->stride - s->pad;
        if (s->upsample == 2) {
            y = (int)((long)y * s->in_h / s->out_h);
            x = (int)((long)x * s->in_w / s->out_w);
        }
        at = ((size_t)image * (size_t)s->in_h + (size_t)y) * (size_t)s->in_w + (size_t)x;
        if (y >= 0 && x >= 0 && y < s->in_h && x < s->in_w) from = pixel_at(s, p->a, image, at);
    }
    (void)unit; /* bf16 has none */
    for (int i = 0; i < n; i += TILE_K, to += TILE_K) {
        if (from.x) pixel_feed(s, &from, c0 + i, AHEAD * (size_t)s->x_pitch, to);
        else _mm512_storeu_ps(to, v_zero());
    }
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    if (s->w.stored != SDRT_BF16) return wider().conv2d(ex, s, a);
    if (s->kernel == 3) {
        conv3x3_run(ex, s, a);
        return 0;
    }
    const struct source source = { s, a };
    const struct linear l = {
        .m = s->batch * s->out_h * s->out_w, .n = s->out_c, .k = s->w.k, .shape = s->w, .w = a->w,
        .bias = a->bias, .chan = a->chan, .residual = a->residual, .act = SDRT_ACT_NONE,
        .residual_pitch = (size_t)s->residual_pitch, .y = a->y, .y_type = s->y_type,
        .y_pitch = (size_t)s->y_pitch,
        .chan_pitch = (size_t)s->chan_pitch, .chan_rows = s->chan_pitch ? s->out_h * s->out_w : 0,
        .feed = feed, .source = &source,
    };
    linear_run(ex, &l);
    return 0;
}

void sdrt_conv_init_amx(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
