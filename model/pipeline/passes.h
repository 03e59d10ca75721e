/* SPDX-License-Identifier: MIT
 *
 * The tables of passes: for U-Nets, for MMDiTs, and for SDXL with its refiner.
 */
#ifndef SDRT_MODEL_PIPELINE_PASSES_H
#define SDRT_MODEL_PIPELINE_PASSES_H

#include "model/pipeline/pass.h"

/* The table for a model of this configuration, a constant. */
const struct sdrt_pass *sdrt_passes_of(const struct sdrt_model_config *base, int refined);

#endif
