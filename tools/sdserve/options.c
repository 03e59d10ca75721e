/* SPDX-License-Identifier: MIT */
#include "tools/sdserve/options.h"
#include "model/pipeline/precision.h"
#include "runtime/files/path.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT = 7860, /* A1111's, where its clients look */
    MAX_THREADS = 1024,
    STEPS = 20,
    MAX_STEPS = 1000,
    MAX_BATCH = 64,
    MAX_BODY = 1024,
    MAX_SESSIONS = 64,
    MAX_COUNT = 100000,
    MAX_PIXELS = 8192 * 8192
};

static const char *rngs(int i) { return sdrt_list_name(SDRT_LIST_RNGS, i); }
static const char *levels(int i) { return sdrt_list_name(SDRT_LIST_LEVELS, i); }
static const char *precisions(int i) { return sdrt_list_name(SDRT_LIST_PRECISIONS, i); }

/* What chooses one needs a request first, which sdgen has. */
static int take_precision(void *into, const char *name, const char *text,
                          const struct sdrt_log *log)
{
    struct sdrt_precision read;
    char what[96];

    ((struct serve_options *)into)->model.precision = text;
    snprintf(what, sizeof what, "--%s '%.64s'", name, text);
    return sdrt_precision_read(&read, text, what, log);
}

#define AT(member) .where = offsetof(struct serve_options, member)

static const struct cli_option table[] = {
    { "model", 'm', CLI_TEXT, "FILE|DIR",
      "the checkpoint that is drawn with ($SDRT_MODEL, else the folder demo-model beside sdserve)",
      AT(model.model) },
    { "models", 0, CLI_TEXT, "DIR", "a folder of checkpoints that requests may choose from",
      AT(models) },
    { "vae", 0, CLI_TEXT, "FILE", "a VAE in place of the model's own", AT(model.vae) },
    { "vae-dir", 0, CLI_TEXT, "DIR", "a folder of VAEs that requests may choose from", AT(vaes) },
    { "taesd", 0, CLI_TEXT, "FILE|DIR", "a TAESD in the VAE's place", AT(model.taesd) },
    { "lora-dir", 0, CLI_TEXT, "DIR", "where <lora:NAME:SCALE> in a prompt finds NAME.safetensors",
      AT(defaults.lora_dir) },
    { "embeddings", 0, CLI_TEXT, "DIR", "where a prompt finds textual inversions",
      AT(defaults.embeddings) },
    { "control-dir", 0, CLI_TEXT, "DIR", "where requests find control nets and IP-Adapters",
      AT(controls) },
    { "clip-vision", 0, CLI_TEXT, "FILE|DIR", "CLIP's encoder of the pictures of IP-Adapters",
      AT(defaults.clip_vision) },
    { "upscaler-dir", 0, CLI_TEXT, "DIR", "where requests find networks that enlarge",
      AT(upscalers) },
    { "output", 'o', CLI_TEXT, "DIR", "keep every image in this folder (nowhere)", AT(output) },
    { "listen", 0, CLI_TEXT, "ADDRESS",
      "the address; one that others reach wants --api-key (127.0.0.1)", AT(listen) },
    { "port", 0, CLI_WHOLE, "N", "0: one that is free, which is printed (7860)", AT(port), 0,
      65535 },
    { "api-key", 0, CLI_TEXT, "KEY",
      "what callers must send, as a bearer token or as the password of any user ($SDSERVE_API_KEY)",
      AT(api_key) },
    { "cors", 0, CLI_TEXT, "ORIGIN", "let pages of this origin call, *: of any (none)", AT(cors) },
    { "sessions", 0, CLI_WHOLE, "N", "images drawn at a time (1)", AT(sessions), 1, MAX_SESSIONS },
    { "max-pixels", 0, CLI_WHOLE, "N", "the most of an image, and of a picture sent (4194304)",
      AT(max_pixels), 64, MAX_PIXELS },
    { "max-steps", 0, CLI_WHOLE, "N", "the most of a request (150)", AT(max_steps), 1, MAX_STEPS },
    { "max-batch", 0, CLI_WHOLE, "N", "the most images of a request (16)", AT(max_batch), 1,
      MAX_BATCH },
    { "max-body", 0, CLI_WHOLE, "MIB", "the most that a request is long (64)", AT(max_body), 1,
      MAX_BODY },
    { "max-queue", 0, CLI_WHOLE, "N", "the most requests that wait (100)", AT(max_queue), 1,
      MAX_COUNT },
    { "keep", 0, CLI_WHOLE, "N", "how many finished jobs are remembered (32)", AT(keep), 1,
      MAX_COUNT },
    { "steps", 0, CLI_WHOLE, "N", "steps where a request names none (20)", AT(steps), 1,
      MAX_STEPS },
    { "cfg-scale", 0, CLI_NUMBER, "X",
      "guidance where a request names none (7.5; 3 for the small model)", AT(cfg_scale), 0, 1000 },
    { "rng", 0, CLI_NAME, "NAME", "%s: whose random numbers to repeat (cpu)", AT(defaults.rng),
      .names = rngs },
    { "threads", 0, CLI_WHOLE, "N", "of each session; 0: all cores, shared evenly (0)",
      AT(model.threads), 0, MAX_THREADS },
    { "no-pin", 0, CLI_FLAG, NULL, "never hold threads on one processor each", AT(model.no_pin) },
    { "isa", 0, CLI_NAME, "NAME", "%s (the best here)", AT(model.isa), .names = levels },
    { "precision", 0, CLI_CALL, "NAME", "%s (f32)", .names = precisions, .call = take_precision },
    { "device", 0, CLI_TEXT, "NAME", "cpu, cuda or cuda:N (cpu)", AT(model.device) },
    { "quiet", 0, CLI_FLAG, NULL, "errors and warnings only", AT(quiet) },
    { "version", 0, CLI_VERSION, NULL, "print the version", .where = 0 },
    { "help", 0, CLI_HELP, NULL, "print this", .where = 0 },
    { .name = NULL },
};

static int is_loopback(const char *address)
{
    return !strncmp(address, "127.", 4) || !strcmp(address, "::1") || !strcmp(address, "localhost");
}

static int check_folder(const char *option, const char *path, const struct sdrt_log *log)
{
    if (!path || sdrt_path_is_folder(path)) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "--%s %s: expected a folder that is there", option, path);
}

static int choose_model(struct serve_options *o, const struct sdrt_log *log)
{
    const float small_cfg_scale = 3.0f; /* looked best, see its card */
    int small = 0;

    if (!o->model.model) o->model.model = default_model(o->small_model, &small);
    if (!o->model.model)
        return sdrt_fail(log, SDRT_E_ARG, "no model: expected -m FILE or FOLDER; see --help");
    if (small) o->defaults.cfg_scale = small_cfg_scale;
    if (o->cfg_scale >= 0) o->defaults.cfg_scale = (float)o->cfg_scale;
    return SDRT_OK;
}

/* What no single option can know. */
static int check_together(struct serve_options *o, const char *stray, const struct sdrt_log *log)
{
    const char *from_environment = getenv("SDSERVE_API_KEY");

    if (stray) return sdrt_fail(log, SDRT_E_ARG, "'%s': expected options only", stray);
    if (!o->api_key && from_environment && *from_environment) o->api_key = from_environment;
    if (o->api_key && !*o->api_key)
        return sdrt_fail(log, SDRT_E_ARG, "--api-key: expected one, not ''");
    if (!is_loopback(o->listen) && !o->api_key)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--listen %s: expected --api-key KEY beside it, since others reach it",
                         o->listen);
    if (!o->steps) o->steps = o->max_steps < STEPS ? o->max_steps : STEPS;
    o->defaults.steps = o->steps;
    if (o->defaults.steps > o->max_steps)
        return sdrt_fail(log, SDRT_E_ARG, "--steps %d: expected at most --max-steps %d",
                         o->defaults.steps, o->max_steps);
    if (check_folder("models", o->models, log) || check_folder("vae-dir", o->vaes, log) ||
        check_folder("output", o->output, log) || check_folder("control-dir", o->controls, log) ||
        check_folder("upscaler-dir", o->upscalers, log) ||
        check_folder("lora-dir", o->defaults.lora_dir, log) ||
        check_folder("embeddings", o->defaults.embeddings, log))
        return SDRT_E_ARG;
    return choose_model(o, log);
}

enum cli_parsed serve_parse(struct serve_options *o, int argc, char **argv,
                            const struct sdrt_log *log)
{
    const struct cli_program program = {
        .name = "sdserve",
        .version = sdrt_version(),
        .column = 30,
        .options = table,
        .before = "usage: sdserve [-m MODEL] [options]\n\n"
                  "Draws for programs that speak A1111's or OpenAI's API, and in a browser.\n\n",
        .after = "\nSIGTERM ends it after the images that are being drawn, a second one at once.\n"
                 "Exit status: 0 done, 1 failed, 2 wrong usage.\n",
    };
    int rest = 0;

    memset(o, 0, sizeof *o);
    sdrt_options_init(&o->model);
    o->model.hashes = hash_cache_path(o->hashes);
    sdrt_request_init(&o->defaults);
    o->model.log = log;
    o->listen = "127.0.0.1";
    o->port = PORT;
    o->sessions = 1;
    o->max_pixels = 2048 * 2048;
    o->max_steps = 150;
    o->max_batch = 16;
    o->max_body = 64;
    o->max_queue = 100;
    o->keep = 32;
    o->cfg_scale = -1;
    const enum cli_parsed parsed = cli_parse(&program, o, argc, argv, &rest, log);
    if (parsed != CLI_RUN) return parsed;
    return check_together(o, rest < argc ? argv[rest] : NULL, log) ? CLI_USAGE : CLI_RUN;
}
