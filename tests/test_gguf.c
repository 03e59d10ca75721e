/* SPDX-License-Identifier: MIT
 *
 * The bytes of every file here are put together by the test; golden/gguf/types.gguf was written by
 * ggml's gguf package (tests/oracle/make_gguf_golden.py).
 */
#include "kernels/pack.h"
#include "runtime/files/tensor_files.h"
#include "runtime/weights/weights.h"
#include "tests/gguf_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { F32 = 0, F16 = 1, Q8_0 = 8, Q4_K = 12, IQ2_XXS = 16, TEXT = 8, ARRAY = 9 };

TestSuite(gguf, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *write_bytes(const struct gguf_bytes *g)
{
    return temp_write("x.gguf", g->b, g->n);
}

/* Values of all sizes, and four tensors: b at 0, a at 64, then one that nobody knows and an empty
 * one.  The data begin at a multiple of alignment. */
static void make_good(struct gguf_bytes *g, uint32_t version, uint32_t alignment)
{
    static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };

    gguf_start(g, version, 4, 15);
    gguf_key(g, "general.architecture", TEXT);
    gguf_text(g, "sd1");
    gguf_key(g, "general.alignment", 4);
    gguf_u32(g, alignment);
    for (uint32_t t = 0; t < 13; t++) {
        const char key[] = { 'k', (char)('a' + t), 0 };
        gguf_key(g, key, t);
        if (t == ARRAY) {
            gguf_u32(g, TEXT);
            gguf_u64(g, 2);
            gguf_text(g, "");
            gguf_text(g, "two");
        } else if (t == TEXT) {
            gguf_text(g, "");
        } else {
            gguf_put(g, "12345678", sizes[t]);
        }
    }
    gguf_tensor(g, "b", 2, (uint64_t[]){ 2, 3 }, F32, 0);
    gguf_tensor(g, "a", 3, (uint64_t[]){ 2, 1, 32 }, Q8_0, 64);
    gguf_tensor(g, "new", 1, (uint64_t[]){ 256 }, IQ2_XXS, 192);
    gguf_tensor(g, "empty", 2, (uint64_t[]){ 0, 5 }, F16, 320);
    gguf_data(g, alignment, 320);
}

Test(gguf, reads_what_the_header_says)
{
    static const char *const names[] = { "a", "b", "empty", "new" };
    static const struct {
        uint32_t version, alignment;
    } kinds[] = { { 3, 32 }, { 2, 64 }, { 3, 1 } };
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    struct gguf_bytes g;

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        make_good(&g, kinds[k].version, kinds[k].alignment);
        expect_quiet(sdrt_tensor_file_open(&file, write_bytes(&g), &kept_log), "open");
        cr_assert_eq(sdrt_tensor_file_count(file), 4);
        for (size_t i = 0; i < 4; i++)
            cr_expect_str_eq(sdrt_tensor_file_at(file, i)->name, names[i]);
        expect_quiet(sdrt_tensor_file_find(file, "b", &t, &kept_log), "b");
        cr_expect(t->known && t->dtype == SDRT_F32 && t->rank == 2 && t->bytes == 24);
        cr_expect(t->shape[0] == 2 && t->shape[1] == 3, "outermost first");
        cr_expect(((const unsigned char *)t->data)[0] == 0);
        expect_quiet(sdrt_tensor_file_find(file, "a", &t, &kept_log), "a");
        cr_expect(t->dtype == SDRT_Q8_0 && t->rank == 3 && t->bytes == 68 && t->shape[2] == 32);
        cr_expect(((const unsigned char *)t->data)[67] == 131);
        expect_quiet(sdrt_tensor_file_find(file, "empty", &t, &kept_log), "empty");
        cr_expect(t->bytes == 0 && t->shape[1] == 5);
        expect_failure(sdrt_tensor_file_find(file, "new", &t, &kept_log), SDRT_E_UNSUPPORTED,
                       "IQ2_XXS", "a type that is not read");
        cr_expect_str_eq(sdrt_tensor_file_metadata(file, "general.architecture"), "sd1");
        cr_expect_str_eq(sdrt_tensor_file_metadata(file, "ki"), "");
        cr_expect_null(sdrt_tensor_file_metadata(file, "kj"), "an array is no text");
        cr_expect_null(sdrt_tensor_file_metadata(file, "nothing"));
        sdrt_tensor_file_close(&file);
    }
}

Test(gguf, refuses_a_file_that_is_cut_anywhere)
{
    struct sdrt_tensor_file *file;
    struct gguf_bytes g;

    make_good(&g, 3, 32);
    const size_t data_end = g.n - 320 + 192 + 66; /* what follows "new" belongs to no tensor */
    for (size_t n = 4; n < data_end; n++) {
        const int status = sdrt_tensor_file_open(&file, temp_write("x.gguf", g.b, n), &kept_log);
        cr_assert(status != SDRT_OK && kept_lines == 1 && !file, "%zu bytes were taken", n);
        expect_failure(status, status, "", "cut");
    }
}

/* ---- one fault each ---- */

static void one_f32(struct gguf_bytes *g, uint64_t values) { gguf_start(g, 3, 1, values); }

static void end_f32(struct gguf_bytes *g)
{
    gguf_tensor(g, "a", 1, (uint64_t[]){ 8 }, F32, 0);
    gguf_data(g, 32, 32);
}

static void old_version(struct gguf_bytes *g) { gguf_start(g, 1, 0, 0); }
static void big_endian(struct gguf_bytes *g) { gguf_start(g, 0x03000000, 0, 0); }
static void many_tensors(struct gguf_bytes *g) { gguf_start(g, 3, UINT64_MAX, 0); }
static void many_values(struct gguf_bytes *g) { gguf_start(g, 3, 0, (uint64_t)1 << 60); }

static void long_key(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_u64(g, (uint64_t)1 << 62);
    gguf_put(g, "0123456789abcdef0123456789abcdef", 32);
}

static void empty_key(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_key(g, "", 4);
    gguf_u32(g, 0);
    end_f32(g);
}

static void unknown_value(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_key(g, "k", 13);
    gguf_u64(g, 0);
    end_f32(g);
}

static void array_of_arrays(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_key(g, "k", ARRAY);
    gguf_u32(g, ARRAY);
    gguf_u64(g, 1);
    end_f32(g);
}

static void long_array(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_key(g, "k", ARRAY);
    gguf_u32(g, 10);
    gguf_u64(g, ((uint64_t)1 << 61) + 1); /* times 8 is 8 */
    gguf_u64(g, 0);
    end_f32(g);
}

static void key_twice(struct gguf_bytes *g)
{
    one_f32(g, 2);
    for (int i = 0; i < 2; i++) {
        gguf_key(g, "same", 4);
        gguf_u32(g, 0);
    }
    end_f32(g);
}

static void odd_alignment(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_key(g, "general.alignment", 4);
    gguf_u32(g, 24);
    end_f32(g);
}

static void wide_alignment(struct gguf_bytes *g)
{
    one_f32(g, 1);
    gguf_key(g, "general.alignment", 10);
    gguf_u64(g, 32);
    end_f32(g);
}

static void two_tensors(struct gguf_bytes *g, const char *second, uint64_t at)
{
    gguf_start(g, 3, 2, 0);
    gguf_tensor(g, "a", 1, (uint64_t[]){ 12 }, F32, 0);
    gguf_tensor(g, second, 1, (uint64_t[]){ 8 }, F32, at);
    gguf_data(g, 32, 96);
}

static void name_twice(struct gguf_bytes *g) { two_tensors(g, "a", 64); }
static void overlap(struct gguf_bytes *g) { two_tensors(g, "b", 32); }
static void odd_place(struct gguf_bytes *g) { two_tensors(g, "b", 48); }
static void far_place(struct gguf_bytes *g) { two_tensors(g, "b", (uint64_t)1 << 40); }

static void one_tensor(struct gguf_bytes *g, int rank, const uint64_t *shape, uint32_t type)
{
    gguf_start(g, 3, 1, 0);
    gguf_tensor(g, "odd", rank, shape, type, 0);
    gguf_data(g, 32, 256);
}

static void unknown_type(struct gguf_bytes *g) { one_tensor(g, 1, (uint64_t[]){ 32 }, 4); }
static void later_type(struct gguf_bytes *g) { one_tensor(g, 1, (uint64_t[]){ 32 }, 4711); }
static void half_block(struct gguf_bytes *g) { one_tensor(g, 2, (uint64_t[]){ 2, 48 }, Q8_0); }
static void five_dims(struct gguf_bytes *g)
{
    one_tensor(g, 5, (uint64_t[]){ 1, 1, 1, 1, 32 }, F32);
}

static void huge_shape(struct gguf_bytes *g)
{
    one_tensor(g, 3, (uint64_t[]){ (uint64_t)1 << 40, (uint64_t)1 << 40, 32 }, F32);
}

static void huge_bytes(struct gguf_bytes *g)
{
    one_tensor(g, 2, (uint64_t[]){ (uint64_t)1 << 31, (uint64_t)1 << 31 }, F32);
}

static void many_bytes(struct gguf_bytes *g)
{
    one_tensor(g, 2, (uint64_t[]){ (uint64_t)1 << 30, (uint64_t)1 << 31 }, F32);
}

static void nameless(struct gguf_bytes *g)
{
    gguf_start(g, 3, 1, 0);
    gguf_tensor(g, "", 1, (uint64_t[]){ 8 }, F32, 0);
    gguf_data(g, 32, 32);
}

static void with_shape(struct gguf_bytes *g, uint32_t of, int n, const int32_t *shape)
{
    gguf_start(g, 3, 1, 1);
    gguf_key(g, "comfy.gguf.orig_shape.w", ARRAY);
    gguf_u32(g, of);
    gguf_u64(g, (uint64_t)n);
    for (int i = 0; i < n; i++) gguf_put(g, &shape[i], 4);
    gguf_tensor(g, "w", 2, (uint64_t[]){ 1, 256 }, Q4_K, 0);
    gguf_data(g, 32, 144);
}

static void other_shape(struct gguf_bytes *g) { with_shape(g, 5, 2, (int32_t[]){ 16, 15 }); }
static void minus_shape(struct gguf_bytes *g) { with_shape(g, 5, 2, (int32_t[]){ -16, -16 }); }
static void float_shape(struct gguf_bytes *g) { with_shape(g, 6, 2, (int32_t[]){ 16, 16 }); }

Test(gguf, refuses_what_is_not_so_and_says_what)
{
    static const struct {
        void (*make)(struct gguf_bytes *g);
        int status;
        const char *word;
    } cases[] = {
        { old_version, SDRT_E_UNSUPPORTED, "version 1" },
        { big_endian, SDRT_E_UNSUPPORTED, "big-endian" },
        { many_tensors, SDRT_E_FORMAT, "truncated" },
        { many_values, SDRT_E_FORMAT, "truncated" },
        { long_key, SDRT_E_FORMAT, "value 0" },
        { empty_key, SDRT_E_FORMAT, "value 0" },
        { unknown_value, SDRT_E_FORMAT, "value 0" },
        { array_of_arrays, SDRT_E_FORMAT, "value 0" },
        { long_array, SDRT_E_FORMAT, "value 0" },
        { key_twice, SDRT_E_FORMAT, "same is there twice" },
        { odd_alignment, SDRT_E_FORMAT, "general.alignment" },
        { wide_alignment, SDRT_E_FORMAT, "general.alignment" },
        { name_twice, SDRT_E_FORMAT, "a is there twice" },
        { overlap, SDRT_E_FORMAT, "b overlaps a by 16 bytes" },
        { odd_place, SDRT_E_FORMAT, "multiple of 32" },
        { far_place, SDRT_E_FORMAT, "truncated: b" },
        { unknown_type, SDRT_E_UNSUPPORTED, "odd: its type has the number 4," },
        { later_type, SDRT_E_UNSUPPORTED, "4711" },
        { half_block, SDRT_E_FORMAT, "rows of 48 values are no whole blocks of Q8_0" },
        { five_dims, SDRT_E_FORMAT, "tensor 0" },
        { huge_shape, SDRT_E_FORMAT, "tensor 0" },
        { huge_bytes, SDRT_E_FORMAT, "odd: shape: its product overflows" },
        { many_bytes, SDRT_E_FORMAT, "truncated: odd" },
        { nameless, SDRT_E_FORMAT, "tensor 0" },
        { other_shape, SDRT_E_FORMAT,
          "orig_shape.w: expected an array of i32 whose product is 256" },
        { minus_shape, SDRT_E_FORMAT, "orig_shape.w" },
        { float_shape, SDRT_E_FORMAT, "orig_shape.w" },
    };
    struct sdrt_tensor_file *file;
    struct gguf_bytes g;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].make(&g);
        const int status = sdrt_tensor_file_open(&file, write_bytes(&g), &kept_log);
        cr_expect_null(file);
        expect_failure(status, cases[i].status, cases[i].word, cases[i].word);
    }
}

Test(gguf, tells_the_shape_that_a_tensor_had_before_it_was_reshaped)
{
    const struct sdrt_file_tensor *t;
    struct sdrt_tensor_file *file;
    struct gguf_bytes g;

    with_shape(&g, 5, 4, (int32_t[]){ 4, 64, 1, 1 });
    expect_quiet(sdrt_tensor_file_open(&file, write_bytes(&g), &kept_log), "open");
    expect_quiet(sdrt_tensor_file_find(file, "w", &t, &kept_log), "w");
    cr_expect(t->rank == 4 && t->shape[0] == 4 && t->shape[1] == 64 && t->shape[3] == 1);
    cr_expect(t->bytes == 144);
    sdrt_tensor_file_close(&file);
}

/* ---- ggml's own file ---- */

static const char *golden_path(void)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/gguf/types.gguf", root ? root : "tests");
    return path;
}

Test(gguf, dequantises_as_ggml_does_to_the_bit)
{
    static const enum sdrt_dtype types[] = { SDRT_Q8_0, SDRT_Q4_0, SDRT_Q4_1, SDRT_Q5_0,
                                             SDRT_Q5_1, SDRT_Q2_K, SDRT_Q3_K, SDRT_Q4_K,
                                             SDRT_Q5_K, SDRT_Q6_K, SDRT_F16,  SDRT_BF16 };
    enum { VALUES = 1024 };
    const struct sdrt_file_tensor *t, *want;
    struct sdrt_tensor_file *file;
    static float got[VALUES];
    char name[32];

    expect_quiet(sdrt_tensor_file_open(&file, golden_path(), &kept_log), "open");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        expect_quiet(sdrt_tensor_file_find(file, sdrt_dtype_name(types[i]), &t, &kept_log), "type");
        snprintf(name, sizeof name, "%s.f32", sdrt_dtype_name(types[i]));
        expect_quiet(sdrt_tensor_file_find(file, name, &want, &kept_log), name);
        cr_assert(t->dtype == types[i] && want->bytes == sizeof got);
        cr_assert_eq(sdrt_to_f32(t->data, types[i], got, VALUES), 0);
        cr_expect(!memcmp(got, want->data, sizeof got), "%s differs", sdrt_dtype_name(types[i]));
    }
    sdrt_tensor_file_close(&file);
}

Test(gguf, gives_blocks_as_f32_in_pieces_of_any_size)
{
    struct sdrt_weight_files *set;
    struct sdrt_weight_view v, want, described;
    static float piece[1024];

    cr_assert_eq(sdrt_weight_files_create(&set, &kept_log), SDRT_OK);
    expect_quiet(sdrt_weight_files_add(set, golden_path(), "", "", SDRT_DUPLICATES_FAIL), "add");
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
    expect_quiet(p.get(p.self, "Q4_K.f32", -1, NULL, &want), "want");
    expect_quiet(p.get(p.self, "Q4_K", -1, NULL, &v), "whole");
    cr_assert(v.dtype == SDRT_F32 && v.rank == 2 && v.shape[0] == 2 && v.shape[1] == 512);
    cr_expect(!memcmp(v.data, want.data, sizeof piece), "whole");
    expect_quiet(p.describe(p.self, "Q4_K", -1, NULL, &described), "described");
    cr_assert(described.dtype == SDRT_F32 && !described.data);
    for (size_t step = 1; step < 1024; step += 1 + step / 2)
        for (size_t first = 0; first < 1024; first += step) {
            const size_t n = first + step < 1024 ? step : 1024 - first;
            cr_assert_eq(p.read(p.self, "Q4_K", &described, first, n, piece), SDRT_OK);
            cr_assert(!memcmp(piece, (const float *)want.data + first, n * sizeof *piece),
                      "%zu values from %zu on", n, first);
        }
    p.release(p.self, "Q4_K");
    p.release(p.self, "Q4_K.f32");
    sdrt_weight_files_free(&set);
}
