/* SPDX-License-Identifier: MIT
 *
 * What the strings of options may say, where no room below has the table.
 */
#ifndef SDRT_MODEL_PIPELINE_LISTS_H
#define SDRT_MODEL_PIPELINE_LISTS_H

#include "model/net/config.h"
#include "runtime/base/choices.h"

/* Lists for sdrt_choices(). */
const char *sdrt_level_name(int i);
const char *sdrt_precision_name(int i);
const char *sdrt_arch_name(int i);

/* The configuration of arch i, which has a name. */
struct sdrt_model_config sdrt_arch_config(int i);

#endif
