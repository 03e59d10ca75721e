/* SPDX-License-Identifier: MIT */
#include "tools/default_model.h"
#include "cli/own_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "demo-model"

static int is_model(const char *path)
{
    char index[DEFAULT_MODEL_PATH + 32];

    snprintf(index, sizeof index, "%s/model_index.json", path);
    return access(index, R_OK) == 0;
}

/* The folder of the running program, without the slash; 0 when it cannot be known. */
static int own_folder(char *folder, size_t size)
{
    if (!own_path(folder, size)) return 0;
    char *slash = strrchr(folder, '/');
    if (!slash) return 0;
    *slash = 0;
    return 1;
}

const char *default_model(char path[DEFAULT_MODEL_PATH], int *small)
{
    static const char *const beside[] = { "../" NAME, NAME };
    const char *named = getenv("SDRT_MODEL");
    char folder[DEFAULT_MODEL_PATH - 64];

    *small = 0;
    if (named && *named) return named;
    *small = 1;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        if (!own_folder(folder, sizeof folder)) break;
        snprintf(path, DEFAULT_MODEL_PATH, "%s/%s", folder, beside[i]);
        if (is_model(path)) return path;
    }
    snprintf(path, DEFAULT_MODEL_PATH, "%s/" NAME, SDRT_PKGDATADIR);
    return is_model(path) ? path : NULL;
}
