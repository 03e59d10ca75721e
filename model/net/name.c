/* SPDX-License-Identifier: MIT */
#include "model/net/name.h"

#include <stdarg.h>
#include <stdio.h>

void sdrt_name(char *out, size_t size, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(out, size, format, args);
    va_end(args);
}
