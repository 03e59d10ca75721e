/* SPDX-License-Identifier: MIT */
#include "runtime/files/read_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads until the end of the file or capacity bytes; returns bytes read or -1. */
static ssize_t read_up_to(int fd, char *buffer, size_t capacity)
{
    size_t have = 0;

    while (have < capacity) {
        const ssize_t got = read(fd, buffer + have, capacity - have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

int sdrt_read_file(const char *path, size_t max_bytes, char **data, size_t *size,
                   const struct sdrt_log *log)
{
    struct stat info;
    char *buffer = NULL;
    ssize_t got;
    int status = SDRT_OK;

    *data = NULL;
    *size = 0;
    /* O_NONBLOCK: opening a FIFO must not wait for its writer. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return sdrt_fail(log, errno == ENOENT ? SDRT_E_MISSING : SDRT_E_IO,
                         "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = sdrt_fail(log, SDRT_E_IO, "%s: is not a regular file", path);
        goto out;
    }
    if ((uintmax_t)info.st_size > max_bytes) {
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: has %jd bytes, at most %zu are expected", path,
                           (intmax_t)info.st_size, max_bytes);
        goto out;
    }
    buffer = malloc((size_t)info.st_size + 1);
    if (!buffer) {
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its %jd bytes", path,
                           (intmax_t)info.st_size);
        goto out;
    }
    got = read_up_to(fd, buffer, (size_t)info.st_size);
    if (got < 0) {
        status = sdrt_fail(log, SDRT_E_IO, "%s: cannot be read: %s", path, strerror(errno));
        goto out;
    }
    buffer[got] = '\0';
    *data = buffer;
    *size = (size_t)got;
    buffer = NULL;
out:
    free(buffer);
    close(fd);
    return status;
}
