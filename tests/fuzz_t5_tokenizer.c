/* SPDX-License-Identifier: MIT
 *
 * Two seconds of mutated SentencePiece models and tokenizer.json files, from a seed that is fixed
 * unless the first argument gives another.  Nothing may crash, a refusal must be one line, and
 * what was taken must encode any bytes to ids of its vocabulary.  Best run under the sanitizers.
 */
#include "model/text/t5_tokenizer.h"
#include "tests/fuzz.h"

#include <stdio.h>

enum { CAPACITY = 1024, IDS = 512 };

static const double seconds = 2.0;

static const char json[] =
    "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 2, \"vocab\": [[\"<pad>\", 0], [\"</s>\", 0], "
    "[\"<unk>\", 0], [\"\\u2581a\", -1.5], [\"b\", -2]]}, \"added_tokens\": [{\"id\": 1, \"content\": "
    "\"</s>\"}], \"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"CAAAAAAEAAAAAAAAeQA=\"}}";

/* Appends one field of bytes. */
static size_t put(char *to, size_t at, char key, const char *bytes, size_t size)
{
    to[at++] = key;
    to[at++] = (char)size;
    memcpy(to + at, bytes, size);
    return at + size;
}

static size_t put_piece(char *to, size_t at, const char *text, const char *rest, size_t rest_size)
{
    char piece[64];
    size_t size = put(piece, 0, 0x0a, text, strlen(text));

    memcpy(piece + size, rest, rest_size);
    return put(to, at, 0x0a, piece, size + rest_size);
}

/* A whole model: pieces, ids 0, 1 and 2, and a map whose root has units to wander in. */
static size_t make_spiece(char *to)
{
    static const char control[] = { 0x18, 3 }, unknown[] = { 0x18, 2 };
    static const char worse[] = { 0x15, 0, 0, (char)0xc0, (char)0xbf }; /* -1.5 */
    static const char trainer[] = { 0x18, 1, (char)0xc0, 2, 2, (char)0xd0, 2, 1, (char)0xd8, 2, 0 };
    char map[64] = { 40, 0, 0, 0 }, normalizer[80];
    size_t at = 0;

    at = put_piece(to, at, "<pad>", control, sizeof control);
    at = put_piece(to, at, "</s>", control, sizeof control);
    at = put_piece(to, at, "<unk>", unknown, sizeof unknown);
    at = put_piece(to, at, "\xe2\x96\x81" "a", worse, sizeof worse);
    at = put_piece(to, at, "b", worse, sizeof worse);
    at = put(to, at, 0x12, trainer, sizeof trainer);
    for (size_t i = 4; i < 44; i++) map[i] = (char)fuzz_below(256);
    memcpy(map + 44, "y\0long\0", 7);
    at = put(to, at, 0x1a, normalizer, put(normalizer, 0, 0x12, map, 51));
    return at;
}

/* Random text, of characters that the models know and of bytes that nothing knows. */
static int encode(const struct sdrt_t5_tokenizer *t)
{
    static const char *const parts[] = { "a", "b", "x", " ", "\xe2\x96\x81", "</s>", "<pad>", "\xcc\x81",
                                         "\xff", "\xe4\xb8\x80", "y", "\n" };
    int32_t ids[IDS + 1];
    char text[256];
    int n = 0, good;
    size_t size = 0;

    while (size < 200 && fuzz_below(30)) {
        const char *part = parts[fuzz_below(sizeof parts / sizeof parts[0])];
        memcpy(text + size, part, strlen(part));
        size += strlen(part);
    }
    text[size] = 0;
    ids[IDS] = 77;
    good = sdrt_t5_tokenizer_encode(t, text, ids, IDS, &n) == SDRT_OK && fuzz_lines == 0;
    for (int i = 0; good && i < n && i < IDS; i++)
        good = ids[i] >= 0 && ids[i] < sdrt_t5_tokenizer_vocab_size(t);
    return good && ids[IDS] == 77;
}

static int try_file(const char *bytes, size_t size, size_t *taken)
{
    /* A block of exactly this size lets the sanitizer see a read past the end. */
    char *exact = malloc(size ? size : 1);
    struct sdrt_t5_tokenizer *t = NULL;
    int good;

    if (!exact) return 0;
    memcpy(exact, bytes, size);
    const int status = sdrt_t5_tokenizer_parse(&t, exact, size, "f", &fuzz_log);
    free(exact);
    good = (status == SDRT_OK) == (t != NULL) && fuzz_lines == (status != SDRT_OK);
    fuzz_lines = 0;
    for (int i = 0; i < 3 && good && t; i++) good = encode(t);
    *taken += t != NULL;
    sdrt_t5_tokenizer_free(&t);
    return good;
}

FUZZ_TARGET(try_file((const char *)data, size, &fuzz_taken))

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const double end = sdrt_now() + seconds;
    size_t rounds = 0, taken = 0;
    char bytes[CAPACITY];
    int good = 1;

    fuzz_state = seed;
    while (good && sdrt_now() < end) {
        const uint32_t kind = fuzz_below(16);
        size_t size = sizeof json - 1;
        if (kind % 4 == 0) memcpy(bytes, json, size);
        else size = make_spiece(bytes);
        if (kind > 1) size = fuzz_mutate(bytes, size, CAPACITY);
        good = try_file(bytes, size, &taken);
        rounds++;
    }
    printf("fuzz_t5_tokenizer: seed %llu, %zu files, %zu taken: %s\n", (unsigned long long)seed, rounds,
           taken, good && taken ? "good" : "WRONG");
    return !good || !taken;
}
