/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/text/t5_tokenizer.h"

#include "model/text/codepoints.h"
#include "model/text/t5_vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* U+2581, which stands for the space before a word. */
static const char SPACE[] = "\xe2\x96\x81";
enum { SPACE_LENGTH = 3 };

int32_t sdrt_t5_tokenizer_eos(const struct sdrt_t5_tokenizer *t) { return t->eos; }
int32_t sdrt_t5_tokenizer_vocab_size(const struct sdrt_t5_tokenizer *t) { return t->vocab_size; }

/* ---- bytes that grow ---- */

struct text {
    char  *at;
    size_t n, cap;
    int    failed;
};

static void append(struct text *t, const char *bytes, size_t n)
{
    if (!n) return;
    if (t->failed || n > t->cap - t->n) {
        const size_t cap = 2 * (t->n + n) + 64;
        char *more = t->failed ? NULL : realloc(t->at, cap);
        if (!more) {
            t->failed = 1;
            return;
        }
        t->at = more;
        t->cap = cap;
    }
    memcpy(t->at + t->n, bytes, n);
    t->n += n;
}

/* ---- normalisation ---- */

/* What the map has for the shortest beginning of bytes that it knows; NULL when it knows none.
 * The shortest, though the text may be longer, is what transformers' library replaces all of it
 * by (spm_precompiled). */
static const char *replacement(const struct sdrt_t5_tokenizer *t, const char *bytes, size_t n)
{
    size_t node = 0;

    if (!t->charsmap_units) return NULL;
    uint32_t unit = t->charsmap[0];
    node ^= (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
    for (size_t i = 0; i < n; i++) {
        const uint8_t byte = (uint8_t)bytes[i];
        node ^= byte;
        if (!byte || node >= t->charsmap_units) return NULL;
        unit = t->charsmap[node];
        if ((unit & 0x800000ffu) != byte) return NULL;
        node ^= (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
        if (!(unit >> 8 & 1)) continue;
        if (node >= t->charsmap_units) return NULL;
        const size_t at = t->charsmap[node] & 0x7fffffffu;
        return at < t->replacements_size ? t->replacements + at : NULL;
    }
    return NULL;
}

static void append_mapped(const struct sdrt_t5_tokenizer *t, const char *bytes, size_t n,
                          struct text *out)
{
    const char *mapped = replacement(t, bytes, n);

    if (mapped) append(out, mapped, strlen(mapped));
    else append(out, bytes, n);
}

/* One grapheme: short ones are looked up whole, then each character is. */
static void append_grapheme(const struct sdrt_t5_tokenizer *t, const char *bytes, size_t n,
                            struct text *out)
{
    enum { LOOKED_UP_WHOLE = 6 };
    const char *mapped = n < LOOKED_UP_WHOLE ? replacement(t, bytes, n) : NULL;
    uint32_t c;

    if (mapped) {
        append(out, mapped, strlen(mapped));
        return;
    }
    for (size_t i = 0; i < n;) {
        const int length = sdrt_utf8_decode((const uint8_t *)bytes + i, n - i, &c);
        const size_t step = (size_t)(length > 0 ? length : -length);
        append_mapped(t, bytes + i, step, out);
        i += step;
    }
}

/* in is well-formed. */
static void normalise(const struct sdrt_t5_tokenizer *t, const char *in, size_t n, struct text *out)
{
    utf8proc_int32_t state = 0;
    uint32_t last = 0, c;
    size_t start = 0;

    for (size_t i = 0; i < n;) {
        const int length = sdrt_utf8_decode((const uint8_t *)in + i, n - i, &c);
        if (i > start && utf8proc_grapheme_break_stateful((utf8proc_int32_t)last,
                                                          (utf8proc_int32_t)c, &state)) {
            append_grapheme(t, in + start, i - start, out);
            start = i;
        }
        last = c;
        i += (size_t)(length > 0 ? length : -length);
    }
    if (n > start) append_grapheme(t, in + start, n - start, out);
}

/* ---- the best pieces of a word ---- */

/* The best way to the end of i bytes. */
struct step {
    double  score;
    size_t  from;
    int32_t id; /* of the piece from there on; -1: none reaches so far */
};

struct encoder {
    const struct sdrt_t5_tokenizer *t;
    struct step *steps;
    size_t cap;
    int32_t *ids;
    int max_ids, n_ids;
    int failed;
};

static void reach(struct step *to, double score, size_t from, int32_t id)
{
    if (to->id >= 0 && !(score > to->score)) return;
    to->score = score;
    to->from = from;
    to->id = id;
}

/* Of the pieces first .. last-1, which agree in their first depth bytes, those whose next byte is
 * at least byte: the index of the first. */
static size_t narrow(const struct sdrt_t5_pieces *p, size_t first, size_t last, size_t depth,
                     int byte)
{
    while (first < last) {
        const size_t mid = (first + last) / 2;
        const struct sdrt_t5_piece *piece = &p->at[mid];
        const int has = piece->length > depth ? (uint8_t)piece->text[depth] : -1;
        if (has < byte) first = mid + 1;
        else last = mid;
    }
    return first;
}

/* All pieces that begin at byte `from` of the word. */
static void step_from(struct encoder *e, const char *word, size_t n, size_t from)
{
    const struct sdrt_t5_pieces *p = &e->t->pieces;
    const double so_far = e->steps[from].score;
    size_t first = 0, last = p->n;
    uint32_t c;
    const int decoded = sdrt_utf8_decode((const uint8_t *)word + from, n - from, &c);
    const size_t length = (size_t)(decoded > 0 ? decoded : -decoded);
    int single = 0;

    for (size_t depth = 0; from + depth < n && first < last; depth++) {
        const int byte = (uint8_t)word[from + depth];
        first = narrow(p, first, last, depth, byte);
        last = narrow(p, first, last, depth, byte + 1);
        if (first == last || p->at[first].length != depth + 1) continue;
        reach(&e->steps[from + depth + 1], so_far + p->at[first].score, from, p->at[first].id);
        if (depth + 1 == length) single = 1;
    }
    if (!single)
        reach(&e->steps[from + length], so_far + e->t->unknown_score, from, e->t->unknown);
}

static void emit(struct encoder *e, int32_t id)
{
    if (e->n_ids < e->max_ids) e->ids[e->n_ids] = id;
    e->n_ids++;
}

/* Viterbi.  Unknown characters behind each other are one token. */
static void encode_word(struct encoder *e, const char *word, size_t n)
{
    if (n + 1 > e->cap) {
        struct step *more = realloc(e->steps, (2 * n + 1) * sizeof *more);
        if (!more) {
            e->failed = 1;
            return;
        }
        e->steps = more;
        e->cap = 2 * n + 1;
    }
    for (size_t i = 0; i <= n; i++) e->steps[i] = (struct step){ .id = -1 };
    for (size_t i = 0; i < n; i++)
        if (i == 0 || e->steps[i].id >= 0) step_from(e, word, n, i);
    /* Turned round: each step of the best way learns where it leads to. */
    size_t next = n;
    for (size_t i = n; i > 0;) {
        const size_t from = e->steps[i].from;
        const int32_t id = e->steps[i].id;
        e->steps[i].from = next;
        next = i;
        i = from;
        if (id < 0) {
            e->failed = 1; /* cannot be: the unknown piece reaches every character's end */
            return;
        }
    }
    int32_t before = -1;
    for (size_t i = next;;) {
        const int32_t id = e->steps[i].id;
        if (id != e->t->unknown || before != id) emit(e, id);
        before = id;
        if (i == n) break;
        i = e->steps[i].from;
    }
}

/* A U+2581 goes before the word, unless it begins with one; and each one begins a new piece. */
static void encode_spaced(struct encoder *e, struct text *word)
{
    size_t start = 0;

    if (word->failed) {
        e->failed = 1;
        return;
    }
    for (size_t i = SPACE_LENGTH; i < word->n; i++) {
        if (i + SPACE_LENGTH > word->n || memcmp(word->at + i, SPACE, SPACE_LENGTH)) continue;
        encode_word(e, word->at + start, i - start);
        start = i;
        i += SPACE_LENGTH - 1;
    }
    encode_word(e, word->at + start, word->n - start);
}

/* A part of the text without added tokens. */
static void encode_part(struct encoder *e, const char *part, size_t n)
{
    struct text normal = { 0 }, word = { 0 };
    uint32_t c;

    normalise(e->t, part, n, &normal);
    if (normal.failed) e->failed = 1;
    for (size_t i = 0; !normal.failed && i <= normal.n;) {
        const int at_end = i == normal.n;
        const int length = at_end ? 1 : sdrt_utf8_decode((const uint8_t *)normal.at + i,
                                                         normal.n - i, &c);
        const size_t step = (size_t)(length > 0 ? length : -length);
        if (at_end || sdrt_is_space(c)) {
            if (word.n) encode_spaced(e, &word);
            word.n = 0;
        } else {
            if (!word.n && memcmp(normal.at + i, SPACE, step < SPACE_LENGTH ? 1 : SPACE_LENGTH))
                append(&word, SPACE, SPACE_LENGTH);
            append(&word, normal.at + i, step);
        }
        i += step;
    }
    if (word.failed) e->failed = 1;
    free(normal.at);
    free(word.at);
}

/* The longest added token that text begins with, or NULL. */
static const struct sdrt_t5_piece *added_at(const struct sdrt_t5_tokenizer *t, const char *text,
                                            size_t n)
{
    const struct sdrt_t5_pieces *p = &t->added;
    const struct sdrt_t5_piece *best = NULL;
    size_t first = 0, last = p->n;

    for (size_t depth = 0; depth < n && first < last; depth++) {
        const int byte = (uint8_t)text[depth];
        first = narrow(p, first, last, depth, byte);
        last = narrow(p, first, last, depth, byte + 1);
        if (first < last && p->at[first].length == depth + 1) best = &p->at[first];
    }
    return best;
}

static void encode_text(struct encoder *e, const char *text, size_t n)
{
    size_t start = 0;

    for (size_t i = 0; i < n;) {
        const struct sdrt_t5_piece *added = added_at(e->t, text + i, n - i);
        if (!added) {
            i++;
            continue;
        }
        if (i > start) encode_part(e, text + start, i - start);
        emit(e, added->id);
        i += added->length;
        start = i;
    }
    if (n > start) encode_part(e, text + start, n - start);
}

int sdrt_t5_tokenizer_encode(const struct sdrt_t5_tokenizer *t, const char *text_utf8,
                             int32_t *ids, int max_ids, int *n_ids)
{
    struct encoder e = { .t = t, .ids = ids, .max_ids = max_ids };
    const size_t size = strnlen(text_utf8, SDRT_T5_MAX_PROMPT + 1);
    struct text clean = { 0 };
    uint8_t bytes[4];
    uint32_t c;

    *n_ids = 0;
    if (size > SDRT_T5_MAX_PROMPT)
        return sdrt_fail(t->log, SDRT_E_ARG, "a prompt of more than %d bytes", SDRT_T5_MAX_PROMPT);
    for (size_t i = 0; i < size;) {
        const int length = sdrt_utf8_decode((const uint8_t *)text_utf8 + i, size - i, &c);
        if (length < 0) c = SDRT_REPLACEMENT_CHARACTER;
        append(&clean, (const char *)bytes, (size_t)sdrt_utf8_encode(c, bytes));
        i += (size_t)(length > 0 ? length : -length);
    }
    if (!clean.failed) encode_text(&e, clean.at, clean.n);
    free(clean.at);
    free(e.steps);
    if (clean.failed || e.failed)
        return sdrt_fail(t->log, SDRT_E_NOMEM, "out of memory for a prompt's tokens");
    *n_ids = e.n_ids;
    return SDRT_OK;
}

int sdrt_t5_tokenizer_encode_padded(const struct sdrt_t5_tokenizer *t, const char *text_utf8,
                                    int length, int32_t *ids, int *truncated)
{
    int n = 0;
    const int status = sdrt_t5_tokenizer_encode(t, text_utf8, ids, length - 1, &n);

    if (status != SDRT_OK) return status;
    const int kept = n < length - 1 ? n : length - 1;
    ids[kept] = t->eos;
    for (int i = kept + 1; i < length; i++) ids[i] = t->pad;
    if (truncated) *truncated = n - kept;
    return SDRT_OK;
}
