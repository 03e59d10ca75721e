/* SPDX-License-Identifier: MIT
 *
 * Where the running program lies.
 */
#ifndef SDRT_CLI_OWN_PATH_H
#define SDRT_CLI_OWN_PATH_H

#include <stddef.h>

/* Writes the program's path, symbolic links resolved, into path.  1, or 0 where it cannot be known
 * or is longer than size - 1. */
int own_path(char *path, size_t size);

#endif
