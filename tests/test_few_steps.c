/* SPDX-License-Identifier: MIT
 *
 * Which words, files and shapes tell a model or LoRA of few steps, and what it is made for.
 */
#include "model/checkpoint/few_steps.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(few_steps, .init = temp_folder_make, .fini = temp_folder_remove);

static const struct sdrt_model_config sd15 = { .denoiser = SDRT_DENOISER_UNET, .n_text = 1 };
static const struct sdrt_model_config sdxl = { .denoiser = SDRT_DENOISER_UNET, .n_text = 2 };
static const struct sdrt_model_config sd3 = { .denoiser = SDRT_DENOISER_MMDIT, .n_text = 2 };

struct row {
    const char *words, *name; /* NULL: nothing is told */
    const char *sampler, *spacing;
    int steps, n_timesteps;
    double first, eta;
    float cfg;
};

static void check(const struct sdrt_model_config *config, const struct row *r)
{
    struct sdrt_few_steps got;
    const int found = sdrt_few_steps_of_words(&got, r->words, config);

    cr_assert_eq(found, r->name != NULL, "%s: %s", r->words, found ? got.name : "nothing");
    if (!found) return;
    cr_expect_str_eq(got.name, r->name, "%s: %s", r->words, got.name);
    cr_expect_str_eq(got.sampler, r->sampler, "%s: %s", r->words, got.sampler);
    cr_expect_eq(!got.spacing, !r->spacing, "%s", r->words);
    if (got.spacing && r->spacing) cr_expect_str_eq(got.spacing, r->spacing, "%s", r->words);
    cr_expect_eq(got.steps, r->steps, "%s: %d steps", r->words, got.steps);
    cr_expect_eq(got.n_timesteps, r->n_timesteps, "%s: %d timesteps", r->words, got.n_timesteps);
    if (r->n_timesteps) cr_expect_eq(got.timesteps[0], r->first, "%s", r->words);
    cr_expect_eq(got.eta, r->eta, "%s: eta %g", r->words, got.eta);
    cr_expect_eq(got.cfg_scale, r->cfg, "%s: %g", r->words, (double)got.cfg_scale);
    cr_expect_eq(got.unfit, NULL, "%s", r->words);
}

Test(few_steps, words_of_sdxl)
{
    static const struct row rows[] = {
        { "sdxl_lightning_8step_lora.safetensors", "an SDXL Lightning", "euler", "trailing", 8, 0,
          0, -1, 1 },
        { "sdxl_lightning_4step_unet", "an SDXL Lightning", "euler", "trailing", 4, 0, 0, -1, 1 },
        { "realvisxlV40_v40LightningBakedvae", "an SDXL Lightning", "euler", "trailing", 4, 0, 0,
          -1, 1 },
        { "sd_xl_turbo_1.0_fp16", "an SDXL Turbo", "euler_a", "trailing", 4, 0, 0, -1, 1 },
        { "dreamshaperXL_turboDpmppSDE", "an SDXL Turbo", "euler_a", "trailing", 4, 0, 0, -1, 1 },
        { "Hyper-SDXL-8steps-lora", "a Hyper-SD", "ddim", "trailing", 8, 0, 0, -1, 1 },
        { "Hyper-SDXL-12steps-CFG-lora", "a Hyper-SD", "ddim", "trailing", 12, 0, 0, -1, 5 },
        { "Hyper-SDXL-1step-lora", "a Hyper-SD", "tcd", NULL, 1, 0, 0, 1, 1 },
        { "Hyper-SDXL-1step-Unet", "a Hyper-SD", "lcm", NULL, 1, 1, 800, -1, 1 },
        { "lcm-lora-sdxl", "an LCM", "lcm", NULL, 4, 0, 0, -1, 1 },
        { "DreamShaper8LCM", "an LCM", "lcm", NULL, 4, 0, 0, -1, 1 },
        { "TCD-SDXL-LoRA", "a TCD", "tcd", NULL, 4, 0, 0, -1, 1 },
        { "dmd2_sdxl_4step_unet_fp16", "a DMD2", "lcm", NULL, 4, 4, 999, -1, 1 },
        { "dmd2_sdxl_1step_unet", "a DMD2", "lcm", NULL, 1, 1, 399, -1, 1 },
        { "hyperrealism_xl", NULL, NULL, NULL, 0, 0, 0, 0, 0 },
        { "sd_xl_base_1.0", NULL, NULL, NULL, 0, 0, 0, 0, 0 },
        { "turbocharged", NULL, NULL, NULL, 0, 0, 0, 0, 0 },
        { "", NULL, NULL, NULL, 0, 0, 0, 0, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) check(&sdxl, &rows[i]);
}

Test(few_steps, words_of_others)
{
    check(&sd15, &(struct row){ "sd_turbo", "an SD Turbo", "euler", "trailing", 4, 0, 0, -1, 1 });
    check(&sd15, &(struct row){ "Hyper-SD15-2steps-lora", "a Hyper-SD", "ddim", "trailing", 2, 0, 0,
                                -1, 1 });
    check(&sd15, &(struct row){ .words = "lightning_over_the_sea" });
    check(&sd3,
          &(struct row){ "sd3.5_large_turbo", "an SD 3.5 Turbo", "euler", NULL, 4, 0, 0, -1, 1 });
    check(&sd3, &(struct row){ "Hyper-SD3-16steps-CFG-lora", "a Hyper-SD", "euler", NULL, 16, 0, 0,
                               -1, 3 });
    check(&sd3, &(struct row){ .words = "lcm" });
}

Test(few_steps, one_step_of_lightning_is_told_to_be_unfit)
{
    struct sdrt_few_steps got;

    cr_assert(sdrt_few_steps_of_words(&got, "sdxl_lightning_1step_x0", &sdxl));
    cr_expect_neq(got.unfit, NULL);
}

Test(few_steps, shapes)
{
    struct sdrt_model_config lcm = sd15;
    struct sdrt_few_steps got;

    cr_expect(!sdrt_few_steps_of_shapes(&got, &lcm));
    lcm.unet.guidance_dim = 256;
    cr_assert(sdrt_few_steps_of_shapes(&got, &lcm));
    cr_expect_str_eq(got.sampler, "lcm");
    cr_expect_eq(got.cfg_scale, 8.0f);
}

static void write_file(const char *path, const char *metadata)
{
    char header[256];
    FILE *f = fopen(path, "wb");
    const int n = snprintf(header, sizeof header,
                           "{\"__metadata__\":{%s},\"a\":{\"dtype\":\"F32\",\"shape\":[1],"
                           "\"data_offsets\":[0,4]}}",
                           metadata);

    cr_assert(f && n < (int)sizeof header);
    for (int i = 0; i < 8; i++) fputc(i ? 0 : n, f);
    fwrite(header, 1, (size_t)n, f);
    fwrite("\0\0\0\0", 1, 4, f);
    cr_assert_eq(fclose(f), 0);
}

/* The name first, then the title; the folder's where the name says nothing. */
Test(few_steps, files)
{
    struct sdrt_few_steps got;
    char path[600];

    snprintf(path, sizeof path, "%s", temp_path("x.safetensors"));
    write_file(path, "\"modelspec.title\":\"My merge\"");
    cr_expect(!sdrt_few_steps_of_file(&got, path, &sdxl));
    write_file(path, "\"ss_output_name\":\"DMD2 4-step\"");
    cr_assert(sdrt_few_steps_of_file(&got, path, &sdxl));
    cr_expect_str_eq(got.name, "a DMD2");
    snprintf(path, sizeof path, "%s", temp_path("sdxl_lightning_2step.safetensors"));
    cr_assert(sdrt_few_steps_of_file(&got, path, &sdxl));
    cr_expect_eq(got.steps, 2);
    cr_expect(
        sdrt_few_steps_of_file(&got, "a/lcm-lora-sdxl/pytorch_lora_weights.safetensors", &sdxl));
    cr_expect(!sdrt_few_steps_of_file(&got, "turbo/base.safetensors", &sdxl));
    cr_expect(sdrt_few_steps_of_file(&got, "models/sdxl-turbo/", &sdxl));
    cr_expect(sdrt_few_steps_of_file(&got, "sdxl-turbo", &sdxl));
    cr_expect(!sdrt_few_steps_of_file(&got, "model.safetensors", &sdxl));
}
