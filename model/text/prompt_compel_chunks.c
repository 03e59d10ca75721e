/* SPDX-License-Identifier: MIT */
#include "model/text/prompt_compel.h"
#include "runtime/base/grow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { STOP, COMMA, SEMICOLON, COLON, MARKS };

/* A prompt on its way to chunks. */
struct writer {
    struct sdrt_prompt_chunks *out;
    const struct sdrt_prompt_reader *reader;
    const char *what;
    const struct sdrt_log *log;
    int32_t mark[MARKS];
    int room; /* tokens of a chunk without its ends */
};

/* The words of a piece that weighs less than 1: of all tokens, chunk after chunk. */
struct range {
    int first, last;
    double weight;
};

/* A part's tokens. */
struct tokens {
    int32_t *ids;
    float *weights;
    size_t n, cap, weights_cap;
    struct range *less;
    size_t n_less, less_cap;
    struct sdrt_prompt_chunk *chunks; /* [n_chunks] */
    int n_chunks;
};

static int no_memory(const struct writer *w)
{
    return sdrt_fail(w->log, SDRT_E_NOMEM, "%s: no memory for its tokens", w->what);
}

static void clear(struct tokens *t)
{
    free(t->ids);
    free(t->weights);
    free(t->less);
    free(t->chunks);
}

/* ---- tokens ---- */

static int put(const struct writer *w, struct tokens *t, int32_t id, float weight)
{
    int32_t *ids = sdrt_grow(t->ids, t->n, &t->cap, sizeof *ids);
    float *weights = ids ? sdrt_grow(t->weights, t->n, &t->weights_cap, sizeof *weights) : NULL;

    if (ids) t->ids = ids;
    if (!weights) return no_memory(w);
    t->weights = weights;
    t->ids[t->n] = id;
    t->weights[t->n++] = weight;
    return SDRT_OK;
}

/* A piece's tokens, with the vectors that are named among them. */
static int put_text(const struct writer *w, struct tokens *t, char *text, double weight)
{
    int32_t *ids = NULL;
    int n;

    if (w->reader->n_words) sdrt_prompt_drop_identifiers(w->reader, text);
    int status = sdrt_prompt_encode(w->reader, text, w->reader->pad, w->what, w->log, &ids, &n);
    for (int i = 0; i < n && status == SDRT_OK;) {
        const struct sdrt_prompt_word *word = sdrt_prompt_word_of(w->reader, ids + i, n - i);
        for (int k = 0; word && k < word->rows && status == SDRT_OK; k++)
            status = put(w, t, sdrt_prompt_vector_id(word->row + k), (float)weight);
        if (!word) status = put(w, t, ids[i], (float)weight);
        i += word ? word->n_ids : 1;
    }
    free(ids);
    return status;
}

static int put_piece(const struct writer *w, struct tokens *t, const struct sdrt_prompt_span *piece)
{
    const size_t before = t->n;
    const int status = put_text(w, t, piece->text, piece->weight);

    if (status != SDRT_OK || piece->weight >= 1.0 || t->n == before) return status;
    struct range *at = sdrt_grow(t->less, t->n_less, &t->less_cap, sizeof *at);
    if (!at) return no_memory(w);
    t->less = at;
    t->less[t->n_less++] = (struct range){ (int)before, (int)t->n - 1, piece->weight };
    return SDRT_OK;
}

/* ---- chunks ---- */

static int is_cut(const struct writer *w, int32_t id, int kind)
{
    if (kind == 2) return sdrt_clip_tokenizer_ends_word(w->reader->tokenizer, id);
    for (int m = 0; m < (kind ? MARKS : 1); m++)
        if (id == w->mark[m]) return 1;
    return 0;
}

/* How many of so many tokens go into a chunk. */
static int cut(const struct writer *w, const int32_t *ids, size_t n)
{
    if (n <= (size_t)w->room) return (int)n;
    for (int kind = 0; kind < 3; kind++)
        for (int i = w->room; i-- > 0;)
            if (is_cut(w, ids[i], kind)) return i + 1;
    return w->room;
}

/* The tokens' chunks, and the ranges' places in those. */
static int make_chunks(const struct writer *w, struct tokens *t)
{
    size_t done = 0;
    int *place = malloc((t->n + 1) * sizeof *place), status = place ? SDRT_OK : no_memory(w);

    t->chunks = calloc(SDRT_PROMPT_MAX_CHUNKS, sizeof *t->chunks);
    if (!t->chunks && status == SDRT_OK) status = no_memory(w);
    while (status == SDRT_OK && (done < t->n || !t->n_chunks)) {
        if (t->n_chunks == SDRT_PROMPT_MAX_CHUNKS) {
            status = sdrt_fail(w->log, SDRT_E_ARG, "%s: expected at most %d chunks of %d tokens",
                               w->what, SDRT_PROMPT_MAX_CHUNKS, w->room);
            break;
        }
        const int n = cut(w, t->ids + done, t->n - done);
        sdrt_prompt_chunk_fill(&t->chunks[t->n_chunks], w->reader, t->ids + done, t->weights + done,
                               n);
        for (int i = 0; i < n; i++)
            place[done + (size_t)i] = t->n_chunks * w->reader->length + 1 + i;
        done += (size_t)n;
        t->n_chunks++;
    }
    for (size_t i = 0; i < t->n_less && status == SDRT_OK; i++) {
        t->less[i].first = place[t->less[i].first];
        t->less[i].last = place[t->less[i].last];
    }
    free(place);
    return status;
}

/* ---- what is encoded ---- */

static int add(const struct writer *w, const struct sdrt_prompt_chunk *chunk)
{
    struct sdrt_prompt_chunks *out = w->out;
    struct sdrt_prompt_chunk *at = sdrt_grow(out->at, out->n, &out->cap, sizeof *at);

    if (!at) return no_memory(w);
    out->at = at;
    if (out->n == SDRT_PROMPT_MAX_TERMS)
        return sdrt_fail(
            w->log, SDRT_E_ARG,
            "%s: expected fewer words of a weight below 1: at most %d chunks to encode", w->what,
            SDRT_PROMPT_MAX_TERMS);
    at[out->n++] = *chunk;
    return SDRT_OK;
}

/* The chunk without the words of a range, between whose ends all is unseen but the ends of chunks; 0
 * where it has none of them. */
static int hide(const struct writer *w, struct sdrt_prompt_chunk *chunk, int index,
                const struct range *range)
{
    const int length = w->reader->length;
    int hidden = 0;

    for (int i = 1; i < length - 1; i++) {
        const int at = index * length + i;
        chunk->unseen[i] = at >= range->first && at <= range->last;
        hidden |= chunk->unseen[i];
    }
    return hidden;
}

/* A range's embeddings against the whole's: none at 1, as much at 1/2, all at 0. */
static double against(const struct range *range)
{
    return tan((1.0 - fmax(range->weight, 1e-5)) * acos(0.0));
}

/* A part's chunks go to those of the embeddings from to on, times share. */
static int add_part(const struct writer *w, const struct tokens *t, int to, double share)
{
    double sum = 1.0;
    int status = SDRT_OK;

    for (size_t i = 0; i < t->n_less; i++) sum += against(&t->less[i]);
    for (int c = 0; c < t->n_chunks && status == SDRT_OK; c++) {
        struct sdrt_prompt_chunk chunk = t->chunks[c], whole = chunk;
        double rest = 1.0;
        chunk.to = whole.to = to + c;
        for (size_t i = 0; i < t->n_less && status == SDRT_OK; i++) {
            chunk.share = (float)(against(&t->less[i]) / sum * share);
            if (hide(w, &chunk, c, &t->less[i])) status = add(w, &chunk);
            else rest += against(&t->less[i]);
        }
        whole.share = (float)(rest / sum * share);
        if (status == SDRT_OK) status = add(w, &whole);
    }
    return status;
}

static int read_part(const struct writer *w, const struct sdrt_compel_part *part, struct tokens *t)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < part->spans.n && status == SDRT_OK; i++)
        status = put_piece(w, t, &part->spans.at[i]);
    return status == SDRT_OK ? make_chunks(w, t) : status;
}

/* .and(): one behind the other, from the empty prompt's embeddings as far as the weight says. */
static int join(const struct writer *w, const struct sdrt_compel *c, const struct tokens *t)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < c->n && status == SDRT_OK; i++) {
        struct sdrt_prompt_chunks *out = w->out;
        if (out->rows + t[i].n_chunks > SDRT_PROMPT_MAX_CHUNKS)
            return sdrt_fail(w->log, SDRT_E_ARG, "%s: expected at most %d chunks of %d tokens",
                             w->what, SDRT_PROMPT_MAX_CHUNKS, w->room);
        status = add_part(w, &t[i], out->rows, c->at[i].weight);
        for (int k = 0; k < t[i].n_chunks; k++)
            out->empty[out->rows++] = (float)(1.0 - c->at[i].weight);
    }
    return status;
}

/* .blend(): added up; what a part lacks in length are the empty prompt's. */
static int blend(const struct writer *w, const struct sdrt_compel *c, const struct tokens *t)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < c->n; i++)
        if (t[i].n_chunks > w->out->rows) w->out->rows = t[i].n_chunks;
    for (size_t i = 0; i < c->n && status == SDRT_OK; i++) {
        status = add_part(w, &t[i], 0, c->at[i].weight);
        for (int k = t[i].n_chunks; k < w->out->rows; k++)
            w->out->empty[k] += (float)c->at[i].weight;
    }
    return status;
}

/* The text as it is written, cut to one chunk. */
static int add_pooled(const struct writer *w, const char *text)
{
    struct sdrt_prompt_chunk chunk;
    struct tokens t = { 0 };
    char *copy = strdup(text);
    int status = copy ? put_text(w, &t, copy, 1.0) : no_memory(w);

    if (status == SDRT_OK) {
        const int n = t.n < (size_t)w->room ? (int)t.n : w->room;
        sdrt_prompt_chunk_fill(&chunk, w->reader, t.ids, t.weights, n);
        chunk.to = -1;
        status = add(w, &chunk);
    }
    clear(&t);
    free(copy);
    return status;
}

static int find_marks(struct writer *w)
{
    static const char *const marks[MARKS] = { ".", ",", ";", ":" };
    const struct sdrt_clip_tokenizer *t = w->reader->tokenizer;
    int n, status = SDRT_OK;

    for (int m = 0; m < MARKS && status == SDRT_OK; m++) {
        w->mark[m] = -1;
        status = sdrt_clip_tokenizer_encode(t, marks[m], sdrt_clip_tokenizer_eos(t), &w->mark[m], 1,
                                            &n);
    }
    return status;
}

int sdrt_compel_chunks_read(struct sdrt_prompt_chunks *chunks, const char *text,
                            const struct sdrt_prompt_reader *reader, const char *what,
                            const struct sdrt_log *log)
{
    struct writer w = { chunks, reader, what, log, { 0 }, reader->length - 2 };
    struct sdrt_compel c = { 0 };
    int status = sdrt_compel_read(&c, text, what, log);
    struct tokens *t = calloc(c.n + 1, sizeof *t);

    if (status == SDRT_OK && !t) status = no_memory(&w);
    if (status == SDRT_OK) status = find_marks(&w);
    if (status == SDRT_OK && reader->pooled) status = add_pooled(&w, text);
    for (size_t i = 0; i < c.n && status == SDRT_OK; i++) status = read_part(&w, &c.at[i], &t[i]);
    if (status == SDRT_OK) status = c.blended ? blend(&w, &c, t) : join(&w, &c, t);
    for (size_t i = 0; t && i < c.n; i++) clear(&t[i]);
    free(t);
    sdrt_compel_clear(&c);
    return status;
}
