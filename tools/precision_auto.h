/* SPDX-License-Identifier: MIT
 *
 * --precision auto:DB: the narrowest precision whose images stay so near to float32's, on the user's own
 * weights and prompt.
 */
#ifndef SDRT_TOOLS_PRECISION_AUTO_H
#define SDRT_TOOLS_PRECISION_AUTO_H

#include "tools/options.h"
#include "tools/prompt_file.h"

/* Reads "auto:DB" or "auto:DBdB" into *db: 0 goes on, SDRT_E_ARG after one line, 1 where text says no "auto". */
int precision_auto_read(double *db, const char *option, const char *text,
                        const struct sdrt_log *log);

/* Draws the request (of --prompt-file the first line's) in a few steps in float32 and in what this machine
 * multiplies faster, narrowest first, until one's image is o->precision_db decibels and a margin from
 * float32's.  Where int8's is not and int16's is, the groups of layers that cost the image most stay wider: each
 * is measured alone, and the choice in whole.  o->model.precision is then what came of it, as --precision takes
 * it, in o->precision_text; auto_apply() has been done.  The same weights and request have the same answer at
 * one level of instructions.  Each figure is told to log.  Errors of sdrt_generate().  On the main thread. */
int precision_choose(struct sdgen_options *o, const struct prompt_file *prompts,
                     const struct sdrt_log *log);

#endif
