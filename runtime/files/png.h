/* SPDX-License-Identifier: MIT
 *
 * Images as PNG files: 8-bit RGB, with the text that says how they were made.
 */
#ifndef SDRT_RUNTIME_FILES_PNG_H
#define SDRT_RUNTIME_FILES_PNG_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_PNG_MAX_SIDE = 32768 };

/* The PNG of rgb [height, width, 3], row-major without padding: *size bytes at *png, which the
 * caller frees; NULL after a failure.  parameters (UTF-8, may be NULL) is stored under the key
 * "parameters", where A1111 and others look for it: as tEXt if Latin-1 can hold it, else as iTXt.
 * Bytes that are not UTF-8 become U+FFFD.  where stands in messages. SDRT_E_ARG (a side outside 1
 * .. SDRT_PNG_MAX_SIDE), SDRT_E_NOMEM. */
int sdrt_png_encode(uint8_t **png, size_t *size, const char *where, const uint8_t *rgb, int width,
                    int height, const char *parameters, const struct sdrt_log *log);

/* The same to a file, whole or not at all (see atomic_file.h).  Also SDRT_E_IO. */
int sdrt_png_write(const char *path, const uint8_t *rgb, int width, int height,
                   const char *parameters, const struct sdrt_log *log);

/* Reads any PNG as 8-bit RGB: palettes and grey are expanded, 16 bits are cut to 8,
 * transparency is dropped.  *rgb [height, width, 3] and, where parameters is not NULL,
 * *parameters (UTF-8; NULL when the image has none) belong to the caller, who frees them
 * with free(); all outputs are 0 after a failure.
 * SDRT_E_MISSING (no such file), SDRT_E_IO, SDRT_E_FORMAT (no PNG, damaged, or a side
 * above max_side), SDRT_E_NOMEM. */
int sdrt_png_read(const char *path, int max_side, uint8_t **rgb, int *width, int *height,
                  char **parameters, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
