/* SPDX-License-Identifier: MIT
 *
 * SD 3 and SD 3.5 (q/k norm, dual attention), tiny and of random weights, against diffusers in
 * float32: single passes, whole images, and single files beside folders.
 * tests/oracle/make_sd3.py made models and tensors.
 */
#include "tests/golden_models.h"
#include "tests/passes.h"
#include "tests/single_file.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sd3, .init = temp_folder_make, .fini = temp_folder_remove);

enum { TOKENS = SDRT_TOKENIZER_LENGTH, PROMPTS = 3, H = 10, W = 14, VAE_H = 9, VAE_W = 11 };

static const char *const models[] = { "sd3", "sd35" };

/* ---- single passes ---- */

/* pooled [prompts][tokens][width] to the rows of the first end tokens, whose id is the largest, at
 * the beginning. */
static void take_pooled(const struct sdrt_context *c, int encoder, const int32_t *ids,
                        float *pooled)
{
    const size_t width = (size_t)c->config.text[encoder].pooled;

    for (size_t i = 0; i < PROMPTS; i++) {
        size_t at = 0;
        for (size_t k = 1; k < TOKENS; k++)
            if (ids[i * TOKENS + k] > ids[i * TOKENS + at]) at = k;
        memmove(pooled + i * width, pooled + (i * TOKENS + at) * width, width * sizeof *pooled);
    }
}

static void check_text(struct sdrt_context *c, const char *model, const char *isa, int encoder)
{
    const struct sdrt_text_config *t = &c->config.text[encoder];
    char name[32];

    snprintf(name, sizeof name, "text/ids%d", encoder);
    struct sdrt_npy *ids = golden(model, name);
    float *out = malloc(PROMPTS * TOKENS * (size_t)t->clip.hidden * sizeof *out);
    float *pooled = malloc(PROMPTS * TOKENS * (size_t)t->pooled * sizeof *pooled);
    cr_assert_eq(pass_text(c, encoder, ids->data, PROMPTS, out, pooled), SDRT_OK, "%s", kept_text);
    snprintf(name, sizeof name, "text/text%d", encoder);
    judge(model, isa, name, out, 3e-6);
    take_pooled(c, encoder, ids->data, pooled);
    snprintf(name, sizeof name, "text/pooled%d", encoder);
    judge(model, isa, name, pooled, 3e-6);
    sdrt_npy_free(&ids);
    free(out);
    free(pooled);
}

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

static void check_vae(struct sdrt_context *c, const char *model, const char *isa)
{
    struct sdrt_npy *latent = golden(model, "vae/latent");
    float *pixels = malloc(VAE_H * 2 * VAE_W * 2 * 3 * sizeof *pixels);

    cr_assert_eq(pass_decode(c, latent->data, 1, VAE_H, VAE_W, pixels), SDRT_OK, "%s", kept_text);
    judge(model, isa, "vae/decoded", pixels, 2e-5);
    sdrt_npy_free(&latent);
    free(pixels);
}

static void check_level(const char *isa)
{
    tlevel(isa);
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct sdrt_context *c = open_model(path_in(models[i], ""), isa);
        for (int k = 0; k < c->config.n_text; k++) check_text(c, models[i], isa, k);
        check_mmdit(c, models[i], isa);
        check_vae(c, models[i], isa);
        sdrt_close(&c);
    }
}

Test(sd3, passes_generic) { check_level("generic"); }
Test(sd3, passes_blas) { check_level("blas"); }
Test(sd3, passes_avx2) { check_level("avx2"); }
Test(sd3, passes_avx512) { check_level("avx512"); }

/* ---- whole images ---- */

/* One golden image and the request that it answers; make_sd3.py has the same. */
struct picture {
    const char *model, *name, *negative, *sampler;
    int   steps, width, height;
    float cfg;
};

static const struct picture pictures[] = {
    { "sd3", "euler", NULL, NULL, 4, 64, 64, 5.0f }, /* the family's own sampler */
    { "sd3", "wide", NULL, "dpmpp_2m", 5, 80, 48, 1.0f },
    { "sd35", "euler", "blurry, bad hands", "euler", 4, 64, 64, 4.0f },
    { "sd35", "dpmpp_2m", NULL, "dpmpp_2m", 4, 64, 64, 3.0f },
};

static void fill_request(struct sdrt_request *r, const struct picture *p)
{
    sdrt_request_init(r);
    r->prompt = "a photo of a small red cat, 42 stars";
    r->negative_prompt = p->negative;
    r->width = p->width;
    r->height = p->height;
    r->steps = p->steps;
    r->cfg_scale = p->cfg;
    r->sampler = p->sampler;
    r->seed = 7;
}

static const uint8_t *draw(struct sdrt_context *c, const struct picture *p)
{
    struct sdrt_request r;
    int width, height;

    fill_request(&r, p);
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    const uint8_t *image = sdrt_image(c, 0, &width, &height);
    cr_assert(image && width == p->width && height == p->height);
    return image;
}

/* All on one context a model, so that nothing of an earlier request may show in a later one. */
Test(sd3, images)
{
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        struct sdrt_context *c = open_model(path_in(models[m], ""), NULL);
        for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
            const struct picture *p = &pictures[i];
            if (strcmp(p->model, models[m])) continue;
            const double db = psnr(draw(c, p), p->model, p->name);
            cr_expect_gt(db, 50.0, "%s %s: the image is %.1f dB from diffusers'", p->model, p->name,
                         db);
            if (getenv("SDRT_TEST_VERBOSE"))
                fprintf(stderr, "%s %s: %.1f dB\n", p->model, p->name, db);
        }
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

    fill_request(&r, &pictures[2]);
    r.seed = 8;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    memcpy(one, sdrt_image(c, 0, &width, &height), 64 * 64 * 3);
    r.seed = 7;
    r.batch = 2;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    cr_expect_eq(memcmp(one, sdrt_image(c, 1, &width, &height), 64 * 64 * 3), 0);
    cr_expect_gt(psnr(sdrt_image(c, 0, &width, &height), "sd35", "euler"), 50.0);
    free(one);
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

static int refuse(const struct sdrt_options *o, const struct sdrt_request *r)
{
    struct sdrt_context *c = NULL;
    struct sdrt_memory m;

    kept_lines = 0;
    int rc = sdrt_open(&c, o);
    if (rc == SDRT_OK) rc = sdrt_measure(c, r, &m);
    sdrt_close(&c);
    return rc;
}

/* A transformer alone, with the parts that it lacks from elsewhere. */
Test(sd3, parts_from_elsewhere)
{
    char vae[512], clip_l[512], clip_g[512], transformer[512];
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    snprintf(transformer, sizeof transformer, "%s",
             path_in("sd35", "transformer/diffusion_pytorch_model.safetensors"));
    snprintf(vae, sizeof vae, "%s", path_in("sd35", "vae"));
    snprintf(clip_l, sizeof clip_l, "%s", path_in("sd35", "text_encoder/model.safetensors"));
    snprintf(clip_g, sizeof clip_g, "%s", path_in("sd35", "text_encoder_2"));
    sdrt_options_init(&o);
    o.model = transformer;
    o.threads = 1;
    o.precision = "f32";
    o.log = &kept_log;
    fill_request(&r, &pictures[2]);
    expect_failure(refuse(&o, &r), SDRT_E_MISSING, "--vae", "no VAE");
    o.vae = vae;
    expect_failure(refuse(&o, &r), SDRT_E_MISSING, "text encoder", "no text encoder");
    o.text_encoder = clip_l;
    expect_failure(refuse(&o, &r), SDRT_E_MISSING, "--clip-g FILE", "one text encoder");
    o.text_encoder_2 = clip_g;
    /* With the tokenizer of a published CLIP, so only the denoiser's size is asked for. */
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    check_mmdit(c, "sd35", "alone");
    sdrt_close(&c);
}

/* One LoRA in two spellings; in kohya's, queries, keys and values are one matrix. */
Test(sd3, loras)
{
    static const struct picture p = { "sd35", "lora", NULL, "euler", 3, 64, 48, 4.0f };
    static const char *const files[] = { "lora/diffusers.safetensors", "lora/kohya.safetensors" };
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct sdrt_request r;
    int width, height;

    cr_expect_lt(psnr(draw(c, &p), "sd35", "lora"), 40.0);
    for (int i = 0; i < 2; i++) {
        const struct sdrt_lora lora = { path_in("sd35", files[i]), 1.0f };
        fill_request(&r, &p);
        r.loras = &lora;
        r.n_loras = 1;
        cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
        const double db = psnr(sdrt_image(c, 0, &width, &height), "sd35", "lora");
        cr_expect_gt(db, 50.0, "%s: the image is %.1f dB from diffusers'", files[i], db);
        cr_expect_lt(psnr(draw(c, &p), "sd35", "lora"), 40.0, "it does not go away");
    }
    sdrt_close(&c);
}

/* The folder with a T5 from elsewhere, whose tokenizer is from elsewhere too. */
Test(sd3, t5)
{
    static const struct picture p = { "sd35", "t5", NULL, "euler", 3, 64, 48, 4.0f };
    char model[512], t5[512], tokenizer[600];
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    snprintf(model, sizeof model, "%s", path_in("sd35", ""));
    snprintf(t5, sizeof t5, "%s", path_in("sd35", "t5"));
    snprintf(tokenizer, sizeof tokenizer, "%s",
             path_in("sd35", "../t5-tokenizer/spiece.model"));
    sdrt_options_init(&o);
    o.model = model;
    o.t5 = t5;
    o.threads = 2;
    o.precision = "f32";
    o.log = &kept_log;
    fill_request(&r, &p);
    expect_failure(refuse(&o, &r), SDRT_E_MISSING, "--t5-tokenizer FILE", "no tokenizer");
    o.t5_tokenizer = tokenizer;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    for (int i = 0; i < 2; i++) /* the second time its embeddings are there already */
        cr_expect_gt(psnr(draw(c, &p), "sd35", "t5"), 50.0);
    sdrt_close(&c);
    o.t5 = "none";
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    cr_expect_lt(psnr(draw(c, &p), "sd35", "t5"), 50.0);
    cr_expect_gt(psnr(draw(c, &pictures[2]), "sd35", "euler"), 50.0);
    sdrt_close(&c);
    snprintf(model, sizeof model, "%s", path_in("sdxl", ""));
    o.t5 = t5;
    expect_failure(refuse(&o, &r), SDRT_E_UNSUPPORTED, "SDXL has no place for it", "SDXL");
}

/* What sdrt_inspect() says of path holds each of the words. */
static void expect_inspected(const char *path, const char *const *words)
{
    char *text = sdrt_inspect(path, &kept_log);

    cr_assert_not_null(text);
    for (; *words; words++) cr_expect(strstr(text, *words), "\"%s\" is not in:\n%s", *words, text);
    free(text);
}

Test(sd3, inspect)
{
    expect_inspected(path_in("sd3", ""),
                     (const char *const[]){ "kind: SD 3 Medium", "predicts: flow; shift 3",
                                            "latents of 16", "runs: yes", NULL });
    expect_inspected(path_in("sd35", ""), (const char *const[]){ "kind: SD 3.5 Medium", NULL });
    expect_inspected(path_in("sd35", "transformer/diffusion_pytorch_model.safetensors"),
                     (const char *const[]){ "kind: SD 3.x", "runs: no", "--vae FILE", NULL });
    expect_inspected(path_in("sd35", "lora/kohya.safetensors"),
                     (const char *const[]){ "kind: LoRA of rank 4, for SD 3.x\n", NULL });
}

Test(sd3, refusals)
{
    const char *path = path_in("sd35", "");
    struct sdrt_options o;
    struct sdrt_request r;

    sdrt_options_init(&o);
    o.model = path;
    o.threads = 1;
    o.log = &kept_log;
    fill_request(&r, &pictures[2]);
    r.width = 66;
    expect_failure(refuse(&o, &r), SDRT_E_ARG, "multiples of 4 up to 96 for SD 3.5 Medium", "size");
    r.width = 100;
    expect_failure(refuse(&o, &r), SDRT_E_ARG, "multiples of 4 up to 96", "large size");
    r.width = 64;
    r.sampler = "euler_a";
    expect_failure(refuse(&o, &r), SDRT_E_UNSUPPORTED, "expected euler or dpmpp_2m", "euler_a");
    r.sampler = NULL;
    r.schedule = "karras";
    expect_failure(refuse(&o, &r), SDRT_E_UNSUPPORTED, "not for flow-matching", "karras");
    r.schedule = "default";
    r.spacing = "trailing";
    expect_failure(refuse(&o, &r), SDRT_E_UNSUPPORTED, "not for flow-matching", "spacing");
}
