/* SPDX-License-Identifier: MIT
 *
 * Whether the parts of a model fit each other, and the graphs that are built of them.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CONFIG_CHECK_H
#define SDRT_MODEL_CHECKPOINT_CONFIG_CHECK_H

#include "model/net/config.h"
#include "runtime/base/error.h"

/* SDRT_E_UNSUPPORTED, naming path and what does not fit, unless all does.  The T5 is not looked
 * at. */
int sdrt_config_check(const struct sdrt_model_config *config, const char *path,
                      const struct sdrt_log *log);

#endif
