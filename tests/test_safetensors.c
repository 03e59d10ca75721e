/* SPDX-License-Identifier: MIT
 *
 * The bytes of every file here are put together by the test; golden/all_dtypes.safetensors
 * was written by the reference implementation (tests/oracle/make_safetensors_golden.py).
 */
#include "runtime/files/file_kind.h"
#include "runtime/files/tensor_files.h"
#include "tests/safetensors_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(safetensors, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *write_file(const char *header, size_t data_bytes)
{
    unsigned char bytes[8192];
    const size_t n = strlen(header);

    return temp_write("x.safetensors", bytes, safetensors_bytes(bytes, n, header, n, data_bytes));
}

#define GOOD                                                                              \
    "{\"__metadata__\":{\"format\":\"pt\",\"title\":\"\xc3\xa9\"},"                       \
    "\"b\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[8,32]},"                  \
    "\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},"                     \
    "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,5],\"data_offsets\":[8,8]},"               \
    "\"new\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[33,35]},"                  \
    "\"scalar\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[32,33]}}   "

Test(safetensors, reads_what_the_header_says)
{
    static const char *const names[] = { "a", "b", "empty", "new", "scalar" };
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    const char *path = write_file(GOOD, 35);

    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), "open");
    cr_expect_str_eq(sdrt_tensor_file_path(file), path);
    cr_assert_eq(sdrt_tensor_file_count(file), 5);
    for (size_t i = 0; i < 5; i++)
        cr_expect_str_eq(sdrt_tensor_file_at(file, i)->name, names[i]);

    expect_quiet(sdrt_tensor_file_find(file, "b", &t, &kept_log), "b");
    cr_expect(t->known && t->dtype == SDRT_F32 && t->rank == 2 && t->bytes == 24);
    cr_expect(t->shape[0] == 2 && t->shape[1] == 3);
    cr_expect_eq(((const unsigned char *)t->data)[0], 8);
    cr_expect_eq(((const unsigned char *)t->data)[23], 31);
    expect_quiet(sdrt_tensor_file_find(file, "scalar", &t, &kept_log), "scalar");
    cr_expect(t->rank == 0 && t->bytes == 1 && *(const unsigned char *)t->data == 32);
    expect_quiet(sdrt_tensor_file_find(file, "empty", &t, &kept_log), "empty");
    cr_expect(t->bytes == 0 && t->shape[1] == 5);

    cr_expect_eq(sdrt_tensor_file_find(file, "c", &t, &kept_log), SDRT_E_MISSING);
    cr_expect(kept_lines == 0 && !t, "a missing tensor is not logged");
    expect_failure(sdrt_tensor_file_find(file, "new", &t, &kept_log), SDRT_E_UNSUPPORTED, "F4",
                   "unknown dtype");
    cr_expect_str_eq(sdrt_tensor_file_metadata(file, "format"), "pt");
    cr_expect_str_eq(sdrt_tensor_file_metadata(file, "title"), "\xc3\xa9");
    cr_expect_null(sdrt_tensor_file_metadata(file, "nothing"));
    sdrt_tensor_file_close(&file);
    cr_expect_null(file);
    sdrt_tensor_file_close(&file);
}

Test(safetensors, reads_a_file_of_the_reference_implementation)
{
    static const struct { const char *name; enum sdrt_dtype dtype; } all[] = {
        { "f64", SDRT_F64 }, { "f32", SDRT_F32 }, { "f16", SDRT_F16 }, { "bf16", SDRT_BF16 },
        { "i64", SDRT_I64 }, { "i32", SDRT_I32 }, { "u8", SDRT_U8 }, { "i8", SDRT_I8 },
        { "bool", SDRT_BOOL }, { "f8_e4m3", SDRT_F8_E4M3 }, { "f8_e5m2", SDRT_F8_E5M2 },
    };
    /* 1.0 in each type; the tensors hold 0 and then this. */
    static const unsigned char one[][8] = {
        { 0, 0, 0, 0, 0, 0, 0xf0, 0x3f }, { 0, 0, 0x80, 0x3f }, { 0, 0x3c }, { 0x80, 0x3f },
        { 1 }, { 1 }, { 1 }, { 1 }, { 1 }, { 0x38 }, { 0x3c },
    };
    const char *data = getenv("SDRT_TESTDATA");
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    char path[1024];

    snprintf(path, sizeof path, "%s/golden/all_dtypes.safetensors", data ? data : "tests");
    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), path);
    cr_assert_eq(sdrt_tensor_file_count(file), sizeof all / sizeof *all);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        expect_quiet(sdrt_tensor_file_find(file, all[i].name, &t, &kept_log), all[i].name);
        cr_expect_eq(t->dtype, all[i].dtype, "%s", all[i].name);
        cr_assert_eq(t->bytes, 2 * sdrt_dtype_size(t->dtype), "%s", all[i].name);
        cr_expect(!memcmp((const char *)t->data + t->bytes / 2, one[i], t->bytes / 2), "%s",
                  all[i].name);
    }
    cr_expect_str_eq(sdrt_tensor_file_metadata(file, "writer"), "reference");
    sdrt_tensor_file_close(&file);
}

#define T(rest) "{\"t\":{" rest "}}"
#define T2(a, b) "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" a "}," \
                 "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" b "}}"

static const struct bad {
    const char *what, *header;
    size_t data_bytes;
    const char *word;
} bads[] = {
    { "overlap", T2("[0,4]", "[3,7]"), 7, "overlaps" },
    { "the same bytes", T2("[0,4]", "[0,4]"), 4, "overlaps" },
    { "hole", T2("[0,4]", "[5,9]"), 9, "between a and b" },
    { "hole in front", T2("[1,5]", "[5,9]"), 9, "between the header and a" },
    { "bytes behind", T2("[0,4]", "[4,8]"), 9, "behind b" },
    { "only bytes", "{}", 1, "behind the header" },
    { "truncated data", T2("[0,4]", "[4,8]"), 7, "truncated: b" },
    { "negative offset", T2("[-4,0]", "[0,4]"), 4, "ascending" },
    { "descending", T2("[4,0]", "[0,4]"), 4, "ascending" },
    { "huge offset", T2("[0,4]", "[4,9223372036854775807]"), 8, "truncated: b" },
    { "offset beyond 64 bits", T2("[0,4]", "[4,99999999999999999999]"), 8, "bad JSON" },
    { "one offset", T2("[0,4]", "[4]"), 8, "two ascending" },
    { "three offsets", T2("[0,4]", "[4,8,8]"), 8, "two ascending" },
    { "real offset", T2("[0,4]", "[4,8.0]"), 8, "two ascending" },
    { "text offset", T2("[0,4]", "[4,\"8\"]"), 8, "two ascending" },
    { "wrong size", T("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"), 4, "need 8" },
    { "wrong size for the dtype", T("\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]"), 8,
      "F16 need 4" },
    { "shape overflows", T("\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],"
                           "\"data_offsets\":[0,0]"), 0, "overflows" },
    { "bytes overflow", T("\"dtype\":\"F32\",\"shape\":[4611686018427387904],"
                          "\"data_offsets\":[0,0]"), 0, "overflows" },
    { "negative dimension", T("\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]"), 1,
      "0 and more" },
    { "real dimension", T("\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]"), 1,
      "0 and more" },
    { "rank 9", T("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]"), 1,
      "at most 8" },
    { "dtype is a number", T("\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]"), 1, "a dtype" },
    { "no dtype", T("\"shape\":[1],\"data_offsets\":[0,1]"), 1, "a dtype" },
    { "no shape", T("\"dtype\":\"U8\",\"data_offsets\":[0,1]"), 1, "a shape" },
    { "no offsets", T("\"dtype\":\"U8\",\"shape\":[1]"), 1, "data_offsets" },
    { "entry is a list", "{\"t\":[1]}", 0, "t: a dtype" },
    { "duplicate name", "{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                        "\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
      "duplicate" },
    { "metadata is a list", "{\"__metadata__\":[]}", 0, "object of strings" },
    { "metadata is a number", "{\"__metadata__\":{\"k\":1}}", 0, "k: a string" },
    { "not UTF-8", "{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
      "decode byte" },
    { "cut JSON", "{\"t\":{\"dtype\":\"U8\"", 0, "bad JSON" },
    { "two values", "{}{}", 0, "bad JSON" },
    { "a comment", "{}//", 0, "bad JSON" },
    { "NaN", "{\"t\":NaN}", 0, "bad JSON" },
    { "name with a NUL", "{\"a\\u0000b\":{}}", 0, "bad JSON" },
    { "nested", "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
                "]]]]]]]]}", 0, "deeper" },
};

Test(safetensors, refuses_every_lying_header)
{
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        const struct bad *b = &bads[i];
        const char *path = write_file(b->header, b->data_bytes);
        expect_failure(sdrt_tensor_file_open(&file, path, &kept_log), SDRT_E_FORMAT, b->word,
                       b->what);
        cr_expect_null(file);
    }
}

Test(safetensors, refuses_every_lying_length)
{
    static const struct { uint64_t length; const char *word; } lies[] = {
        { 0, "2 to" }, { 1, "2 to" }, { 3, "truncated" }, { 100000000, "truncated" },
        { 100000001, "2 to" }, { UINT64_MAX, "2 to" }, { UINT64_MAX - 7, "2 to" },
        { (uint64_t)1 << 63, "2 to" },
    };
    struct sdrt_tensor_file *file;
    unsigned char bytes[64];

    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const size_t n = safetensors_bytes(bytes, lies[i].length, "{}", 2, 0);
        const char *path = temp_write("x", bytes, n);
        char what[32];
        snprintf(what, sizeof what, "length %llu", (unsigned long long)lies[i].length);
        expect_failure(sdrt_tensor_file_open(&file, path, &kept_log), SDRT_E_FORMAT,
                       lies[i].word, what);
    }
    for (size_t n = 1; n < 10; n++) {
        safetensors_bytes(bytes, 2, "{}", 2, 0);
        expect_failure(sdrt_tensor_file_open(&file, temp_write("x", bytes, n), &kept_log),
                       SDRT_E_FORMAT, "", "cut within length and header");
    }
    safetensors_bytes(bytes, 2, "[]", 2, 0);
    expect_failure(sdrt_tensor_file_open(&file, temp_write("x", bytes, 10), &kept_log),
                   SDRT_E_FORMAT, "begin with '{'", "a list");
    safetensors_bytes(bytes, 2, "{}", 2, 0);
    expect_quiet(sdrt_tensor_file_open(&file, temp_write("x", bytes, 10), &kept_log), "no tensors");
    cr_expect_eq(sdrt_tensor_file_count(file), 0);
    sdrt_tensor_file_close(&file);
}

#define BYTES(text) text, sizeof text - 1

Test(safetensors, says_what_another_file_is)
{
    static const struct { const char *bytes; size_t size; const char *word; } others[] = {
        { BYTES("\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), "PNG" },
        { BYTES("\xff\xd8\xff\xe0\0\x10JFIF"), "JPEG" },
        { BYTES("<!DOCTYPE html><html>"), "HTML" },
        { BYTES("\xef\xbb\xbf \n<HTML lang=en>"), "HTML" },
        { BYTES("version https://git-lfs.github.com/spec/v1\noid"), "git-lfs" },
        { BYTES("{\"weight_map\": {}}"), "JSON" },
        { BYTES("\x1f\x8b\x08\0\0\0\0\0\0\3"), "gzip" },
        { BYTES("\x93NUMPY\1\0\x76\0{'descr'"), "NumPy" },
    };
    struct sdrt_tensor_file *file;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        expect_failure(sdrt_tensor_file_open(
                           &file, temp_write("x", others[i].bytes, others[i].size), &kept_log),
                       SDRT_E_UNSUPPORTED, others[i].word, others[i].word);
    expect_failure(sdrt_tensor_file_open(&file, temp_write("x", "", 0), &kept_log), SDRT_E_FORMAT,
                   "empty", "empty");
    expect_failure(sdrt_tensor_file_open(&file, temp_path("none"), &kept_log), SDRT_E_MISSING,
                   "No such file", "none");
    expect_failure(sdrt_tensor_file_open(&file, temp_path(""), &kept_log), SDRT_E_IO, "a folder",
                   "folder");
    cr_assert_eq(mkfifo(temp_path("fifo"), 0600), 0);
    expect_failure(sdrt_tensor_file_open(&file, temp_path("fifo"), &kept_log), SDRT_E_IO,
                   "regular", "fifo");
    cr_expect_null(sdrt_file_kind("\0\0\0\0", 4));
    cr_expect_not_null(sdrt_file_kind("", 0));
}

Test(safetensors, notices_a_file_that_was_cut_after_opening)
{
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    const char *path = write_file(GOOD, 35);
    unsigned char bytes[64];

    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), "open");
    cr_assert_eq(truncate(path, 100), 0);
    expect_quiet(sdrt_tensor_file_find(file, "b", &t, &kept_log), "b");
    cr_expect_eq(sdrt_tensor_file_read(file, t, 0, t->bytes, bytes), SDRT_E_IO);
    sdrt_tensor_file_close(&file);
}

static size_t resident_bytes(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (!f) return 0;
    if (fscanf(f, "%*u %zu", &pages) != 1) pages = 0;
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Advice must not change contents, and release must give the memory back. */
Test(safetensors, release_keeps_contents_and_frees_memory)
{
    enum { BYTES_EACH = 16 << 20 };
    static const char header[] =
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[16777216],\"data_offsets\":[0,16777216]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[16777216],\"data_offsets\":[16777216,33554432]}}";
    unsigned char *bytes = malloc(sizeof header + 8 + 2 * BYTES_EACH);
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    size_t before, during, after, sum[2] = { 0 };

    cr_assert_not_null(bytes);
    const char *path = temp_write("x", bytes, safetensors_bytes(bytes, sizeof header - 1, header,
                                                                sizeof header - 1,
                                                                2 * BYTES_EACH));
    free(bytes);
    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), "open");
    before = resident_bytes();
    during = after = before;
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < 2; i++) {
            t = sdrt_tensor_file_at(file, i);
            sdrt_tensor_file_prefetch(file, t);
            for (size_t j = 0; j < t->bytes; j++) sum[turn] += ((const unsigned char *)t->data)[j];
        }
        during = resident_bytes();
        for (size_t i = 0; i < 2; i++)
            sdrt_tensor_file_release(file, sdrt_tensor_file_at(file, i));
        after = resident_bytes();
    }
    cr_expect_eq(sum[0], (size_t)2 * BYTES_EACH / 256 * (255 * 128));
    cr_expect_eq(sum[0], sum[1]);
    if (before)
        cr_expect(during > after + 2 * BYTES_EACH * 9 / 10, "%zu -> %zu -> %zu", before, during,
                  after);
    sdrt_tensor_file_close(&file);
}
