/* SPDX-License-Identifier: MIT */
#include "runtime/base/stop.h"

#include <stddef.h>

static _Thread_local struct sdrt_stop *current;

struct sdrt_stop *sdrt_stop_ask(struct sdrt_stop *stop)
{
    struct sdrt_stop *before = current;

    current = stop;
    return before;
}

int sdrt_stop_asked(void)
{
    if (!current || !current->ask) return 0;
    if (!current->asked_for) current->asked_for = current->ask(current->user) != 0;
    return current->asked_for;
}
