/* SPDX-License-Identifier: MIT */
#include "runtime/files/file_pages.h"

#include "runtime/base/sdrt_status.h"
#include "runtime/base/stop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 }; /* bytes: a multiple of every page's size */

int sdrt_file_pages_open(struct sdrt_file_pages *p, int fd, size_t size)
{
    *p = (struct sdrt_file_pages){ .fd = fd, .size = size };
    /* What is forbidden counts as no memory, however large the file. */
    void *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return -1;
    p->base = base;
    p->read = calloc(size / BLOCK / 64 + 1, sizeof *p->read);
    return p->read ? 0 : -1;
}

int sdrt_file_read_at(int fd, size_t at, size_t n, void *out)
{
    for (size_t done = 0; done < n;) {
        const ssize_t got = pread(fd, (char *)out + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return -1;
        done += (size_t)got;
    }
    return 0;
}

static int is_read(const struct sdrt_file_pages *p, size_t block)
{
    return (int)(p->read[block / 64] >> block % 64 & 1);
}

static int fail(struct sdrt_file_pages *p, int status)
{
    p->failed = status;
    return -1;
}

/* Reads the blocks first .. end-1. */
static int read_blocks(struct sdrt_file_pages *p, size_t first, size_t end)
{
    const size_t from = first * BLOCK,
                 to = p->size - from < (end - first) * BLOCK ? p->size : end * BLOCK;

    if (sdrt_stop_asked()) return fail(p, SDRT_E_CANCELLED);
    if (mprotect(p->base + from, to - from, PROT_READ | PROT_WRITE) != 0)
        return fail(p, SDRT_E_NOMEM);
    if (sdrt_file_read_at(p->fd, from, to - from, p->base + from)) return fail(p, SDRT_E_IO);
    for (size_t b = first; b < end; b++) p->read[b / 64] |= (uint64_t)1 << b % 64;
    return 0;
}

int sdrt_file_pages_need(struct sdrt_file_pages *p, const char *at, size_t n)
{
    const size_t from = (size_t)(at - p->base);

    if (!n) return 0;
    for (size_t block = from / BLOCK, end = (from + n - 1) / BLOCK + 1, next; block < end;
         block = next) {
        for (next = block; next < end && is_read(p, next) == is_read(p, block);) next++;
        if (!is_read(p, block) && read_blocks(p, block, next)) return -1;
    }
    return 0;
}

int sdrt_file_pages_copy(struct sdrt_file_pages *p, const char *at, size_t n, void *out)
{
    return sdrt_file_read_at(p->fd, (size_t)(at - p->base), n, out) ? fail(p, SDRT_E_IO) : 0;
}

char *sdrt_file_pages_leave(struct sdrt_file_pages *p)
{
    char *base = p->base;

    p->base = NULL;
    return base;
}

void sdrt_file_pages_close(struct sdrt_file_pages *p)
{
    if (p->base) munmap(p->base, p->size);
    free(p->read);
    p->base = NULL;
    p->read = NULL;
}
