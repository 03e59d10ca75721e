/* SPDX-License-Identifier: MIT
 *
 * Convolution on OpenBLAS.  A band of input rows is copied into scratch once, prologue and
 * padding applied; each tap is then one product of the whole band, shifted, added to the
 * sums.  The band's rows are wider than the output's, so that a shift is one offset: the
 * sums of the columns beyond are thrown away, which is cheaper than a product a row.
 */
#include "kernels/blas/weights.h"
#include "kernels/conv.h"
#include "kernels/generic/conv_pixel.h"

enum {
    PIXELS  = 512, /* outputs of a band, at least: each unit converts its weights to f32 */
    ROWS    = 4,   /* and at least so many rows: each band reads kernel-1 rows twice */
    COLUMNS = 256, /* of one unit, where there are too few bands: each unit fills its band */
    WANTED  = 16,  /* units */
};

/* With stride 2 the four phases of the input lie apart, so that a tap is dense again. */
struct cut {
    int rows, bands;        /* output rows of a band, bands of an image */
    int groups;             /* of output channels */
    int h, w;               /* pixels of one phase of a band */
    size_t phase, patch;    /* floats of one, and of all */
};

static struct cut cut_shape(const struct sdrt_conv_shape *s)
{
    const int reach = (s->kernel - 1) / s->stride;
    struct cut c = { .rows = (PIXELS + s->out_w - 1) / s->out_w };

    if (c.rows < ROWS) c.rows = ROWS;
    if (c.rows > s->out_h) c.rows = s->out_h;
    c.bands = (s->out_h + c.rows - 1) / c.rows;
    const int most = (s->out_c + COLUMNS - 1) / COLUMNS;
    const int wanted = (WANTED + c.bands * s->batch - 1) / (c.bands * s->batch);
    c.groups = wanted < most ? wanted : most;
    c.h = c.rows + reach;
    c.w = s->out_w + reach;
    /* The last row's shifted product reads reach pixels past the end. */
    c.phase = ((size_t)c.h * (size_t)c.w + (size_t)reach) * (size_t)s->w.k;
    c.patch = c.phase * (size_t)(s->stride * s->stride);
    return c;
}

static int units_of(const struct sdrt_conv_shape *s, const struct cut *c)
{
    return s->batch * c->bands * c->groups;
}

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    const struct cut c = cut_shape(s);
    const int units = units_of(s, &c), most = 8 * workers;

    return units < most ? units : most;
}

static int columns_of(const struct sdrt_conv_shape *s, const struct cut *c)
{
    return (s->out_c + c->groups - 1) / c->groups;
}

/* The patch, the sums, and one tap's weights as f32. */
static size_t scratch(const struct sdrt_conv_shape *s)
{
    const struct cut c = cut_shape(s);
    const size_t columns = (size_t)columns_of(s, &c);

    return sizeof(float) *
           (c.patch + (size_t)c.rows * (size_t)c.w * columns + columns * (size_t)s->w.k);
}

static void fill_patch(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                       const struct cut *c, int image, int y0, int rows, float *patch)
{
    const size_t k = (size_t)s->w.k, pixels = (size_t)(rows + c->h - c->rows) * (size_t)c->w;

    for (int f = 0; f < s->stride * s->stride; f++) {
        float *to = patch + (size_t)f * c->phase;
        const int dy = f / s->stride - s->pad + s->lead, dx = f % s->stride - s->pad;
        for (size_t i = 0; i < pixels; i++) {
            const int y = y0 + (int)(i / (size_t)c->w), x = (int)(i % (size_t)c->w);
            conv_read_pixel(s, a, image, y * s->stride + dy, x * s->stride + dx, to + i * k);
        }
        memset(to + pixels * k, 0, (size_t)(c->w - s->out_w) * k * sizeof *to);
    }
}

static void run_unit(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a,
                     const struct cut *c, int unit, float *memory)
{
    const int group = unit % c->groups, band = unit / c->groups % c->bands;
    const int image = unit / c->groups / c->bands, y0 = band * c->rows;
    const int rows = s->out_h - y0 < c->rows ? s->out_h - y0 : c->rows;
    const int o = sdrt_row_begin(s->out_c, group, c->groups);
    const int n = sdrt_row_begin(s->out_c, group + 1, c->groups) - o;
    float *patch = memory, *sums = patch + c->patch;
    float *weights = sums + (size_t)c->rows * (size_t)c->w * (size_t)columns_of(s, c);

    fill_patch(s, a, c, image, y0, rows, patch);
    for (int tap = 0; tap < s->kernel * s->kernel; tap++) {
        const int ky = tap / s->kernel, kx = tap % s->kernel;
        const size_t phase = (size_t)(ky % s->stride * s->stride + kx % s->stride);
        const size_t pixel = (size_t)(ky / s->stride * c->w + kx / s->stride);
        blas_product(&s->w, a->w, tap, o, rows * c->w, n,
                     patch + phase * c->phase + pixel * (size_t)s->w.k, s->w.k, tap > 0, weights,
                     sums, n);
    }
    for (int y = 0; y < rows; y++)
        for (int x = 0; x < s->out_w; x++)
            conv_write_pixel(s, a, image, y0 + y, x, o, n,
                             sums + (size_t)(y * c->w + x) * (size_t)n);
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    const struct cut c = cut_shape(s);
    const int units = units_of(s, &c), end = sdrt_row_begin(units, ex->part + 1, ex->nparts);

    for (int u = sdrt_row_begin(units, ex->part, ex->nparts); u < end; u++)
        run_unit(s, a, &c, u, ex->scratch);
    return 0;
}

void sdrt_conv_init_blas(struct sdrt_conv_ops *ops)
{
    ops->pack_bytes = blas_pack_bytes;
    ops->pack_rows = blas_pack_rows;
    ops->takes = conv_takes;
    ops->parts = parts;
    ops->scratch = scratch;
    ops->conv2d = conv2d;
}
