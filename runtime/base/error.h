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

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_status {
    SDRT_OK            = 0,
    SDRT_E_ARG         = -1, /* the caller asked for something impossible */
    SDRT_E_NOMEM       = -2,
    SDRT_E_IO          = -3, /* the operating system refused a file operation */
    SDRT_E_FORMAT      = -4, /* a file is not what its format demands */
    SDRT_E_MISSING     = -5, /* a tensor or file that the model needs is absent */
    SDRT_E_UNSUPPORTED = -6, /* well-formed, but nothing here can do it */
    SDRT_E_CANCELLED   = -7, /* the progress callback asked to stop */
    SDRT_E_NUMERIC     = -8, /* NaN or infinity where a finite number must be */
};

enum sdrt_log_level { SDRT_LOG_ERROR, SDRT_LOG_WARNING, SDRT_LOG_INFO };

/* text is one line without a newline, valid during the call only. */
typedef void sdrt_log_fn(void *user, enum sdrt_log_level level, const char *text);

/* Where messages go.  A NULL struct or a NULL fn drops them.  The struct belongs
 * to the caller and must outlive what it was given to. */
struct sdrt_log {
    sdrt_log_fn *fn;
    void        *user;
};

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
