/* SPDX-License-Identifier: MIT */
#include "tests/checkpoint_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_tensor test_tensors[TEST_TENSORS];
int test_n_tensors;

static FILE *open_golden(const char *name)
{
    const char *data = getenv("SDRT_TESTDATA");
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/golden/%s", data ? data : "tests", name);
    f = fopen(path, "r");
    cr_assert(f, "%s", path);
    return f;
}

void test_read_names(int64_t size(int64_t))
{
    char line[1024], shape[64];
    FILE *f = open_golden("sd15_names.txt");

    memset(test_tensors, 0, sizeof test_tensors);
    test_n_tensors = 0;
    while (fgets(line, sizeof line, f)) {
        struct test_tensor *t = &test_tensors[test_n_tensors++];
        char *p = shape + 1;
        cr_assert(test_n_tensors <= TEST_TENSORS);
        cr_assert_eq(sscanf(line, "%199[^\t]\t%63[^\t]\t%199s", t->name, shape, t->canonical), 3);
        for (; *p != ']'; p += strspn(p, ", "))
            t->shape[t->rank++] = size(strtoll(p, &p, 10));
        if (!strcmp(t->canonical, "-")) *t->canonical = 0;
    }
    fclose(f);
    cr_assert_eq(test_n_tensors, 1145);
}

struct test_tensor *test_find(const char *name)
{
    for (int i = 0; i < test_n_tensors; i++)
        if (!strcmp(test_tensors[i].name, name)) return &test_tensors[i];
    cr_assert_fail("%s", name);
    return NULL;
}

void test_write_shard(const char *path, test_rename *name, int part, int of)
{
    char *header = NULL, out[TEST_NAME];
    size_t size = 0;
    uint64_t offset = 0, offsets[TEST_TENSORS];
    FILE *h = open_memstream(&header, &size);
    const char *comma = "";

    fputc('{', h);
    for (int i = 0; i < test_n_tensors; i++) {
        uint64_t bytes = 2;
        offsets[i] = UINT64_MAX;
        if (i % of != part || !name(&test_tensors[i], out)) continue;
        fprintf(h, "%s\"%s\":{\"dtype\":\"F16\",\"shape\":[", comma, out);
        for (int d = 0; d < test_tensors[i].rank; d++) {
            fprintf(h, "%s%" PRId64, d ? "," : "", test_tensors[i].shape[d]);
            bytes *= (uint64_t)test_tensors[i].shape[d];
        }
        offsets[i] = offset;
        fprintf(h, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, offset + bytes);
        offset += bytes;
        comma = ",";
    }
    fputc('}', h);
    fclose(h);
    const int f = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    const uint64_t length = size;
    cr_assert(f >= 0, "%s", path);
    cr_assert_eq(write(f, &length, 8), 8);
    cr_assert_eq(write(f, header, size), (ssize_t)size);
    cr_assert_eq(ftruncate(f, (off_t)(8 + size + offset)), 0);
    for (uint32_t i = 0; i < (uint32_t)test_n_tensors; i++)
        if (offsets[i] != UINT64_MAX && test_tensors[i].rank)
            cr_assert_eq(pwrite(f, &i, 4, (off_t)(8 + size + offsets[i])), 4);
    close(f);
    free(header);
}

int test_same(const struct test_tensor *t, char out[TEST_NAME])
{
    return snprintf(out, TEST_NAME, "%s", t->name) < TEST_NAME;
}

int test_put(char out[TEST_NAME], const char *front, const char *rest)
{
    return snprintf(out, TEST_NAME, "%s%s", front, rest) < TEST_NAME;
}

const char *test_after(const char *name, const char *prefix)
{
    const size_t n = strlen(prefix);

    return strncmp(name, prefix, n) ? NULL : name + n;
}

int test_vae_part(const struct test_tensor *t, char out[TEST_NAME])
{
    const char *rest = test_after(t->canonical, "vae.");

    return rest && test_put(out, "", rest);
}

int test_vae_part_old(const struct test_tensor *t, char out[TEST_NAME])
{
    static const char *const names[][2] = {
        { ".to_q.", ".query." }, { ".to_k.", ".key." }, { ".to_v.", ".value." },
        { ".to_out.0.", ".proj_attn." },
    };

    if (!test_vae_part(t, out)) return 0;
    for (int i = 0; i < 4; i++) {
        char *at = strstr(out, names[i][0]), rest[TEST_NAME];
        if (!at) continue;
        snprintf(rest, sizeof rest, "%s", at + strlen(names[i][0]));
        snprintf(at, (size_t)(out + TEST_NAME - at), "%s%s", names[i][1], rest);
    }
    return 1;
}

const char *in_folder(const char *format, ...)
{
    char name[256];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return temp_path(name);
}

const char *test_make_folders(void)
{
    static const char *const names[] = { "", "/unet", "/vae", "/text_encoder", "/tokenizer",
                                         "/scheduler" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        cr_assert_eq(mkdir(in_folder("m%s", names[i]), 0700), 0);
    return temp_path("m");
}
