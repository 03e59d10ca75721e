/* SPDX-License-Identifier: MIT */
#include "model/text/prompt_weights.h"
#include "model/text/codepoints.h"
#include "runtime/base/grow.h"
#include "runtime/base/numbers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char break_word[] = "BREAK", and_word[] = "AND";
static const double emphasis = 1.1;

const char *sdrt_prompt_style_name(int style)
{
    static const char *const names[SDRT_PROMPT_STYLES] = {
        [SDRT_PROMPT_A1111] = "a1111",
        [SDRT_PROMPT_COMFY] = "comfy",
        [SDRT_PROMPT_COMPEL] = "compel",
        [SDRT_PROMPT_PLAIN] = "plain",
    };

    return (unsigned)style < SDRT_PROMPT_STYLES ? names[style] : NULL;
}

/* ---- characters ---- */

/* The code point that ends before end; 0 at the begin. */
static uint32_t codepoint_before(const char *begin, const char *end, size_t *size)
{
    const char *p = end;
    uint32_t codepoint = 0;

    *size = 0;
    if (p == begin) return 0;
    do p--;
    while (p > begin && ((unsigned char)*p & 0xC0) == 0x80 && end - p < 4);
    *size = (size_t)(end - p);
    if (sdrt_utf8_decode((const uint8_t *)p, *size, &codepoint) < 0)
        codepoint = SDRT_REPLACEMENT_CHARACTER;
    return codepoint;
}

static uint32_t codepoint_at(const char *at, size_t *size)
{
    uint32_t codepoint = 0;

    *size = 0;
    if (!*at) return 0;
    const int n = sdrt_utf8_decode((const uint8_t *)at, strnlen(at, 4), &codepoint);
    *size = (size_t)(n < 0 ? -n : n);
    return n < 0 ? SDRT_REPLACEMENT_CHARACTER : codepoint;
}

/* Python's \w. */
static int is_word(uint32_t c) { return c == '_' || sdrt_is_letter(c) || sdrt_is_number(c); }

size_t sdrt_prompt_space_before(const char *begin, const char *end)
{
    size_t total = 0, size;

    while (sdrt_is_space(codepoint_before(begin, end - total, &size)) && size) total += size;
    return total;
}

size_t sdrt_prompt_space_at(const char *at)
{
    size_t total = 0, size;

    while (sdrt_is_space(codepoint_at(at + total, &size)) && size) total += size;
    return total;
}

const char *sdrt_prompt_find_word(const char *text, const char *from, const char *word)
{
    const size_t length = strlen(word);
    size_t size;

    for (const char *p = strstr(from, word); p; p = strstr(p + 1, word))
        if (!is_word(codepoint_before(text, p, &size)) && !is_word(codepoint_at(p + length, &size)))
            return p;
    return NULL;
}

int sdrt_prompt_has_syntax(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '(' || *p == '[') return 1;
        if (*p == '\\' && p[1]) p++;
    }
    return sdrt_prompt_find_word(text, text, break_word) ||
           sdrt_prompt_find_word(text, text, and_word);
}

/* ---- pieces ---- */

void sdrt_prompt_spans_clear(struct sdrt_prompt_spans *spans)
{
    for (size_t i = 0; i < spans->n; i++) free(spans->at[i].text);
    free(spans->at);
    *spans = (struct sdrt_prompt_spans){ 0 };
}

int sdrt_prompt_is_break(const struct sdrt_prompt_span *span)
{
    return span->weight == -1.0 && !strcmp(span->text, break_word);
}

/* One text on its way. */
struct reader {
    struct sdrt_prompt_spans *spans;
    size_t first;                                                       /* of this text's pieces */
    size_t round[SDRT_PROMPT_MAX_DEPTH], square[SDRT_PROMPT_MAX_DEPTH]; /* where open ones began */
    int rounds, squares;
    const char *what;
    const struct sdrt_log *log;
};

static int add(struct reader *r, const char *text, size_t length, double weight)
{
    struct sdrt_prompt_spans *s = r->spans;
    struct sdrt_prompt_span *at = sdrt_grow(s->at, s->n, &s->cap, sizeof *at);
    char *copy = at ? strndup(text, length) : NULL;

    if (at) s->at = at;
    if (!copy) return sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory for its weights", r->what);
    s->at[s->n++] = (struct sdrt_prompt_span){ copy, weight };
    return SDRT_OK;
}

/* A text that may have BREAKs in it; the white space around one goes with it. */
static int add_text(struct reader *r, const char *text, size_t length)
{
    char *copy = strndup(text, length);
    const char *from = copy;
    int status = SDRT_OK;

    if (!copy) return sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory for its text", r->what);
    for (;;) {
        const char *found = sdrt_prompt_find_word(copy, from, break_word);
        const char *end = found ? found - sdrt_prompt_space_before(from, found)
                                : from + strlen(from);
        status = add(r, from, (size_t)(end - from), 1.0);
        if (!found || status != SDRT_OK) break;
        status = add(r, break_word, strlen(break_word), -1.0);
        if (status != SDRT_OK) break;
        from = found + strlen(break_word);
        from += sdrt_prompt_space_at(from);
    }
    free(copy);
    return status;
}

static void multiply(struct reader *r, size_t from, double by)
{
    for (size_t i = from; i < r->spans->n; i++) r->spans->at[i].weight *= by;
}

static int open_bracket(struct reader *r, size_t *stack, int *depth)
{
    if (*depth == SDRT_PROMPT_MAX_DEPTH)
        return sdrt_fail(r->log, SDRT_E_ARG, "%s: expected at most %d open brackets", r->what,
                         SDRT_PROMPT_MAX_DEPTH);
    stack[(*depth)++] = r->spans->n;
    return SDRT_OK;
}

/* ":1.3)" with white space around the number; the bytes of all that, 0 where it is not that. */
static size_t weight_length(const char *at, const char **number, size_t *digits)
{
    const char *p = at + 1, *first;

    p += sdrt_prompt_space_at(p);
    first = p;
    if (*p == '+' || *p == '-') p++;
    const size_t n = strspn(p, ".0123456789");
    *number = first;
    *digits = (size_t)(p + n - first);
    if (!n) return 0;
    p += n;
    p += sdrt_prompt_space_at(p);
    return *p == ')' ? (size_t)(p + 1 - at) : 0;
}

static int take_weight(struct reader *r, const char *number, size_t digits)
{
    char text[64], *end;

    if (digits < sizeof text) {
        memcpy(text, number, digits);
        text[digits] = '\0';
        const double weight = sdrt_parse_number(text, &end);
        if (end > text && !*end && isfinite(weight)) {
            multiply(r, r->round[--r->rounds], weight);
            return SDRT_OK;
        }
    }
    return sdrt_fail(r->log, SDRT_E_ARG, "%s: weight '%.*s': expected a number such as 1.3",
                     r->what, digits < 40 ? (int)digits : 40, number);
}

/* What stands at *at, and moves it behind that. */
static int take_a1111(struct reader *r, const char **at)
{
    const char *p = *at, *number;
    size_t digits, length = 1;

    if (*p == '\\') {
        length = p[1] && strchr("()[]\\", p[1]) ? 2 : 1;
        *at += length;
        return add(r, p + 1, length - 1, 1.0);
    }
    if (*p == ':') {
        const size_t whole = weight_length(p, &number, &digits);
        *at += whole ? whole : 1;
        return whole && r->rounds ? take_weight(r, number, digits)
                                  : add_text(r, p, whole ? whole : 1);
    }
    if (!strchr("()[]", *p)) length = strcspn(p, "\\()[]:");
    *at += length;
    if (*p == '(') return open_bracket(r, r->round, &r->rounds);
    if (*p == '[') return open_bracket(r, r->square, &r->squares);
    if (*p == ')' && r->rounds) {
        multiply(r, r->round[--r->rounds], emphasis);
        return SDRT_OK;
    }
    if (*p == ']' && r->squares) {
        multiply(r, r->square[--r->squares], 1.0 / emphasis);
        return SDRT_OK;
    }
    return add_text(r, p, length);
}

/* Neighbours of one weight become one piece. */
static int merge(struct reader *r)
{
    struct sdrt_prompt_spans *s = r->spans;
    size_t kept = r->first;

    for (size_t i = r->first + 1; i < s->n; i++) {
        struct sdrt_prompt_span *a = &s->at[kept], *b = &s->at[i];
        if (a->weight != b->weight) {
            s->at[++kept] = *b;
            continue;
        }
        const size_t n = strlen(a->text), m = strlen(b->text) + 1;
        char *both = realloc(a->text, n + m);
        if (both) {
            memcpy(both + n, b->text, m);
            a->text = both;
        }
        free(b->text);
        b->text = NULL;
        if (!both) { /* what is left behind i is freed with the others */
            memmove(s->at + kept + 1, s->at + i + 1, (s->n - i - 1) * sizeof *s->at);
            s->n -= i - kept;
            return sdrt_fail(r->log, SDRT_E_NOMEM, "%s: no memory for its text", r->what);
        }
    }
    s->n = kept + 1;
    return SDRT_OK;
}

static int read_a1111(struct reader *r, const char *text)
{
    int status = SDRT_OK;

    while (*text && status == SDRT_OK) status = take_a1111(r, &text);
    if (status != SDRT_OK) return status;
    for (int i = 0; i < r->rounds; i++) multiply(r, r->round[i], emphasis);
    for (int i = 0; i < r->squares; i++) multiply(r, r->square[i], 1.0 / emphasis);
    if (r->spans->n == r->first) return add(r, "", 0, 1.0);
    return merge(r);
}

/* ---- ComfyUI ---- */

/* Two bytes that no text has stand for an escaped bracket until the brackets are read. */
enum { ESCAPED_CLOSE = 1, ESCAPED_OPEN = 2 };

static char *comfy_escaped(const char *text)
{
    char *out = malloc(strlen(text) + 1), *to = out;

    for (; out && *text; text++) {
        if (*text == '\\' && (text[1] == '(' || text[1] == ')'))
            *to++ = *++text == '(' ? ESCAPED_OPEN : ESCAPED_CLOSE;
        else *to++ = *text;
    }
    if (out) *to = '\0';
    return out;
}

static int comfy_add(struct reader *r, const char *text, size_t length, double weight)
{
    const int status = add(r, text, length, weight);

    if (status != SDRT_OK) return status;
    for (char *p = r->spans->at[r->spans->n - 1].text; *p; p++)
        if (*p == ESCAPED_OPEN || *p == ESCAPED_CLOSE) *p = *p == ESCAPED_OPEN ? '(' : ')';
    return SDRT_OK;
}

/* The number behind the last colon of text, which must be all that is there. */
static int comfy_number(const char *text, size_t length, size_t *before, double *weight)
{
    char number[64], *end;
    size_t colon = length;

    while (colon > 0 && text[colon - 1] != ':') colon--;
    if (colon < 2 || length - colon >= sizeof number) return 0;
    memcpy(number, text + colon, length - colon);
    number[length - colon] = '\0';
    const double value = sdrt_parse_number(number, &end);
    if (end == number || !isfinite(value)) return 0;
    if (end[strspn(end, " \t\n\r")]) return 0;
    *before = colon - 1;
    *weight = value;
    return 1;
}

static int read_comfy(struct reader *r, const char *text, size_t length, double weight, int depth);

/* A piece outside all brackets, or a pair of them with what is within. */
static int comfy_item(struct reader *r, const char *text, size_t length, double weight, int depth)
{
    double inner = weight * emphasis;
    size_t before;

    if (length < 2 || text[0] != '(' || text[length - 1] != ')')
        return comfy_add(r, text, length, weight);
    text++;
    length -= 2;
    before = length;
    comfy_number(text, length, &before, &inner);
    return read_comfy(r, text, before, inner, depth + 1);
}

static int read_comfy(struct reader *r, const char *text, size_t length, double weight, int depth)
{
    size_t begin = 0;
    int nesting = 0, status = SDRT_OK;

    if (depth == SDRT_PROMPT_MAX_DEPTH)
        return sdrt_fail(r->log, SDRT_E_ARG, "%s: expected at most %d open brackets", r->what,
                         SDRT_PROMPT_MAX_DEPTH);
    for (size_t i = 0; i < length && status == SDRT_OK; i++) {
        if (text[i] == '(') {
            if (nesting == 0 && i > begin) {
                status = comfy_item(r, text + begin, i - begin, weight, depth);
                begin = i;
            }
            nesting++;
        } else if (text[i] == ')' && --nesting == 0) {
            status = comfy_item(r, text + begin, i + 1 - begin, weight, depth);
            begin = i + 1;
        }
    }
    if (status == SDRT_OK && length > begin)
        status = comfy_item(r, text + begin, length - begin, weight, depth);
    return status;
}

int sdrt_prompt_weights(struct sdrt_prompt_spans *spans, enum sdrt_prompt_style style,
                        const char *text, const char *what, const struct sdrt_log *log)
{
    struct reader r = { .spans = spans, .first = spans->n, .what = what, .log = log };

    if (style == SDRT_PROMPT_PLAIN) return add(&r, text, strlen(text), 1.0);
    if (style == SDRT_PROMPT_A1111) return read_a1111(&r, text);
    char *escaped = comfy_escaped(text);
    int status = escaped ? read_comfy(&r, escaped, strlen(escaped), 1.0, 0)
                         : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its text", what);
    if (status == SDRT_OK && spans->n == r.first) status = add(&r, "", 0, 1.0);
    free(escaped);
    return status;
}
