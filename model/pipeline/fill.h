/* SPDX-License-Identifier: MIT
 *
 * Soft edges, and what surrounds a hole spread into it.
 */
#ifndef SDRT_MODEL_PIPELINE_FILL_H
#define SDRT_MODEL_PIPELINE_FILL_H

#include "model/pipeline/picture.h"

/* Blurs x [height][width][channels] by nearly a Gaussian of sigma pixels: three boxes one after the
 * other, whose edges count in part so that their variances sum to sigma's.  Beyond the border the edge
 * goes on.  SDRT_E_NOMEM. */
int sdrt_blur(float *x, int width, int height, int channels, double sigma);

/* Paints over the pixels of rgb where mask, of 1 channel and the same size, is not 0: with the
 * others blurred from afar, then from nearer and nearer, each over the one before as far as it
 * reaches; A1111's radii.  SDRT_E_NOMEM. */
int sdrt_pixels_fill(struct sdrt_pixels *rgb, const struct sdrt_pixels *mask,
                     const struct sdrt_log *log);

#endif
