/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/few_steps.h"
#include "runtime/files/tensor_files.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- words ---- */

static int is_lower(char c) { return islower((unsigned char)c); }
static int is_letter(char c) { return isalpha((unsigned char)c); }

/* Where word stands in text, in any case, alone: not within letters but at a change to capitals. */
static const char *find(const char *text, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = text; *p; p++) {
        if (strncasecmp(p, word, n)) continue;
        const int begins = p == text || !is_letter(p[-1]) || (is_lower(p[-1]) && !is_lower(*p));
        const int ends = !is_letter(p[n]) || (!is_lower(p[n]) && is_lower(p[n - 1]));
        if (begins && ends) return p;
    }
    return NULL;
}

/* "8steps", "4-step", "1_step"; 0 where there is none. */
static int steps_of(const char *text)
{
    for (const char *p = text; *p; p++) {
        if (strncasecmp(p, "step", 4)) continue;
        const char *end = p;
        if (end > text && strchr("-_ ", end[-1])) end--;
        const char *begin = end;
        while (begin > text && isdigit((unsigned char)begin[-1])) begin--;
        if (begin < end && end - begin < 3) return atoi(begin);
    }
    return 0;
}

/* ---- families ---- */

static int is_flow(const struct sdrt_model_config *config)
{
    return config->denoiser != SDRT_DENOISER_UNET;
}

/* A U-Net that reads several text encoders: SDXL. */
static int is_xl(const struct sdrt_model_config *config)
{
    return !is_flow(config) && config->n_text > 1;
}

static void dmd2(struct sdrt_few_steps *out, const char *words)
{
    static const double four[] = { 999, 749, 499, 249 };
    (void)words;

    out->sampler = "lcm";
    out->n_timesteps = out->steps == 1 ? 1 : 4;
    out->steps = out->n_timesteps;
    if (out->steps == 1) out->timesteps[0] = 399;
    else memcpy(out->timesteps, four, sizeof four);
}

static void hyper(struct sdrt_few_steps *out, const char *words)
{
    const int guided = find(words, "cfg") != NULL;

    out->spacing = "trailing";
    if (guided) out->cfg_scale = 5.0f;
    if (out->steps > 1) return;
    out->sampler = find(words, "unet") ? "lcm" : "tcd";
    out->spacing = NULL;
    if (find(words, "unet")) out->timesteps[out->n_timesteps++] = 800;
    else out->eta = 1.0;
}

static void hyper_flow(struct sdrt_few_steps *out, const char *words)
{
    if (find(words, "cfg")) out->cfg_scale = 3.0f;
}

static void lightning(struct sdrt_few_steps *out, const char *words)
{
    (void)words;
    if (out->steps == 1) out->unfit = "it predicts the image itself, which no sampler here takes";
}

enum { U = 1, XL = 2, FLOW = 4 };

/* By what the authors' model cards say. */
static const struct kind {
    const char *word, *name;
    int of; /* families */
    int steps;
    const char *sampler, *spacing;
    void (*more)(struct sdrt_few_steps *out, const char *words);
} kinds[] = {
    { "dmd2", "a DMD2", U | XL, 4, "lcm", NULL, dmd2 },
    { "tcd", "a TCD", U | XL, 4, "tcd", NULL, NULL },
    { "hyper", "a Hyper-SD", U | XL, 8, "ddim", "trailing", hyper },
    { "hyper", "a Hyper-SD", FLOW, 8, "euler", NULL, hyper_flow },
    { "lightning", "an SDXL Lightning", XL, 4, "euler", "trailing", lightning },
    { "lcm", "an LCM", U | XL, 4, "lcm", NULL, NULL },
    { "turbo", "an SDXL Turbo", XL, 4, "euler_a", "trailing", NULL },
    { "turbo", "an SD Turbo", U, 4, "euler", "trailing", NULL },
    { "turbo", "an SD 3.5 Turbo", FLOW, 4, "euler", NULL, NULL },
};

int sdrt_few_steps_of_words(struct sdrt_few_steps *out, const char *words,
                            const struct sdrt_model_config *config)
{
    const int family = is_flow(config) ? FLOW : is_xl(config) ? XL : U;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct kind *k = &kinds[i];
        if (!(k->of & family) || !find(words, k->word)) continue;
        const int steps = steps_of(words);
        *out = (struct sdrt_few_steps){ .name = k->name,
                                        .told = steps > 0,
                                        .steps = steps ? steps : k->steps,
                                        .cfg_scale = 1.0f,
                                        .sampler = k->sampler,
                                        .spacing = k->spacing,
                                        .eta = -1.0 };
        if (k->more) k->more(out, words);
        return 1;
    }
    return 0;
}

/* ---- files ---- */

/* Names that say nothing, so that the folder's does. */
static int is_usual(const char *name)
{
    static const char *const usual[] = { "diffusion_pytorch_model", "pytorch_lora_weights",
                                         "model.", "adapter_model", "unet" };

    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strncasecmp(name, usual[i], strlen(usual[i]))) return 1;
    return 0;
}

/* The last name of a path, or the one before it too where that says nothing. */
static const char *last_name(const char *path, size_t *length)
{
    size_t end = strlen(path);

    while (end > 1 && path[end - 1] == '/') end--;
    for (size_t at = end; at > 0; at--) {
        if (at > 1 && path[at - 1] != '/') continue;
        const size_t begin = path[at - 1] == '/' ? at : at - 1;
        if (is_usual(path + begin) && at > 1) continue;
        *length = end - begin;
        return path + begin;
    }
    *length = end;
    return path;
}

int sdrt_few_steps_of_file(struct sdrt_few_steps *out, const char *path,
                           const struct sdrt_model_config *config)
{
    static const char *const keys[] = { "modelspec.title", "ss_output_name", "general.name" };
    static const struct sdrt_log silent;
    struct sdrt_tensor_file *file = NULL;
    char name[512];
    size_t length;
    int found;

    const char *last = last_name(path, &length);
    snprintf(name, sizeof name, "%.*s", (int)(length < 500 ? length : 500), last);
    found = sdrt_few_steps_of_words(out, name, config);
    if (found || !sdrt_tensor_file_extension(name) ||
        sdrt_tensor_file_open(&file, path, &silent) != SDRT_OK)
        return found;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !found; i++) {
        const char *text = sdrt_tensor_file_metadata(file, keys[i]);
        if (text) found = sdrt_few_steps_of_words(out, text, config);
    }
    sdrt_tensor_file_close(&file);
    return found;
}

int sdrt_few_steps_of_shapes(struct sdrt_few_steps *out, const struct sdrt_model_config *config)
{
    if (is_flow(config) || !config->unet.guidance_dim) return 0;
    *out = (struct sdrt_few_steps){ .name = "a whole LCM",
                                    .steps = 4,
                                    .cfg_scale = 8.0f,
                                    .sampler = "lcm",
                                    .eta = -1.0 };
    return 1;
}
