/* SPDX-License-Identifier: MIT
 *
 * JPEG, by libjpeg.
 */
#include "runtime/files/picture_formats.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* libjpeg reports errors by longjmp; everything that must survive it lives in structs. */
struct failure {
    struct jpeg_error_mgr manager; /* first: what libjpeg has a pointer to */
    jmp_buf back;
    char reason[JMSG_LENGTH_MAX];
};

static void on_error(j_common_ptr common)
{
    struct failure *f = (struct failure *)common->err;

    common->err->format_message(common, f->reason);
    longjmp(f->back, 1);
}

/* Most warnings are of damaged data, of which libjpeg makes grey; that would be a wrong picture. */
static void on_message(j_common_ptr common, int level)
{
    const int code = common->err->msg_code;
    const int harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                         code == JWRN_JFIF_MAJOR || code == JWRN_TOO_MUCH_DATA;

    if (level < 0 && !harmless) on_error(common);
}

static void on_output(j_common_ptr common) { (void)common; }

static struct jpeg_error_mgr *manager_of(struct failure *f)
{
    jpeg_std_error(&f->manager);
    f->manager.error_exit = on_error;
    f->manager.emit_message = on_message;
    f->manager.output_message = on_output;
    return &f->manager;
}

/* ---- reading ---- */

static int keep_exif(const struct jpeg_decompress_struct *jpeg, struct sdrt_picture_file *out,
                     int *turn)
{
    int status = SDRT_OK;

    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m && status == SDRT_OK; m = m->next)
        if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && !memcmp(m->data, "Exif\0\0", 6))
            status = sdrt_exif_read(m->data, m->data_length, turn, &out->parameters);
    return status;
}

struct reader {
    struct jpeg_decompress_struct jpeg;
    struct failure failure;
    int no_memory;
    int refused; /* more pixels than are wanted, as a line has told */
};

/* 0, or -1 after libjpeg gave up; the reason then says why. */
static int read_all(struct reader *r, struct sdrt_picture_file *out, int *turn,
                    const struct sdrt_picture_bytes *in)
{
    if (setjmp(r->failure.back)) return -1;
    jpeg_create_decompress(&r->jpeg);
    jpeg_mem_src(&r->jpeg, in->bytes, in->size);
    jpeg_save_markers(&r->jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&r->jpeg, TRUE);
    if (r->jpeg.image_width > SDRT_PICTURE_FILE_SIDE ||
        r->jpeg.image_height > SDRT_PICTURE_FILE_SIDE)
        ERREXIT1(&r->jpeg, JERR_IMAGE_TOO_BIG, (unsigned)SDRT_PICTURE_FILE_SIDE);
    r->refused = sdrt_picture_check_pixels(in, r->jpeg.image_width, r->jpeg.image_height) !=
                 SDRT_OK;
    if (r->refused) return -1;
    r->jpeg.out_color_space = JCS_RGB; /* of CMYK it makes none, and says so */
    r->no_memory = keep_exif(&r->jpeg, out, turn) != SDRT_OK;
    jpeg_start_decompress(&r->jpeg);
    out->width = (int)r->jpeg.output_width;
    out->height = (int)r->jpeg.output_height;
    out->channels = 3;
    out->pixels = malloc((size_t)out->width * (size_t)out->height * 3);
    r->no_memory |= !out->pixels;
    if (r->no_memory) return -1;
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        JSAMPROW row = out->pixels + (size_t)r->jpeg.output_scanline * (size_t)out->width * 3;
        jpeg_read_scanlines(&r->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&r->jpeg);
    return 0;
}

int sdrt_jpeg_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in)
{
    struct reader *r = calloc(1, sizeof *r);
    int status = SDRT_E_NOMEM;

    if (r) {
        r->jpeg.err = manager_of(&r->failure);
        if (read_all(r, out, turn, in) == 0) status = SDRT_OK;
        else if (r->refused) status = SDRT_E_FORMAT;
        else if (!r->no_memory)
            status = sdrt_fail(in->log, SDRT_E_FORMAT,
                               "%s: not a good JPEG picture of at most %dx%d: "
                               "%s",
                               in->path, SDRT_PICTURE_FILE_SIDE, SDRT_PICTURE_FILE_SIDE,
                               r->failure.reason);
        jpeg_destroy_decompress(&r->jpeg);
    }
    free(r);
    if (status == SDRT_E_NOMEM)
        return sdrt_fail(in->log, status, "%s: no memory to read it", in->path);
    return status;
}

/* ---- writing ---- */

struct writer {
    struct jpeg_compress_struct jpeg;
    struct failure failure;
    unsigned char *bytes; /* libjpeg's, by malloc */
    unsigned long size;
    uint8_t *exif;
    size_t exif_size;
};

static int write_all(struct writer *w, int quality, const uint8_t *rgb, int width, int height)
{
    enum { FINE = 90 /* from here on colours have the full resolution too */ };

    if (setjmp(w->failure.back)) return -1;
    jpeg_create_compress(&w->jpeg);
    jpeg_mem_dest(&w->jpeg, &w->bytes, &w->size);
    w->jpeg.image_width = (JDIMENSION)width;
    w->jpeg.image_height = (JDIMENSION)height;
    w->jpeg.input_components = 3;
    w->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&w->jpeg);
    jpeg_set_quality(&w->jpeg, quality, TRUE);
    w->jpeg.optimize_coding = TRUE;
    if (quality >= FINE)
        w->jpeg.comp_info[0].h_samp_factor = w->jpeg.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&w->jpeg, TRUE);
    if (w->exif) jpeg_write_marker(&w->jpeg, JPEG_APP0 + 1, w->exif, (unsigned)w->exif_size);
    while (w->jpeg.next_scanline < w->jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb +
                                             (size_t)w->jpeg.next_scanline * (size_t)width * 3);
        jpeg_write_scanlines(&w->jpeg, &row, 1);
    }
    jpeg_finish_compress(&w->jpeg);
    return 0;
}

int sdrt_jpeg_encode(int quality, uint8_t **bytes, size_t *size, const char *where,
                     const uint8_t *rgb, int width, int height, const char *parameters,
                     const struct sdrt_log *log)
{
    struct writer *w = calloc(1, sizeof *w);
    int status = w ? SDRT_OK : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to encode it", where);

    if (status == SDRT_OK && parameters)
        status = sdrt_exif_make(&w->exif, &w->exif_size, where, parameters, log);
    if (status != SDRT_OK) {
        free(w);
        return status;
    }
    w->jpeg.err = manager_of(&w->failure);
    if (write_all(w, quality, rgb, width, height) != 0)
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: could not be encoded: %s", where,
                           w->failure.reason);
    jpeg_destroy_compress(&w->jpeg);
    if (status == SDRT_OK) {
        *bytes = w->bytes;
        *size = w->size;
    } else {
        free(w->bytes);
    }
    free(w->exif);
    free(w);
    return status;
}
