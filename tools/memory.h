/* SPDX-License-Identifier: MIT
 *
 * Whether sdgen's drawings fit into memory.
 */
#ifndef SDRT_TOOLS_MEMORY_H
#define SDRT_TOOLS_MEMORY_H

#include "tools/options.h"
#include "tools/prompt_file.h"

/* Plans what o asks for, with --prompt-file each of the prompts, of which o->request.prompt is the last
 * one then.  Where memory is short for the whole VAE, o->request.vae_bands is set, which is told.  SDRT_E_NOMEM where it is short even so, but for --no-memory-check; any status of
 * sdrt_measure(); each told to log.  On the main thread. */
int memory_check(struct sdrt_context *context, struct sdgen_options *o,
                 const struct prompt_file *prompts, const struct sdrt_log *log);

#endif
