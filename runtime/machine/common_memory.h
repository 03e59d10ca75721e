/* SPDX-License-Identifier: MIT
 *
 * Memory that processes of one machine have in common.  It belongs to no file that others find, and goes
 * with the last process that has it, however that ends.
 */
#ifndef SDRT_RUNTIME_MACHINE_COMMON_MEMORY_H
#define SDRT_RUNTIME_MACHINE_COMMON_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* What is mapped of it. */
struct sdrt_common_map {
    unsigned char *base;
    void *map; /* with what alignment adds */
    size_t mapped;
};

/* A descriptor of new, empty memory, which token, a number that nobody else takes, tells from all other; -1
 * with errno. */
int sdrt_common_create(uint64_t token);

/* One of the memory of that token which process pid, of the same user, has under its descriptor file, while that
 * lives; -1 with errno. */
int sdrt_common_open(int64_t pid, int file, uint64_t token);

/* Makes it at least so many bytes large, zeroed, which take no memory before they are touched.  0, or -1 with
 * errno. */
int sdrt_common_grow(int file, uint64_t bytes);

/* Maps bytes from at on, a multiple of sdrt_memory_huge_page(), to read and where writes is 1 to write.  0, or
 * -1 with errno. */
int sdrt_common_map(int file, uint64_t at, size_t bytes, int writes, struct sdrt_common_map *out);
void sdrt_common_unmap(struct sdrt_common_map *map);

/* Gives the pages back to the system, for all that have it. */
void sdrt_common_discard(int file, uint64_t at, size_t bytes);

/* Whether a process is there. */
int sdrt_process_lives(int64_t pid);

#endif
