/* SPDX-License-Identifier: MIT */
#include "model/text/clip_vocab.h"

#include "model/text/codepoints.h"
#include "model/text/clip_tokenizer.h"
#include "model/text/clip_merges.h"
#include "runtime/base/hash.h"
#include "runtime/files/json.h"
#include "runtime/files/read_file.h"
#include "runtime/random/entropy.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILE_BYTES = 64 * 1024 * 1024,
    MAX_ID         = (1 << 24) - 1,
    BYTE_TOKENS    = 512, /* each byte inside and at the end of a word */
};

static const char word_end[]   = "</w>";
static const char bos_name[]   = "<|startoftext|>";
static const char eos_name[]   = "<|endoftext|>";

/* A token's spelling; text is borrowed from whoever holds the vocabulary's text. */
struct name {
    const char *text; /* NULL in an empty slot */
    size_t      length;
    int32_t     id;
};

/* What is needed only while loading. */
struct loader {
    struct sdrt_clip_tokenizer *tokenizer;
    const struct sdrt_log *log;
    struct name           *names;    /* open addressing; owned */
    size_t                 mask;
    char                  *spelling; /* where merged spellings are put together; owned */
    size_t                 used;
    const char            *vocab_where; /* file for messages; NULL: results make the vocabulary */
};

static struct name *find_slot(const struct loader *loader, const char *text, size_t length)
{
    size_t at = sdrt_hash_keyed(loader->tokenizer->key, text, length) & loader->mask;

    while (loader->names[at].text &&
           (loader->names[at].length != length || memcmp(loader->names[at].text, text, length)))
        at = (at + 1) & loader->mask;
    return &loader->names[at];
}

static int32_t find_id(const struct loader *loader, const char *text, size_t length)
{
    const struct name *name = find_slot(loader, text, length);

    return name->text ? name->id : -1;
}

static void add_name(struct loader *loader, const char *text, size_t length, int32_t id)
{
    *find_slot(loader, text, length) = (struct name){text, length, id};
    if (loader->tokenizer->vocab_size <= id)
        loader->tokenizer->vocab_size = id + 1;
}

/* The smallest power of two that leaves half of the slots empty. */
static size_t slots_for(size_t count)
{
    size_t slots = 64;

    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

static struct sdrt_merge *merge_slot(const struct sdrt_clip_tokenizer *tokenizer, int32_t left,
                                     int32_t right)
{
    const int32_t pair[] = { left, right };
    size_t at = sdrt_hash_keyed(tokenizer->key, pair, sizeof pair) & tokenizer->mask;
    struct sdrt_merge *merges = tokenizer->merges;

    while (merges[at].left >= 0 && (merges[at].left != left || merges[at].right != right))
        at = (at + 1) & tokenizer->mask;
    return &merges[at];
}

const struct sdrt_merge *sdrt_vocab_merge(const struct sdrt_clip_tokenizer *tokenizer, int32_t left,
                                          int32_t right)
{
    const struct sdrt_merge *slot;

    if (left < 0 || right < 0)
        return NULL;
    slot = merge_slot(tokenizer, left, right);
    return slot->left >= 0 ? slot : NULL;
}

static bool stands_for_itself(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/* Spells a byte as the printable character that the vocabulary has for it. */
static size_t spell_byte(unsigned byte, char text[8])
{
    uint32_t codepoint = byte;

    if (!stands_for_itself(byte)) {
        codepoint = 0x100;
        for (unsigned b = 0; b < byte; b++)
            codepoint += !stands_for_itself(b);
    }
    return (size_t)sdrt_utf8_encode(codepoint, (uint8_t *)text);
}

/* Gives bytes their ids as CLIP's vocabulary does: first those that stand for
 * themselves, then the others, then the same again at the end of a word. */
static void number_bytes(struct loader *loader)
{
    int32_t id = 0;

    for (int pass = 0; pass < 4; pass++) {
        const bool at_end = pass >= 2;

        for (unsigned byte = 0; byte < 256; byte++) {
            char *text = loader->spelling + loader->used;
            size_t length;

            if (stands_for_itself(byte) != (pass % 2 == 0))
                continue;
            length = spell_byte(byte, text);
            if (at_end) {
                memcpy(text + length, word_end, sizeof word_end - 1);
                length += sizeof word_end - 1;
            }
            add_name(loader, text, length, id++);
            loader->used += length;
        }
    }
}

static void look_up_bytes(struct loader *loader)
{
    char text[16];

    for (unsigned byte = 0; byte < 256; byte++) {
        size_t length = spell_byte(byte, text);

        loader->tokenizer->byte_ids[0][byte] = find_id(loader, text, length);
        memcpy(text + length, word_end, sizeof word_end - 1);
        loader->tokenizer->byte_ids[1][byte] =
            find_id(loader, text, length + sizeof word_end - 1);
    }
}

/* Reads one line "left right" as the merge of that rank. */
static int read_merge(struct loader *loader, const char *line, size_t length, int32_t rank,
                      const char *where, size_t number)
{
    const char *space = memchr(line, ' ', length);
    char *joined = loader->spelling + loader->used;
    size_t left_length, right_length;
    struct sdrt_merge merge = {.rank = rank};

    if (!space || space == line || space == line + length - 1 ||
        memchr(space + 1, ' ', (size_t)(line + length - space - 1)))
        return sdrt_fail(loader->log, SDRT_E_FORMAT,
                         "%s:%zu: expected two tokens with one space between them", where,
                         number);
    left_length = (size_t)(space - line);
    right_length = length - left_length - 1;
    memcpy(joined, line, left_length);
    memcpy(joined + left_length, space + 1, right_length);
    if (!loader->vocab_where) {
        add_name(loader, joined, left_length + right_length, BYTE_TOKENS + rank);
        loader->used += left_length + right_length;
    }
    merge.left = find_id(loader, line, left_length);
    merge.right = find_id(loader, space + 1, right_length);
    merge.result = find_id(loader, joined, left_length + right_length);
    if (merge.left < 0 || merge.right < 0 || merge.result < 0)
        return sdrt_fail(loader->log, SDRT_E_FORMAT,
                         "%s:%zu: expected a merge of tokens that %s has, but it lacks %s",
                         where, number, loader->vocab_where ? loader->vocab_where : "the file",
                         merge.left < 0    ? "the first"
                         : merge.right < 0 ? "the second"
                                           : "their join");
    *merge_slot(loader->tokenizer, merge.left, merge.right) = merge;
    return SDRT_OK;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t lines = 1;

    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    return lines;
}

/* Reads merges.txt: a "#version" line where there is one, then one merge a line. */
static int read_merges(struct loader *loader, const char *text, size_t size, const char *where)
{
    struct sdrt_clip_tokenizer *tokenizer = loader->tokenizer;
    size_t slots = slots_for(count_lines(text, size)), at = 0;
    int32_t rank = 0;
    int status = SDRT_OK;

    tokenizer->merges = malloc(slots * sizeof *tokenizer->merges);
    if (!tokenizer->merges)
        return sdrt_fail(loader->log, SDRT_E_NOMEM, "%s: no memory for its merges", where);
    for (size_t i = 0; i < slots; i++)
        tokenizer->merges[i].left = -1;
    tokenizer->mask = slots - 1;

    for (size_t number = 1; at < size && status == SDRT_OK; number++) {
        const char *line = text + at, *newline = memchr(line, '\n', size - at);
        size_t length = newline ? (size_t)(newline - line) : size - at;

        at += length + 1;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (number == 1 && length >= 8 && memcmp(line, "#version", 8) == 0)
            continue;
        if (length == 0 && at >= size)
            break;
        status = read_merge(loader, line, length, rank++, where, number);
    }
    return status;
}

/* Takes every token of a parsed vocab.json, whose strings stay the json_t's. */
static int read_vocab(struct loader *loader, json_t *vocab, const char *where)
{
    const char *token;
    json_t *value;

    if (!json_is_object(vocab))
        return sdrt_fail(loader->log, SDRT_E_FORMAT,
                         "%s:1: expected an object that gives each token its id", where);
    json_object_foreach(vocab, token, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;

        if (id < 0 || id > MAX_ID)
            return sdrt_fail(loader->log, SDRT_E_FORMAT,
                             "%s: token \"%.40s\": expected an integer from 0 to %d", where,
                             token, (int)MAX_ID);
        add_name(loader, token, strlen(token), (int32_t)id);
    }
    return SDRT_OK;
}

static int find_special(struct loader *loader, const char *where)
{
    struct sdrt_clip_tokenizer *tokenizer = loader->tokenizer;

    tokenizer->bos = find_id(loader, bos_name, sizeof bos_name - 1);
    tokenizer->eos = find_id(loader, eos_name, sizeof eos_name - 1);
    if (tokenizer->bos < 0 || tokenizer->eos < 0)
        return sdrt_fail(loader->log, SDRT_E_FORMAT, "%s: expected the token %s, which is absent",
                         where, tokenizer->bos < 0 ? bos_name : eos_name);
    return SDRT_OK;
}

/* Makes room for count names, and for spellings of as many bytes as merges.txt has. */
static int open_loader(struct loader *loader, size_t count, size_t merges_size,
                       const char *where)
{
    size_t slots = slots_for(count);

    /* Without a generator the tables are as good as any that nobody attacks. */
    if (!sdrt_entropy(loader->tokenizer->key, sizeof loader->tokenizer->key))
        memset(loader->tokenizer->key, 0, sizeof loader->tokenizer->key);
    loader->names = calloc(slots, sizeof *loader->names);
    loader->mask = slots - 1;
    loader->spelling = malloc(merges_size + 16 * BYTE_TOKENS);
    if (!loader->names || !loader->spelling)
        return sdrt_fail(loader->log, SDRT_E_NOMEM, "%s: no memory for its vocabulary", where);
    return SDRT_OK;
}

static void close_loader(struct loader *loader)
{
    free(loader->names);
    free(loader->spelling);
}

/* Reads the built-in tables; the loader stays open. */
static int load_builtin(struct loader *loader)
{
    static const char where[] = "built-in clip_merges.txt";
    struct sdrt_clip_tokenizer *tokenizer = loader->tokenizer;
    const char *text = (const char *)sdrt_clip_merges;
    int status = open_loader(loader, BYTE_TOKENS + 2 + count_lines(text, sdrt_clip_merges_size),
                             sdrt_clip_merges_size, where);

    if (status == SDRT_OK) {
        number_bytes(loader);
        look_up_bytes(loader);
        status = read_merges(loader, text, sdrt_clip_merges_size, where);
    }
    if (status == SDRT_OK) {
        add_name(loader, bos_name, sizeof bos_name - 1, tokenizer->vocab_size);
        add_name(loader, eos_name, sizeof eos_name - 1, tokenizer->vocab_size);
        status = find_special(loader, where);
    }
    return status;
}

int sdrt_vocab_load_builtin(struct sdrt_clip_tokenizer *tokenizer, const struct sdrt_log *log)
{
    struct loader loader = { .tokenizer = tokenizer, .log = log };
    const int status = load_builtin(&loader);

    close_loader(&loader);
    return status;
}

/* Every name with its id, in the order of ids; NULL without memory. */
static json_t *names_as_json(const struct loader *loader)
{
    const size_t n = (size_t)loader->tokenizer->vocab_size;
    const struct name **by_id = calloc(n, sizeof *by_id);
    json_t *vocab = json_object();
    int failed = !by_id || !vocab;

    for (size_t i = 0; !failed && i <= loader->mask; i++)
        if (loader->names[i].text) by_id[loader->names[i].id] = &loader->names[i];
    for (size_t i = 0; i < n && !failed; i++) {
        char *name = by_id[i] ? strndup(by_id[i]->text, by_id[i]->length) : NULL;
        failed = !name || json_object_set_new(vocab, name, json_integer((json_int_t)i)) != 0;
        free(name);
    }
    free(by_id);
    if (!failed) return vocab;
    json_decref(vocab);
    return NULL;
}

char *sdrt_clip_builtin_vocab(const struct sdrt_log *log)
{
    struct sdrt_clip_tokenizer tokenizer = { .log = log };
    struct loader loader = { .tokenizer = &tokenizer, .log = log };
    json_t *vocab = NULL;
    char *text = NULL;

    if (load_builtin(&loader) == SDRT_OK) {
        vocab = names_as_json(&loader);
        text = vocab ? json_dumps(vocab, JSON_COMPACT) : NULL;
        if (!text) sdrt_fail(log, SDRT_E_NOMEM, "no memory for CLIP's vocabulary as a text");
    }
    json_decref(vocab);
    close_loader(&loader);
    free(tokenizer.merges);
    return text;
}

const char *sdrt_clip_builtin_merges(size_t *size)
{
    *size = sdrt_clip_merges_size;
    return (const char *)sdrt_clip_merges;
}

int sdrt_vocab_load_files(struct sdrt_clip_tokenizer *tokenizer, const char *vocab_path,
                          const char *merges_path, const struct sdrt_log *log)
{
    struct loader loader = {.tokenizer = tokenizer, .log = log, .vocab_where = vocab_path};
    char *merges = NULL;
    json_t *vocab = NULL;
    size_t size = 0;
    int status;

    status = sdrt_json_load(&vocab, vocab_path, MAX_FILE_BYTES, log);
    if (status == SDRT_OK)
        status = sdrt_read_file(merges_path, MAX_FILE_BYTES, &merges, &size, log);
    if (status == SDRT_OK)
        status = open_loader(&loader, json_object_size(vocab), size, vocab_path);
    if (status == SDRT_OK)
        status = read_vocab(&loader, vocab, vocab_path);
    if (status == SDRT_OK)
        status = find_special(&loader, vocab_path);
    if (status == SDRT_OK) {
        look_up_bytes(&loader);
        status = read_merges(&loader, merges, size, merges_path);
    }
    close_loader(&loader);
    free(merges);
    json_decref(vocab);
    return status;
}
