/* SPDX-License-Identifier: MIT */
#ifndef SDRT_MODEL_CHECKPOINT_DETECT_T5_H
#define SDRT_MODEL_CHECKPOINT_DETECT_T5_H

#include "model/net/config.h"
#include "runtime/base/error.h"
#include "runtime/weights/weights.h"

/* Finds the sizes of a T5 v1.1 encoder from the shapes of its weights, whose names are
 * transformers' behind "prefix."; max_distance, which no weight tells, is 128.  path is for
 * messages.
 * SDRT_E_MISSING without such weights, SDRT_E_UNSUPPORTED where they are another encoder's. */
int sdrt_t5_detect(struct sdrt_t5_config *config, const struct sdrt_weights_provider *weights,
                   const char *prefix, const char *path, const struct sdrt_log *log);

#endif
