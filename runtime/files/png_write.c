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
    struct sdrt_atomic_file *file;
    png_structp png;
    png_infop   info;
    char        reason[128];
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

    if (sdrt_atomic_write(w->file, data, size) != SDRT_OK) png_error(png, "write error");
}

static void on_flush(png_structp png)
{
    (void)png;
}

/* Returns 0, or -1 after libpng gave up; w->reason then says why. */
static int encode(struct writer *w, const uint8_t *rgb, int width, int height, char *text,
                  int is_latin1)
{
    char key[] = "parameters", none[] = "";
    png_text chunk = { .compression = is_latin1 ? PNG_TEXT_COMPRESSION_NONE
                                                : PNG_ITXT_COMPRESSION_NONE,
                       .key = key, .text = text, .lang = none, .lang_key = none };

    if (setjmp(png_jmpbuf(w->png))) return -1;
    png_set_write_fn(w->png, w, on_write, on_flush);
    png_set_user_limits(w->png, SDRT_PNG_MAX_SIDE, SDRT_PNG_MAX_SIDE);
    png_set_IHDR(w->png, w->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (text) png_set_text(w->png, w->info, &chunk, 1);
    png_write_info(w->png, w->info);
    for (int y = 0; y < height; y++)
        png_write_row(w->png, rgb + (size_t)y * (size_t)width * 3);
    png_write_end(w->png, w->info);
    return 0;
}

int sdrt_png_write(const char *path, const uint8_t *rgb, int width, int height,
                   const char *parameters, const struct sdrt_log *log)
{
    struct writer w = { 0 };
    char *text = NULL;
    int is_latin1 = 1, rc;

    if (width < 1 || height < 1 || width > SDRT_PNG_MAX_SIDE || height > SDRT_PNG_MAX_SIDE)
        return sdrt_fail(log, SDRT_E_ARG, "%s: an image of %dx%d, sides of 1 to %d are possible",
                         path, width, height, SDRT_PNG_MAX_SIDE);
    rc = sdrt_atomic_open(&w.file, path, log);
    if (rc != SDRT_OK) return rc;
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning);
    if (w.png) w.info = png_create_info_struct(w.png);
    if (parameters) text = sdrt_png_text_encode(parameters, &is_latin1);
    if (!w.info || (parameters && !text)) {
        rc = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to encode it", path);
        goto out;
    }
    if (encode(&w, rgb, width, height, text, is_latin1) != 0 &&
        sdrt_atomic_write(w.file, "", 0) == SDRT_OK) {
        rc = sdrt_fail(log, SDRT_E_NOMEM, "%s: could not be encoded: %s", path, w.reason);
        goto out;
    }
    rc = sdrt_atomic_commit(&w.file, log); /* also reports a failed write */
out:
    png_destroy_write_struct(&w.png, &w.info);
    free(text);
    sdrt_atomic_abort(&w.file);
    return rc;
}
