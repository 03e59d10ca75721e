/* SPDX-License-Identifier: MIT
 *
 * Single passes of the tiny model's networks against diffusers in float32, block by block, at
 * every level that the machine can run.  tests/oracle/make_tiny.py made model and tensors.
 */
#include "runtime/files/tensor_files.h"
#include "tests/golden_models.h"
#include "tests/passes.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(passes, .init = temp_folder_make, .fini = temp_folder_remove);

static const char model[] = "sd15";

/* Rows prompt and empty prompt of the golden text, as the U-Net cases took them. */
static float *unet_text(void)
{
    struct sdrt_npy *text = golden(model, "text/text");
    const size_t row = text->elements / 3;
    float *out = malloc(2 * row * sizeof *out);

    cr_assert_not_null(out);
    memcpy(out, (float *)text->data + 2 * row, row * sizeof *out);
    memcpy(out + row, text->data, row * sizeof *out);
    sdrt_npy_free(&text);
    return out;
}

/* What a traced pass left: the last node's output of each block. */
struct blocks {
    int n;
    const char *name[10];
    float *data[10];
};

static int keep_block(void *user, const char *name, const int dims[4], int pitch, const float *data)
{
    struct blocks *b = user;
    const char *block = pass_unet_block(name);
    const size_t rows = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2], c = (size_t)dims[3];
    int i = 0;

    if (!block) return 0;
    while (i < b->n && b->name[i] != block) i++;
    if (i == b->n) b->n++;
    b->name[i] = block;
    free(b->data[i]);
    b->data[i] = malloc(rows * c * sizeof *data);
    for (size_t r = 0; r < rows; r++)
        memcpy(b->data[i] + r * c, data + r * (size_t)pitch, c * sizeof *data);
    return 0;
}

static void check_blocks(const char *isa, struct blocks *b, double limit)
{
    char name[64];

    cr_expect_eq(b->n, 10, "%s: %d blocks", isa, b->n);
    for (int i = 0; i < b->n; i++) {
        snprintf(name, sizeof name, "unet-9x11/t981/%s", b->name[i]);
        judge(model, isa, name, b->data[i], limit);
        free(b->data[i]);
    }
}

/* Other orders of summation give 1e-6 to 4e-6 at 9x11.  At 8x8 the lowest level is a single
 * pixel: groups of its first norm are single values (0 before beta, so only rounding is left)
 * and of its others are pairs (a step from -1 to 1), which makes 5e-5 of the same rounding.
 * One timestep beside the right one is off by 6e-2. */
static void check_unet(struct sdrt_context *c, const char *isa, const char *size, double limit)
{
    static const int timesteps[] = { 981, 500, 1 };
    float *text = unet_text();
    char name[64];

    snprintf(name, sizeof name, "unet-%s/input", size);
    struct sdrt_npy *input = golden(model, name);
    float *out = malloc(input->elements * sizeof *out);
    for (int i = 0; i < 3; i++) {
        const int traced = i == 0 && !strcmp(size, "9x11");
        struct blocks blocks = { .n = 0 };
        const struct pass_unet in = {
            .batch = 2, .h = (int)input->shape[1], .w = (int)input->shape[2],
            .latent = input->data, .text = text, .timestep = (float)timesteps[i],
        };
        cr_assert_eq(pass_unet(c, &in, out, traced ? keep_block : NULL, &blocks), SDRT_OK, "%s",
                     kept_text);
        snprintf(name, sizeof name, "unet-%s/t%d/output", size, timesteps[i]);
        judge(model, isa, name, out, limit);
        if (traced) check_blocks(isa, &blocks, limit);
    }
    sdrt_npy_free(&input);
    free(out);
    free(text);
}

static void check_vae(struct sdrt_context *c, const char *isa)
{
    struct sdrt_npy *latent = golden(model, "vae-9x11/latent");
    struct sdrt_npy *image = golden(model, "vae-9x11/image");
    float *pixels = malloc(image->elements * sizeof *pixels);
    float *moments = malloc(2 * latent->elements * sizeof *moments);

    cr_assert_eq(pass_decode(c, latent->data, 1, 9, 11, pixels), SDRT_OK, "%s", kept_text);
    judge(model, isa, "vae-9x11/decoded", pixels, 2e-5);
    cr_assert_eq(pass_encode(c, image->data, 1, 72, 88, moments), SDRT_OK, "%s", kept_text);
    judge(model, isa, "vae-9x11/moments", moments, 2e-5);
    free(pixels);
    free(moments);
    sdrt_npy_free(&latent);
    sdrt_npy_free(&image);
}

static void check_text(struct sdrt_context *c, const char *isa)
{
    struct sdrt_npy *ids = golden(model, "text/ids");
    float *out = malloc(3 * SDRT_CLIP_TOKENIZER_LENGTH * (size_t)sdrt_model_config_of(c->model)->text[0].clip.hidden * sizeof *out);

    cr_assert_eq(pass_text(c, 0, ids->data, 3, out, NULL), SDRT_OK, "%s", kept_text);
    judge(model, isa, "text/text", out, 3e-6);
    sdrt_npy_free(&ids);
    free(out);
}

static void check_level(const char *isa)
{
    tlevel(isa);
    struct sdrt_context *c = open_model(path_in(model, ""), isa);

    check_text(c, isa);
    check_unet(c, isa, "9x11", 3e-5);
    check_unet(c, isa, "8x8", 5e-4);
    check_vae(c, isa);
    sdrt_close(&c);
}

#define SDRT_F32_LEVEL(level, ...) Test(passes, level) { check_level(#level); }
#include "kernels/levels.h"

/* ---- the same weights as an original single file ---- */

enum { TENSORS = 1024 };

struct renamed {
    const struct sdrt_file_tensor *t;
    char name[200];
};

/* One line a tensor: part, name in the folder, name in the single file, tabs between. */
static int read_names(struct sdrt_tensor_file *const files[3], struct renamed *out)
{
    static const char *const parts[3] = { "unet", "vae", "text_encoder" };
    FILE *f = fopen(path_in(model, "ldm-names.txt"), "r");
    char line[640];
    int n = 0;

    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f)) {
        char *part = strtok(line, "\t\n"), *from = strtok(NULL, "\t\n"), *to = strtok(NULL, "\t\n");
        int i = 0;
        cr_assert(to && n < TENSORS);
        while (strcmp(part, parts[i])) cr_assert_lt(++i, 3);
        cr_assert_eq(sdrt_tensor_file_find(files[i], from, &out[n].t, &kept_log), SDRT_OK, "%s",
                     from);
        snprintf(out[n++].name, sizeof out->name, "%s", to);
    }
    fclose(f);
    return n;
}

/* The VAE's attention products are 1x1 convolutions there, as in the published file. */
static const char *ldm_shape(const struct renamed *r)
{
    return strstr(r->name, ".attn_1.") && r->t->rank == 2 ? ", 1, 1" : "";
}

static void write_single(const char *path, const struct renamed *all, int n)
{
    FILE *f = fopen(path, "wb"), *header;
    char *text = NULL;
    size_t length = 0, at = 0;

    cr_assert_not_null(f);
    header = open_memstream(&text, &length);
    for (int i = 0; i < n; i++) {
        const struct sdrt_file_tensor *t = all[i].t;
        fprintf(header, "%s\"%s\": {\"dtype\": \"%s\", \"shape\": [", i ? ", " : "{", all[i].name,
                t->dtype_name);
        for (int d = 0; d < t->rank; d++) fprintf(header, "%s%d", d ? ", " : "", (int)t->shape[d]);
        fprintf(header, "%s], \"data_offsets\": [%zu, %zu]}", ldm_shape(&all[i]), at, at + t->bytes);
        at += t->bytes;
    }
    fputc('}', header);
    fclose(header);
    for (int i = 0; i < 8; i++) fputc((int)(length >> (8 * i)) & 0xff, f);
    fwrite(text, 1, length, f);
    for (int i = 0; i < n; i++) fwrite(all[i].t->data, 1, all[i].t->bytes, f);
    cr_assert_eq(fclose(f), 0);
    free(text);
}

static void make_single(const char *path)
{
    static struct renamed all[TENSORS];
    static const char *const names[3] = {
        "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
    };
    struct sdrt_tensor_file *files[3];

    for (int i = 0; i < 3; i++)
        cr_assert_eq(sdrt_tensor_file_open(&files[i], path_in(model, names[i]), &kept_log),
                     SDRT_OK);
    write_single(path, all, read_names(files, all));
    for (int i = 0; i < 3; i++) sdrt_tensor_file_close(&files[i]);
}

/* Text, one U-Net pass and one decode in one array. */
static float *all_passes(const char *path, size_t *n)
{
    enum { PIXELS = 9 * 11, SCALE = 64 * 3 };
    struct sdrt_context *c = open_model(path, NULL);
    struct sdrt_npy *ids = golden(model, "text/ids"), *input = golden(model, "unet-9x11/input");
    const size_t text = 3 * SDRT_CLIP_TOKENIZER_LENGTH * (size_t)sdrt_model_config_of(c->model)->text[0].clip.hidden;
    float *out = malloc((text + input->elements + PIXELS * SCALE) * sizeof *out);
    const struct pass_unet in = { .batch = 2, .h = 9, .w = 11, .latent = input->data, .text = out,
                                  .timestep = 321.0f };

    cr_assert_eq(pass_text(c, 0, ids->data, 3, out, NULL), SDRT_OK, "%s", kept_text);
    cr_assert_eq(pass_unet(c, &in, out + text, NULL, NULL), SDRT_OK, "%s", kept_text);
    cr_assert_eq(pass_decode(c, out + text, 1, 9, 11, out + text + input->elements), SDRT_OK);
    *n = text + input->elements + PIXELS * SCALE;
    sdrt_npy_free(&ids);
    sdrt_npy_free(&input);
    sdrt_close(&c);
    return out;
}

/* Nothing in a single file says its norm epsilons, head counts or scaling factor: what is
 * assumed for them must be what the folder's config.json files say. */
Test(passes, single_file_computes_what_the_folder_does)
{
    const char *path = temp_path("single.safetensors");
    size_t n, n_single;

    make_single(path);
    float *folder = all_passes(path_in(model, ""), &n);
    float *single = all_passes(path, &n_single);
    cr_assert_eq(n, n_single);
    cr_expect_eq(memcmp(folder, single, n * sizeof *folder), 0);
    free(folder);
    free(single);
}
