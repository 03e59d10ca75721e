/* SPDX-License-Identifier: MIT
 *
 * A contact sheet: all images of a run beside and below each other.
 */
#ifndef SDRT_TOOLS_GRID_H
#define SDRT_TOOLS_GRID_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

/* Set to zero at first, ended by grid_free(). */
struct grid {
    uint8_t *images;  /* [n][height][width][3]; owned */
    char *parameters; /* of the first; owned */
    int n, width, height;
};

/* Takes a copy of an image [height][width][3], all of one size, and of the first one's parameters.
 * SDRT_E_NOMEM. */
int grid_add(struct grid *grid, const uint8_t *rgb, int width, int height, const char *parameters,
             const struct sdrt_log *log);

/* Writes them in nearly as many rows as columns, the empty places black, in the format that path
 * ends with.  Nothing without images.  Errors of sdrt_picture_encode() and SDRT_E_IO. */
int grid_write(const struct grid *grid, const char *path, int quality, const struct sdrt_log *log);

void grid_free(struct grid *grid);

#endif
