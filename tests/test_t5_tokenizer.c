/* SPDX-License-Identifier: MIT
 *
 * T5's tokenizer against transformers' on some hundred prompts, from both of its files;
 * tests/oracle/make_t5_tokenizer_golden.py made them.
 */
#include "model/text/t5_tokenizer.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(t5_tokenizer, .init = temp_folder_make, .fini = temp_folder_remove);

enum { MOST = SDRT_T5_MAX_PROMPT + 1 };

static const char *data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/t5-tokenizer/%s", root ? root : "tests", name);
    return path;
}

static struct sdrt_t5_tokenizer *open_golden(const char *name)
{
    struct sdrt_t5_tokenizer *t = NULL;

    cr_assert_eq(sdrt_t5_tokenizer_open(&t, data_path(name), &kept_log), SDRT_OK, "%s", kept_text);
    return t;
}

static int hex(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* One line of prompts.txt: the prompt in hexadecimal, a tab, the ids. */
static void check_line(const struct sdrt_t5_tokenizer *t, const char *file, const char *line)
{
    static char text[MOST];
    static int32_t ids[MOST];
    size_t size = 0;
    int n = 0, right = 1, i = 0;

    for (; *line != '\t'; line += 2) text[size++] = (char)(hex(line[0]) * 16 + hex(line[1]));
    text[size] = 0;
    cr_assert_eq(sdrt_t5_tokenizer_encode(t, text, ids, MOST - 1, &n), SDRT_OK, "%s", kept_text);
    ids[n++] = sdrt_t5_tokenizer_eos(t);
    for (char *end; *line == '\t' || *line == ' '; line = end, i++) {
        const long want = strtol(line + 1, &end, 10);
        right = right && i < n && ids[i] == want;
        if (*end == '\t') break;
    }
    cr_expect(right && i + 1 >= n, "%s: other ids for \"%s\"", file, text);
}

static void check_prompts(const char *file)
{
    struct sdrt_t5_tokenizer *t = open_golden(file);
    size_t size;
    char *all = temp_read(data_path("prompts.txt"), &size);
    int lines = 0;

    for (char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        check_line(t, file, line);
        lines++;
    }
    cr_expect_gt(lines, 400);
    cr_expect_eq(sdrt_t5_tokenizer_vocab_size(t), 1100);
    free(all);
    sdrt_t5_tokenizer_free(&t);
    cr_expect_null(t);
}

Test(t5_tokenizer, spiece) { check_prompts("spiece.model"); }
Test(t5_tokenizer, json) { check_prompts("tokenizer.json"); }

Test(t5_tokenizer, fills_and_cuts)
{
    struct sdrt_t5_tokenizer *t = open_golden("spiece.model");
    int32_t all[64], ids[64];
    int n = 0, cut = -1;

    cr_assert_eq(sdrt_t5_tokenizer_encode(t, "a cat in the night", all, 64, &n), SDRT_OK);
    cr_assert(n > 4 && n < 60);
    cr_assert_eq(sdrt_t5_tokenizer_encode_padded(t, "a cat in the night", 64, ids, &cut), SDRT_OK);
    cr_expect_eq(cut, 0);
    for (int i = 0; i < 64; i++)
        cr_expect_eq(ids[i], i < n ? all[i] : i == n ? 1 : 0, "token %d", i);
    cr_assert_eq(sdrt_t5_tokenizer_encode_padded(t, "a cat in the night", 4, ids, &cut), SDRT_OK);
    cr_expect_eq(cut, n - 3);
    for (int i = 0; i < 4; i++) cr_expect_eq(ids[i], i < 3 ? all[i] : 1, "token %d", i);
    cr_assert_eq(sdrt_t5_tokenizer_encode_padded(t, "", 1, ids, NULL), SDRT_OK);
    cr_expect_eq(ids[0], 1);
    sdrt_t5_tokenizer_free(&t);
}

/* Each longest ill-formed part is one U+FFFD, which T5's map makes a space. */
Test(t5_tokenizer, ill_formed_text)
{
    static const char *const cases[][2] = {
        { "a\xff" "b", "a\xef\xbf\xbd" "b" }, { "\xe2\x96", "\xef\xbf\xbd" },
        { "x\xed\xa0\x80y", "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy" },
        { "\xf0\x9f\x98 z", "\xef\xbf\xbd z" }, { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },
    };
    struct sdrt_t5_tokenizer *t = open_golden("spiece.model");

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t got[32], want[32];
        int n_got, n_want;
        cr_assert_eq(sdrt_t5_tokenizer_encode(t, cases[i][0], got, 32, &n_got), SDRT_OK);
        cr_assert_eq(sdrt_t5_tokenizer_encode(t, cases[i][1], want, 32, &n_want), SDRT_OK);
        cr_expect(n_got == n_want && !memcmp(got, want, (size_t)n_got * sizeof *got), "case %zu", i);
    }
    sdrt_t5_tokenizer_free(&t);
}

Test(t5_tokenizer, refuses_a_long_prompt)
{
    struct sdrt_t5_tokenizer *t = open_golden("spiece.model");
    char *text = malloc(SDRT_T5_MAX_PROMPT + 2);
    int n;

    cr_assert_not_null(text);
    memset(text, 'a', SDRT_T5_MAX_PROMPT + 1);
    text[SDRT_T5_MAX_PROMPT + 1] = 0;
    expect_failure(sdrt_t5_tokenizer_encode(t, text, NULL, 0, &n), SDRT_E_ARG, "16384", "long");
    text[SDRT_T5_MAX_PROMPT] = 0;
    expect_quiet(sdrt_t5_tokenizer_encode(t, text, NULL, 0, &n), "just short enough");
    cr_expect_gt(n, 1000);
    free(text);
    sdrt_t5_tokenizer_free(&t);
}

/* ---- files that are something else ---- */

struct bad {
    const char *name, *data;
    size_t size; /* 0: up to the 0 */
    int status;
    const char *word;
};

Test(t5_tokenizer, refuses_other_files)
{
    static const struct bad cases[] = {
        { "empty", "", 0, SDRT_E_FORMAT, "no pieces" },
        { "text", "a tokenizer", 0, SDRT_E_FORMAT, "byte" },
        { "cut varint", "\x0a\xff", 2, SDRT_E_FORMAT, "within a number" },
        { "long varint", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, SDRT_E_FORMAT,
          "64 bits" },
        { "beyond", "\x0a\x05\x0a\x01", 4, SDRT_E_FORMAT, "beyond the end" },
        { "no text", "\x0a\x02\x18\x01", 4, SDRT_E_FORMAT, "without text" },
        { "no ids", "\x0a\x03\x0a\x01x", 5, SDRT_E_FORMAT, "padding -1" },
        { "BPE", "\x0a\x03\x0a\x01x\x12\x02\x18\x02", 9, SDRT_E_UNSUPPORTED, "unigram" },
        { "bytes", "\x0a\x03\x0a\x01x\x12\x03\x98\x02\x01", 10, SDRT_E_UNSUPPORTED, "bytes" },
        { "map", "\x0a\x03\x0a\x01x\x1a\x07\x12\x05\x08\0\0\0x", 14, SDRT_E_FORMAT, "units" },
        { "NaN", "\x0a\x08\x0a\x01x\x15\0\0\xc0\x7f\x12\x03\xd8\x02\0", 15, SDRT_E_NUMERIC, "score" },
        { "JSON", "{", 0, SDRT_E_FORMAT, "" },
        { "other JSON", "{}", 0, SDRT_E_FORMAT, "model.vocab" },
        { "BPE JSON", "{\"model\": {\"type\": \"BPE\", \"vocab\": []}}", 0, SDRT_E_UNSUPPORTED, "BPE" },
        { "no score", "{\"model\": {\"vocab\": [[\"a\"]]}}", 0, SDRT_E_FORMAT, "vocab[0]" },
        { "no end", "{\"model\": {\"unk_id\": 0, \"vocab\": [[\"a\", 0]]}}", 0, SDRT_E_FORMAT, "end -1" },
        { "normalizer", "{\"model\": {\"vocab\": []}, \"normalizer\": {\"type\": \"Lowercase\"}}", 0,
          SDRT_E_UNSUPPORTED, "Lowercase" },
        { "base64", "{\"model\": {\"vocab\": []}, \"normalizer\": {\"type\": \"Precompiled\", "
          "\"precompiled_charsmap\": \"a\"}}", 0, SDRT_E_FORMAT, "base64" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bad *c = &cases[i];
        struct sdrt_t5_tokenizer *t = NULL;
        expect_failure(sdrt_t5_tokenizer_parse(&t, c->data, c->size ? c->size : strlen(c->data), "f",
                                               &kept_log), c->status, c->word, c->name);
        cr_expect_null(t, "%s", c->name);
    }
    struct sdrt_t5_tokenizer *t = NULL;
    cr_expect_eq(sdrt_t5_tokenizer_open(&t, temp_path("nothing"), &kept_log), SDRT_E_MISSING);
    cr_expect_null(t);
}

/* A small model by hand. */
Test(t5_tokenizer, small_json)
{
    static const char text[] =
        "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 2, \"vocab\": [[\"<pad>\", 0], [\"</s>\", 0], "
        "[\"<unk>\", 0], [\"\\u2581\", -1], [\"b\", -2], [\"\\u2581b\", -4], [\"bb\", -3]]}, "
        "\"added_tokens\": [{\"id\": 9, \"content\": \"[b]\"}, {\"id\": 10, \"content\": \"[b]b\"}], "
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Strip\"}]}}";
    static const int32_t want[] = { 3, 4, 9, 3, 2, 4, 10, 3, 6 };
    struct sdrt_t5_tokenizer *t = NULL;
    int32_t got[16];
    int n = 0;

    cr_assert_eq(sdrt_t5_tokenizer_parse(&t, text, strlen(text), "f", &kept_log), SDRT_OK, "%s",
                 kept_text);
    cr_expect_eq(sdrt_t5_tokenizer_vocab_size(t), 11);
    /* "_b" by itself is worse than "_" and "b"; an unknown run is one token; the longest added one. */
    cr_assert_eq(sdrt_t5_tokenizer_encode(t, " b[b] zqb  [b]b bb ", got, 16, &n), SDRT_OK);
    cr_expect_eq(n, 9);
    for (int i = 0; i < 9 && i < n; i++) cr_expect_eq(got[i], want[i], "token %d is %d", i, got[i]);
    sdrt_t5_tokenizer_free(&t);
}
