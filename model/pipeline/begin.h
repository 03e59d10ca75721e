/* SPDX-License-Identifier: MIT
 *
 * Requests that begin with a picture: what that means for size and steps, and what may be asked.
 */
#ifndef SDRT_MODEL_PIPELINE_BEGIN_H
#define SDRT_MODEL_PIPELINE_BEGIN_H

#include "model/pipeline/model.h"
#include "model/pipeline/picture.h"

/* What is under a mask before it is redrawn; names for lists. */
enum sdrt_masked { SDRT_MASKED_ORIGINAL, SDRT_MASKED_FILL, SDRT_MASKED_NOISE, SDRT_MASKED_NOTHING };
const char *sdrt_masked_content_name(int i);

/* Whether a part of the picture stays: there is a mask, or something is added around it. */
int sdrt_begin_masked(const struct sdrt_request *r);

/* What checked requests say, or mean where they say nothing. */
enum sdrt_masked sdrt_begin_content(const struct sdrt_request *r);
enum sdrt_resize sdrt_begin_mode(const struct sdrt_request *r);

/* Fills *width and *height, where they are 0, from the picture's size with what is added to it: down
 * to a multiple that the model can draw.  Where only the mask's surroundings are drawn they stay. */
void sdrt_begin_size(const struct sdrt_model *m, const struct sdrt_request *r, int *width,
                     int *height);

/* How many of the steps strength leaves out at the beginning, as diffusers' pipelines for each family
 * count.  SDRT_E_ARG where none is left. */
int sdrt_begin_first_step(const struct sdrt_model *m, const struct sdrt_request *r, int *first);

/* Names and numbers of a resolved request that are of pictures, with one or without; and whether the
 * model can encode it: SDRT_E_ARG, SDRT_E_UNSUPPORTED. */
int sdrt_begin_check(const struct sdrt_model *m, const struct sdrt_request *r);

#endif
