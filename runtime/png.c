/* SPDX-License-Identifier: MIT */
#include "runtime/png.h"
#include "runtime/atomic_file.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIDE = 1 << 20 };

/* libpng's way out of an error is a longjmp; the text of the first one is kept. */
struct writer {
    struct sdrt_atomic_file *file;
    int  write_failed;
    char error[160];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct writer *w = png_get_error_ptr(png);

    strncpy(w->error, text, sizeof w->error - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* A failed write is remembered by the file and reported by its commit. */
static void on_write(png_structp png, png_bytep data, png_size_t size)
{
    struct writer *w = png_get_io_ptr(png);

    if (sdrt_atomic_write(w->file, data, size) == SDRT_OK) return;
    w->write_failed = 1;
    png_error(png, "write failed");
}

static void on_flush(png_structp png) { (void)png; }

static int is_ascii(const char *s)
{
    while (*s && (unsigned char)*s < 0x80) s++;
    return !*s;
}

static void set_parameters(png_structp png, png_infop info, char *text)
{
    static char key[] = "parameters", none[] = "";
    /* tEXt is Latin-1, iTXt is UTF-8; ASCII is both, and tEXt is read by everything. */
    png_text chunk = {
        .compression = is_ascii(text) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE,
        .key = key, .text = text, .text_length = strlen(text), .lang = none, .lang_key = none,
    };
    png_set_text(png, info, &chunk, 1);
}

/* Everything between create and destroy; 0 after libpng's longjmp.  Nothing here changes
 * between the setjmp and the jump that is looked at after it. */
static int encode(png_structp png, png_infop info, struct writer *w, const uint8_t *rgb, int width,
                  int height, char *parameters)
{
    if (setjmp(png_jmpbuf(png))) return 0;
    png_set_write_fn(png, w, on_write, on_flush);
    png_set_user_limits(png, MAX_SIDE, MAX_SIDE);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (parameters) set_parameters(png, info, parameters);
    png_write_info(png, info);
    for (int y = 0; y < height; y++)
        png_write_row(png, rgb + (size_t)y * (size_t)width * 3);
    png_write_end(png, info);
    return 1;
}

int sdrt_png_write(const char *path, const uint8_t *rgb, int width, int height,
                   const char *parameters, const struct sdrt_log *log)
{
    struct writer w = { 0 };
    char *text = parameters ? strdup(parameters) : NULL;
    png_structp png = NULL;
    png_infop info = NULL;
    int status = SDRT_OK;

    if (width < 1 || height < 1 || width > MAX_SIDE || height > MAX_SIDE) {
        status = sdrt_fail(log, SDRT_E_ARG, "%s: an image of %d x %d pixels cannot be written", path,
                           width, height);
        goto out;
    }
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning);
    info = png ? png_create_info_struct(png) : NULL;
    if (!info || (parameters && !text)) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: out of memory", path);
        goto out;
    }
    status = sdrt_atomic_open(&w.file, path, log);
    if (status != SDRT_OK) goto out;
    if (encode(png, info, &w, rgb, width, height, text) || w.write_failed) {
        status = sdrt_atomic_commit(&w.file, log); /* which reports a failed write */
    } else {
        sdrt_atomic_abort(&w.file);
        status = sdrt_fail(log, SDRT_E_IO, "%s: cannot encode the PNG: %s", path, w.error);
    }
out:
    if (png) png_destroy_write_struct(&png, info ? &info : NULL);
    free(text);
    return status;
}
