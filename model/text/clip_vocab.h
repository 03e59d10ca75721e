/* SPDX-License-Identifier: MIT
 *
 * The tables of a tokenizer, and how they are read.  Private to model/text/clip_*.c.
 */
#ifndef SDRT_MODEL_TEXT_CLIP_VOCAB_H
#define SDRT_MODEL_TEXT_CLIP_VOCAB_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A merge of two neighbouring tokens into one; the lowest rank goes first. */
struct sdrt_merge {
    int32_t left;  /* -1 in an empty slot */
    int32_t right;
    int32_t rank;
    int32_t result;
};

struct sdrt_clip_tokenizer {
    const struct sdrt_log *log;     /* the caller's */
    struct sdrt_merge     *merges;  /* open addressing by (left, right); owned */
    size_t                 mask;    /* slots of merges - 1, a power of two - 1 */
    uint64_t key[2];                /* of the tables' hash, drawn by chance */
    int32_t byte_ids[2][256];       /* [1] where the byte ends a word; -1 for none */
    int32_t bos;
    int32_t eos;
    int32_t vocab_size;
};

/* Fill an all-zero tokenizer; see sdrt_clip_tokenizer_open() for the errors. */
int sdrt_vocab_load_builtin(struct sdrt_clip_tokenizer *tokenizer, const struct sdrt_log *log);
int sdrt_vocab_load_files(struct sdrt_clip_tokenizer *tokenizer, const char *vocab_path,
                          const char *merges_path, const struct sdrt_log *log);

/* The merge of left and right, which may be -1; NULL when there is none.  It lives as long
 * as the tokenizer. */
const struct sdrt_merge *sdrt_vocab_merge(const struct sdrt_clip_tokenizer *tokenizer, int32_t left,
                                          int32_t right);

#ifdef __cplusplus
}
#endif

#endif
