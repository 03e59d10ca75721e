/* SPDX-License-Identifier: MIT */
#include "tools/dump.h"

#include "runtime/atomic_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "dump.c writes the machine's floats as little-endian ones"
#endif

/* folder/name.npy, to be freed by the caller; NULL without memory. */
static char *file_name(const char *folder, const char *name)
{
    const size_t room = strlen(folder) + strlen(name) + sizeof "/.npy";
    char *path = malloc(room);

    if (!path) return NULL;
    snprintf(path, room, "%s/%s.npy", folder, name);
    for (char *c = path + strlen(folder) + 1; *c; c++)
        if (*c == '/') *c = '.';
    return path;
}

int dump_check(const char *folder, const struct sdrt_log *log)
{
    struct stat info;
    char *path;
    int rc;

    /* An absent folder can be made where a file of its name could be. */
    if (stat(folder, &info) != 0) return sdrt_atomic_check(folder, log);
    if (!S_ISDIR(info.st_mode))
        return sdrt_fail(log, SDRT_E_IO, "%s: expected a folder to dump to", folder);
    path = file_name(folder, "check");
    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to check it", folder);
    rc = sdrt_atomic_check(path, log);
    free(path);
    return rc;
}

int dump_make_folder(const char *folder, const struct sdrt_log *log)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_IO, "%s: cannot be made: %s", folder, strerror(errno));
}

/* The header of NumPy's format 1.0 (numpy/lib/format.py): magic, version, a 16-bit
 * length, and a Python dict padded so that the data begin at a multiple of 64. */
static size_t npy_header(unsigned char header[192], const int dims[4])
{
    enum { PREFIX = 10 };
    char *text = (char *)header + PREFIX;
    const int used = snprintf(text, 192 - PREFIX,
                              "{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (%d, %d, %d, %d), }",
                              dims[0], dims[1], dims[2], dims[3]);
    const size_t total = ((size_t)used + PREFIX + 1 + 63) / 64 * 64;

    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (unsigned char)((total - PREFIX) & 0xff);
    header[9] = (unsigned char)((total - PREFIX) >> 8);
    memset(text + used, ' ', total - PREFIX - (size_t)used);
    header[total - 1] = '\n';
    return total;
}

int dump_write(const char *folder, const char *name, const int dims[4], const float *data,
               const struct sdrt_log *log)
{
    unsigned char header[192];
    struct sdrt_atomic_file *file = NULL;
    size_t bytes = sizeof *data;
    char *path = NULL;
    int rc;

    for (int i = 0; i < 4; i++)
        if (dims[i] < 0 || __builtin_mul_overflow(bytes, (size_t)dims[i], &bytes))
            return sdrt_fail(log, SDRT_E_ARG, "%s: cannot dump a dimension of %d", name, dims[i]);
    path = file_name(folder, name);
    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to dump it", name);
    rc = sdrt_atomic_open(&file, path, log);
    if (rc) goto out;
    sdrt_atomic_write(file, header, npy_header(header, dims));
    sdrt_atomic_write(file, data, bytes);
    rc = sdrt_atomic_commit(&file, log);
out:
    free(path);
    return rc;
}
