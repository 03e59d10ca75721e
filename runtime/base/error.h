/* SPDX-License-Identifier: MIT
 *
 * Status codes and the log that carries their one-line texts.
 *
 * Every function that can fail returns 0 (SDRT_OK) or a negative value of
 * enum sdrt_status.  Whoever detects the error writes one line to the log
 * (what, where, what was expected) through sdrt_fail(); callers pass the code up.
 */
#ifndef SDRT_RUNTIME_BASE_ERROR_H
#define SDRT_RUNTIME_BASE_ERROR_H

#include "runtime/base/sdrt_status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes one formatted error line to log (may be NULL) and returns status, so
 * that `return sdrt_fail(log, SDRT_E_FORMAT, "%s: ...", path)` is one statement. */
int sdrt_fail(const struct sdrt_log *log, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a warning or an information line; returns nothing. */
void sdrt_note(const struct sdrt_log *log, enum sdrt_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A short constant text for a status code, never NULL. */
const char *sdrt_status_text(int status);

#ifdef __cplusplus
}
#endif

#endif
