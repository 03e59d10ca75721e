/* SPDX-License-Identifier: MIT */
#include "model/text/clip_tokenizer.h"

#include "model/text/clip_vocab.h"
#include "model/text/codepoints.h"

#include <stdlib.h>
#include <string.h>

int sdrt_clip_tokenizer_open(struct sdrt_clip_tokenizer **out, const char *vocab_json_path,
                             const char *merges_path, const struct sdrt_log *log)
{
    struct sdrt_clip_tokenizer *tokenizer;
    int status;

    *out = NULL;
    if (!vocab_json_path != !merges_path)
        return sdrt_fail(log, SDRT_E_ARG, "tokenizer: %s without %s, expected both or none",
                         vocab_json_path ? vocab_json_path : merges_path,
                         vocab_json_path ? "merges.txt" : "vocab.json");
    tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return sdrt_fail(log, SDRT_E_NOMEM, "tokenizer: no memory");
    tokenizer->log = log;
    status = vocab_json_path
                 ? sdrt_vocab_load_files(tokenizer, vocab_json_path, merges_path, log)
                 : sdrt_vocab_load_builtin(tokenizer, log);
    if (status != SDRT_OK)
        sdrt_clip_tokenizer_free(&tokenizer);
    *out = tokenizer;
    return status;
}

void sdrt_clip_tokenizer_free(struct sdrt_clip_tokenizer **tokenizer)
{
    if (!*tokenizer)
        return;
    free((*tokenizer)->merges);
    free(*tokenizer);
    *tokenizer = NULL;
}

int32_t sdrt_clip_tokenizer_bos(const struct sdrt_clip_tokenizer *tokenizer)
{
    return tokenizer->bos;
}

int32_t sdrt_clip_tokenizer_eos(const struct sdrt_clip_tokenizer *tokenizer)
{
    return tokenizer->eos;
}

int32_t sdrt_clip_tokenizer_vocab_size(const struct sdrt_clip_tokenizer *tokenizer)
{
    return tokenizer->vocab_size;
}

int sdrt_clip_tokenizer_ends_word(const struct sdrt_clip_tokenizer *tokenizer, int32_t id)
{
    size_t at = 0;

    while (at <= tokenizer->mask) { /* from a merge to its right half, down to a byte */
        const struct sdrt_merge *merge = &tokenizer->merges[at++];
        if (merge->left < 0 || merge->result != id) continue;
        id = merge->right;
        at = 0;
    }
    for (int byte = 0; byte < 256; byte++)
        if (tokenizer->byte_ids[1][byte] == id) return id >= 0;
    return 0;
}

/* The ids so far, the text that is being read, and room for the tokens of one word. */
struct encoder {
    const struct sdrt_clip_tokenizer *tokenizer;
    int32_t  pad_id;
    int32_t *ids;
    int      max_ids;
    int      count;
    struct sdrt_codepoints    piece;   /* text without special tokens; owned */
    size_t                    room;    /* elements of the two arrays below; owned */
    int32_t                  *symbols; /* -1 for a byte that the vocabulary lacks */
    const struct sdrt_merge **merges;  /* of each symbol with its right neighbour */
};

static const char bos_text[] = "<|startoftext|>", eos_text[] = "<|endoftext|>", pad_text[] = "!";

static void emit(struct encoder *encoder, int32_t id)
{
    if (encoder->count < encoder->max_ids)
        encoder->ids[encoder->count] = id;
    encoder->count++;
}

/* Fills the symbols of a word with one for each byte and returns how many. */
static size_t spell_word(struct encoder *encoder, const uint32_t *word, size_t length)
{
    const struct sdrt_clip_tokenizer *tokenizer = encoder->tokenizer;
    uint8_t bytes[4];
    size_t count = 0;

    for (size_t i = 0; i < length; i++) {
        int size = sdrt_utf8_encode(word[i], bytes);

        for (int k = 0; k < size; k++) {
            const bool at_end = i + 1 == length && k + 1 == size;

            encoder->symbols[count++] = tokenizer->byte_ids[at_end][bytes[k]];
        }
    }
    for (size_t i = 0; i + 1 < count; i++)
        encoder->merges[i] =
            sdrt_vocab_merge(tokenizer, encoder->symbols[i], encoder->symbols[i + 1]);
    return count;
}

/* Applies one merge wherever it fits, from the left, and returns how many symbols remain.
 * Only neighbours of the new symbols are looked up again, so that a word of 16 KiB stays
 * a matter of milliseconds. */
static size_t apply_merge(struct encoder *encoder, const struct sdrt_merge *merge, size_t count)
{
    static const struct sdrt_merge stale;
    size_t kept = 0;

    for (size_t i = 0; i < count; kept++) {
        if (i + 1 < count && encoder->merges[i] == merge) {
            encoder->symbols[kept] = merge->result;
            encoder->merges[kept] = &stale;
            if (kept > 0)
                encoder->merges[kept - 1] = &stale;
            i += 2;
        } else {
            encoder->symbols[kept] = encoder->symbols[i];
            encoder->merges[kept] = i + 1 < count ? encoder->merges[i] : NULL;
            i++;
        }
    }
    for (size_t k = 0; k + 1 < kept; k++) {
        if (encoder->merges[k] == &stale)
            encoder->merges[k] = sdrt_vocab_merge(encoder->tokenizer, encoder->symbols[k],
                                                  encoder->symbols[k + 1]);
    }
    return kept;
}

/* Byte-pair encoding of one word: the best merge, everywhere, until none is left. */
static void encode_word(struct encoder *encoder, const uint32_t *word, size_t length)
{
    size_t count = spell_word(encoder, word, length);

    for (;;) {
        const struct sdrt_merge *best = NULL;

        for (size_t i = 0; i + 1 < count; i++) {
            const struct sdrt_merge *merge = encoder->merges[i];

            if (merge && (!best || merge->rank < best->rank))
                best = merge;
        }
        if (!best)
            break;
        count = apply_merge(encoder, best, count);
    }
    for (size_t i = 0; i < count; i++)
        emit(encoder,
             encoder->symbols[i] >= 0 ? encoder->symbols[i] : encoder->tokenizer->eos);
}

/* Length of pattern when text begins with it, else 0. */
static size_t match(const uint32_t *text, size_t size, const char *pattern)
{
    size_t length = 0;

    for (; pattern[length]; length++) {
        if (length == size || text[length] != (uint8_t)pattern[length])
            return 0;
    }
    return length;
}

static bool is_other(uint32_t c)
{
    return !sdrt_is_space(c) && !sdrt_is_letter(c) && !sdrt_is_number(c);
}

/* Length of the word at the start of text, by CLIP's pattern: a contraction's end, letters,
 * one digit, or a run of anything else. */
static size_t word_length(const uint32_t *text, size_t size)
{
    static const char *const endings[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    size_t length = 0;

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        length = match(text, size, endings[i]);
        if (length > 0)
            return length;
    }
    if (sdrt_is_number(text[0]))
        return 1;
    while (length < size && sdrt_is_letter(text[length]))
        length++;
    if (length > 0)
        return length;
    while (length < size && is_other(text[length]))
        length++;
    return length;
}

/* Encodes what text begins with and returns how much that was. */
static size_t encode_next(struct encoder *encoder, const uint32_t *text, size_t size)
{
    size_t length;

    if (sdrt_is_space(text[0]))
        return 1;
    /* Written in another case, "<|ENDOFTEXT|>" is no special token.  CLIP's pattern still cuts
     * it out whole, and the byte-level step cuts it again, into "<|", "endoftext" and "|>". */
    length = match(text, size, bos_text);
    if (length == 0)
        length = match(text, size, eos_text);
    if (length > 0) {
        encode_word(encoder, text, 2);
        encode_word(encoder, text + 2, length - 4);
        encode_word(encoder, text + length - 2, 2);
        return length;
    }
    length = word_length(text, size);
    encode_word(encoder, text, length);
    return length;
}

/* Makes room for words of up to count code points. */
static bool make_room(struct encoder *encoder, size_t count)
{
    if (4 * count <= encoder->room)
        return true;
    free(encoder->symbols);
    free(encoder->merges);
    encoder->room = 4 * count;
    encoder->symbols = malloc(encoder->room * sizeof *encoder->symbols);
    encoder->merges = malloc(encoder->room * sizeof *encoder->merges);
    return encoder->symbols && encoder->merges;
}

/* Encodes the piece and empties it. */
static int encode_piece(struct encoder *encoder)
{
    struct sdrt_codepoints *piece = &encoder->piece;

    sdrt_codepoints_compose(piece);
    sdrt_codepoints_lower(piece);
    if (piece->failed || !make_room(encoder, piece->count))
        return SDRT_E_NOMEM;
    for (size_t i = 0; i < piece->count;)
        i += encode_next(encoder, piece->at + i, piece->count - i);
    piece->count = 0;
    return SDRT_OK;
}

/* Length of the special token that text begins with, else 0.  Its case counts, and a padding
 * of "!" is special too. */
static size_t special_token(const struct encoder *encoder, const uint32_t *text, size_t size,
                            int32_t *id)
{
    const struct sdrt_clip_tokenizer *tokenizer = encoder->tokenizer;
    const struct {
        const char *text;
        int32_t     id;
    } tokens[] = {
        {bos_text, tokenizer->bos},
        {eos_text, tokenizer->eos},
        {pad_text, tokenizer->byte_ids[0][(uint8_t)pad_text[0]]},
    };
    const size_t count = encoder->pad_id == tokens[2].id ? 3 : 2;

    for (size_t i = 0; i < count; i++) {
        size_t length = match(text, size, tokens[i].text);

        *id = tokens[i].id;
        if (length > 0)
            return length;
    }
    return 0;
}

/* Encodes the special tokens and what lies between them. */
static int encode_text(struct encoder *encoder, const struct sdrt_codepoints *text)
{
    int status = text->failed ? SDRT_E_NOMEM : SDRT_OK;

    for (size_t i = 0; i < text->count && status == SDRT_OK;) {
        int32_t id;
        size_t length = special_token(encoder, text->at + i, text->count - i, &id);

        if (length == 0) {
            sdrt_codepoints_append(&encoder->piece, text->at[i++]);
            continue;
        }
        status = encode_piece(encoder);
        emit(encoder, id);
        i += length;
    }
    return status == SDRT_OK ? encode_piece(encoder) : status;
}

int sdrt_clip_tokenizer_encode(const struct sdrt_clip_tokenizer *tokenizer, const char *text_utf8,
                               int32_t pad_id, int32_t *ids, int max_ids, int *n_ids)
{
    struct encoder encoder = {
        .tokenizer = tokenizer, .pad_id = pad_id, .ids = ids, .max_ids = max_ids};
    size_t size = strnlen(text_utf8, SDRT_CLIP_TOKENIZER_MAX_PROMPT + 1);
    struct sdrt_codepoints text = {0};
    int status;

    *n_ids = 0;
    if (size > SDRT_CLIP_TOKENIZER_MAX_PROMPT)
        return sdrt_fail(tokenizer->log, SDRT_E_ARG, "prompt: expected at most %d bytes",
                         (int)SDRT_CLIP_TOKENIZER_MAX_PROMPT);
    sdrt_codepoints_append_utf8(&text, text_utf8, size);
    status = encode_text(&encoder, &text);
    if (status == SDRT_OK)
        *n_ids = encoder.count;
    else
        sdrt_fail(tokenizer->log, status, "prompt: no memory for its %zu bytes", size);
    sdrt_codepoints_clear(&text);
    sdrt_codepoints_clear(&encoder.piece);
    free(encoder.symbols);
    free(encoder.merges);
    return status;
}

int sdrt_clip_tokenizer_encode_padded(const struct sdrt_clip_tokenizer *tokenizer,
                                      const char *text_utf8, int length, int32_t pad_id,
                                      int32_t *ids, int *truncated)
{
    int count = 0, room = length - 2, status;

    if (length < 2)
        return sdrt_fail(tokenizer->log, SDRT_E_ARG,
                         "tokenizer: length %d, expected at least 2", length);
    status = sdrt_clip_tokenizer_encode(tokenizer, text_utf8, pad_id, ids + 1, room, &count);
    if (status != SDRT_OK)
        return status;
    if (truncated)
        *truncated = count > room ? count - room : 0;
    if (count > room)
        count = room;
    ids[0] = tokenizer->bos;
    ids[1 + count] = tokenizer->eos;
    for (int i = 2 + count; i < length; i++)
        ids[i] = pad_id;
    return SDRT_OK;
}
