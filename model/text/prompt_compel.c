/* SPDX-License-Identifier: MIT */
#include "model/text/prompt_compel.h"
#include "runtime/base/grow.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double plus = 1.1, minus = 0.9;
static const char syntax[] = "()\",.+-=", blank[] = " \t\r\n", any_space[] = " \t\r\n\v\f";

void sdrt_compel_clear(struct sdrt_compel *c)
{
    for (size_t i = 0; i < c->n; i++) sdrt_prompt_spans_clear(&c->at[i].spans);
    free(c->at);
    *c = (struct sdrt_compel){ 0 };
}

/* One text on its way.  Functions that read something return what is behind it, NULL where it is not
 * there or status says what is wrong. */
struct reader {
    struct sdrt_prompt_spans *to;
    const char *what;
    const struct sdrt_log *log;
    int depth, status;
};

/* What takes any words, and what within brackets and quotes does not take all of them. */
enum mode { PROMPT, FRAGMENT };

static const char *items(struct reader *r, const char *p, enum mode mode);

static const char *skip(const char *p) { return p + strspn(p, blank); }

static const char *fail(struct reader *r, int status, const char *name, const char *expected)
{
    if (r->status == SDRT_OK)
        r->status = sdrt_fail(r->log, status, "%s: compel's %s: %s", r->what, name, expected);
    return NULL;
}

static const char *no_memory(struct reader *r)
{
    if (r->status == SDRT_OK)
        r->status = sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory for its weights", r->what);
    return NULL;
}

/* ---- pieces ---- */

/* In place; compel does it when it makes a piece and when it copies one. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p; p++) {
        if (*p == '\\' && p[1] && strchr("()\"", p[1])) p++;
        *to++ = *p;
    }
    *to = '\0';
}

static int add(struct reader *r, const char *text, size_t length)
{
    struct sdrt_prompt_spans *s = r->to;
    struct sdrt_prompt_span *at = sdrt_grow(s->at, s->n, &s->cap, sizeof *at);
    char *copy = at ? strndup(text, length) : NULL;

    if (at) s->at = at;
    if (!copy) return no_memory(r), 0;
    unescape(copy);
    unescape(copy);
    s->at[s->n++] = (struct sdrt_prompt_span){ copy, 1.0 };
    return 1;
}

static void take_back(struct reader *r, size_t n)
{
    while (r->to->n > n) free(r->to->at[--r->to->n].text);
}

/* Neighbours of one weight become one piece, with a space between. */
static int fuse(struct reader *r, struct sdrt_prompt_spans *s)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->n;) {
        size_t end = i, bytes = 0;
        while (end < s->n && s->at[end].weight == s->at[i].weight)
            bytes += strlen(s->at[end++].text) + 1;
        char *all = malloc(bytes), *to = all;
        if (!all) return no_memory(r), r->status;
        const double weight = s->at[i].weight;
        for (size_t k = i; k < end; k++) {
            to = stpcpy(to, s->at[k].text);
            *to++ = k + 1 < end ? ' ' : '\0';
            free(s->at[k].text);
            s->at[k].text = NULL;
        }
        s->at[kept++] = (struct sdrt_prompt_span){ all, weight };
        i = end;
    }
    s->n = kept;
    return SDRT_OK;
}

/* ---- words, numbers ---- */

static size_t escape_at(const char *p)
{
    return *p == '\\' && p[1] && strchr(syntax, p[1]) ? 2 : 0;
}

/* Bytes of a character without syntax in it: signs are one only before something else; 0: none. */
static size_t plain_at(const char *p)
{
    const size_t escaped = escape_at(p);

    if (escaped) return escaped;
    if (!*p || strchr(any_space, *p)) return 0;
    if (!strchr(syntax, *p)) return 1;
    return (*p == '+' || *p == '-') && p[1] && !strchr(blank, p[1]) && !strchr(syntax, p[1]);
}

/* Behind a word that has no syntax in it. */
static const char *plain_word(const char *p)
{
    const char *begin = p;

    for (size_t n = plain_at(p); n; n = plain_at(p)) p += n;
    return p > begin ? p : NULL;
}

static const char *number(const char *p, double *value)
{
    char text[64], *end;
    const char *begin = p;

    if (*p == '+' || *p == '-') p++;
    const size_t whole = strspn(p, "0123456789"), point = p[whole] == '.';
    const size_t part = point ? strspn(p + whole + 1, "0123456789") : 0;
    if (!whole && !part) return NULL;
    if (!point && *begin == '+') return NULL; /* as in compel */
    p += whole + point + part;
    if ((size_t)(p - begin) >= sizeof text) return NULL;
    memcpy(text, begin, (size_t)(p - begin));
    text[p - begin] = '\0';
    *value = sdrt_parse_number(text, &end);
    return isfinite(*value) ? p : NULL;
}

/* "++", "--" or, where it may be one, a number. */
static const char *weight_of(const char *p, int numbers, double *weight)
{
    const size_t signs = strspn(p, *p == '+' ? "+" : "-");

    if (!signs) return numbers ? number(p, weight) : NULL;
    *weight = pow(*p == '+' ? plus : minus, (double)signs);
    return p + signs;
}

/* ---- what an operator may stand behind ---- */

/* Behind the quote that ends what begins behind p; one behind a backslash ends it only where no other
 * does. */
static const char *quote_end(const char *p)
{
    const char *last = NULL;

    for (p++; *p && *p != '\n' && *p != '\r'; p++) {
        if (*p == '"') return p + 1;
        if (*p == '\\' && p[1] == '"') last = ++p + 1;
    }
    return last;
}

/* What is between quotes, with those within escaped; the caller frees it. */
static char *unquoted(const char *begin, const char *end)
{
    static const char from[] = "tnfr", into[] = "\t\n\f\r";
    char *out = malloc((size_t)(end - begin) * 2 + 1), *to = out;

    for (const char *p = begin; out && p < end; p++) {
        const char *escape = *p == '\\' && p + 1 < end && p[1] ? strchr(from, p[1]) : NULL;
        if (*p == '"') *to++ = '\\';
        if (escape) *to++ = into[escape - from];
        else if (*p == '\\' && p + 1 < end && p[1] == '"') continue;
        else *to++ = *p;
        p += escape != NULL;
    }
    if (out) *to = '\0';
    return out;
}

static const char *within(struct reader *r, const char *p, enum mode mode)
{
    if (r->depth == SDRT_PROMPT_MAX_DEPTH) {
        if (r->status == SDRT_OK)
            r->status = sdrt_fail(r->log, SDRT_E_ARG, "%s: expected at most %d open brackets",
                                  r->what, SDRT_PROMPT_MAX_DEPTH);
        return NULL;
    }
    r->depth++;
    p = items(r, p, mode);
    r->depth--;
    return p;
}

/* "some words"; whole is 1 for a prompt of an operator, which may have anything within. */
static const char *quoted(struct reader *r, const char *p, int whole)
{
    const char *end = quote_end(p);
    const size_t before = r->to->n;

    if (!end) return NULL;
    char *inner = unquoted(p + 1, end - 1);
    if (!inner) return no_memory(r);
    int good = !inner[strspn(inner, any_space)] ? add(r, "", 0) : 0;
    for (int mode = FRAGMENT; !good && r->status == SDRT_OK && mode >= (whole ? PROMPT : FRAGMENT);
         mode--) {
        const char *behind = within(r, inner, (enum mode)mode);
        good = behind && !*skip(behind);
        if (!good) take_back(r, before);
    }
    free(inner);
    return good ? end : NULL;
}

static const char *bracketed(struct reader *r, const char *p)
{
    const size_t before = r->to->n;
    const char *end = within(r, p + 1, FRAGMENT);

    if (end && *(end = skip(end)) == ')') return end + 1;
    take_back(r, before);
    return NULL;
}

/* *is_word tells a bare word, whose weight may be no number. */
static const char *target(struct reader *r, const char *p, int whole, int *is_word)
{
    *is_word = 0;
    if (*p == '"') return quoted(r, p, whole);
    if (*p == '(') return bracketed(r, p);
    *is_word = 1;
    const char *end = plain_word(p);
    return end && add(r, p, (size_t)(end - p)) ? end : NULL;
}

/* ---- what stands behind it ---- */

/* Behind name and its bracket, with white space around. */
static const char *call(const char *p, const char *name)
{
    p = skip(p);
    if (strncmp(p, name, strlen(name))) return NULL;
    p = skip(p + strlen(name));
    return *p == '(' ? skip(p + 1) : NULL;
}

static const char *refuse_swap(struct reader *r)
{
    return fail(r, SDRT_E_UNSUPPORTED, ".swap",
                "expected a prompt without it: control of cross-attention is not there");
}

static const char *refuse_lora(struct reader *r)
{
    return fail(
        r, SDRT_E_UNSUPPORTED, "withLora",
        "expected a prompt without it: LoRAs are given beside the prompt, or as <lora:NAME:SCALE>");
}

/* The weight of what was read since before, and what is behind that; NULL for none. */
static const char *attention(struct reader *r, const char *p, size_t before, int is_word)
{
    double weight = 1.0;
    const char *end = call(p, ".attend");

    if (end) end = weight_of(end, 1, &weight);
    if (end) end = *(end = skip(end)) == ')' ? end + 1 : NULL;
    if (!end) end = weight_of(p, !is_word, &weight);
    for (size_t i = before; end && i < r->to->n; i++) r->to->at[i].weight *= weight;
    return end;
}

/* An operator that compel would take for text. */
static const char *stray(const char *p, const char *end)
{
    static const char *const names[] = { ".and", ".add", ".blend", ".attend", ".swap" };

    for (; p < end; p++)
        for (size_t i = 0; *p == '.' && i < sizeof names / sizeof *names; i++)
            if (call(p, names[i])) return names[i];
    return NULL;
}

static const char *free_word(struct reader *r, const char *p)
{
    const char *end = p + strcspn(p, any_space), *name = stray(p, end);

    if (name && !strcmp(name, ".swap")) return refuse_swap(r);
    if (name && !strcmp(name, ".attend"))
        return fail(r, SDRT_E_ARG, name, "expected (words).attend(1.3)");
    if (name)
        return fail(
            r, SDRT_E_ARG, name,
            "expected (\"a\", \"b\") before it, numbers in its brackets and nothing else in "
            "the prompt");
    return add(r, p, (size_t)(end - p)) ? end : NULL;
}

static const char *item(struct reader *r, const char *p, enum mode mode)
{
    const size_t before = r->to->n;
    int is_word;

    if (call(p, "withLora") || call(p, "useLora")) return refuse_lora(r);
    const char *end = target(r, p, 0, &is_word);
    if (end && call(end, ".swap")) return refuse_swap(r);
    const char *weighed = end ? attention(r, end, before, is_word) : NULL;
    if (weighed) return weighed;
    if (end && (mode == FRAGMENT || !is_word)) return end;
    if (r->status != SDRT_OK) return NULL;
    take_back(r, before);
    if (mode == PROMPT) return free_word(r, p);
    return (*p == ',' || *p == '.') && add(r, p, 1) ? p + 1 : NULL;
}

/* As many as there are, none too. */
static const char *items(struct reader *r, const char *p, enum mode mode)
{
    for (;;) {
        const char *at = p + strspn(p, mode == PROMPT ? any_space : blank);
        const char *end = *at ? item(r, at, mode) : NULL;
        if (r->status != SDRT_OK) return NULL;
        if (!end) return p;
        p = end;
    }
}

/* ---- a whole prompt ---- */

static struct sdrt_compel_part *add_part(struct reader *r, struct sdrt_compel *c)
{
    struct sdrt_compel_part *at = sdrt_grow(c->at, c->n, &c->cap, sizeof *at);

    if (!at) return no_memory(r), NULL;
    c->at = at;
    at += c->n++;
    *at = (struct sdrt_compel_part){ .weight = 1.0 };
    r->to = &at->spans;
    return at;
}

/* ("a", "b"): behind it, and its parts. */
static const char *listed(struct reader *r, const char *p, struct sdrt_compel *c)
{
    int is_word;

    if (*p != '(') return NULL;
    do {
        p = skip(p + 1);
        if (!add_part(r, c)) return NULL;
        p = target(r, p, 1, &is_word);
        if (!p) return NULL;
        p = skip(p);
    } while (*p == ',');
    return *p == ')' ? p + 1 : NULL;
}

/* The weights of an operator, one for each part or none; *raw tells that .blend()'s stay as they are. */
static const char *arguments(const char *p, struct sdrt_compel *c, int *raw)
{
    static const char flag[] = "no_normalize";
    size_t n = 0;

    *raw = 0;
    while (*p != ')' || n) {
        double value;
        const char *end = number(p, &value);
        if (c->blended && !strncmp(p, flag, strlen(flag))) {
            *raw = 1;
            p = skip(p + strlen(flag));
            break;
        }
        if (!end || n == c->n) return NULL;
        c->at[n++].weight = value;
        p = skip(end);
        if (*p != ',') break;
        p = skip(p + 1);
    }
    return *p == ')' && (!n || n == c->n) ? p + 1 : NULL;
}

static int normalize(struct reader *r, struct sdrt_compel *c)
{
    double sum = 0;

    for (size_t i = 0; i < c->n; i++) sum += c->at[i].weight;
    if (sum == 0.0)
        return fail(r, SDRT_E_ARG, ".blend", "expected weights whose sum is not 0"), r->status;
    for (size_t i = 0; i < c->n; i++) c->at[i].weight /= sum;
    return SDRT_OK;
}

/* A prompt that is an operator and its parts; 0 where it is none. */
static int joined(struct reader *r, const char *p, struct sdrt_compel *c)
{
    const char *behind = listed(r, skip(p), c), *end = NULL, *name = ".and";
    int raw = 1;

    if (!behind) return 0;
    for (size_t i = 0; i < 2 && !end; i++) end = call(behind, i ? ".add" : ".and");
    if (!end) {
        name = ".blend";
        end = call(behind, ".blend");
        c->blended = end != NULL;
    }
    if (!end) return 0;
    end = arguments(end, c, &raw);
    if (!end)
        fail(r, SDRT_E_ARG, name,
             c->blended ? "expected a number for each part, or none, and no_normalize behind them"
                        : "expected a number for each part, or none");
    else if (*skip(end)) fail(r, SDRT_E_ARG, name, "expected nothing else in the prompt");
    for (size_t i = 0; i < c->n && r->status == SDRT_OK; i++)
        if (!c->at[i].spans.n) fail(r, SDRT_E_ARG, name, "expected words in each part");
    if (r->status == SDRT_OK && c->blended && !raw) normalize(r, c);
    return 1;
}

/* A comma is followed by white space. */
static char *spaced(const char *text)
{
    char *out = malloc(2 * strlen(text) + 1), *to = out;

    for (const char *p = text; out && *p; p++) {
        *to++ = *p;
        if (*p != ',' || !p[1] || sdrt_prompt_space_at(p + 1)) continue;
        *to++ = ' ';
        *to++ = *++p;
    }
    if (out) *to = '\0';
    return out;
}

int sdrt_compel_read(struct sdrt_compel *c, const char *text, const char *what,
                     const struct sdrt_log *log)
{
    struct reader r = { .what = what, .log = log };
    char *all = spaced(text);

    if (!all) no_memory(&r);
    if (r.status == SDRT_OK && !joined(&r, all, c) && r.status == SDRT_OK) {
        sdrt_compel_clear(c);
        if (add_part(&r, c)) items(&r, all, PROMPT);
        if (r.status == SDRT_OK && !c->at[0].spans.n) add(&r, "", 0);
    }
    for (size_t i = 0; i < c->n && r.status == SDRT_OK; i++) fuse(&r, &c->at[i].spans);
    free(all);
    return r.status;
}
