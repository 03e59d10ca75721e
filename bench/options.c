/* SPDX-License-Identifier: MIT
 *
 * The command line of sdbench.
 */
#include "config.h"

#include "bench/sdbench.h"

#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sdbench COMMAND [options]\n"
    "\n"
    "  roofline [NETWORK]  what the machine can do at most, measured; with --svg the\n"
    "                      picture, with every operation of a network on it\n"
    "  kernels [FAMILY]    attention, conv, gemm, gn_sums, gn_fold, layer_norm,\n"
    "                      rms_norm, elementwise over the models' shapes\n"
    "  layers [NETWORK]    one pass of unet, vae, text or text2, operation by operation\n"
    "  step                one evaluation of the U-Net (or of SD 3.x's MMDiT) on the\n"
    "                      guided pair\n"
    "  vae                 one VAE decode\n"
    "  text, text2         one pass of the text encoder; of the second, where there is one\n"
    "  generate            a whole image: load, text, denoise, decode\n"
    "  compare A B         two files that --output wrote as .json\n"
    "\n"
    "  -m, --model FILE|DIR    weights; random ones without\n"
    "      --arch NAME         of random weights: sd15, sd21, sdxl, sd35-medium,\n"
    "                          sd35-large; sd15\n"
    "      --size WxH          of the image in pixels, 512x512\n"
    "      --batch N           step: 2; vae, text, generate: 1\n"
    "      --steps N           generate: 20\n"
    "      --iterations N      timed passes, 5; generate: images, 1\n"
    "      --threads N         one for each core\n"
    "      --scaling           step, vae, text: one thread beside --threads\n"
    "      --isa NAME          generic, blas, avx2, avx512, avx512bf16, amx; the best.\n"
    "                          kernels: also all\n"
    "      --precision NAME    f32, bf16; the best of the instruction set\n"
    "      --shape TEXT        kernels: only shapes whose name holds TEXT\n"
    "      --seconds S         kernels: for each figure, 0.3\n"
    "      --svg FILE          roofline: draws the picture\n"
    "      --fail-above P      compare: exit 3 when something is P percent slower\n"
    "  -o, --output FILE       also writes .json, .csv or .md, by its name; up to 4\n"
    "      --json, --csv, --markdown   this form on standard output\n"
    "      --help, --version\n";

enum {
    ARCH = 256, SIZE, BATCH, STEPS, ITERATIONS, THREADS, SCALING, ISA, PRECISION, SHAPE, SECONDS,
    SVG, FAIL_ABOVE, JSON, CSV, MARKDOWN, HELP, SHOW_VERSION,
};

static const struct option long_options[] = {
    { "model", required_argument, NULL, 'm' },
    { "output", required_argument, NULL, 'o' },
    { "arch", required_argument, NULL, ARCH },
    { "size", required_argument, NULL, SIZE },
    { "batch", required_argument, NULL, BATCH },
    { "steps", required_argument, NULL, STEPS },
    { "iterations", required_argument, NULL, ITERATIONS },
    { "threads", required_argument, NULL, THREADS },
    { "scaling", no_argument, NULL, SCALING },
    { "isa", required_argument, NULL, ISA },
    { "precision", required_argument, NULL, PRECISION },
    { "shape", required_argument, NULL, SHAPE },
    { "seconds", required_argument, NULL, SECONDS },
    { "svg", required_argument, NULL, SVG },
    { "fail-above", required_argument, NULL, FAIL_ABOVE },
    { "json", no_argument, NULL, JSON },
    { "csv", no_argument, NULL, CSV },
    { "markdown", no_argument, NULL, MARKDOWN },
    { "help", no_argument, NULL, HELP },
    { "version", no_argument, NULL, SHOW_VERSION },
    { NULL, 0, NULL, 0 },
};

static int number(const char *option, const char *text, int most, int *out,
                  const struct sdrt_log *log)
{
    char *end;
    const long v = strtol(text, &end, 10);

    if (end == text || *end || v < 1 || v > most) {
        sdrt_fail(log, SDRT_E_ARG, "--%s %s: expected a whole number from 1 to %d", option, text,
                  most);
        return -1;
    }
    *out = (int)v;
    return 1;
}

static int positive(const char *option, const char *text, double *out, const struct sdrt_log *log)
{
    char *end;
    const double v = strtod(text, &end);

    if (end == text || *end || !(v >= 0.0) || !isfinite(v)) {
        sdrt_fail(log, SDRT_E_ARG, "--%s %s: expected a number from 0", option, text);
        return -1;
    }
    *out = v;
    return 1;
}

static int size(const char *text, struct sdrt_bench_options *o)
{
    char rest;

    if (sscanf(text, "%dx%d%c", &o->width, &o->height, &rest) == 2 && o->width > 0 &&
        o->height > 0 && o->width <= 8192 && o->height <= 8192)
        return 1;
    sdrt_fail(o->log, SDRT_E_ARG, "--size %s: expected WxH, up to 8192x8192", text);
    return -1;
}

static int output(const char *path, struct sdrt_bench_options *o)
{
    static const struct { const char *tail; enum sdrt_bench_format format; } forms[] = {
        { ".json", SDRT_FORMAT_JSON }, { ".csv", SDRT_FORMAT_CSV }, { ".md", SDRT_FORMAT_MARKDOWN },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(dot, forms[i].tail)) continue;
        if (o->outputs_n == SDRT_BENCH_OUTPUTS) {
            sdrt_fail(o->log, SDRT_E_ARG, "--output %s: expected %d files at most", path,
                      SDRT_BENCH_OUTPUTS);
            return -1;
        }
        o->outputs[o->outputs_n++] = (struct sdrt_bench_output){ path, forms[i].format };
        return 1;
    }
    sdrt_fail(o->log, SDRT_E_ARG, "--output %s: expected a name in .json, .csv or .md", path);
    return -1;
}

static int arch(const char *text, struct sdrt_bench_options *o)
{
    static const char *const known[] = { "sd15", "sd21", "sdxl", "sd35-medium", "sd35-large" };

    o->arch = text;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(text, known[i])) return 1;
    sdrt_fail(o->log, SDRT_E_ARG, "--arch %s: expected sd15, sd21, sdxl, sd35-medium or sd35-large",
              text);
    return -1;
}

static int complain(int c, char **argv, const struct sdrt_bench_options *o)
{
    const char *word = argv[optind - 1];

    if (c == ':')
        sdrt_fail(o->log, SDRT_E_ARG, "%s: expected a value after it; see --help", word);
    else if (optopt >= ARCH)
        sdrt_fail(o->log, SDRT_E_ARG, "%s: this option takes no value", word);
    else if (optopt)
        sdrt_fail(o->log, SDRT_E_ARG, "-%c: unknown option; see --help", optopt);
    else
        sdrt_fail(o->log, SDRT_E_ARG, "%s: unknown or ambiguous option; see --help", word);
    return -1;
}

/* What the command does and how. */
static int option(int c, char **argv, struct sdrt_bench_options *o)
{
    switch (c) {
    case 'm':          o->model = optarg; return 1;
    case 'o':          return output(optarg, o);
    case ARCH:         return arch(optarg, o);
    case SIZE:         return size(optarg, o);
    case BATCH:        return number("batch", optarg, 1024, &o->batch, o->log);
    case STEPS:        return number("steps", optarg, 1000, &o->steps, o->log);
    case ITERATIONS:   return number("iterations", optarg, 101, &o->iterations, o->log);
    case THREADS:      return number("threads", optarg, 1024, &o->threads, o->log);
    case SCALING:      o->scaling = 1; return 1;
    case ISA:          o->isa = optarg; return 1;
    case PRECISION:    o->precision = optarg; return 1;
    case SHAPE:        o->shape = optarg; return 1;
    case SECONDS:      return positive("seconds", optarg, &o->seconds, o->log);
    case SVG:          o->svg = optarg; return 1;
    case FAIL_ABOVE:   return positive("fail-above", optarg, &o->fail_above, o->log);
    case JSON:         o->format = SDRT_FORMAT_JSON; return 1;
    case CSV:          o->format = SDRT_FORMAT_CSV; return 1;
    case MARKDOWN:     o->format = SDRT_FORMAT_MARKDOWN; return 1;
    case HELP:         fputs(usage, stdout); return 0;
    case SHOW_VERSION: puts("sdbench " PACKAGE_VERSION); return 0;
    default:           return complain(c, argv, o);
    }
}

int sdrt_bench_parse(struct sdrt_bench_options *o, int argc, char **argv)
{
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":m:o:", long_options, NULL)) != -1) {
        const int go_on = option(c, argv, o);
        if (go_on <= 0) return go_on;
    }
    if (optind < argc) o->command = argv[optind++];
    if (optind < argc) o->what = argv[optind++];
    if (optind < argc) o->other = argv[optind++];
    if (optind < argc) {
        sdrt_fail(o->log, SDRT_E_ARG, "%s: one word too many; see --help", argv[optind]);
        return -1;
    }
    return 1;
}
