/* SPDX-License-Identifier: MIT */
#include "runtime/base/choices.h"

#include <stdio.h>
#include <string.h>

const char *sdrt_choices(char text[SDRT_CHOICES], sdrt_names_fn *names)
{
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; names(i) && used < SDRT_CHOICES; i++) {
        const char *before = !i ? "" : names(i + 1) ? ", " : " or ";
        used += (size_t)snprintf(text + used, SDRT_CHOICES - used, "%s%s", before, names(i));
    }
    return text;
}

int sdrt_choice(sdrt_names_fn *names, const char *name)
{
    for (int i = 0; names(i); i++)
        if (!strcmp(names(i), name)) return i;
    return -1;
}
