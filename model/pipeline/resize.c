/* SPDX-License-Identifier: MIT
 *
 * Pictures of another size.
 */
#include "model/pipeline/picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOBES = 3, CUBES = 2 };

static double lanczos(double x)
{
    const double pi = 3.14159265358979323846;

    if (x <= -LOBES || x >= LOBES) return 0.0;
    if (x > -1e-12 && x < 1e-12) return 1.0;
    return LOBES * sin(pi * x) * sin(pi * x / LOBES) / (pi * pi * x * x);
}

/* Keys' cubic with a of -0.5, as Pillow's. */
static double cubic(double x)
{
    const double a = -0.5, d = fabs(x);

    if (d < 1.0) return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    return d < CUBES ? (((d - 5.0) * d + 8.0) * d - 4.0) * a : 0.0;
}

struct filter {
    double (*weight)(double x);
    int support;
};
static const struct filter sharp = { lanczos, LOBES }, soft = { cubic, CUBES };

/* What one pixel of the result is made of: n pixels from first on, weights [n] that sum to 1. */
struct span {
    int first, n;
};

/* Spans of all pixels along one axis, weights of most each; *weights is the caller's.  NULL without
 * memory. */
static struct span *spans_of(const struct filter *f, int from, int to, double **weights, int *most)
{
    const double scale = (double)from / to, wide = scale > 1.0 ? scale : 1.0;
    const double support = f->support * wide;
    struct span *spans = malloc((size_t)to * sizeof *spans);

    *most = (int)ceil(support) * 2 + 1;
    *weights = malloc((size_t)to * (size_t)*most * sizeof **weights);
    for (int i = 0; spans && *weights && i < to; i++) {
        const double centre = (i + 0.5) * scale;
        const int first = (int)fmax(centre - support + 0.5, 0.0);
        const int end = (int)fmin(centre + support + 0.5, from);
        double *w = *weights + (size_t)i * (size_t)*most, sum = 0.0;
        for (int k = first; k < end; k++)
            sum += w[k - first] = f->weight((k - centre + 0.5) / wide);
        for (int k = first; k < end; k++) w[k - first] /= sum;
        spans[i] = (struct span){ first, end - first };
    }
    if (spans && *weights) return spans;
    free(spans);
    free(*weights);
    *weights = NULL;
    return NULL;
}

static uint8_t to_byte(double x)
{
    return x <= 0.0 ? 0 : x >= 255.0 ? 255 : (uint8_t)floor(x + 0.5);
}

/* Resamples lines of length from to length to; step is from one pixel of a line to the next, and
 * the bytes of one pixel beside another are apart by 1: lines [outer][from][step] -> [outer][to][step]. */
static int resample(const struct filter *f, const uint8_t *in, uint8_t *out, size_t outer, int from,
                    int to, size_t step)
{
    double *weights;
    int most;
    struct span *spans = spans_of(f, from, to, &weights, &most);

    if (!spans) return SDRT_E_NOMEM;
    for (size_t o = 0; o < outer; o++)
        for (int i = 0; i < to; i++) {
            const double *w = weights + (size_t)i * (size_t)most;
            const uint8_t *first = in + (o * (size_t)from + (size_t)spans[i].first) * step;
            uint8_t *pixel = out + (o * (size_t)to + (size_t)i) * step;
            for (size_t b = 0; b < step; b++) {
                double sum = 0.0;
                for (int k = 0; k < spans[i].n; k++) sum += w[k] * first[(size_t)k * step + b];
                pixel[b] = to_byte(sum);
            }
        }
    free(spans);
    free(weights);
    return SDRT_OK;
}

/* Rounded to bytes between the two directions, as Pillow does. */
static uint8_t *resized(const struct filter *f, const struct sdrt_pixels *p, int width, int height)
{
    const size_t c = (size_t)p->channels, w = (size_t)width, h = (size_t)height;
    uint8_t *wide = malloc(w * (size_t)p->height * c), *out = malloc(w * h * c);
    int status = wide && out ? SDRT_OK : SDRT_E_NOMEM;

    if (status == SDRT_OK)
        status = resample(f, p->rgb, wide, (size_t)p->height, p->width, width, c);
    if (status == SDRT_OK) status = resample(f, wide, out, 1, p->height, height, w * c);
    free(wide);
    if (status == SDRT_OK) return out;
    free(out);
    return NULL;
}

static int clamped(int x, int most) { return x < 0 ? 0 : x > most ? most : x; }

/* The middle of p, or p with its edges drawn out around it. */
static uint8_t *centred(const struct sdrt_pixels *p, int width, int height)
{
    const int left = width / 2 - p->width / 2, top = height / 2 - p->height / 2;
    const size_t c = (size_t)p->channels;
    uint8_t *out = malloc((size_t)width * (size_t)height * c);

    for (int y = 0; out && y < height; y++)
        for (int x = 0; x < width; x++)
            memcpy(out + ((size_t)y * (size_t)width + (size_t)x) * c,
                   p->rgb + ((size_t)clamped(y - top, p->height - 1) * (size_t)p->width +
                             (size_t)clamped(x - left, p->width - 1)) *
                                c,
                   c);
    return out;
}

const char *sdrt_resize_mode_name(int i)
{
    static const char *const names[] = { "just", "crop", "fill" };

    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* The size with p's ratio that covers width x height, or that fits into it; as A1111 rounds. */
static void fitted(const struct sdrt_pixels *p, int cover, int *width, int *height)
{
    const double ratio = (double)*width / *height, own = (double)p->width / p->height;
    const int by_height = (int)((int64_t)p->width * *height / p->height);
    const int by_width = (int)((int64_t)p->height * *width / p->width);

    if (cover ? ratio > own : ratio <= own) *height = by_width < 1 ? 1 : by_width;
    else *width = by_height < 1 ? 1 : by_height;
}

int sdrt_pixels_resize(struct sdrt_pixels *p, int width, int height, enum sdrt_resize mode,
                       const struct sdrt_log *log)
{
    struct sdrt_pixels whole = { NULL, width, height, p->channels };
    uint8_t *out;

    if (p->width == width && p->height == height) return SDRT_OK;
    if (mode != SDRT_RESIZE_JUST) fitted(p, mode == SDRT_RESIZE_CROP, &whole.width, &whole.height);
    out = whole.rgb = resized(&sharp, p, whole.width, whole.height);
    if (out && (whole.width != width || whole.height != height)) {
        out = centred(&whole, width, height);
        free(whole.rgb);
    }
    if (!out)
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a picture of %dx%d", width, height);
    free(p->rgb);
    *p = (struct sdrt_pixels){ out, width, height, p->channels };
    return SDRT_OK;
}

int sdrt_pixels_shrink(struct sdrt_pixels *p, int size, const struct sdrt_log *log)
{
    const int wide = p->width > p->height;
    const int64_t shorter = wide ? p->height : p->width, longer = wide ? p->width : p->height;
    const int other = (int)(size * longer / shorter);
    const struct sdrt_pixels whole = { NULL, wide ? other : size, wide ? size : other,
                                       p->channels };
    const int left = (whole.width - size) / 2, top = (whole.height - size) / 2;
    const size_t c = (size_t)p->channels, n = (size_t)size;
    uint8_t *all = resized(&soft, p, whole.width, whole.height), *out = malloc(n * n * c);

    if (!all || !out) {
        free(all);
        free(out);
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a picture of %dx%d", whole.width,
                         whole.height);
    }
    for (size_t y = 0; y < n; y++)
        memcpy(out + y * n * c, all + ((y + (size_t)top) * (size_t)whole.width + (size_t)left) * c,
               n * c);
    free(all);
    free(p->rgb);
    *p = (struct sdrt_pixels){ out, size, size, p->channels };
    return SDRT_OK;
}
