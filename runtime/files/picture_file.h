/* SPDX-License-Identifier: MIT
 *
 * Pictures in files, PNG, JPEG and WebP, with the text that says how they were made.
 */
#ifndef SDRT_RUNTIME_FILES_PICTURE_FILE_H
#define SDRT_RUNTIME_FILES_PICTURE_FILE_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_PICTURE_FILE_SIDE = 16384 /* pixels, the most that is read */ };

/* A picture that was read; set to zero at first, ended by sdrt_picture_file_free(). */
struct sdrt_picture_file {
    uint8_t *pixels; /* dense [height][width][channels]; owned */
    int width, height;
    int channels;     /* 3: RGB; 4: RGB and alpha, not multiplied into the colours */
    char *parameters; /* how it was made, UTF-8; NULL where it does not say; owned */
};

/* Reads path in the format that its first bytes tell, turned upright where its EXIF says that it lies
 * on a side; 16 bits become 8, grey and palettes RGB, colour profiles are ignored.
 * SDRT_E_MISSING, SDRT_E_IO, SDRT_E_NOMEM; SDRT_E_FORMAT (no such picture, damaged, moving, CMYK, a
 * side above SDRT_PICTURE_FILE_SIDE), SDRT_E_UNSUPPORTED (a format that this build lacks the library
 * for). */
int sdrt_picture_file_read(struct sdrt_picture_file *out, const char *path,
                           const struct sdrt_log *log);

/* The same of a file's bytes in memory; where stands in messages.  A picture of more than most_pixels
 * (0: any number) is SDRT_E_FORMAT by its header, before there is memory for it. */
int sdrt_picture_file_decode(struct sdrt_picture_file *out, const uint8_t *bytes, size_t size,
                             size_t most_pixels, const char *where, const struct sdrt_log *log);
void sdrt_picture_file_free(struct sdrt_picture_file *file);

enum sdrt_picture_format { SDRT_PNG, SDRT_JPEG, SDRT_WEBP };

/* "png", "jpeg", "webp", for lists, and whether this build has the format's library. */
const char *sdrt_picture_format_name(int i);
int sdrt_picture_format_there(enum sdrt_picture_format format);

/* The format that a file's name ends with: .png, .jpg, .jpeg, .webp, in any case.  SDRT_E_ARG for any
 * other end or none, SDRT_E_UNSUPPORTED for a format that this build lacks the library for. */
int sdrt_picture_format_of(enum sdrt_picture_format *out, const char *path,
                           const struct sdrt_log *log);

/* The file of rgb [height][width][3]: *size bytes at *bytes, which the caller frees; NULL after a
 * failure.  parameters (may be NULL) is where A1111 has it: in a PNG's text, else as EXIF's
 * UserComment.  quality, 1 to 100, is JPEG's and WebP's; at 100 WebP loses nothing.  where stands in
 * messages.  SDRT_E_ARG, SDRT_E_NOMEM, SDRT_E_UNSUPPORTED. */
int sdrt_picture_encode(enum sdrt_picture_format format, int quality, uint8_t **bytes, size_t *size,
                        const char *where, const uint8_t *rgb, int width, int height,
                        const char *parameters, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
