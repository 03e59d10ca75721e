/* SPDX-License-Identifier: MIT */
#include "tools/dump.h"

#include "runtime/files/atomic_file.h"
#include "runtime/files/npy.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* No name is a path. */
static void flatten(char *name)
{
    for (; *name; name++)
        if (*name == '/') *name = '.';
}

/* folder/name.npy, to be freed by the caller; NULL without memory. */
static char *file_name(const char *folder, const char *name)
{
    const size_t room = strlen(folder) + strlen(name) + sizeof "/.npy";
    char *path = malloc(room);

    if (!path) return NULL;
    snprintf(path, room, "%s/%s.npy", folder, name);
    flatten(path + strlen(folder) + 1);
    return path;
}

int dump_check(const char *folder, const struct sdrt_log *log)
{
    struct stat info;
    char *path;
    int status;

    /* An absent folder can be made where a file of its name could be. */
    if (stat(folder, &info) != 0) return sdrt_atomic_check(folder, log);
    if (!S_ISDIR(info.st_mode))
        return sdrt_fail(log, SDRT_E_IO, "%s: expected a folder to dump to", folder);
    path = file_name(folder, "check");
    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to check it", folder);
    status = sdrt_atomic_check(path, log);
    free(path);
    return status;
}

int dump_make_folder(const char *folder, const struct sdrt_log *log)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_IO, "%s: cannot be made: %s", folder, strerror(errno));
}

int dump_wanted(const char *name, const char *const *patterns, int n)
{
    char flat[256];

    snprintf(flat, sizeof flat, "%s", name);
    flatten(flat);
    for (int i = 0; i < n; i++)
        if (fnmatch(patterns[i], flat, 0) == 0) return 1;
    return n == 0;
}

int dump_write(const char *folder, const char *name, const int dims[4], const float *data,
               const struct sdrt_log *log)
{
    const int64_t shape[4] = { dims[0], dims[1], dims[2], dims[3] };
    char *path = file_name(folder, name);
    int status;

    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to dump it", name);
    status = sdrt_npy_write(path, SDRT_F32, 4, shape, data, log);
    free(path);
    return status;
}
