/* SPDX-License-Identifier: MIT */
#include "tests/fetch_cases.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_ARGUMENTS = 24 };

unsigned char first_file[SIZE], second_file[OTHER_SIZE];
struct http_server hub, elsewhere;
char hub_url[64];
unsigned long file_limit;

static void make_data(unsigned char *bytes, size_t n, uint32_t state)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(state >> 24);
    }
}

void fetch_set_up(void)
{
    temp_folder_make();
    make_data(first_file, SIZE, 1);
    make_data(second_file, OTHER_SIZE, 2);
    hub.file = elsewhere.file = (struct http_file){ first_file, SIZE, "\"first\"" };
    http_start(&hub);
    http_start(&elsewhere);
    snprintf(hub_url, sizeof hub_url, "http://127.0.0.1:%d", hub.port);
}

void fetch_tear_down(void)
{
    http_stop(&hub);
    http_stop(&elsewhere);
    temp_folder_remove();
}

void fetch(const char *token, ...)
{
    char *arguments[MAX_ARGUMENTS] = { "./sdfetch", "--quiet", "--retry-wait", "0", "--hub",
                                       hub_url };
    int n = 6;
    va_list list;

    va_start(list, token);
    for (char *word; (word = va_arg(list, char *)); n++) {
        cr_assert(n < MAX_ARGUMENTS - 1);
        arguments[n] = word;
    }
    va_end(list);
    program_finish(program_start(token, file_limit, arguments));
}

void expect_error(int status, const char *word)
{
    cr_expect_eq(ended.status, status, "status %d: %s", ended.status, ended.text);
    cr_expect_eq(ended.lines, 1, "%d lines: %s", ended.lines, ended.text);
    cr_expect(strncmp(ended.text, "sdfetch: error: ", 16) == 0, "%s", ended.text);
    cr_expect(strstr(ended.text, word), "\"%s\" is not in: %s", word, ended.text);
}

void expect_file(const unsigned char *bytes, size_t n, int warned)
{
    size_t size;

    cr_expect_eq(ended.status, 0, "status %d: %s", ended.status, ended.text);
    cr_expect_eq(ended.lines, warned, "%s", ended.text);
    if (warned) cr_expect(strstr(ended.text, "warning: "), "%s", ended.text);
    cr_expect_eq(temp_entries(), 1, "%d files", temp_entries());
    char *text = temp_read(temp_path("model"), &size);
    cr_expect_eq(size, n, "%zu bytes", size);
    cr_expect(size == n && memcmp(text, bytes, n) == 0);
    free(text);
}

void expect_part(size_t n)
{
    size_t size;

    cr_expect_eq(access(temp_path("model"), F_OK), -1);
    cr_expect_eq(temp_entries(), 2, "%d files", temp_entries());
    char *text = temp_read(temp_path("model.part"), &size);
    cr_expect_eq(size, n, "%zu bytes are kept, not %zu", size, n);
    cr_expect(size == n && memcmp(text, first_file, n) == 0);
    free(text);
}

void expect_nothing(void)
{
    cr_expect_eq(temp_entries(), 0, "%d files are left", temp_entries());
}
