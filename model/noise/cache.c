/* SPDX-License-Identifier: MIT */
#include "model/noise/cache.h"
#include "model/noise/named.h"

enum { MOST_EVERY = 100, MOST_FIRST = 1000, MOST_LAYERS = 16 };

#define IN(member) offsetof(struct sdrt_cache, member)

static const struct sdrt_named_kind kinds[] = {
    [SDRT_CACHE_NONE] = { .name = "none" },
    [SDRT_CACHE_TAYLOR] = { "taylor",
                            { { "every", IN(every), 2, MOST_EVERY, 2, 1 },
                              { "first", IN(first), 1, MOST_FIRST, 4, 1 },
                              { "last", IN(last), 0, MOST_FIRST, 2, 1 } } },
    [SDRT_CACHE_EASY] = { "easycache",
                          { { "threshold", IN(threshold), 0, 10, 0.05, 0 },
                            { "first", IN(first), 2, MOST_FIRST, 3, 1 },
                            { "last", IN(last), 0, MOST_FIRST, 2, 1 } } },
    [SDRT_CACHE_DEEP] = { "deepcache",
                          { { "every", IN(every), 2, MOST_EVERY, 2, 1 },
                            { "first", IN(first), 1, MOST_FIRST, 2, 1 },
                            { "last", IN(last), 0, MOST_FIRST, 2, 1 },
                            { "order", IN(order), 0, 1, 1, 1 },
                            { "layers", IN(layers), 1, MOST_LAYERS, 1, 1 } } },
    [SDRT_CACHE_GATE] = { "tgate", { { "gate", IN(first), 1, MOST_FIRST, 10, 1 } } },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

const char *sdrt_cache_name(int i) { return i >= 0 && i + 1 < KINDS ? kinds[i + 1].name : NULL; }

static const struct sdrt_named list = { "cache", kinds, KINDS, sdrt_cache_name };

int sdrt_cache_parse(struct sdrt_cache *out, const char *text, const struct sdrt_log *log)
{
    *out = (struct sdrt_cache){ .kind = SDRT_CACHE_NONE };
    const int kind = text ? sdrt_named_parse(&list, out, text, log) : SDRT_CACHE_NONE;

    if (kind < 0) return kind;
    out->kind = (enum sdrt_cache_kind)kind;
    return SDRT_OK;
}

char *sdrt_cache_text(const struct sdrt_cache *c, char *text, size_t size)
{
    if (c->kind != SDRT_CACHE_NONE) return sdrt_named_text(&list, (int)c->kind, c, text, size);
    *text = '\0';
    return text;
}

int sdrt_cache_whole(const struct sdrt_cache *c, int e, int n)
{
    if (c->kind == SDRT_CACHE_NONE || e < (int)c->first || e >= n - (int)c->last) return 1;
    if (c->kind == SDRT_CACHE_EASY || c->kind == SDRT_CACHE_GATE) return 0;
    return (e + 1 - (int)c->first) % (int)c->every == 0;
}
