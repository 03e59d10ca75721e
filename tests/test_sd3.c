/* SPDX-License-Identifier: MIT
 *
 * SD 3 and SD 3.5 (q/k norm, dual attention), tiny and of random weights, against diffusers in
 * float32: single passes, whole images, and single files beside folders.
 * tests/oracle/make_sd3.py made models and tensors.
 */
#include "runtime/weights/weight_store_internal.h"
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

TestSuite(sd3, .init = temp_folder_make, .fini = temp_folder_remove);

enum { H = 10, W = 14 };

static const char *const models[] = { "sd3", "sd35" };

/* ---- single passes ---- */

static void check_mmdit(struct sdrt_context *c, const char *model, const char *isa)
{
    static const int timesteps[] = { 981, 40 };
    struct sdrt_npy *input = golden(model, "mmdit/input"), *text = golden(model, "mmdit/text");
    struct sdrt_npy *pooled = golden(model, "mmdit/pooled");
    float *out = malloc(input->elements * sizeof *out);
    char name[32];

    for (int i = 0; i < 2; i++) {
        const struct pass_unet in = { .batch = 2, .h = H, .w = W, .latent = input->data,
                                      .text = text->data, .pooled = pooled->data,
                                      .timestep = (float)timesteps[i] };
        cr_assert_eq(pass_unet(c, &in, out, NULL, NULL), SDRT_OK, "%s", kept_text);
        snprintf(name, sizeof name, "mmdit/t%d/output", timesteps[i]);
        judge(model, isa, name, out, 3e-5);
    }
    sdrt_npy_free(&input);
    sdrt_npy_free(&text);
    sdrt_npy_free(&pooled);
    free(out);
}

static void check_level(const char *isa)
{
    tlevel(isa);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct sdrt_context *c = open_model(path_in(models[i], ""), isa);
        for (int k = 0; k < sdrt_model_config_of(c->model)->n_text; k++) check_text(c, models[i], isa, k);
        check_mmdit(c, models[i], isa);
        check_vae(c, models[i], isa);
        sdrt_close(&c);
    }
}

#define SDRT_F32_LEVEL(level, ...) Test(sd3, passes_##level) { check_level(#level); }
#include "kernels/levels.h"

/* ---- whole images ---- */

/* make_sd3.py has the same. */
static const struct picture pictures[] = {
    { "sd3", "euler", .steps = 4, .cfg = 5.0f }, /* the family's own sampler */
    { "sd3", "wide", .sampler = "dpmpp_2m", .steps = 5, .width = 80, .height = 48, .cfg = 1.0f },
    { "sd35", "euler", "blurry, bad hands", "euler", .steps = 4, .cfg = 4.0f },
    { "sd35", "dpmpp_2m", .sampler = "dpmpp_2m", .steps = 4, .cfg = 3.0f },
}, lora_picture = { "sd35", "lora", .sampler = "euler", .steps = 3, .height = 48, .cfg = 4.0f },
   default_picture = { "sd35", "lora-default", .sampler = "euler", .steps = 3, .height = 48,
                       .cfg = 4.0f },
   lora_t5_picture = { "sd35", "lora-t5", .sampler = "euler", .steps = 3, .height = 48, .cfg = 4.0f },
   t5_picture = { "sd35", "t5", .sampler = "euler", .steps = 3, .height = 48, .cfg = 4.0f };

Test(sd3, images)
{
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct sdrt_context *c = open_model(path_in(models[m], ""), NULL);
        expect_pictures(c, models[m], pictures, sizeof pictures / sizeof *pictures, 50.0);
        sdrt_close(&c);
    }
}

/* Two images at once are the two that come one by one: no vector or row of one image may be taken
 * for another's. */
Test(sd3, batch)
{
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct sdrt_request r;
    uint8_t *one = malloc(64 * 64 * 3);
    int width, height;

    picture_request(&r, &pictures[2]);
    r.seed = 8;
    memcpy(one, picture_draw(c, &r), 64 * 64 * 3);
    r.seed = 7;
    r.batch = 2;
    cr_expect_gt(psnr(picture_draw(c, &r), "sd35", "euler"), 50.0);
    cr_expect_eq(memcmp(one, sdrt_image(c, 1, &width, &height), 64 * 64 * 3), 0);
    free(one);
    sdrt_close(&c);
}

/* Packed weights whose names begin so. */
static int packed(const struct sdrt_context *c, const char *prefix)
{
    const struct sdrt_weight_store *store = c->model->parts[SDRT_PART_BASE].store;
    int n = 0;

    for (size_t i = 0; i < store->n_entries; i++)
        n += !strncmp(store->entries[i]->name + 2, prefix, strlen(prefix));
    return n;
}

struct looks {
    const struct sdrt_context *c;
    int loads; /* reports of loading */
};

static int look_at_weights(void *user, enum sdrt_stage stage, int done, int total)
{
    static const char block[] = "transformer.transformer_blocks.0.";
    struct looks *l = user;
    char name[64];

    (void)total;
    l->loads += stage == SDRT_STAGE_LOAD;
    if (stage != SDRT_STAGE_DENOISE || !done) return 0;
    snprintf(name, sizeof name, "%snorm1.linear", block);
    cr_expect_eq(packed(l->c, name), 0, "modulations are still packed");
    cr_expect_eq(packed(l->c, "transformer.context_embedder"), 0);
    snprintf(name, sizeof name, "%sattn.to_q", block);
    cr_expect_eq(packed(l->c, name), 2, "weight and bias");
    return 0;
}

/* What is computed once, by a third of SD 3.5 Medium's weights, is kept for the next request, and
 * the weights are not; a request that needs them packs them again. */
Test(sd3, modulations_are_given_back)
{
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct looks l = { .c = c };
    struct sdrt_request r;
    struct sdrt_memory m;
    uint8_t *first = malloc(64 * 64 * 3);

    picture_request(&r, &pictures[2]);
    r.progress = look_at_weights;
    r.user = &l;
    memcpy(first, picture_draw(c, &r), 64 * 64 * 3);
    l.loads = 0;
    r.seed++;
    cr_expect_neq(memcmp(first, picture_draw(c, &r), 64 * 64 * 3), 0);
    r.seed--;
    cr_expect_eq(memcmp(first, picture_draw(c, &r), 64 * 64 * 3), 0);
    cr_expect_eq(l.loads, 0, "the same text and timesteps: nothing is packed again");
    for (int i = 0; i < 2; i++) {
        picture_request(&r, &pictures[i ? 3 : 2]); /* other steps, then another text */
        r.progress = look_at_weights;
        r.user = &l;
        r.steps = i ? 4 : 6;
        l.loads = 0;
        cr_expect_neq(memcmp(first, picture_draw(c, &r), 64 * 64 * 3), 0);
        cr_expect_gt(l.loads, 0);
        picture_request(&r, &pictures[2]);
        cr_expect_eq(memcmp(first, picture_draw(c, &r), 64 * 64 * 3), 0);
    }
    cr_assert_eq(sdrt_measure(c, &r, &m), SDRT_OK);
    struct sdrt_weight_store *store = c->model->parts[SDRT_PART_BASE].store;
    struct sdrt_program *const *programs = c->session->programs;
    cr_expect_eq(m.weights_bytes,
                 sdrt_weight_store_bytes(store, "transformer.") +
                     sdrt_weight_store_bytes(store, "vae.") -
                     sdrt_program_weight_bytes(programs[sdrt_session_find(c->session, "prompt")]) -
                     sdrt_program_weight_bytes(programs[sdrt_session_find(c->session, "schedule")]));
    free(first);
    sdrt_close(&c);
}

/* ---- single files ---- */

static struct single single; /* large */

/* What diffusers' conversion takes computes the same (CLIP-L has no projection there, which is the
 * identity). */
Test(sd3, single_files)
{
    const char *path = temp_path("single.safetensors");

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        memset(&single, 0, sizeof single);
        read_single(&single, models[i]);
        write_single(path, &single);
        struct sdrt_context *c = open_model(path, NULL);
        check_mmdit(c, models[i], "single file");
        check_text(c, models[i], "single file", 0);
        check_vae(c, models[i], "single file");
        sdrt_close(&c);
        close_single(&single);
    }
}

/* A transformer alone, with the parts that it lacks from elsewhere. */
Test(sd3, parts_from_elsewhere)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd35", "transformer/diffusion_pytorch_model.safetensors"));
    picture_request(&r, &pictures[2]);
    expect_refusal(&o, &r, SDRT_E_MISSING, "expected a VAE beside it");
    o.vae = path_in("sd35", "vae");
    expect_refusal(&o, &r, SDRT_E_MISSING, "text encoder");
    o.text_encoder = path_in("sd35", "text_encoder/model.safetensors");
    expect_refusal(&o, &r, SDRT_E_MISSING, "CLIP-G as text_encoder_2");
    o.text_encoder_2 = path_in("sd35", "text_encoder_2");
    /* With the tokenizer of a published CLIP, so only the denoiser's size is asked for. */
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    check_mmdit(c, "sd35", "alone");
    sdrt_close(&c);
}

/* One LoRA in two spellings; in kohya's, queries, keys and values are one matrix. */
Test(sd3, loras)
{
    static const char *const files[] = { "lora/diffusers.safetensors", "lora/kohya.safetensors" };
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct sdrt_request r;

    cr_expect_lt(picture_psnr(c, &lora_picture), 40.0);
    for (int i = 0; i < 2; i++) {
        const struct sdrt_lora lora = { path_in("sd35", files[i]), 1.0f };
        picture_request(&r, &lora_picture);
        r.loras = &lora;
        r.n_loras = 1;
        const double db = psnr(picture_draw(c, &r), "sd35", "lora");
        cr_expect_gt(db, 50.0, "%s: the image is %.1f dB from diffusers'", files[i], db);
        cr_expect_lt(picture_psnr(c, &lora_picture), 40.0, "it does not go away");
    }
    sdrt_close(&c);
}

/* With the modules whose halves diffusers swaps, and both CLIPs; kohya's also with a T5. */
Test(sd3, loras_of_all_parts)
{
    static const char *const files[] = { "lora/kohya-default.safetensors", "lora/omi.safetensors" };
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct sdrt_request r;

    cr_expect_lt(picture_psnr(c, &default_picture), 40.0);
    for (int i = 0; i < 2; i++) {
        const struct sdrt_lora lora = { path_in("sd35", files[i]), 1.0f };
        picture_request(&r, &default_picture);
        r.loras = &lora;
        r.n_loras = 1;
        const int before = kept_lines;
        const double db = psnr(picture_draw(c, &r), "sd35", "lora-default");
        cr_expect_gt(db, 50.0, "%s: the image is %.1f dB from diffusers'", files[i], db);
        cr_expect_eq(kept_lines - before, i == 0, "%s", kept_text);
        if (i == 0) cr_expect(strstr(kept_text, "it changes the T5"), "%s", kept_text);
    }
    sdrt_close(&c);
}

/* kohya's again, where the T5 is there. */
Test(sd3, a_lora_of_the_t5)
{
    char model[512], t5[512], tokenizer[600], lora[512];
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    snprintf(model, sizeof model, "%s", path_in("sd35", ""));
    snprintf(t5, sizeof t5, "%s", path_in("sd35", "t5"));
    snprintf(tokenizer, sizeof tokenizer, "%s", path_in("sd35", "../t5-tokenizer/spiece.model"));
    snprintf(lora, sizeof lora, "%s", path_in("sd35", "lora/kohya-default.safetensors"));
    model_options(&o, model);
    o.t5 = t5;
    o.t5_tokenizer = tokenizer;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    const struct sdrt_lora use = { lora, 1.0f };
    picture_request(&r, &lora_t5_picture);
    r.loras = &use;
    r.n_loras = 1;
    const double db = psnr(picture_draw(c, &r), "sd35", "lora-t5");
    cr_expect_gt(db, 50.0, "the image is %.1f dB from diffusers'", db);
    cr_expect_eq(kept_lines, 0, "%s", kept_text);
    cr_expect_lt(psnr(picture_draw(c, &r), "sd35", "lora-default"), 50.0);
    sdrt_close(&c);
}

/* What U-Nets' blocks are weighed by is nothing to an MMDiT. */
Test(sd3, weights_of_blocks_are_refused)
{
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    char folder[512];
    struct sdrt_request r;

    snprintf(folder, sizeof folder, "%s", path_in("sd35", "lora"));
    picture_request(&r, &default_picture);
    r.lora_dir = folder;
    r.prompt = "a cat <lora:omi:1:lbw=OUTALL>";
    expect_failure(sdrt_generate(c, &r), SDRT_E_UNSUPPORTED, "weights of blocks are for U-Nets",
                   "lbw");
    sdrt_close(&c);
}

/* The folder with a T5 from elsewhere, whose tokenizer is from elsewhere too. */
Test(sd3, t5)
{
    char model[512], t5[512], tokenizer[600];
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    snprintf(model, sizeof model, "%s", path_in("sd35", ""));
    snprintf(t5, sizeof t5, "%s", path_in("sd35", "t5"));
    snprintf(tokenizer, sizeof tokenizer, "%s",
             path_in("sd35", "../t5-tokenizer/spiece.model"));
    model_options(&o, model);
    o.t5 = t5;
    picture_request(&r, &t5_picture);
    expect_refusal(&o, &r, SDRT_E_MISSING, "as t5_tokenizer");
    o.t5_tokenizer = tokenizer;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    for (int i = 0; i < 2; i++) /* the second time its embeddings are there already */
        cr_expect_gt(picture_psnr(c, &t5_picture), 50.0);
    sdrt_close(&c);
    o.t5 = "none";
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    cr_expect_lt(picture_psnr(c, &t5_picture), 50.0);
    cr_expect_gt(picture_psnr(c, &pictures[2]), 50.0);
    sdrt_close(&c);
    snprintf(model, sizeof model, "%s", path_in("sdxl", ""));
    o.t5 = t5;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "SDXL has no place for it");
}

Test(sd3, inspect)
{
    expect_inspected(path_in("sd3", ""),
                     (const char *const[]){ "kind: SD 3 Medium", "predicts: flow; shift 3",
                                            "latents of 16", "runs: yes", NULL });
    expect_inspected(path_in("sd35", ""), (const char *const[]){ "kind: SD 3.5 Medium", NULL });
    expect_inspected(path_in("sd35", "transformer/diffusion_pytorch_model.safetensors"),
                     (const char *const[]){ "kind: SD 3.x, SD 3.5 Medium\n", "runs: no",
                                            "is a denoiser alone: expected a VAE", NULL });
    expect_inspected(path_in("sd35", "lora/kohya.safetensors"),
                     (const char *const[]){ "kind: LoRA of rank 4, for SD 3.x\n", NULL });
}

Test(sd3, refusals)
{
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd35", ""));
    picture_request(&r, &pictures[2]);
    r.width = 66;
    expect_refusal(&o, &r, SDRT_E_ARG, "multiples of 4 up to 96 for SD 3.5 Medium");
    r.width = 100;
    expect_refusal(&o, &r, SDRT_E_ARG, "multiples of 4 up to 96");
    r.width = 64;
    r.sampler = "euler_a";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "expected euler, dpmpp_2m");
    r.sampler = NULL;
    r.schedule = "ays";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "not for flow-matching");
    r.schedule = "default";
    r.spacing = "trailing";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "not for flow-matching");
}
