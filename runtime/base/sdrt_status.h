/* SPDX-License-Identifier: MIT
 *
 * Status codes and where messages go.  Installed beside sdrt.h, which includes it.
 */
#ifndef SDRT_STATUS_H
#define SDRT_STATUS_H

/* What functions return: 0, or one of these after one line in the log. */
enum sdrt_status {
    SDRT_OK = 0,
    SDRT_E_ARG = -1, /* the caller asked for something impossible */
    SDRT_E_NOMEM = -2,
    SDRT_E_IO = -3,          /* the operating system refused a file operation */
    SDRT_E_FORMAT = -4,      /* a file is not what its format demands */
    SDRT_E_MISSING = -5,     /* a tensor or file that the model needs is absent */
    SDRT_E_UNSUPPORTED = -6, /* well-formed, but nothing here can do it */
    SDRT_E_CANCELLED = -7,   /* a callback or sdrt_cancel() asked to stop */
    SDRT_E_NUMERIC = -8,     /* NaN or infinity where a finite number must be */
};

enum sdrt_log_level { SDRT_LOG_ERROR, SDRT_LOG_WARNING, SDRT_LOG_INFO };

/* text is one line without a newline, valid during the call only. */
typedef void sdrt_log_fn(void *user, enum sdrt_log_level level, const char *text);

/* Where messages go.  A NULL struct or a NULL fn drops them.  The struct belongs to the
 * caller and must outlive what it was given to. */
struct sdrt_log {
    sdrt_log_fn *fn;
    void *user;
};

#endif
