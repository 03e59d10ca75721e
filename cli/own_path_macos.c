/* SPDX-License-Identifier: MIT */
#include "cli/own_path.h"

#include <limits.h>
#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int own_path(char *path, size_t size)
{
    char started[PATH_MAX], real[PATH_MAX];
    uint32_t room = sizeof started;

    if (_NSGetExecutablePath(started, &room) != 0 || !realpath(started, real) ||
        strlen(real) >= size)
        return 0;
    strcpy(path, real);
    return 1;
}
