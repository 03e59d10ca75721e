/* SPDX-License-Identifier: MIT
 *
 * The images of the last request, handed out.
 */
#include "model/pipeline/session.h"
#include "runtime/base/choices.h"
#include "runtime/files/picture_file.h"
#include "runtime/files/png.h"

#include <string.h>

const uint8_t *sdrt_session_image(const struct sdrt_session *s, int i, int *width, int *height)
{
    if (!s || i < 0 || i >= s->n_images) return NULL;
    if (width) *width = s->width;
    if (height) *height = s->height;
    return s->images + (size_t)i * (size_t)s->width * (size_t)s->height * 3;
}

/* Image i, or NULL after a line that says that it is not there. */
static const uint8_t *find(const struct sdrt_session *s, int i)
{
    const uint8_t *pixels = sdrt_session_image(s, i, NULL, NULL);

    if (s && !pixels)
        sdrt_fail(s->log, SDRT_E_ARG, "there is no image %d: expected one of %d", i, s->n_images);
    return pixels;
}

int sdrt_session_copy_image(const struct sdrt_session *s, int i, uint8_t *pixels, size_t stride,
                            size_t size)
{
    const uint8_t *from = find(s, i);

    if (!from) return SDRT_E_ARG;
    const size_t row = (size_t)s->width * 3, rows = (size_t)s->height;
    if (!stride) stride = row;
    if (!pixels || stride < row || size < row || (size - row) / stride < rows - 1)
        return sdrt_fail(s->log, SDRT_E_ARG,
                         "image %d: expected room for %zu rows of %zu bytes, "
                         "not %zu bytes with rows %zu apart",
                         i, rows, row, pixels ? size : 0, stride);
    for (size_t y = 0; y < rows; y++) memcpy(pixels + y * stride, from + y * row, row);
    return SDRT_OK;
}

int sdrt_session_write_png(const struct sdrt_session *s, int i, const char *path)
{
    const uint8_t *pixels = find(s, i);

    if (!pixels) return SDRT_E_ARG;
    if (!path) return sdrt_fail(s->log, SDRT_E_ARG, "image %d: expected a path, not NULL", i);
    return sdrt_png_write(path, pixels, s->width, s->height, s->parameters[i], s->log);
}

int sdrt_session_png(const struct sdrt_session *s, int i, uint8_t **png, size_t *size)
{
    const uint8_t *pixels = find(s, i);

    if (png) *png = NULL;
    if (size) *size = 0;
    if (!pixels) return SDRT_E_ARG;
    if (!png || !size)
        return sdrt_fail(s->log, SDRT_E_ARG, "image %d: no place for the PNG and its size", i);
    return sdrt_png_encode(png, size, "PNG", pixels, s->width, s->height, s->parameters[i], s->log);
}

int sdrt_session_encode(const struct sdrt_session *s, int i, const char *format, int quality,
                        uint8_t **bytes, size_t *size)
{
    const uint8_t *pixels = find(s, i);
    char known[SDRT_CHOICES];

    if (bytes) *bytes = NULL;
    if (size) *size = 0;
    if (!pixels) return SDRT_E_ARG;
    if (!bytes || !size)
        return sdrt_fail(s->log, SDRT_E_ARG, "image %d: no place for the file and its size", i);
    const int kind = format ? sdrt_choice(sdrt_picture_format_name, format) : -1;
    if (kind < 0)
        return sdrt_fail(s->log, SDRT_E_ARG, "image %d: unknown format \"%s\": expected %s", i,
                         format ? format : "", sdrt_choices(known, sdrt_picture_format_name));
    return sdrt_picture_encode((enum sdrt_picture_format)kind, quality, bytes, size, format, pixels,
                               s->width, s->height, s->parameters[i], s->log);
}

const char *sdrt_session_parameters(const struct sdrt_session *s, int i)
{
    return s && i >= 0 && i < s->n_images ? s->parameters[i] : NULL;
}
