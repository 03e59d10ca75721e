/* SPDX-License-Identifier: MIT
 *
 * An image in the terminal, by libchafa: kitty, iTerm2, sixels, else coloured blocks.
 */
#ifndef SDRT_TOOLS_SHOW_H
#define SDRT_TOOLS_SHOW_H

#include <stdint.h>

#include "runtime/base/error.h"

struct show;

/* Gets ready to draw on standard output.  *out belongs to the caller.  It stays NULL, with
 * SDRT_OK and a line in the log that says why, without libchafa or where standard output is no
 * terminal; all functions below then do nothing.  SDRT_E_NOMEM. */
int show_open(struct show **out, const struct sdrt_log *log);

/* Draws pixels [height][width][3] in RGB as well as the terminal can, as large as its window
 * allows, in the place of the picture before, unless that has been left.  SDRT_E_NOMEM,
 * SDRT_E_IO. */
int show_draw(struct show *show, const uint8_t *pixels, int width, int height,
              const struct sdrt_log *log);

/* The next picture comes below what is there now: a line was written below the last, or it is
 * to stay. */
void show_leave(struct show *show);

/* Frees it; *show becomes NULL.  NULL is allowed. */
void show_close(struct show **show);

#endif
