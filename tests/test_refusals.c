/* SPDX-License-Identifier: MIT
 *
 * What people give as a model and is none, from golden/refusals.txt (tests/oracle/make_refusals.py):
 * each is refused in one line that says what it is, as a model, as a LoRA and where it is inspected.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "model/checkpoint/checkpoint.h"
#include "model/lora/file.h"
#include "model/sdrt.h"
#include "runtime/base/printable.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(refusals, .init = temp_folder_make, .fini = temp_folder_remove, .timeout = 60);

/* Writes the bytes of hexadecimal digits and returns the file's path. */
static const char *write_hex(const char *hex)
{
    const size_t n = strlen(hex) / 2;
    unsigned char *bytes = malloc(n + 1);

    cr_assert(bytes);
    for (size_t i = 0; i < n; i++) {
        unsigned int byte = 0;
        cr_assert_eq(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (unsigned char)byte;
    }
    const char *path = temp_write("x.safetensors", bytes, n);
    free(bytes);
    return path;
}

static void expect_refused(const char *name, const char *path, const char *text)
{
    const struct sdrt_checkpoint_paths paths = { .model = path };
    struct sdrt_checkpoint *checkpoint = NULL;
    struct sdrt_lora_file *lora = NULL;
    char *expected;

    cr_assert(asprintf(&expected, "%s: %s", path, text) > 0);
    const int as_model = sdrt_checkpoint_open(&checkpoint, &paths, &kept_log);
    expect_failure(as_model, as_model ? as_model : SDRT_E_FORMAT, expected, name);
    const int as_lora = sdrt_lora_file_open(&lora, path, &kept_log);
    expect_failure(as_lora, as_model, expected, name);
    cr_expect_null(sdrt_inspect(path, &kept_log), "%s", name);
    expect_failure(as_model, as_model, expected, name);
    free(expected);
}

Test(refusals, of_what_is_no_model)
{
    const char *data = getenv("SDRT_TESTDATA");
    char path[1024], *line = NULL;
    size_t room = 0;
    int n = 0;

    snprintf(path, sizeof path, "%s/golden/refusals.txt", data ? data : "tests");
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    while (getline(&line, &room, f) > 0) {
        char *text = strchr(line, '\t'), *hex = text ? strchr(text + 1, '\t') : NULL;
        cr_assert(hex);
        *text = *hex = 0;
        hex[1 + strcspn(hex + 1, "\n")] = 0;
        expect_refused(line, write_hex(hex + 1), text + 1);
        n++;
    }
    free(line);
    fclose(f);
    cr_expect_geq(n, 30);
}

/* Nothing from a file or from its name tells a terminal what to do. */
Test(refusals, print_no_control_characters)
{
    static const struct {
        const char *text, *shown;
    } texts[] = {
        { "a\x1b[2Jb\x7f", "a?[2Jb?" },
        { "\xc2\x9b"
          "31m",
          "??31m" }, /* a control sequence in one character */
        { "\x9b"
          "31m\xff",
          "?31m?" }, /* and in one byte */
        { "\xe2\x80\xae"
          "gnp",
          "???gnp" }, /* writes from the right */
        { "größe \xe7\x8c\xab \xf0\x9f\x90\xb1", "größe \xe7\x8c\xab \xf0\x9f\x90\xb1" },
        { "\xe7\x8c", "??" },
        { "\xc0\xaf", "??" },
        { "\xed\xa0\x80", "???" },
        { "\xe0\x80\xaf\xf0\x80\x80\xaf", "???????" },
        { "\xf4\x90\x80\x80", "????" },
        { "a\nb", "a?b" },
    };
    char text[64];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        snprintf(text, sizeof text, "%s", texts[i].text);
        sdrt_text_printable(text, 0);
        cr_expect_str_eq(text, texts[i].shown);
    }
    snprintf(text, sizeof text,
             "a\n\x1b"
             "b");
    sdrt_text_printable(text, 1);
    cr_expect_str_eq(text, "a\n?b");
    const char *path = temp_write("\x1b]0;title\x07.safetensors", "hello", 5);
    expect_failure(sdrt_inspect(path, &kept_log) ? SDRT_OK : SDRT_E_UNSUPPORTED, SDRT_E_UNSUPPORTED,
                   "/?]0;title?.safetensors: seems to be a text: hello", "name");
}

/* Of names in a file too. */
Test(refusals, inspect_prints_no_control_characters)
{
    static const char header[] = "{\"t\":{\"dtype\":\"\\u001b[2J\",\"shape\":[1],"
                                 "\"data_offsets\":[0,1]}}";
    char bytes[8 + sizeof header] = { sizeof header - 1 };

    memcpy(bytes + 8, header, sizeof header);
    char *text = sdrt_inspect(temp_write("\x1b[31m.safetensors", bytes, sizeof bytes), &kept_log);
    cr_assert(text, "%s", kept_text);
    cr_expect_null(strchr(text, 0x1b));
    cr_expect_not_null(strstr(text, "/?[31m.safetensors\n"));
    cr_expect_not_null(strstr(text, " ?[2J\n"));
    free(text);
}
