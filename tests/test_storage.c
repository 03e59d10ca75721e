/* SPDX-License-Identifier: MIT
 *
 * Weights that other tensors of their file scale: small files in ComfyUI's spellings, against the
 * same numbers worked out here in double.
 */
#include "kernels/pack.h"
#include "runtime/weights/weights.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(storage, .init = temp_folder_make, .fini = temp_folder_remove);

/* A safetensors file in the making. */
static char header[4096], metadata[512];
static unsigned char data[8192];
static size_t data_bytes;

static void begin(void)
{
    header[0] = metadata[0] = 0;
    data_bytes = 0;
}

static void add(const char *name, const char *dtype, const char *shape, const void *bytes, size_t n)
{
    const size_t used = strlen(header);

    snprintf(header + used, sizeof header - used,
             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%zu,%zu]}", used ? "," : "",
             name, dtype, shape, data_bytes, data_bytes + n);
    if (n) memcpy(data + data_bytes, bytes, n);
    data_bytes += n;
}

static void add_note(const char *name, const char *note)
{
    char shape[32];

    snprintf(shape, sizeof shape, "[%zu]", strlen(note));
    add(name, "U8", shape, note, strlen(note));
}

/* Writes the file and offers what stands behind strip. */
static struct sdrt_weight_files *open_file(const char *strip, int status, const char *word)
{
    static unsigned char bytes[8 + sizeof header + sizeof metadata + sizeof data];
    struct sdrt_weight_files *set;
    char *text = (char *)bytes + 8;
    int n;

    if (*metadata)
        n = sprintf(text, "{\"__metadata__\":{\"_quantization_metadata\":\"%s\"},%s}", metadata,
                    header);
    else n = sprintf(text, "{%s}", header);
    const uint64_t length = (uint64_t)n;
    memcpy(bytes, &length, 8);
    memcpy(text + n, data, data_bytes);
    cr_assert_eq(sdrt_weight_files_create(&set, &kept_log), SDRT_OK);
    const char *path = temp_write("x.safetensors", bytes, 8 + (size_t)n + data_bytes);
    const int got = sdrt_weight_files_add(set, path, strip, "", SDRT_DUPLICATES_FAIL);
    if (status == SDRT_OK) expect_quiet(got, "add");
    else expect_failure(got, status, word, word);
    return set;
}

/* Compares a tensor, whole and in pieces, with count values. */
static void expect_values(struct sdrt_weight_files *set, const char *name, const double *want,
                          size_t count, double most)
{
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
    struct sdrt_weight_view v;
    float piece[1024];

    expect_quiet(p.get(p.self, name, -1, NULL, &v), name);
    cr_assert_eq(sdrt_weight_elements(&v), count);
    cr_assert_eq(v.dtype, SDRT_F32);
    for (size_t i = 0; i < count; i++) {
        const double got = ((const float *)v.data)[i];
        cr_assert(fabs(got - want[i]) <= most * fabs(want[i]), "%s: value %zu is %.9g, not %.9g",
                  name, i, got, want[i]);
    }
    for (size_t step = 1; step < count; step += step)
        for (size_t first = 0; first < count; first += step) {
            const size_t n = first + step < count ? step : count - first;
            cr_assert_eq(p.read(p.self, name, &v, first, n, piece), SDRT_OK);
            cr_assert(!memcmp(piece, (const float *)v.data + first, n * sizeof *piece));
        }
    p.release(p.self, name);
}

static void expect_names(const struct sdrt_weight_files *set, const char *names)
{
    char all[512] = "";

    for (size_t i = 0; i < sdrt_weight_files_count(set); i++) {
        if (i) strcat(all, " ");
        strcat(all, sdrt_weight_files_name(set, i));
    }
    cr_expect_str_eq(all, names);
}

/* ---- f8 ---- */

enum { F8 = 6 };
static const unsigned char f8[F8] = { 0x00, 0x38, 0xc1, 0x07, 0x7b, 0x45 };

static void f8_times(enum sdrt_dtype type, const double *scales, int each, double out[F8])
{
    float values[F8];

    cr_assert_eq(sdrt_to_f32(f8, type, values, F8), 0);
    for (int i = 0; i < F8; i++) out[i] = (double)(values[i] * (float)scales[i / each]);
}

Test(storage, f8_is_multiplied_by_its_scale_and_companions_are_not_on_offer)
{
    static const char e4m3[] =
        "{\"format\": \"float8_e4m3fn\", \"full_precision_matrix_mult\": true}";
    const float scale = 0.0123f;
    const uint16_t half = 0x3800, rows[2] = { 0x3800, 0xbc00 }; /* 1/2, -1 */
    struct sdrt_weight_files *set;
    double want[F8];

    begin();
    add("scaled_fp8", "F8_E4M3", "[0]", NULL, 0);
    add("old.weight", "F8_E4M3", "[2,3]", f8, F8);
    add("old.scale_weight", "F32", "[]", &scale, 4);
    add("old.scale_input", "F32", "[]", &scale, 4);
    add("old.bias", "F16", "[1]", &half, 2);
    add("new.weight", "F8_E4M3", "[2,3]", f8, F8);
    add("new.weight_scale", "F16", "[1]", &half, 2);
    add("new.input_scale", "F16", "[1]", &half, 2);
    add_note("new.comfy_quant", e4m3);
    add("wide.weight", "F8_E5M2", "[2,3]", f8, F8);
    add("wide.weight_scale", "F16", "[2,1]", rows, 4);
    add("bytes.weight", "U8", "[2,3]", f8, F8);
    add("bytes.weight_scale", "F32", "[1,1]", &scale, 4);
    add_note("bytes.comfy_quant", "{\"format\": \"float8_e5m2\"}");
    add("plain.weight", "F8_E4M3", "[2,3]", f8, F8);
    set = open_file("", SDRT_OK, NULL);
    expect_names(set, "bytes.weight new.weight old.bias old.weight plain.weight wide.weight");
    f8_times(SDRT_F8_E4M3, (double[]){ 0.0123 }, F8, want);
    expect_values(set, "old.weight", want, F8, 0.0);
    f8_times(SDRT_F8_E4M3, (double[]){ 0.5 }, F8, want);
    expect_values(set, "new.weight", want, F8, 0.0);
    f8_times(SDRT_F8_E5M2, (double[]){ 0.5, -1.0 }, 3, want);
    expect_values(set, "wide.weight", want, F8, 0.0);
    f8_times(SDRT_F8_E5M2, (double[]){ 0.0123 }, F8, want);
    expect_values(set, "bytes.weight", want, F8, 0.0);
    sdrt_weight_files_free(&set);
}

Test(storage, f64_comes_as_f32)
{
    const double values[3] = { 1.0 / 3.0, -1e300 * 0, 6.02e23 };
    struct sdrt_weight_files *set;
    double want[3];

    for (int i = 0; i < 3; i++) want[i] = (double)(float)values[i];
    begin();
    add("a", "F64", "[3]", values, sizeof values);
    set = open_file("", SDRT_OK, NULL);
    expect_values(set, "a", want, 3, 0.0);
    sdrt_weight_files_free(&set);
}

/* ---- int8 ---- */

Test(storage, int8_is_multiplied_by_one_scale_or_one_a_row)
{
    const int8_t q[6] = { -128, 127, 0, 1, -1, 99 };
    const float rows[3] = { 0.5f, -0.25f, 3.0f };
    double by_row[6], by_one[6];
    struct sdrt_weight_files *set;

    for (int i = 0; i < 6; i++) {
        by_row[i] = (double)q[i] * (double)rows[i / 2];
        by_one[i] = (double)q[i] * 0.5;
    }
    begin();
    add("a.weight", "I8", "[3,2]", q, 6);
    add("a.weight_scale", "F32", "[3,1]", rows, 12);
    add_note("a.comfy_quant", "{\"format\": \"int8_tensorwise\"}");
    add("b.weight", "I8", "[3,2,1,1]", q, 6);
    add("b.weight_scale", "F32", "[3]", rows, 12);
    add_note("b.comfy_quant", "{\"format\": \"int8_tensorwise\", \"convrot\": false}");
    add("c.weight", "I8", "[3,2]", q, 6);
    add("c.weight_scale", "F32", "[]", rows, 4);
    set = open_file("", SDRT_OK, NULL);
    expect_values(set, "a.weight", by_row, 6, 0.0);
    expect_values(set, "b.weight", by_row, 6, 0.0);
    expect_values(set, "c.weight", by_one, 6, 0.0);
    sdrt_weight_files_free(&set);
}

/* Element (i, j) of the regular Hadamard matrix of a power of 4, times sqrt(size). */
static int hadamard(int size, int i, int j)
{
    static const int h4[4][4] = { { 1, 1, 1, -1 },
                                  { 1, 1, -1, 1 },
                                  { 1, -1, 1, 1 },
                                  { -1, 1, 1, 1 } };
    int sign = 1;

    for (; size > 1; size /= 4, i /= 4, j /= 4) sign *= h4[i % 4][j % 4];
    return sign;
}

enum { ROWS = 2, COLUMNS = 512 };

/* What a weight of whole numbers was before it was rotated in groups. */
static void unrotate(const int8_t *q, const float *scales, int group, double *out)
{
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLUMNS; c++) {
            const int8_t *of = q + r * COLUMNS + c / group * group;
            double sum = 0.0;
            for (int k = 0; k < group; k++) sum += of[k] * hadamard(group, k, c % group);
            out[r * COLUMNS + c] = sum / sqrt(group) * (double)scales[r];
        }
}

Test(storage, rotated_int8_is_turned_back)
{
    static const int groups[] = { 256, 64, 4 };
    const float scales[ROWS] = { 0.01f, 0.3f };
    static double want[ROWS * COLUMNS];
    struct sdrt_weight_files *set;
    int8_t q[ROWS * COLUMNS];
    char note[128];

    for (int i = 0; i < ROWS * COLUMNS; i++) q[i] = (int8_t)(i * 37 + i / 7 * 11);
    for (int g = 0; g < 3; g++)
        for (int where = 0; where < 3; where++) {
            snprintf(note, sizeof note,
                     where == 2 ? "{'format': 'int8_tensorwise', 'params': {'convrot': true, "
                                  "'convrot_groupsize': %d}}"
                                : "{'format': 'int8_tensorwise', 'convrot': true, "
                                  "'convrot_groupsize': %d}",
                     groups[g]);
            begin();
            add("model.to_q.weight", "I8", "[2,512]", q, sizeof q);
            add("model.to_q.weight_scale", "F32", "[2,1]", scales, sizeof scales);
            if (where == 1) { /* in the metadata, where the quotes are escaped */
                snprintf(metadata, sizeof metadata, "{'layers': {'to_q': %s}}", note);
                char escaped[sizeof metadata] = "";
                for (const char *c = metadata; *c; c++)
                    strcat(escaped, *c == '\'' ? "\\\"" : (char[]){ *c, 0 });
                strcpy(metadata, escaped);
            } else {
                for (char *c = note; *c; c++)
                    if (*c == '\'') *c = '"';
                add_note("model.to_q.comfy_quant", note);
            }
            unrotate(q, scales, groups[g], want);
            set = open_file("model.", SDRT_OK, NULL);
            expect_values(set, "to_q.weight", want, ROWS * COLUMNS, 1e-7);
            sdrt_weight_files_free(&set);
        }
}

/* ---- what is not read ---- */

struct refusal {
    const char *dtype, *shape;
    const char *rest, *rest_dtype, *rest_shape; /* a companion */
    const char *note;                           /* NULL: none */
    const char *word;
};

Test(storage, what_is_not_understood_is_refused_when_it_is_asked_for)
{
    static const struct refusal cases[] = {
        { "U8", "[4]", "weight.quant_state.bitsandbytes__nf4", "U8", "[4]", NULL,
          "bitsandbytes' nf4" },
        { "U8", "[4]", "weight.quant_state.bitsandbytes__fp4", "U8", "[4]", NULL,
          "bitsandbytes' fp4" },
        { "U8", "[4]", "weight.absmax", "F32", "[1]", NULL, "bitsandbytes" },
        { "I8", "[2,2]", "SCB", "F32", "[1]", NULL, "bitsandbytes' int8" },
        { "U8", "[4]", "weight_scale_2", "F32", "[1]", NULL, "nvfp4" },
        { "U8", "[4]", "weight_scale", "U8", "[4]", "{\"format\": \"mxfp8\"}", "mxfp8" },
        { "I8", "[4]", "weight_scale", "F32", "[1]", "{\"format\": \"float8_e5m2\"}",
          "float8_e5m2 as I8" },
        { "I8", "[4]", "weight_scale", "F32", "[1]", "{\"format\": 1}", "comfy_quant" },
        { "I8", "[4]", "weight_scale", "F32", "[1]", "{{{", "comfy_quant" },
        { "F8_E4M3", "[4]", "weight_scale", "F16", "[2]", NULL, "one number or one a row" },
        { "F8_E4M3", "[2,2]", "weight_scale", "F16", "[1,2]", NULL, "one number or one a row" },
        { "F8_E4M3", "[4]", "weight_scale", "F8_E8M0", "[4]", NULL, "one number or one a row" },
        { "U8", "[4]", "weight_scale", "F32", "[1]", NULL, "scales cannot multiply" },
        { "I8", "[4]", "input_scale", "F32", "[1]", "{\"format\": \"int8_tensorwise\"}",
          "without a weight_scale" },
        { "I8", "[1,4]", "weight_scale", "F32", "[1]",
          "{\"format\": \"int8_tensorwise\", \"convrot\": true, \"convrot_groupsize\": 2}",
          "rotated" },
        { "I8", "[1,4]", "weight_scale", "F32", "[1]",
          "{\"format\": \"int8_tensorwise\", \"convrot\": true}", "rotated" },
        { "I8", "[4]", "weight_scale", "F32", "[1]",
          "{\"format\": \"int8_tensorwise\", \"convrot\": true, \"convrot_groupsize\": 4}",
          "rotated" },
    };
    struct sdrt_weight_view v;
    char name[64];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct refusal *c = &cases[i];
        begin();
        add("q.weight", c->dtype, c->shape, "\1\2\3\4", 4);
        snprintf(name, sizeof name, "q.%s", c->rest);
        add(name, c->rest_dtype, c->rest_shape, "\0\0\0\0", 4);
        if (c->note) add_note("q.comfy_quant", c->note);
        add("other.weight", "F32", "[1]", "\0\0\200?", 4);
        struct sdrt_weight_files *set = open_file("", SDRT_OK, NULL);
        const struct sdrt_weights_provider p = sdrt_weight_files_provider(set);
        expect_names(set, "other.weight q.weight");
        expect_failure(p.get(p.self, "q.weight", -1, NULL, &v), SDRT_E_UNSUPPORTED, c->word,
                       c->word);
        expect_failure(p.describe(p.self, "q.weight", -1, NULL, &v), SDRT_E_UNSUPPORTED, "q.weight",
                       c->word);
        expect_values(set, "other.weight", (double[]){ 1.0 }, 1, 0.0);
        sdrt_weight_files_free(&set);
    }
}

/* Only in what is taken of the file: another part's scales are not its business. */
Test(storage, scales_without_their_weights_are_refused)
{
    struct sdrt_weight_files *set;

    begin();
    add("t5.q.weight_scale", "F32", "[1]", "\0\0\0\0", 4);
    add("unet.q.weight", "F32", "[1]", "\0\0\0\0", 4);
    set = open_file("t5.", SDRT_E_UNSUPPORTED, "t5.q.weight_scale scales weights that are not in");
    cr_expect_eq(sdrt_weight_files_count(set), 0);
    sdrt_weight_files_free(&set);
    set = open_file("unet.", SDRT_OK, NULL);
    expect_names(set, "q.weight");
    sdrt_weight_files_free(&set);
}
