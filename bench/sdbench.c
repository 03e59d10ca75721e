/* SPDX-License-Identifier: MIT
 *
 * sdbench: how near the code comes to the machine's roof.
 */
#include "config.h"

#include "bench/sdbench.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: sdbench COMMAND [options]\n"
    "\n"
    "  roofline            what the machine can do at most, measured\n"
    "  kernels [FAMILY]    conv, gemm, attention, norm over the models' shapes\n"
    "  step                one evaluation of the U-Net on the guided pair\n"
    "  vae                 one VAE decode\n"
    "  text                one pass of the text encoder\n"
    "\n"
    "  -m, --model FILE|DIR    weights; random ones without\n"
    "      --arch NAME         sd15\n"
    "      --size WxH          of the image in pixels, 512x512\n"
    "      --batch N           step: 2; vae, text: 1\n"
    "      --iterations N      timed passes, 3\n"
    "      --threads N         one for each core\n"
    "      --isa NAME          generic, blas, avx2, avx512, amx; the best here\n"
    "      --precision NAME    f32, bf16; bf16 with amx, f32 elsewhere\n"
    "      --json              one JSON object on standard output\n"
    "      --help, --version\n";

static void print_log(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    fprintf(stderr, "sdbench: %s%s\n", level == SDRT_LOG_ERROR ? "error: " : "", text);
}

static int number(const char *option, const char *text, int least, int *out)
{
    char *end;
    const long v = strtol(text, &end, 10);

    if (end == text || *end || v < least || v > INT_MAX / 2) {
        fprintf(stderr, "sdbench: error: --%s %s: expected a whole number from %d\n", option, text,
                least);
        return 0;
    }
    *out = (int)v;
    return 1;
}

static int size(const char *text, struct sdrt_bench_options *o)
{
    char rest;

    if (sscanf(text, "%dx%d%c", &o->width, &o->height, &rest) == 2 && o->width > 0 &&
        o->height > 0 && o->width <= 8192 && o->height <= 8192)
        return 1;
    fprintf(stderr, "sdbench: error: --size %s: expected WxH, up to 8192x8192\n", text);
    return 0;
}

enum { ARCH = 256, SIZE, BATCH, ITERATIONS, THREADS, ISA, PRECISION, JSON, HELP, SHOW_VERSION };

static const struct option long_options[] = {
    { "model", required_argument, NULL, 'm' },
    { "arch", required_argument, NULL, ARCH },
    { "size", required_argument, NULL, SIZE },
    { "batch", required_argument, NULL, BATCH },
    { "iterations", required_argument, NULL, ITERATIONS },
    { "threads", required_argument, NULL, THREADS },
    { "isa", required_argument, NULL, ISA },
    { "precision", required_argument, NULL, PRECISION },
    { "json", no_argument, NULL, JSON },
    { "help", no_argument, NULL, HELP },
    { "version", no_argument, NULL, SHOW_VERSION },
    { NULL, 0, NULL, 0 },
};

/* 1: go on; 0: done; -1: usage error, already reported. */
static int option(int c, struct sdrt_bench_options *o)
{
    switch (c) {
    case 'm':        o->model = optarg; return 1;
    case SIZE:       return size(optarg, o) ? 1 : -1;
    case BATCH:      return number("batch", optarg, 1, &o->batch) ? 1 : -1;
    case ITERATIONS: return number("iterations", optarg, 1, &o->iterations) ? 1 : -1;
    case THREADS:    return number("threads", optarg, 1, &o->threads) ? 1 : -1;
    case ISA:        o->isa = optarg; return 1;
    case PRECISION:  o->precision = optarg; return 1;
    case JSON:       o->json = 1; return 1;
    case ARCH:
        if (!strcmp(optarg, "sd15")) return 1;
        fprintf(stderr, "sdbench: error: --arch %s: expected sd15\n", optarg);
        return -1;
    case HELP:       fputs(usage, stdout); return 0;
    case SHOW_VERSION:   puts("sdbench " PACKAGE_VERSION); return 0;
    default:         return -1; /* getopt has told */
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(const struct sdrt_bench_options *o);
    } commands[] = {
        { "roofline", sdrt_bench_roofline }, { "kernels", sdrt_bench_kernels },
        { "step", sdrt_bench_model }, { "vae", sdrt_bench_model }, { "text", sdrt_bench_model },
    };
    const struct sdrt_log log = { print_log, NULL };
    struct sdrt_bench_options o = { .width = 512, .height = 512, .iterations = 3, .log = &log };
    int c;

    while ((c = getopt_long(argc, argv, "m:", long_options, NULL)) != -1) {
        const int go_on = option(c, &o);
        if (go_on <= 0) return go_on == 0 ? 0 : 2;
    }
    o.command = optind < argc ? argv[optind++] : NULL;
    o.family = optind < argc ? argv[optind++] : NULL;
    for (size_t i = 0; o.command && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(o.command, commands[i].name)) continue;
        if (optind < argc || (o.family && strcmp(o.command, "kernels"))) break;
        const int status = commands[i].run(&o);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            fprintf(stderr, "sdbench: error: cannot write to standard output\n");
            return 1;
        }
        return status == SDRT_OK ? 0 : status == SDRT_E_ARG ? 2 : 1;
    }
    fprintf(stderr, "sdbench: error: expected one command: roofline, kernels [FAMILY], step, vae or "
            "text; see --help\n");
    return 2;
}
