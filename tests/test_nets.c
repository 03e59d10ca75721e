/* SPDX-License-Identifier: MIT
 *
 * Denoisers of other shapes, against diffusers in float32 (tests/oracle/make_nets.py made the images), a
 * denoiser as a file of its own, names behind other prefixes, and tensors that nothing reads.
 */
#include "tests/any_level.h"
#include "tests/golden_images.h"
#include "tests/golden_passes.h"
#include "tests/made_weights.h"
#include "tests/passes.h"
#include "tests/single_file.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(nets, .init = temp_folder_make, .fini = temp_folder_remove);

static struct single single; /* large */

static const char usual[] = "model.diffusion_model.", first_stage[] = "first_stage_model.";

/* Writes the single file of a family, with those tensors alone whose names rename() writes into to,
 * behind front. */
static const char *write_renamed(const char *family, const char *file, const char *front,
                                 int rename(const char *name, char to[256]))
{
    const char *path = temp_path(file);
    char to[256], name[600];
    int kept = 0;

    memset(&single, 0, sizeof single);
    read_single(&single, family);
    for (int i = 0; i < single.n; i++) {
        if (!rename(single.tensors[i].name, to)) continue;
        single.tensors[kept] = single.tensors[i];
        snprintf(name, sizeof name, "%s%s", front, to);
        cr_assert_lt(strlen(name), sizeof single.tensors[kept].name);
        strcpy(single.tensors[kept++].name, name);
    }
    single.n = kept;
    write_single(path, &single);
    close_single(&single);
    return path;
}

static int denoiser(const char *name, char to[256])
{
    if (strncmp(name, usual, strlen(usual))) return 0;
    snprintf(to, 256, "%s", name + strlen(usual));
    return 1;
}

/* ---- a denoiser as a file of its own ---- */

/* Draws with the tokens and configuration of one folder and the denoiser at path. */
static double psnr_with(const char *folder, const char *path, const struct picture *p)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    model_options(&o, folder);
    o.denoiser = path;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    const double db = picture_psnr(c, p);
    sdrt_close(&c);
    return db;
}

static const struct picture pictures[] = {
    { "sd21", "euler", .sampler = "euler", .steps = 4, .cfg = 5.0f },
    { "sdxl", "euler", .sampler = "euler", .steps = 4, .cfg = 5.0f },
    { "sd35", "euler", "blurry, bad hands", "euler", .steps = 4, .cfg = 4.0f },
};

/* The model's own denoiser is another one's, so that only the file's draws the picture. */
Test(nets, denoiser_from_a_file)
{
    static const char *const fronts[] = {
        "",      "diffusion_model.", "model.diffusion_model.",
        "unet.", "model.",           "state_dict.model.diffusion_model."
    };
    const size_t n = sizeof fronts / sizeof *fronts;

    for (size_t f = temulated() ? 1 : 0; f < 2; f++) {
        const struct picture *p = &pictures[f];
        for (size_t i = 0; i < n; i += tstep(n)) {
            const char *path = write_renamed(p->family, "unet.safetensors", fronts[i], denoiser);
            const double db = psnr_with(path_in(p->family, ""), path, p);
            cr_expect_gt(db, 50.0, "%s: denoiser behind '%s': %.1f dB", p->family, fronts[i], db);
        }
        const char *own = path_in(p->family, "unet/diffusion_pytorch_model.safetensors");
        cr_expect_gt(psnr_with(path_in(p->family, ""), own, p), 50.0);
        cr_expect_gt(psnr_with(path_in(p->family, ""), path_in(p->family, "unet"), p), 50.0);
        cr_expect_gt(psnr_with(path_in(p->family, ""), path_in(p->family, ""), p), 50.0);
    }
}

/* A base whose own denoiser would draw the same picture shows nothing: another one's must show. */
Test(nets, a_given_denoiser_is_used)
{
    const char *path = temp_path("unet.safetensors");

    memset(&single, 0, sizeof single);
    read_single(&single, "sdxl");
    struct single_tensor *a = find_single(&single, "middle_block.0.in_layers.2.weight");
    struct single_tensor *b = find_single(&single, "middle_block.2.in_layers.2.weight");
    const struct sdrt_file_tensor *kept = a->from[0];
    a->from[0] = b->from[0];
    b->from[0] = kept;
    write_single(path, &single);
    close_single(&single);
    cr_expect_lt(psnr_with(path_in("sdxl", ""), path, &pictures[1]), 50.0);
}

Test(nets, mmdit_from_a_file)
{
    static const char *const fronts[] = { "", "diffusion_model.", "transformer." };

    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; i++)
        cr_expect_gt(psnr_with(path_in("sd35", ""),
                               write_renamed("sd35", "mmdit.safetensors", fronts[i], denoiser),
                               &pictures[2]),
                     50.0, "%s", fronts[i]);
    cr_expect_gt(psnr_with(path_in("sd35", ""), path_in("sd35", "transformer"), &pictures[2]),
                 50.0);
}

/* ---- U-Nets of other shapes ---- */

/* make_nets.py has the same. */
static const struct shaped {
    const char *kind, *family, *sampler;
    int steps;
    float cfg;
} shapes[] = {
    { "bk-base", "sd15", "ddim", 3, 5.0f }, { "bk-small", "sd15", "ddim", 3, 5.0f },
    { "bk-tiny", "sd15", "ddim", 3, 5.0f }, { "lcm", "sd15", "lcm", 4, 8.0f },
    { "ssd", "sdxl", "euler", 3, 5.0f },    { "koala", "sdxl", "euler", 3, 5.0f },
    { "vega", "sdxl", "euler", 3, 5.0f },
};

/* dB of what the denoiser at path draws in the folder of s's family. */
static double shaped_psnr(const struct shaped *s, const char *path, float cfg)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in(s->family, ""));
    o.denoiser = path;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s: %s", s->kind, kept_text);
    picture_request(&r, &(struct picture){ .steps = s->steps, .cfg = cfg, .sampler = s->sampler });
    const double db = made_psnr(picture_draw(c, &r), s->kind);
    sdrt_close(&c);
    return db;
}

/* In diffusers' names, as a folder with its configuration, and in the names of a single file, which
 * for BK-SDM have gaps in their numbers and leave some names as they were. */
Test(nets, shapes)
{
    static const char config[] = "{\"attention_head_dim\": 8, \"mid_block_type\": null}";

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shaped *s = &shapes[i];
        for (int original = 0; original < 2; original++) {
            if (temulated() && original != (int)i % 2) continue;
            const char *path = made_write("unet.safetensors", s->kind, original,
                                          original ? usual : "");
            const double db = shaped_psnr(s, path, s->cfg);
            cr_expect_gt(db, 50.0, "%s, %s names: %.1f dB", s->kind,
                         original ? "original" : "diffusers'", db);
        }
    }
    made_write("diffusion_pytorch_model.safetensors", "bk-tiny", 0, "");
    temp_write("config.json", config, sizeof config - 1);
    cr_expect_gt(shaped_psnr(&shapes[2], temp_folder(), 5.0f), 50.0);
}

/* A latent consistency model is told the scale, and is not guided by it: one evaluation a step. */
Test(nets, the_guidance_scale_is_told)
{
    const char *path = made_write("unet.safetensors", "lcm", 0, "");
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;
    double db[4];

    model_options(&o, path_in("sd15", ""));
    o.denoiser = path;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    picture_request(&r, &(struct picture){ .steps = 4, .sampler = "lcm" });
    for (int i = 0; i < 4; i++) { /* what the last request was told must not stay */
        r.cfg_scale = i % 2 ? 8.0f : 2.0f;
        db[i] = made_psnr(picture_draw(c, &r), "lcm");
    }
    sdrt_close(&c);
    cr_expect(db[0] < 45.0 && db[2] < 45.0, "%.1f, %.1f dB", db[0], db[2]);
    cr_expect(db[1] > 50.0 && db[3] > 50.0, "%.1f, %.1f dB", db[1], db[3]);
}

/* A folder of the tiny SD 1.5 with another U-Net. */
static const char *inpaint_folder(const char *unet)
{
    static const char *const parts[] = { "vae", "text_encoder", "tokenizer", "scheduler" };
    char target[4096], name[64];

    mkdir(temp_path("i"), 0700);
    mkdir(temp_path("i/unet"), 0700);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(name, sizeof name, "i/%s", parts[i]);
        cr_assert_not_null(realpath(path_in("sd15", parts[i]), target));
        if (symlink(target, temp_path(name))) cr_assert_eq(errno, EEXIST);
    }
    cr_assert_eq(rename(unet, temp_path("i/unet/diffusion_pytorch_model.safetensors")), 0);
    return temp_path("i");
}

/* They open, and say what they lack where they are to draw; so does what inspects them. */
Test(nets, inpainting_and_editing)
{
    static const struct {
        int channels, status;
        const char *kind, *text, *runs;
    } cases[] = {
        { 9, SDRT_E_ARG, "kind: SD 1.x inpainting checkpoint", "it takes a picture and a mask",
          "runs: yes" },
        { 8, SDRT_E_ARG, "kind: SD 1.x editing checkpoint", "it takes the picture that it changes",
          "runs: yes" },
    };
    struct sdrt_options o;
    struct sdrt_request r;

    picture_request(&r, &(struct picture){ .steps = 1, .cfg = 1.0f });
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made_widen(cases[i].channels);
        model_options(&o, path_in("sd15", ""));
        o.denoiser = made_write("unet.safetensors", "bk-tiny", 0, "");
        expect_refusal(&o, &r, cases[i].status, cases[i].text);
        expect_inspected(inpaint_folder(o.denoiser),
                         (const char *const[]){ cases[i].kind, cases[i].runs, cases[i].text,
                                                NULL });
    }
    made_widen(0);
}

/* ---- models of EDM ---- */

/* make_nets.py has the same. */
static const struct edm {
    const char *kind, *sampler, *schedule, *scheduler;
    int stats; /* Playground's numbers of the VAE */
} edms[] = {
    { "playground", "dpmpp_2m", "default",
      "{\"_class_name\":\"EDMDPMSolverMultistepScheduler\",\"sigma_data\":0.5,\"sigma_max\":80.0,"
      "\"sigma_min\":0.002,\"sigma_schedule\":\"karras\",\"prediction_type\":\"epsilon\"}",
      1 },
    { "playground-euler", "euler", "karras", "{\"_class_name\":\"EDMEulerScheduler\"}", 1 },
    { "cosxl", "euler", "default",
      "{\"_class_name\":\"EDMEulerScheduler\",\"sigma_data\":1.0,\"sigma_max\":120.0,"
      "\"sigma_schedule\":\"exponential\",\"prediction_type\":\"v_prediction\"}",
      0 },
    { "cosxl-karras", "dpmpp_2m", "karras",
      "{\"_class_name\":\"EDMEulerScheduler\",\"sigma_data\":1.0,\"sigma_max\":120.0,"
      "\"sigma_schedule\":\"exponential\",\"prediction_type\":\"v_prediction\"}",
      0 },
    { "cosxl-euler-a", "euler_a", "default",
      "{\"_class_name\":\"EDMEulerScheduler\",\"sigma_data\":1.0,\"sigma_max\":120.0,"
      "\"sigma_schedule\":\"exponential\",\"prediction_type\":\"v_prediction\"}",
      0 },
    { "playground-heun", "heun", "default", "{\"_class_name\":\"EDMEulerScheduler\"}", 1 },
};

static const float edm_mean[4] = { -1.6574f, 1.886f, -1.383f, 2.5155f };
static const float edm_std[4] = { 8.4927f, 5.9022f, 6.5498f, 5.2299f };

/* A folder whose other parts are the tiny SDXL's. */
static const char *edm_folder(const struct edm *e)
{
    static const char *const same[] = { "unet",      "text_encoder", "text_encoder_2",
                                        "tokenizer", "tokenizer_2",  "model_index.json" };
    static const char stats[] = "{\"latents_mean\":[-1.6574,1.886,-1.383,2.5155],\"latents_std\":"
                                "[8.4927,5.9022,6.5498,5.2299],\"scaling_factor\":0.5}";
    static const char plain[] = "{\"scaling_factor\":0.13025,\"latents_mean\":null}";
    const char *config = e->stats ? stats : plain;
    char target[4096], name[64];

    mkdir(temp_path("m"), 0700);
    mkdir(temp_path("m/vae"), 0700);
    mkdir(temp_path("m/scheduler"), 0700);
    for (size_t i = 0; i <= sizeof same / sizeof *same; i++) {
        const char *part = i < sizeof same / sizeof *same
                               ? same[i]
                               : "vae/diffusion_pytorch_model.safetensors";
        snprintf(name, sizeof name, "m/%s", part);
        cr_assert_not_null(realpath(path_in("sdxl", part), target));
        if (symlink(target, temp_path(name))) cr_assert_eq(errno, EEXIST);
    }
    temp_write("m/vae/config.json", config, strlen(config));
    temp_write("m/scheduler/scheduler_config.json", e->scheduler, strlen(e->scheduler));
    return temp_path("m");
}

/* The tiny SDXL's U-Net with the marks of a single file. */
static const char *edm_file(const struct edm *e)
{
    static const float sigmas[2] = { 120.0f, 0.002f };
    static const char *const names[2][2] = { { "edm_vpred.sigma_max", "edm_vpred.sigma_min" },
                                             { "edm_mean", "edm_std" } };
    const char *path = temp_path("edm.safetensors");
    struct sdrt_file_tensor marks[2];

    memset(&single, 0, sizeof single);
    read_single(&single, "sdxl");
    for (int i = 0; i < 2; i++) {
        const float *values = !e->stats ? &sigmas[i] : i ? edm_std : edm_mean;
        marks[i] = (struct sdrt_file_tensor){ .dtype_name = "F32",
                                              .data = values,
                                              .rank = e->stats ? 4 : 0,
                                              .shape = { 1, 4, 1, 1 },
                                              .bytes = e->stats ? 16 : 4 };
        struct single_tensor *t = &single.tensors[single.n++];
        *t = (struct single_tensor){ .op = "copy", .from = { &marks[i] }, .n = 1 };
        snprintf(t->name, sizeof t->name, "%s", names[e->stats][i]);
    }
    write_single(path, &single);
    close_single(&single);
    return path;
}

static double edm_psnr(const struct edm *e, const char *model, const char *unet)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, model);
    o.denoiser = unet;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s: %s", e->kind, kept_text);
    picture_request(&r, &(struct picture){ .steps = 4, .cfg = 3.0f, .sampler = e->sampler });
    r.schedule = e->schedule;
    const double db = made_psnr(picture_draw(c, &r), e->kind);
    sdrt_close(&c);
    return db;
}

Test(nets, edm)
{
    const size_t n = sizeof edms / sizeof *edms;

    for (size_t i = 0; i < n; i += tstep(n)) {
        const struct edm *e = &edms[i];
        const double folder = edm_psnr(e, edm_folder(e), NULL);
        const double file = edm_psnr(e, path_in("sdxl", ""), edm_file(e));
        cr_expect_gt(folder, 50.0, "%s, folder: %.1f dB", e->kind, folder);
        cr_expect_gt(file, 50.0, "%s, file: %.1f dB", e->kind, file);
        cr_expect_lt(edm_psnr(e, path_in("sdxl", ""), NULL), 30.0, "%s, without marks", e->kind);
    }
}

Test(nets, edm_refusals)
{
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, edm_folder(&edms[0]));
    picture_request(&r, &(struct picture){ .steps = 4, .cfg = 3.0f, .sampler = "ddim" });
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "cannot run a model of EDM");
    r.sampler = NULL;
    r.spacing = "trailing";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "not for models of EDM");
    r.spacing = NULL;
    o.refiner = path_in("sdxl-refiner", "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "count their noise in other ways");
}

/* A scheduler that clips the image on its way, and ends without noise. */
Test(nets, clipping_schedulers)
{
    static const struct edm clips[] = {
        { "clip-ddim", "ddim", "default",
          "{\"_class_name\":\"DDIMScheduler\",\"clip_sample\":true,\"clip_sample_range\":1.5,"
          "\"set_alpha_to_one\":true}",
          0 },
        { "clip-lcm", "lcm", "default",
          "{\"_class_name\":\"LCMScheduler\",\"clip_sample\":true,\"clip_sample_range\":1.5,"
          "\"set_alpha_to_one\":true}",
          0 },
    };

    for (size_t i = 0; i < sizeof clips / sizeof *clips; i++) {
        const double db = edm_psnr(&clips[i], edm_folder(&clips[i]), NULL);
        cr_expect_gt(db, 50.0, "%s: %.1f dB", clips[i].kind, db);
        cr_expect_lt(edm_psnr(&clips[i], path_in("sdxl", ""), NULL), 50.0, "%s", clips[i].kind);
    }
}

/* Scheduler files whose mathematics nothing here follows. */
Test(nets, schedulers_are_honoured_or_refused)
{
    static const struct {
        const char *scheduler, *text;
    } bad[] = {
        { "{\"_class_name\":\"FlowMatchEulerDiscreteScheduler\"}", "FlowMatchEulerDiscrete" },
        { "{\"_class_name\":\"VQDiffusionScheduler\"}", "_class_name VQDiffusionScheduler" },
        { "{\"trained_betas\":[0.1,0.2]}", "trained_betas" },
        { "{\"thresholding\":true}", "thresholding" },
        { "{\"use_flow_sigmas\":true}", "use_flow_sigmas" },
        { "{\"_class_name\":\"EDMEulerScheduler\",\"rho\":5}", "rho" },
        { "{\"_class_name\":\"EDMEulerScheduler\",\"sigma_schedule\":\"linear\"}", "linear" },
    };
    struct sdrt_options o;
    struct sdrt_request r;

    picture_request(&r, &(struct picture){ .steps = 1, .cfg = 1.0f });
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        model_options(&o, edm_folder(&(struct edm){ .scheduler = bad[i].scheduler }));
        expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, bad[i].text);
    }
}

/* ---- whole checkpoints behind other prefixes ---- */

static int same(const char *name, char to[256])
{
    snprintf(to, 256, "%s", name);
    return 1;
}

/* The parts' names in diffusers' folders, before the original names. */
static int by_part(const char *name, char to[256])
{
    static const char *const parts[][2] = {
        { usual, "unet." },
        { first_stage, "vae." },
        { "conditioner.embedders.0.transformer.", "text_encoder." },
        { "conditioner.embedders.1.model.", "text_encoder_2." },
    };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strncmp(name, parts[i][0], strlen(parts[i][0]))) {
            snprintf(to, 256, "%s%s", parts[i][1], name + strlen(parts[i][0]));
            return 1;
        }
    return 0;
}

/* All passes of an SDXL against diffusers. */
static void check_passes(struct sdrt_context *c, const char *what)
{
    struct sdrt_npy *input = golden("sdxl", "unet/input"), *text = golden("sdxl", "unet/text");
    struct sdrt_npy *pooled = golden("sdxl", "unet/pooled"),
                    *numbers = golden("sdxl", "unet/numbers");
    float *out = malloc(input->elements * sizeof *out);
    const struct pass_unet in = {
        .batch = 2,
        .h = 9,
        .w = 11,
        .latent = input->data,
        .text = text->data,
        .timestep = 981.0f,
        .pooled = pooled->data,
        .numbers = numbers->data,
    };

    cr_assert_eq(pass_unet(c, &in, out, NULL, NULL), SDRT_OK, "%s: %s", what, kept_text);
    judge("sdxl", what, "unet/t981/output", out, 3e-5);
    for (int i = 0; i < 2; i++) check_text(c, "sdxl", what, i);
    check_vae(c, "sdxl", what);
    sdrt_npy_free(&input);
    sdrt_npy_free(&text);
    sdrt_npy_free(&pooled);
    sdrt_npy_free(&numbers);
    free(out);
}

Test(nets, whole_files_behind_other_prefixes)
{
    static const struct {
        const char *front;
        int (*rename)(const char *name, char to[256]);
    } cases[] = {
        { "", same },    { "state_dict.", same }, { "model.", same },         { "module.", same },
        { "", by_part }, { "model.", by_part },   { "state_dict.", by_part },
    };

    const size_t n = sizeof cases / sizeof *cases;

    for (size_t i = 0; i < n; i += tstep(n)) {
        const char *path = write_renamed("sdxl", "m.safetensors", cases[i].front, cases[i].rename);
        struct sdrt_context *c = open_model(path, NULL);
        check_passes(c, cases[i].front);
        sdrt_close(&c);
        expect_inspected(path, (const char *const[]){ "kind: SDXL checkpoint", "runs: yes", NULL });
    }
}

/* Nothing but a denoiser in the file, the other parts beside it, as files or out of a checkpoint. */
Test(nets, denoiser_with_parts_beside_it)
{
    const char *unet = write_renamed("sdxl", "unet.safetensors", "", denoiser);
    const char *whole = write_renamed("sdxl", "whole.safetensors", "", same);
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    expect_inspected(unet, (const char *const[]){ "kind: U-Net, SDXL\n", "runs: no", NULL });
    model_options(&o, unet);
    picture_request(&r, &pictures[1]);
    expect_refusal(&o, &r, SDRT_E_MISSING, "is a denoiser alone: expected a VAE beside it");
    o.vae = path_in("sdxl", "vae/diffusion_pytorch_model.safetensors");
    expect_refusal(&o, &r, SDRT_E_MISSING, "has no text encoder");
    o.text_encoder = path_in("sdxl", "text_encoder/model.safetensors");
    expect_refusal(&o, &r, SDRT_E_MISSING, "has one of the 2 text encoders of SDXL");
    o.text_encoder_2 = path_in("sdxl", "text_encoder_2/model.safetensors");
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
        check_passes(c, i ? "parts of a checkpoint" : "files of their own");
        sdrt_close(&c);
        o.vae = o.text_encoder = o.text_encoder_2 = whole;
    }
}

/* ---- tensors that nothing reads ---- */

/* The single file with one more tensor. */
static const char *write_with(const char *family, const char *name)
{
    const char *path = temp_path("more.safetensors");

    memset(&single, 0, sizeof single);
    read_single(&single, family);
    struct single_tensor *t = &single.tensors[single.n++];
    *t = single.tensors[0];
    snprintf(t->name, sizeof t->name, "%s", name);
    write_single(path, &single);
    close_single(&single);
    return path;
}

Test(nets, unread_tensors_are_named)
{
    static const struct {
        const char *name, *text;
    } cases[] = {
        { "model.diffusion_model.middle_block.3.weight",
          "its U-Net has 1 tensor that nothing in SDXL reads: middle_block.3.weight" },
        { "model.diffusion_model.input_blocks.5.1.transformer_blocks.1.attn3.to_q.weight",
          "transformer_blocks.1.attn3" },
        { "model.diffusion_model.output_blocks.5.2.conv.weight", "" },
        { "first_stage_model.decoder.up.1.block.2.conv1.weight", "its VAE has 1 tensor" },
        { "first_stage_model.encoder.down.1.attn.0.q.weight", "its VAE has 1 tensor" },
        { "conditioner.embedders.0.transformer.text_model.encoder.layers.3.mlp.fc1.weight",
          "its text encoder has 1 tensor" },
        { "conditioner.embedders.1.model.transformer.resblocks.1.ls_1.gamma",
          "its text encoder 2 has 1 tensor" },
        { "model.diffusion_model.noise_augmentor.x", "is an SD 2.x unCLIP model" },
        { "control_model.input_blocks.0.0.weight", "is a ControlNet: " },
    };
    struct sdrt_options o;
    struct sdrt_request r;

    picture_request(&r, &pictures[1]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_options(&o, write_with("sdxl", cases[i].name));
        expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, cases[i].text);
        expect_inspected(o.model, (const char *const[]){ "runs: no", cases[i].text, NULL });
    }
}

Test(nets, known_leftovers_are_not)
{
    static const char *const names[] = {
        "first_stage_model.loss.discriminator.main.0.weight",
        "model_ema.decay",
        "betas",
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
        "conditioner.embedders.0.transformer.text_projection.weight",
        "denoiser.sigmas",
        "conditioner.embedders.1.model.logit_scale",
        "conditioner.embedders.0.logit_scale",
    };
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        model_options(&o, write_with("sdxl", names[i]));
        kept_lines = 0;
        expect_quiet(sdrt_open(&c, &o), names[i]);
        sdrt_close(&c);
    }
    model_options(&o, write_with("sdxl", "somebody.elses"));
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK);
    cr_expect(strstr(kept_text, "1 tensor of no part of a model, left out: somebody.elses"), "%s",
              kept_text);
    sdrt_close(&c);
}
