/* SPDX-License-Identifier: MIT
 *
 * A picture through an upscaler, tile by tile.
 */
#include "model/pipeline/upscaler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One picture on its way.  A row of tiles is put together in floats, and the row then joined in bytes
 * to the one above it. */
struct enlarging {
    struct sdrt_upscaler *u;
    const struct sdrt_upscaler_config *config;
    const struct sdrt_pixels *in;
    struct sdrt_pixels *out;
    struct sdrt_tiling tiling;
    int tile_w, tile_h; /* pixels of in */
    float *band;        /* [tile_h * scale][width * scale][3]; owned */
};

/* Pixel (x, y) of a tile at (left, top); what is beyond the picture is its edge. */
static const uint8_t *pixel(const struct enlarging *e, int left, int top, int x, int y)
{
    const int last_x = e->in->width - 1, last_y = e->in->height - 1;

    x = left + x < last_x ? left + x : last_x;
    y = top + y < last_y ? top + y : last_y;
    return e->in->rgb + ((size_t)y * (size_t)e->in->width + (size_t)x) * 3;
}

/* Pixels as channels where the network wants them unshuffled. */
static void fill(const struct enlarging *e, int left, int top)
{
    const int r = e->config->unshuffle, channels = sdrt_upscaler_in_channels(e->config);

    for (int y = 0; y < e->tile_h; y++)
        for (int x = 0; x < e->tile_w; x++) {
            const uint8_t *from = pixel(e, left, top, x, y);
            float *to = e->u->in +
                        ((size_t)(y / r) * (size_t)(e->tile_w / r) + (size_t)(x / r)) *
                            (size_t)channels +
                        y % r * r + x % r;
            for (int c = 0; c < 3; c++) to[(size_t)(c * r * r)] = (float)from[c] / 255.0f;
        }
}

/* Pixel (x, y) of the enlarged tile at (left, top). */
static void take(const struct enlarging *e, int left, int top, int x, int y, float rgb[3])
{
    const int s = e->config->scale;

    if (e->config->kind == SDRT_UPSCALER_RRDB) {
        memcpy(rgb, e->u->out + ((size_t)y * (size_t)(e->tile_w * s) + (size_t)x) * 3,
               3 * sizeof *rgb);
        return;
    }
    const float *from = e->u->out +
                        ((size_t)(y / s) * (size_t)e->tile_w + (size_t)(x / s)) *
                            (size_t)sdrt_upscaler_out_channels(e->config) +
                        y % s * s + x % s;
    const uint8_t *base = pixel(e, left, top, x / s, y / s);
    for (int c = 0; c < 3; c++) rgb[c] = from[(size_t)(c * s * s)] + (float)base[c] / 255.0f;
}

/* The new tile's share, at enlarged pixel at of it: 0 where its edge is dead, 1 behind the ramp. */
static float share(const struct enlarging *e, int first, int at)
{
    const float s = (float)e->config->scale, ramp = (float)e->tiling.ramp * s;
    const float in = (float)at + 0.5f - (float)e->tiling.dead * s;

    if (first || in >= ramp) return 1.0f;
    return in > 0.0f ? in / ramp : 0.0f;
}

/* A tile into the band, left to right. */
static void join_tile(const struct enlarging *e, int i, int left, int top)
{
    const int s = e->config->scale, end = e->out->width - left * s;
    const size_t row = (size_t)e->out->width * 3;

    for (int y = 0; y < e->tile_h * s; y++)
        for (int x = 0; x < e->tile_w * s && x < end; x++) {
            float rgb[3], *to = e->band + (size_t)y * row + (size_t)(left * s + x) * 3;
            const float a = share(e, !i, x);
            if (a <= 0.0f) continue;
            take(e, left, top, x, y, rgb);
            for (int c = 0; c < 3; c++) to[c] = a >= 1.0f ? rgb[c] : to[c] + a * (rgb[c] - to[c]);
        }
}

/* The band into the picture, downwards. */
static void join_band(const struct enlarging *e, int j, int top)
{
    const int s = e->config->scale, end = e->out->height - top * s;
    const size_t row = (size_t)e->out->width * 3;

    for (int y = 0; y < e->tile_h * s && y < end; y++) {
        const float a = share(e, !j, y), *from = e->band + (size_t)y * row;
        uint8_t *to = e->out->rgb + (size_t)(top * s + y) * row;
        for (size_t k = 0; k < row && a > 0.0f; k++) {
            const float value = 255.0f * fminf(fmaxf(from[k], 0.0f), 1.0f);
            to[k] = (uint8_t)rintf(a >= 1.0f ? value : (float)to[k] + a * (value - (float)to[k]));
        }
    }
}

static int enlarge(struct enlarging *e, sdrt_upscaler_progress_fn *progress, void *user)
{
    const int columns = sdrt_tiling_count(&e->tiling, e->in->width);
    const int rows = sdrt_tiling_count(&e->tiling, e->in->height), total = columns * rows;

    for (int k = 0; k <= total; k++) {
        if (progress && progress(user, k, total)) return SDRT_E_CANCELLED;
        if (k == total) break;
        const int left = sdrt_tiling_start(&e->tiling, e->in->width, k % columns);
        const int top = sdrt_tiling_start(&e->tiling, e->in->height, k / columns);
        fill(e, left, top);
        const int status = sdrt_program_run(e->u->program, e->u->queue, NULL, NULL);
        if (status != SDRT_OK) return status;
        join_tile(e, k % columns, left, top);
        if (k % columns == columns - 1) join_band(e, k / columns, top);
    }
    return SDRT_OK;
}

/* A picture smaller than a tile is one, up to what the network takes. */
static int tile_side(const struct enlarging *e, int n)
{
    const int r = e->config->unshuffle;

    return n < e->tiling.tile ? (n + r - 1) / r * r : e->tiling.tile;
}

int sdrt_upscaler_enlarge(struct sdrt_upscaler *u, const struct sdrt_pixels *in, int tile,
                          struct sdrt_pixels *out, sdrt_upscaler_progress_fn *progress, void *user)
{
    struct enlarging e = { .u = u,
                           .config = sdrt_upscaler_file_config(u->file),
                           .in = in,
                           .out = out,
                           .tiling = sdrt_upscaler_tiling(u, tile) };
    const int s = e.config->scale;

    *out = (struct sdrt_pixels){ .rgb = NULL };
    if (in->width > SDRT_MAX_PICTURE / s || in->height > SDRT_MAX_PICTURE / s)
        return sdrt_fail(u->log, SDRT_E_ARG,
                         "a picture of %dx%d, to be %d times larger: expected "
                         "sides of %d or less",
                         in->width, in->height, s, SDRT_MAX_PICTURE / s);
    e.tile_w = tile_side(&e, in->width);
    e.tile_h = tile_side(&e, in->height);
    int status = sdrt_upscaler_plan(u, e.tile_w, e.tile_h);
    if (status != SDRT_OK) return status;
    *out = (struct sdrt_pixels){ .width = in->width * s, .height = in->height * s, .channels = 3 };
    out->rgb = malloc((size_t)out->width * (size_t)out->height * 3);
    e.band = malloc((size_t)(e.tile_h * s) * (size_t)out->width * 3 * sizeof *e.band);
    if (!out->rgb || !e.band)
        status = sdrt_fail(u->log, SDRT_E_NOMEM, "out of memory for a picture of %dx%d", out->width,
                           out->height);
    if (status == SDRT_OK) status = enlarge(&e, progress, user);
    free(e.band);
    if (status == SDRT_OK) return SDRT_OK;
    free(out->rgb);
    *out = (struct sdrt_pixels){ .rgb = NULL };
    return status;
}

static int is_clear(const struct sdrt_picture *p)
{
    const size_t stride = p->stride ? p->stride : (size_t)p->width * (size_t)p->channels;

    for (int y = 0; y < p->height && p->channels == 4; y++)
        for (int x = 0; x < p->width; x++)
            if (p->pixels[(size_t)y * stride + 4 * (size_t)x + 3] != 255) return 1;
    return 0;
}

int sdrt_upscaler_run(struct sdrt_upscaler *u, const struct sdrt_picture *picture, int tile,
                      sdrt_upscaler_progress_fn *progress, void *user, uint8_t **rgb, int *width,
                      int *height)
{
    struct sdrt_pixels in = { .rgb = NULL }, out = { .rgb = NULL };

    if (rgb) *rgb = NULL;
    if (!u) return SDRT_E_ARG;
    if (!picture || !rgb || !width || !height)
        return sdrt_fail(u->log, SDRT_E_ARG,
                         "no picture to enlarge, or no place for it: expected "
                         "both");
    sdrt_queue_rearm(u->queue); /* who cancelled before means another picture */
    int status = sdrt_picture_check(picture, "the picture to enlarge", u->log);
    if (status == SDRT_OK && is_clear(picture))
        sdrt_note(u->log, SDRT_LOG_WARNING,
                  "the picture to enlarge has transparent parts, which are laid on white");
    if (status == SDRT_OK) status = sdrt_pixels_of(&in, picture, 3, u->log);
    if (status == SDRT_OK) status = sdrt_upscaler_enlarge(u, &in, tile, &out, progress, user);
    free(in.rgb);
    if (status == SDRT_E_CANCELLED) sdrt_fail(u->log, status, "cancelled");
    *rgb = out.rgb;
    *width = out.width;
    *height = out.height;
    return status;
}
