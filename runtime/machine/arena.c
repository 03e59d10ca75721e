/* SPDX-License-Identifier: MIT */
#include "runtime/machine/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct sdrt_arena {
    unsigned char *base;
    size_t bytes;   /* as asked for */
    void  *map;
    size_t mapped;  /* with what alignment and whole pages add */
};

static size_t mib(size_t bytes)
{
    return bytes / ((size_t)1 << 20) + (bytes % ((size_t)1 << 20) != 0);
}

/* Finds room for bytes at a multiple of the huge page's size by asking for one more. */
static int map_memory(struct sdrt_arena *a, const struct sdrt_log *log)
{
    const size_t huge_page = sdrt_memory_huge_page();
    const int huge = a->bytes >= huge_page;
    size_t mapped = a->bytes, available;

    if (huge && (a->bytes > SIZE_MAX - 2 * huge_page))
        return sdrt_fail(log, SDRT_E_NOMEM, "arena of %zu MiB: more than can be addressed",
                         mib(a->bytes));
    if (sdrt_memory_available(&available) == SDRT_OK && a->bytes > available)
        return sdrt_fail(log, SDRT_E_NOMEM, "arena of %zu MiB: this machine has %zu MiB available",
                         mib(a->bytes), available >> 20);
    if (huge) mapped = (a->bytes + huge_page - 1) / huge_page * huge_page + huge_page;
    a->map = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (a->map == MAP_FAILED)
        return sdrt_fail(log, SDRT_E_NOMEM, "arena of %zu MiB: %s", mib(a->bytes),
                         strerror(errno));
    a->mapped = mapped;
    a->base = a->map;
    if (huge) {
        const size_t past = (uintptr_t)a->map % huge_page;
        if (past) a->base += huge_page - past;
        sdrt_memory_want_huge(a->base, a->bytes);
    }
    return SDRT_OK;
}

int sdrt_arena_create(struct sdrt_arena **out, size_t bytes, const struct sdrt_log *log)
{
    struct sdrt_arena *a;
    int status;

    *out = NULL;
    if (!bytes) return sdrt_fail(log, SDRT_E_ARG, "arena of 0 bytes: expected more");
    a = calloc(1, sizeof *a);
    if (!a) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for an arena");
    a->bytes = bytes;
    status = map_memory(a, log);
    if (status != SDRT_OK)
        free(a);
    else
        *out = a;
    return status;
}

void sdrt_arena_free(struct sdrt_arena **arena)
{
    struct sdrt_arena *a = *arena;

    if (!a) return;
    munmap(a->map, a->mapped);
    free(a);
    *arena = NULL;
}

void *sdrt_arena_base(const struct sdrt_arena *arena) { return arena->base; }
size_t sdrt_arena_bytes(const struct sdrt_arena *arena) { return arena->bytes; }
