/* SPDX-License-Identifier: MIT
 *
 * An image in the terminal, by libchafa: kitty, iTerm2, sixels, else coloured blocks.
 */
#ifndef SDRT_TOOLS_SHOW_H
#define SDRT_TOOLS_SHOW_H

#include <stdint.h>

#include "runtime/error.h"

/* Prints pixels [height][width][3] in RGB on standard output as well as the terminal can, at
 * most as large as its window.  Without libchafa, or where standard output is no terminal, it
 * draws nothing and says so in the log.  SDRT_E_NOMEM, SDRT_E_IO. */
int show_image(const uint8_t *pixels, int width, int height, const struct sdrt_log *log);

#endif
