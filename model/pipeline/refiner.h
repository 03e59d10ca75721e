/* SPDX-License-Identifier: MIT
 *
 * SDXL's refiner: a second denoiser that draws the last steps on the latent of the first, as in
 * diffusers' documented ensemble (denoising_end of the one pipeline is denoising_start of the
 * other).  It reads the base's second text encoder, and the base's VAE decodes what it leaves.
 *
 * To the rest of the model a refiner is a context of its own, of which only the denoiser's three
 * programs exist.  Its team and tokenizer are the base's, its memory is a part of the base's arena.
 */
#ifndef SDRT_MODEL_PIPELINE_REFINER_H
#define SDRT_MODEL_PIPELINE_REFINER_H

#include "model/noise/sampler.h"

struct sdrt_context;
struct sdrt_request;
struct sdrt_shape;

/* Opens path, a file or a folder, as the refiner of base, which is open already and owns it from
 * then on.  SDRT_E_UNSUPPORTED when base is no SDXL, path no refiner, or their widths do not meet;
 * errors of sdrt_checkpoint_open(). */
int sdrt_refiner_open(struct sdrt_context *base, const char *path);

/* Frees base's refiner; there need not be one. */
void sdrt_refiner_close(struct sdrt_context *base);

/* Where the refiner takes over: of the whole run that params describe, for base, leaves shape the
 * evaluations of each.  A step is the base's when its timestep is train_steps * (1 - start) or
 * above, so it depends on the spacing how many there are; a step of two evaluations stays whole.
 * *out is the sampler of the rest, with a history of its own; the caller frees it.  SDRT_E_ARG
 * for a start that is not within 0 and 1, or that leaves one of them without a step. */
int sdrt_refiner_split(const struct sdrt_context *base, const struct sdrt_request *r,
                       const struct sdrt_sampler_params *params, struct sdrt_shape *shape,
                       struct sdrt_sampler **out);

/* Gives the refiner its share of what base's text encoders have written: the second one's.  Called
 * before base sets any of it to zeros, since without a negative prompt the refiner, which was
 * not trained without text, reads that of an empty one. */
void sdrt_refiner_take_text(struct sdrt_context *base);

#endif
