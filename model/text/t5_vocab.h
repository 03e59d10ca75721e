/* SPDX-License-Identifier: MIT
 *
 * The inside of T5's tokenizer: what its files hold.
 */
#ifndef SDRT_MODEL_TEXT_T5_VOCAB_H
#define SDRT_MODEL_TEXT_T5_VOCAB_H

#include "model/text/t5_tokenizer.h"

/* Text of a token, owned by the tokenizer. */
struct sdrt_t5_piece {
    char   *text;
    size_t  length;
    double  score;
    int32_t id;
};

struct sdrt_t5_pieces {
    struct sdrt_t5_piece *at;
    size_t n, cap;
};

struct sdrt_t5_tokenizer {
    const struct sdrt_log *log; /* borrowed */
    struct sdrt_t5_pieces pieces; /* in byte order, each text once */
    struct sdrt_t5_pieces added;  /* likewise; found in the text before it is normalised */
    double  unknown_score;
    int32_t unknown, eos, pad, vocab_size;
    /* The map of characters, owned: a double array (Aoe, 1989) of charsmap_units units, whose
     * values are offsets of replacements, each ended by a 0; the last byte is 0 too. */
    uint32_t *charsmap;
    size_t    charsmap_units;
    char     *replacements;
    size_t    replacements_size;
};

/* Fill t, all zero, from a file's bytes. */
int sdrt_t5_read_spiece(struct sdrt_t5_tokenizer *t, const char *data, size_t size,
                        const char *where, const struct sdrt_log *log);
int sdrt_t5_read_json(struct sdrt_t5_tokenizer *t, const char *data, size_t size,
                      const char *where, const struct sdrt_log *log);

/* For both readers.  Appends a copy of a piece. */
int sdrt_t5_add_piece(struct sdrt_t5_pieces *pieces, const char *text, size_t length, double score,
                      int32_t id, const struct sdrt_log *log);
/* Takes over the map: a little-endian size in bytes, so many bytes of units, the replacements. */
int sdrt_t5_set_charsmap(struct sdrt_t5_tokenizer *t, const uint8_t *data, size_t size,
                         const char *where, const struct sdrt_log *log);

#endif
