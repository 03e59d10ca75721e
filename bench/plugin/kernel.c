/* SPDX-License-Identifier: MIT
 *
 * A convolution to begin with.  Build it, check it against the oracle and time it beside every level:
 *
 *     cc -O3 -march=native -shared -fPIC -o mine.so kernel.c
 *     sdbench kernels conv --kernel ./mine.so --shape "conv 2x64x64 320>320 k3 s1"
 *
 * A row of the output at a time: the input rows that it reads are copied into scratch, prologue and
 * padding applied, and each panel of 32 output channels goes over them with the sums of six pixels in
 * registers.
 */
#include <sdrt_kernel.h>

#include <math.h>
#include <string.h>

enum { LANES = 16, VECTORS = 2, PANEL = LANES * VECTORS, PIXELS = 6 };

typedef float vec __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

static struct sdrt_kernel given; /* for its panels */

/* [panel][tap][channel][lane]: one chunk holds all channels. */
static struct sdrt_panel_layout layout_of(const struct sdrt_weight_shape *w)
{
    return (struct sdrt_panel_layout){ .panel = PANEL, .chunk = w->k };
}

static size_t pack_bytes(const struct sdrt_weight_shape *w)
{
    const struct sdrt_panel_layout l = layout_of(w);
    return given.panel_bytes(&l, w);
}

static int pack_rows(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst)
{
    const struct sdrt_panel_layout l = layout_of(w);
    return w->stored == SDRT_F32 ? given.panel_pack(&l, w, row0, count, src, from, dst) : -1;
}

static int takes(const struct sdrt_conv_shape *s) { return s->y_type == SDRT_F32; }

/* Pixels of an input row that an output row reaches, those of padding too. */
static int reach(const struct sdrt_conv_shape *s) { return (s->out_w - 1) * s->stride + s->kernel; }

static int parts(const struct sdrt_conv_shape *s, int workers)
{
    const int rows = s->batch * s->out_h, most = 4 * workers;
    return rows < most ? rows : most;
}

/* Of whole vectors: the last pixels of a row are done as six, too. */
static size_t scratch(const struct sdrt_conv_shape *s)
{
    const size_t pixels = (size_t)(reach(s) + PIXELS * s->stride);
    return ((size_t)s->kernel * pixels * (size_t)(s->in_c + s->in_c2) * sizeof(float) + 63) / 64 *
           64;
}

/* Channels of one input pixel after the prologue; zero outside the image. */
static void read_pixel(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int image,
                       int y, int x, float *to)
{
    const int k = s->in_c + s->in_c2, up = s->upsample == 2;
    const int h = up ? s->out_h : s->in_h, w = up ? s->out_w : s->in_w;

    if (y < 0 || y >= h || x < 0 || x >= w) {
        memset(to, 0, (size_t)k * sizeof *to);
        return;
    }
    if (up) {
        y = (int)((long)y * s->in_h / h);
        x = (int)((long)x * s->in_w / w);
    }
    const size_t at = ((size_t)image * (size_t)s->in_h + (size_t)y) * (size_t)s->in_w + (size_t)x;
    memcpy(to, a->x + at * (size_t)s->x_pitch, (size_t)s->in_c * sizeof *to);
    if (s->in_c2)
        memcpy(to + s->in_c, a->x2 + at * (size_t)s->x2_pitch, (size_t)s->in_c2 * sizeof *to);
    if (s->prologue == SDRT_PROLOGUE_NONE) return;
    const float *mean = a->msb + (size_t)image * 3 * (size_t)k, *scale = mean + k,
                *beta = scale + k;
    for (int c = 0; c < k; c++) to[c] = (to[c] - mean[c]) * scale[c] + beta[c];
    if (s->prologue == SDRT_PROLOGUE_NORM_SILU)
        for (int c = 0; c < k; c++) to[c] = to[c] / (1.0f + expf(-to[c]));
}

/* sums [PIXELS][PANEL] = the products of so many pixels, stride pixels apart, with one panel. */
static void product(const float *patch, size_t pixel, size_t row, int kernel, int k, const float *w,
                    float sums[PIXELS][PANEL])
{
    vec sum[PIXELS][VECTORS] = { 0 };

    for (int tap = 0; tap < kernel * kernel; tap++) {
        const float *x = patch + (size_t)(tap / kernel) * row + (size_t)(tap % kernel) * (size_t)k;
        for (int c = 0; c < k; c++, w += PANEL)
            for (int p = 0; p < PIXELS; p++)
                for (int v = 0; v < VECTORS; v++)
                    sum[p][v] += x[(size_t)p * pixel + (size_t)c] * *(const vec *)(w + v * LANES);
    }
    memcpy(sums, sum, sizeof sum);
}

static void write_pixel(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int image,
                        size_t pixel, int o0, const float *sums)
{
    const int n = s->out_c - o0 < PANEL ? s->out_c - o0 : PANEL;
    float *y = (float *)a->y + pixel * (size_t)s->y_pitch + o0;

    for (int o = 0; o < n; o++) {
        float t = sums[o];
        if (a->bias) t += a->bias[o0 + o];
        if (a->chan) t += a->chan[(size_t)image * (size_t)s->chan_pitch + (size_t)(o0 + o)];
        if (a->residual) t += a->residual[pixel * (size_t)s->residual_pitch + (size_t)(o0 + o)];
        y[o] = s->relu && !(t > 0.0f) ? 0.0f : t;
    }
}

static void output_row(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, int r,
                       float *patch)
{
    const int k = s->in_c + s->in_c2, image = r / s->out_h, y = r % s->out_h, pixels = reach(s);
    const size_t row = (size_t)(pixels + PIXELS * s->stride) * (size_t)k;
    const struct sdrt_panel_layout l = layout_of(&s->w);
    float sums[PIXELS][PANEL];

    for (int i = 0; i < s->kernel; i++) {
        for (int x = 0; x < pixels; x++)
            read_pixel(s, a, image, y * s->stride + i - s->pad, x - s->pad,
                       patch + (size_t)i * row + (size_t)x * (size_t)k);
        memset(patch + (size_t)i * row + (size_t)pixels * (size_t)k, 0,
               (size_t)(PIXELS * s->stride) * (size_t)k * sizeof *patch);
    }
    for (int panel = 0; panel * PANEL < s->out_c; panel++) {
        const float *w = (const float *)(const void *)((const char *)a->w +
                                                       given.panel_offset(&l, &s->w, panel, 0));
        for (int x = 0; x < s->out_w; x += PIXELS) {
            product(patch + (size_t)(x * s->stride) * (size_t)k, (size_t)(s->stride * k), row,
                    s->kernel, k, w, sums);
            for (int p = 0; p < PIXELS && x + p < s->out_w; p++)
                write_pixel(s, a, image, (size_t)r * (size_t)s->out_w + (size_t)(x + p),
                            panel * PANEL, sums[p]);
        }
    }
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    const int rows = s->batch * s->out_h;
    const int end = sdrt_row_begin(rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(rows, ex->part, ex->nparts); r < end; r++)
        output_row(s, a, r, ex->scratch);
    return 0;
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    if (k->abi != SDRT_KERNEL_ABI) return SDRT_KERNEL_ABI;
    given = *k;
    *k->conv = (struct sdrt_conv_ops){ pack_bytes, pack_rows, takes, parts, scratch, conv2d };
    k->name = "mine";
    return SDRT_KERNEL_ABI;
}
