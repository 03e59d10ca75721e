/* SPDX-License-Identifier: MIT */
#include "model/pipeline/fill.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- blurring ---- */

/* A box: its middle and whole pixels on either side, and a share edge of the next. */
struct box {
    int whole;
    float edge, size;
};

static struct box box_of(double sigma, int boxes)
{
    const double length = sqrt(12.0 * sigma * sigma / boxes + 1.0), radius = (length - 1.0) / 2.0;
    /* So large that the variance of the box with its edges is that of one so long. */
    const double l = floor(radius), n = 2.0 * l + 1.0;
    const double a = n * (l * (l + 1.0) - 3.0 * sigma * sigma / boxes);
    const double b = 6.0 * (sigma * sigma / boxes - (l + 1.0) * (l + 1.0));
    const double edge = b < 0.0 ? a / b : 0.0;

    return (struct box){ (int)l, (float)edge, (float)(n + 2.0 * edge) };
}

static size_t held(int i, int n) { return (size_t)(i < 0 ? 0 : i >= n ? n - 1 : i); }

/* One box over a line of n values that are step apart, by way of copy [n]. */
static void box_line(float *line, float *copy, int n, size_t step, const struct box *box)
{
    double sum = 0.0; /* float would drift over a long line */

    for (int i = 0; i < n; i++) copy[i] = line[(size_t)i * step];
    for (int i = -box->whole; i <= box->whole; i++) sum += copy[held(i, n)];
    for (int i = 0; i < n; i++) {
        const float ends = copy[held(i - box->whole - 1, n)] + copy[held(i + box->whole + 1, n)];
        line[(size_t)i * step] = ((float)sum + box->edge * ends) / box->size;
        sum += (double)copy[held(i + box->whole + 1, n)] - copy[held(i - box->whole, n)];
    }
}

int sdrt_blur(float *x, int width, int height, int channels, double sigma)
{
    enum { BOXES = 3 };
    const size_t w = (size_t)width, h = (size_t)height, c = (size_t)channels;
    const struct box box = box_of(sigma, BOXES);
    float *copy = malloc((w > h ? w : h) * sizeof *copy);

    if (!copy) return SDRT_E_NOMEM;
    for (int pass = 0; pass < BOXES; pass++) {
        for (size_t i = 0; i < h * c; i++)
            box_line(x + i / c * w * c + i % c, copy, width, c, &box);
        for (size_t i = 0; i < w * c; i++) box_line(x + i, copy, height, w * c, &box);
    }
    free(copy);
    return SDRT_OK;
}

/* ---- filling ---- */

enum { C = 4 /* colours multiplied by alpha, and alpha */ };

/* What is not masked, whole or nothing. */
static void take_rest(float *out, const struct sdrt_pixels *rgb, const struct sdrt_pixels *mask)
{
    const size_t n = (size_t)rgb->width * (size_t)rgb->height;

    for (size_t i = 0; i < n; i++) {
        const float there = mask->rgb[i] ? 0.0f : 1.0f;
        for (int k = 0; k < 3; k++) out[C * i + (size_t)k] = there * rgb->rgb[3 * i + (size_t)k];
        out[C * i + 3] = there;
    }
}

/* over over under, n pixels of multiplied colours, times times (Porter and Duff, 1984). */
static void lay_over(float *under, const float *over, size_t n, int times)
{
    for (size_t i = 0; i < n; i++)
        for (int t = 0; t < times; t++)
            for (size_t k = 0; k < C; k++)
                under[C * i + k] = over[C * i + k] + (1.0f - over[C * i + 3]) * under[C * i + k];
}

int sdrt_pixels_fill(struct sdrt_pixels *rgb, const struct sdrt_pixels *mask,
                     const struct sdrt_log *log)
{
    static const struct {
        double sigma;
        int times;
    } layers[] = { { 256.0, 1 }, { 64.0, 1 }, { 16.0, 2 }, { 4.0, 4 }, { 2.0, 2 } };
    const size_t n = (size_t)rgb->width * (size_t)rgb->height;
    float *sum = calloc(n * C, sizeof *sum), *layer = malloc(n * C * sizeof *layer);
    int status = sum && layer ? SDRT_OK : SDRT_E_NOMEM;

    for (size_t i = 0; i < sizeof layers / sizeof *layers && status == SDRT_OK; i++) {
        take_rest(layer, rgb, mask);
        status = sdrt_blur(layer, rgb->width, rgb->height, C, layers[i].sigma);
        if (status == SDRT_OK) lay_over(sum, layer, n, layers[i].times);
    }
    for (size_t i = 0; i < n && status == SDRT_OK; i++)
        for (size_t k = 0; k < 3 && mask->rgb[i]; k++) {
            const float alpha = sum[C * i + 3],
                        value = alpha > 0.0f ? sum[C * i + k] / alpha : 127.0f;
            rgb->rgb[3 * i + k] = (uint8_t)(fminf(fmaxf(value, 0.0f), 255.0f) + 0.5f);
        }
    free(sum);
    free(layer);
    return status == SDRT_OK ? status : sdrt_fail(log, status, "out of memory for filling a mask");
}
