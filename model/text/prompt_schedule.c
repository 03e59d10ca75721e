/* SPDX-License-Identifier: MIT */
#include "model/text/prompt_schedule.h"
#include "model/text/prompt_weights.h"
#include "runtime/base/numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sdrt_prompt_parts_clear(struct sdrt_prompt_parts *parts)
{
    for (int i = 0; i < parts->n; i++) {
        struct sdrt_prompt_part *p = &parts->at[i];
        for (int k = 0; k < p->n_texts; k++) free(p->texts[k]);
        free(p->texts);
        free(p->counts);
        free(p->stretches);
    }
    *parts = (struct sdrt_prompt_parts){ 0 };
}

int sdrt_prompt_text_at(const struct sdrt_prompt_part *part, int evaluation)
{
    for (int i = 0; i < part->n_stretches; i++)
        if (evaluation <= part->stretches[i].last) return part->stretches[i].text;
    return part->stretches[part->n_stretches - 1].text;
}

/* ---- reading brackets ---- */

enum kind { NO_GROUP, EMPHASIZED, SCHEDULED, ALTERNATING };

enum { MAX_PIECES = 64 };

/* A pair of brackets: its pieces, cut at colons or bars of its own. */
struct group {
    enum kind kind;
    const char *end;                   /* behind the closing bracket */
    const char *piece[MAX_PIECES + 1]; /* each ends a byte before the next begins */
    int pieces;
};

/* Lark's SIGNED_NUMBER within white space, and nothing else, from at to end. */
static int number_of(const char *at, const char *end, double *value, int *has_point)
{
    const char *p = at + sdrt_prompt_space_at(at), *first = p;
    char *after, text[64];
    int digits = 0;

    if (*p == '+' || *p == '-') p++;
    const char *whole = p;
    p += strspn(p, "0123456789");
    digits = (int)(p - whole);
    *has_point = *p == '.';
    if (*has_point) {
        const size_t n = strspn(++p, "0123456789");
        p += n;
        digits += (int)n;
    }
    if (!digits) return 0;
    if (*p == 'e' || *p == 'E') {
        const char *q = p + 1;
        if (*q == '+' || *q == '-') q++;
        const size_t n = strspn(q, "0123456789");
        if (n) p = q + n;
    }
    if ((size_t)(p - first) >= sizeof text) return 0;
    memcpy(text, first, (size_t)(p - first));
    text[p - first] = '\0';
    *value = sdrt_parse_number(text, &after);
    p += sdrt_prompt_space_at(p);
    return p == end && !*after;
}

static int group_at(const char *at, int depth, struct group *g);

/* Behind what a prompt within brackets may be made of: text, escapes, pairs of brackets.  NULL where
 * brackets are too deep. */
static const char *prompt_end(const char *p, int depth)
{
    while (*p) {
        if (*p == '\\') {
            if (!p[1] || p[1] == '\n') return p;
            p += 2;
        } else if (*p == '(' || *p == '[') {
            struct group *g = malloc(sizeof *g);
            if (!g || group_at(p, depth + 1, g) < 0) {
                free(g);
                return NULL;
            }
            const char *end = g->kind ? g->end : NULL;
            free(g);
            if (!end) return p;
            p = end;
        } else if (strchr(")]:|", *p)) {
            return p;
        } else {
            p++;
        }
    }
    return p;
}

/* What its pieces make of a closed pair of brackets. */
static enum kind kind_of(const struct group *g, char open, int colons, int bars)
{
    double value;
    int has_point;

    if (open == '(') return !bars && colons <= 1 ? EMPHASIZED : NO_GROUP;
    if (bars) return colons ? NO_GROUP : ALTERNATING;
    if (!colons) return EMPHASIZED;
    if (colons > 2) return NO_GROUP;
    return number_of(g->piece[colons], g->end - 1, &value, &has_point) ? SCHEDULED : NO_GROUP;
}

/* Reads the pair of brackets that at opens; -1 where they are too deep, or have too many pieces. */
static int group_at(const char *at, int depth, struct group *g)
{
    const char open = *at, close = open == '(' ? ')' : ']';
    const char *p = at + 1;
    int colons = 0, bars = 0;

    g->kind = NO_GROUP;
    g->pieces = 0;
    if (depth > SDRT_PROMPT_MAX_DEPTH) return -1;
    for (;;) {
        if (g->pieces == MAX_PIECES) return -1;
        g->piece[g->pieces++] = p;
        p = prompt_end(p, depth);
        if (!p) return -1;
        if (*p != ':' && *p != '|') break;
        colons += *p == ':';
        bars += *p == '|';
        p++;
    }
    if (*p != close) return 0;
    g->end = p + 1;
    g->piece[g->pieces] = g->end;
    g->kind = kind_of(g, open, colons, bars);
    return 0;
}

/* Whether the web UI's grammar takes the text: no bar outside brackets that know it, no backslash
 * before nothing; -1 where group_at() fails. */
static int is_valid(const char *p)
{
    struct group g;

    while (*p) {
        if (*p == '|' || (*p == '\\' && (!p[1] || p[1] == '\n'))) return 0;
        if (*p == '\\') {
            p += 2;
            continue;
        }
        if (*p == '(' || *p == '[') {
            if (group_at(p, 0, &g) < 0) return -1;
            if (g.kind) {
                p = g.end;
                continue;
            }
        }
        p++;
    }
    return 1;
}

/* ---- a text at a step ---- */

/* The step up to which the first text of a scheduled pair of brackets holds. */
static int step_of(const struct group *g, int steps)
{
    double value = 0;
    int has_point = 0;

    number_of(g->piece[g->pieces - 1], g->end - 1, &value, &has_point);
    if (has_point) value *= steps;
    return value >= steps ? steps : (int)(value > -1e9 ? value : -1e9);
}

/* Marks the steps after which the text from at to end changes. */
static void collect(const char *p, const char *end, int steps, char *marks)
{
    struct group g;

    while (p < end) {
        if (*p == '\\') {
            p += 2;
            continue;
        }
        if ((*p == '(' || *p == '[') && !group_at(p, 0, &g) && g.kind) {
            if (g.kind == ALTERNATING) memset(marks + 1, 1, (size_t)steps);
            if (g.kind == SCHEDULED && step_of(&g, steps) >= 1) marks[step_of(&g, steps)] = 1;
            collect(p + 1, g.end - 1, steps, marks);
            p = g.end;
            continue;
        }
        p++;
    }
}

/* Writes the text from p to end as it is at a step. */
static void write_at(FILE *f, const char *p, const char *end, int step, int steps)
{
    struct group g;

    while (p < end) {
        if (*p == '\\') {
            fwrite(p, 1, 2, f);
            p += 2;
            continue;
        }
        if ((*p != '(' && *p != '[') || group_at(p, 0, &g) || !g.kind) {
            fputc(*p++, f);
            continue;
        }
        int piece = 0;
        if (g.kind == EMPHASIZED) {
            fputc(*p, f);
            write_at(f, p + 1, g.end - 1, step, steps);
            fputc(g.end[-1], f);
        } else if (g.kind == ALTERNATING) {
            piece = (step - 1) % g.pieces;
            write_at(f, g.piece[piece], g.piece[piece + 1] - 1, step, steps);
        } else {
            /* With two pieces, the first is what comes. */
            piece = g.pieces - 3 + (step > step_of(&g, steps));
            if (piece >= 0) write_at(f, g.piece[piece], g.piece[piece + 1] - 1, step, steps);
        }
        p = g.end;
    }
}

static char *text_at(const char *prompt, int step, int steps)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    if (!f) return NULL;
    write_at(f, prompt, prompt + strlen(prompt), step, steps);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}

/* ---- parts ---- */

/* Takes text over, with a stretch of it up to last. */
static void add_stretch(struct sdrt_prompt_part *part, int last, char *text)
{
    int k = 0;

    while (k < part->n_texts && strcmp(part->texts[k], text)) k++;
    if (k < part->n_texts) free(text);
    else part->texts[part->n_texts++] = text;
    part->counts[k]++;
    part->stretches[part->n_stretches++] = (struct sdrt_prompt_stretch){ last, k };
}

static int fill(struct sdrt_prompt_part *part, const char *prompt, int steps, const char *marks,
                int valid)
{
    size_t n = 0;

    for (int t = 1; t <= steps; t++) n += marks[t] != 0;
    part->texts = calloc(n, sizeof *part->texts);
    part->counts = calloc(n, sizeof *part->counts);
    part->stretches = calloc(n, sizeof *part->stretches);
    if (!part->texts || !part->counts || !part->stretches) return SDRT_E_NOMEM;
    for (int t = 1; t <= steps; t++) {
        if (!marks[t]) continue;
        char *text = valid ? text_at(prompt, t, steps) : strdup(prompt);
        if (!text) return SDRT_E_NOMEM;
        add_stretch(part, t, text);
    }
    return SDRT_OK;
}

/* Takes prompt over. */
static int add_part(struct sdrt_prompt_parts *parts, char *prompt, double weight, int steps,
                    int plain, const char *what, const struct sdrt_log *log)
{
    const int valid = !prompt || plain ? 0 : is_valid(prompt);
    char *marks = calloc((size_t)steps + 1, 1);
    int status = SDRT_OK;

    if (valid < 0)
        status = sdrt_fail(log, SDRT_E_ARG,
                           "%s: expected at most %d brackets within each other, "
                           "and %d alternatives",
                           what, SDRT_PROMPT_MAX_DEPTH, MAX_PIECES);
    else if (parts->n == SDRT_PROMPT_MAX_PARTS)
        status = sdrt_fail(log, SDRT_E_ARG, "%s: expected at most %d parts joined by AND", what,
                           SDRT_PROMPT_MAX_PARTS);
    if (status == SDRT_OK && prompt && marks) {
        marks[steps] = 1;
        if (valid) collect(prompt, prompt + strlen(prompt), steps, marks);
        parts->at[parts->n].weight = weight;
        status = fill(&parts->at[parts->n++], prompt, steps, marks, valid);
    } else if (status == SDRT_OK) {
        status = SDRT_E_NOMEM;
    }
    if (status == SDRT_E_NOMEM) sdrt_fail(log, status, "%s: no memory for its parts", what);
    free(marks);
    free(prompt);
    return status;
}

/* Cuts the weight off the end of a part: ":1.2", and the white space before and behind it. */
static double cut_weight(char *part)
{
    char *colon, *after;
    double weight = 1.0;

    part[strlen(part) - sdrt_prompt_space_before(part, part + strlen(part))] = '\0';
    colon = strrchr(part, ':');
    if (!colon) return 1.0;
    const char *number = colon + 1 + sdrt_prompt_space_at(colon + 1), *p = number;
    p += *p == '+' || *p == '-';
    const size_t whole = strspn(p, "0123456789");
    p += whole;
    if (*p == '.') {
        const size_t n = strspn(++p, "0123456789");
        if (!whole && !n) return 1.0;
        p += n;
    } else if (!whole) {
        return 1.0;
    }
    if (*p) return 1.0;
    weight = sdrt_parse_number(number, &after);
    colon -= sdrt_prompt_space_before(part, colon);
    *colon = '\0';
    return weight;
}

int sdrt_prompt_schedule(struct sdrt_prompt_parts *parts, const char *prompt, int steps, int apart,
                         int plain, const char *what, const struct sdrt_log *log)
{
    static const char word[] = "AND";
    const char *from = prompt;
    int status = SDRT_OK;

    if (plain || !apart) return add_part(parts, strdup(prompt), 1.0, steps, plain, what, log);
    while (from && status == SDRT_OK) {
        const char *found = sdrt_prompt_find_word(prompt, from, word);
        char *part = found ? strndup(from, (size_t)(found - from)) : strdup(from);
        const double weight = part ? cut_weight(part) : 1.0;
        status = add_part(parts, part, weight, steps, 0, what, log);
        from = found ? found + strlen(word) : NULL;
    }
    return status;
}
