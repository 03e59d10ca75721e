/* SPDX-License-Identifier: MIT */
#include "tools/options.h"
#include "model/noise/cache.h"
#include "runtime/base/numbers.h"
#include "tools/control_option.h"
#include "tools/from_image.h"
#include "tools/lora_option.h"
#include "tools/seed.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SIDE = 8192,
    MAX_STEPS = 1000,
    MAX_BATCH = 64,
    MAX_THREADS = 1024,
    MAX_CFG = 1000,
    MAX_CLIP_SKIP = 64,
    MAX_TOLD = 1 << 20,
    MAX_EXTEND = 8192,
    MAX_BLUR = 256,
    MAX_COUNT = 100000,
    MAX_GIB = 1 << 16
};

/* ---- values that no kind of option covers ---- */

static int parse_side(int *out, const char *name, const char *text, const struct sdrt_log *log)
{
    const int status = cli_whole(out, name, text, 8, MAX_SIDE, log);

    if (status) return status;
    if (*out % 8)
        return sdrt_fail(log, SDRT_E_ARG, "--%s %d: expected a multiple of 8, such as %d", name,
                         *out, *out - *out % 8);
    return SDRT_OK;
}

static int take_width(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return parse_side(&((struct sdgen_options *)into)->request.width, name, text, log);
}

static int take_height(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return parse_side(&((struct sdgen_options *)into)->request.height, name, text, log);
}

static int take_cfg_scale(void *into, const char *name, const char *text,
                          const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;
    const int status = cli_number(&value, name, text, 0, MAX_CFG, log);

    if (status) return status;
    o->cfg_scale = 1;
    o->request.cfg_scale = (float)value;
    return SDRT_OK;
}

static int take_refiner_start(void *into, const char *name, const char *text,
                              const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;

    if (cli_number(&value, name, text, -HUGE_VAL, HUGE_VAL, NULL) || !(value > 0 && value < 1))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number between 0 and 1", name,
                         text);
    o->refiner_start = 1;
    o->request.refiner_start = value;
    return SDRT_OK;
}

static int take_strength(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;

    if (cli_number(&value, name, text, 0, 1, NULL) || !(value > 0))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number above 0 and up to 1", name,
                         text);
    o->strength = 1;
    o->request.strength = (float)value;
    return SDRT_OK;
}

static int take_hires(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    double value = 0;

    if (cli_number(&value, name, text, 1, 8, NULL) || !(value > 1))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number above 1 and up to 8", name,
                         text);
    ((struct sdgen_options *)into)->request.hires = (float)value;
    return SDRT_OK;
}

static int take_hires_strength(void *into, const char *name, const char *text,
                               const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;

    if (cli_number(&value, name, text, 0, 1, NULL) || !(value > 0))
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a number above 0 and up to 1", name,
                         text);
    o->hires_strength = 1;
    o->request.hires_strength = (float)value;
    return SDRT_OK;
}

static int take_image_cfg_scale(void *into, const char *name, const char *text,
                                const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double value = 0;
    const int status = cli_number(&value, name, text, 1, MAX_CFG, log);

    if (status) return status;
    o->image_cfg_scale = 1;
    o->request.image_cfg_scale = (float)value;
    return SDRT_OK;
}

static int take_mask_padding(void *into, const char *name, const char *text,
                             const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    o->mask_padding = 1;
    return cli_whole(&o->request.mask_padding, name, text, 0, MAX_EXTEND, log);
}

/* "left=128,top=64": sides by name. */
static int take_extend(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;
    const struct {
        const char *name;
        int *to;
    } sides[] = { { "left=", &r->extend_left },
                  { "top=", &r->extend_top },
                  { "right=", &r->extend_right },
                  { "bottom=", &r->extend_bottom } };

    for (const char *at = text;; at++) {
        const size_t n = strcspn(at, ",");
        char number[16] = "";
        size_t i = 0;
        while (i < 4 && strncmp(at, sides[i].name, strlen(sides[i].name))) i++;
        const size_t head = i < 4 ? strlen(sides[i].name) : n;
        if (n <= head || n - head >= sizeof number)
            return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected sides as left=128,bottom=64",
                             name, text);
        memcpy(number, at + head, n - head);
        const int status = cli_whole(sides[i].to, name, number, 0, MAX_EXTEND, log);
        at += n;
        if (status || !*at) return status;
    }
}

static int take_seed(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    char *end;

    o->random_seed = strcmp(text, "-1") == 0;
    if (o->random_seed) return SDRT_OK;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    /* strtoull takes a minus sign and wraps around. */
    if (*text < '0' || *text > '9' || *end || errno)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--%s '%s': expected -1 (random) or a whole number below 2^64", name,
                         text);
    o->request.seed = value;
    return SDRT_OK;
}

/* A name in whatever spelling. */
static int take_listed(const char **to, enum sdrt_list list, sdrt_names_fn *names, const char *name,
                       const char *text, const struct sdrt_log *log)
{
    const int found = sdrt_list_find(list, text);
    const char *near = sdrt_choice_near(names, text);
    char known[SDRT_CHOICES];

    *to = text; /* a name may say a schedule too */
    if (found >= 0) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "--%s '%s'%s%s%s: expected %s", name, text,
                     near ? " (is it '" : "", near ? near : "", near ? "'?)" : "",
                     sdrt_choices(known, names));
}

static const char *samplers(int i) { return sdrt_list_name(SDRT_LIST_SAMPLERS, i); }
static const char *schedules(int i) { return sdrt_list_name(SDRT_LIST_SCHEDULES, i); }

static int take_sampler(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return take_listed(&r->sampler, SDRT_LIST_SAMPLERS, samplers, name, text, log);
}

static int take_schedule(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return take_listed(&r->schedule, SDRT_LIST_SCHEDULES, schedules, name, text, log);
}

/* Numbers with commas between; a 0 at the end, which other programs want, says nothing. */
static int take_numbers(double to[SDGEN_MAX_LEVELS], int *n, const char *name, const char *text,
                        const struct sdrt_log *log)
{
    const char *at = text;
    char *end;

    *n = 0;
    do {
        const double value = sdrt_parse_number(at, &end);
        if (end == at || !isfinite(value) || (*end && *end != ',') || *n == SDGEN_MAX_LEVELS)
            return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected up to %d numbers with commas between",
                             name, text, SDGEN_MAX_LEVELS);
        to[(*n)++] = value;
        at = end + 1;
    } while (*end);
    if (*n > 1 && to[*n - 1] == 0.0) --*n;
    return SDRT_OK;
}

static int take_sigmas(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    o->request.sigmas = o->sigmas;
    return take_numbers(o->sigmas, &o->request.n_sigmas, name, text, log);
}

static int take_timesteps(void *into, const char *name, const char *text,
                          const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    o->request.timesteps = o->timesteps;
    return take_numbers(o->timesteps, &o->request.n_timesteps, name, text, log);
}

static int take_share(float *to, const char *name, const char *text, const struct sdrt_log *log)
{
    double value = 0;
    const int status = cli_number(&value, name, text, 0, 1, log);

    if (status == SDRT_OK) *to = (float)value;
    return status;
}

static int take_cfg_rescale(void *into, const char *name, const char *text,
                            const struct sdrt_log *log)
{
    return take_share(&((struct sdgen_options *)into)->request.cfg_rescale, name, text, log);
}

static int take_cfg_range(void *into, const char *name, const char *text,
                          const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;
    const char *colon = strchr(text, ':');
    char first[32] = "";

    if (!colon || (size_t)(colon - text) >= sizeof first)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected two shares such as 0:0.6", name, text);
    memcpy(first, text, (size_t)(colon - text));
    const int status = take_share(&r->cfg_start, name, first, log);
    return status ? status : take_share(&r->cfg_end, name, colon + 1, log);
}

static int take_cache(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_cache cache;

    (void)name;
    ((struct sdgen_options *)into)->request.cache = text;
    ((struct sdgen_options *)into)->cache = 1;
    return sdrt_cache_parse(&cache, text, log);
}

static int take_subseed_strength(void *into, const char *name, const char *text,
                                 const struct sdrt_log *log)
{
    return take_share(&((struct sdgen_options *)into)->request.subseed_strength, name, text, log);
}

static int take_natural(uint64_t *to, const char *name, const char *text, const struct sdrt_log *log)
{
    char *end;

    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected a whole number below 2^64", name, text);
    *to = value;
    return SDRT_OK;
}

static int take_subseed(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_natural(&((struct sdgen_options *)into)->request.subseed, name, text, log);
}

static int take_ensd(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    return take_natural(&((struct sdgen_options *)into)->request.eta_noise_seed_delta, name, text, log);
}

static int take_lora(void *into, const char *option, const char *text, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    if (o->request.n_loras == SDGEN_MAX_LORAS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", option, text,
                         SDGEN_MAX_LORAS);
    const int status = lora_option_read(&o->loras[o->request.n_loras], option, text, log);
    if (status != SDRT_OK) return status;
    o->request.n_loras++;
    o->request.loras = o->loras;
    return SDRT_OK;
}

static int take_control(void *into, const char *option, const char *text,
                        const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    const int n = o->request.n_controls;

    if (n == SDGEN_MAX_CONTROLS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", option, text,
                         SDGEN_MAX_CONTROLS);
    const int status = control_option_read(&o->controls[n], &o->control_maps[n],
                                           &o->control_images[n], option, text, log);
    if (status != SDRT_OK) return status;
    o->request.n_controls++;
    o->request.controls = o->controls;
    o->request.control_maps = o->control_maps;
    return SDRT_OK;
}

/* Two whole numbers with between between them. */
static int parse_pair(int *a, int *b, const char *name, const char *text, char between, int low,
                      const struct sdrt_log *log)
{
    const char *at = strchr(text, between);
    char first[16] = "";

    if (!at || at == text || (size_t)(at - text) >= sizeof first)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected two whole numbers with %c between",
                         name, text, between);
    memcpy(first, text, (size_t)(at - text));
    const int status = cli_whole(a, name, first, low, MAX_TOLD, log);
    return status ? status : cli_whole(b, name, at + 1, low, MAX_TOLD, log);
}

static int take_crop(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->crop_x, &r->crop_y, name, text, ',', 0, log);
}

static int take_original_size(void *into, const char *name, const char *text,
                              const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->original_width, &r->original_height, name, text, 'x', 1, log);
}

static int take_target_size(void *into, const char *name, const char *text,
                            const struct sdrt_log *log)
{
    struct sdrt_request *r = &((struct sdgen_options *)into)->request;

    return parse_pair(&r->target_width, &r->target_height, name, text, 'x', 1, log);
}

static int take_filter(void *into, const char *name, const char *glob, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    if (o->dump_filters == SDGEN_MAX_FILTERS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected at most %d of them", name, glob,
                         SDGEN_MAX_FILTERS);
    o->dump_filter[o->dump_filters++] = glob;
    return SDRT_OK;
}

static int take_vram_limit(void *into, const char *name, const char *text,
                           const struct sdrt_log *log)
{
    struct sdgen_options *o = into;
    double gib = 0;
    const int status = cli_number(&gib, name, text, 0.01, MAX_GIB, log);

    if (status) return status;
    o->model.device_memory = (size_t)(gib * (1 << 30));
    return SDRT_OK;
}

static int take_plan(void *into, const char *name, const char *file, const struct sdrt_log *log)
{
    struct sdgen_options *o = into;

    (void)name;
    (void)log;
    o->plan = 1;
    o->plan_file = file;
    return SDRT_OK;
}

/* ---- the table ---- */

static const char *spacings(int i) { return sdrt_list_name(SDRT_LIST_SPACINGS, i); }
static const char *predictions(int i) { return sdrt_list_name(SDRT_LIST_PREDICTIONS, i); }
static const char *resize_modes(int i) { return sdrt_list_name(SDRT_LIST_RESIZE_MODES, i); }
static const char *masked(int i) { return sdrt_list_name(SDRT_LIST_MASKED_CONTENTS, i); }
static const char *rngs(int i) { return sdrt_list_name(SDRT_LIST_RNGS, i); }
static const char *levels(int i) { return sdrt_list_name(SDRT_LIST_LEVELS, i); }
static const char *styles(int i) { return sdrt_list_name(SDRT_LIST_PROMPT_STYLES, i); }
static const char *precisions(int i) { return sdrt_list_name(SDRT_LIST_PRECISIONS, i); }

#define AT(member) .where = offsetof(struct sdgen_options, member)

static const struct cli_option table[] = {
    { "model", 'm', CLI_TEXT, "FILE|DIR",
      "a .safetensors or .ckpt checkpoint, or a diffusers folder "
      "($SDRT_MODEL, else the folder demo-model beside sdgen)",
      AT(model.model) },
    { "unet", 0, CLI_TEXT, "FILE|DIR", "a denoiser in place of the model's own",
      AT(model.denoiser) },
    { "vae", 0, CLI_TEXT, "FILE", "a VAE in place of the model's own", AT(model.vae) },
    { "taesd", 0, CLI_TEXT, "FILE|DIR",
      "a TAESD, which decodes, and encodes, with an eighteenth of the VAE's work",
      AT(model.taesd) },
    { "text-encoder", 0, CLI_TEXT, "FILE", "a text encoder in place of the model's (first) one",
      AT(model.text_encoder) },
    { "text-encoder-2", 0, CLI_TEXT, "FILE", "the same for the second of SDXL and SD 3.x",
      AT(model.text_encoder_2) },
    { "clip-l", 0, CLI_TEXT, "FILE", "another name of --text-encoder", AT(model.text_encoder) },
    { "clip-g", 0, CLI_TEXT, "FILE", "another name of --text-encoder-2", AT(model.text_encoder_2) },
    { "t5", 0, CLI_TEXT, "FILE|DIR|none", "the T5 of SD 3.x; none: without it", AT(model.t5) },
    { "t5-tokenizer", 0, CLI_TEXT, "FILE",
      "its spiece.model or tokenizer.json, where it is not "
      "beside",
      AT(model.t5_tokenizer) },
    { "refiner", 0, CLI_TEXT, "FILE|DIR", "SDXL's refiner, which draws the last steps",
      AT(model.refiner) },
    { "refiner-start", 0, CLI_CALL, "X", "the share of the noise's way before it (0.8)",
      .call = take_refiner_start },
    { "prediction", 0, CLI_NAME, "NAME", "%s, where the model does not say it right",
      AT(model.prediction), .names = predictions },
    { "inspect", 0, CLI_TEXT, "FILE|DIR", "say what a file is, draw nothing", AT(inspect) },
    { "lora", 0, CLI_CALL, "FILE[:SCALE]",
      "a LoRA on top of the model (scale 1); several are "
      "allowed",
      .call = take_lora },
    { "lora-dir", 0, CLI_TEXT, "DIR",
      "where <lora:NAME:SCALE> in the prompt finds "
      "NAME.safetensors",
      AT(request.lora_dir) },
    { "lora-lenient", 0, CLI_FLAG, NULL, "warn of tensors that fit nothing in the model, go on",
      AT(request.lora_lenient) },
    { "from-image", 0, CLI_TEXT, "FILE",
      "repeat the parameters in an image; other options stand above them", AT(from_image) },
    { "prompt", 'p', CLI_TEXT, "TEXT", "what to draw", AT(request.prompt) },
    { "negative-prompt", 'n', CLI_TEXT, "TEXT", "what to avoid", AT(request.negative_prompt) },
    { "prompt-file", 0, CLI_TEXT, "FILE|-", "prompts, one a line, drawn one after the other",
      AT(prompt_file) },
    { "prompt-style", 0, CLI_NAME, "NAME",
      "%s: whose rules for weights and long prompts (a1111 where it has brackets, else plain)",
      AT(request.prompt_style), .names = styles },
    { "embeddings", 0, CLI_TEXT, "DIR",
      "where NAME or embedding:NAME in a prompt finds a textual inversion",
      AT(request.embeddings) },
    { "init", 0, CLI_TEXT, "FILE", "a picture to begin with, PNG, JPEG or WebP", AT(init) },
    { "strength", 0, CLI_CALL, "X", "how much of it is redrawn, above 0 to 1 (0.75)",
      .call = take_strength },
    { "resize-mode", 0, CLI_NAME, "NAME", "%s: how it comes to another size (just)",
      AT(request.resize_mode), .names = resize_modes },
    { "mask", 0, CLI_TEXT, "FILE", "where it is redrawn: white; the rest stays", AT(mask) },
    { "invert-mask", 0, CLI_FLAG, NULL, "redraw what is black", AT(request.mask_invert) },
    { "mask-blur", 0, CLI_NUMBER, "X", "soften the mask, by so many pixels (0)", AT(mask_blur), 0,
      MAX_BLUR },
    { "masked-content", 0, CLI_NAME, "NAME",
      "%s: what is there before (original; fill with --extend)", AT(request.masked_content),
      .names = masked },
    { "only-masked", 0, CLI_FLAG, NULL,
      "draw the mask's surroundings alone, at the size asked for, and put them back",
      AT(request.mask_only) },
    { "mask-padding", 0, CLI_CALL, "N", "how many pixels around the mask for that (32)",
      .call = take_mask_padding },
    { "extend", 0, CLI_CALL, "SIDE=N,...",
      "draw the picture on: left, top, right or bottom by so many pixels", .call = take_extend },
    { "vae-bands", 0, CLI_WHOLE, "N",
      "decode in bands of N rows, in a band's memory and a temporary file (at once, but where memory is "
      "short)",
      AT(request.vae_bands), 16, MAX_SIDE },
    { "hires", 0, CLI_CALL, "X", "draw, enlarge so many times, and draw again from there",
      .call = take_hires },
    { "hires-strength", 0, CLI_CALL, "X", "how much of it is redrawn then, above 0 to 1 (0.5)",
      .call = take_hires_strength },
    { "hires-steps", 0, CLI_WHOLE, "N", "of which that is a share (--steps)",
      AT(request.hires_steps), 1, MAX_STEPS },
    { "hires-upscaler", 0, CLI_TEXT, "NAME|FILE",
      "latent, latent_nearest, lanczos, or a network as for --upscale (latent)",
      AT(request.hires_upscaler) },
    { "upscale", 0, CLI_TEXT, "FILE",
      "enlarge the images by an ESRGAN or Real-ESRGAN network, or with a picture and no prompt, that",
      AT(upscale) },
    { "upscale-tile", 0, CLI_WHOLE, "N", "in squares of so many of the picture's pixels (192, 256)",
      AT(upscale_tile), 96, 4096 },
    { "control", 0, CLI_CALL, "NET=IMAGE[:X[:A-B]]",
      "a ControlNet or T2I-Adapter and the picture that guides it, with a strength (1) and the share of the steps "
      "(0-1); before IMAGE canny:, invert:, blur: or threshold: make of it what such nets read; "
      "several are allowed",
      .call = take_control },
    { "control-guess", 0, CLI_FLAG, NULL,
      "control pictures guide what the prompt says alone, the coarse more than the fine",
      AT(request.control_guess) },
    { "output", 'o', CLI_TEXT, "FILE|DIR|-",
      "the image, .png, .jpg or .webp, which may be a pattern: out-%04d.png, [seed].png; -: standard "
      "output (sdrt-0001.png and so on)",
      AT(output) },
    { "image-cfg-scale", 0, CLI_CALL, "X",
      "how closely a model that edits pictures keeps to that of --init (1.5)",
      .call = take_image_cfg_scale },
    { "force", 0, CLI_FLAG, NULL, "replace a file that is there", AT(force) },
    { "quality", 0, CLI_WHOLE, "N", "of JPEG and WebP, 100: WebP without loss (95)", AT(quality), 1,
      100 },
    { "grid", 0, CLI_TEXT, "FILE", "all images on one sheet too", AT(grid) },
    { "width", 'W', CLI_CALL, "N",
      "pixels, a multiple of 8, for SD 3.x of 16 (the model's: 512, "
      "768, 1024)",
      .call = take_width },
    { "height", 'H', CLI_CALL, "N", "the same", .call = take_height },
    { "steps", 0, CLI_WHOLE, "N", "denoising steps (20)", AT(request.steps), 1, MAX_STEPS },
    { "cfg-scale", 0, CLI_CALL, "X",
      "guidance; 1 or less runs without (7.5; 3 for the small "
      "model)",
      .call = take_cfg_scale },
    { "sampler", 0, CLI_CALL, "NAME", "%s (euler_a; for SD 3.x euler, which dpmpp_2m also suits)",
      .names = samplers, .call = take_sampler },
    { "schedule", 0, CLI_CALL, "NAME", "%s (default)", .names = schedules, .call = take_schedule },
    { "spacing", 0, CLI_NAME, "NAME", "%s (the model's)", AT(request.spacing), .names = spacings },
    { "eta", 0, CLI_NUMBER, "X",
      "noise that the sampler adds anew, as a share of its own (its own)", AT(request.eta), 0,
      100 },
    { "s-noise", 0, CLI_NUMBER, "X", "a factor on that noise (1)", AT(request.s_noise), 0, 100 },
    { "sigmas", 0, CLI_CALL, "X,...", "noise levels in place of steps and schedule",
      .call = take_sigmas },
    { "timesteps", 0, CLI_CALL, "N,...", "the same by timesteps: 999,749,499,249 for DMD2",
      .call = take_timesteps },
    { "cfg-rescale", 0, CLI_CALL, "X",
      "how much of the contrast that guidance adds is taken back (0)", .call = take_cfg_rescale },
    { "cfg-range", 0, CLI_CALL, "A:B", "the share of the steps that has guidance (0:1)",
      .call = take_cfg_range },
    { "cache", 0, CLI_CALL, "NAME[:OPTION=X,...]",
      "some steps do less: deepcache the U-Net's last layers alone; taylor and easycache nothing (none)",
      .call = take_cache },
    { "fast", 0, CLI_FLAG, NULL,
      "the cache that was best everywhere, taylor: about 60 % of the work", AT(fast) },
    { "clip-skip", 0, CLI_WHOLE, "N", "CLIP's N-th layer from the end: 1 the last (the model's)",
      AT(request.clip_skip), 1, MAX_CLIP_SKIP },
    { "original-size", 0, CLI_CALL, "WxH",
      "what SDXL is told of the picture: its size before it "
      "was cropped (the size)",
      .call = take_original_size },
    { "crop", 0, CLI_CALL, "X,Y", "the corner where it was cropped (0,0)", .call = take_crop },
    { "target-size", 0, CLI_CALL, "WxH", "the size it is to have (the size)",
      .call = take_target_size },
    { "seed", 0, CLI_CALL, "N", "-1: a random one, which is printed (-1)", .call = take_seed },
    { "subseed", 0, CLI_CALL, "N", "the seed of a variation", .call = take_subseed },
    { "subseed-strength", 0, CLI_CALL, "X", "0: none of it, 1: its noise alone (0)",
      .call = take_subseed_strength },
    { "eta-noise-seed-delta", 0, CLI_CALL, "N",
      "noise that is added on the way is drawn from the seed plus this (0)", .call = take_ensd },
    { "rng", 0, CLI_NAME, "NAME", "%s: whose random numbers to repeat (cpu)", AT(request.rng),
      .names = rngs },
    { "batch", 0, CLI_WHOLE, "N", "images, with seeds N, N+1, ... (1)", AT(request.batch), 1,
      MAX_BATCH },
    { "n-iter", 0, CLI_WHOLE, "N", "another name of --batch-count", AT(batch_count), 1, MAX_COUNT },
    { "batch-count", 0, CLI_WHOLE, "N", "so many batches, each kept as it is done (1)",
      AT(batch_count), 1, MAX_COUNT },
    { "threads", 0, CLI_WHOLE, "N", "0: one for each core (0)", AT(model.threads), 0, MAX_THREADS },
    { "no-pin", 0, CLI_FLAG, NULL, "never hold threads on one processor each", AT(model.no_pin) },
    { "isa", 0, CLI_NAME, "NAME", "%s (the best here)", AT(model.isa), .names = levels },
    { "precision", 0, CLI_NAME, "NAME",
      "%s (f32"
#define SDRT_BF16_LEVEL(level, ...) "; bf16 with " #level
#define SDRT_INT16_LEVEL(level, ...) "; int16 with " #level
#include "kernels/levels.h"
      ")",
      AT(model.precision), .names = precisions },
    { "compare", 0, CLI_TEXT, "NAME,...",
      "draw in each of these precisions, and tell how far each is from the first; keeps no image",
      AT(compare) },
    { "device", 0, CLI_TEXT, "NAME", "cpu, cuda or cuda:N (cpu)", AT(model.device) },
    { "vram-limit", 0, CLI_CALL, "GIB", "the most that a GPU is asked for (what is free there)",
      .call = take_vram_limit },
    { "plan", 0, CLI_CALL, "[=FILE]",
      "print the plan of memory and kernels, draw nothing; "
      "FILE.svg a picture, FILE.json JSON, else a table",
      .call = take_plan },
    { "dump", 0, CLI_TEXT, "DIR", "write every named intermediate as DIR/NAME.npy", AT(dump) },
    { "dump-filter", 0, CLI_CALL, "GLOB", "only those whose NAME matches; may be repeated",
      .call = take_filter },
    { "show", 0, CLI_FLAG, NULL, "show the image in the terminal", AT(show) },
    { "show-steps", 0, CLI_FLAG, NULL, "and how it comes about, step by step", AT(show_steps) },
    { "no-memory-check", 0, CLI_FLAG, NULL, "go on where memory is short", AT(no_memory_check) },
    { "json", 0, CLI_FLAG, NULL, "print timings, memory and outputs as JSON", AT(json) },
    { "quiet", 0, CLI_FLAG, NULL, "errors and warnings only", AT(quiet) },
    { "version", 0, CLI_VERSION, NULL, "print the version", .where = 0 },
    { "help", 0, CLI_HELP, NULL, "print this", .where = 0 },
    { .name = NULL },
};

/* ---- all options together ---- */

static int choose_model(struct sdgen_options *o, const struct sdrt_log *log)
{
    const float small_cfg_scale = 3.0f; /* looked best, see its card */
    int small;

    if (o->model.model) return SDRT_OK;
    o->model.model = default_model(o->small_model, &small);
    if (!o->model.model)
        return sdrt_fail(log, SDRT_E_ARG, "no model: expected -m FILE or FOLDER; see --help");
    if (small && !o->cfg_scale) o->request.cfg_scale = small_cfg_scale;
    if (small && !o->quiet)
        sdrt_note(log, SDRT_LOG_INFO, "no model is named: taking the small one, %s",
                  o->model.model);
    return SDRT_OK;
}

/* Options that mean nothing without a picture, or without a mask. */
static int check_pictures(struct sdgen_options *o, const struct sdrt_log *log)
{
    const struct sdrt_request *r = &o->request;
    const int extended = r->extend_left || r->extend_top || r->extend_right || r->extend_bottom;
    const char *of_init = o->strength                        ? "strength"
                          : o->image_cfg_scale               ? "image-cfg-scale"
                          : r->resize_mode && !r->n_controls ? "resize-mode"
                          : o->mask                          ? "mask"
                          : extended                         ? "extend"
                                                             : NULL;
    const char *of_mask = r->mask_invert      ? "invert-mask"
                          : o->mask_blur > 0  ? "mask-blur"
                          : r->masked_content ? "masked-content"
                          : r->mask_only      ? "only-masked"
                          : o->mask_padding   ? "mask-padding"
                                              : NULL;

    if (of_init && !o->init)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: expected --init FILE beside it", of_init);
    if (of_mask && !o->mask && !extended)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: expected --mask FILE or --extend beside it",
                         of_mask);
    if (r->control_guess && !r->n_controls)
        return sdrt_fail(log, SDRT_E_ARG, "--control-guess: expected --control beside it");
    if (o->mask_padding && !r->mask_only)
        return sdrt_fail(log, SDRT_E_ARG, "--mask-padding: expected --only-masked beside it");
    o->request.mask_blur = (float)o->mask_blur;
    return SDRT_OK;
}

/* What no single option can know. */
static int check_together(struct sdgen_options *o, const char *stray, const char *more,
                          const struct sdrt_log *log)
{
    if (stray && o->upscale && !o->request.prompt && !o->prompt_file) {
        o->upscale_input = stray;
        stray = more;
    }
    if (stray && o->upscale_input)
        return sdrt_fail(log, SDRT_E_ARG, "'%s': expected one picture to enlarge, which is '%s'",
                         stray, o->upscale_input);
    if (stray)
        return sdrt_fail(log, SDRT_E_ARG,
                         "'%s': expected options only; a prompt of several words needs quotes",
                         stray);
    o->show |= o->show_steps;
    if (o->compare && (o->model.precision || o->dump || o->show || o->grid || o->output ||
                       o->plan || o->batch_count > 1))
        return sdrt_fail(log, SDRT_E_ARG,
                         "--compare %s: expected without --precision, --dump, --show, --grid, "
                         "--output, --plan and --batch-count",
                         o->compare);
    if (o->dump_filters && !o->dump)
        return sdrt_fail(log, SDRT_E_ARG, "--dump-filter '%s': expected --dump DIR beside it",
                         o->dump_filter[0]);
    if (o->refiner_start && !o->model.refiner)
        return sdrt_fail(log, SDRT_E_ARG, "--refiner-start %g: expected --refiner FILE beside it",
                         o->request.refiner_start);
    if (check_pictures(o, log)) return SDRT_E_ARG;
    if (o->fast && o->cache)
        return sdrt_fail(log, SDRT_E_ARG, "--fast, --cache: expected one of them");
    if (o->fast) o->request.cache = "fast";
    if (o->plan && !o->model.model) o->model.random_weights = 1;
    o->model.plan_only = o->plan;
    if (o->output && !strcmp(o->output, "-") && (o->show || o->json))
        return sdrt_fail(log, SDRT_E_ARG,
                         "--output -, --%s: expected one of them, as both write to "
                         "standard output",
                         o->json ? "json" : "show");
    if (o->from_image && !o->from_text)
        return sdrt_fail(log, SDRT_E_ARG, "--from-image: expected its name in full");
    if (o->show && o->json)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--show, --json: expected one of them, as both write to "
                         "standard output");
    const char *of_hires = o->hires_strength           ? "hires-strength"
                           : o->request.hires_steps    ? "hires-steps"
                           : o->request.hires_upscaler ? "hires-upscaler"
                                                       : NULL;
    if (of_hires && o->request.hires == 0.0f)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: expected --hires X beside it", of_hires);
    if (o->request.hires != 0.0f && (o->init || o->dump || o->compare))
        return sdrt_fail(log, SDRT_E_ARG, "--hires, --%s: expected one of them",
                         o->init   ? "init"
                         : o->dump ? "dump"
                                   : "compare");
    if (o->upscale_tile && !o->upscale)
        return sdrt_fail(log, SDRT_E_ARG, "--upscale-tile %d: expected --upscale FILE beside it",
                         o->upscale_tile);
    if (o->upscale && (o->compare || o->plan))
        return sdrt_fail(log, SDRT_E_ARG, "--upscale, --%s: expected one of them",
                         o->compare ? "compare" : "plan");
    if (o->plan || o->inspect || o->upscale_input) return SDRT_OK;
    if (o->upscale && !o->request.prompt && !o->prompt_file)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--upscale %s: expected a picture to enlarge, or -p TEXT to draw one",
                         o->upscale);
    if (o->prompt_file && o->request.prompt)
        return sdrt_fail(log, SDRT_E_ARG, "--prompt-file, --prompt: expected one of them");
    if (o->prompt_file && o->compare)
        return sdrt_fail(log, SDRT_E_ARG, "--prompt-file, --compare: expected one of them");
    if (o->prompt_file) o->request.prompt = "";
    if (!o->request.prompt)
        return sdrt_fail(log, SDRT_E_ARG, "no prompt: expected -p TEXT; see --help");
    return choose_model(o, log);
}

enum cli_parsed sdgen_parse(struct sdgen_options *options, int argc, char **argv,
                            const struct sdrt_log *log)
{
    const struct cli_program program = {
        .name = "sdgen",
        .version = sdrt_version(),
        .column = 30,
        .options = table,
        .before = "usage: sdgen [-m MODEL] -p PROMPT [options]\n"
                  "       sdgen --upscale NETWORK PICTURE [-o FILE]\n"
                  "       sdgen --inspect FILE|DIR\n\n",
        .after = "\nExit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n",
    };
    int rest = 0;

    memset(options, 0, sizeof *options);
    sdrt_options_init(&options->model);
    sdrt_request_init(&options->request);
    options->request.prompt = NULL;
    options->model.log = log;
    options->batch_count = 1;
    options->quality = 95;
    options->random_seed = 1;

    const char *image = from_image_find(argc, argv);
    if (image && from_image_apply(options, image, &options->from_text, log)) return CLI_FAILED;
    const enum cli_parsed parsed = cli_parse(&program, options, argc, argv, &rest, log);
    if (parsed != CLI_RUN) return parsed;
    if (check_together(options, rest < argc ? argv[rest] : NULL,
                       rest + 1 < argc ? argv[rest + 1] : NULL, log))
        return CLI_USAGE;
    if (options->random_seed) options->request.seed = seed_draw();
    return CLI_RUN;
}

void sdgen_options_free(struct sdgen_options *options)
{
    free(options->from_text);
    for (int i = 0; i < options->request.n_loras; i++)
        free((void *)(uintptr_t)options->loras[i].path);
    options->request.n_loras = 0;
    for (int i = 0; i < options->request.n_controls; i++) {
        free((void *)(uintptr_t)options->controls[i].net);
        free(options->control_images[i]);
    }
    options->request.n_controls = 0;
}
