/* SPDX-License-Identifier: MIT
 *
 * T5's encoder, tiny, against transformers in float32; tests/oracle/make_t5_golden.py made the
 * weights, the hidden states, and the buckets of relative positions.
 */
#include "kernels/elementwise.h"
#include "model/checkpoint/detect_t5.h"
#include "model/net/published.h"
#include "runtime/files/npy.h"
#include "tests/support.h"
#include "tests/t5_pass.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(t5, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *data_path(const char *name)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/t5/%s", root ? root : "tests", name);
    return path;
}

static struct sdrt_npy *array(const char *name)
{
    struct sdrt_npy *a = NULL;

    cr_assert_eq(sdrt_npy_read(&a, data_path(name), &kept_log), SDRT_OK, "%s", kept_text);
    return a;
}

/* A table whose values are their buckets, so that the bias says which was taken. */
static void check_buckets(const char *golden, int buckets, int max_distance, int tokens)
{
    enum { HEADS = 3 };
    struct sdrt_npy *want = array(golden);
    const float *of = (const float *)want->data + want->elements / 2; /* by distance */
    struct tbuf y = tbuf_floats((size_t)(HEADS * tokens * tokens));
    struct sdrt_elementwise_ops ops = { 0 };
    float table[32 * HEADS];
    size_t bad = 0;

    sdrt_elementwise_init_generic(&ops);
    for (int i = 0; i < buckets * HEADS; i++)
        table[i] = (float)(i / HEADS + 100 * (i % HEADS));
    for (int nparts = 1; nparts <= 4; nparts++) {
        tbuf_nan(&y);
        for (int part = 0; part < nparts; part++) {
            const struct sdrt_exec ex = { .part = part, .nparts = nparts };
            cr_assert_eq(ops.relative_bias(&ex, tokens, buckets, max_distance, HEADS, table,
                                           SDRT_F32, y.v), 0);
        }
        for (int h = 0; h < HEADS; h++)
            for (int i = 0; i < tokens; i++)
                for (int j = 0; j < tokens; j++)
                    bad += y.v[(h * tokens + i) * tokens + j] != of[j - i] + 100.0f * (float)h;
        cr_expect_eq(bad, 0, "%s in %d parts: %zu differ", golden, nparts, bad);
    }
    cr_expect(tbuf_ok(&y));
    tbuf_free(&y);
    sdrt_npy_free(&want);
}

Test(t5, buckets)
{
    check_buckets("buckets-32-128.npy", 32, 128, 300);
    check_buckets("buckets-16-40.npy", 16, 40, 120);
    check_buckets("buckets-32-128.npy", 32, 128, 1);
}

static void encoder_open(struct t5_pass *p, const char *level, int batch, int tokens,
                         const struct sdrt_t5_place *place)
{
    cr_assert_eq(t5_pass_open(p, data_path("encoder.safetensors"), "text_encoder_3", tlevel(level), 2,
                              batch, tokens, place, &kept_log), SDRT_OK, "%s", kept_text);
}

/* Into rows 5 .. of wider rows, whose rest stays as it was. */
static void compare(const char *level)
{
    enum { ROW0 = 5, MORE = 9 };
    struct sdrt_npy *ids = array("ids.npy"), *want = array("hidden.npy");
    const int batch = (int)ids->shape[0], tokens = (int)ids->shape[1], c = (int)want->shape[2];
    const struct sdrt_t5_place place = { .rows = tokens + ROW0 + 1, .row0 = ROW0, .width = c + MORE };
    struct tbuf in = tbuf_bytes(ids->elements * sizeof(int32_t));
    struct tbuf out = tbuf_floats((size_t)(batch * place.rows * place.width));
    struct t5_pass e;
    double error = 0.0, size = 0.0;
    size_t touched = 0;

    encoder_open(&e, level, batch, tokens, &place);
    for (size_t i = 0; i < ids->elements; i++)
        ((int32_t *)in.p)[i] = (int32_t)((const float *)ids->data)[i];
    cr_assert_eq(t5_pass_run(&e, in.p, out.v), SDRT_OK);
    for (int i = 0; i < batch * place.rows * place.width; i++) {
        const int row = i / place.width % place.rows - ROW0, k = i % place.width;
        if (row < 0 || row >= tokens || k >= c) {
            touched += !isnan(out.v[i]);
            continue;
        }
        const int image = i / place.width / place.rows;
        const double w = ((const float *)want->data)[((size_t)image * (size_t)tokens + (size_t)row) *
                                                     (size_t)c + (size_t)k];
        error += pow((double)out.v[i] - w, 2);
        size += w * w;
    }
    cr_expect(sqrt(error / size) < 3e-6, "%s: hidden states differ by %.2e", level,
              sqrt(error / size));
    cr_expect_eq(touched, 0, "%s: wrote %zu values beside its own", level, touched);
    cr_expect(tbuf_ok(&out));
    t5_pass_close(&e);
    tbuf_free(&in), tbuf_free(&out);
    sdrt_npy_free(&ids);
    sdrt_npy_free(&want);
}

#define SDRT_F32_LEVEL(level, ...) Test(t5, level) { compare(#level); }
#include "kernels/levels.h"

Test(t5, detects)
{
    const struct sdrt_t5_place place = { .rows = 3, .row0 = 0, .width = 40 };
    struct sdrt_t5_config xxl = sdrt_t5_xxl_config();
    struct t5_pass e;

    encoder_open(&e, "generic", 1, 3, &place);
    cr_expect_str_eq(e.config.table, xxl.table);
    cr_expect_eq(e.config.vocab, 96);
    cr_expect_eq(e.config.hidden, 40);
    cr_expect_eq(e.config.layers, 3);
    cr_expect_eq(e.config.heads, 3);
    cr_expect_eq(e.config.head_dim, 8);
    cr_expect_eq(e.config.intermediate, 72);
    cr_expect_eq(e.config.buckets, xxl.buckets);
    cr_expect_eq(e.config.max_distance, xxl.max_distance);
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(e.files);
    kept_lines = 0;
    expect_failure(sdrt_t5_detect(&xxl, &p, "text_encoder", "tiny", &kept_log), SDRT_E_MISSING,
                   "text_encoder.encoder.embed_tokens", "another prefix");
    t5_pass_close(&e);
}
