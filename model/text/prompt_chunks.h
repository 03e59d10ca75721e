/* SPDX-License-Identifier: MIT
 *
 * A prompt of any length as chunks of tokens that a CLIP can take, each token with its weight.
 *
 * A1111    75 tokens a chunk; where the next one would be cut within 20 tokens of a comma, it begins
 *          behind that comma.  BREAK fills a chunk up.
 * ComfyUI  words are kept together, but for those of 8 tokens or more.
 */
#ifndef SDRT_MODEL_TEXT_PROMPT_CHUNKS_H
#define SDRT_MODEL_TEXT_PROMPT_CHUNKS_H

#include "model/text/clip_tokenizer.h"
#include "model/text/prompt_weights.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SDRT_PROMPT_MAX_CHUNKS = 64,
    SDRT_PROMPT_MAX_TERMS = 512, /* that compel's rules make of them */
};

/* A name in a prompt that stands for vectors of its own, row .. row + rows - 1 of a table. */
struct sdrt_prompt_word {
    char *name;
    int32_t *ids; /* of the name as text; owned with it by the table's owner */
    int n_ids;
    int row, rows;
};

/* What reads the prompts of one text encoder; all borrowed. */
struct sdrt_prompt_reader {
    const struct sdrt_clip_tokenizer *tokenizer;
    int32_t pad;                          /* what stands behind the end token */
    int length;                           /* tokens of a chunk with both ends: 77, or fewer */
    const struct sdrt_prompt_word *words; /* those of more ids first */
    int n_words;
    int pooled; /* 1: the encoder has a pooled text */
};

/* The word whose name text begins with, and ends with where the name does; NULL for none. */
const struct sdrt_prompt_word *sdrt_prompt_word_at(const struct sdrt_prompt_word *words, int n,
                                                   const char *text);

/* A vector's place among ids: below 0, told by its row. */
static inline int32_t sdrt_prompt_vector_id(int row) { return -1 - row; }
static inline int sdrt_prompt_vector_row(int32_t id) { return -1 - id; }

/* What an encoder is given at once.  By A1111's and ComfyUI's rules that is a chunk of the embeddings.  By
 * compel's a chunk of those is the sum of several, each times its share and weighed as ComfyUI weighs, and
 * of the empty prompt's. */
struct sdrt_prompt_chunk {
    int32_t ids[SDRT_CLIP_TOKENIZER_LENGTH]; /* with both ends and the padding */
    float weights[SDRT_CLIP_TOKENIZER_LENGTH];
    uint8_t unseen[SDRT_CLIP_TOKENIZER_LENGTH]; /* 1: no token sees this one, not even itself */
    int to;                                     /* chunk of the embeddings; -1: only pooled */
    float share;
};

struct sdrt_prompt_chunks {
    struct sdrt_prompt_chunk *at; /* owned */
    size_t n, cap;
    int rows; /* chunks of the embeddings */
    float
        empty[SDRT_PROMPT_MAX_CHUNKS]; /* shares of the empty prompt's in them; 0 but for compel */
};

void sdrt_prompt_chunks_clear(struct sdrt_prompt_chunks *chunks);

/* Appends a chunk of an empty prompt.  SDRT_E_NOMEM. */
int sdrt_prompt_chunks_add_empty(struct sdrt_prompt_chunks *chunks,
                                 const struct sdrt_prompt_reader *reader,
                                 const struct sdrt_log *log);

/* The ids of a text, *n of them, which the caller frees; "!" is the padding's token only where pad is its
 * id.  Names of vectors are not looked for.  SDRT_E_ARG with what for messages, SDRT_E_NOMEM. */
int sdrt_prompt_encode(const struct sdrt_prompt_reader *reader, const char *text, int32_t pad,
                       const char *what, const struct sdrt_log *log, int32_t **ids, int *n);

/* The named vectors that ids begin with, n of them; NULL for none. */
const struct sdrt_prompt_word *sdrt_prompt_word_of(const struct sdrt_prompt_reader *reader,
                                                   const int32_t *ids, int n);

/* Makes "embedding:name" of a known name the name alone, in place. */
void sdrt_prompt_drop_identifiers(const struct sdrt_prompt_reader *reader, char *text);

/* Fills a chunk that only counts tokens, n of them: both ends, padding, weights of 1. */
void sdrt_prompt_chunk_fill(struct sdrt_prompt_chunk *chunk,
                            const struct sdrt_prompt_reader *reader, const int32_t *ids,
                            const float *weights, int n);

/* Appends the chunks of the pieces, one at least; not of SDRT_PROMPT_COMPEL (prompt_compel.h).  SDRT_E_ARG for more than SDRT_PROMPT_MAX_CHUNKS of
 * them, with what for messages; errors of sdrt_clip_tokenizer_encode(). */
int sdrt_prompt_chunks_read(struct sdrt_prompt_chunks *chunks, enum sdrt_prompt_style style,
                            const struct sdrt_prompt_spans *spans,
                            const struct sdrt_prompt_reader *reader, const char *what,
                            const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
