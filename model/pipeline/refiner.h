/* SPDX-License-Identifier: MIT
 *
 * SDXL's refiner: a second denoiser that draws the last steps on the latent of the first, as in
 * diffusers' documented ensemble (denoising_end of the one pipeline is denoising_start of the
 * other).  It reads the base's second text encoder, and the base's VAE decodes what it leaves.
 *
 * A refiner is a second part of its model: a store and a configuration, whose passes are rows of
 * the model's table.
 */
#ifndef SDRT_MODEL_PIPELINE_REFINER_H
#define SDRT_MODEL_PIPELINE_REFINER_H

#include "model/noise/sampler.h"

struct sdrt_model;
struct sdrt_request;
struct sdrt_shape;

/* Which of the base's text encoders a refiner reads. */
enum { SDRT_REFINER_ENCODER = 1 };

/* Opens path, a file or a folder, as the refiner of the model, which is open already.
 * SDRT_E_UNSUPPORTED when the model is no SDXL, path no refiner, or their widths do not meet;
 * errors of sdrt_checkpoint_open(). */
int sdrt_refiner_open(struct sdrt_model *m, const char *path);

/* Where the refiner takes over: of the whole run that params describe, for the base, leaves shape
 * the evaluations of each.  A step is the base's when its timestep is train_steps * (1 - start) or
 * above, so it depends on the spacing how many there are; a step of two evaluations stays whole.
 * *out is the sampler of the rest, with a history of its own; the caller frees it.  SDRT_E_ARG
 * for a start that is not within 0 and 1, or that leaves one of them without a step. */
int sdrt_refiner_split(const struct sdrt_model *m, const struct sdrt_request *r,
                       const struct sdrt_sampler_params *params, struct sdrt_shape *shape,
                       struct sdrt_sampler **out);

#endif
