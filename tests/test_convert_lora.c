/* SPDX-License-Identifier: MIT
 *
 * LoRAs that sdconvert merges, on the tiny models: what it writes against the merges of the libraries
 * that made them, and against the weights that a model draws with.
 */
#include "kernels/pack.h"
#include "model/checkpoint/checkpoint.h"
#include "model/pipeline/loras.h"
#include "model/pipeline/model.h"
#include "runtime/files/tensor_files.h"
#include "tests/any_level.h"
#include "tests/run_program.h"
#include "tests/single_file.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(convert_lora, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *golden(const char *name)
{
    static char paths[4][512];
    static int next;
    const char *root = getenv("SDRT_TESTDATA");
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/golden/%s", root ? root : "tests", name);
    return path;
}

#define RUN(...) run((char *[]){ (char *)"./sdconvert", __VA_ARGS__, NULL })
#define S(text) ((char *)(uintptr_t)(text))

/* Its exit status. */
static int run(char **arguments)
{
    program_finish(program_start(NULL, 0, arguments));
    return ended.status;
}

/* A path of the test's folder that stays, unlike temp_path()'s. */
static const char *kept_path(char out[512], const char *name)
{
    snprintf(out, 512, "%s", temp_path(name));
    return out;
}

/* A weight as f32; the caller's. */
static float *values_of(const struct sdrt_weights_provider *p, const char *name, size_t *n)
{
    const int64_t shape[2] = { 0, 0 };
    struct sdrt_weight_view v;

    cr_assert_eq(p->get(p->self, name, 2, shape, &v), SDRT_OK, "%s: %s", name, kept_text);
    *n = sdrt_weight_elements(&v);
    float *out = malloc(*n * sizeof *out);
    cr_assert_not_null(out);
    cr_assert_eq(sdrt_to_f32(v.data, v.dtype, out, *n), 0);
    p->release(p->self, name);
    return out;
}

static struct sdrt_checkpoint *open_written(const char *path)
{
    const struct sdrt_checkpoint_paths from = { .model = path };
    struct sdrt_checkpoint *c;

    cr_assert_eq(sdrt_checkpoint_open(&c, &from, &kept_log), SDRT_OK, "%s", kept_text);
    return c;
}

/* The largest relative error of a written model's weights against a file of merged ones. */
static double worst_error(const char *written, const char *want_path)
{
    struct sdrt_checkpoint *c = open_written(written);
    const struct sdrt_weights_provider p = sdrt_checkpoint_provider(c);
    struct sdrt_tensor_file *want;
    double worst = 0.0;

    cr_assert_eq(sdrt_tensor_file_open(&want, want_path, &kept_log), SDRT_OK, "%s", kept_text);
    cr_assert_gt(sdrt_tensor_file_count(want), 0);
    for (size_t i = 0; i < sdrt_tensor_file_count(want); i++) {
        const struct sdrt_file_tensor *t = sdrt_tensor_file_at(want, i);
        double error = 0.0, size = 0.0;
        size_t n;
        float *got = values_of(&p, t->name, &n), w;
        cr_assert_eq(n * sizeof *got, t->bytes, "%s", t->name);
        for (size_t k = 0; k < n; k++) {
            memcpy(&w, (const char *)t->data + k * sizeof w, sizeof w);
            error += ((double)got[k] - w) * ((double)got[k] - w);
            size += (double)w * w;
        }
        worst = fmax(worst, sqrt(error / size));
        free(got);
    }
    sdrt_tensor_file_close(&want);
    sdrt_checkpoint_close(&c);
    return worst;
}

Test(convert_lora, writes_what_the_libraries_merge)
{
    static const char *const kinds[] = {
        "kohya-lora", "kohya-original",     "loha",      "lokr",     "oft", "dora-rows", "norm",
        "full",       "peft/adapter_model", "peft-text", "diffusers"
    };
    char plain_path[512], out_path[512];
    const char *plain = kept_path(plain_path, "plain.safetensors");
    const char *out = kept_path(out_path, "out.safetensors");
    char lora[64], want[64];

    cr_assert_eq(RUN(S("--quiet"), S(golden("tiny-sd15")), S(plain)), 0, "%s", ended.text);
    for (size_t i = 0; i < 2 * (sizeof kinds / sizeof *kinds); i++) {
        const char *kind = kinds[i / 2], *from = i % 2 ? plain : golden("tiny-sd15");
        snprintf(lora, sizeof lora, "lora/%s.safetensors", kind);
        snprintf(want, sizeof want, "lora/%s.merged.safetensors", kind);
        cr_assert_eq(RUN(S("--quiet"), S("-t"), S("f32"), S("--lora"), S(golden(lora)), S(from),
                         S(out)),
                     0, "%s", ended.text);
        const double error = worst_error(out, golden(want));
        cr_expect_leq(error, 2e-6, "%s of %s: %.2e", kind, i % 2 ? "a file" : "a folder", error);
    }
}

/* What is merged to draw with, and what is written. */
struct both {
    struct sdrt_weights_provider drawn, written;
    size_t compared;
};

static void compare(void *user, const char *module)
{
    struct both *b = user;
    char name[256];
    size_t n, m;

    snprintf(name, sizeof name, "%s.weight", module);
    float *want = values_of(&b->drawn, name, &n), *got = values_of(&b->written, name, &m);
    cr_expect(n == m && !memcmp(want, got, n * sizeof *got), "%s", name);
    b->compared++;
    free(want);
    free(got);
}

static void expect_as_drawn(const char *family, const char *file, const char *written)
{
    const struct sdrt_lora lora = { file, 0.75f };
    struct sdrt_checkpoint *c = open_written(written);
    struct sdrt_model *m;
    struct sdrt_queue *queue;
    struct sdrt_options o;
    struct both b;

    sdrt_options_init(&o);
    o.model = family;
    o.log = &kept_log;
    cr_assert_eq(sdrt_model_open(&m, &o), SDRT_OK, "%s", kept_text);
    cr_assert_eq(sdrt_queue_open(&queue, m->device, 2, &kept_log), SDRT_OK);
    cr_assert_eq(sdrt_pipeline_loras_add(m, &lora), SDRT_OK, "%s", kept_text);
    b = (struct both){ sdrt_loras_provider(m->loras.set), sdrt_checkpoint_provider(c), 0 };
    b.drawn.use_queue(b.drawn.self, queue);
    sdrt_loras_each_touched(m->loras.set, 0, compare, &b);
    cr_expect_gt(b.compared, 0, "%s", file);
    sdrt_queue_close(&queue);
    sdrt_model_release(&m);
    sdrt_checkpoint_close(&c);
}

/* Queries, keys and values that are one matrix in the file, and rows with their halves swapped. */
Test(convert_lora, writes_what_is_drawn_with_whatever_the_file_calls_it)
{
    static const char *const cases[][2] = { { "tiny-sd35", "kohya" },
                                            { "tiny-sd35", "kohya-default" },
                                            { "tiny-sd35", "omi" },
                                            { "tiny-sd35", "diffusers" },
                                            { "tiny-sdxl", "omi" } };
    char plain_path[512], out_path[512];
    const char *plain = kept_path(plain_path, "plain.safetensors");
    const char *out = kept_path(out_path, "out.safetensors");
    char lora[80], scaled[600];

    const size_t n = 2 * (sizeof cases / sizeof *cases);

    for (size_t i = 0; i < n; i += tstep(n)) {
        const char *family = cases[i / 2][0];
        snprintf(lora, sizeof lora, "%s/lora/%s.safetensors", family, cases[i / 2][1]);
        snprintf(scaled, sizeof scaled, "%s:0.75", golden(lora));
        cr_assert_eq(RUN(S("--quiet"), S(golden(family)), S(plain)), 0, "%s", ended.text);
        cr_assert_eq(RUN(S("--quiet"), S("-t"), S("f32"), S("--lora"), S(scaled),
                         S(i % 2 ? plain : golden(family)), S(out)),
                     0, "%s", ended.text);
        expect_as_drawn(golden(family), golden(lora), out);
        /* All else stays. */
        cr_expect_eq(RUN(S("--check"), S("--lora"), S(scaled), S(plain), S(out)), 0, "%s",
                     ended.text);
    }
}

/* What depends on the weight is merged into the one matrix that the adapter was made for, of a folder
 * that has three. */
Test(convert_lora, merges_into_joined_matrices_as_lycoris_does)
{
    static const char *const kinds[] = {
        "dora-rows", "dora-columns", "glora", "oft", "boft", "ia3"
    };
    char plain_path[512], out_path[512], lora[80], want[80];
    const char *plain = kept_path(plain_path, "plain.safetensors");
    const char *out = kept_path(out_path, "out.safetensors");

    cr_assert_eq(RUN(S("--quiet"), S(golden("tiny-sd35")), S(plain)), 0, "%s", ended.text);
    for (size_t i = 0; i < 2 * (sizeof kinds / sizeof *kinds); i++) {
        const char *kind = kinds[i / 2];
        snprintf(lora, sizeof lora, "tiny-sd35/lora/joined-%s.safetensors", kind);
        snprintf(want, sizeof want, "tiny-sd35/lora/joined-%s.merged.safetensors", kind);
        cr_assert_eq(RUN(S("--quiet"), S("-t"), S("f32"), S("--lora"), S(golden(lora)),
                         S(i % 2 ? plain : golden("tiny-sd35")), S(out)),
                     0, "%s", ended.text);
        const double error = worst_error(out, golden(want));
        cr_expect_leq(error, 2e-6, "%s: %.2e", kind, error);
    }
}

/* up [WIDTH][1] and down [1][WIDTH] of the projection that SD 3's single files leave out, as OneTrainer
 * names them. */
static const char *write_projection(void)
{
    enum { WIDTH = 64 };
    static const char header[] =
        "{\"lora_te1_text_projection.lora_up.weight\":{\"dtype\":\"F32\",\"shape\":[64,1],"
        "\"data_offsets\":[0,256]},\"lora_te1_text_projection.lora_down.weight\":{\"dtype\":\"F32\","
        "\"shape\":[1,64],\"data_offsets\":[256,512]}}";
    unsigned char bytes[8 + sizeof header + 2 * 4 * WIDTH] = { 0 };
    float values[2 * WIDTH];

    for (int i = 0; i < 2 * WIDTH; i++) values[i] = 0.25f * (float)(i % 7 - 3);
    bytes[0] = (sizeof header - 1) & 0xff;
    bytes[1] = (sizeof header - 1) >> 8;
    memcpy(bytes + 8, header, sizeof header - 1);
    memcpy(bytes + 8 + sizeof header - 1, values, sizeof values);
    return temp_write("projection.safetensors", bytes, sizeof bytes - 1);
}

static void expect_projection(const char *path, const char *name)
{
    struct sdrt_tensor_file *file;
    const struct sdrt_file_tensor *t;
    float got;

    expect_quiet(sdrt_tensor_file_open(&file, path, &kept_log), path);
    cr_assert_eq(sdrt_tensor_file_find(file, name, &t, &kept_log), SDRT_OK, "%s", path);
    cr_assert(t->rank == 2 && t->shape[0] == 64 && t->shape[1] == 64 && t->dtype == SDRT_F32);
    for (int i = 0; i < 64; i++)
        for (int k = 0; k < 64; k++) {
            const float up = 0.25f * (float)(i % 7 - 3), down = 0.25f * (float)((64 + k) % 7 - 3);
            memcpy(&got, (const char *)t->data + (size_t)(i * 64 + k) * 4, 4);
            cr_assert_float_eq(got, (float)(i == k) + up * down, 1e-7, "%d %d: %g", i, k,
                               (double)got);
        }
    sdrt_tensor_file_close(&file);
}

Test(convert_lora, changes_the_projection_that_a_single_file_leaves_out)
{
    static struct single s;
    char plain_path[512], out_path[512], folder_path[512], file[600];
    const char *plain = kept_path(plain_path, "plain.safetensors");
    const char *lora = write_projection(), *out = kept_path(out_path, "out.safetensors");

    read_single(&s, "sd3");
    for (int i = 0; i < s.n; i++)
        cr_assert_null(strstr(s.tensors[i].name, "clip_l.transformer.text_projection"));
    write_single(plain, &s);
    close_single(&s);
    kept_lines = 0; /* of parts that the family has not */
    cr_assert_eq(RUN(S("--quiet"), S("-t"), S("f32"), S("--lora"), S(lora), S(plain), S(out)), 0,
                 "%s", ended.text);
    expect_projection(out, "text_encoders.clip_l.transformer.text_projection.weight");
    cr_expect_eq(RUN(S("--check"), S("--lora"), S(lora), S(plain), S(out)), 0, "%s", ended.text);
    cr_assert_eq(RUN(S("--quiet"), S("-t"), S("f32"), S("--lora"), S(lora), S(plain),
                     S(kept_path(folder_path, "out/"))),
                 0, "%s", ended.text);
    snprintf(file, sizeof file, "%stext_encoder/model.safetensors", folder_path);
    kept_lines = 0;
    expect_projection(file, "text_projection.weight");
}

/* Types stay unless others are asked for, and the file says what is in it. */
Test(convert_lora, keeps_types_and_says_what_is_merged)
{
    static const char said[] = "loha.safetensors:0.5, kohya-lora.safetensors:1";
    char half[600], paths[2][512];
    const char *files[2] = { kept_path(paths[0], "out.safetensors"),
                             kept_path(paths[1], "out.gguf") };
    struct sdrt_tensor_file *file;

    snprintf(half, sizeof half, "%s:0.5", golden("lora/loha.safetensors"));
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(RUN(S("--quiet"), S("--lora"), S(half), S("--lora"),
                         S(golden("lora/kohya-lora.safetensors")), S(golden("tiny-sd15")),
                         S(files[i])),
                     0, "%s", ended.text);
        expect_quiet(sdrt_tensor_file_open(&file, files[i], &kept_log), files[i]);
        cr_expect_str_eq(sdrt_tensor_file_metadata(file, "sdrt.loras"), said);
        for (size_t k = 0; k < sdrt_tensor_file_count(file); k++)
            cr_assert_eq(sdrt_tensor_file_at(file, k)->dtype, SDRT_F16);
        sdrt_tensor_file_close(&file);
    }
    cr_expect_eq(RUN(S("--check"), S(files[0]), S(files[1])), 0, "%s", ended.text);
}

Test(convert_lora, refuses_in_one_line_and_leaves_nothing_behind)
{
    char tiny[512], path[512];
    const char *out = kept_path(path, "out.safetensors");

    snprintf(tiny, sizeof tiny, "%s", golden("tiny-sd15"));

#define REFUSED(wanted, word, ...)                                           \
    cr_expect(RUN(S("--lora"), __VA_ARGS__) == wanted && ended.lines == 1 && \
                  strstr(ended.text, word) && access(out, F_OK),             \
              "%s: %d, %s", word, ended.status, ended.text)
    REFUSED(2, "expected FILE or FILE:SCALE", S(":1"), S(tiny), S(out));
    REFUSED(1, "cannot be opened", S(temp_path("none")), S(tiny), S(out));
    REFUSED(1, "SDXL", S(golden("tiny-sdxl/lora/omi.safetensors")), S(tiny), S(out));
    REFUSED(1, "kohya.safetensors", S(golden("tiny-sd35/lora/kohya.safetensors")), S(tiny), S(out));
    REFUSED(1, "is a denoiser alone", S(golden("lora/loha.safetensors")),
            S(golden("tiny-sd15/unet/diffusion_pytorch_model.safetensors")), S(out));
    cr_expect_eq(temp_entries(), 0);
}
