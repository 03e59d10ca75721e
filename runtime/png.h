/* SPDX-License-Identifier: MIT
 *
 * PNG files with libpng.
 */
#ifndef SDRT_RUNTIME_PNG_H
#define SDRT_RUNTIME_PNG_H

#include "runtime/error.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes rgb [height][width][3] to path, whole or not at all: what was there before stays
 * until the new file is complete and on the disk.  parameters, when not NULL, is UTF-8 text
 * that goes into the file under the keyword "parameters", where A1111's web UI and the tools
 * around it look.  SDRT_E_ARG for sizes that PNG cannot have, SDRT_E_IO, SDRT_E_NOMEM. */
int sdrt_png_write(const char *path, const uint8_t *rgb, int width, int height,
                   const char *parameters, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
