/* SPDX-License-Identifier: MIT
 *
 * What plain arithmetic makes of a picture for a control net to read.
 */
#ifndef SDRT_MODEL_PIPELINE_CONTROL_MAPS_H
#define SDRT_MODEL_PIPELINE_CONTROL_MAPS_H

#include "model/pipeline/picture.h"

enum sdrt_control_map {
    SDRT_MAP_CANNY, /* white edges on black, as OpenCV's Canny with thresholds 100 and 200: Canny, 1986 */
    SDRT_MAP_INVERT,   /* each byte from 255 */
    SDRT_MAP_BLUR,     /* a Gaussian of 9 pixels, for nets that add detail */
    SDRT_MAP_THRESHOLD /* white where the luma is above 127, else black */
};

/* Names of them, for lists. */
const char *sdrt_control_map_name(int i);

/* Turns a picture of 3 channels into its map.  SDRT_E_NOMEM. */
int sdrt_control_map_apply(struct sdrt_pixels *picture, enum sdrt_control_map map,
                           const struct sdrt_log *log);

#endif
