/* SPDX-License-Identifier: MIT */
#include "runtime/machine/spill.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct sdrt_spill {
    int fd;
    size_t bytes;
    const struct sdrt_log *log;
    char folder[]; /* for messages */
};

static int open_nameless(const char *folder)
{
    char name[4096];
    const int n = snprintf(name, sizeof name, "%s/sdrt-XXXXXX", folder);
    int fd = -1;

    if (n > 0 && (size_t)n < sizeof name) fd = mkstemp(name);
    else errno = ENAMETOOLONG;
    if (fd >= 0) unlink(name);
    return fd;
}

/* Told now where it can be, and not when hours of work are to be written. */
static int find_room(int fd, size_t bytes)
{
    struct statvfs at;

    if (fstatvfs(fd, &at)) return 0; /* who does not say has what writing finds */
    const double room = (double)at.f_bavail * (double)at.f_frsize;
    return room < (double)bytes ? ENOSPC : 0;
}

static int fail(const struct sdrt_log *log, const char *folder, size_t bytes, int failure)
{
    return sdrt_fail(log, SDRT_E_IO,
                     "%s: no %zu MiB for a temporary file: %s; expected TMPDIR to be a "
                     "folder with room",
                     folder, (bytes >> 20) + 1, strerror(failure));
}

int sdrt_spill_create(struct sdrt_spill **out, size_t bytes, const struct sdrt_log *log)
{
    const char *folder = getenv("TMPDIR");
    int failure = 0;

    if (!folder || !*folder) folder = "/var/tmp";
    const size_t name = strlen(folder) + 1;
    struct sdrt_spill *s = *out = malloc(sizeof *s + name);
    if (!s) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory");
    *s = (struct sdrt_spill){ .fd = open_nameless(folder), .bytes = bytes, .log = log };
    memcpy(s->folder, folder, name);
    if (s->fd < 0) failure = errno;
    else failure = find_room(s->fd, bytes);
    if (!failure) return SDRT_OK;
    sdrt_spill_free(out);
    return fail(log, folder, bytes, failure);
}

void sdrt_spill_free(struct sdrt_spill **spill)
{
    struct sdrt_spill *s = *spill;

    if (!s) return;
    if (s->fd >= 0) close(s->fd);
    free(s);
    *spill = NULL;
}

int sdrt_spill_write(const struct sdrt_spill *s, size_t at, const void *from, size_t n)
{
    for (const char *p = from; n;) {
        const ssize_t done = pwrite(s->fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return fail(s->log, s->folder, s->bytes, done < 0 ? errno : ENOSPC);
        p += done;
        at += (size_t)done;
        n -= (size_t)done;
    }
    return SDRT_OK;
}

int sdrt_spill_read(const struct sdrt_spill *s, size_t at, void *to, size_t n)
{
    for (char *p = to; n;) {
        const ssize_t done = pread(s->fd, p, n, (off_t)at);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0)
            return sdrt_fail(s->log, SDRT_E_IO, "%s: reading a temporary file again: %s", s->folder,
                             done < 0 ? strerror(errno) : "expected more of it");
        p += done;
        at += (size_t)done;
        n -= (size_t)done;
    }
    return SDRT_OK;
}
