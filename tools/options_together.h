/* SPDX-License-Identifier: MIT
 *
 * What no single option of sdgen's can know.
 */
#ifndef SDRT_TOOLS_OPTIONS_TOGETHER_H
#define SDRT_TOOLS_OPTIONS_TOGETHER_H

#include "tools/options.h"

/* Refuses options that contradict each other or lack one beside them, by one line to the log, and settles what
 * they imply; chooses the small model where none is named.  stray and more are the first words that are no
 * options, or NULL. */
int sdgen_check_together(struct sdgen_options *o, const char *stray, const char *more,
                         const struct sdrt_log *log);

#endif
