/* SPDX-License-Identifier: MIT
 *
 * Prompts as compel reads them (Damian Stewart's library for diffusers, 2.5), to pieces with weights.
 *
 * word++  word--         1.1 for each plus, 0.9 for each minus; (several words)++ and "several words"++ too
 * (some words)1.3        1.3; pairs of brackets multiply; (words).attend(1.3) is the same
 * ("a", "b").and(1, 0.5)     the embeddings of both, one behind the other, each with a weight
 * ("a", "b").blend(1, 0.5)   their weighted mean; with no_normalize at the end their weighted sum
 * \( \) \" \, \. \+ \- \=    those characters within brackets and quotes
 *
 * A weight of 1 or more moves embeddings away from the empty prompt's; one below 1 also mixes in those of
 * the prompt in which nothing sees these words.  Where compel takes one of its operators for text, since
 * something is beside it or it is not whole, and where it takes .swap() and withLora() for what diffusers'
 * pipelines do not do, the prompt is refused.
 */
#ifndef SDRT_MODEL_TEXT_PROMPT_COMPEL_H
#define SDRT_MODEL_TEXT_PROMPT_COMPEL_H

#include "model/text/prompt_chunks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A text of its own: the whole prompt, or one of those that an operator joins. */
struct sdrt_compel_part {
    struct sdrt_prompt_spans spans; /* neighbours differ in weight; owned */
    double weight; /* .and()'s; .blend()'s, as shares of 1 where it says no other */
};

/* All zero is none. */
struct sdrt_compel {
    struct sdrt_compel_part *at; /* owned */
    size_t n, cap;
    int blended; /* 1: .blend(), else the parts stand one behind the other */
};

void sdrt_compel_clear(struct sdrt_compel *c);

/* Reads text, UTF-8, into c, which is all zero: one part at least, each of one piece at least.  SDRT_E_ARG
 * for what it does not understand and for brackets deeper than SDRT_PROMPT_MAX_DEPTH, SDRT_E_UNSUPPORTED
 * for .swap() and withLora(), with what for messages ("the prompt"); SDRT_E_NOMEM.  c is the caller's to
 * clear, also after a failure. */
int sdrt_compel_read(struct sdrt_compel *c, const char *text, const char *what,
                     const struct sdrt_log *log);

/* Appends what an encoder is given for text, and how its embeddings come together (see struct
 * sdrt_prompt_chunk): first, where reader->pooled is set, the text as it is written, for the pooled text
 * alone.  A part over 75 tokens is cut behind its last full stop before that, else behind a comma,
 * semicolon or colon, else between words.  SDRT_E_ARG for more than SDRT_PROMPT_MAX_CHUNKS chunks of
 * embeddings or SDRT_PROMPT_MAX_TERMS to encode; errors of sdrt_compel_read() and
 * sdrt_clip_tokenizer_encode(). */
int sdrt_compel_chunks_read(struct sdrt_prompt_chunks *chunks, const char *text,
                            const struct sdrt_prompt_reader *reader, const char *what,
                            const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
