/* SPDX-License-Identifier: MIT
 *
 * The expected files are what NumPy 2 writes (numpy.lib.format.write_array, version 1.0),
 * byte for byte.
 */
#include "runtime/files/npy.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(npy, .init = temp_folder_make, .fini = temp_folder_remove);

#define FRONT "\x93NUMPY\x01\x00\x76\x00"

/* dict is NumPy's; all of these headers have 128 bytes. */
static const struct good {
    const char *dict;
    enum sdrt_dtype dtype;
    int rank;
    int64_t shape[8];
    size_t elements;
    union {
        float    f[6];
        int32_t  i[6];
        int64_t  l[3];
        double   d[3];
        uint16_t h[6];
        uint8_t  b[6];
    } data;
} goods[] = {
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 3), }", SDRT_F32, 3, { 1, 2, 3 },
      6, { .f = { -1.5f, -0.5f, 0.5f, 1.5f, 2.5f, 3.5f } } },
    { "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }", SDRT_I32, 1, { 3 }, 3,
      { .i = { -1, 2, INT32_MAX } } },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (), }", SDRT_F32, 0, { 0 }, 1,
      { .f = { 2.5f } } },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4), }", SDRT_F32, 2, { 0, 4 }, 0,
      { .f = { 0 } } },
    { "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", SDRT_I64, 1, { 2 }, 2,
      { .l = { INT64_MIN, 7 } } },
    { "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 2), }", SDRT_F64, 8,
      { 1, 1, 1, 1, 1, 1, 1, 2 }, 2, { .d = { 0.1, -3 } } },
    { "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }", SDRT_F16, 1, { 2 }, 2,
      { .h = { 0x3c00, 0xfc00 } } },
    { "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", SDRT_U8, 1, { 5 }, 5,
      { .b = { 1, 2, 3, 4, 255 } } },
    { "{'descr': '|i1', 'fortran_order': False, 'shape': (1,), }", SDRT_I8, 1, { 1 }, 1,
      { .b = { 255 } } },
    { "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }", SDRT_BOOL, 1, { 2 }, 2,
      { .b = { 0, 1 } } },
};

enum { HEADER = 128, FRONT_BYTES = sizeof FRONT - 1 };

/* A file as NumPy writes it. */
static size_t make_file(char out[512], const char *dict, const void *data, size_t bytes)
{
    memset(out, ' ', HEADER);
    memcpy(out, FRONT, FRONT_BYTES);
    memcpy(out + FRONT_BYTES, dict, strlen(dict));
    out[HEADER - 1] = '\n';
    memcpy(out + HEADER, data, bytes);
    return HEADER + bytes;
}

static size_t make_good(char out[512], const struct good *g)
{
    return make_file(out, g->dict, &g->data, g->elements * sdrt_dtype_size(g->dtype));
}

Test(npy, writes_what_numpy_writes)
{
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        const struct good *g = &goods[i];
        const char *path = temp_path("a.npy");
        char want[512];
        const size_t want_size = make_good(want, g);
        size_t size;
        expect_quiet(sdrt_npy_write(path, g->dtype, g->rank, g->rank ? g->shape : NULL, &g->data,
                                    &kept_log), g->dict);
        char *got = temp_read(path, &size);
        cr_expect(size == want_size && !memcmp(got, want, size), "%s", g->dict);
        free(got);
        cr_expect_eq(temp_entries(), 1);
    }
}

Test(npy, reads_what_numpy_writes)
{
    for (size_t i = 0; i < sizeof goods / sizeof goods[0]; i++) {
        const struct good *g = &goods[i];
        struct sdrt_npy *array;
        char file[512];
        const size_t size = make_good(file, g);
        expect_quiet(sdrt_npy_read(&array, temp_write("a.npy", file, size), &kept_log), g->dict);
        cr_assert(array->dtype == g->dtype && array->rank == g->rank, "%s", g->dict);
        cr_assert_eq(array->elements, g->elements, "%s", g->dict);
        cr_expect(!memcmp(array->shape, g->shape, sizeof g->shape), "%s", g->dict);
        cr_expect(!memcmp(array->data, &g->data, size - HEADER), "%s", g->dict);
        sdrt_npy_free(&array);
        cr_expect_null(array);
        sdrt_npy_free(&array);
    }
}

#define DICT(descr, order, shape) \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

static const struct bad {
    const char *dict;
    int status;
    const char *word;
} bads[] = {
    { DICT(">f4", "False", "(1,)"), SDRT_E_UNSUPPORTED, "C order" },
    { DICT("<c8", "False", "(1,)"), SDRT_E_UNSUPPORTED, "C order" },
    { DICT("<f4", "True", "(1,)"), SDRT_E_UNSUPPORTED, "C order" },
    { DICT("<f4", "False", "(2,)"), SDRT_E_FORMAT, "4 bytes" },
    { DICT("<f4", "False", "(0,)"), SDRT_E_FORMAT, "4 bytes" },
    { DICT("<f4", "False", "(-1,)"), SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "(1 1)"), SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "(x,)"), SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "1"), SDRT_E_FORMAT, "bad shape" },
    { "{'descr': '<f4', 'fortran_order': False, 'shape': (1", SDRT_E_FORMAT, "bad shape" },
    { "{'descr': '<f4', 'fortran_order': False, }", SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "(1,1,1,1,1,1,1,1,1)"), SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "(9223372036854775808,)"), SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "(4611686018427387904,)"), SDRT_E_FORMAT, "bad shape" },
    { DICT("<f4", "False", "(4294967296, 4294967296)"), SDRT_E_FORMAT, "bad shape" },
    { "", SDRT_E_UNSUPPORTED, "C order" },
};

Test(npy, refuses_bad_headers)
{
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct sdrt_npy *array;
        char file[512];
        const size_t size = make_file(file, bads[i].dict, "\0\0\x80\x3f", 4);
        expect_failure(sdrt_npy_read(&array, temp_write("a.npy", file, size), &kept_log),
                       bads[i].status, bads[i].word, bads[i].dict);
        cr_expect_null(array);
    }
}

Test(npy, refuses_every_cut_and_other_files)
{
    char file[512], name[32];
    const size_t size = make_good(file, &goods[0]);
    struct sdrt_npy *array;

    for (size_t cut = 0; cut < size; cut++) {
        snprintf(name, sizeof name, "cut at %zu", cut);
        expect_failure(sdrt_npy_read(&array, temp_write("a.npy", file, cut), &kept_log),
                       SDRT_E_FORMAT, "a.npy", name);
    }
    memset(file + size, 0, 4);
    expect_failure(sdrt_npy_read(&array, temp_write("a.npy", file, size + 4), &kept_log),
                   SDRT_E_FORMAT, "28 bytes", "longer");
    expect_failure(sdrt_npy_read(&array, temp_path("none.npy"), &kept_log), SDRT_E_MISSING,
                   "none.npy", "absent");
    file[6] = 2;
    expect_failure(sdrt_npy_read(&array, temp_write("a.npy", file, size), &kept_log),
                   SDRT_E_UNSUPPORTED, "version 2", "version 2");
    file[1] = 'M';
    expect_failure(sdrt_npy_read(&array, temp_write("a.npy", file, size), &kept_log),
                   SDRT_E_FORMAT, "is expected", "magic");
}

Test(npy, refuses_to_write_the_impossible)
{
    const int64_t negative[] = { 2, -1 }, huge[] = { INT64_C(1) << 62, 4 }, one[] = { 1 };
    const char *path = temp_path("a.npy");
    const float data[1] = { 0 };

    expect_failure(sdrt_npy_write(path, SDRT_BF16, 1, one, data, &kept_log), SDRT_E_ARG, "BF16",
                   "BF16");
    expect_failure(sdrt_npy_write(path, SDRT_F32, 9, one, data, &kept_log), SDRT_E_ARG, "9",
                   "rank");
    expect_failure(sdrt_npy_write(path, SDRT_F32, -1, one, data, &kept_log), SDRT_E_ARG, "-1",
                   "negative rank");
    expect_failure(sdrt_npy_write(path, SDRT_F32, 2, negative, data, &kept_log), SDRT_E_ARG,
                   "no such array", "negative");
    expect_failure(sdrt_npy_write(path, SDRT_F32, 2, huge, data, &kept_log), SDRT_E_ARG,
                   "no such array", "huge");
    expect_failure(sdrt_npy_write(temp_path("no/a.npy"), SDRT_F32, 1, one, data, &kept_log),
                   SDRT_E_IO, "no/a.npy", "no folder");
    cr_expect_eq(temp_entries(), 0);
}
