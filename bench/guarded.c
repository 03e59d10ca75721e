/* SPDX-License-Identifier: MIT */
#include "bench/guarded.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALIGN = 64, FILL = 0xff };

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static size_t rounded(size_t n, size_t to) { return (n + to - 1) / to * to; }

int sdrt_guarded_create(struct sdrt_guarded *g, const char *name, size_t bytes, int at_end)
{
    const size_t body = rounded(bytes, page()), all = body + 2 * page();
    char *map = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *g = (struct sdrt_guarded){ .name = name };
    if (map == MAP_FAILED) return 0;
    *g = (struct sdrt_guarded){ .bytes = bytes, .name = name, .map = map, .mapped = all };
    g->p = map + page() + (at_end ? body - rounded(bytes, ALIGN) : 0);
    if (body && mprotect(map + page(), body, PROT_READ | PROT_WRITE) != 0) {
        sdrt_guarded_free(g);
        return 0;
    }
    memset(map + page(), FILL, body);
    return 1;
}

void sdrt_guarded_free(struct sdrt_guarded *g)
{
    if (g->map) munmap(g->map, g->mapped);
    g->map = NULL;
    g->p = NULL;
}

void sdrt_guarded_lock(const struct sdrt_guarded *g, int read_only)
{
    const size_t body = g->map ? g->mapped - 2 * page() : 0;

    if (body) mprotect(g->map + page(), body, PROT_READ | (read_only ? 0 : PROT_WRITE));
}

void sdrt_guarded_poison(struct sdrt_guarded *g)
{
    if (g->bytes) memset(g->p, FILL, g->bytes);
}

int sdrt_guarded_intact(const struct sdrt_guarded *g)
{
    const char *const end = (const char *)g->p + g->bytes, *const last = g->map + g->mapped -
                                                                         page();
    int ok = 1;

    if (!g->map) return 1;
    for (const char *c = g->map + page(); c < (const char *)g->p; c++) ok &= (*c & FILL) == FILL;
    for (const char *c = end; c < last; c++) ok &= (*c & FILL) == FILL;
    return ok;
}

enum sdrt_guarded_place sdrt_guarded_place(const struct sdrt_guarded *g, const void *address)
{
    const char *const at = address, *const begin = g->p;

    if (!g->map || at < g->map || at >= g->map + g->mapped) return SDRT_ELSEWHERE;
    return at < begin ? SDRT_BEFORE : at < begin + g->bytes ? SDRT_INSIDE : SDRT_PAST;
}
