/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create, fallocate */
#endif
#include "runtime/machine/common_memory.h"
#include "runtime/machine/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static char *name_of(uint64_t token, char name[64])
{
    snprintf(name, 64, "sdrt-weights-%016llx", (unsigned long long)token);
    return name;
}

int sdrt_common_create(uint64_t token)
{
    char name[64];

    return memfd_create(name_of(token, name), MFD_CLOEXEC);
}

/* Where processes are numbered otherwise, as in another container, the number is another process's. */
int sdrt_common_open(int64_t pid, int file, uint64_t token)
{
    char path[64], name[64], expected[96], found[96];

    snprintf(path, sizeof path, "/proc/%lld/fd/%d", (long long)pid, file);
    snprintf(expected, sizeof expected, "/memfd:%s (deleted)", name_of(token, name));
    const ssize_t n = readlink(path, found, sizeof found);
    if (n < 0) return -1;
    if ((size_t)n != strlen(expected) || memcmp(found, expected, (size_t)n) != 0) {
        errno = ESRCH;
        return -1;
    }
    return open(path, O_RDWR | O_CLOEXEC);
}

int sdrt_common_grow(int file, uint64_t bytes)
{
    struct stat s;

    if (fstat(file, &s) != 0) return -1;
    return (uint64_t)s.st_size >= bytes ? 0 : ftruncate(file, (off_t)bytes);
}

int sdrt_common_map(int file, uint64_t at, size_t bytes, int writes, struct sdrt_common_map *out)
{
    const size_t huge = sdrt_memory_huge_page(), mapped = bytes + huge;
    const int may = writes ? PROT_READ | PROT_WRITE : PROT_READ;
    unsigned char *room = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                               -1, 0);

    if (room == MAP_FAILED) return -1;
    /* Huge pages are where address and place are multiples of their size. */
    unsigned char *base = room + (huge - (uintptr_t)room % huge) % huge;
    if (mmap(base, bytes, may, MAP_SHARED | MAP_FIXED, file, (off_t)at) == MAP_FAILED) {
        const int why = errno;
        munmap(room, mapped);
        errno = why;
        return -1;
    }
    sdrt_memory_want_huge(base, bytes);
    *out = (struct sdrt_common_map){ base, room, mapped };
    return 0;
}

void sdrt_common_unmap(struct sdrt_common_map *m)
{
    if (m->map) munmap(m->map, m->mapped);
    *m = (struct sdrt_common_map){ .base = NULL };
}

void sdrt_common_discard(int file, uint64_t at, size_t bytes)
{
    (void)fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes);
}

int sdrt_process_lives(int64_t pid) { return kill((pid_t)pid, 0) == 0 || errno != ESRCH; }
