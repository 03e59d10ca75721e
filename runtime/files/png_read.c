/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_kind.h"
#include "runtime/files/picture_formats.h"
#include "runtime/files/png.h"
#include "runtime/files/png_text.h"

#include <config.h>
#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A chunk of text or of colours says itself how long it is, and what it becomes: libpng takes that much
 * memory before it has read it, with a warning where it is beyond its bound, which is CHUNK_BYTES upstream
 * and none in Debian's. */
enum { CHUNK_BYTES = 8000000, CHUNKS = 32 };

/* libpng reports errors by longjmp; everything that must survive it lives here. */
struct reader {
    FILE       *file;
    png_structp png;
    png_infop   info;
    int width, height, channels;
    int alpha; /* 1: transparency is kept, as a fourth channel */
    int turn;  /* as EXIF has it */
    uint8_t    *rgb;
    png_bytep  *rows;
    char       *parameters;
    int         no_memory;
    const struct sdrt_picture_bytes *in; /* which may bound the pixels; NULL for a file */
    int refused;                         /* they are too many, as a line has told */
    char        reason[128];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct reader *r = png_get_error_ptr(png);

    strncpy(r->reason, text, sizeof r->reason - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

/* Nothing that is libpng's own is larger but such chunks: a row is a few hundred KiB. */
static png_voidp take(png_structp png, png_alloc_size_t size)
{
    (void)png;
    return size <= CHUNK_BYTES + 1 ? malloc(size) : NULL;
}

static void give_back(png_structp png, png_voidp memory)
{
    (void)png;
    free(memory);
}

static void allocate(struct reader *r)
{
    const size_t row = (size_t)r->width * (size_t)r->channels;

    r->rgb = malloc(row * (size_t)r->height);
    r->rows = malloc((size_t)r->height * sizeof *r->rows);
    if (!r->rgb || !r->rows) {
        r->no_memory = 1;
        png_error(r->png, "no memory");
    }
    for (int y = 0; y < r->height; y++) r->rows[y] = r->rgb + (size_t)y * row;
}

static void keep_parameters(struct reader *r)
{
    png_textp texts;
    int count;

    png_get_text(r->png, r->info, &texts, &count);
    for (int i = 0; i < count && !r->parameters; i++) {
        if (strcmp(texts[i].key, "parameters")) continue;
        r->parameters = texts[i].compression >= PNG_ITXT_COMPRESSION_NONE
                            ? sdrt_png_text_utf8(texts[i].text)
                            : sdrt_png_text_from_latin1(texts[i].text);
        if (!r->parameters) {
            r->no_memory = 1;
            png_error(r->png, "no memory");
        }
    }
}

#ifdef HAVE_EXIF
static void keep_turn(struct reader *r)
{
    char *comment = NULL;
    png_uint_32 size;
    png_bytep exif;

    if (!png_get_eXIf_1(r->png, r->info, &size, &exif)) return;
    const int status = sdrt_exif_read(exif, size, &r->turn, &comment);
    free(comment); /* a PNG's parameters are in its text */
    if (status != SDRT_OK) {
        r->no_memory = 1;
        png_error(r->png, "no memory");
    }
}
#else
static void keep_turn(struct reader *r) { (void)r; }
#endif

/* Returns 0, or -1 after libpng gave up; r->reason then says why. */
static int decode(struct reader *r, int max_side)
{
    if (setjmp(png_jmpbuf(r->png))) return -1;
    png_init_io(r->png, r->file);
    png_set_user_limits(r->png, (png_uint_32)max_side, (png_uint_32)max_side);
    png_set_chunk_malloc_max(r->png, CHUNK_BYTES);
    png_set_chunk_cache_max(r->png, CHUNKS);
    png_read_info(r->png, r->info);
    if (r->in && sdrt_picture_check_pixels(r->in, png_get_image_width(r->png, r->info),
                                           png_get_image_height(r->png, r->info))) {
        r->refused = 1;
        png_error(r->png, "too many pixels");
    }
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    png_set_gray_to_rgb(r->png);
    if (!r->alpha) png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    r->width = (int)png_get_image_width(r->png, r->info);
    r->height = (int)png_get_image_height(r->png, r->info);
    r->channels = png_get_channels(r->png, r->info);
    if ((r->channels != 3 && !(r->alpha && r->channels == 4)) ||
        png_get_rowbytes(r->png, r->info) != (size_t)r->width * (size_t)r->channels)
        png_error(r->png, "cannot be converted to RGB");
    allocate(r);
    png_read_image(r->png, r->rows);
    png_read_end(r->png, r->info);
    keep_parameters(r);
    keep_turn(r);
    return 0;
}

static int check_signature(FILE *file, const char *path, const struct sdrt_log *log)
{
    unsigned char start[SDRT_FILE_KIND_BYTES];
    const size_t have = fread(start, 1, sizeof start, file);
    const char *kind;

    if (ferror(file))
        return sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (have < 8 || png_sig_cmp(start, 0, 8)) {
        kind = sdrt_file_kind(start, have);
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: a PNG image is expected%s%s", path,
                         kind ? ", this seems to be " : "", kind ? kind : "");
    }
    rewind(file);
    return SDRT_OK;
}

static int read_image(struct reader *r, const char *path, int max_side,
                      const struct sdrt_log *log)
{
    int status = check_signature(r->file, path, log);

    if (status != SDRT_OK) return status;
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, on_error, on_warning, NULL, take,
                                      give_back);
    if (r->png) r->info = png_create_info_struct(r->png);
    if (!r->info) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to read it", path);
    if (decode(r, max_side) == 0) return SDRT_OK;
    if (r->refused) return SDRT_E_FORMAT;
    if (r->no_memory)
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for an image of %dx%d", path, r->width,
                         r->height);
    return sdrt_fail(log, SDRT_E_FORMAT, "%s: not a good PNG image of at most %dx%d: %s", path,
                     max_side, max_side, r->reason);
}

/* What libpng and a failed call leave. */
static void end(struct reader *r)
{
    png_destroy_read_struct(&r->png, &r->info, NULL);
    free(r->rgb);
    free(r->rows);
    free(r->parameters);
    fclose(r->file);
}

int sdrt_png_read(const char *path, int max_side, uint8_t **rgb, int *width, int *height,
                  char **parameters, const struct sdrt_log *log)
{
    struct reader r = { 0 };
    int status;

    *rgb = NULL;
    *width = *height = 0;
    if (parameters) *parameters = NULL;
    r.file = fopen(path, "rbe");
    if (!r.file)
        return sdrt_fail(log, errno == ENOENT ? SDRT_E_MISSING : SDRT_E_IO,
                         "%s: cannot be opened: %s", path, strerror(errno));
    status = read_image(&r, path, max_side, log);
    if (status == SDRT_OK) {
        *rgb = r.rgb;
        *width = r.width;
        *height = r.height;
        r.rgb = NULL;
        if (parameters) {
            *parameters = r.parameters;
            r.parameters = NULL;
        }
    }
    end(&r);
    return status;
}

int sdrt_png_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    struct reader r = { .alpha = 1, .turn = *turn, .in = in };
    int status;

    r.file = fmemopen((void *)(uintptr_t)in->bytes, in->size, "rb");
    if (!r.file) return sdrt_fail(in->log, SDRT_E_NOMEM, "%s: no memory to read it", in->path);
    status = read_image(&r, in->path, SDRT_PICTURE_FILE_SIDE, in->log);
    if (status == SDRT_OK) {
        *out = (struct sdrt_picture_file){ r.rgb, r.width, r.height, r.channels, r.parameters };
        *turn = r.turn;
        r.rgb = NULL;
        r.parameters = NULL;
    }
    end(&r);
    return status;
}
