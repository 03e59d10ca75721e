/* SPDX-License-Identifier: MIT
 *
 * tokenizer.json of transformers' fast tokenizers, where it holds a unigram model.
 */
#include <config.h>

#include "model/text/t5_vocab.h"
#include "runtime/files/json.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ID = 1 << 20 };

static int base64_value(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* RFC 4648.  Returns the bytes written to out, or -1. */
static long decode_base64(const char *text, size_t n, uint8_t *out)
{
    uint32_t bits = 0;
    long size = 0;

    if (n % 4) return -1;
    for (int i = 0; i < 2 && n && text[n - 1] == '='; i++) n--;
    for (size_t i = 0; i < n; i++) {
        const int value = base64_value(text[i]);
        if (value < 0) return -1;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4) out[size++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return size;
}

static int read_charsmap(struct sdrt_t5_tokenizer *t, const json_t *normalizer, const char *where,
                         const struct sdrt_log *log)
{
    const char *text = "";
    int status = sdrt_json_string(normalizer, "precompiled_charsmap", where, &text, log);

    if (status != SDRT_OK) return status;
    const size_t n = strlen(text);
    uint8_t *bytes = malloc(n + 1);
    if (!bytes) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the tokenizer");
    const long size = decode_base64(text, n, bytes);
    status = size < 0 ? sdrt_fail(log, SDRT_E_FORMAT, "%s: precompiled_charsmap: expected base64",
                                  where)
                      : sdrt_t5_set_charsmap(t, bytes, (size_t)size, where, log);
    free(bytes);
    return status;
}

/* Rules that only move white space are without effect, since words are cut out at it. */
static int read_normalizer(struct sdrt_t5_tokenizer *t, const json_t *normalizer, int depth,
                           const char *where, const struct sdrt_log *log)
{
    const char *type = "";
    int status;

    if (!normalizer || json_is_null(normalizer)) return SDRT_OK;
    status = sdrt_json_string(normalizer, "type", where, &type, log);
    if (status != SDRT_OK) return status;
    if (!strcmp(type, "Precompiled")) return read_charsmap(t, normalizer, where, log);
    if (!strcmp(type, "Replace") || !strcmp(type, "Strip")) return SDRT_OK;
    if (strcmp(type, "Sequence") || depth)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: normalizer \"%.40s\": expected Precompiled",
                         where, type);
    const json_t *list = json_object_get(normalizer, "normalizers");
    for (size_t i = 0; i < json_array_size(list) && status == SDRT_OK; i++)
        status = read_normalizer(t, json_array_get(list, i), depth + 1, where, log);
    return status;
}

static int read_vocab(struct sdrt_t5_tokenizer *t, const json_t *vocab, const char *where,
                      const struct sdrt_log *log)
{
    const size_t n = json_array_size(vocab);

    for (size_t i = 0; i < n; i++) {
        const json_t *pair = json_array_get(vocab, i);
        const json_t *text = json_array_get(pair, 0), *score = json_array_get(pair, 1);
        if (!json_is_string(text) || !json_string_length(text) || !json_is_number(score) ||
            i >= MAX_ID)
            return sdrt_fail(log, SDRT_E_FORMAT, "%s: model.vocab[%zu]: expected [token, score]",
                             where, i);
        const int status = sdrt_t5_add_piece(&t->pieces, json_string_value(text),
                                             json_string_length(text), json_number_value(score),
                                             (int32_t)i, log);
        if (status != SDRT_OK) return status;
        if (!strcmp(json_string_value(text), "</s>")) t->eos = (int32_t)i;
        if (!strcmp(json_string_value(text), "<pad>")) t->pad = (int32_t)i;
    }
    return SDRT_OK;
}

static int read_added(struct sdrt_t5_tokenizer *t, const json_t *added, const char *where,
                      const struct sdrt_log *log)
{
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *token = json_array_get(added, i);
        const char *content = "";
        int64_t id = -1;
        int status = sdrt_json_string(token, "content", where, &content, log);
        if (status == SDRT_OK) status = sdrt_json_int(token, "id", where, 0, MAX_ID - 1, &id, log);
        if (status == SDRT_OK && (!*content || id < 0))
            status = sdrt_fail(log, SDRT_E_FORMAT, "%s: added_tokens[%zu]: expected content and id",
                               where, i);
        if (status == SDRT_OK)
            status = sdrt_t5_add_piece(&t->added, content, strlen(content), 0.0, (int32_t)id, log);
        if (status != SDRT_OK) return status;
    }
    return SDRT_OK;
}

int sdrt_t5_read_json(struct sdrt_t5_tokenizer *t, const char *data, size_t size,
                      const char *where, const struct sdrt_log *log)
{
    const char *type = "";
    int64_t unknown = -1;
    int fallback = 0;
    json_t *root;
    int status = sdrt_json_parse(&root, data, size, where, log);

    if (status != SDRT_OK) return status;
    const json_t *model = json_object_get(root, "model");
    if (!json_is_object(model) || !json_is_array(json_object_get(model, "vocab")))
        status = sdrt_fail(log, SDRT_E_FORMAT, "%s: no model.vocab: expected a tokenizer.json of "
                           "a unigram model", where);
    if (status == SDRT_OK) status = sdrt_json_string(model, "type", where, &type, log);
    if (status == SDRT_OK) status = sdrt_json_bool(model, "byte_fallback", where, &fallback, log);
    if (status == SDRT_OK && ((*type && strcmp(type, "Unigram")) || fallback))
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: a model of type \"%.40s\"%s: expected "
                           "Unigram without byte_fallback", where, type,
                           fallback ? " with byte_fallback" : "");
    if (status == SDRT_OK)
        status = sdrt_json_int(model, "unk_id", where, 0, MAX_ID - 1, &unknown, log);
    if (status == SDRT_OK) status = read_vocab(t, json_object_get(model, "vocab"), where, log);
    if (status == SDRT_OK)
        status = read_normalizer(t, json_object_get(root, "normalizer"), 0, where, log);
    if (status == SDRT_OK)
        status = read_added(t, json_object_get(root, "added_tokens"), where, log);
    t->unknown = (int32_t)unknown;
    json_decref(root);
    return status;
}
