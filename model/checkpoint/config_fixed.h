/* SPDX-License-Identifier: MIT
 *
 * Keys of config.json files that change what a network computes and of which the networks here have
 * one value: another is refused by name.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CONFIG_FIXED_H
#define SDRT_MODEL_CHECKPOINT_CONFIG_FIXED_H

#include "runtime/base/error.h"

#include <jansson.h>

/* Whose file it is. */
enum sdrt_config_of {
    SDRT_CONFIG_OF_UNET,
    SDRT_CONFIG_OF_MMDIT,
    SDRT_CONFIG_OF_VAE,
    SDRT_CONFIG_OF_CLIP,
    SDRT_CONFIG_OF_T5
};

/* SDRT_E_UNSUPPORTED for the first key that has another value; what is absent or null is fine. */
int sdrt_config_check_fixed(enum sdrt_config_of of, const json_t *json, const char *where,
                            const struct sdrt_log *log);

#endif
