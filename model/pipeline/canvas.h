/* SPDX-License-Identifier: MIT
 *
 * The picture that a run begins with, its mask, and what becomes of both: the part that is drawn, and
 * the image that this is put back into.
 */
#ifndef SDRT_MODEL_PIPELINE_CANVAS_H
#define SDRT_MODEL_PIPELINE_CANVAS_H

#include "model/pipeline/begin.h"

/* Set to zero at first; owns its pixels until sdrt_canvas_clear().  Without a mask there is init
 * alone. */
struct sdrt_canvas {
    struct sdrt_pixels picture; /* of the image's size: what stays */
    struct sdrt_pixels mask;    /* the same size, 1 channel: how much of it does not, 255 nothing */
    int x, y, width, height;    /* the part of it that is drawn */
    struct sdrt_pixels init;    /* that part at the size that is drawn: what the encoder reads */
    struct sdrt_pixels redraw;  /* the same size, 1 channel: 255 where it is redrawn, else 0 */
    struct sdrt_pixels drawn;   /* room for what is drawn */
};

/* Fills it from a resolved request with a picture; tells of a picture that changes its size or is
 * transparent.  SDRT_E_ARG where a mask has nothing to redraw, SDRT_E_NOMEM. */
int sdrt_canvas_prepare(struct sdrt_canvas *canvas, const struct sdrt_request *r,
                        const struct sdrt_log *log);

/* Puts drawn, of a canvas with a mask, into its picture: image [height][width][3] of the picture's
 * size.  SDRT_E_NOMEM. */
int sdrt_canvas_compose(struct sdrt_canvas *canvas, uint8_t *image, const struct sdrt_log *log);

void sdrt_canvas_clear(struct sdrt_canvas *canvas);

#endif
