/* SPDX-License-Identifier: MIT */
#include "tools/options.h"
#include "tools/from_image.h"
#include "tools/option_values.h"
#include "tools/options_together.h"
#include "tools/seed.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BATCH = 64, MAX_THREADS = 1024, MAX_CLIP_SKIP = 64, MAX_BLUR = 256, MAX_COUNT = 100000 };

static const char *samplers(int i) { return sdrt_list_name(SDRT_LIST_SAMPLERS, i); }
static const char *schedules(int i) { return sdrt_list_name(SDRT_LIST_SCHEDULES, i); }
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
    { "dynamic-prompts", 0, CLI_FLAG, NULL,
      "of {a|b} in the prompts the seed chooses one; {2$$a|b|c} two, {3::a|b} weighed",
      AT(request.dynamic_prompts) },
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
      "decode, and encode, in bands of N rows, in a band's memory and a temporary file (at once, but where "
      "memory is short)",
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
      "behind NET :TYPE, as :canny or :depth, tells a union of nets what IMAGE is; "
      "several are allowed",
      .call = take_control },
    { "ip-adapter", 0, CLI_CALL, "FILE=IMAGE[:X]",
      "an IP-Adapter and the picture that is a prompt to it, with a strength (1); several are allowed",
      .call = take_ip_adapter },
    { "clip-vision", 0, CLI_TEXT, "FILE|DIR", "CLIP's encoder of their pictures",
      AT(request.clip_vision) },
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
    { "auto", 0, CLI_FLAG, NULL,
      "draw a Turbo, Lightning, Hyper, LCM, TCD or DMD2 model or LoRA as it is made for: sampler, "
      "spacing, steps and guidance that are not given",
      AT(automatic) },
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
    { "s-churn", 0, CLI_NUMBER, "X",
      "how much euler, heun and dpm2 raise the noise before steps, over all of them (0)",
      AT(request.s_churn), 0, 1000 },
    { "s-tmin", 0, CLI_NUMBER, "X", "the least noise level at which they do (0)",
      AT(request.s_tmin), 0, 1000 },
    { "s-tmax", 0, CLI_NUMBER, "X", "and the most (0: any)", AT(request.s_tmax), 0, 1000 },
    { "sigmas", 0, CLI_CALL, "X,...", "noise levels in place of steps and schedule",
      .call = take_sigmas },
    { "timesteps", 0, CLI_CALL, "N,...", "the same by timesteps: 999,749,499,249 for DMD2",
      .call = take_timesteps },
    { "cfg-rescale", 0, CLI_CALL, "X",
      "how much of the contrast that guidance adds is taken back (0)", .call = take_cfg_rescale },
    { "cfg-range", 0, CLI_CALL, "A:B", "the share of the steps that has guidance (0:1)",
      .call = take_cfg_range },
    { "cfg-schedule", 0, CLI_TEXT, "X,...",
      "guidance scales in place of --cfg-scale, each for as many of the steps",
      AT(request.cfg_schedule) },
    { "guidance", 0, CLI_CALL, "NAME[:OPTION=X,...]",
      "apg or cfg_zero: other rules than the straight line (none)", .call = take_guidance },
    { "slg-scale", 0, CLI_CALL, "X", "push SD 3.x from what it says with blocks skipped (0: not)",
      .call = take_slg_scale },
    { "skip-layers", 0, CLI_TEXT, "N,...", "which blocks (7,8,9)", AT(request.slg_layers) },
    { "skip-layer-start", 0, CLI_CALL, "X", "the share of the steps where that begins (0.01)",
      .call = take_slg_start },
    { "skip-layer-end", 0, CLI_CALL, "X", "and where it ends (0.2)", .call = take_slg_end },
    { "pag-scale", 0, CLI_CALL, "X",
      "push from what the model says where tokens attend to themselves alone (0: not)",
      .call = take_pag_scale },
    { "pag-adaptive-scale", 0, CLI_CALL, "X", "how much less of that with each timestep (0)",
      .call = take_pag_adaptive_scale },
    { "pag-layers", 0, CLI_TEXT, "NAME,...",
      "in which of its self-attentions (mid; SD 3.x: blocks.1)", AT(request.pag_layers) },
    { "freeu", 0, CLI_TEXT, "B1,B2,S1,S2",
      "weigh a U-Net's way up anew: 1.5,1.6,0.9,0.2 for SD 1.5 (not)", AT(request.freeu) },
    { "cache", 0, CLI_CALL, "NAME[:OPTION=X,...]",
      "some steps do less: deepcache the U-Net's last layers alone; taylor and easycache nothing; tgate no "
      "cross-attention (none)",
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
    { "seed-resize-from", 0, CLI_CALL, "WxH",
      "the seed's noise is that of an image of this size, laid on the middle",
      .call = take_seed_resize },
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
    { "mpi", 0, CLI_CALL, "[=NAME]",
      "work with the other processes that mpirun started; %s: what each of them computes a part of (images)",
      .names = mpi_ways, .call = take_mpi },
    { "mpi-timeout", 0, CLI_NUMBER, "S",
      "how long a process may say nothing before the others go on without it (60)", AT(mpi_timeout),
      0.1, 86400 },
    { "threads", 0, CLI_WHOLE, "N", "0: one for each core (0)", AT(model.threads), 0, MAX_THREADS },
    { "no-pin", 0, CLI_FLAG, NULL, "never hold threads on one processor each", AT(model.no_pin) },
    { "isa", 0, CLI_NAME, "NAME", "%s (the best here)", AT(model.isa), .names = levels },
    { "precision", 0, CLI_CALL, "NAME",
      "%s (f32"
#define SDRT_BF16_LEVEL(level, ...) "; bf16 with " #level
#define SDRT_BF16_INT8_LEVEL(level, ...) "; bf16 and int8 with " #level
#define SDRT_INT16_LEVEL(level, ...) "; int16 with " #level
#define SDRT_INT8_LEVEL(level, ...) "; int16 and int8 with " #level
#include "kernels/levels.h"
      "); auto:DB: the narrowest whose images are so near to f32's",
      .names = precisions, .call = take_precision },
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
    { "hash", 0, CLI_FLAG, NULL,
      "compute the hashes of model, VAE and LoRAs that images name, where they are not kept yet",
      AT(model.hash_files) },
    { "json", 0, CLI_FLAG, NULL, "print timings, memory and outputs as JSON", AT(json) },
    { "quiet", 0, CLI_FLAG, NULL, "errors and warnings only", AT(quiet) },
    { "version", 0, CLI_VERSION, NULL, "print the version", .where = 0 },
    { "help", 0, CLI_HELP, NULL, "print this", .where = 0 },
    { .name = NULL },
};

_Static_assert(sizeof table / sizeof *table <= SDGEN_OPTIONS, "marks for all options");

int sdgen_given(const struct sdgen_options *options, const char *name)
{
    for (size_t i = 0; table[i].name; i++)
        if (!strcmp(table[i].name, name)) return options->given[i];
    return 0;
}

enum cli_parsed sdgen_parse(struct sdgen_options *options, int argc, char **argv,
                            const struct sdrt_log *log)
{
    const struct cli_program program = {
        .name = "sdgen",
        .version = sdrt_version(),
        .column = 30,
        .options = table,
        .marks = offsetof(struct sdgen_options, given),
        .before = "usage: sdgen [-m MODEL] -p PROMPT [options]\n"
                  "       sdgen --upscale NETWORK PICTURE [-o FILE]\n"
                  "       sdgen --inspect FILE|DIR\n\n",
        .after = "\nExit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n",
    };
    int rest = 0;

    memset(options, 0, sizeof *options);
    sdrt_options_init(&options->model);
    options->model.hashes = hash_cache_path(options->hashes);
    sdrt_request_init(&options->request);
    options->request.prompt = NULL;
    options->model.log = log;
    options->batch_count = 1;
    options->sharers = 1;
    options->quality = 95;
    options->random_seed = 1;

    const char *image = from_image_find(argc, argv);
    if (image && from_image_apply(options, image, &options->from_text, log)) return CLI_FAILED;
    const enum cli_parsed parsed = cli_parse(&program, options, argc, argv, &rest, log);
    if (parsed != CLI_RUN) return parsed;
    if (sdgen_check_together(options, rest < argc ? argv[rest] : NULL,
                             rest + 1 < argc ? argv[rest + 1] : NULL, log))
        return CLI_USAGE;
    if (options->random_seed) options->request.seed = seed_draw();
    return CLI_RUN;
}

void sdgen_options_free(struct sdgen_options *options)
{
    free(options->from_text);
    free(options->precision_text);
    for (int i = 0; i < options->request.n_loras; i++)
        free((void *)(uintptr_t)options->loras[i].path);
    options->request.n_loras = 0;
    for (int i = 0; i < options->request.n_controls; i++) {
        free((void *)(uintptr_t)options->controls[i].net);
        free(options->control_images[i]);
    }
    options->request.n_controls = 0;
    for (int i = 0; i < options->request.n_ip_adapters; i++) {
        free((void *)(uintptr_t)options->ips[i].file);
        free(options->ip_images[i]);
    }
    options->request.n_ip_adapters = 0;
}
