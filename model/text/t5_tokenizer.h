/* SPDX-License-Identifier: MIT
 *
 * T5's tokenizer: SentencePiece's unigram model, as transformers' T5TokenizerFast runs it, which
 * SD 3 reads prompts with.  Added tokens ("</s>", "<extra_id_0>") are taken out of the text
 * first; the rest is normalised by the model's own map of characters, cut at white space, and
 * each word, behind a U+2581, into the pieces whose scores have the largest sum.  Kudo, 2018
 * (arXiv:1804.10959); Kudo and Richardson, 2018 (arXiv:1808.06226).
 */
#ifndef SDRT_MODEL_TEXT_T5_TOKENIZER_H
#define SDRT_MODEL_TEXT_T5_TOKENIZER_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SDRT_T5_TOKENS = 256,           /* what SD 3 takes of a prompt */
    SDRT_T5_MAX_PROMPT = 16 * 1024, /* bytes */
};

/* Constant once open, so any number of threads may use one. */
struct sdrt_t5_tokenizer;

/* Opens a spiece.model (SentencePiece's protobuf) or a tokenizer.json (of transformers' fast
 * tokenizers); the file's first byte tells which.  To the former's pieces come, as transformers
 * has it, the 100 tokens <extra_id_99> to <extra_id_0>.  *out belongs to the caller, who frees it
 * with sdrt_t5_tokenizer_free(); NULL after a failure.  log, which may be NULL, must outlive it.
 * SDRT_E_MISSING and SDRT_E_IO for the file itself, SDRT_E_FORMAT, SDRT_E_UNSUPPORTED for a model
 * of another kind, SDRT_E_NOMEM. */
int sdrt_t5_tokenizer_open(struct sdrt_t5_tokenizer **out, const char *path,
                           const struct sdrt_log *log);
void sdrt_t5_tokenizer_free(struct sdrt_t5_tokenizer **tokenizer);

/* The same from size bytes in memory; where is for messages. */
int sdrt_t5_tokenizer_parse(struct sdrt_t5_tokenizer **out, const char *data, size_t size,
                            const char *where, const struct sdrt_log *log);

/* The id that ends a prompt, and one more than the largest id. */
int32_t sdrt_t5_tokenizer_eos(const struct sdrt_t5_tokenizer *tokenizer);
int32_t sdrt_t5_tokenizer_vocab_size(const struct sdrt_t5_tokenizer *tokenizer);

/* The ids of a prompt without the end.  *n_ids is how many it has; the first max_ids of them are
 * written to ids (NULL when max_ids is 0).  text_utf8 ends at its 0 byte; each longest ill-formed
 * part counts as one U+FFFD.  SDRT_E_ARG when it is longer than SDRT_T5_MAX_PROMPT bytes,
 * SDRT_E_NOMEM. */
int sdrt_t5_tokenizer_encode(const struct sdrt_t5_tokenizer *tokenizer, const char *text_utf8,
                             int32_t *ids, int max_ids, int *n_ids);

/* ids [length]: the first length - 1 ids of the prompt, the end, then padding.  *truncated, which
 * may be NULL, is how many ids found no room.  length >= 1.  Errors as above. */
int sdrt_t5_tokenizer_encode_padded(const struct sdrt_t5_tokenizer *tokenizer,
                                    const char *text_utf8, int length, int32_t *ids,
                                    int *truncated);

#ifdef __cplusplus
}
#endif

#endif
