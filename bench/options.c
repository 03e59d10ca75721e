/* SPDX-License-Identifier: MIT
 *
 * The command line of sdbench.
 */
#include "config.h"

#include "bench/sdbench.h"
#include "cli/options.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/precision.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Calls take for each word of a list between commas; *list is the text where there are several. */
static int each(struct sdrt_bench_options *o, const char *name, const char *text, const char **list,
                int (*take)(struct sdrt_bench_options *o, const char *name, const char *word,
                            const struct sdrt_log *log),
                const struct sdrt_log *log)
{
    char word[32];
    int status = SDRT_OK;

    *list = strchr(text, ',') ? text : NULL;
    for (const char *p = text; p && status == SDRT_OK;) {
        const size_t n = strcspn(p, ",");
        if (n >= sizeof word)
            return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': a word too long", name, text);
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        status = take(o, name, word, log);
        p = p[n] ? p + n + 1 : NULL;
    }
    return status;
}

static int one_size(struct sdrt_bench_options *o, const char *name, const char *text,
                    const struct sdrt_log *log)
{
    char rest;

    if (sscanf(text, "%dx%d%c", &o->width, &o->height, &rest) == 2 && o->width > 0 &&
        o->height > 0 && o->width <= 8192 && o->height <= 8192)
        return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected WxH, up to 8192x8192", name, text);
}

static int one_count(struct sdrt_bench_options *o, const char *name, const char *text,
                     const struct sdrt_log *log)
{
    return cli_whole(&o->threads, name, text, 1, 1024, log);
}

static int one_precision(struct sdrt_bench_options *o, const char *name, const char *text,
                         const struct sdrt_log *log)
{
    struct sdrt_precision read;
    char what[96];

    (void)o;
    snprintf(what, sizeof what, "--%s '%.64s'", name, text);
    return sdrt_precision_read(&read, text, what, log);
}

static int take_size(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;
    return each(o, name, text, &o->sizes, one_size, log);
}

static int take_threads(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;
    return each(o, name, text, &o->thread_counts, one_count, log);
}

static int take_precision(void *into, const char *name, const char *text,
                          const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;

    o->precision = text;
    return each(o, name, text, &o->precisions, one_precision, log);
}

static int take_output(void *into, const char *name, const char *path, const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;
    static const struct {
        const char *tail;
        enum sdrt_bench_format format;
    } forms[] = {
        { ".json", SDRT_FORMAT_JSON }, { ".jsonl", SDRT_FORMAT_JSONL },
        { ".csv", SDRT_FORMAT_CSV },   { ".md", SDRT_FORMAT_MARKDOWN },
        { ".html", SDRT_FORMAT_HTML },
    };
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof forms / sizeof forms[0]; i++) {
        if (strcmp(dot, forms[i].tail)) continue;
        if (o->outputs_n == SDRT_BENCH_OUTPUTS)
            return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected %d files at most", name, path,
                             SDRT_BENCH_OUTPUTS);
        o->outputs[o->outputs_n++] = (struct sdrt_bench_output){ path, forms[i].format };
        return SDRT_OK;
    }
    return sdrt_fail(log, SDRT_E_ARG,
                     "--%s '%s': expected a name in .json, .jsonl, .csv, .md or .html", name, path);
}

/* What others measure, as far as it is told in public: UL's Procyon AI Image Generation (16 images, in
 * batches of 4 or 1) and MLPerf Inference's text to image. */
static const struct {
    const char *name, *arch;
    int side, batch, steps;
    double cfg_scale;
} presets[] = {
    { "procyon-sd15", "sd15", 512, 4, 100, 7.5 },
    { "procyon-sdxl", "sdxl", 1024, 1, 100, 7.5 },
    { "mlperf-sdxl", "sdxl", 1024, 1, 20, 8.0 },
};
enum { PRESETS = sizeof presets / sizeof *presets };

static const char *preset_name(int i) { return i >= 0 && i < PRESETS ? presets[i].name : NULL; }

static int take_preset(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;
    const int i = sdrt_choice(preset_name, text);
    char known[SDRT_CHOICES];

    if (i < 0)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected %s", name, text,
                         sdrt_choices(known, preset_name));
    o->preset = presets[i].name;
    o->arch = presets[i].arch;
    o->width = o->height = presets[i].side;
    o->batch = presets[i].batch;
    o->steps = presets[i].steps;
    o->cfg_scale = presets[i].cfg_scale;
    return SDRT_OK;
}

/* The option's name is the form's. */
static int take_form(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;

    (void)text;
    (void)log;
    o->format = !strcmp(name, "json")  ? SDRT_FORMAT_JSON
                : !strcmp(name, "csv") ? SDRT_FORMAT_CSV
                                       : SDRT_FORMAT_MARKDOWN;
    return SDRT_OK;
}

/* What ranks share; the first where none is named. */
static const char *way_of_ranks(int i)
{
    static const char *const names[] = { "images", "guidance", "rows" };

    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

static int take_mpi(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct sdrt_bench_options *o = into;
    const int i = text ? sdrt_choice(way_of_ranks, text) : 0;
    char known[SDRT_CHOICES];

    if (i < 0)
        return sdrt_fail(log, SDRT_E_ARG, "--%s '%s': expected %s", name, text,
                         sdrt_choices(known, way_of_ranks));
    o->mpi = way_of_ranks(i);
    return SDRT_OK;
}

#define AT(member) .where = offsetof(struct sdrt_bench_options, member)

static const struct cli_option table[] = {
    { "model", 'm', CLI_TEXT, "FILE|DIR", "weights; random ones without", AT(model) },
    { "arch", 0, CLI_NAME, "NAME", "of random weights: %s; sd15", AT(arch),
      .names = sdrt_arch_name },
    { "size", 0, CLI_CALL, "WxH",
      "of the image in pixels, 512x512; several between commas: each in turn", .call = take_size },
    { "batch", 0, CLI_WHOLE, "N", "step: 2; vae, text, generate: 1", AT(batch), 1, 1024 },
    { "bands", 0, CLI_WHOLE, "N", "vae: in bands of N rows, beside the whole one", AT(bands), 16,
      8192 },
    { "taesd", 0, CLI_TEXT, "FILE",
      "vae: a TAESD, beside the VAE; random: of random weights, as they are", AT(taesd) },
    { "preset", 0, CLI_CALL, "NAME", "generate: another program's settings: %s",
      .call = take_preset, .names = preset_name },
    { "steps", 0, CLI_WHOLE, "N", "generate: 20", AT(steps), 1, 1000 },
    { "iterations", 0, CLI_WHOLE, "N", "timed passes, 5; generate: images, 1", AT(iterations), 1,
      101 },
    { "threads", 0, CLI_CALL, "N", "one for each core; several between commas: each in turn",
      .call = take_threads },
    { "until-spread", 0, CLI_NUMBER, "P",
      "step, vae, text, generate: more passes until the spread is below P percent",
      AT(until_spread), 0, 100 },
    { "max-seconds", 0, CLI_NUMBER, "S", "--until-spread: for no longer, 60", AT(max_seconds), 0,
      HUGE_VAL },
    { "gflops", 0, CLI_NUMBER, "N", "ranks: what each machine computes at, this one's roof",
      AT(gflops), 0, HUGE_VAL },
    { "scaling", 0, CLI_FLAG, NULL, "step, vae, text: one thread beside --threads", AT(scaling) },
    { "mpi", 0, CLI_CALL, "[=NAME]",
      "step, vae, generate: by the processes that mpirun started, beside the first alone; %s: what each "
      "computes a part of, images",
      .call = take_mpi, .names = way_of_ranks },
    { "mpi-timeout", 0, CLI_NUMBER, "S", "--mpi: how long one may say nothing, 600",
      AT(mpi_timeout), 0.1, 86400 },
    { "isa", 0, CLI_TEXT, "NAME", "%s; the best. kernels: also all", AT(isa),
      .names = sdrt_level_name },
    { "precision", 0, CLI_CALL, "NAME",
      "%s; the best of the instruction set; several between commas: each in turn",
      .call = take_precision, .names = sdrt_precision_name },
    { "device", 0, CLI_TEXT, "NAME", "cpu, cuda or cuda:N; cpu", AT(device) },
    { "shape", 0, CLI_TEXT, "TEXT",
      "kernels: one, as \"conv 2x64x64 320>320 k3 s1\", or those whose name holds TEXT",
      AT(shape) },
    { "shapes", 0, CLI_TEXT, "FILE", "kernels: those of a JSON file, for the models'", AT(shapes) },
    { "kernel", 0, CLI_TEXT, "FILE", "kernels: checks and times one of your own, a shared object",
      AT(kernel) },
    { "asm", 0, CLI_TEXT, "SHAPE",
      "kernels: writes its inner loop, with clocks measured and predicted by llvm-mca",
      AT(assembly) },
    { "quick", 0, CLI_FLAG, NULL, "score: only whether it works, in some seconds", AT(quick) },
    { "unchecked", 0, CLI_FLAG, NULL, "score: times without a verdict, and gives no score",
      AT(unchecked) },
    { "outliers", 0, CLI_NUMBER, "X",
      "error: of random weights, one channel in 97 of what norms leave is X times the others",
      AT(outliers), 1, 1000 },
    { "seed", 0, CLI_WHOLE, "N", "--kernel: of the numbers that it is checked with", AT(seed), 1,
      INT_MAX },
    { "seconds", 0, CLI_NUMBER, "S", "kernels: for each figure, 0.3", AT(seconds), 0, HUGE_VAL },
    { "svg", 0, CLI_TEXT, "FILE", "roofline: draws the picture", AT(svg) },
    { "fail-above", 0, CLI_NUMBER, "P", "compare: exit 3 when something is P percent slower",
      AT(fail_above), 0, HUGE_VAL },
    { "anyway", 0, CLI_FLAG, NULL, "compare: also what is not the same work", AT(anyway) },
    { "output", 'o', CLI_CALL, "FILE",
      "also writes .json, .jsonl, .csv or .md, by its name; up to 4; page: .html",
      .call = take_output },
    { "json", 0, CLI_CALL, NULL, "JSON on standard output", .call = take_form },
    { "csv", 0, CLI_CALL, NULL, "CSV on standard output", .call = take_form },
    { "markdown", 0, CLI_CALL, NULL, "Markdown on standard output", .call = take_form },
    { "version", 0, CLI_VERSION, NULL, "print the version", .where = 0 },
    { "help", 0, CLI_HELP, NULL, "print this", .where = 0 },
    { .name = NULL },
};

_Static_assert(sizeof table / sizeof *table <= SDRT_BENCH_OPTIONS, "marks for all options");

static const struct cli_program program = {
    .name = "sdbench",
    .marks = offsetof(struct sdrt_bench_options, given),
    .version = PACKAGE_VERSION,
    .column = 26,
    .options = table,
    .after = "",
    .before =
        "usage: sdbench COMMAND [options]\n"
        "\n"
        "  roofline [NETWORK]  what the machine can do at most, measured; with --svg the\n"
        "                      picture, with every operation of a network on it\n"
        "  kernels [FAMILY]    attention, conv, gemm, gn_sums, gn_fold, layer_norm,\n"
        "                      rms_norm, elementwise over the models' shapes\n"
        "  shapes [FAMILY]     those shapes, as --shapes and --shape take them\n"
        "  layers [NETWORK]    one pass of unet, vae, text or text2, operation by operation\n"
        "  ranks               what a step would take on 2 to 16 machines that share a picture's\n"
        "                      rows: a model, of bytes and two networks' rates\n"
        "  step                one evaluation of the U-Net (or of SD 3.x's MMDiT) on the\n"
        "                      guided pair\n"
        "  vae                 one VAE decode\n"
        "  text, text2         one pass of the text encoder; of the second, where there is one\n"
        "  generate            a whole image: load, text, denoise, decode\n"
        "  score               one workload that does not change, valid only if its results\n"
        "                      are right; its last line is the score\n"
        "  error [NETWORK]     how far a pass of unet, vae or text is from its own in f32, in each\n"
        "                      precision that this machine has\n"
        "  page FILE...        results files as a page of HTML that needs no network\n"
        "  compare A B         two files that --output wrote as .json\n"
        "\n",
};

/* Which commands an option means something to; those that are not here go with all. */
static const struct {
    const char *option, *commands;
} uses[] = {
    { "model", "layers ranks roofline step vae text text2 generate error" },
    { "arch", "layers ranks roofline step vae text text2 generate error" },
    { "size", "layers ranks roofline step vae text text2 generate error" },
    { "batch", "layers ranks roofline step vae text text2 generate error" },
    { "bands", "vae" },
    { "taesd", "vae layers" },
    { "steps", "generate" },
    { "preset", "generate" },
    { "iterations", "roofline layers step vae text text2 generate" },
    { "threads", "roofline kernels layers ranks step vae text text2 generate score error" },
    { "scaling", "step vae text text2" },
    { "gflops", "ranks" },
    { "mpi", "step vae generate" },
    { "mpi-timeout", "step vae generate" },
    { "until-spread", "step vae text text2 generate" },
    { "max-seconds", "step vae text text2 generate" },
    { "isa", "roofline kernels layers ranks step vae text text2 generate score error" },
    { "precision", "roofline kernels layers ranks step vae text text2 generate score error" },
    { "outliers", "error" },
    { "device", "roofline kernels layers step vae text text2 generate score" },
    { "shape", "kernels shapes" },
    { "shapes", "kernels shapes" },
    { "kernel", "kernels" },
    { "asm", "kernels" },
    { "seed", "kernels" },
    { "quick", "score" },
    { "unchecked", "score" },
    { "seconds", "kernels" },
    { "svg", "roofline" },
    { "fail-above", "compare" },
    { "anyway", "compare" },
};

static int has_word(const char *list, const char *word)
{
    const size_t n = strlen(word);

    for (const char *p = list; (p = strstr(p, word)); p += n)
        if ((p == list || p[-1] == ' ') && (!p[n] || p[n] == ' ')) return 1;
    return 0;
}

int sdrt_bench_check_uses(const struct sdrt_bench_options *o)
{
    for (int i = 0; table[i].name; i++)
        for (size_t u = 0; o->given[i] && u < sizeof uses / sizeof *uses; u++)
            if (!strcmp(uses[u].option, table[i].name) && !has_word(uses[u].commands, o->command))
                return sdrt_fail(o->log, SDRT_E_ARG,
                                 "--%s plays no part in %s: expected it with one of %s",
                                 table[i].name, o->command, uses[u].commands);
    return SDRT_OK;
}

/* What is decoded otherwise, and beside what. */
int sdrt_bench_check_vae(const struct sdrt_bench_options *o)
{
    const int random = o->taesd && !strcmp(o->taesd, "random");

    if (o->bands % 8)
        return sdrt_fail(o->log, SDRT_E_ARG, "--bands %d: expected a multiple of 8", o->bands);
    if (o->bands && (o->taesd || sdrt_bench_on_gpu(o)))
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--bands: expected the VAE on the processor, without %s",
                         o->taesd ? "--taesd" : "--device");
    if ((o->bands || o->taesd) && o->scaling)
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--scaling: expected it without --bands and --taesd, which "
                         "stand beside the whole VAE");
    if (o->taesd && random != !o->model)
        return sdrt_fail(o->log, SDRT_E_ARG, "--taesd '%s': expected %s", o->taesd,
                         random ? "a file beside --model" : "\"random\" without --model");
    return SDRT_OK;
}

int sdrt_bench_on_gpu(const struct sdrt_bench_options *o)
{
    return o->device && strcmp(o->device, "cpu");
}

int sdrt_bench_parse(struct sdrt_bench_options *o, int argc, char **argv)
{
    int rest = 0;
    const enum cli_parsed parsed = cli_parse(&program, o, argc, argv, &rest, o->log);

    if (parsed != CLI_RUN) return parsed == CLI_SHOWN ? 0 : -1;
    if (rest < argc) o->command = argv[rest++];
    o->words = argv + rest;
    o->words_n = argc - rest;
    if (rest < argc) o->what = argv[rest++];
    if (rest < argc) o->other = argv[rest++];
    if (rest < argc && strcmp(o->command, "page")) {
        sdrt_fail(o->log, SDRT_E_ARG, "%s: one word too many; see --help", argv[rest]);
        return -1;
    }
    return 1;
}
