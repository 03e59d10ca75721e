/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_kind.h"
#include "runtime/files/picture_formats.h"
#include "runtime/files/png.h"
#include "runtime/files/read_file.h"

#include <config.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_BYTES = 1 << 30 };

#ifdef HAVE_JPEG
enum { WITH_JPEG = 1 };
#else
enum { WITH_JPEG = 0 };
int sdrt_jpeg_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    (void)out;
    (void)turn;
    return sdrt_fail(in->log, SDRT_E_UNSUPPORTED,
                     "%s: is a JPEG, and this build is without libjpeg "
                     "and libexif: expected a PNG",
                     in->path);
}
int sdrt_jpeg_encode(int quality, uint8_t **bytes, size_t *size, const char *where,
                     const uint8_t *rgb, int width, int height, const char *parameters,
                     const struct sdrt_log *log)
{
    (void)quality, (void)rgb, (void)width, (void)height, (void)parameters;
    *bytes = NULL;
    *size = 0;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: this build is without libjpeg and libexif",
                     where);
}
#endif

#ifdef HAVE_WEBP
enum { WITH_WEBP = 1 };
#else
enum { WITH_WEBP = 0 };
int sdrt_webp_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    (void)out;
    (void)turn;
    return sdrt_fail(in->log, SDRT_E_UNSUPPORTED,
                     "%s: is a WebP, and this build is without libwebp "
                     "and libexif: expected a PNG",
                     in->path);
}
int sdrt_webp_encode(int quality, uint8_t **bytes, size_t *size, const char *where,
                     const uint8_t *rgb, int width, int height, const char *parameters,
                     const struct sdrt_log *log)
{
    (void)quality, (void)rgb, (void)width, (void)height, (void)parameters;
    *bytes = NULL;
    *size = 0;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: this build is without libwebp and libexif",
                     where);
}
#endif

/* ---- formats ---- */

static const struct {
    const char *name;
    int there;
} formats[] = {
    [SDRT_PNG] = { "png", 1 },
    [SDRT_JPEG] = { "jpeg", WITH_JPEG },
    [SDRT_WEBP] = { "webp", WITH_WEBP },
};
enum { FORMATS = sizeof formats / sizeof *formats };

const char *sdrt_picture_format_name(int i)
{
    return i >= 0 && i < FORMATS ? formats[i].name : NULL;
}

int sdrt_picture_format_there(enum sdrt_picture_format format)
{
    return (unsigned)format < FORMATS && formats[format].there;
}

static const struct {
    const char *end;
    enum sdrt_picture_format format;
} ends[] = {
    { ".png", SDRT_PNG },
    { ".jpg", SDRT_JPEG },
    { ".jpeg", SDRT_JPEG },
    { ".webp", SDRT_WEBP },
};

int sdrt_picture_format_of(enum sdrt_picture_format *out, const char *path,
                           const struct sdrt_log *log)
{
    const size_t n = strlen(path);

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t m = strlen(ends[i].end);
        if (n <= m || strcasecmp(path + n - m, ends[i].end)) continue;
        *out = ends[i].format;
        if (sdrt_picture_format_there(*out)) return SDRT_OK;
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "%s: this build cannot write %s, for want of a "
                         "library: expected .png",
                         path, ends[i].end);
    }
    return sdrt_fail(log, SDRT_E_ARG, "%s: expected a name that ends in .png, .jpg or .webp", path);
}

int sdrt_picture_encode(enum sdrt_picture_format format, int quality, uint8_t **bytes, size_t *size,
                        const char *where, const uint8_t *rgb, int width, int height,
                        const char *parameters, const struct sdrt_log *log)
{
    if (format == SDRT_PNG)
        return sdrt_png_encode(bytes, size, where, rgb, width, height, parameters, log);
    *bytes = NULL;
    *size = 0;
    if (quality < 1 || quality > 100)
        return sdrt_fail(log, SDRT_E_ARG, "%s: quality %d: expected 1 to 100", where, quality);
    if (width < 1 || height < 1 || width > SDRT_PICTURE_FILE_SIDE ||
        height > SDRT_PICTURE_FILE_SIDE)
        return sdrt_fail(log, SDRT_E_ARG, "%s: an image of %dx%d, sides of 1 to %d are possible",
                         where, width, height, SDRT_PICTURE_FILE_SIDE);
    return (format == SDRT_JPEG ? sdrt_jpeg_encode : sdrt_webp_encode)(quality, bytes, size, where,
                                                                       rgb, width, height,
                                                                       parameters, log);
}

/* ---- reading ---- */

/* Where pixel (x, y) of an upright picture lies in one that is turned so, w pixels wide and h high
 * (EXIF 2.32, tag 0x0112). */
static size_t turned_from(int turn, size_t x, size_t y, size_t w, size_t h)
{
    switch (turn) {
    case 2: return y * w + (w - 1 - x);
    case 3: return (h - 1 - y) * w + (w - 1 - x);
    case 4: return (h - 1 - y) * w + x;
    case 5: return x * w + y;
    case 6: return (h - 1 - x) * w + y;
    case 7: return (h - 1 - x) * w + (w - 1 - y);
    case 8: return x * w + (w - 1 - y);
    default: return y * w + x;
    }
}

static int turn_upright(struct sdrt_picture_file *p, int turn)
{
    const size_t w = (size_t)p->width, h = (size_t)p->height, c = (size_t)p->channels;
    const size_t width = turn > 4 ? h : w, height = turn > 4 ? w : h;
    uint8_t *out = turn == 1 ? p->pixels : malloc(w * h * c);

    if (!out) return SDRT_E_NOMEM;
    if (turn == 1) return SDRT_OK;
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            memcpy(out + (y * width + x) * c, p->pixels + turned_from(turn, x, y, w, h) * c, c);
    free(p->pixels);
    p->pixels = out;
    p->width = (int)width;
    p->height = (int)height;
    return SDRT_OK;
}

int sdrt_picture_check_pixels(const struct sdrt_picture_bytes *in, size_t width, size_t height)
{
    if (!in->most_pixels || width <= in->most_pixels / (height ? height : 1)) return SDRT_OK;
    return sdrt_fail(in->log, SDRT_E_FORMAT,
                     "%s: a picture of %zux%zu: expected at most %zu pixels", in->path, width,
                     height, in->most_pixels);
}

static int decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    char kind[SDRT_FILE_KIND_ROOM];

    if (in->size > 8 && !memcmp(in->bytes, "\x89PNG\r\n\x1a\n", 8))
        return sdrt_png_decode(out, turn, in);
    if (in->size > 3 && !memcmp(in->bytes, "\xff\xd8\xff", 3))
        return sdrt_jpeg_decode(out, turn, in);
    if (in->size > 12 && !memcmp(in->bytes, "RIFF", 4) && !memcmp(in->bytes + 8, "WEBP", 4))
        return sdrt_webp_decode(out, turn, in);
    sdrt_file_describe(kind, in->bytes, in->size);
    return sdrt_fail(in->log, SDRT_E_FORMAT, "%s: expected a picture, PNG, JPEG or WebP%s%s",
                     in->path, *kind ? "; this seems to be " : "", kind);
}

static int decode_upright(struct sdrt_picture_file *out, const struct sdrt_picture_bytes *in)
{
    int turn = 1, status;

    memset(out, 0, sizeof *out);
    status = decode(out, &turn, in);
    if (status == SDRT_OK && turn_upright(out, turn) != SDRT_OK)
        status = sdrt_fail(in->log, SDRT_E_NOMEM, "%s: no memory to turn it", in->path);
    if (status != SDRT_OK) sdrt_picture_file_free(out);
    return status;
}

int sdrt_picture_file_decode(struct sdrt_picture_file *out, const uint8_t *bytes, size_t size,
                             size_t most_pixels, const char *where, const struct sdrt_log *log)
{
    const struct sdrt_picture_bytes in = { bytes, size, where, log, most_pixels };

    return decode_upright(out, &in);
}

int sdrt_picture_file_read(struct sdrt_picture_file *out, const char *path,
                           const struct sdrt_log *log)
{
    char *data;
    size_t size;
    int status = sdrt_read_file(path, MOST_BYTES, &data, &size, log);

    memset(out, 0, sizeof *out);
    if (status != SDRT_OK) return status;
    const struct sdrt_picture_bytes in = { (const uint8_t *)data, size, path, log, 0 };
    status = decode_upright(out, &in);
    free(data);
    return status;
}

void sdrt_picture_file_free(struct sdrt_picture_file *file)
{
    free(file->pixels);
    free(file->parameters);
    memset(file, 0, sizeof *file);
}
