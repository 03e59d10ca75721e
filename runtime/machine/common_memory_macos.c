/* SPDX-License-Identifier: MIT
 *
 * There is no way to another process's descriptors here, and named memory would outlive processes.
 */
#include "runtime/machine/common_memory.h"

#include <errno.h>
#include <signal.h>

int sdrt_common_create(uint64_t token)
{
    (void)token;
    errno = ENOTSUP;
    return -1;
}

int sdrt_common_open(int64_t pid, int file, uint64_t token)
{
    (void)pid, (void)file, (void)token;
    errno = ENOTSUP;
    return -1;
}

int sdrt_common_grow(int file, uint64_t bytes)
{
    (void)file, (void)bytes;
    errno = ENOTSUP;
    return -1;
}

int sdrt_common_map(int file, uint64_t at, size_t bytes, int writes, struct sdrt_common_map *out)
{
    (void)file, (void)at, (void)bytes, (void)writes;
    *out = (struct sdrt_common_map){ .base = 0 };
    errno = ENOTSUP;
    return -1;
}

void sdrt_common_unmap(struct sdrt_common_map *map) { (void)map; }

void sdrt_common_discard(int file, uint64_t at, size_t bytes) { (void)file, (void)at, (void)bytes; }

int sdrt_process_lives(int64_t pid) { return kill((pid_t)pid, 0) == 0 || errno != ESRCH; }
