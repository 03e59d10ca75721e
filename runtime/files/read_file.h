/* SPDX-License-Identifier: MIT
 *
 * Reads a small file whole: configurations, vocabularies, arrays of tests.
 */
#ifndef SDRT_RUNTIME_FILES_READ_FILE_H
#define SDRT_RUNTIME_FILES_READ_FILE_H

#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads path into *data, *size bytes and a terminating 0 behind them (not counted).
 * *data belongs to the caller, who frees it with free(); NULL after a failure.
 * SDRT_E_MISSING when there is no such file, SDRT_E_IO when it cannot be read or is
 * no regular file, SDRT_E_FORMAT when it is larger than max_bytes, SDRT_E_NOMEM. */
int sdrt_read_file(const char *path, size_t max_bytes, char **data, size_t *size,
                   const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
