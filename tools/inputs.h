/* SPDX-License-Identifier: MIT
 *
 * What sdgen reads is not what it writes over.
 */
#ifndef SDRT_TOOLS_INPUTS_H
#define SDRT_TOOLS_INPUTS_H

#include "tools/options.h"

/* SDRT_E_ARG when name, which is about to be written, is a file that the options read weights from:
 * itself, by a link, or inside a model's folder and no picture.  NULL is allowed. */
int inputs_check(const struct sdgen_options *options, const char *name, const struct sdrt_log *log);

#endif
