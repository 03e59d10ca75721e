/* SPDX-License-Identifier: MIT */
#include "cli/mpi_part.h"
#include "cli/own_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART "sdrt-mpi.so"

const char *cli_mpi_part(char path[CLI_PATH])
{
    const char *named = getenv("SDRT_MPI_PART");
    char own[CLI_PATH - 64];

    if (named && *named) return named;
    if (own_path(own, sizeof own) && strrchr(own, '/')) {
        *strrchr(own, '/') = '\0';
        snprintf(path, CLI_PATH, "%s/.libs/" PART, own);
        if (access(path, R_OK) == 0) return path;
    }
    return SDRT_PKGLIBDIR "/" PART;
}
