/* SPDX-License-Identifier: MIT
 *
 * Convolutions that multiply in bf16 (or f16) where weights are of that type and fit slots: 1x1,
 * and 3x3 where slots have taps, by the direct sum.  The others, Winograd's among them, are the level
 * below's, in f32.
 *
 * The including file takes in kernels/simd/conv.h with slots of that type, and defines fill_f32(), the
 * filler of the level below.
 */

static struct sdrt_conv_ops wider(void)
{
    struct sdrt_conv_ops ops = { 0 };

    fill_f32(&ops);
    return ops;
}

static int fits(const struct sdrt_weight_shape *w)
{
    return w->taps == slots_taps(w) && slots_fit(w);
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    return fits(w) ? conv_pack_bytes(w) : wider().pack_bytes(w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return fits(w) ? conv_pack_rows(w, row0, count, src, from, dst)
                   : wider().pack_rows(w, row0, count, src, from, dst);
}

static int takes(const struct sdrt_conv_shape *s)
{
    return fits(&s->w) ? direct_takes(s) : wider().takes(s);
}

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    return fits(&s->w) ? direct_parts(s, workers) : wider().parts(s, workers);
}

static size_t scratch(const struct sdrt_conv_shape *s)
{
    return fits(&s->w) ? direct_scratch(s) : wider().scratch(s);
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    if (!fits(&s->w)) return wider().conv2d(ex, s, a);
    direct_run(ex, s, a);
    return 0;
}

static void fill_bf16(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
