/* SPDX-License-Identifier: MIT */
#include "tools/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum { MAX_SIDE = 8192, MAX_STEPS = 1000, MAX_BATCH = 64, MAX_THREADS = 1024, MAX_CFG = 1000 };

/* Long options without a letter of their own. */
enum {
    OPT_STEPS = 256, OPT_CFG_SCALE, OPT_SAMPLER, OPT_SCHEDULE, OPT_SEED, OPT_RNG, OPT_BATCH,
    OPT_THREADS, OPT_ISA, OPT_PRECISION, OPT_VAE, OPT_LORA, OPT_LORA_DIR,
    OPT_LORA_LENIENT, OPT_TEXT_ENCODER, OPT_TEXT_ENCODER_2, OPT_T5, OPT_T5_TOKENIZER,
    OPT_REFINER, OPT_REFINER_START,
    OPT_PREDICTION, OPT_SPACING,
    OPT_CLIP_SKIP, OPT_ORIGINAL_SIZE, OPT_CROP, OPT_TARGET_SIZE, OPT_INSPECT, OPT_PLAN, OPT_JSON,
    OPT_SHOW, OPT_SHOW_STEPS, OPT_QUIET, OPT_DUMP, OPT_DUMP_FILTER,
    OPT_VERSION, OPT_HELP
};

static const struct option long_options[] = {
    { "model",           required_argument, NULL, 'm' },
    { "prompt",          required_argument, NULL, 'p' },
    { "negative-prompt", required_argument, NULL, 'n' },
    { "width",           required_argument, NULL, 'W' },
    { "height",          required_argument, NULL, 'H' },
    { "output",          required_argument, NULL, 'o' },
    { "steps",           required_argument, NULL, OPT_STEPS },
    { "cfg-scale",       required_argument, NULL, OPT_CFG_SCALE },
    { "sampler",         required_argument, NULL, OPT_SAMPLER },
    { "schedule",        required_argument, NULL, OPT_SCHEDULE },
    { "seed",            required_argument, NULL, OPT_SEED },
    { "rng",             required_argument, NULL, OPT_RNG },
    { "batch",           required_argument, NULL, OPT_BATCH },
    { "threads",         required_argument, NULL, OPT_THREADS },
    { "isa",             required_argument, NULL, OPT_ISA },
    { "precision",       required_argument, NULL, OPT_PRECISION },
    { "vae",             required_argument, NULL, OPT_VAE },
    { "text-encoder",    required_argument, NULL, OPT_TEXT_ENCODER },
    { "text-encoder-2",  required_argument, NULL, OPT_TEXT_ENCODER_2 },
    { "clip-l",          required_argument, NULL, OPT_TEXT_ENCODER },
    { "clip-g",          required_argument, NULL, OPT_TEXT_ENCODER_2 },
    { "t5",              required_argument, NULL, OPT_T5 },
    { "t5-tokenizer",    required_argument, NULL, OPT_T5_TOKENIZER },
    { "refiner",         required_argument, NULL, OPT_REFINER },
    { "refiner-start",   required_argument, NULL, OPT_REFINER_START },
    { "prediction",      required_argument, NULL, OPT_PREDICTION },
    { "spacing",         required_argument, NULL, OPT_SPACING },
    { "clip-skip",       required_argument, NULL, OPT_CLIP_SKIP },
    { "original-size",   required_argument, NULL, OPT_ORIGINAL_SIZE },
    { "crop",            required_argument, NULL, OPT_CROP },
    { "target-size",     required_argument, NULL, OPT_TARGET_SIZE },
    { "inspect",         required_argument, NULL, OPT_INSPECT },
    { "lora",            required_argument, NULL, OPT_LORA },
    { "lora-dir",        required_argument, NULL, OPT_LORA_DIR },
    { "lora-lenient",    no_argument,       NULL, OPT_LORA_LENIENT },
    { "plan",            optional_argument, NULL, OPT_PLAN },
    { "json",            no_argument,       NULL, OPT_JSON },
    { "show",            no_argument,       NULL, OPT_SHOW },
    { "show-steps",      no_argument,       NULL, OPT_SHOW_STEPS },
    { "quiet",           no_argument,       NULL, OPT_QUIET },
    { "dump",            required_argument, NULL, OPT_DUMP },
    { "dump-filter",     required_argument, NULL, OPT_DUMP_FILTER },
    { "version",         no_argument,       NULL, OPT_VERSION },
    { "help",            no_argument,       NULL, OPT_HELP },
    { NULL, 0, NULL, 0 }
};

static const char help[] =
    "usage: sdgen [-m MODEL] -p PROMPT [options]\n"
    "       sdgen --inspect FILE|DIR\n"
    "\n"
    "  -m, --model FILE|DIR        a .safetensors checkpoint or a diffusers folder ($SDRT_MODEL,\n"
    "                              else the folder demo-model beside sdgen)\n"
    "      --vae FILE              a VAE in place of the model's own\n"
    "      --text-encoder FILE     a text encoder in place of the model's (first) one\n"
    "      --text-encoder-2 FILE   the same for the second of SDXL and SD 3.x\n"
    "      --clip-l FILE, --clip-g FILE\n"
    "                              the same two by name: the first, the second\n"
    "      --t5 FILE|DIR|none      the T5 of SD 3.x; none: without it\n"
    "      --t5-tokenizer FILE     its spiece.model or tokenizer.json, where it is not beside\n"
    "      --refiner FILE|DIR      SDXL's refiner, which draws the last steps\n"
    "      --refiner-start X       the share of the noise's way before it (0.8)\n"
    "      --prediction NAME       epsilon, v, where the model does not say it right\n"
    "      --inspect FILE|DIR      say what a file is, draw nothing\n"
    "      --lora FILE[:SCALE]     a LoRA on top of the model (scale 1); several are allowed\n"
    "      --lora-dir DIR          where <lora:NAME:SCALE> in the prompt finds NAME.safetensors\n"
    "      --lora-lenient          warn of tensors that fit nothing in the model, go on\n"
    "  -p, --prompt TEXT           what to draw\n"
    "  -n, --negative-prompt TEXT  what to avoid\n"
    "  -o, --output FILE           the image (sdrt.png); a batch adds -0, -1, ...\n"
    "  -W, --width N               pixels, a multiple of 8, for SD 3.x of 16 (the model's: 512,\n"
    "                              768, 1024)\n"
    "  -H, --height N              the same\n"
    "      --steps N               denoising steps (20)\n"
    "      --cfg-scale X           guidance; 1 or less runs without (7.5; 3 for the small model)\n"
    "      --sampler NAME          euler_a, euler, ddim, dpmpp_2m, heun, lcm (euler_a; for SD 3.x euler,\n"
    "                              which dpmpp_2m also suits)\n"
    "      --schedule NAME         default, karras (default)\n"
    "      --spacing NAME          leading, trailing, linspace (the model's)\n"
    "      --clip-skip N           CLIP's N-th layer from the end: 1 the last (the model's)\n"
    "      --original-size WxH, --crop X,Y, --target-size WxH\n"
    "                              what SDXL is told of the picture (the size, 0,0, the size)\n"
    "      --seed N                -1: a random one, which is printed (-1)\n"
    "      --rng NAME              cpu, cuda: whose random numbers to repeat (cpu)\n"
    "      --batch N               images, with seeds N, N+1, ... (1)\n"
    "      --threads N             0: one for each core (0)\n"
    "      --isa NAME              generic, blas, avx2, avx512, avx512bf16, amx\n"
    "                              (the best here)\n"
    "      --precision NAME        f32, bf16 (bf16 with avx512bf16, amx)\n"
    "      --plan[=FILE]           print the plan of memory and kernels, draw nothing;\n"
    "                              FILE.svg a picture, FILE.json JSON, else a table\n"
    "      --dump DIR              write every named intermediate as DIR/NAME.npy\n"
    "      --dump-filter GLOB      only those whose NAME matches; may be repeated\n"
    "      --show                  show the image in the terminal\n"
    "      --show-steps            and how it comes about, step by step\n"
    "      --json                  print timings, memory and outputs as JSON\n"
    "      --quiet                 errors and warnings only\n"
    "      --version, --help\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted.\n";

static const char *const samplers[] = { "euler_a", "euler", "ddim", "dpmpp_2m", "heun", "lcm",
                                        NULL };
static const char *const schedules[] = { "default", "karras", NULL };
static const char *const spacings[] = { "leading", "trailing", "linspace", NULL };
static const char *const predictions[] = { "epsilon", "v", NULL };
static const char *const rngs[] = { "cpu", "cuda", NULL };

static int parse_int(int *out, const char *name, const char *text, int low, int high,
                     const struct sdrt_log *log)
{
    char *end;

    errno = 0;
    const long value = strtol(text, &end, 10);
    /* strtol skips leading blanks; a number given to an option has none. */
    if (!*text || strchr(" \t\n\v\f\r", *text) || *end || errno || value < low || value > high)
        return sdrt_fail(log, SDRT_E_ARG, "%s '%s': expected a whole number from %d to %d", name,
                         text, low, high);
    *out = (int)value;
    return SDRT_OK;
}

static int parse_side(int *out, const char *name, const char *text, const struct sdrt_log *log)
{
    const int rc = parse_int(out, name, text, 8, MAX_SIDE, log);

    if (rc) return rc;
    if (*out % 8)
        return sdrt_fail(log, SDRT_E_ARG, "%s %d: expected a multiple of 8, such as %d", name, *out,
                         *out - *out % 8);
    return SDRT_OK;
}

static int parse_cfg_scale(float *out, const char *text, const struct sdrt_log *log)
{
    char *end;
    const float value = strtof(text, &end);

    if (!*text || strchr(" \t\n\v\f\r", *text) || *end || !isfinite(value) || value < 0 ||
        value > MAX_CFG)
        return sdrt_fail(log, SDRT_E_ARG, "--cfg-scale '%s': expected a number from 0 to %d", text,
                         MAX_CFG);
    *out = value;
    return SDRT_OK;
}

static int parse_refiner_start(double *out, const char *text, const struct sdrt_log *log)
{
    char *end;
    const double value = strtod(text, &end);

    if (!*text || strchr(" \t\n\v\f\r", *text) || *end || !(value > 0 && value < 1))
        return sdrt_fail(log, SDRT_E_ARG, "--refiner-start '%s': expected a number between 0 and 1",
                         text);
    *out = value;
    return SDRT_OK;
}

/* 32 bits, the range that other programs take as well. */
static uint64_t draw_seed(void)
{
    uint32_t seed;
    struct timespec now;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed) return seed;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec * 2654435761u;
}

static int parse_seed(struct sdgen_options *o, const char *text, const struct sdrt_log *log)
{
    char *end;

    o->random_seed = strcmp(text, "-1") == 0;
    if (o->random_seed) return SDRT_OK;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 10);
    /* strtoull takes a minus sign and wraps around. */
    if (*text < '0' || *text > '9' || *end || errno)
        return sdrt_fail(log, SDRT_E_ARG,
                         "--seed '%s': expected -1 (random) or a whole number below 2^64", text);
    o->request.seed = value;
    return SDRT_OK;
}

static int parse_name(const char **out, const char *option, const char *text,
                      const char *const *names, const struct sdrt_log *log)
{
    char known[128] = "";

    for (const char *const *n = names; *n; n++) {
        if (strcmp(text, *n) == 0) {
            *out = text;
            return SDRT_OK;
        }
        if (n != names) strncat(known, ", ", sizeof known - strlen(known) - 1);
        strncat(known, *n, sizeof known - strlen(known) - 1);
    }
    return sdrt_fail(log, SDRT_E_ARG, "%s '%s': expected one of %s", option, text, known);
}

/* "FILE" or "FILE:SCALE"; a colon that no number follows belongs to the file's name. */
static int parse_lora(struct sdgen_options *o, const char *text, const struct sdrt_log *log)
{
    const char *colon = strrchr(text, ':');
    const size_t length = strlen(text);
    size_t name = length;
    float scale = 1.0f;
    char *end;

    if (colon && colon[1] && !strchr(" \t\n\v\f\r", colon[1])) {
        const float value = strtof(colon + 1, &end);
        if (!*end && end > colon + 1) {
            scale = value;
            name = (size_t)(colon - text);
        }
    }
    if (!name || !isfinite(scale))
        return sdrt_fail(log, SDRT_E_ARG, "--lora '%s': expected FILE or FILE:SCALE", text);
    if (o->request.n_loras == SDGEN_MAX_LORAS)
        return sdrt_fail(log, SDRT_E_ARG, "--lora '%s': expected at most %d of them", text,
                         SDGEN_MAX_LORAS);
    char *path = strndup(text, name);
    if (!path) return sdrt_fail(log, SDRT_E_NOMEM, "no memory for a file's name");
    o->loras[o->request.n_loras++] = (struct sdrt_lora){ path, scale };
    o->request.loras = o->loras;
    return SDRT_OK;
}

/* Two whole numbers with between between them. */
static int parse_pair(int *a, int *b, const char *name, const char *text, char between, int low,
                      const struct sdrt_log *log)
{
    const char *at = strchr(text, between);
    char first[16] = "";

    if (!at || at == text || (size_t)(at - text) >= sizeof first)
        return sdrt_fail(log, SDRT_E_ARG, "%s '%s': expected two whole numbers with %c between", name,
                         text, between);
    memcpy(first, text, (size_t)(at - text));
    const int rc = parse_int(a, name, first, low, 1 << 20, log);
    return rc ? rc : parse_int(b, name, at + 1, low, 1 << 20, log);
}

/* Options that say what the picture is to be like, beside the text. */
static int parse_picture_option(struct sdrt_request *r, int option, const char *text,
                                const struct sdrt_log *log)
{
    switch (option) {
    case OPT_SPACING: return parse_name(&r->spacing, "--spacing", text, spacings, log);
    case OPT_CLIP_SKIP: return parse_int(&r->clip_skip, "--clip-skip", text, 1, 64, log);
    case OPT_CROP:
        return parse_pair(&r->crop_x, &r->crop_y, "--crop", text, ',', 0, log);
    case OPT_ORIGINAL_SIZE:
        return parse_pair(&r->original_width, &r->original_height, "--original-size", text, 'x', 1,
                          log);
    case OPT_TARGET_SIZE:
        return parse_pair(&r->target_width, &r->target_height, "--target-size", text, 'x', 1, log);
    default: return parse_int(&r->batch, "--batch", text, 1, MAX_BATCH, log);
    }
}

/* Options that describe the image. */
static int parse_request_option(struct sdgen_options *o, int option, const char *text,
                                const struct sdrt_log *log)
{
    struct sdrt_request *r = &o->request;

    switch (option) {
    case 'p':           r->prompt = text; return SDRT_OK;
    case 'n':           r->negative_prompt = text; return SDRT_OK;
    case 'W':           return parse_side(&r->width, "--width", text, log);
    case 'H':           return parse_side(&r->height, "--height", text, log);
    case OPT_STEPS:     return parse_int(&r->steps, "--steps", text, 1, MAX_STEPS, log);
    case OPT_CFG_SCALE:
        o->cfg_scale = 1;
        return parse_cfg_scale(&r->cfg_scale, text, log);
    case OPT_SAMPLER:   return parse_name(&r->sampler, "--sampler", text, samplers, log);
    case OPT_SCHEDULE:  return parse_name(&r->schedule, "--schedule", text, schedules, log);
    case OPT_SEED:      return parse_seed(o, text, log);
    case OPT_REFINER_START:
        o->refiner_start = 1;
        return parse_refiner_start(&r->refiner_start, text, log);
    case OPT_LORA:      return parse_lora(o, text, log);
    case OPT_LORA_DIR:  r->lora_dir = text; return SDRT_OK;
    case OPT_LORA_LENIENT: r->lora_lenient = 1; return SDRT_OK;
    case OPT_RNG:       return parse_name(&r->rng, "--rng", text, rngs, log);
    default:            return parse_picture_option(r, option, text, log);
    }
}

static int add_filter(struct sdgen_options *o, const char *glob, const struct sdrt_log *log)
{
    if (o->dump_filters == SDGEN_MAX_FILTERS)
        return sdrt_fail(log, SDRT_E_ARG, "--dump-filter '%s': expected at most %d of them", glob,
                         SDGEN_MAX_FILTERS);
    o->dump_filter[o->dump_filters++] = glob;
    return SDRT_OK;
}

/* Options that describe the model, the machine and the outputs; the rest is the request's. */
static int parse_option(struct sdgen_options *o, int option, const char *text,
                        const struct sdrt_log *log)
{
    switch (option) {
    case 'm':           o->model.model = text; return SDRT_OK;
    case OPT_VAE:       o->model.vae = text; return SDRT_OK;
    case OPT_TEXT_ENCODER: o->model.text_encoder = text; return SDRT_OK;
    case OPT_TEXT_ENCODER_2: o->model.text_encoder_2 = text; return SDRT_OK;
    case OPT_T5: o->model.t5 = text; return SDRT_OK;
    case OPT_T5_TOKENIZER: o->model.t5_tokenizer = text; return SDRT_OK;
    case OPT_REFINER: o->model.refiner = text; return SDRT_OK;
    case OPT_PREDICTION:
        return parse_name(&o->model.prediction, "--prediction", text, predictions, log);
    case OPT_INSPECT:   o->inspect = text; return SDRT_OK;
    case OPT_ISA:       o->model.isa = text; return SDRT_OK;
    case OPT_PRECISION: o->model.precision = text; return SDRT_OK;
    case OPT_THREADS:
        return parse_int(&o->model.threads, "--threads", text, 0, MAX_THREADS, log);
    case 'o':           o->output = text; return SDRT_OK;
    case OPT_DUMP:      o->dump = text; return SDRT_OK;
    case OPT_DUMP_FILTER: return add_filter(o, text, log);
    case OPT_JSON:      o->json = 1; return SDRT_OK;
    case OPT_SHOW:      o->show = 1; return SDRT_OK;
    case OPT_SHOW_STEPS: o->show = o->show_steps = 1; return SDRT_OK;
    case OPT_QUIET:     o->quiet = 1; return SDRT_OK;
    case OPT_PLAN:
        o->plan = 1;
        o->plan_file = text;
        return SDRT_OK;
    default:
        return parse_request_option(o, option, text, log);
    }
}

static int complain(int option, char **argv, const struct sdrt_log *log)
{
    const char *word = argv[optind - 1];

    if (option == ':')
        return sdrt_fail(log, SDRT_E_ARG, "%s: expected a value after it; see --help", word);
    if (optopt >= OPT_STEPS)
        return sdrt_fail(log, SDRT_E_ARG, "%s: this option takes no value", word);
    if (optopt) return sdrt_fail(log, SDRT_E_ARG, "-%c: unknown option; see --help", optopt);
    return sdrt_fail(log, SDRT_E_ARG, "%s: unknown or ambiguous option; see --help", word);
}

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

/* What no single option can know. */
static int check_together(struct sdgen_options *o, int argc, char **argv,
                          const struct sdrt_log *log)
{
    if (optind < argc)
        return sdrt_fail(log, SDRT_E_ARG,
                         "'%s': expected options only; a prompt of several words needs quotes",
                         argv[optind]);
    if (o->dump_filters && !o->dump)
        return sdrt_fail(log, SDRT_E_ARG, "--dump-filter '%s': expected --dump DIR beside it",
                         o->dump_filter[0]);
    if (o->refiner_start && !o->model.refiner)
        return sdrt_fail(log, SDRT_E_ARG, "--refiner-start %g: expected --refiner FILE beside it",
                         o->request.refiner_start);
    if (o->plan && !o->model.model) o->model.random_weights = 1;
    if (o->show && o->json)
        return sdrt_fail(log, SDRT_E_ARG, "--show, --json: expected one of them, as both write to "
                         "standard output");
    if (o->plan || o->inspect) return SDRT_OK;
    if (!o->request.prompt)
        return sdrt_fail(log, SDRT_E_ARG, "no prompt: expected -p TEXT; see --help");
    return choose_model(o, log);
}

enum sdgen_parsed sdgen_parse(struct sdgen_options *options, int argc, char **argv,
                              const struct sdrt_log *log)
{
    int option;

    memset(options, 0, sizeof *options);
    sdrt_options_init(&options->model);
    sdrt_request_init(&options->request);
    const char *const no_prompt = options->request.prompt;
    options->request.prompt = NULL;
    options->model.log = log;
    options->output = "sdrt.png";
    options->random_seed = 1;

    opterr = 0;
    while ((option = getopt_long(argc, argv, ":m:p:n:W:H:o:", long_options, NULL)) != -1) {
        if (option == OPT_HELP || option == OPT_VERSION) {
            if (option == OPT_HELP) fputs(help, stdout);
            else printf("sdgen %s\n", sdrt_version());
            return SDGEN_SHOWN;
        }
        if (option == '?' || option == ':') {
            complain(option, argv, log);
            return SDGEN_USAGE;
        }
        if (parse_option(options, option, optarg, log)) return SDGEN_USAGE;
    }
    if (check_together(options, argc, argv, log)) return SDGEN_USAGE;
    if (!options->request.prompt) options->request.prompt = no_prompt;
    if (options->random_seed) options->request.seed = draw_seed();
    return SDGEN_RUN;
}

void sdgen_options_free(struct sdgen_options *options)
{
    for (int i = 0; i < options->request.n_loras; i++)
        free((void *)(uintptr_t)options->loras[i].path);
    options->request.n_loras = 0;
}

char *sdgen_output_name(const struct sdgen_options *options, int i)
{
    const char *name = options->output;
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    const size_t room = strlen(name) + 16;
    char *out;

    if (options->request.batch == 1) return strdup(name);
    if (!dot || dot == base) dot = name + strlen(name);
    out = malloc(room);
    if (out) snprintf(out, room, "%.*s-%d%s", (int)(dot - name), name, i, dot);
    return out;
}
