/* SPDX-License-Identifier: MIT
 *
 * Pictures as bytes: taken from a caller, and brought to another size.
 */
#ifndef SDRT_MODEL_PIPELINE_PICTURE_H
#define SDRT_MODEL_PIPELINE_PICTURE_H

#include "model/sdrt.h"
#include "runtime/base/error.h"

enum { SDRT_MAX_PICTURE = 32768 /* pixels a side */ };

/* Dense [height][width][channels]; channels is 3, or 1 for a mask.  Set to zero at first, freed by
 * free(rgb). */
struct sdrt_pixels {
    uint8_t *rgb;
    int width, height, channels;
};

/* SDRT_E_ARG with a line that begins with what, "the initial picture", where a picture cannot be:
 * no pixels, a side outside 1 .. SDRT_MAX_PICTURE, channels that are none, rows that overlap. */
int sdrt_picture_check(const struct sdrt_picture *picture, const char *what,
                       const struct sdrt_log *log);

/* A picture that has been checked as pixels of 3 channels, what is transparent laid on white, or of
 * 1: its luma as ITU-R 601 weighs it.  SDRT_E_NOMEM. */
int sdrt_pixels_of(struct sdrt_pixels *out, const struct sdrt_picture *picture, int channels,
                   const struct sdrt_log *log);

/* Names of enum sdrt_resize, for lists. */
enum sdrt_resize { SDRT_RESIZE_JUST, SDRT_RESIZE_CROP, SDRT_RESIZE_FILL };
const char *sdrt_resize_mode_name(int i);

/* Brings *pixels to width x height in one of three ways (sdrt.h), resampled by Lanczos' windowed sinc
 * of three lobes over the larger of the two pixel pitches, as Pillow's LANCZOS.  On failure *pixels
 * stays as it was: SDRT_E_NOMEM. */
int sdrt_pixels_resize(struct sdrt_pixels *pixels, int width, int height, enum sdrt_resize mode,
                       const struct sdrt_log *log);

/* Brings the shorter side to size, by Pillow's BICUBIC, and leaves the middle, size x size.  On failure *pixels
 * stays as it was: SDRT_E_NOMEM. */
int sdrt_pixels_shrink(struct sdrt_pixels *pixels, int size, const struct sdrt_log *log);

#endif
