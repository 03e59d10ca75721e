/* SPDX-License-Identifier: MIT
 *
 * What --lora is given.
 */
#ifndef SDRT_TOOLS_LORA_OPTION_H
#define SDRT_TOOLS_LORA_OPTION_H

#include "model/sdrt.h"

/* Reads "FILE" or "FILE:SCALE"; a colon that no number follows belongs to the file's name.  The path
 * is the caller's to free.  SDRT_E_ARG, SDRT_E_NOMEM, with a line that names the option. */
int lora_option_read(struct sdrt_lora *out, const char *option, const char *text,
                     const struct sdrt_log *log);

#endif
