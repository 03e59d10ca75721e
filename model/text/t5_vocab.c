/* SPDX-License-Identifier: MIT
 *
 * Opening T5's tokenizer, and what its two files have in common.
 */
#include <config.h>

#include "model/text/t5_vocab.h"

#include "runtime/base/grow.h"
#include "runtime/files/read_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILE = 64 << 20,
    MAX_ID = 1 << 20,
    MAX_REPLACEMENT = 128 /* bytes; U+FDFA, the longest of T5's own map, becomes 33 */
};

int sdrt_t5_add_piece(struct sdrt_t5_pieces *p, const char *text, size_t length, double score,
                      int32_t id, const struct sdrt_log *log)
{
    struct sdrt_t5_piece *list = sdrt_grow(p->at, p->n, &p->cap, sizeof *list);
    char *copy = malloc(length + 1);

    if (list) p->at = list;
    if (!list || !copy) {
        free(copy);
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the tokenizer");
    }
    memcpy(copy, text, length);
    copy[length] = 0;
    p->at[p->n++] = (struct sdrt_t5_piece){ copy, length, score, id };
    return SDRT_OK;
}

/* What a prompt becomes is bounded by what a character may become. */
static int check_replacements(const struct sdrt_t5_tokenizer *t, const char *where,
                              const struct sdrt_log *log)
{
    for (size_t at = 0; at < t->replacements_size;) {
        const size_t n = strlen(t->replacements + at);
        if (n > MAX_REPLACEMENT)
            return sdrt_fail(log, SDRT_E_FORMAT,
                             "%s: map of characters: one is replaced by %zu bytes, "
                             "at most %d are expected",
                             where, n, MAX_REPLACEMENT);
        at += n + 1;
    }
    return SDRT_OK;
}

int sdrt_t5_set_charsmap(struct sdrt_t5_tokenizer *t, const uint8_t *data, size_t size,
                         const char *where, const struct sdrt_log *log)
{
    const size_t units = size < 4 ? 0 : (data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 |
                                         (size_t)data[3] << 24);

    if (!size) return SDRT_OK;
    if (t->charsmap)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: two maps of characters, expected one", where);
    if (size < 4 || units % 4 || !units || units > size - 4)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: map of characters of %zu bytes says that its "
                         "units take %zu", where, size, units);
    t->charsmap = malloc(units);
    t->replacements_size = size - 4 - units + 1;
    t->replacements = malloc(t->replacements_size);
    if (!t->charsmap || !t->replacements)
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the tokenizer");
    t->charsmap_units = units / 4;
    for (size_t i = 0; i < units / 4; i++) {
        const uint8_t *b = data + 4 + 4 * i;
        t->charsmap[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    }
    memcpy(t->replacements, data + 4 + units, t->replacements_size - 1);
    t->replacements[t->replacements_size - 1] = 0;
    return check_replacements(t, where, log);
}

/* Byte order; of one text the largest id comes first. */
static int compare(const void *a, const void *b)
{
    const struct sdrt_t5_piece *p = a, *q = b;
    const size_t shared = p->length < q->length ? p->length : q->length;
    const int order = memcmp(p->text, q->text, shared);

    if (order) return order;
    if (p->length != q->length) return p->length < q->length ? -1 : 1;
    return (p->id < q->id) - (p->id > q->id);
}

static void sort_pieces(struct sdrt_t5_pieces *p)
{
    size_t kept = 0;

    if (!p->n) return;
    qsort(p->at, p->n, sizeof *p->at, compare);
    for (size_t i = 0; i < p->n; i++) {
        const struct sdrt_t5_piece *last = kept ? &p->at[kept - 1] : NULL;
        if (last && last->length == p->at[i].length &&
            !memcmp(last->text, p->at[i].text, last->length))
            free(p->at[i].text);
        else
            p->at[kept++] = p->at[i];
    }
    p->n = kept;
}

/* Unknown characters cost 10 more than the worst piece. */
static int finish(struct sdrt_t5_tokenizer *t, const char *where, const struct sdrt_log *log)
{
    static const double PENALTY = 10.0;
    double worst = INFINITY;
    int32_t most = 0;

    for (size_t i = 0; i < t->pieces.n; i++) {
        const struct sdrt_t5_piece *p = &t->pieces.at[i];
        if (!isfinite(p->score))
            return sdrt_fail(log, SDRT_E_NUMERIC, "%s: the score of token %d is not finite", where,
                             (int)p->id);
        if (p->score < worst) worst = p->score;
        if (p->id > most) most = p->id;
    }
    for (size_t i = 0; i < t->added.n; i++)
        if (t->added.at[i].id > most) most = t->added.at[i].id;
    if (!t->pieces.n || t->pieces.n > MAX_ID || most >= MAX_ID)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: %zu tokens with ids to %d: expected 1 to %d",
                         where, t->pieces.n, (int)most, MAX_ID);
    t->vocab_size = most + 1;
    if (t->eos < 0 || t->pad < 0 || t->unknown < 0 || t->eos > most || t->pad > most ||
        t->unknown > most)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: ids of end %d, padding %d and unknown %d: "
                         "expected 0 to %d", where, (int)t->eos, (int)t->pad,
                         (int)t->unknown, (int)most);
    t->unknown_score = worst - PENALTY;
    sort_pieces(&t->pieces);
    sort_pieces(&t->added);
    return SDRT_OK;
}

int sdrt_t5_tokenizer_parse(struct sdrt_t5_tokenizer **out, const char *data, size_t size,
                            const char *where, const struct sdrt_log *log)
{
    struct sdrt_t5_tokenizer *t = *out = calloc(1, sizeof *t);

    if (!t) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the tokenizer");
    t->log = log;
    t->eos = t->pad = t->unknown = -1;
    int status = (size && data[0] == '{' ? sdrt_t5_read_json : sdrt_t5_read_spiece)(t, data, size,
                                                                                    where, log);
    if (status == SDRT_OK) status = finish(t, where, log);
    if (status != SDRT_OK) sdrt_t5_tokenizer_free(out);
    return status;
}

int sdrt_t5_tokenizer_open(struct sdrt_t5_tokenizer **out, const char *path,
                           const struct sdrt_log *log)
{
    char *data = NULL;
    size_t size = 0;
    int status = sdrt_read_file(path, MAX_FILE, &data, &size, log);

    *out = NULL;
    if (status == SDRT_OK) status = sdrt_t5_tokenizer_parse(out, data, size, path, log);
    free(data);
    return status;
}

static void free_pieces(struct sdrt_t5_pieces *p)
{
    for (size_t i = 0; i < p->n; i++) free(p->at[i].text);
    free(p->at);
}

void sdrt_t5_tokenizer_free(struct sdrt_t5_tokenizer **tokenizer)
{
    struct sdrt_t5_tokenizer *t = *tokenizer;

    if (!t) return;
    free_pieces(&t->pieces);
    free_pieces(&t->added);
    free(t->charsmap);
    free(t->replacements);
    free(t);
    *tokenizer = NULL;
}
