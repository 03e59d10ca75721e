/* SPDX-License-Identifier: MIT */
#include "model/noise/cache.h"
#include "runtime/base/choices.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { OPTIONS = 6, MOST_EVERY = 100, MOST_FIRST = 1000, MOST_LAYERS = 16 };

struct option {
    const char *name;
    size_t at; /* of the double in struct sdrt_cache */
    double low, high, usual;
    int whole;
};

#define IN(member) offsetof(struct sdrt_cache, member)

static const struct {
    const char *name;
    struct option options[OPTIONS]; /* end with no name */
} kinds[] = {
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
};
enum { KINDS = sizeof kinds / sizeof *kinds };

const char *sdrt_cache_name(int i) { return i >= 0 && i + 1 < KINDS ? kinds[i + 1].name : NULL; }

static double *value_of(struct sdrt_cache *c, const struct option *o)
{
    return (double *)(void *)((char *)c + o->at);
}

/* The option of kind that text begins with, n bytes; NULL for none. */
static const struct option *find(enum sdrt_cache_kind kind, const char *text, size_t n)
{
    const struct option *o = kinds[kind].options;

    while (o->name && (strlen(o->name) != n || strncmp(o->name, text, n))) o++;
    return o->name ? o : NULL;
}

/* "every and dense": of a kind's options, for a message. */
static const char *options_of(enum sdrt_cache_kind kind, char *text, size_t size)
{
    size_t used = 0;

    *text = '\0';
    for (const struct option *o = kinds[kind].options; o->name && used < size; o++)
        used += (size_t)snprintf(text + used, size - used, "%s%s=%g", used ? "," : "", o->name,
                                 o->usual);
    return text;
}

/* One "option=number" at text, n bytes. */
static int take(struct sdrt_cache *c, const char *whole, const char *text, size_t n,
                const struct sdrt_log *log)
{
    const size_t name = strcspn(text, "=");
    const struct option *o = name < n ? find(c->kind, text, name) : NULL;
    char known[128], *end;

    if (!o)
        return sdrt_fail(log, SDRT_E_ARG, "cache %s: \"%.*s\": expected options such as %s", whole,
                         (int)n, text, options_of(c->kind, known, sizeof known));
    const double value = sdrt_parse_number(text + name + 1, &end);
    if (end != text + n || !(value >= o->low && value <= o->high) ||
        (o->whole && value != rint(value)))
        return sdrt_fail(log, SDRT_E_ARG, "cache %s: %.*s: expected a %snumber from %g to %g",
                         whole, (int)n, text, o->whole ? "whole " : "", o->low, o->high);
    *value_of(c, o) = value;
    return SDRT_OK;
}

int sdrt_cache_parse(struct sdrt_cache *out, const char *text, const struct sdrt_log *log)
{
    const size_t name = text ? strcspn(text, ":") : 0;
    char known[SDRT_CHOICES];
    int kind = 0, status = SDRT_OK;

    *out = (struct sdrt_cache){ .kind = SDRT_CACHE_NONE };
    if (!text) return SDRT_OK;
    while (kind < KINDS &&
           (strlen(kinds[kind].name) != name || strncmp(kinds[kind].name, text, name)))
        kind++;
    if (kind == KINDS)
        return sdrt_fail(log, SDRT_E_ARG, "unknown cache \"%.*s\": expected %s", (int)name, text,
                         sdrt_choices(known, sdrt_cache_name));
    out->kind = (enum sdrt_cache_kind)kind;
    for (const struct option *o = kinds[kind].options; o->name; o++) *value_of(out, o) = o->usual;
    for (const char *at = text + name; *at && status == SDRT_OK;) {
        const size_t n = strcspn(++at, ",");
        status = take(out, text, at, n, log);
        at += n;
    }
    return status;
}

char *sdrt_cache_text(const struct sdrt_cache *c, char *text, size_t size)
{
    const struct option *o = kinds[c->kind].options;
    struct sdrt_cache copy = *c;
    size_t used = (size_t)snprintf(text, size, "%s", c->kind ? kinds[c->kind].name : "");

    for (int i = 0; o[i].name && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%c%s=%.9g", i ? ',' : ':', o[i].name,
                                 *value_of(&copy, &o[i]));
    return text;
}

int sdrt_cache_whole(const struct sdrt_cache *c, int e, int n)
{
    if (c->kind == SDRT_CACHE_NONE || e < (int)c->first || e >= n - (int)c->last) return 1;
    if (c->kind == SDRT_CACHE_EASY) return 0;
    return (e + 1 - (int)c->first) % (int)c->every == 0;
}
