/* SPDX-License-Identifier: MIT
 *
 * SD 2.1, SDXL and the SDXL refiner, tiny and of random weights, against diffusers in float32: single
 * passes, whole images, and single files beside folders.  tests/oracle/make_families.py made models
 * and tensors.
 */
#include "tests/golden_images.h"
#include "tests/golden_passes.h"
#include "tests/passes.h"
#include "tests/single_file.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(families, .init = temp_folder_make, .fini = temp_folder_remove);

enum { TOKENS = GOLDEN_TOKENS, H = 9, W = 11 };

static const char *const families[] = { "sd21", "sdxl", "sdxl-refiner" };

/* ---- single passes ---- */

/* What the model's own tokenizer makes of the golden prompts. */
static void check_tokens(struct sdrt_context *c, const char *family, int encoder)
{
    static const char *const prompts[GOLDEN_PROMPTS] = { "a photo of a small red cat, 42 stars",
                                                         "blurry, bad hands", "" };
    int32_t ids[TOKENS];
    char name[32];

    snprintf(name, sizeof name, "text/ids%d", encoder);
    struct sdrt_npy *want = golden(family, name);
    for (int i = 0; i < GOLDEN_PROMPTS; i++) {
        cr_assert_eq(sdrt_model_tokenize(c->model, encoder, prompts[i], ids, NULL), SDRT_OK);
        cr_expect_eq(memcmp(ids, (const int32_t *)want->data + i * TOKENS, sizeof ids), 0,
                     "%s: text encoder %d has other tokens for prompt %d", family, encoder, i);
    }
    sdrt_npy_free(&want);
}

static void check_unet(struct sdrt_context *c, const char *family, const char *isa)
{
    static const int timesteps[] = { 981, 1 };
    struct sdrt_npy *input = golden(family, "unet/input"), *text = golden(family, "unet/text");
    struct sdrt_npy *pooled = NULL, *numbers = NULL;
    float *out = malloc(input->elements * sizeof *out);
    char name[32];

    if (sdrt_model_config_of(c->model)->unet.added_dim) {
        pooled = golden(family, "unet/pooled");
        numbers = golden(family, "unet/numbers");
    }
    for (int i = 0; i < 2; i++) {
        const struct pass_unet in = {
            .batch = 2, .h = H, .w = W, .latent = input->data, .text = text->data,
            .timestep = (float)timesteps[i], .pooled = pooled ? pooled->data : NULL,
            .numbers = numbers ? numbers->data : NULL,
        };
        cr_assert_eq(pass_unet(c, &in, out, NULL, NULL), SDRT_OK, "%s", kept_text);
        snprintf(name, sizeof name, "unet/t%d/output", timesteps[i]);
        judge(family, isa, name, out, 3e-5);
    }
    sdrt_npy_free(&input);
    sdrt_npy_free(&text);
    sdrt_npy_free(&pooled);
    sdrt_npy_free(&numbers);
    free(out);
}

static void check_level(const char *isa)
{
    tlevel(isa);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        struct sdrt_context *c = open_model(path_in(families[i], ""), isa);
        for (int k = 0; k < sdrt_model_config_of(c->model)->n_text; k++) {
            check_tokens(c, families[i], k);
            check_text(c, families[i], isa, k);
        }
        check_unet(c, families[i], isa);
        check_vae(c, families[i], isa);
        sdrt_close(&c);
    }
}

#define SDRT_F32_LEVEL(level, ...) Test(families, passes_##level) { check_level(#level); }
#include "kernels/levels.h"

/* ---- whole images ---- */

/* make_families.py has the same. */
static const struct picture pictures[] = {
    { "sd21", "ddim", "blurry, bad hands", "ddim", .steps = 4, .cfg = 5.0f },
    { "sd21", "euler", .sampler = "euler", .steps = 4, .cfg = 5.0f },
    { "sd21", "leading-skip", .sampler = "dpmpp_2m", .spacing = "leading", .steps = 4,
      .clip_skip = 3, .cfg = 1.0f },
    { "sd21", "linspace", "blurry, bad hands", "euler", "linspace", .steps = 3, .cfg = 3.0f },
    { "sdxl", "euler", .sampler = "euler", .steps = 4, .cfg = 5.0f },
    { "sdxl", "negative", "blurry, bad hands", "dpmpp_2m", .steps = 3, .told = 1, .cfg = 5.0f },
    { "sdxl", "turbo", .sampler = "euler", .spacing = "trailing", .steps = 2, .clip_skip = 3,
      .cfg = 1.0f },
};

Test(families, images)
{
    for (size_t f = 0; f < 2; f++) {
        struct sdrt_context *c = open_model(path_in(families[f], ""), NULL);
        expect_pictures(c, families[f], pictures, sizeof pictures / sizeof *pictures, 50.0);
        sdrt_close(&c);
    }
}

/* The same text and timesteps with other numbers of the image, and with other timesteps: nothing
 * of what the last request computed once may be taken for this one's. */
Test(families, what_is_computed_once_is_of_its_request)
{
    const struct picture told = pictures[5];
    struct picture untold = told, spaced = told;
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);

    untold.told = 0;
    spaced.spacing = "trailing";
    cr_expect_lt(picture_psnr(c, &spaced), 50.0);
    for (int i = 0; i < 2; i++) /* the second time it is there already */
        cr_expect_gt(picture_psnr(c, &told), 50.0);
    cr_expect_lt(picture_psnr(c, &untold), 50.0);
    cr_expect_gt(picture_psnr(c, &told), 50.0);
    sdrt_close(&c);
}

/* ---- single files ---- */

static struct single single; /* large */

/* Everything a model computes in single passes, of one input, in one array of n. */
static float *all_passes(const char *family, const char *path, size_t *n)
{
    struct sdrt_context *c = open_model(path, NULL);
    struct sdrt_npy *input = golden(family, "unet/input"), *text = golden(family, "unet/text");
    const size_t scale = (size_t)1 << (sdrt_model_config_of(c->model)->vae.levels - 1);
    float *out = calloc(1 << 20, sizeof *out);
    struct pass_unet in = { .batch = 2, .h = H, .w = W, .latent = input->data, .text = text->data,
                            .timestep = 321.0f };
    size_t at = 0;

    for (int i = 0; i < sdrt_model_config_of(c->model)->n_text; i++) {
        const struct sdrt_text_config *t = &sdrt_model_config_of(c->model)->text[i];
        char name[32];
        snprintf(name, sizeof name, "text/ids%d", i);
        struct sdrt_npy *ids = golden(family, name);
        float *pooled = out + at + 3 * TOKENS * (size_t)t->clip.hidden;
        cr_assert_eq(pass_text(c, i, ids->data, 3, out + at, pooled), SDRT_OK, "%s", kept_text);
        at += 3 * TOKENS * (size_t)(t->clip.hidden + t->pooled);
        sdrt_npy_free(&ids);
    }
    in.pooled = in.numbers = out; /* any numbers */
    cr_assert_eq(pass_unet(c, &in, out + at, NULL, NULL), SDRT_OK, "%s", kept_text);
    at += input->elements;
    cr_assert_eq(pass_decode(c, input->data, 1, H, W, out + at), SDRT_OK, "%s", kept_text);
    *n = at + H * W * scale * scale * 3;
    sdrt_npy_free(&input);
    sdrt_npy_free(&text);
    sdrt_close(&c);
    return out;
}

/* What a single file does not say is assumed, and must be what the folder's files say: then
 * every pass is the same to the bit. */
Test(families, single_files_compute_what_the_folders_do)
{
    const char *path = temp_path("single.safetensors");

    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        size_t n, n_single;
        memset(&single, 0, sizeof single);
        read_single(&single, families[i]);
        write_single(path, &single);
        float *folder = all_passes(families[i], path_in(families[i], ""), &n);
        float *file = all_passes(families[i], path, &n_single);
        cr_assert_eq(n, n_single);
        cr_expect_eq(memcmp(folder, file, n * sizeof *folder), 0, "%s", families[i]);
        free(folder);
        free(file);
        close_single(&single);
    }
}

/* ---- files that are not as they should be ---- */

static void expect_open(const char *path, int status, const char *text)
{
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path);
    picture_request(&r, &pictures[0]);
    expect_refusal(&o, &r, status, text);
}

/* One line each, before anything is packed. */
Test(families, broken_single_files_are_named)
{
    static const struct {
        const char *family, *tensor, *name; /* name: what the tensor is called instead */
        int status;
        const char *text;
    } cases[] = {
        { "sd21", "resblocks.1.attn.in_proj_weight", "x", SDRT_E_MISSING, "q_proj.weight" },
        { "sd21", "cond_stage_model.model.ln_final.bias", "x", SDRT_E_MISSING, "final_layer_norm" },
        { "sd21", "positional_embedding", "x", SDRT_E_MISSING, "position_embedding" },
        { "sdxl", "label_emb.0.2.weight", "x", SDRT_E_MISSING, "add_embedding.linear_2.weight" },
        { "sdxl", "embedders.1.model.text_projection", "x", SDRT_E_MISSING, "text_projection" },
        { "sdxl", "input_blocks.5.1.transformer_blocks.1.attn2.to_k.weight", "x", SDRT_E_MISSING,
          "attn2.to_k" },
    };
    const char *path = temp_path("single.safetensors");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&single, 0, sizeof single);
        read_single(&single, cases[i].family);
        kept_lines = 0;
        struct single_tensor *t = find_single(&single, cases[i].tensor);
        snprintf(t->name, sizeof t->name, "%s", cases[i].name);
        write_single(path, &single);
        expect_open(path, cases[i].status, cases[i].text);
        close_single(&single);
    }
}

/* Another tensor's data under a name: wrong sizes. */
Test(families, wrong_sizes_are_named)
{
    static const struct {
        const char *family, *tensor, *other;
        int status;
        const char *text;
    } cases[] = {
        { "sd21", "resblocks.0.attn.in_proj_bias", "resblocks.0.mlp.c_fc.bias", SDRT_E_FORMAT,
          "q_proj.bias" },
        { "sdxl", "label_emb.0.0.weight", "label_emb.0.2.weight", SDRT_E_UNSUPPORTED,
          "are added to the time embedding" },
        { "sdxl", "label_emb.0.2.weight", "label_emb.0.0.weight", SDRT_E_FORMAT,
          "add_embedding.linear_2" },
        { "sdxl", "embedders.1.model.text_projection", "embedders.1.model.ln_final.weight",
          SDRT_E_FORMAT, "text_projection" },
        { "sdxl", "input_blocks.5.1.transformer_blocks.1.attn2.to_k.weight",
          "input_blocks.5.1.proj_in.weight", SDRT_E_FORMAT, "attn2.to_k" },
    };
    const char *path = temp_path("single.safetensors");

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&single, 0, sizeof single);
        read_single(&single, cases[i].family);
        kept_lines = 0;
        struct single_tensor *t = find_single(&single, cases[i].tensor);
        const struct single_tensor *from = find_single(&single, cases[i].other);
        memcpy(t->from, from->from, sizeof t->from);
        memcpy(t->op, from->op, sizeof t->op);
        t->n = from->n;
        write_single(path, &single);
        expect_open(path, cases[i].status, cases[i].text);
        close_single(&single);
    }
}

/* ---- what a file is ---- */

Test(families, inspect_says_what_a_model_is)
{
    const char *path = temp_path("single.safetensors");

    expect_inspected(path_in("sd15", ""),
                     (const char *const[]){ "kind: SD 1.x checkpoint", "epsilon", "runs: yes", NULL });
    expect_inspected(path_in("sd21", ""), (const char *const[]){
        "kind: SD 2.x checkpoint", "predicts: v; spacing trailing; zero terminal SNR", "runs: yes",
        "denoiser: 206 tensors, 1432388 parameters, F16", NULL });
    expect_inspected(path_in("sdxl-refiner", ""),
                     (const char *const[]){ "kind: SDXL refiner", "runs: yes", NULL });
    memset(&single, 0, sizeof single);
    read_single(&single, "sdxl");
    write_single(path, &single);
    expect_inspected(path, (const char *const[]){
        "kind: SDXL checkpoint", "text encoder 2: width 128, 3 layers, pooled", "runs: yes",
        "denoiser: 408 tensors, 2245220 parameters, F16", NULL });
    close_single(&single);
}

/* A file of one tensor of that name, which is all that tells what it is. */
static const char *one_tensor(const char *name)
{
    char bytes[512] = { 0 };
    const int n = snprintf(bytes + 8, sizeof bytes - 8, "{\"%s\": {\"dtype\": \"F16\", \"shape\": "
                           "[4, 768], \"data_offsets\": [0, 6144]}}", name);
    char *file = calloc(1, 8 + (size_t)n + 6144);

    bytes[0] = (char)n;
    bytes[1] = (char)(n >> 8);
    memcpy(file, bytes, 8 + (size_t)n);
    const char *path = temp_write("one.safetensors", file, 8 + (size_t)n + 6144);
    free(file);
    return path;
}

Test(families, inspect_knows_what_does_not_run)
{
    static const char *const files[][3] = {
        { "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "kind: SD 3.x", "runs: no" },
        { "double_blocks.0.img_attn.qkv.weight", "kind: Flux", "runs: no" },
        { "control_model.input_blocks.0.0.weight", "kind: ControlNet", "runs: no" },
        { "encoder.block.0.layer.0.SelfAttention.q.weight", "kind: T5", "runs: no" },
        { "emb_params", "kind: textual inversion", "runs: no" },
        { "decoder.conv_in.weight", "kind: VAE", "runs: no" },
        { "text_model.encoder.layers.0.self_attn.q_proj.weight", "kind: CLIP", "runs: no" },
        { "anything", "kind: unknown", "runs: no" },
        { "base_model.model.conv_in.oft_R.weight", "kind: adapter that cannot be merged (PEFT's OFT",
          "is an adapter that cannot be merged" },
        { "lora_unet_down_blocks_1_attn2_to_k.lora_down.weight",
          "kind: LoRA of rank 4, for SD 1.x", "runs: as a LoRA" },
        { "lora_unet_x.hada_w1_a", "kind: LoHa", "runs: as a LoRA" },
        { "lora_te2_x.lokr_w1", "kind: LoKr, for SDXL", "runs: as a LoRA" },
        { "lora_unet_x.diff", "kind: LyCORIS of whole differences, for", "runs: as a LoRA" },
        { "lora_unet_x.w_norm", "kind: LyCORIS of norms, for", "runs: as a LoRA" },
        { "encoder.down_blocks.0.resnets.0.conv1.weight", "kind: unknown", "runs: no" },
        { "down_blocks.0.resnets.0.time_emb_proj.weight", "kind: U-Net", "runs: no" },
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        expect_inspected(one_tensor(files[i][0]),
                         (const char *const[]){ files[i][1], files[i][2], NULL });
    kept_lines = 0;
    cr_expect_null(sdrt_inspect(temp_write("text", "no model at all", 15), &kept_log));
    cr_expect_eq(kept_lines, 1);
    cr_expect_null(sdrt_inspect(temp_path("absent"), &kept_log));
    cr_expect_eq(kept_lines, 2);
}

/* OneTrainer's, with the projection of the second text encoder, by its two names. */
Test(families, loras_of_sdxl)
{
    static const struct picture picture = { "sdxl", "lora", .sampler = "euler", .steps = 3,
                                            .height = 48, .cfg = 5.0f };
    static const char *const files[] = { "lora/onetrainer.safetensors", "lora/omi.safetensors" };
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);
    struct sdrt_request r;

    cr_expect_lt(picture_psnr(c, &picture), 40.0);
    for (int i = 0; i < 2; i++) {
        const struct sdrt_lora lora = { path_in("sdxl", files[i]), 1.0f };
        picture_request(&r, &picture);
        r.loras = &lora;
        r.n_loras = 1;
        const int before = kept_lines;
        const double db = psnr(picture_draw(c, &r), "sdxl", "lora");
        cr_expect_gt(db, 50.0, "%s: the image is %.1f dB from diffusers'", files[i], db);
        cr_expect_eq(kept_lines - before, i == 1, "%s", kept_text); /* of what is bundled */
    }
    sdrt_close(&c);
}
