/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[256];

int kept_lines;
char kept_text[2048];

static void keep_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    kept_lines++;
    snprintf(kept_text, sizeof kept_text, "%s", text);
}

const struct sdrt_log kept_log = { .fn = keep_line };

static void reset_log(void)
{
    kept_lines = 0;
    kept_text[0] = 0;
}

void temp_folder_make(void)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(folder, sizeof folder, "%s/sdrt-test-XXXXXX", tmp ? tmp : "/tmp");
    cr_assert(mkdtemp(folder), "%s", folder);
    reset_log();
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

void temp_folder_remove(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    reset_log();
}

const char *temp_folder(void) { return folder; }

const char *temp_path(const char *name)
{
    static char paths[32][512];
    static unsigned turn;
    char *path = paths[turn++ % 32];

    snprintf(path, 512, "%s/%s", folder, name);
    return path;
}

const char *temp_write(const char *name, const void *data, size_t size)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");

    cr_assert(f, "%s", path);
    cr_assert_eq(fwrite(data, 1, size, f), size);
    cr_assert_eq(fclose(f), 0);
    return path;
}

char *temp_read(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *data;
    long end;

    cr_assert(f, "%s", path);
    cr_assert_eq(fseek(f, 0, SEEK_END), 0);
    end = ftell(f);
    rewind(f);
    cr_assert(end >= 0);
    *size = (size_t)end;
    data = calloc(1, *size + 1);
    cr_assert(data);
    cr_assert_eq(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

int temp_entries(void)
{
    DIR *d = opendir(folder);
    int n = 0;

    cr_assert(d, "%s", folder);
    for (const struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(d);
    return n;
}

void expect_failure(int rc, int status, const char *word, const char *case_name)
{
    cr_expect_eq(rc, status, "%s: status %d, %d is expected (%s)", case_name, rc, status,
                 kept_text);
    cr_expect_eq(kept_lines, 1, "%s: %d lines, one is expected", case_name, kept_lines);
    cr_expect(strstr(kept_text, word), "%s: \"%s\" is not in \"%s\"", case_name, word, kept_text);
    cr_expect(!strchr(kept_text, '\n'), "%s: more than one line: %s", case_name, kept_text);
    reset_log();
}

void expect_quiet(int rc, const char *case_name)
{
    cr_expect_eq(rc, SDRT_OK, "%s: status %d (%s)", case_name, rc, kept_text);
    cr_expect_eq(kept_lines, 0, "%s: \"%s\" was logged", case_name, kept_text);
    reset_log();
}
