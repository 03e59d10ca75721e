/* SPDX-License-Identifier: MIT
 *
 * How a request guides: the scale of each evaluation, the rule that makes one answer of two, what is
 * evaluated once more with a part of the denoiser left out, and FreeU.
 */
#ifndef SDRT_MODEL_PIPELINE_GUIDE_H
#define SDRT_MODEL_PIPELINE_GUIDE_H

#include "model/noise/guidance.h"
#include "model/pipeline/pass.h"
#include "model/sdrt.h"

/* The most of a request's cfg_schedule, or its cfg_scale where that has none or is no list. */
float sdrt_guide_most(const struct sdrt_request *r);

/* Whether evaluation e of all total ones is within the request's range and its scale above 1; and the
 * scale, 1 outside of the range. */
int sdrt_guide_is_guided(const struct sdrt_request *r, int e, int total);
float sdrt_guide_scale(const struct sdrt_request *r, int e, int total);

/* Checks what a resolved request says of all this, and adds to shape what it takes.  Is asked when shape
 * says whether it is guided.  SDRT_E_ARG, SDRT_E_UNSUPPORTED where the model has no such thing. */
int sdrt_guide_check(const struct sdrt_model *m, const struct sdrt_request *r,
                     struct sdrt_shape *shape);

/* By how much evaluation e of total, at a timestep, is pushed away from what the denoiser says with a part
 * left out; 0: not at all, so that need not be known. */
float sdrt_guide_push(const struct sdrt_request *r, const struct sdrt_shape *shape, int e,
                      int total, double timestep);

/* Whether shape has such a part. */
int sdrt_guide_is_perturbed(const struct sdrt_shape *shape);

#endif
