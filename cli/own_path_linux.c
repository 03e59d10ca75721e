/* SPDX-License-Identifier: MIT */
#include "cli/own_path.h"

#include <unistd.h>

int own_path(char *path, size_t size)
{
    const ssize_t length = readlink("/proc/self/exe", path, size - 1);

    if (length <= 0 || (size_t)length >= size - 1) return 0;
    path[length] = 0;
    return 1;
}
