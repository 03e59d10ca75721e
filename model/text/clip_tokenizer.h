/* SPDX-License-Identifier: MIT
 *
 * CLIP's tokenizer: a prompt in, token ids out.  Equal, id for id, to transformers'
 * CLIPTokenizer, which diffusers runs: special tokens are cut out, the rest is composed (NFC),
 * put in lower case, cut into words, and each word is byte-level byte-pair encoded.
 */
#ifndef SDRT_MODEL_TEXT_CLIP_TOKENIZER_H
#define SDRT_MODEL_TEXT_CLIP_TOKENIZER_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SDRT_CLIP_TOKENIZER_LENGTH = 77,            /* what CLIP's text encoders take */
    SDRT_CLIP_TOKENIZER_MAX_PROMPT = 16 * 1024, /* bytes; CLIP sees some 500, and one word
                                                 * of n bytes takes up to n * n steps */
};

/* Constant once open, so any number of threads may use one. */
struct sdrt_clip_tokenizer;

/* Opens CLIP's own vocabulary of 49408 tokens when both paths are NULL, else a
 * model folder's: vocab.json (token to id) and merges.txt (one merge a line, best first).
 * One path without the other is SDRT_E_ARG.  *out belongs to the caller, who frees it with
 * sdrt_clip_tokenizer_free(); NULL after a failure.  log, which may be NULL, must outlive it.
 * SDRT_E_MISSING and SDRT_E_IO for the files themselves, SDRT_E_FORMAT with "path:line:
 * what was expected", SDRT_E_NOMEM. */
int sdrt_clip_tokenizer_open(struct sdrt_clip_tokenizer **out, const char *vocab_json_path,
                             const char *merges_path, const struct sdrt_log *log);
void sdrt_clip_tokenizer_free(struct sdrt_clip_tokenizer **tokenizer);

/* CLIP's own vocabulary as the text of a vocab.json, which the caller frees; NULL after a failure, which
 * is logged.  Its merges.txt, a constant of *size bytes. */
char *sdrt_clip_builtin_vocab(const struct sdrt_log *log);
const char *sdrt_clip_builtin_merges(size_t *size);

/* Ids that begin and end a prompt, and one more than the largest id. */
int32_t sdrt_clip_tokenizer_bos(const struct sdrt_clip_tokenizer *tokenizer);
int32_t sdrt_clip_tokenizer_eos(const struct sdrt_clip_tokenizer *tokenizer);
int32_t sdrt_clip_tokenizer_vocab_size(const struct sdrt_clip_tokenizer *tokenizer);

/* Whether a word ends with this token, which is none of the special ones.  It looks through the merges. */
int sdrt_clip_tokenizer_ends_word(const struct sdrt_clip_tokenizer *tokenizer, int32_t id);

/* The ids of a prompt without begin and end.  *n_ids is how many it has; the first max_ids
 * of them are written to ids (NULL when max_ids is 0).  text_utf8 ends at its 0 byte; bytes
 * that are no UTF-8 count as U+FFFD, one for each longest ill-formed part, as Python decodes
 * with errors="replace".  "<|startoftext|>" and "<|endoftext|>" in the text are those tokens,
 * and where pad_id is the token of "!", so is each "!", as transformers takes the padding for a
 * special token too.  SDRT_E_ARG when the text is longer than SDRT_CLIP_TOKENIZER_MAX_PROMPT
 * bytes, SDRT_E_NOMEM.  Any number of threads may call it. */
int sdrt_clip_tokenizer_encode(const struct sdrt_clip_tokenizer *tokenizer, const char *text_utf8,
                               int32_t pad_id, int32_t *ids, int max_ids, int *n_ids);

/* ids [length]: begin, the first length - 2 ids of the prompt, end, then pad_id to the
 * end.  SD 1.5 and SDXL's first encoder pad with sdrt_clip_tokenizer_eos(), SD 2 and SDXL's
 * second with 0, which is "!".  *truncated, which may be NULL, is how many ids found no room.
 * length >= 2.  Errors and threads as above. */
int sdrt_clip_tokenizer_encode_padded(const struct sdrt_clip_tokenizer *tokenizer,
                                      const char *text_utf8, int length, int32_t pad_id,
                                      int32_t *ids, int *truncated);

#ifdef __cplusplus
}
#endif

#endif
