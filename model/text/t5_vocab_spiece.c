/* SPDX-License-Identifier: MIT
 *
 * SentencePiece's model file: the fields of its ModelProto that a unigram model needs, from the
 * wire format of protocol buffers.  sentencepiece_model.proto of
 * https://github.com/google/sentencepiece; https://protobuf.dev/programming-guides/encoding/
 */
#include <config.h>

#include "model/text/t5_vocab.h"

#include <stdio.h>
#include <string.h>

enum { EXTRA_TOKENS = 100 };

/* What is left of a message; base is the file's beginning, for offsets in messages. */
struct message {
    const uint8_t *at, *end, *base;
    const char *where;
    const struct sdrt_log *log;
};

struct field {
    uint32_t number;
    int      wire;    /* 0: value, a varint; 1, 5: value, fixed; 2: the bytes of inside */
    uint64_t value;
    struct message inside;
};

static int damaged(const struct message *m, const char *what)
{
    return sdrt_fail(m->log, SDRT_E_FORMAT, "%s: byte %zu: %s in a SentencePiece model", m->where,
                     (size_t)(m->at - m->base), what);
}

static int read_varint(struct message *m, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (m->at == m->end) return damaged(m, "the end within a number");
        const uint8_t byte = *m->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return SDRT_OK;
    }
    return damaged(m, "a number of more than 64 bits");
}

static int read_fixed(struct message *m, size_t size, uint64_t *value)
{
    if ((size_t)(m->end - m->at) < size) return damaged(m, "the end within a number");
    *value = 0;
    for (size_t i = 0; i < size; i++) *value |= (uint64_t)*m->at++ << 8 * i;
    return SDRT_OK;
}

/* The next field of m, which is not at its end. */
static int read_field(struct message *m, struct field *f)
{
    uint64_t key, length;
    int status = read_varint(m, &key);

    if (status != SDRT_OK) return status;
    *f = (struct field){ .number = (uint32_t)(key >> 3), .wire = (int)(key & 7) };
    if (key >> 32 || !f->number) return damaged(m, "a field without a number");
    switch (f->wire) {
    case 0: return read_varint(m, &f->value);
    case 1: return read_fixed(m, 8, &f->value);
    case 5: return read_fixed(m, 4, &f->value);
    case 2: break;
    default: return damaged(m, "a field of no known type");
    }
    status = read_varint(m, &length);
    if (status != SDRT_OK) return status;
    if (length > (uint64_t)(m->end - m->at)) return damaged(m, "a field beyond the end");
    f->inside = *m;
    f->inside.end = m->at + length;
    m->at += length;
    return SDRT_OK;
}

static int is(const struct field *f, uint32_t number, int wire)
{
    return f->number == number && f->wire == wire;
}

/* SentencePiece { piece = 1, score = 2, type = 3 } */
static int read_piece(struct sdrt_t5_tokenizer *t, struct message m)
{
    enum { UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4 };
    const struct message whole = m;
    struct message text = { 0 };
    float score = 0.0f;
    uint64_t type = 1;
    struct field f;
    int status = SDRT_OK;

    while (status == SDRT_OK && m.at < m.end) {
        status = read_field(&m, &f);
        if (status != SDRT_OK) break;
        if (is(&f, 1, 2)) text = f.inside;
        if (is(&f, 3, 0)) type = f.value;
        if (is(&f, 2, 5)) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&score, &bits, sizeof score);
        }
    }
    if (status != SDRT_OK) return status;
    if (text.at == text.end) return damaged(&whole, "a piece without text");
    const size_t length = (size_t)(text.end - text.at);
    const int32_t id = (int32_t)t->pieces.n;
    status = sdrt_t5_add_piece(&t->pieces, (const char *)text.at, length, (double)score, id, m.log);
    if (status == SDRT_OK && type >= UNKNOWN && type <= USER_DEFINED)
        status = sdrt_t5_add_piece(&t->added, (const char *)text.at, length, 0.0, id, m.log);
    return status;
}

/* TrainerSpec { model_type = 3, byte_fallback = 35, unk_id = 40, eos_id = 42, pad_id = 43 } */
static int read_trainer(struct sdrt_t5_tokenizer *t, struct message m)
{
    enum { UNIGRAM = 1 };
    uint64_t type = UNIGRAM, fallback = 0;
    struct field f;
    int status = SDRT_OK;

    t->unknown = 0; /* the values that are not written */
    t->eos = 2;
    while (status == SDRT_OK && m.at < m.end) {
        status = read_field(&m, &f);
        if (status != SDRT_OK || f.wire != 0) continue;
        const int32_t value = f.value <= INT32_MAX ? (int32_t)f.value : -1;
        switch (f.number) {
        case 3: type = f.value; break;
        case 35: fallback = f.value; break;
        case 40: t->unknown = value; break;
        case 42: t->eos = value; break;
        case 43: t->pad = value; break;
        }
    }
    if (status == SDRT_OK && (type != UNIGRAM || fallback))
        status = sdrt_fail(m.log, SDRT_E_UNSUPPORTED, "%s: a SentencePiece model %s: expected a "
                           "unigram model without it", m.where,
                           fallback ? "with bytes for unknown characters" : "of another kind");
    return status;
}

/* NormalizerSpec { precompiled_charsmap = 2 } */
static int read_normalizer(struct sdrt_t5_tokenizer *t, struct message m)
{
    struct field f;
    int status = SDRT_OK;

    while (status == SDRT_OK && m.at < m.end) {
        status = read_field(&m, &f);
        if (status == SDRT_OK && is(&f, 2, 2))
            status = sdrt_t5_set_charsmap(t, f.inside.at, (size_t)(f.inside.end - f.inside.at),
                                          m.where, m.log);
    }
    return status;
}

/* ModelProto { pieces = 1, trainer_spec = 2, normalizer_spec = 3 } */
int sdrt_t5_read_spiece(struct sdrt_t5_tokenizer *t, const char *data, size_t size,
                        const char *where, const struct sdrt_log *log)
{
    const uint8_t *bytes = (const uint8_t *)data;
    struct message m = { bytes, bytes + size, bytes, where, log };
    struct field f;
    char extra[24];
    int status = SDRT_OK;

    while (status == SDRT_OK && m.at < m.end) {
        status = read_field(&m, &f);
        if (status != SDRT_OK) break;
        if (is(&f, 1, 2)) status = read_piece(t, f.inside);
        if (is(&f, 2, 2)) status = read_trainer(t, f.inside);
        if (is(&f, 3, 2)) status = read_normalizer(t, f.inside);
    }
    if (status == SDRT_OK && !t->pieces.n)
        return sdrt_fail(log, SDRT_E_FORMAT, "%s: no pieces: expected a SentencePiece model or a "
                         "tokenizer.json", where);
    for (int i = EXTRA_TOKENS - 1; i >= 0 && status == SDRT_OK; i--) {
        const int length = snprintf(extra, sizeof extra, "<extra_id_%d>", i);
        const int32_t id = (int32_t)t->pieces.n;
        status = sdrt_t5_add_piece(&t->pieces, extra, (size_t)length, 0.0, id, log);
        if (status == SDRT_OK)
            status = sdrt_t5_add_piece(&t->added, extra, (size_t)length, 0.0, id, log);
    }
    return status;
}
