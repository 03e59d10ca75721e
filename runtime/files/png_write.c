/* SPDX-License-Identifier: MIT */
#include "runtime/files/atomic_file.h"
#include "runtime/files/png.h"
#include "runtime/files/png_text.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* libpng reports errors by longjmp; everything that must survive it lives here. */
struct writer {
    uint8_t *bytes; /* owned; size of them, room for capacity */
    size_t size, capacity;
    png_structp png;
    png_infop info;
    char reason[128];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct writer *w = png_get_error_ptr(png);

    strncpy(w->reason, text, sizeof w->reason - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_write(png_structp png, png_bytep data, size_t size)
{
    struct writer *w = png_get_io_ptr(png);

    if (size > w->capacity - w->size) {
        const size_t capacity = 2 * w->capacity + size + 4096;
        uint8_t *bytes = realloc(w->bytes, capacity);
        if (!bytes) png_error(png, "no memory");
        w->bytes = bytes;
        w->capacity = capacity;
    }
    memcpy(w->bytes + w->size, data, size);
    w->size += size;
}

static void on_flush(png_structp png) { (void)png; }

/* Returns 0, or -1 after libpng gave up; w->reason then says why. */
static int encode(struct writer *w, const uint8_t *rgb, int width, int height, char *text,
                  int is_latin1)
{
    char key[] = "parameters", none[] = "";
    png_text chunk = { .compression = is_latin1 ? PNG_TEXT_COMPRESSION_NONE
                                                : PNG_ITXT_COMPRESSION_NONE,
                       .key = key,
                       .text = text,
                       .lang = none,
                       .lang_key = none };

    if (setjmp(png_jmpbuf(w->png))) return -1;
    png_set_write_fn(w->png, w, on_write, on_flush);
    png_set_user_limits(w->png, SDRT_PNG_MAX_SIDE, SDRT_PNG_MAX_SIDE);
    png_set_IHDR(w->png, w->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (text) png_set_text(w->png, w->info, &chunk, 1);
    png_write_info(w->png, w->info);
    for (int y = 0; y < height; y++) png_write_row(w->png, rgb + (size_t)y * (size_t)width * 3);
    png_write_end(w->png, w->info);
    return 0;
}

int sdrt_png_encode(uint8_t **png, size_t *size, const char *where, const uint8_t *rgb, int width,
                    int height, const char *parameters, const struct sdrt_log *log)
{
    struct writer w = { 0 };
    char *text = NULL;
    int is_latin1 = 1, status = SDRT_OK;

    *png = NULL;
    *size = 0;
    if (width < 1 || height < 1 || width > SDRT_PNG_MAX_SIDE || height > SDRT_PNG_MAX_SIDE)
        return sdrt_fail(log, SDRT_E_ARG, "%s: an image of %dx%d, sides of 1 to %d are possible",
                         where, width, height, SDRT_PNG_MAX_SIDE);
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning);
    if (w.png) w.info = png_create_info_struct(w.png);
    if (parameters) text = sdrt_png_text_encode(parameters, &is_latin1);
    if (!w.info || (parameters && !text))
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to encode it", where);
    else if (encode(&w, rgb, width, height, text, is_latin1) != 0)
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: could not be encoded: %s", where, w.reason);
    png_destroy_write_struct(&w.png, &w.info);
    free(text);
    if (status == SDRT_OK) {
        *png = w.bytes;
        *size = w.size;
    } else {
        free(w.bytes);
    }
    return status;
}

int sdrt_png_write(const char *path, const uint8_t *rgb, int width, int height,
                   const char *parameters, const struct sdrt_log *log)
{
    struct sdrt_atomic_file *file = NULL;
    uint8_t *png;
    size_t size;
    int status = sdrt_png_encode(&png, &size, path, rgb, width, height, parameters, log);

    if (status == SDRT_OK) status = sdrt_atomic_open(&file, path, log);
    if (status == SDRT_OK) {
        sdrt_atomic_write(file, png, size);
        status = sdrt_atomic_commit(&file, log); /* also reports a failed write */
    }
    free(png);
    return status;
}
