/* SPDX-License-Identifier: MIT
 *
 * Finds out what a checkpoint's model looks like: sizes from the shapes of its weights, which are
 * always right, the rest from the family that they are a sign of.
 */
#ifndef SDRT_MODEL_CHECKPOINT_DETECT_H
#define SDRT_MODEL_CHECKPOINT_DETECT_H

#include "model/checkpoint/provider.h"

/* Writes config whole, but for the T5 (see detect_t5.h).
 * SDRT_E_MISSING for a tensor or a text encoder that is not there, SDRT_E_UNSUPPORTED for a model
 * of no family here, SDRT_E_FORMAT for a shape that no such tensor has. */
int sdrt_config_detect(struct sdrt_model_config *config, struct sdrt_named_weights *weights);

/* The family of a denoiser alone, a constant; NULL where its tensors do not tell.  Of weights, layout
 * needs no more than sdrt_layout_find_denoiser() finds.  Logs what is wrong with it. */
const char *sdrt_config_detect_family(struct sdrt_named_weights *weights);

#endif
