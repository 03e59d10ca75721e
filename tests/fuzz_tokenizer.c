/* SPDX-License-Identifier: MIT
 *
 * Two seconds of random and mutated prompts, vocabularies and merges, from a seed that is
 * fixed unless the first argument gives another.  Nothing may crash, every id must be in
 * range, and the same prompt must give the same ids.  Best run under the sanitizers.
 */
#include "model/text/clip_tokenizer.h"
#include "runtime/base/clock.h"
#include "tests/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_PROMPT = 2048, MAX_SEEDS = 4096, MAX_LINE = 65536, ROUNDS_PER_LOOK = 16,
       ROOM = SDRT_CLIP_TOKENIZER_LENGTH - 2 };

static const double text_seconds = 1.5, file_seconds = 0.5;

static uint64_t state;

static uint32_t random_below(uint32_t limit)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((state >> 32) * limit >> 32);
}

/* The golden prompts, which reach every rule, as what to mutate. */
static char *seeds[MAX_SEEDS];
static size_t n_seeds;

static int load_seeds(void)
{
    const char *folder = getenv("SDRT_TESTDATA");
    char path[1024], *line = malloc(MAX_LINE);
    FILE *file;

    snprintf(path, sizeof path, "%s/golden/tokenizer.txt", folder ? folder : "tests");
    file = fopen(path, "rb");
    if (!file || !line) {
        fprintf(stderr, "fuzz_tokenizer: cannot open %s\n", path);
        free(line);
        return -1;
    }
    while (n_seeds < MAX_SEEDS && fgets(line, MAX_LINE, file)) {
        size_t length = strcspn(line, "\t") / 2;
        char *seed = calloc(1, length + 1);

        for (size_t i = 0; seed && i < length; i++) {
            unsigned byte = 0;

            sscanf(line + 2 * i, "%2x", &byte);
            seed[i] = (char)byte;
        }
        if (seed)
            seeds[n_seeds++] = seed;
    }
    fclose(file);
    free(line);
    return n_seeds > 0 ? 0 : -1;
}

/* Applies some random edits to size bytes in a buffer of MAX_PROMPT. */
static size_t mutate(char *bytes, size_t size)
{
    for (uint32_t edits = random_below(6); edits > 0 && size > 0; edits--) {
        size_t at = random_below((uint32_t)size), length = 1 + random_below(8);

        if (length > size - at)
            length = size - at;
        switch (random_below(4)) {
        case 0:
            bytes[at] = (char)(1 + random_below(255));
            break;
        case 1:
            memmove(bytes + at, bytes + at + length, size - at - length);
            size -= length;
            break;
        case 2:
            if (size + length < MAX_PROMPT) {
                memmove(bytes + at + length, bytes + at, size - at);
                size += length;
            }
            break;
        default:
            bytes[at] ^= (char)(1 << random_below(7));
        }
    }
    return size;
}

static void make_prompt(char prompt[MAX_PROMPT])
{
    size_t size = 0;

    if (random_below(8) == 0) {
        for (size = 0; size < random_below(64); size++)
            prompt[size] = (char)(1 + random_below(255));
    }
    for (uint32_t parts = random_below(4); parts > 0; parts--) {
        const char *seed = seeds[random_below((uint32_t)n_seeds)];
        size_t length = strlen(seed);

        if (length > 0 && size + length < MAX_PROMPT) {
            memcpy(prompt + size, seed, length);
            size += length;
        }
    }
    size = mutate(prompt, size);
    prompt[size] = '\0';
}

static int complain(const char *what, const char *prompt)
{
    fprintf(stderr, "fuzz_tokenizer: %s for prompt ", what);
    for (; *prompt; prompt++)
        fprintf(stderr, "%02x", (uint8_t)*prompt);
    fputc('\n', stderr);
    return -1;
}

static int check_prompt(const struct sdrt_clip_tokenizer *tokenizer, const char *prompt)
{
    static int32_t ids[4 * MAX_PROMPT], padded[SDRT_CLIP_TOKENIZER_LENGTH];
    const int32_t vocab_size = sdrt_clip_tokenizer_vocab_size(tokenizer);
    const int32_t pad = random_below(2) ? sdrt_clip_tokenizer_eos(tokenizer) : 0;
    int count = -1, truncated = -1;

    if (sdrt_clip_tokenizer_encode(tokenizer, prompt, pad, ids, 4 * MAX_PROMPT, &count) != SDRT_OK)
        return complain("an error", prompt);
    if (count < 0 || count > 4 * MAX_PROMPT)
        return complain("a wild count", prompt);
    for (int i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= vocab_size)
            return complain("an id out of range", prompt);
    }
    if (sdrt_clip_tokenizer_encode_padded(tokenizer, prompt, SDRT_CLIP_TOKENIZER_LENGTH, pad,
                                          padded, &truncated) != SDRT_OK)
        return complain("an error when padded", prompt);
    if (truncated != (count > ROOM ? count - ROOM : 0))
        return complain("a wrong number of cut tokens", prompt);
    count -= truncated;
    if (padded[0] != sdrt_clip_tokenizer_bos(tokenizer) ||
        memcmp(padded + 1, ids, (size_t)count * sizeof *ids) ||
        padded[1 + count] != sdrt_clip_tokenizer_eos(tokenizer))
        return complain("other ids when padded", prompt);
    return 0;
}

static int fuzz_prompts(long *rounds)
{
    struct sdrt_clip_tokenizer *tokenizer = NULL;
    char prompt[MAX_PROMPT];
    double end = sdrt_now() + text_seconds;
    int status = sdrt_clip_tokenizer_open(&tokenizer, NULL, NULL, NULL);

    while (status == 0 && sdrt_now() < end) {
        for (int i = 0; i < ROUNDS_PER_LOOK && status == 0; i++) {
            make_prompt(prompt);
            status = check_prompt(tokenizer, prompt);
            ++*rounds;
        }
    }
    sdrt_clip_tokenizer_free(&tokenizer);
    return status;
}

static int write_mutated(const char *path, const char *text)
{
    char bytes[MAX_PROMPT];
    size_t size = strlen(text);
    FILE *file = fopen(path, "wb");

    memcpy(bytes, text, size);
    if (random_below(4) > 0)
        size = mutate(bytes, size);
    if (!file)
        return -1;
    size -= fwrite(bytes, 1, size, file);
    return fclose(file) == 0 && size == 0 ? 0 : -1;
}

static int fuzz_files(const char *folder, long *rounds, long *opened)
{
    static const char vocab_text[] =
        "{\"<|startoftext|>\": 0, \"<|endoftext|>\": 1, \"l\": 2, \"o\": 3, \"w</w>\": 4,\n"
        "\"lo\": 5, \"low</w>\": 6, \"\\u0120\": 7, \"ll\": 8, \"lol\": 9, \"o</w>\": 10}\n";
    static const char merges_text[] = "#version: 0.2\nl o\nlo w</w>\nl l\nlo l\n";
    char vocab[128], merges[128];
    double end = sdrt_now() + file_seconds;
    int status = 0;

    snprintf(vocab, sizeof vocab, "%s/vocab.json", folder);
    snprintf(merges, sizeof merges, "%s/merges.txt", folder);
    while (status == 0 && sdrt_now() < end) {
        struct sdrt_clip_tokenizer *tokenizer = NULL;

        if (write_mutated(vocab, vocab_text) || write_mutated(merges, merges_text)) {
            fprintf(stderr, "fuzz_tokenizer: cannot write to %s\n", folder);
            status = -1;
        } else if (sdrt_clip_tokenizer_open(&tokenizer, vocab, merges, NULL) == SDRT_OK) {
            status = check_prompt(tokenizer, "low lollol wool \xF0\x9F\x98\x80 ll o");
            ++*opened;
        }
        sdrt_clip_tokenizer_free(&tokenizer);
        ++*rounds;
    }
    unlink(vocab);
    unlink(merges);
    return status;
}

#ifdef SDRT_LIBFUZZER
static int try_prompt(const uint8_t *data, size_t size)
{
    static struct sdrt_clip_tokenizer *tokenizer;
    char prompt[MAX_PROMPT];

    if (!tokenizer && sdrt_clip_tokenizer_open(&tokenizer, NULL, NULL, &fuzz_log) != SDRT_OK)
        return 0;
    if (size >= sizeof prompt) return 1;
    memcpy(prompt, data, size);
    prompt[size] = '\0';
    return check_prompt(tokenizer, prompt) == 0;
}
#endif
FUZZ_TARGET(try_prompt(data, size))

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20220822;
    char folder[] = "fuzz-tokenizer-XXXXXX";
    long prompts = 0, files = 0, opened = 0;
    int status = load_seeds();

    state = seed;
    if (status == 0)
        status = fuzz_prompts(&prompts);
    if (status == 0 && !mkdtemp(folder))
        status = -1;
    if (status == 0) {
        status = fuzz_files(folder, &files, &opened);
        rmdir(folder);
    }
    printf("fuzz_tokenizer: seed %llu, %ld prompts, %ld pairs of files of which %ld opened: %s\n",
           (unsigned long long)seed, prompts, files, opened, status == 0 ? "ok" : "FAILED");
    for (size_t i = 0; i < n_seeds; i++)
        free(seeds[i]);
    return status == 0 ? 0 : 1;
}
