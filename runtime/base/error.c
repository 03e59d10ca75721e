/* SPDX-License-Identifier: MIT */
#include "runtime/base/error.h"
#include "runtime/base/numbers.h"
#include "runtime/base/printable.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum { LINE = 1024 };

static void emit(const struct sdrt_log *log, enum sdrt_log_level level, const char *format,
                 va_list args)
{
    char line[LINE];

    if (!log || !log->fn) return;
    const struct sdrt_numbers numbers = sdrt_numbers_begin();
    vsnprintf(line, sizeof line, format, args);
    sdrt_numbers_end(&numbers);
    /* Names from files may hold anything; a message stays one printable line. */
    sdrt_text_printable(line, 0);
    log->fn(log->user, level, line);
}

int sdrt_fail(const struct sdrt_log *log, int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    emit(log, SDRT_LOG_ERROR, format, args);
    va_end(args);
    return status;
}

void sdrt_note(const struct sdrt_log *log, enum sdrt_log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    emit(log, level, format, args);
    va_end(args);
}

const char *sdrt_status_text(int status)
{
    switch (status) {
    case SDRT_OK:            return "success";
    case SDRT_E_ARG:         return "invalid argument";
    case SDRT_E_NOMEM:       return "out of memory";
    case SDRT_E_IO:          return "input/output error";
    case SDRT_E_FORMAT:      return "malformed file";
    case SDRT_E_MISSING:     return "something the model needs is missing";
    case SDRT_E_UNSUPPORTED: return "unsupported";
    case SDRT_E_CANCELLED:   return "cancelled";
    case SDRT_E_NUMERIC:     return "not a finite number";
    }
    return "unknown error";
}
