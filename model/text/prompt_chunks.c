/* SPDX-License-Identifier: MIT */
#include "model/text/prompt_chunks.h"
#include "runtime/base/grow.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMMA_BACKTRACK = 20, /* the web UI's default */
    LARGE_WORD = 8        /* ComfyUI's */
};

static const char identifier[] = "embedding:";

void sdrt_prompt_chunks_clear(struct sdrt_prompt_chunks *chunks)
{
    free(chunks->at);
    *chunks = (struct sdrt_prompt_chunks){ 0 };
}

/* A chunk on its way: its tokens without the ends. */
struct writer {
    struct sdrt_prompt_chunks *out;
    const struct sdrt_prompt_reader *reader;
    const char *what;
    const struct sdrt_log *log;
    struct sdrt_prompt_chunk now;
    int n, room;    /* tokens so far, and the most */
    int last_comma; /* index of it among them, -1 for none */
    int32_t comma;
    size_t first; /* of this prompt's chunks */
};

static void put(struct writer *w, int32_t id, float weight)
{
    w->now.ids[w->n] = id;
    w->now.weights[w->n++] = weight;
}

/* The tokens move one on to make room for the begin. */
void sdrt_prompt_chunk_fill(struct sdrt_prompt_chunk *chunk,
                            const struct sdrt_prompt_reader *reader, const int32_t *ids,
                            const float *weights, int n)
{
    const int32_t end = sdrt_clip_tokenizer_eos(reader->tokenizer);
    int ended = 0;

    *chunk = (struct sdrt_prompt_chunk){ .share = 1.0f };
    for (int i = 0; i < reader->length; i++) chunk->weights[i] = 1.0f;
    chunk->ids[0] = sdrt_clip_tokenizer_bos(reader->tokenizer);
    for (int i = 1; i < reader->length; i++) {
        const int32_t id = i <= n ? ids[i - 1] : end;
        chunk->ids[i] = ended ? reader->pad : id;
        if (i <= n) chunk->weights[i] = weights[i - 1];
        ended |= id == end;
    }
}

/* Ends the chunk. */
static int next_chunk(struct writer *w)
{
    struct sdrt_prompt_chunks *out = w->out;
    struct sdrt_prompt_chunk *at;

    if (out->n - w->first == SDRT_PROMPT_MAX_CHUNKS)
        return sdrt_fail(w->log, SDRT_E_ARG, "%s: expected at most %d chunks of %d tokens", w->what,
                         SDRT_PROMPT_MAX_CHUNKS, w->room);
    at = sdrt_grow(out->at, out->n, &out->cap, sizeof *at);
    if (!at) return sdrt_fail(w->log, SDRT_E_NOMEM, "%s: no memory for its tokens", w->what);
    out->at = at;
    at += out->n++;
    sdrt_prompt_chunk_fill(at, w->reader, w->now.ids, w->now.weights, w->n);
    at->to = out->rows++;
    w->n = 0;
    w->last_comma = -1;
    return SDRT_OK;
}

int sdrt_prompt_chunks_add_empty(struct sdrt_prompt_chunks *chunks,
                                 const struct sdrt_prompt_reader *reader,
                                 const struct sdrt_log *log)
{
    struct writer w = { .out = chunks,
                        .reader = reader,
                        .what = "an empty prompt",
                        .log = log,
                        .first = chunks->n };

    return next_chunk(&w);
}

/* ---- tokens ---- */

int sdrt_prompt_encode(const struct sdrt_prompt_reader *reader, const char *text, int32_t pad,
                       const char *what, const struct sdrt_log *log, int32_t **ids, int *n)
{
    const size_t most = 4 * strlen(text) + 1; /* NFC and lower case make a character longer */
    int status;

    *n = 0;
    *ids = malloc(most * sizeof **ids);
    if (!*ids) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for its tokens", what);
    status = sdrt_clip_tokenizer_encode(reader->tokenizer, text, pad, *ids, (int)most, n);
    if (status == SDRT_OK && (size_t)*n > most)
        status = sdrt_fail(log, SDRT_E_ARG, "%s: expected fewer tokens", what);
    return status;
}

/* A padding of "!" is no special token here. */
static int encode(const struct writer *w, const char *text, int32_t **ids, int *n)
{
    return sdrt_prompt_encode(w->reader, text, sdrt_clip_tokenizer_eos(w->reader->tokenizer),
                              w->what, w->log, ids, n);
}

const struct sdrt_prompt_word *sdrt_prompt_word_of(const struct sdrt_prompt_reader *r,
                                                   const int32_t *ids, int n)
{
    for (int i = 0; i < r->n_words; i++) {
        const struct sdrt_prompt_word *word = &r->words[i];
        if (word->n_ids && word->n_ids <= n &&
            !memcmp(word->ids, ids, (size_t)word->n_ids * sizeof *ids))
            return word;
    }
    return NULL;
}

static const struct sdrt_prompt_word *word_named(const struct sdrt_prompt_reader *r,
                                                 const char *name, size_t length)
{
    for (int i = 0; i < r->n_words; i++)
        if (strlen(r->words[i].name) == length && !memcmp(r->words[i].name, name, length))
            return &r->words[i];
    return NULL;
}

const struct sdrt_prompt_word *sdrt_prompt_word_at(const struct sdrt_prompt_word *words, int n,
                                                   const char *text)
{
    for (int i = 0; i < n; i++) {
        const size_t length = strlen(words[i].name);
        if (!strncmp(text, words[i].name, length) && !isalnum((unsigned char)text[length]) &&
            text[length] != '_')
            return &words[i];
    }
    return NULL;
}

/* ---- A1111 ---- */

/* Where the chunk is full and a comma is near, what is behind that begins the next. */
static int break_at_comma(struct writer *w)
{
    const int kept = w->last_comma + 1, moved = w->n - kept;
    struct sdrt_prompt_chunk rest;
    int status;

    memcpy(rest.ids, w->now.ids + kept, (size_t)moved * sizeof *rest.ids);
    memcpy(rest.weights, w->now.weights + kept, (size_t)moved * sizeof *rest.weights);
    w->n = kept;
    status = next_chunk(w);
    if (status != SDRT_OK) return status;
    for (int i = 0; i < moved; i++) put(w, rest.ids[i], rest.weights[i]);
    return SDRT_OK;
}

/* Named vectors, which stay together. */
static int put_word(struct writer *w, const struct sdrt_prompt_word *word, float weight)
{
    int status = SDRT_OK;

    if (w->n + word->rows > w->room) status = next_chunk(w);
    for (int i = 0; i < word->rows && status == SDRT_OK; i++)
        put(w, sdrt_prompt_vector_id(word->row + i), weight);
    return status;
}

static int put_a1111(struct writer *w, const int32_t *ids, int n, float weight)
{
    int status = SDRT_OK, i = 0;

    while (i < n && status == SDRT_OK) {
        if (ids[i] == w->comma) w->last_comma = w->n;
        else if (w->n == w->room && w->last_comma != -1 && w->n - w->last_comma <= COMMA_BACKTRACK)
            status = break_at_comma(w);
        if (status == SDRT_OK && w->n == w->room) status = next_chunk(w);
        if (status != SDRT_OK) break;
        const struct sdrt_prompt_word *word = sdrt_prompt_word_of(w->reader, ids + i, n - i);
        if (word) {
            status = put_word(w, word, weight);
            i += word->n_ids;
        } else {
            put(w, ids[i++], weight);
        }
    }
    return status;
}

void sdrt_prompt_drop_identifiers(const struct sdrt_prompt_reader *r, char *text)
{
    const size_t size = strlen(identifier);

    for (char *p = strstr(text, identifier); p; p = strstr(p + 1, identifier))
        if (sdrt_prompt_word_at(r->words, r->n_words, p + size)) memset(p, ' ', size);
}

static int read_a1111(struct writer *w, const struct sdrt_prompt_spans *spans)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < spans->n && status == SDRT_OK; i++) {
        int32_t *ids = NULL;
        int n;
        if (sdrt_prompt_is_break(&spans->at[i])) {
            status = next_chunk(w);
            continue;
        }
        if (w->reader->n_words) sdrt_prompt_drop_identifiers(w->reader, spans->at[i].text);
        status = encode(w, spans->at[i].text, &ids, &n);
        if (status == SDRT_OK) status = put_a1111(w, ids, n, (float)spans->at[i].weight);
        free(ids);
    }
    if (status == SDRT_OK && (w->n || w->out->n == w->first)) status = next_chunk(w);
    return status;
}

/* ---- ComfyUI ---- */

static int put_group(struct writer *w, const int32_t *ids, int n, float weight)
{
    const int large = n >= LARGE_WORD;
    int status = SDRT_OK;

    while (n > 0 && status == SDRT_OK) {
        int now = w->n + n <= w->room ? n : large ? w->room - w->n : 0;
        for (int i = 0; i < now; i++) put(w, ids[i], weight);
        ids += now;
        n -= now;
        if (n) status = next_chunk(w);
    }
    return status;
}

/* "embedding:name", with commas behind it or not; *rest is what of the word is left. */
static const struct sdrt_prompt_word *comfy_named(const struct writer *w, const char *word,
                                                  const char **rest)
{
    if (strncmp(word, identifier, strlen(identifier))) return NULL;
    const char *name = word + strlen(identifier);
    size_t length = strlen(name);
    const struct sdrt_prompt_word *found = word_named(w->reader, name, length);
    if (!found) {
        while (length && name[length - 1] == ',') length--;
        found = word_named(w->reader, name, length);
    }
    *rest = name + length;
    return found;
}

static int read_comfy_word(struct writer *w, const char *word, float weight)
{
    int32_t vectors[SDRT_CLIP_TOKENIZER_LENGTH], *ids = NULL;
    int n, status = SDRT_OK;
    const struct sdrt_prompt_word *found = comfy_named(w, word, &word);

    if (found) {
        for (n = 0; n < found->rows; n++) vectors[n] = sdrt_prompt_vector_id(found->row + n);
        status = put_group(w, vectors, n, weight);
    }
    if (status != SDRT_OK || !*word) return status;
    status = encode(w, word, &ids, &n);
    if (status == SDRT_OK) status = put_group(w, ids, n, weight);
    free(ids);
    return status;
}

static int read_comfy(struct writer *w, const struct sdrt_prompt_spans *spans)
{
    int status = SDRT_OK;

    for (size_t i = 0; i < spans->n && status == SDRT_OK; i++) {
        char *save = NULL;
        for (char *word = strtok_r(spans->at[i].text, " \n", &save); word && status == SDRT_OK;
             word = strtok_r(NULL, " \n", &save))
            status = read_comfy_word(w, word, (float)spans->at[i].weight);
    }
    return status == SDRT_OK ? next_chunk(w) : status;
}

int sdrt_prompt_chunks_read(struct sdrt_prompt_chunks *chunks, enum sdrt_prompt_style style,
                            const struct sdrt_prompt_spans *spans,
                            const struct sdrt_prompt_reader *reader, const char *what,
                            const struct sdrt_log *log)
{
    struct writer w = { .out = chunks,
                        .reader = reader,
                        .what = what,
                        .log = log,
                        .room = reader->length - 2,
                        .last_comma = -1,
                        .comma = -1,
                        .first = chunks->n };
    int n;

    const int status = sdrt_clip_tokenizer_encode(reader->tokenizer, ",",
                                                  sdrt_clip_tokenizer_eos(reader->tokenizer),
                                                  &w.comma, 1, &n);
    if (status != SDRT_OK) return status;
    return style == SDRT_PROMPT_COMFY ? read_comfy(&w, spans) : read_a1111(&w, spans);
}
