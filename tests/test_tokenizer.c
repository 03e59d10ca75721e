/* SPDX-License-Identifier: MIT
 *
 * CLIP's tokenizer against transformers' (tests/oracle/make_tokenizer_golden.py), against
 * model folders written here, and on what it must refuse.
 */
#include "bench/allocations.h"
#include "model/text/clip_tokenizer.h"
#include "model/text/codepoints.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_IDS = 4096, MAX_LINE = 65536, BYTE_TOKENS = 512, EXCLAMATION = 0, END = 49407 };

static char last_error[512];

static void keep_error(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(last_error, sizeof last_error, "%s", text);
}

static const struct sdrt_log error_log = {keep_error, NULL};

static FILE *open_data(const char *name)
{
    const char *folder = getenv("SDRT_TESTDATA");
    char path[1024];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder ? folder : "tests", name);
    file = fopen(path, "rb");
    cr_assert_not_null(file, "cannot open %s", path);
    return file;
}

static struct sdrt_clip_tokenizer *open_builtin(void)
{
    struct sdrt_clip_tokenizer *tokenizer = NULL;

    cr_assert_eq(sdrt_clip_tokenizer_open(&tokenizer, NULL, NULL, &error_log), SDRT_OK, "%s",
                 last_error);
    return tokenizer;
}

/* Reads the bytes of a golden prompt from hexadecimal digits that a tab ends. */
static void parse_prompt(const char *at, char *prompt)
{
    size_t length = 0;

    for (; *at != '\t'; at += 2) {
        unsigned byte = 0;

        cr_assert_eq(sscanf(at, "%2x", &byte), 1);
        prompt[length++] = (char)byte;
    }
    prompt[length] = '\0';
}

/* Reads a column of ids and returns how many they are. */
static int parse_ids(const char *at, int32_t *ids)
{
    int count = 0;

    while (*at != '\t' && *at != '\n') {
        char *end;

        cr_assert_lt(count, MAX_IDS);
        ids[count++] = (int32_t)strtol(at, &end, 10);
        cr_assert_neq(at, end);
        at = end + (*end == ' ');
    }
    return count;
}

/* Whether the tokenizer gives a prompt the ids of a golden column. */
static bool agrees(const struct sdrt_clip_tokenizer *tokenizer, const char *prompt, int32_t pad,
                   const char *column)
{
    int32_t *want = malloc(2 * MAX_IDS * sizeof *want), *got = want + MAX_IDS;
    int n_want = parse_ids(column, want), n_got = -1;
    bool equal;

    cr_assert_eq(sdrt_clip_tokenizer_encode(tokenizer, prompt, pad, got, MAX_IDS, &n_got),
                 SDRT_OK);
    equal = n_got == n_want && memcmp(got, want, (size_t)n_want * sizeof *got) == 0;
    free(want);
    return equal;
}

/* Compares every golden prompt with both paddings and returns how many there were and how many
 * differed. */
static int compare_golden(const struct sdrt_clip_tokenizer *tokenizer, int *wrong)
{
    char *line = malloc(MAX_LINE), *prompt = malloc(MAX_LINE);
    FILE *file = open_data("golden/tokenizer.txt");
    int prompts = 0;

    *wrong = 0;
    while (fgets(line, MAX_LINE, file)) {
        const char *plain = strchr(line, '\t') + 1, *second = strchr(plain, '\t');

        parse_prompt(line, prompt);
        if (!agrees(tokenizer, prompt, END, plain) ||
            !agrees(tokenizer, prompt, EXCLAMATION, second ? second + 1 : plain)) {
            fprintf(stderr, "differs: %s", line);
            (*wrong)++;
        }
        prompts++;
    }
    fclose(file);
    free(line);
    free(prompt);
    return prompts;
}

Test(tokenizer, equals_transformers_on_every_golden_prompt)
{
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();
    int wrong, prompts = compare_golden(tokenizer, &wrong);

    cr_expect_geq(prompts, 1700);
    cr_expect_eq(wrong, 0, "%d of %d prompts differ", wrong, prompts);
    sdrt_clip_tokenizer_free(&tokenizer);
    cr_expect_null(tokenizer);
    sdrt_clip_tokenizer_free(&tokenizer);
}

static char class_of(uint32_t c)
{
    return sdrt_is_letter(c) ? 'L' : sdrt_is_number(c) ? 'N' : sdrt_is_space(c) ? 'S' : 'O';
}

/* Writes c in normal form and lower case, as hexadecimal numbers. */
static void spell_normal(uint32_t c, char text[32])
{
    struct sdrt_codepoints normal = {0};
    int length = 0;

    sdrt_codepoints_append(&normal, c);
    sdrt_codepoints_compose(&normal);
    sdrt_codepoints_lower(&normal);
    cr_assert(!normal.failed && normal.count >= 1 && normal.count <= 4);
    for (size_t i = 0; i < normal.count; i++)
        length += sprintf(text + length, i ? " %x" : "%x", normal.at[i]);
    sdrt_codepoints_clear(&normal);
}

/* Compares the classes of all code points and returns how many differ.  Sets same[c] where c is a
 * character that normal form and lower case may leave as it is. */
static int compare_classes(FILE *file, bool *same)
{
    uint32_t first, last;
    char class;
    int wrong = 0;

    while (fscanf(file, "%x %x %c\n", &first, &last, &class) == 3) {
        for (uint32_t c = first; c <= last; c++) {
            same[c] = class != '?' && class != 'S';
            if (class != '?' && class_of(c) != class) {
                fprintf(stderr, "U+%04X: %c, expected %c\n", c, class_of(c), class);
                wrong++;
            }
        }
    }
    return wrong;
}

/* Returns 1 and says so when c in normal form and lower case is not what is wanted. */
static int compare_normal(uint32_t c, const char *want)
{
    char text[32];

    spell_normal(c, text);
    if (strcmp(text, want) == 0)
        return 0;
    fprintf(stderr, "U+%04X: becomes %s, expected %s\n", c, text, want);
    return 1;
}

Test(tokenizer, takes_every_character_for_what_transformers_does)
{
    enum { CHARACTERS = 0x110000 };
    bool *same = calloc(CHARACTERS, sizeof *same);
    FILE *file = open_data("golden/characters.txt");
    int wrong = compare_classes(file, same), changes = 0;
    char line[64], want[32];

    rewind(file);
    while (fgets(line, sizeof line, file)) {
        uint32_t c;

        if (sscanf(line, "%x > %31[^\n]", &c, want) != 2)
            continue;
        wrong += compare_normal(c, want);
        same[c] = false;
        changes++;
    }
    fclose(file);
    for (uint32_t c = 0; c < CHARACTERS; c++) {
        sprintf(want, "%x", c);
        wrong += same[c] && compare_normal(c, want);
    }
    cr_expect_eq(wrong, 0, "%d differ", wrong);
    cr_expect_gt(changes, 2000);
    free(same);
}

Test(tokenizer, knows_clips_special_ids)
{
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();

    cr_expect_eq(sdrt_clip_tokenizer_bos(tokenizer), 49406);
    cr_expect_eq(sdrt_clip_tokenizer_eos(tokenizer), 49407);
    cr_expect_eq(sdrt_clip_tokenizer_vocab_size(tokenizer), 49408);
    sdrt_clip_tokenizer_free(&tokenizer);
}

Test(tokenizer, pads_with_what_it_is_told)
{
    static const int32_t start[] = {49406, 320, 1125, 539, 320, 2368, 49407};
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();
    int32_t ids[SDRT_CLIP_TOKENIZER_LENGTH];
    int truncated = -1;

    for (int32_t pad = 0; pad <= 49407; pad += 49407) {
        cr_assert_eq(sdrt_clip_tokenizer_encode_padded(tokenizer, "a photo of a cat",
                                                       SDRT_CLIP_TOKENIZER_LENGTH, pad, ids,
                                                       &truncated),
                     SDRT_OK);
        cr_expect_arr_eq(ids, start, sizeof start);
        cr_expect_eq(truncated, 0);
        for (int i = 7; i < SDRT_CLIP_TOKENIZER_LENGTH; i++)
            cr_expect_eq(ids[i], pad);
    }
    sdrt_clip_tokenizer_free(&tokenizer);
}

Test(tokenizer, cuts_what_is_too_long)
{
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();
    int32_t ids[SDRT_CLIP_TOKENIZER_LENGTH + 1];
    char prompt[200] = "";

    for (int words = 74; words <= 80; words++) {
        int truncated = -1;

        memset(prompt, 0, sizeof prompt);
        for (int i = 0; i < words; i++)
            strcat(prompt, i == 74 ? "b " : "a ");
        ids[SDRT_CLIP_TOKENIZER_LENGTH] = -7;
        cr_assert_eq(sdrt_clip_tokenizer_encode_padded(tokenizer, prompt,
                                                       SDRT_CLIP_TOKENIZER_LENGTH, 0, ids,
                                                       &truncated),
                     SDRT_OK);
        cr_expect_eq(truncated, words > 75 ? words - 75 : 0);
        cr_expect_eq(ids[74], 320);
        cr_expect_eq(ids[75], words == 74 ? 49407 : 321);
        cr_expect_eq(ids[76], words == 74 ? 0 : 49407);
        cr_expect_eq(ids[77], -7);
    }
    cr_assert_eq(sdrt_clip_tokenizer_encode_padded(tokenizer, "a", 2, 0, ids, NULL), SDRT_OK);
    cr_expect(ids[0] == 49406 && ids[1] == 49407);
    cr_expect_eq(sdrt_clip_tokenizer_encode_padded(tokenizer, "a", 1, 0, ids, NULL), SDRT_E_ARG);
    sdrt_clip_tokenizer_free(&tokenizer);
}

Test(tokenizer, counts_without_writing)
{
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();
    int32_t ids[3] = {-7, -7, -7};
    int count = -1;

    cr_assert_eq(sdrt_clip_tokenizer_encode(tokenizer, "a photo of a cat", END, NULL, 0, &count),
                 SDRT_OK);
    cr_expect_eq(count, 5);
    cr_assert_eq(sdrt_clip_tokenizer_encode(tokenizer, "a photo of a cat", END, ids, 2, &count),
                 SDRT_OK);
    cr_expect_eq(count, 5);
    cr_expect(ids[0] == 320 && ids[1] == 1125 && ids[2] == -7);
    sdrt_clip_tokenizer_free(&tokenizer);
}

Test(tokenizer, refuses_endless_prompts)
{
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();
    char *prompt = malloc(SDRT_CLIP_TOKENIZER_MAX_PROMPT + 2);
    int count;

    memset(prompt, 'a', SDRT_CLIP_TOKENIZER_MAX_PROMPT + 1);
    prompt[SDRT_CLIP_TOKENIZER_MAX_PROMPT + 1] = '\0';
    cr_expect_eq(sdrt_clip_tokenizer_encode(tokenizer, prompt, END, NULL, 0, &count), SDRT_E_ARG);
    cr_expect_not_null(strstr(last_error, "16384 bytes"));
    prompt[SDRT_CLIP_TOKENIZER_MAX_PROMPT] = '\0';
    cr_expect_eq(sdrt_clip_tokenizer_encode(tokenizer, prompt, END, NULL, 0, &count), SDRT_OK);
    cr_expect_gt(count, 0);
    free(prompt);
    sdrt_clip_tokenizer_free(&tokenizer);
}

/* A folder of its own for each test that writes files. */
static char folder[64];

static void make_folder(void)
{
    strcpy(folder, "tokenizer-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static void path_in_folder(char path[128], const char *name)
{
    snprintf(path, 128, "%s/%s", folder, name);
}

static void remove_folder(void)
{
    char path[128];

    path_in_folder(path, "vocab.json");
    unlink(path);
    path_in_folder(path, "merges.txt");
    unlink(path);
    rmdir(folder);
}

static FILE *create_in_folder(const char *name)
{
    char path[128];
    FILE *file;

    path_in_folder(path, name);
    file = fopen(path, "wb");
    cr_assert_not_null(file);
    return file;
}

static int open_folder(struct sdrt_clip_tokenizer **tokenizer)
{
    char vocab[128], merges[128];

    path_in_folder(vocab, "vocab.json");
    path_in_folder(merges, "merges.txt");
    last_error[0] = '\0';
    return sdrt_clip_tokenizer_open(tokenizer, vocab, merges, &error_log);
}

static int open_texts(struct sdrt_clip_tokenizer **tokenizer, const char *vocab, const char *merges)
{
    FILE *file = create_in_folder("vocab.json");

    fputs(vocab, file);
    fclose(file);
    file = create_in_folder("merges.txt");
    fputs(merges, file);
    fclose(file);
    return open_folder(tokenizer);
}

#define SMALL_VOCAB                                                                            \
    "{\"<|startoftext|>\":20,\"<|endoftext|>\":1,\"l\":2,\"o\":3,\"w\":4,\"w</w>\":5,"        \
    "\"lo\":6,\"low</w>\":7,\"e\":8,\"r</w>\":9,\"er</w>\":10,\"\\u0120\":11}"

Test(tokenizer, reads_a_folder_of_its_own, .init = make_folder, .fini = remove_folder)
{
    /* lo|w|er</w>, low</w>, and a letter that the vocabulary lacks. */
    static const int32_t want[] = {6, 4, 10, 7, 1, 20};
    struct sdrt_clip_tokenizer *tokenizer = NULL;
    int32_t ids[16];
    int count = 0;

    cr_assert_eq(open_texts(&tokenizer, SMALL_VOCAB, "#version: 0.2\r\nl o\r\nlo w</w>\ne r</w>"),
                 SDRT_OK, "%s", last_error);
    cr_expect_eq(sdrt_clip_tokenizer_bos(tokenizer), 20);
    cr_expect_eq(sdrt_clip_tokenizer_eos(tokenizer), 1);
    cr_expect_eq(sdrt_clip_tokenizer_vocab_size(tokenizer), 21);
    cr_assert_eq(sdrt_clip_tokenizer_encode(tokenizer, "LOWER low x<|startoftext|>", 1, ids, 16,
                                            &count),
                 SDRT_OK);
    cr_expect_eq(count, 6);
    cr_expect_arr_eq(ids, want, sizeof want);
    sdrt_clip_tokenizer_free(&tokenizer);
}

/* Writes one member of vocab.json, where text may hold quotes and backslashes. */
static void write_token(FILE *vocab, const char *text, size_t length, const char *end, int id)
{
    fprintf(vocab, "%s\"", id == 0 ? "{" : ",\n");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            fputc('\\', vocab);
        if (text[i] != ' ')
            fputc(text[i], vocab);
    }
    fprintf(vocab, "%s\": %d", end, id);
}

/* The 256 characters that stand for bytes, in the order of CLIP's vocabulary. */
static int write_byte_tokens(FILE *vocab, const char *end, int id)
{
    static const int runs[][2] = {{'!', '~'}, {0xA1, 0xAC}, {0xAE, 0xFF}, {0x100, 0x143}};

    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        for (int c = runs[r][0]; c <= runs[r][1]; c++) {
            char text[2] = {(char)c};

            if (c >= 0x80) {
                text[0] = (char)(0xC0 | c >> 6);
                text[1] = (char)(0x80 | (c & 0x3F));
            }
            write_token(vocab, text, c >= 0x80 ? 2 : 1, end, id++);
        }
    }
    return id;
}

Test(tokenizer, the_full_files_equal_the_built_in, .init = make_folder, .fini = remove_folder)
{
    FILE *vocab = create_in_folder("vocab.json"), *merges = create_in_folder("merges.txt");
    FILE *source = open_data("../model/text/data/clip_merges.txt");
    struct sdrt_clip_tokenizer *tokenizer = NULL;
    int id = write_byte_tokens(vocab, "</w>", write_byte_tokens(vocab, "", 0)), wrong;
    char line[1024];

    cr_assert_eq(id, BYTE_TOKENS);
    while (fgets(line, sizeof line, source)) {
        fputs(line, merges);
        if (line[0] != '#' || line[1] != 'v')
            write_token(vocab, line, strlen(line) - 1, "", id++);
    }
    write_token(vocab, "<|startoftext|>", 15, "", id++);
    write_token(vocab, "<|endoftext|>", 13, "", id++);
    fputs("}\n", vocab);
    fclose(source);
    fclose(vocab);
    fclose(merges);

    cr_assert_eq(open_folder(&tokenizer), SDRT_OK, "%s", last_error);
    cr_expect_eq(sdrt_clip_tokenizer_vocab_size(tokenizer), 49408);
    cr_expect_geq(compare_golden(tokenizer, &wrong), 1700);
    cr_expect_eq(wrong, 0);
    sdrt_clip_tokenizer_free(&tokenizer);
}

Test(tokenizer, says_what_is_wrong_with_files, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *vocab, *merges, *says;
    } cases[] = {
        {"", "l o", "vocab.json:"},
        {"{\"a\": 1", "l o", "vocab.json:1"},
        {"{\"a\": 1,\n\"a\": 2}", "l o", "vocab.json:2"},
        {"[1]", "l o", "expected an object"},
        {"{\"a\": \"b\"}", "l o", "token \"a\": expected an integer"},
        {"{\"a\": -1}", "l o", "token \"a\": expected an integer"},
        {"{\"a\": 99999999999}", "l o", "token \"a\": expected an integer"},
        {"{\"a\": 1}", "l o", "<|startoftext|>"},
        {"{\"<|startoftext|>\": 1}", "l o", "<|endoftext|>"},
        {SMALL_VOCAB, "#version\nl o\nlo", "merges.txt:3: expected two tokens"},
        {SMALL_VOCAB, "l o\nl o w", "merges.txt:2: expected two tokens"},
        {SMALL_VOCAB, "l o\n\nl o", "merges.txt:2: expected two tokens"},
        {SMALL_VOCAB, "l  o", "merges.txt:1: expected two tokens"},
        {SMALL_VOCAB, " o", "merges.txt:1: expected two tokens"},
        {SMALL_VOCAB, "l ", "merges.txt:1: expected two tokens"},
        {SMALL_VOCAB, "z o", "it lacks the first"},
        {SMALL_VOCAB, "l z", "it lacks the second"},
        {SMALL_VOCAB, "l e", "it lacks their join"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_clip_tokenizer *tokenizer = NULL;

        cr_expect_eq(open_texts(&tokenizer, cases[i].vocab, cases[i].merges), SDRT_E_FORMAT);
        cr_expect_null(tokenizer);
        cr_expect_not_null(strstr(last_error, cases[i].says), "case %zu: \"%s\" in \"%s\"", i,
                           cases[i].says, last_error);
        cr_expect_null(strchr(last_error, '\n'));
    }
}

Test(tokenizer, needs_both_files)
{
    struct sdrt_clip_tokenizer *tokenizer = NULL;

    cr_expect_eq(sdrt_clip_tokenizer_open(&tokenizer, "vocab.json", NULL, NULL), SDRT_E_ARG);
    cr_expect_eq(sdrt_clip_tokenizer_open(&tokenizer, NULL, "merges.txt", NULL), SDRT_E_ARG);
    cr_expect_eq(sdrt_clip_tokenizer_open(&tokenizer, "no/vocab.json", "no/merges.txt", &error_log),
                 SDRT_E_MISSING);
    cr_expect_not_null(strstr(last_error, "no/vocab.json"));
    cr_expect_null(tokenizer);
}

/* Lets one more allocation through each time, until all is well. */
Test(tokenizer, survives_without_memory, .init = make_folder, .fini = remove_folder)
{
    static const char *const prompts[] = {
        "a cat", "e\u0301 <|endoftext|> \u0130\u0301", "!\u1100\u1161!\u1df6 \u0130!",
    };
    struct sdrt_clip_tokenizer *tokenizer = NULL;
    int status = SDRT_E_NOMEM, count, opens = 0;

    for (int grant = 0; status != SDRT_OK; grant++, opens++) {
        sdrt_allocations_refuse(grant);
        status = sdrt_clip_tokenizer_open(&tokenizer, NULL, NULL, &error_log);
        sdrt_allocations_refuse(-1);
        cr_assert(status == SDRT_OK || (status == SDRT_E_NOMEM && !tokenizer));
    }
    cr_expect_gt(opens, 3);
    for (size_t i = 0; i < sizeof prompts / sizeof *prompts; i++) {
        int tries = 0;

        status = SDRT_E_NOMEM;
        for (int grant = 0; status != SDRT_OK; grant++, tries++) {
            sdrt_allocations_refuse(grant);
            status = sdrt_clip_tokenizer_encode(tokenizer, prompts[i], EXCLAMATION, NULL, 0,
                                                &count);
            sdrt_allocations_refuse(-1);
            cr_assert(status == SDRT_OK || status == SDRT_E_NOMEM);
        }
        cr_expect_gt(tries, 4);
    }
    sdrt_clip_tokenizer_free(&tokenizer);
}

static void *encode_all(void *tokenizer)
{
    int wrong;

    compare_golden(tokenizer, &wrong);
    return wrong ? tokenizer : NULL;
}

Test(tokenizer, serves_many_threads)
{
    struct sdrt_clip_tokenizer *tokenizer = open_builtin();
    pthread_t threads[4];
    void *wrong = NULL;

    for (int i = 0; i < 4; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, encode_all, tokenizer), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], &wrong);
        cr_expect_null(wrong);
    }
    sdrt_clip_tokenizer_free(&tokenizer);
}
