/* SPDX-License-Identifier: MIT
 *
 * 1x1 convolutions whose weights are bf16.  The others are NEON's: Winograd's tiles in f32
 * save more than products of bf16 do, and in bf16 would lose too many digits.
 */
#include "kernels/neon/vec.h"

#define SDRT_SLOT_HEADER "kernels/neonbf16/slot.h"
#define SDRT_PRODUCT_HEADER "kernels/neonbf16/product.h"
/* As in neon/conv.c, in slots. */
#define SDRT_TILE_ROWS 6
enum {
    TILE_ROWS = SDRT_TILE_ROWS,
    CONV_CHUNK = 64,
    CONV_CHUNK_1X1 = 320,
    CONV_PIXELS = 512,
};

#include "kernels/simd/conv.h"

static struct sdrt_conv_ops wider(void)
{
    struct sdrt_conv_ops ops = { 0 };

    sdrt_conv_init_neon(&ops);
    return ops;
}

static int fits(const struct sdrt_weight_shape *w) { return w->taps == 1 && slots_fit(w); }

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

void sdrt_conv_init_neonbf16(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = pack_bytes;
    ops->pack_rows = pack_rows;
    ops->takes = takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
