/* SPDX-License-Identifier: MIT
 *
 * Prompts from a file, one a line.
 */
#ifndef SDRT_TOOLS_PROMPT_FILE_H
#define SDRT_TOOLS_PROMPT_FILE_H

#include "runtime/base/error.h"

/* Prompts in their order; texts and array are owned, freed by prompt_file_free(). */
struct prompt_file {
    char **lines;
    int n;
};

/* Reads path, "-": standard input.  Empty lines and those that begin with "#" are left out; ends of lines
 * may be of any system, and a byte order mark goes.  SDRT_E_MISSING, SDRT_E_IO, SDRT_E_FORMAT for a line
 * with options as the web UI's script has them and for a file without prompts, SDRT_E_NOMEM. */
int prompt_file_read(struct prompt_file *file, const char *path, const struct sdrt_log *log);
void prompt_file_free(struct prompt_file *file);

#endif
