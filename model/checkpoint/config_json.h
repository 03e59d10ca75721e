/* SPDX-License-Identifier: MIT
 *
 * What a folder's config.json files say that shapes cannot tell.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CONFIG_JSON_H
#define SDRT_MODEL_CHECKPOINT_CONFIG_JSON_H

#include "model/checkpoint/part.h"

/* Reads the files beside the parts into config, which already holds the values to keep where
 * they say nothing.  SDRT_E_FORMAT and SDRT_E_UNSUPPORTED for what no graph here can have, errors
 * of sdrt_json_load(). */
int sdrt_config_read_json(struct sdrt_model_config *config, const struct sdrt_parts *parts,
                          const struct sdrt_log *log);

#endif
