/* SPDX-License-Identifier: MIT */
#include "model/pipeline/canvas.h"
#include "model/pipeline/fill.h"

#include <stdlib.h>
#include <string.h>

enum { HALF = 128 /* from here on a mask is white */ };

static int out_of_memory(const struct sdrt_log *log)
{
    return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a picture");
}

static int clamped(int x, int most) { return x < 0 ? 0 : x > most ? most : x; }

/* width x height pixels of p from (x, y) on; what lies outside are the edge's. */
static uint8_t *cut(const struct sdrt_pixels *p, int x, int y, int width, int height)
{
    const size_t c = (size_t)p->channels;
    uint8_t *out = malloc((size_t)width * (size_t)height * c);

    for (int j = 0; out && j < height; j++)
        for (int i = 0; i < width; i++)
            memcpy(out + ((size_t)j * (size_t)width + (size_t)i) * c,
                   p->rgb + ((size_t)clamped(y + j, p->height - 1) * (size_t)p->width +
                             (size_t)clamped(x + i, p->width - 1)) *
                                c,
                   c);
    return out;
}

static int replace(struct sdrt_pixels *p, uint8_t *rgb, int width, int height,
                   const struct sdrt_log *log)
{
    if (!rgb) return out_of_memory(log);
    free(p->rgb);
    *p = (struct sdrt_pixels){ rgb, width, height, p->channels };
    return SDRT_OK;
}

/* ---- the mask ---- */

static int take_mask(struct sdrt_canvas *c, const struct sdrt_request *r,
                     const struct sdrt_log *log)
{
    const size_t n = (size_t)r->init->width * (size_t)r->init->height;
    int status = SDRT_OK;

    if (r->mask) {
        status = sdrt_pixels_of(&c->mask, r->mask, 1, log);
        for (size_t i = 0; status == SDRT_OK && r->mask_invert && i < n; i++)
            c->mask.rgb[i] = (uint8_t)(255 - c->mask.rgb[i]);
        return status;
    }
    c->mask = (struct sdrt_pixels){ calloc(n, 1), r->init->width, r->init->height, 1 };
    return c->mask.rgb ? SDRT_OK : out_of_memory(log);
}

/* Adds the request's borders to picture and mask; all of them are redrawn. */
static int extend(struct sdrt_canvas *c, const struct sdrt_request *r, const struct sdrt_log *log)
{
    const int w = c->mask.width, h = c->mask.height;
    const int width = w + r->extend_left + r->extend_right;
    const int height = h + r->extend_top + r->extend_bottom;
    int status = replace(&c->picture,
                         cut(&c->picture, -r->extend_left, -r->extend_top, width, height), width,
                         height, log);

    if (status == SDRT_OK)
        status = replace(&c->mask, cut(&c->mask, -r->extend_left, -r->extend_top, width, height),
                         width, height, log);
    for (int y = 0; status == SDRT_OK && y < height; y++)
        for (int x = 0; x < width; x++)
            if (x < r->extend_left || x >= r->extend_left + w || y < r->extend_top ||
                y >= r->extend_top + h)
                c->mask.rgb[(size_t)y * (size_t)width + (size_t)x] = 255;
    return status;
}

static int soften(struct sdrt_pixels *mask, float sigma, const struct sdrt_log *log)
{
    const size_t n = (size_t)mask->width * (size_t)mask->height;
    float *x = sigma > 0.0f ? malloc(n * sizeof *x) : NULL;

    if (!(sigma > 0.0f)) return SDRT_OK;
    for (size_t i = 0; x && i < n; i++) x[i] = mask->rgb[i];
    const int status = x ? sdrt_blur(x, mask->width, mask->height, 1, (double)sigma) : SDRT_E_NOMEM;
    for (size_t i = 0; status == SDRT_OK && i < n; i++) mask->rgb[i] = (uint8_t)(x[i] + 0.5f);
    free(x);
    return status == SDRT_OK ? status : out_of_memory(log);
}

/* ---- the part that is drawn ---- */

/* One side of the part: from *at on *size long, longer by the ratio of want to its other side other,
 * moved within 0 .. most; as A1111 grows it. */
static void grow(int *at, int *size, int want, int most)
{
    const int more = want - *size;

    if (more <= 0) return;
    *at -= more / 2;
    *size = want;
    if (*at + *size > most) *at = most - *size;
    if (*at < 0) *at = 0;
    if (*size > most) *size = most;
}

/* The mask's surroundings, in the ratio of the size that is drawn where the picture has room for it. */
static int find_part(struct sdrt_canvas *c, const struct sdrt_request *r,
                     const struct sdrt_log *log)
{
    const int w = c->mask.width, h = c->mask.height, pad = r->mask_padding;
    int left = w, top = h, right = -1, bottom = -1;

    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            if (!c->mask.rgb[(size_t)y * (size_t)w + (size_t)x]) continue;
            if (x < left) left = x;
            if (x > right) right = x;
            if (y < top) top = y;
            bottom = y;
        }
    if (right < 0)
        return sdrt_fail(log, SDRT_E_ARG, "the mask is black: expected white where it is redrawn");
    c->x = r->mask_only ? clamped(left - pad, w) : 0;
    c->y = r->mask_only ? clamped(top - pad, h) : 0;
    c->width = r->mask_only ? clamped(right + 1 + pad, w) - c->x : w;
    c->height = r->mask_only ? clamped(bottom + 1 + pad, h) - c->y : h;
    if (!r->mask_only) return SDRT_OK;
    grow(&c->x, &c->width, (int)((int64_t)c->height * r->width / r->height), w);
    grow(&c->y, &c->height, (int)((int64_t)c->width * r->height / r->width), h);
    return SDRT_OK;
}

/* A copy of the part of p at the size that is drawn. */
static int take_part(struct sdrt_pixels *out, const struct sdrt_pixels *p,
                     const struct sdrt_canvas *c, const struct sdrt_request *r,
                     const struct sdrt_log *log)
{
    *out = (struct sdrt_pixels){ cut(p, c->x, c->y, c->width, c->height), c->width, c->height,
                                 p->channels };
    if (!out->rgb) return out_of_memory(log);
    return sdrt_pixels_resize(out, r->width, r->height, SDRT_RESIZE_JUST, log);
}

static void harden(struct sdrt_pixels *mask)
{
    const size_t n = (size_t)mask->width * (size_t)mask->height;

    for (size_t i = 0; i < n; i++) mask->rgb[i] = mask->rgb[i] >= HALF ? 255 : 0;
}

/* ---- all of it ---- */

static int prepare_mask(struct sdrt_canvas *c, const struct sdrt_request *r,
                        const struct sdrt_log *log)
{
    const enum sdrt_resize mode = sdrt_begin_mode(r);
    int status = take_mask(c, r, log);

    if (status == SDRT_OK) status = extend(c, r, log);
    if (status == SDRT_OK && !r->mask_only) {
        status = sdrt_pixels_resize(&c->picture, r->width, r->height, mode, log);
        if (status == SDRT_OK)
            status = sdrt_pixels_resize(&c->mask, r->width, r->height, mode, log);
    }
    if (status == SDRT_OK) status = soften(&c->mask, r->mask_blur, log);
    if (status == SDRT_OK) status = find_part(c, r, log);
    if (status == SDRT_OK) status = take_part(&c->init, &c->picture, c, r, log);
    if (status == SDRT_OK) status = take_part(&c->redraw, &c->mask, c, r, log);
    if (status != SDRT_OK) return status;
    harden(&c->redraw);
    c->drawn = (struct sdrt_pixels){ malloc((size_t)r->width * (size_t)r->height * 3), r->width,
                                     r->height, 3 };
    if (!c->drawn.rgb) return out_of_memory(log);
    return sdrt_begin_content(r) == SDRT_MASKED_FILL ? sdrt_pixels_fill(&c->init, &c->redraw, log)
                                                     : SDRT_OK;
}

int sdrt_canvas_prepare(struct sdrt_canvas *c, const struct sdrt_request *r,
                        const struct sdrt_log *log)
{
    const int masked = sdrt_begin_masked(r);
    const int width = r->init->width + r->extend_left + r->extend_right;
    const int height = r->init->height + r->extend_top + r->extend_bottom;
    int status = sdrt_pixels_of(masked ? &c->picture : &c->init, r->init, 3, log);

    if (status != SDRT_OK) return status;
    if (!r->mask_only && (width != r->width || height != r->height))
        sdrt_note(log, SDRT_LOG_INFO, "the picture of %dx%d becomes one of %dx%d (%s)", width,
                  height, r->width, r->height, sdrt_resize_mode_name((int)sdrt_begin_mode(r)));
    if (r->init->channels == 4)
        sdrt_note(log, SDRT_LOG_INFO, "where the picture is transparent it is laid on white");
    if (masked) return prepare_mask(c, r, log);
    return sdrt_pixels_resize(&c->init, r->width, r->height, sdrt_begin_mode(r), log);
}

int sdrt_canvas_compose(struct sdrt_canvas *c, uint8_t *image, const struct sdrt_log *log)
{
    const size_t width = (size_t)c->picture.width, height = (size_t)c->picture.height;
    struct sdrt_pixels part = c->drawn;
    int status;

    part.rgb = cut(&c->drawn, 0, 0, part.width, part.height);
    if (!part.rgb) return out_of_memory(log);
    status = sdrt_pixels_resize(&part, c->width, c->height, SDRT_RESIZE_JUST, log);
    memcpy(image, c->picture.rgb, width * height * 3);
    for (size_t y = 0; status == SDRT_OK && y < (size_t)c->height; y++)
        for (size_t x = 0; x < (size_t)c->width; x++) {
            const size_t at = (y + (size_t)c->y) * width + x + (size_t)c->x;
            const int drawn = c->mask.rgb[at];
            const uint8_t *from = part.rgb + (y * (size_t)c->width + x) * 3;
            for (size_t k = 0; k < 3; k++)
                image[3 * at + k] =
                    (uint8_t)((image[3 * at + k] * (255 - drawn) + from[k] * drawn + 127) / 255);
        }
    free(part.rgb);
    return status;
}

void sdrt_canvas_clear(struct sdrt_canvas *c)
{
    free(c->picture.rgb);
    free(c->mask.rgb);
    free(c->init.rgb);
    free(c->redraw.rgb);
    free(c->drawn.rgb);
    memset(c, 0, sizeof *c);
}
