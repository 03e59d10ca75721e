/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* uselocale */
#endif
#include "runtime/base/numbers.h"

#include <stdlib.h>

struct sdrt_numbers sdrt_numbers_begin(void)
{
    struct sdrt_numbers n = { .own = newlocale(LC_ALL_MASK, "C", (locale_t)0) };

    if (n.own) n.caller = uselocale(n.own);
    return n;
}

void sdrt_numbers_end(const struct sdrt_numbers *numbers)
{
    if (!numbers->own) return;
    uselocale(numbers->caller);
    freelocale(numbers->own);
}

double sdrt_parse_number(const char *text, char **end)
{
    const struct sdrt_numbers n = sdrt_numbers_begin();
    const double value = strtod(text, end);

    sdrt_numbers_end(&n);
    return value;
}
