/* SPDX-License-Identifier: MIT
 *
 * Providers, checks of shape and values, and what happens without memory.
 */
#include "bench/allocations.h"
#include "runtime/files/json.h"
#include "runtime/files/tensor_files.h"
#include "runtime/weights/weight_store.h"
#include "runtime/weights/weights.h"
#include "tests/safetensors_files.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(weights, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *write_file(const char *name, const char *header, size_t data_bytes)
{
    unsigned char bytes[4096];
    const size_t n = strlen(header);

    return temp_write(name, bytes, safetensors_bytes(bytes, n, header, n, data_bytes));
}

#define ONE(name, dtype, shape, begin, end)                                   \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," \
    #end "]}"

/* Element 0 of a U8 tensor, or -1. */
static int first_byte(struct sdrt_weights_provider p, const char *name)
{
    struct sdrt_weight_view view;

    if (p.get(p.self, name, -1, NULL, &view) != SDRT_OK) return -1;
    const int value = *(const unsigned char *)view.data;
    p.release(p.self, name);
    return value;
}

Test(weights, files_offer_names_with_a_prefix_taken_and_another_given)
{
    static const char header[] = "{" ONE("m.a", "U8", "[2]", 0, 2) "," ONE("m.b", "U8", "[1]", 2, 3)
                                 "," ONE("other", "U8", "[1]", 3, 4) "}";
    struct sdrt_weight_files *set;

    expect_quiet(sdrt_weight_files_create(&set, &kept_log), "create");
    struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
    cr_expect_eq(first_byte(p, "a"), -1, "an empty set");
    expect_quiet(sdrt_weight_files_add(set, write_file("1", header, 4), "m.", "unet.",
                                       SDRT_DUPLICATES_FAIL), "add");
    expect_quiet(sdrt_weight_files_add(set, write_file("2", header, 4), "", "",
                                       SDRT_DUPLICATES_FAIL), "add");
    expect_quiet(sdrt_weight_files_add(set, write_file("3", header, 4), "none.", "",
                                       SDRT_DUPLICATES_FAIL), "no such prefix");
    cr_assert_eq(sdrt_weight_files_count(set), 5);
    cr_expect_str_eq(sdrt_weight_files_name(set, 0), "m.a");
    cr_expect_str_eq(sdrt_weight_files_name(set, 4), "unet.b");
    cr_expect_eq(first_byte(p, "unet.b"), 2);
    cr_expect_eq(first_byte(p, "other"), 3);
    cr_expect_eq(first_byte(p, "unet.other"), -1);
    cr_expect_eq(kept_lines, 0, "a missing tensor is not logged");
    p.prefetch(p.self, "unet.a");
    p.prefetch(p.self, "none");
    p.release(p.self, "none");
    sdrt_weight_files_free(&set);
    cr_expect_null(set);
    sdrt_weight_files_free(&set);
}

Test(weights, duplicates_fail_or_replace)
{
    static const char one[] = "{" ONE("a", "U8", "[1]", 0, 1) "," ONE("b", "U8", "[1]", 1, 2) "}";
    static const char two[] = "{" ONE("pad", "U8", "[7]", 0, 7) "," ONE("b", "U8", "[1]", 7, 8) "}";
    struct sdrt_weight_files *set;

    expect_quiet(sdrt_weight_files_create(&set, &kept_log), "create");
    struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
    expect_quiet(sdrt_weight_files_add(set, write_file("1", one, 2), "", "",
                                       SDRT_DUPLICATES_FAIL), "add");
    expect_failure(sdrt_weight_files_add(set, write_file("2", two, 8), "", "",
                                         SDRT_DUPLICATES_FAIL), SDRT_E_FORMAT, "b is also in",
                   "duplicate");
    cr_expect_eq(sdrt_weight_files_count(set), 2, "a failed add changes nothing");
    cr_expect_eq(first_byte(p, "pad"), -1);
    cr_expect_eq(first_byte(p, "b"), 1);
    expect_quiet(sdrt_weight_files_add(set, temp_path("2"), "", "", SDRT_DUPLICATES_REPLACE),
                 "replace");
    cr_expect_eq(sdrt_weight_files_count(set), 3);
    cr_expect_eq(first_byte(p, "b"), 7);
    cr_expect_eq(first_byte(p, "a"), 0);
    expect_failure(sdrt_weight_files_add(set, temp_path("none"), "", "", SDRT_DUPLICATES_FAIL),
                   SDRT_E_MISSING, "none", "no file");
    sdrt_weight_files_free(&set);
}

/* 8 bits become bf16, which holds them all; nothing else changes its type. */
Test(weights, types_to_pack_as)
{
    static const char header[] = "{" ONE("a", "F8_E4M3", "[1,1]", 0, 1) "," ONE("b", "F8_E5M2", "[1,1]", 1, 2)
                                 "," ONE("c", "F16", "[1,1]", 2, 4) "," ONE("d", "F64", "[1,1]", 4, 12) "}";
    struct sdrt_weight_store *store = NULL;
    struct sdrt_weight_files *set;

    expect_quiet(sdrt_weight_files_create(&set, &kept_log), "create");
    expect_quiet(sdrt_weight_files_add(set, write_file("1", header, 12), "", "",
                                       SDRT_DUPLICATES_FAIL), "add");
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
    cr_assert_eq(sdrt_weight_store_create(&store, &p, SDRT_DTYPES, sdrt_packing_as_stored, &kept_log),
                 SDRT_OK);
    cr_expect_eq(sdrt_weight_store_declare(store, "a", 1, 1), SDRT_BF16);
    cr_expect_eq(sdrt_weight_store_declare(store, "b", 1, 1), SDRT_BF16);
    cr_expect_eq(sdrt_weight_store_declare(store, "c", 1, 1), SDRT_F16);
    cr_expect_eq(sdrt_weight_store_declare(store, "d", 1, 1), SDRT_F32);
    sdrt_weight_store_free(&store);
    sdrt_weight_files_free(&set);
}

/* Old files begin their data anywhere; views are aligned all the same. */
Test(weights, unaligned_data_is_served_aligned)
{
    static const char *const pads[] = { "", " ", "  ", "   " };
    struct sdrt_weight_view first, again;
    struct sdrt_weight_files *set;
    char header[256];

    for (size_t i = 0; i < 4; i++) {
        snprintf(header, sizeof header, "{" ONE("f", "F32", "[2]", 0, 8) "}%s", pads[i]);
        expect_quiet(sdrt_weight_files_create(&set, &kept_log), "create");
        struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
        expect_quiet(sdrt_weight_files_add(set, write_file("1", header, 8), "", "",
                                           SDRT_DUPLICATES_FAIL), "add");
        expect_quiet(p.get(p.self, "f", -1, NULL, &first), "get");
        expect_quiet(p.get(p.self, "f", -1, NULL, &again), "again");
        p.release(p.self, "f");
        cr_expect_eq((uintptr_t)first.data % 4, 0);
        cr_expect_eq(first.data, again.data);
        cr_expect(!memcmp(again.data, "\0\1\2\3\4\5\6\7", 8));
        p.release(p.self, "f");
        sdrt_weight_files_free(&set);
    }
}

Test(weights, shapes_are_compared)
{
    const struct sdrt_weight_view view = { .rank = 2, .shape = { 320, 768 } };
    const int64_t same[] = { 320, 768 }, other[] = { 768, 320 }, longer[] = { 320, 768, 1 };

    cr_expect_eq(sdrt_weight_elements(&view), 320 * 768);
    expect_quiet(sdrt_weight_check_shape(&view, "w", 2, same, &kept_log), "same");
    expect_failure(sdrt_weight_check_shape(&view, "w", 2, other, &kept_log), SDRT_E_FORMAT,
                   "w: has the shape [320,768], [768,320] is expected", "other");
    expect_failure(sdrt_weight_check_shape(&view, "w", 3, longer, &kept_log), SDRT_E_FORMAT,
                   "[320,768,1]", "longer");
    expect_failure(sdrt_weight_check_shape(&view, "w", 0, NULL, &kept_log), SDRT_E_FORMAT,
                   "[] is expected", "scalar");
}

/* One bad value at every kind of place; every other exponent must pass. */
Test(weights, values_that_are_not_finite_are_found)
{
    static const struct { enum sdrt_dtype dtype; int size; uint64_t largest, bad[3]; } types[] = {
        { SDRT_F64, 8, 0x7fefffffffffffff,
          { 0x7ff0000000000000, 0xfff0000000000000, 0x7ff8000000000001 } },
        { SDRT_F32, 4, 0x7f7fffff, { 0x7f800000, 0xff800000, 0x7fc00001 } },
        { SDRT_F16, 2, 0x7bff, { 0x7c00, 0xfc00, 0xfe01 } },
        { SDRT_BF16, 2, 0x7f7f, { 0x7f80, 0xff80, 0xffc1 } },
        { SDRT_F8_E5M2, 1, 0x7b, { 0x7c, 0xfc, 0x7f } },
        { SDRT_F8_E4M3, 1, 0x7e, { 0x7f, 0xff, 0x7f } },
    };
    enum { N = 2500 };
    static const size_t places[] = { 0, 1, 1023, 1024, 2047, 2048, N - 1 };
    static unsigned char data[N * 8];
    char expected[64];

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const size_t size = (size_t)types[i].size;
        const struct sdrt_weight_view view = { .dtype = types[i].dtype, .rank = 1, .shape = { N },
                                               .data = data };
        const uint64_t sign = (uint64_t)1 << (8 * size - 1);
        for (size_t j = 0; j < N; j++) {
            const uint64_t value = types[i].largest | (j & 1 ? sign : 0);
            memcpy(data + j * size, &value, size);
        }
        expect_quiet(sdrt_weight_check_finite(&view, "w", &kept_log), "largest");
        for (size_t j = 0; j < 21; j++) {
            const size_t at = places[j / 3];
            memcpy(data + at * size, &types[i].bad[j % 3], size);
            snprintf(expected, sizeof expected, "w: value %zu of 2500", at);
            expect_failure(sdrt_weight_check_finite(&view, "w", &kept_log), SDRT_E_NUMERIC,
                           expected, sdrt_dtype_name(types[i].dtype));
            memcpy(data + at * size, &types[i].largest, size);
        }
    }
    memset(data, 0xff, sizeof data);
    const struct sdrt_weight_view ints = { .dtype = SDRT_I32, .rank = 1, .shape = { N },
                                           .data = data };
    expect_quiet(sdrt_weight_check_finite(&ints, "w", &kept_log), "integers");
}

/* Mean, deviation and fourth moment of f32 values. */
static void moments(const float *v, size_t n, double *mean, double *sd, double *kurtosis)
{
    double sum = 0, second = 0, fourth = 0;

    for (size_t i = 0; i < n; i++) sum += v[i];
    *mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = (v[i] - *mean) * (v[i] - *mean);
        second += d;
        fourth += d * d;
    }
    *sd = sqrt(second / (double)n);
    *kurtosis = fourth / (double)n / pow(*sd, 4);
}

Test(weights, random_values_have_the_stated_distribution)
{
    static const struct {
        const char *name;
        int rank;
        int64_t shape[4];
        double mean, sd;
    } cases[] = {
        { "conv.weight", 4, { 1000, 32, 3, 3 }, 0, 0.0589255650988789 }, /* 1 / sqrt(32 x 9) */
        { "proj.weight", 2, { 400, 900 }, 0, 1 / 30.0 },
        { "norm.weight", 1, { 200000 }, 1, 0.02 },
        { "out.0.weight", 1, { 200000 }, 1, 0.02 },
        { "conv.bias", 1, { 200000 }, 0, 0.02 },
    };
    struct sdrt_random_weights *source;
    struct sdrt_weight_view view;
    double mean, sd, kurtosis;

    expect_quiet(sdrt_random_weights_create(&source, SDRT_F32, 1, &kept_log), "create");
    struct sdrt_weights_provider p = sdrt_random_weights_provider(source);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_quiet(p.get(p.self, cases[i].name, cases[i].rank, cases[i].shape, &view), "get");
        const size_t n = sdrt_weight_elements(&view);
        moments(view.data, n, &mean, &sd, &kurtosis);
        cr_expect(fabs(mean - cases[i].mean) < 5 * cases[i].sd / sqrt((double)n), "%s: mean %g",
                  cases[i].name, mean);
        cr_expect(fabs(sd / cases[i].sd - 1) < 0.01, "%s: deviation %g", cases[i].name, sd);
        /* The sum of four uniforms has the kurtosis 3 - 1.2 / 4. */
        cr_expect(fabs(kurtosis - 2.7) < 0.05, "%s: kurtosis %g", cases[i].name, kurtosis);
        expect_quiet(sdrt_weight_check_finite(&view, cases[i].name, &kept_log), "finite");
        p.release(p.self, cases[i].name);
    }
    sdrt_random_weights_free(&source);
    cr_expect_null(source);
    sdrt_random_weights_free(&source);
}

static double f16_value(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double v = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

    return h & 0x8000 ? -v : v;
}

/* One channel in 97 of norms and of what modulates them, whatever piece is read, as f32 or f16. */
Test(weights, random_channels_stand_out)
{
    static const struct {
        const char *name;
        int rank;
        int64_t shape[2];
        size_t values; /* of a channel; 0: it has none that stand out */
    } cases[] = {
        { "a.norm1.weight", 1, { 200 }, 1 },       { "a.norm1.bias", 1, { 200 }, 0 },
        { "a.attn.norm_q.weight", 1, { 200 }, 0 }, { "a.norm1.linear.weight", 2, { 200, 7 }, 7 },
        { "a.norm1.linear.bias", 1, { 200 }, 1 },  { "a.proj.weight", 2, { 200, 7 }, 0 },
    };
    struct sdrt_random_weights *plain, *with;
    struct sdrt_weight_view a, b;
    float piece[50];

    expect_quiet(sdrt_random_weights_create(&plain, SDRT_F32, 1, &kept_log), "plain");
    expect_quiet(sdrt_random_weights_create(&with, SDRT_F32, 1, &kept_log), "outliers");
    sdrt_random_weights_stand_out(with, 20.0f);
    struct sdrt_weights_provider p = sdrt_random_weights_provider(plain);
    struct sdrt_weights_provider q = sdrt_random_weights_provider(with);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t one = cases[i].values;
        expect_quiet(p.get(p.self, cases[i].name, cases[i].rank, cases[i].shape, &a), "plain");
        expect_quiet(q.get(q.self, cases[i].name, cases[i].rank, cases[i].shape, &b), "outliers");
        const float *x = a.data, *y = b.data;
        const size_t n = sdrt_weight_elements(&a);
        for (size_t k = 0; k < n; k++) {
            const float factor = one && k / one % 97 == 0 ? 20.0f : 1.0f;
            cr_assert_float_eq(y[k], factor * x[k], 1e-5 * fabsf(factor * x[k]), "%s: value %zu",
                               cases[i].name, k);
        }
        for (size_t first = 60; first + 50 <= n; first += 23) {
            expect_quiet(q.read(q.self, cases[i].name, &b, first, 50, piece), "a piece");
            cr_expect_arr_eq(piece, y + first, sizeof piece, "%s: from %zu", cases[i].name, first);
        }
        p.release(p.self, cases[i].name);
        q.release(q.self, cases[i].name);
    }
    sdrt_random_weights_free(&plain);
    sdrt_random_weights_free(&with);
}

Test(weights, random_values_depend_on_name_seed_and_place_alone)
{
    const int64_t shape[] = { 64, 4000 };
    struct sdrt_random_weights *f32, *f16, *other;
    struct sdrt_weight_view a, b, c, h;
    double worst = 0;

    expect_quiet(sdrt_random_weights_create(&f32, SDRT_F32, 1, &kept_log), "f32");
    expect_quiet(sdrt_random_weights_create(&f16, SDRT_F16, 1, &kept_log), "f16");
    expect_quiet(sdrt_random_weights_create(&other, SDRT_F32, 2, &kept_log), "seed 2");
    struct sdrt_weights_provider p = sdrt_random_weights_provider(f32);
    struct sdrt_weights_provider q = sdrt_random_weights_provider(f16);
    struct sdrt_weights_provider r = sdrt_random_weights_provider(other);
    expect_quiet(p.get(p.self, "a.weight", 2, shape, &a), "a");
    expect_quiet(p.get(p.self, "b.weight", 2, shape, &b), "b");
    expect_quiet(r.get(r.self, "a.weight", 2, shape, &c), "a of another seed");
    expect_quiet(q.get(q.self, "a.weight", 2, shape, &h), "a as f16");
    const float *v = a.data, *w = b.data, *x = c.data;
    int same = 0;
    for (size_t i = 0; i < 256000; i++) {
        /* Half a unit in the last place of f16, whose smallest unit is 2^-24. */
        const double half = fmax(ldexp(1, ilogb(v[i] ? v[i] : 1e-30) - 11), ldexp(1, -25));
        worst = fmax(worst, fabs(f16_value(((const uint16_t *)h.data)[i]) - v[i]) / half);
        same += v[i] == w[i] || v[i] == x[i] || (i && v[i] == v[i - 1]);
    }
    cr_expect(worst <= 1.0, "f16 is off by %g of half a unit", worst);
    cr_expect(worst > 0.9, "no f16 value needed rounding");
    cr_expect(same < 30, "%d equal values", same);
    const float kept = v[12345];
    p.release(p.self, "a.weight");
    expect_quiet(p.get(p.self, "a.weight", 2, shape, &a), "a again");
    cr_expect_eq(((const float *)a.data)[12345], kept);
    sdrt_random_weights_free(&f32);
    sdrt_random_weights_free(&f16);
    sdrt_random_weights_free(&other);
}

Test(weights, random_weights_refuse_the_impossible)
{
    const int64_t shape[] = { 4, 4 }, other[] = { 4, 5 }, negative[] = { -1 };
    const int64_t huge[] = { INT64_C(1) << 62, 8 };
    struct sdrt_random_weights *source;
    struct sdrt_weight_view view;

    expect_failure(sdrt_random_weights_create(&source, SDRT_BF16, 1, &kept_log), SDRT_E_ARG, "BF16",
                   "bf16");
    expect_quiet(sdrt_random_weights_create(&source, SDRT_F32, 1, &kept_log), "create");
    struct sdrt_weights_provider p = sdrt_random_weights_provider(source);
    cr_expect_eq(p.get(p.self, "a", -1, NULL, &view), SDRT_E_MISSING);
    cr_expect_eq(kept_lines, 0);
    expect_failure(p.get(p.self, "a", 1, negative, &view), SDRT_E_ARG, "a:", "negative");
    expect_failure(p.get(p.self, "a", 2, huge, &view), SDRT_E_ARG, "a:", "huge");
    expect_failure(p.get(p.self, "a", 9, huge, &view), SDRT_E_ARG, "at most 8", "rank 9");
    expect_quiet(p.get(p.self, "a", 2, shape, &view), "a");
    expect_failure(p.get(p.self, "a", 2, other, &view), SDRT_E_NOMEM, "another shape",
                   "held in another shape");
    sdrt_random_weights_free(&source);
}

/* What read copies is what get shows, from any place on. */
static void compare_reads(struct sdrt_weights_provider p, const char *name, int rank,
                          const int64_t *shape)
{
    struct sdrt_weight_view described, got;
    unsigned char part[64];

    expect_quiet(p.describe(p.self, name, rank, shape, &described), name);
    expect_quiet(p.get(p.self, name, rank, shape, &got), name);
    cr_expect_null(described.data);
    cr_expect(described.dtype == got.dtype && described.rank == got.rank &&
              !memcmp(described.shape, got.shape, (size_t)got.rank * sizeof *got.shape));
    const size_t n = sdrt_weight_elements(&got), size = sdrt_dtype_size(got.dtype);
    for (size_t first = 0; first < n; first++)
        for (size_t count = 0; first + count <= n && count * size <= sizeof part; count++) {
            memset(part, 0xee, sizeof part);
            cr_expect_eq(p.read(p.self, name, &described, first, count, part), SDRT_OK);
            cr_expect_eq(memcmp(part, (const char *)got.data + first * size, count * size), 0,
                         "%s: %zu from %zu on", name, count, first);
        }
    p.release(p.self, name);
}

Test(weights, reading_is_getting)
{
    static const char header[] = "{" ONE("pad", "U8", "[3]", 0, 3) "," ONE("f", "F32", "[2,5]", 3, 43)
                                 "," ONE("h", "F16", "[7]", 43, 57) "}";
    const int64_t shape[] = { 3, 7 };
    struct sdrt_weight_files *set;
    struct sdrt_random_weights *f32, *f16;
    struct sdrt_weight_view view;
    unsigned char part[64];

    expect_quiet(sdrt_weight_files_create(&set, &kept_log), "create");
    expect_quiet(sdrt_weight_files_add(set, write_file("1", header, 57), "", "x.",
                                       SDRT_DUPLICATES_FAIL), "add");
    struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
    compare_reads(p, "x.f", -1, NULL);
    compare_reads(p, "x.h", -1, NULL);
    cr_expect_eq(p.describe(p.self, "x.none", -1, NULL, &view), SDRT_E_MISSING);
    expect_quiet(p.describe(p.self, "x.h", -1, NULL, &view), "describe");
    cr_expect_eq(truncate(temp_path("1"), 8 + (off_t)strlen(header) + 50), 0);
    cr_expect_eq(p.read(p.self, "x.h", &view, 0, 3, part), SDRT_OK);
    cr_expect_eq(p.read(p.self, "x.h", &view, 0, 7, part), SDRT_E_IO);
    cr_expect_eq(kept_lines, 0);
    sdrt_weight_files_free(&set);
    expect_quiet(sdrt_random_weights_create(&f32, SDRT_F32, 1, &kept_log), "f32");
    expect_quiet(sdrt_random_weights_create(&f16, SDRT_F16, 1, &kept_log), "f16");
    compare_reads(sdrt_random_weights_provider(f32), "a.weight", 2, shape);
    compare_reads(sdrt_random_weights_provider(f16), "a.weight", 2, shape);
    compare_reads(sdrt_random_weights_provider(f16), "a.bias", 1, shape);
    sdrt_random_weights_free(&f32);
    sdrt_random_weights_free(&f16);
}

/* Opens two files, looks at an unaligned tensor, frees all; returns the first failure. */
static int open_all(const char *one, const char *two)
{
    struct sdrt_weight_files *set;
    struct sdrt_weight_view view;
    int status;

    status = sdrt_weight_files_create(&set, &kept_log);
    if (status != SDRT_OK) return status;
    status = sdrt_weight_files_add(set, one, "", "", SDRT_DUPLICATES_FAIL);
    if (status == SDRT_OK)
        status = sdrt_weight_files_add(set, two, "", "", SDRT_DUPLICATES_REPLACE);
    if (status == SDRT_OK) {
        struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
        status = p.get(p.self, "f", -1, NULL, &view);
        if (status == SDRT_OK) p.release(p.self, "f");
    }
    sdrt_weight_files_free(&set);
    return status;
}

/* Of the address sanitizer, where the program is built with it. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static int json_was_refused;

static void *json_malloc(size_t bytes)
{
    void *p = malloc(bytes);

    if (!p) json_was_refused = 1;
    return p;
}

/* Each allocation in turn is refused, jansson's too: one line, no leak, no crash.  jansson
 * takes some of its own for errors of syntax. */
Test(weights, every_refused_allocation_is_one_clear_failure)
{
    char one[1024], two[1024], header[256];
    long calls = 0;
    int status;

    /* One space more where the data would be aligned. */
    const char *text = "{" ONE("f", "F32", "[2]", 0, 8) "}";
    snprintf(header, sizeof header, "%s%s", text, strlen(text) % 4 ? "" : " ");
    snprintf(one, sizeof one, "%s", write_file("1", header, 8));
    snprintf(two, sizeof two, "%s", write_file("2", header, 8));
    json_set_alloc_funcs(json_malloc, free);
    do {
        sdrt_allocations_refuse(calls++);
        json_was_refused = 0;
        status = open_all(one, two);
        const long left = sdrt_allocations_left();
        sdrt_allocations_refuse(-1);
        if (left >= 0) break; /* fewer calls than that: none was refused */
        const int blamed = json_was_refused && status == SDRT_E_FORMAT;
        expect_failure(status, blamed ? status : SDRT_E_NOMEM, blamed ? "bad JSON" : "memory",
                       "refused");
    } while (calls < 1000);
    cr_expect_eq(status, SDRT_OK);
    cr_expect(calls > 20 && calls < 1000, "%ld calls", calls);
    expect_quiet(open_all(one, two), "afterwards");
    if (__lsan_do_recoverable_leak_check)
        cr_expect_eq(__lsan_do_recoverable_leak_check(), 0, "memory was lost");
}
