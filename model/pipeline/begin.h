/* SPDX-License-Identifier: MIT
 *
 * Requests that begin with a picture: what that means for size and steps, and the picture as the
 * encoder reads it.
 */
#ifndef SDRT_MODEL_PIPELINE_BEGIN_H
#define SDRT_MODEL_PIPELINE_BEGIN_H

#include "model/pipeline/model.h"

struct sdrt_run;

/* Fills *width and *height, where they are 0, from the picture's size: down to a multiple that the
 * model can draw. */
void sdrt_begin_size(const struct sdrt_model *m, const struct sdrt_request *r, int *width,
                     int *height);

/* How many of the steps strength leaves out at the beginning, as diffusers' pipelines for each family
 * count.  SDRT_E_ARG where none is left. */
int sdrt_begin_first_step(const struct sdrt_model *m, const struct sdrt_request *r, int *first);

/* What a resolved request must say: a way of resizing; and whether the model can encode a picture:
 * SDRT_E_ARG, SDRT_E_UNSUPPORTED. */
int sdrt_begin_check(const struct sdrt_model *m, const struct sdrt_request *r);

/* Before the first pass: the picture at the image's size, into run->begin.  SDRT_E_NOMEM. */
int sdrt_begin_prepare(struct sdrt_run *run);

#endif
