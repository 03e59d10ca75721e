/* SPDX-License-Identifier: MIT
 *
 * What the files of the picture formats share.  Only those include this.
 */
#ifndef SDRT_RUNTIME_FILES_PICTURE_FORMATS_H
#define SDRT_RUNTIME_FILES_PICTURE_FORMATS_H

#include "runtime/files/picture_file.h"

/* A file in memory, and its name for messages. */
struct sdrt_picture_bytes {
    const uint8_t *bytes;
    size_t size;
    const char *path;
    const struct sdrt_log *log;
    size_t most_pixels; /* the most that are decoded; 0: any number */
};

/* SDRT_E_FORMAT with a line for a header that claims more pixels than that. */
int sdrt_picture_check_pixels(const struct sdrt_picture_bytes *in, size_t width, size_t height);

/* Each fills pixels, width, height and channels, and parameters where there are some; *turn becomes
 * EXIF's orientation, 1 to 8, or stays 1.  What is in *out after a failure is the caller's to free. */
int sdrt_png_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in);
int sdrt_jpeg_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in);
int sdrt_webp_decode(struct sdrt_picture_file *out, int *turn, const struct sdrt_picture_bytes *in);

/* As sdrt_picture_encode() of one format. */
int sdrt_jpeg_encode(int quality, uint8_t **bytes, size_t *size, const char *where,
                     const uint8_t *rgb, int width, int height, const char *parameters,
                     const struct sdrt_log *log);
int sdrt_webp_encode(int quality, uint8_t **bytes, size_t *size, const char *where,
                     const uint8_t *rgb, int width, int height, const char *parameters,
                     const struct sdrt_log *log);

/* The EXIF of size bytes, which begins with "Exif\0\0" or with its TIFF header: sets *turn where it
 * has an orientation, and *comment, the caller's, where it has a UserComment (*comment NULL before).
 * What is damaged counts as nothing.  SDRT_E_NOMEM. */
int sdrt_exif_read(const uint8_t *bytes, size_t size, int *turn, char **comment);

/* EXIF whose UserComment is comment, in UTF-16 as A1111 writes it, behind "Exif\0\0": *size bytes at
 * *exif, the caller's; NULL, with a warning that begins with where, for a comment that has no room in the
 * 64 KiB that readers take.  SDRT_E_NOMEM with a line. */
int sdrt_exif_make(uint8_t **exif, size_t *size, const char *where, const char *comment,
                   const struct sdrt_log *log);

#endif
