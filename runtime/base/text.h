/* SPDX-License-Identifier: MIT
 *
 * Small questions about text.
 */
#ifndef SDRT_RUNTIME_BASE_TEXT_H
#define SDRT_RUNTIME_BASE_TEXT_H

#include <string.h>

/* Whether text ends with end; every text ends with "". */
static inline int sdrt_ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && !memcmp(text + n - m, end, m);
}

#endif
