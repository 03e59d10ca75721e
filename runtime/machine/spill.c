/* SPDX-License-Identifier: MIT */
#include "runtime/machine/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* All of its blocks at once: where there is no room, that is told now and not by a signal later. */
static int reserve(int fd, size_t bytes)
{
    static const char zeros[1 << 16];

    for (size_t at = 0; at < bytes;) {
        const size_t n = bytes - at < sizeof zeros ? bytes - at : sizeof zeros;
        const ssize_t written = write(fd, zeros, n);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written < 0 ? errno : ENOSPC;
        at += (size_t)written;
    }
    return 0;
}

int sdrt_spill_create(struct sdrt_spill **out, size_t bytes, const struct sdrt_log *log)
{
    const char *folder = getenv("TMPDIR");
    struct sdrt_spill *s = *out = calloc(1, sizeof *s);
    int fd, failure = 0;

    if (!s) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory");
    if (!folder || !*folder) folder = "/var/tmp";
    fd = open_nameless(folder);
    if (fd < 0) failure = errno;
    else failure = reserve(fd, bytes);
    if (!failure) {
        s->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (s->base == MAP_FAILED) failure = errno;
    }
    if (fd >= 0) close(fd);
    if (!failure) {
        s->bytes = bytes;
        return SDRT_OK;
    }
    free(s);
    *out = NULL;
    if (failure == ENOMEM) /* where a file is mapped the disk is not what is short */
        return sdrt_fail(log, SDRT_E_NOMEM,
                         "no %zu MiB of address space for a temporary file; expected a higher "
                         "limit of it (ulimit -v)",
                         bytes >> 20);
    return sdrt_fail(log, SDRT_E_IO,
                     "%s: no %zu MiB for a temporary file: %s; expected TMPDIR to be a "
                     "folder with room",
                     folder, bytes >> 20, strerror(failure));
}

void sdrt_spill_free(struct sdrt_spill **spill)
{
    if (!*spill) return;
    munmap((*spill)->base, (*spill)->bytes);
    free(*spill);
    *spill = NULL;
}

void sdrt_spill_rest(struct sdrt_spill *s)
{
    msync(s->base, s->bytes, MS_ASYNC);
    madvise(s->base, s->bytes, MADV_DONTNEED);
}
