/* SPDX-License-Identifier: MIT */
#include "model/text/prompt_variants.h"
#include "model/text/prompt_weights.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One text on its way. */
struct variants {
    FILE *out;
    uint64_t state;
    const char *what;
    const struct sdrt_log *log;
};

/* A piece of the text, not ended. */
struct piece {
    const char *at, *end;
};

struct option {
    struct piece text;
    double weight;
};

/* Between a pair of braces. */
struct group {
    struct option options[SDRT_PROMPT_MAX_OPTIONS];
    int n;
    int low, high; /* how many of them are taken */
    struct piece between;
};

/* Steele et al. 2014, "Fast splittable pseudorandom number generators"; 0 to below 1. */
static double next(struct variants *v)
{
    uint64_t z = v->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static int is_escaped(const char *p, const char *end)
{
    return *p == '\\' && p + 1 < end && strchr("{}|", p[1]);
}

/* The brace that closes what begins before p; NULL where there is none. */
static const char *closing(const char *p, const char *end)
{
    int depth = 0;

    for (; p < end; p++) {
        if (is_escaped(p, end)) p++;
        else if (*p == '{') depth++;
        else if (*p == '}' && !depth--) return p;
    }
    return NULL;
}

/* The first place from p on where mark stands outside of braces and square brackets; end where it does not. */
static const char *find_outside(const char *p, const char *end, const char *mark)
{
    const size_t n = strlen(mark);
    int depth = 0;

    for (; p < end; p++) {
        if (is_escaped(p, end)) p++;
        else if (*p == '{' || *p == '[') depth++;
        else if ((*p == '}' || *p == ']') && depth) depth--;
        else if (!depth && (size_t)(end - p) >= n && !strncmp(p, mark, n)) return p;
    }
    return end;
}

static int refuse(const struct variants *v, const char *at, const char *end, const char *expected)
{
    const int shown = end - at < 40 ? (int)(end - at) : 40;

    return sdrt_fail(v->log, SDRT_E_ARG, "%s: \"%.*s\": expected %s", v->what, shown, at, expected);
}

/* "2" or "1-3" in all of a piece. */
static int take_count(const struct variants *v, struct group *g, const char *at, const char *end)
{
    int n = 0, m = 0;

    if (end - at > 7 || strspn(at, "0123456789-") < (size_t)(end - at) ||
        sscanf(at, "%d%n", &g->low, &n) != 1)
        return refuse(v, at, end, "how many options, such as 2 or 1-3, before $$");
    g->high = g->low;
    if (at + n < end && (at[n] != '-' || sscanf(at + n + 1, "%d%n", &g->high, &m) != 1)) m = -1;
    const char *read = at + n + (m ? m + 1 : 0);
    if (m < 0 || read != end || g->low < 0 || g->low > g->high)
        return refuse(v, at, end, "how many options, such as 2 or 1-3, before $$");
    return SDRT_OK;
}

/* What stands before the options: a count, and perhaps what is put between them. */
static int take_head(const struct variants *v, struct group *g, struct piece *inner)
{
    static const char comma[] = ", ";
    const char *bar = find_outside(inner->at, inner->end, "|");
    const char *mark = find_outside(inner->at, bar, "$$");

    g->low = g->high = 1;
    g->between = (struct piece){ comma, comma + 2 };
    if (mark == bar) return SDRT_OK;
    const int status = take_count(v, g, inner->at, mark);
    inner->at = mark + 2;
    const char *second = find_outside(inner->at, bar, "$$");
    if (status != SDRT_OK || second == bar) return status;
    g->between = (struct piece){ inner->at, second };
    inner->at = second + 2;
    return SDRT_OK;
}

/* "3::" in front of an option, where that is a number. */
static int take_weight(const struct variants *v, struct option *o)
{
    const char *mark = find_outside(o->text.at, o->text.end, "::");
    const size_t n = (size_t)(mark - o->text.at);
    char number[32], *end;

    o->weight = 1.0;
    if (mark == o->text.end || n >= sizeof number) return SDRT_OK;
    memcpy(number, o->text.at, n);
    number[n] = '\0';
    const double weight = sdrt_parse_number(number, &end);
    if (end == number || *end) return SDRT_OK;
    if (!(weight >= 0.0 && isfinite(weight)))
        return refuse(v, o->text.at, o->text.end, "a weight of 0 or more before ::");
    o->weight = weight;
    o->text.at = mark + 2;
    return SDRT_OK;
}

static int take_options(const struct variants *v, struct group *g, struct piece inner)
{
    int status = SDRT_OK;

    g->n = 0;
    for (const char *at = inner.at; status == SDRT_OK;) {
        const char *bar = find_outside(at, inner.end, "|");
        if (g->n == SDRT_PROMPT_MAX_OPTIONS)
            return refuse(v, inner.at, inner.end, "at most 256 options in a pair of braces");
        struct option *o = &g->options[g->n++];
        o->text = (struct piece){ at, bar };
        status = take_weight(v, o);
        if (bar == inner.end) break;
        at = bar + 1;
    }
    return status;
}

/* Takes one of the options that are left, which then is not; -1 where none is. */
static int draw(struct variants *v, struct group *g)
{
    double sum = 0.0, at;
    int last = -1;

    for (int i = 0; i < g->n; i++) sum += g->options[i].weight;
    if (!(sum > 0.0)) return -1;
    at = next(v) * sum;
    for (int i = 0; i < g->n; i++) {
        if (!(g->options[i].weight > 0.0)) continue;
        last = i;
        at -= g->options[i].weight;
        if (at < 0.0) break;
    }
    g->options[last].weight = 0.0;
    return last;
}

static int write_piece(struct variants *v, struct piece p, int depth);

static int write_group(struct variants *v, struct piece inner, int depth)
{
    struct group *g = depth < SDRT_PROMPT_MAX_DEPTH ? malloc(sizeof *g) : NULL;

    if (depth >= SDRT_PROMPT_MAX_DEPTH)
        return sdrt_fail(v->log, SDRT_E_ARG, "%s: expected at most %d open braces", v->what,
                         SDRT_PROMPT_MAX_DEPTH);
    if (!g) return sdrt_fail(v->log, SDRT_E_NOMEM, "%s: no memory for its options", v->what);
    int status = take_head(v, g, &inner);
    if (status == SDRT_OK) status = take_options(v, g, inner);
    const int range = status == SDRT_OK ? g->high - g->low : 0;
    int wanted = status == SDRT_OK ? g->low : 0;
    if (range > 0) wanted += (int)(next(v) * (range + 1));
    for (int k = 0; k < wanted && status == SDRT_OK; k++) {
        const int i = draw(v, g);
        if (i < 0) break;
        if (k) status = write_piece(v, g->between, depth + 1);
        if (status == SDRT_OK) status = write_piece(v, g->options[i].text, depth + 1);
    }
    free(g);
    return status;
}

static int write_piece(struct variants *v, struct piece p, int depth)
{
    int status = SDRT_OK;

    for (; p.at < p.end && status == SDRT_OK; p.at++) {
        if (is_escaped(p.at, p.end)) {
            fputc(*++p.at, v->out);
        } else if (*p.at == '{') {
            const char *end = closing(p.at + 1, p.end);
            if (!end) return refuse(v, p.at, p.end, "a } for this {, or \\{ for the character");
            status = write_group(v, (struct piece){ p.at + 1, end }, depth);
            p.at = end;
        } else if (*p.at == '}') {
            return refuse(v, p.at, p.end, "a { before this }, or \\} for the character");
        } else {
            fputc(*p.at, v->out);
        }
    }
    return status;
}

int sdrt_prompt_vary(char **out, const char *text, uint64_t seed, const char *what,
                     const struct sdrt_log *log)
{
    size_t size;
    struct variants v = { .state = seed, .what = what, .log = log };

    *out = NULL;
    v.out = open_memstream(out, &size);
    if (!v.out) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its text", what);
    int status = write_piece(&v, (struct piece){ text, text + strlen(text) }, 0);
    if (fclose(v.out) && status == SDRT_OK)
        status = sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its text", what);
    if (status == SDRT_OK) return SDRT_OK;
    free(*out);
    *out = NULL;
    return status;
}
