/* SPDX-License-Identifier: MIT
 *
 * Diffusers folders that sdconvert writes: of single files made of the tiny models, against the
 * folders that these come from, which diffusers wrote; and what is drawn with both.
 */
#include "runtime/files/json.h"
#include "runtime/files/tensor_files.h"
#include "tests/any_level.h"
#include "tests/golden_images.h"
#include "tests/run_program.h"
#include "tests/single_file.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(convert_folder, .init = temp_folder_make, .fini = temp_folder_remove);

#define RUN(...) run((char *[]){ (char *)"./sdconvert", (char *)"--quiet", __VA_ARGS__, NULL }, 0)
#define S(text) ((char *)(uintptr_t)(text))

/* Its exit status. */
static int run(char **arguments, unsigned long file_limit)
{
    program_finish(program_start(NULL, file_limit, arguments));
    return ended.status;
}

/* A path of the test's folder that stays, unlike temp_path()'s. */
static const char *kept_path(char out[512], const char *name)
{
    snprintf(out, 512, "%s", temp_path(name));
    return out;
}

enum { CLIP_TOKENS = 49408 };

/* The single file of a family; whole: with embeddings for CLIP's whole vocabulary, which the tiny
 * models' are not. */
static void write_file(const char *path, const char *family, int whole)
{
    static struct single s;
    static struct sdrt_file_tensor tables[2];
    int n = 0;

    s = (struct single){ .n = 0 };
    read_single(&s, family);
    for (int i = 0; whole && i < s.n; i++) {
        struct single_tensor *t = &s.tensors[i];
        if (!strstr(t->name, "token_embedding")) continue;
        const size_t row = t->from[0]->bytes / (size_t)t->from[0]->shape[0];
        char *data = malloc(row * CLIP_TOKENS);
        cr_assert(data && n < 2);
        for (size_t k = 0; k < CLIP_TOKENS; k++)
            memcpy(data + k * row,
                   (const char *)t->from[0]->data + k % (size_t)t->from[0]->shape[0] * row, row);
        tables[n] = *t->from[0];
        tables[n].shape[0] = CLIP_TOKENS;
        tables[n].bytes = row * CLIP_TOKENS;
        tables[n].data = data;
        t->from[0] = &tables[n++];
    }
    write_single(path, &s);
    while (n) free((void *)(uintptr_t)tables[--n].data);
    close_single(&s);
    kept_lines = 0; /* of parts that the family has not */
}

/* Expects two files to have the same tensors, byte by byte, under the same names. */
static void expect_same_tensors(const char *got_path, const char *want_path)
{
    struct sdrt_tensor_file *got, *want;

    expect_quiet(sdrt_tensor_file_open(&got, got_path, &kept_log), got_path);
    expect_quiet(sdrt_tensor_file_open(&want, want_path, &kept_log), want_path);
    cr_expect_eq(sdrt_tensor_file_count(got), sdrt_tensor_file_count(want), "%s", want_path);
    for (size_t i = 0; i < sdrt_tensor_file_count(want); i++) {
        const struct sdrt_file_tensor *a = sdrt_tensor_file_at(want, i), *b;
        if (sdrt_tensor_file_find(got, a->name, &b, &kept_log) != SDRT_OK) {
            cr_expect_fail("%s: %s is not there", got_path, a->name);
            continue;
        }
        cr_expect(a->rank == b->rank && !memcmp(a->shape, b->shape, (size_t)a->rank * 8) &&
                      a->dtype == b->dtype && !memcmp(a->data, b->data, a->bytes),
                  "%s: %s", want_path, a->name);
    }
    sdrt_tensor_file_close(&got);
    sdrt_tensor_file_close(&want);
}

/* A number stands for a list of it. */
static int is_same(const json_t *a, const json_t *b)
{
    const json_t *one = json_is_array(a) ? b : a, *list = json_is_array(a) ? a : b;
    int same = json_is_array(list) && json_is_integer(one);

    for (size_t i = 0; same && i < json_array_size(list); i++)
        same = json_equal(json_array_get(list, i), one);
    return same || json_equal(a, b);
}

/* Expects all that a written configuration says to be what diffusers' says, and returns how many keys
 * both have.  The size of images and the scheduler are what no tensor tells. */
static int expect_same_keys(const char *got_path, const char *want_path)
{
    json_t *got = NULL, *want = NULL, *value;
    const char *key;
    int n = 0;

    expect_quiet(sdrt_json_load(&got, got_path, 1 << 20, &kept_log), got_path);
    expect_quiet(sdrt_json_load(&want, want_path, 1 << 20, &kept_log), want_path);
    json_object_foreach(got, key, value) {
        const json_t *other = json_object_get(want, key);
        if (!other || !strcmp(key, "_diffusers_version") || !strcmp(key, "sample_size") ||
            !strcmp(key, "scheduler"))
            continue;
        cr_expect(is_same(value, other), "%s: %s", want_path, key);
        n++;
    }
    json_decref(got);
    json_decref(want);
    return n;
}

static const struct {
    const char *folder, *file;
} parts[] = {
    { "unet", "diffusion_pytorch_model" }, { "transformer", "diffusion_pytorch_model" },
    { "vae", "diffusion_pytorch_model" },  { "text_encoder", "model" },
    { "text_encoder_2", "model" },
};

/* Expects a written folder to be that of the family. */
static void expect_family(const char *family, const char *folder)
{
    char got[1024], name[128];
    int n = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(name, sizeof name, "%s/%s.safetensors", parts[i].folder, parts[i].file);
        snprintf(got, sizeof got, "%s/%s", folder, name);
        cr_expect_eq(access(got, F_OK), access(path_in(family, name), F_OK), "%s %s", family, name);
        if (access(got, F_OK)) continue;
        expect_same_tensors(got, path_in(family, name));
        snprintf(name, sizeof name, "%s/config.json", parts[i].folder);
        snprintf(got, sizeof got, "%s/%s", folder, name);
        cr_expect_geq(expect_same_keys(got, path_in(family, name)), 12, "%s %s", family, name);
        n++;
    }
    cr_expect_geq(n, 3, "%s", family);
    snprintf(got, sizeof got, "%s/model_index.json", folder);
    cr_expect_geq(expect_same_keys(got, path_in(family, "model_index.json")), 5, "%s", family);
}

Test(convert_folder, is_the_one_that_the_single_file_was_made_of)
{
    static const char *const families[] = { "sd21", "sdxl", "sdxl-refiner", "sd3", "sd35" };
    char file_path[512], out_path[512];
    const char *file = kept_path(file_path, "x.safetensors");

    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        char out[32];
        snprintf(out, sizeof out, "%s/", families[i]);
        write_file(file, families[i], 0);
        cr_assert_eq(RUN(S(file), S(kept_path(out_path, out))), 0, "%s: %s", families[i],
                     ended.text);
        expect_family(families[i], out_path);
    }
}

/* SD 1.5's names are not in a list here: by way of the file that sdconvert makes. */
Test(convert_folder, comes_back_from_a_file_of_its_own)
{
    char file_path[512], out_path[512], gguf_path[512];
    const char *file = kept_path(file_path, "x.safetensors"), *out = kept_path(out_path, "y/");
    const char *gguf = kept_path(gguf_path, "x.gguf");

    cr_assert_eq(RUN(S(path_in("sd15", "")), S(file)), 0, "%s", ended.text);
    cr_assert_eq(RUN(S(file), S(out)), 0, "%s", ended.text);
    expect_family("sd15", out);
    cr_expect_eq(RUN(S("--check"), S(file), S(out)), 0, "%s", ended.text);
    cr_assert_eq(RUN(S(path_in("sd35", "")), S(gguf)), 0, "%s", ended.text);
    cr_assert_eq(RUN(S(gguf), S(kept_path(out_path, "z/"))), 0, "%s", ended.text);
    expect_family("sd35", out_path);
}

static char *drawn(const char *model, const char *sampler)
{
    const struct picture p = { .sampler = sampler, .steps = 2, .cfg = 5.0f };
    struct sdrt_context *c = open_model(model, NULL);
    struct sdrt_request r;
    const size_t bytes = 64 * 64 * 3;
    char *copy = malloc(bytes);

    picture_request(&r, &p);
    const uint8_t *image = picture_draw(c, &r);
    cr_assert(copy && image);
    memcpy(copy, image, bytes);
    sdrt_close(&c);
    return copy;
}

static void expect_drawn_alike(const char *a, const char *b, const char *sampler)
{
    char *x = drawn(a, sampler), *y = drawn(b, sampler);

    cr_expect(!memcmp(x, y, 64 * 64 * 3), "%s", a);
    free(x);
    free(y);
}

Test(convert_folder, draws_what_its_source_draws)
{
    static const char *const families[] = { "sdxl", "sd21", "sd3" };
    char file_path[512], out_path[512], copy_path[512], name[32];

    const size_t n = sizeof families / sizeof *families;

    for (size_t i = 0; i < n; i += tstep(n)) {
        const char *sampler = i == 2 ? NULL : "ddim";
        snprintf(name, sizeof name, "%zu.safetensors", i);
        write_file(kept_path(file_path, name), families[i], 1);
        snprintf(name, sizeof name, "f%zu/", i);
        cr_assert_eq(RUN(S(file_path), S(kept_path(out_path, name))), 0, "%s", ended.text);
        expect_drawn_alike(file_path, out_path, sampler);
        snprintf(name, sizeof name, "g%zu/", i);
        cr_assert_eq(RUN(S(path_in(families[i], "")), S(kept_path(copy_path, name))), 0, "%s",
                     ended.text);
        expect_drawn_alike(path_in(families[i], ""), copy_path, sampler);
    }
}

static void expect_same_bytes(const char *a, const char *b)
{
    size_t n, m;
    char *x = temp_read(a, &n), *y = temp_read(b, &m);

    cr_expect(n == m && !memcmp(x, y, n), "%s", a);
    free(x);
    free(y);
}

Test(convert_folder, keeps_the_files_that_its_source_has)
{
    static const char *const names[] = { "unet/config.json",
                                         "text_encoder_2/config.json",
                                         "scheduler/scheduler_config.json",
                                         "tokenizer/merges.txt",
                                         "tokenizer/vocab.json",
                                         "tokenizer_2/tokenizer_config.json",
                                         "tokenizer_2/special_tokens_map.json" };
    char out_path[512], name[600];
    const char *out = kept_path(out_path, "out");

    cr_assert_eq(mkdir(out, 0755), 0); /* an empty one may be there */
    snprintf(name, sizeof name, "%s/", out);
    cr_assert_eq(RUN(S("-t"), S("bf16"), S(path_in("sdxl", "")), S(name)), 0, "%s", ended.text);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "%s/%s", out, names[i]);
        expect_same_bytes(name, path_in("sdxl", names[i]));
    }
    struct sdrt_tensor_file *file;
    snprintf(name, sizeof name, "%s/unet/diffusion_pytorch_model.safetensors", out);
    expect_quiet(sdrt_tensor_file_open(&file, name, &kept_log), name);
    for (size_t i = 0; i < sdrt_tensor_file_count(file); i++)
        cr_assert_eq(sdrt_tensor_file_at(file, i)->dtype, SDRT_BF16);
    sdrt_tensor_file_close(&file);
    cr_expect_eq(temp_entries(), 1);
}

/* The same merges, whichever kind of file they are written to and read from. */
Test(convert_folder, has_loras_merged_in)
{
    static const char *const cases[][2] = { { "sd15", "../lora/kohya-lora.safetensors" },
                                            { "sd15", "../lora/dora-rows.safetensors" },
                                            { "sd35", "lora/kohya.safetensors" } };
    char plain_path[512], file_path[512], out_path[512], name[32];
    const char *plain = kept_path(plain_path, "p.safetensors");
    const char *file = kept_path(file_path, "x.safetensors");

    const size_t n = 2 * (sizeof cases / sizeof *cases);

    for (size_t i = 0; i < n; i += tstep(n)) {
        const char *family = cases[i / 2][0], *lora = path_in(family, cases[i / 2][1]);
        snprintf(name, sizeof name, "out%zu/", i);
        cr_assert_eq(RUN(S(path_in(family, "")), S(plain)), 0, "%s", ended.text);
        cr_assert_eq(RUN(S("-t"), S("f32"), S("--lora"), S(lora), S(path_in(family, "")), S(file)),
                     0, "%s", ended.text);
        cr_assert_eq(RUN(S("-t"), S("f32"), S("--lora"), S(lora),
                         S(i % 2 ? plain : path_in(family, "")), S(kept_path(out_path, name))),
                     0, "%s", ended.text);
        cr_expect_eq(RUN(S("--check"), S(file), S(out_path)), 0, "%s: %s", lora, ended.text);
        cr_expect_eq(RUN(S("--check"), S(plain), S(out_path)), 1, "%s", lora);
    }
}

Test(convert_folder, is_refused_in_one_line_and_leaves_nothing_behind)
{
    char tiny_path[512], full_path[512], out_path[512], loras[512];
    const char *tiny = strcpy(tiny_path, path_in("sd15", ""));
    const char *out = kept_path(out_path, "out/");

#define REFUSED(wanted, word, ...)                                                        \
    cr_expect(RUN(__VA_ARGS__) == wanted && ended.lines == 1 && strstr(ended.text, word), \
              "%s: %d, %s", word, ended.status, ended.text)
    REFUSED(2, "expected a VAE, not none", S("--vae"), S("none"), S(tiny), S(out));
    REFUSED(2, "Q8_0 is no type of safetensors", S("-t"), S("q8_0"), S(tiny), S(out));
    REFUSED(1, "is a denoiser alone",
            S(path_in("sd15", "unet/diffusion_pytorch_model.safetensors")), S(out));
    snprintf(loras, sizeof loras, "%s", path_in("sd15", "../lora/kohya-lora.safetensors"));
    REFUSED(1, "is a LoRA", S(loras), S(out));
    REFUSED(1, "cannot be written", S(tiny), S(temp_path("none/out/")));
    /* The file's limit is a full disk. */
    cr_expect_eq(run((char *[]){ S("./sdconvert"), S("--quiet"), S(tiny), S(out), NULL }, 65536),
                 1);
    cr_expect_eq(ended.lines, 1, "%s", ended.text);
    cr_expect_eq(temp_entries(), 0);
    cr_assert_eq(mkdir(kept_path(full_path, "full"), 0755), 0);
    temp_write("full/mine", "x", 1);
    REFUSED(1, "is there already", S(tiny), S(temp_path("full/")));
    REFUSED(1, "is there already", S(tiny), S(temp_path("full/mine/")));
    cr_expect_eq(access(temp_path("full/mine"), F_OK), 0);
    cr_expect_eq(temp_entries(), 1);
}
