/* SPDX-License-Identifier: MIT
 *
 * Convolutions whose products are of 16-bit integers: 3x3 of stride 1 by Winograd's tiles, the
 * others by the direct sum, but those of few channels, which take no time and are f32.
 *
 * The including file takes in winograd_int16.h, with slots of slot_int16.h, and defines fill_f32(),
 * the filler of the level below.
 */

_Static_assert(9 * CONV_CHUNK <= (int)RUN_TAPS && CONV_CHUNK <= (int)RUN,
               "a tap's chunk is one run");

static int direct_conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                         const struct sdrt_conv_args *a)
{
    direct_run(ex, s, a);
    return 0;
}

static int winograd_conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                           const struct sdrt_conv_args *a)
{
    wino_run(ex, s, a);
    return 0;
}

/* Weights are packed once for all sizes of images, so that the size plays no part here. */
static struct sdrt_conv_ops ops_for(const struct sdrt_weight_shape *w)
{
    enum { LEAST = 32 };
    struct sdrt_conv_ops ops = { 0 };

    if (w->k >= LEAST && w->n >= LEAST && w->taps == 9 && w->stride == 1)
        ops = (struct sdrt_conv_ops){ .pack_bytes = wino_pack_bytes,
                                      .pack_rows = wino_pack_rows,
                                      .takes = wino_takes,
                                      .parts = wino_parts,
                                      .scratch = wino_scratch,
                                      .conv2d = winograd_conv2d };
    else if (w->k >= LEAST && slots_fit(w))
        ops = (struct sdrt_conv_ops){ .pack_bytes = conv_pack_bytes,
                                      .pack_rows = conv_pack_rows,
                                      .takes = direct_takes,
                                      .parts = direct_parts,
                                      .scratch = direct_scratch,
                                      .conv2d = direct_conv2d };
    else fill_f32(&ops);
    return ops;
}

static size_t pack_bytes(const struct sdrt_weight_shape *w) { return ops_for(w).pack_bytes(w); }

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    return ops_for(w).pack_rows(w, row0, count, src, from, dst);
}

static int takes(const struct sdrt_conv_shape *s) { return ops_for(&s->w).takes(s); }

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    return ops_for(&s->w).parts(s, workers);
}

static size_t scratch(const struct sdrt_conv_shape *s) { return ops_for(&s->w).scratch(s); }

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    return ops_for(&s->w).conv2d(ex, s, a);
}

static void fill_int16(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
