/* SPDX-License-Identifier: MIT */
#include "model/pipeline/picture.h"

#include <stdlib.h>
#include <string.h>

int sdrt_picture_check(const struct sdrt_picture *p, const char *what, const struct sdrt_log *log)
{
    if (!p->pixels) return sdrt_fail(log, SDRT_E_ARG, "%s: expected pixels, not NULL", what);
    if (p->width < 1 || p->height < 1 || p->width > SDRT_MAX_PICTURE ||
        p->height > SDRT_MAX_PICTURE)
        return sdrt_fail(log, SDRT_E_ARG, "%s: %dx%d: expected sides of 1 to %d", what, p->width,
                         p->height, SDRT_MAX_PICTURE);
    if (p->channels != 1 && p->channels != 3 && p->channels != 4)
        return sdrt_fail(log, SDRT_E_ARG, "%s: %d channels: expected 1, 3 or 4", what, p->channels);
    if (p->stride && p->stride < (size_t)p->width * (size_t)p->channels)
        return sdrt_fail(log, SDRT_E_ARG, "%s: rows %zu bytes apart: expected %d or more, or 0",
                         what, p->stride, p->width * p->channels);
    return SDRT_OK;
}

/* value over white, as seen through alpha. */
static uint8_t on_white(uint8_t value, uint8_t alpha)
{
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* Pillow's integers for 0.299, 0.587 and 0.114. */
static uint8_t luma(const uint8_t rgb[3])
{
    return (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

int sdrt_pixels_of(struct sdrt_pixels *out, const struct sdrt_picture *p, int channels,
                   const struct sdrt_log *log)
{
    const size_t width = (size_t)p->width, height = (size_t)p->height, from = (size_t)p->channels;
    const size_t stride = p->stride ? p->stride : width * from;
    uint8_t *to = malloc(width * height * (size_t)channels);

    if (!to)
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a picture of %zux%zu", width,
                         height);
    out->rgb = to;
    out->width = p->width;
    out->height = p->height;
    out->channels = channels;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *in = p->pixels + y * stride;
        for (size_t x = 0; x < width; x++, in += from, to += channels) {
            uint8_t rgb[3];
            for (size_t c = 0; c < 3; c++) {
                rgb[c] = in[from == 1 ? 0 : c];
                if (from == 4) rgb[c] = on_white(rgb[c], in[3]);
            }
            if (channels == 1) *to = luma(rgb);
            else memcpy(to, rgb, 3);
        }
    }
    return SDRT_OK;
}
