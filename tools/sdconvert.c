/* SPDX-License-Identifier: MIT
 *
 * sdconvert: models from one kind of file to another.
 */
#include <config.h>

#include "cli/options.h"
#include "cli/process.h"
#include "runtime/base/text.h"
#include "tools/convert.h"
#include "tools/lora_option.h"
#include "tools/progress.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2, EXIT_SIGNAL = 128, MAX_RULES = 64, MAX_LORAS = 64 };

/* All strings are borrowed from argv. */
struct session {
    struct sdrt_log log;
    struct progress progress;
    const char *input, *output, *vae, *t5, *t5_tokenizer;
    struct convert_rule rules[MAX_RULES];
    struct sdrt_lora loras[MAX_LORAS]; /* but for their paths, which are owned */
    int n_rules, n_loras, check, quiet;
    double most;
};

static volatile sig_atomic_t caught;
static const char interrupted[] = "sdconvert: interrupted\n";

static void on_signal(int number) { caught = number; }

static void on_log(void *user, enum sdrt_log_level level, const char *text)
{
    static const char *const prefix[] = { "error: ", "warning: ", "" };
    struct session *s = user;

    if (level == SDRT_LOG_INFO && s->quiet) return;
    progress_clear(&s->progress);
    fprintf(stderr, "sdconvert: %s%s\n", prefix[level], text);
}

static int take_type(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct session *s = into;

    if (s->n_rules == MAX_RULES)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: is given more than %d times", name,
                         (int)MAX_RULES);
    return convert_rule_read(&s->rules[s->n_rules++], text, log);
}

static int take_lora(void *into, const char *name, const char *text, const struct sdrt_log *log)
{
    struct session *s = into;

    if (s->n_loras == MAX_LORAS)
        return sdrt_fail(log, SDRT_E_ARG, "--%s: is given more than %d times", name,
                         (int)MAX_LORAS);
    const int status = lora_option_read(&s->loras[s->n_loras], name, text, log);
    s->n_loras += status == SDRT_OK;
    return status;
}

#define AT(member) .where = offsetof(struct session, member)

static const struct cli_option table[] = {
    { "type", 't', CLI_CALL, "PATTERN=TYPE",
      "what tensors become, or TYPE for all; the first counts", .call = take_type },
    { "vae", 0, CLI_TEXT, "PATH", "a VAE in place of the model's; none: leave it out", AT(vae) },
    { "t5", 0, CLI_TEXT, "PATH", "a T5 in place of the model's; none: leave it out", AT(t5) },
    { "t5-tokenizer", 0, CLI_TEXT, "PATH", "for --lora, where no model's folder has it",
      AT(t5_tokenizer) },
    { "lora", 0, CLI_CALL, "FILE[:SCALE]", "a LoRA to merge in, again for more",
      .call = take_lora },
    { "check", 0, CLI_FLAG, NULL, "write nothing; compare the tensors of two models", AT(check) },
    { "most", 0, CLI_NUMBER, "E", "the largest relative error that --check takes (0)", AT(most), 0,
      HUGE_VAL },
    { "quiet", 0, CLI_FLAG, NULL, "errors and warnings only", AT(quiet) },
    { "version", 0, CLI_VERSION, NULL, "print the version", .where = 0 },
    { "help", 0, CLI_HELP, NULL, "print this", .where = 0 },
    { .name = NULL },
};

static const struct cli_program program = {
    .name = "sdconvert",
    .version = PACKAGE_VERSION,
    .column = 25,
    .options = table,
    .before =
        "usage: sdconvert [OPTION]... MODEL FILE.safetensors | FILE.gguf | FOLDER/\n"
        "       sdconvert --check [OPTION]... MODEL MODEL\n"
        "\n"
        "Writes a model, of a file that sdgen reads or a diffusers folder, as a single file, or as\n"
        "a diffusers folder where the name ends in a slash.\n"
        "\n",
    .after = "\n"
             "TYPE is keep, f32, f16, bf16, f8_e4m3, f8_e5m2 (safetensors), q8_0 or q4_k (GGUF);\n"
             "PATTERN a shell pattern for names of tensors.\n"
             "Exit status: 0 done, 1 failed or other, 2 wrong usage, 130 interrupted.\n",
};

/* Opens the model with all that is put in, left out or merged. */
static int open_input(struct convert_model *out, const struct session *s, int as_folder)
{
    const struct convert_inputs in = { s->input,        s->vae,   s->t5,
                                       s->t5_tokenizer, s->loras, s->n_loras };
    const int status = as_folder ? convert_open_folder(out, &in, &s->log)
                                 : convert_open(out, s->input, s->vae, s->t5, &s->log);

    return status == SDRT_OK && s->n_loras ? convert_merge(out, &in) : status;
}

static int convert(struct session *s)
{
    const int as_folder = sdrt_ends_with(s->output, "/");
    struct convert_model model;
    enum convert_format format = CONVERT_SAFETENSORS;
    int status;

    if (sdrt_ends_with(s->output, ".gguf")) format = CONVERT_GGUF;
    else if (!as_folder && !sdrt_ends_with(s->output, ".safetensors"))
        return sdrt_fail(&s->log, SDRT_E_ARG,
                         "%s: expected a name that ends in .safetensors or .gguf, or for a "
                         "diffusers folder in /",
                         s->output);
    status = open_input(&model, s, as_folder);
    if (status == SDRT_OK) status = convert_choose(&model, s->rules, s->n_rules, format);
    cli_end_at_once(NULL); /* the writers ask */
    if (status == SDRT_OK)
        status = as_folder ? convert_write_folder(&model, s->output, &s->progress, &caught)
                           : convert_write(&model, s->output, format, &s->progress, &caught);
    if (status == SDRT_OK) sdrt_note(&s->log, SDRT_LOG_INFO, "%s: %zu tensors", s->output, model.n);
    convert_close(&model);
    return status;
}

static int check(struct session *s)
{
    struct convert_model a, b = { .log = NULL };
    int same = 0, status = open_input(&a, s, 0);

    if (status == SDRT_OK) status = convert_open(&b, s->output, NULL, NULL, &s->log);
    if (status == SDRT_OK) status = convert_compare(&a, &b, s->most, &same, &s->progress, &caught);
    if (status == SDRT_OK && !same)
        status = sdrt_fail(&s->log, SDRT_E_NUMERIC, "%s: is not what %s is, within %g", s->output,
                           s->input, s->most);
    convert_close(&a);
    convert_close(&b);
    return status;
}

int main(int argc, char **argv)
{
    struct session s;
    int rest, status;

    cli_open_standard();
    memset(&s, 0, sizeof s);
    s.log.fn = on_log;
    s.log.user = &s;
    const enum cli_parsed parsed = cli_parse(&program, &s, argc, argv, &rest, &s.log);
    if (parsed == CLI_SHOWN) return EXIT_SUCCESS;
    if (parsed == CLI_RUN && rest + 2 != argc)
        sdrt_fail(&s.log, SDRT_E_ARG, "expected two names, found %d; try --help", argc - rest);
    if (parsed != CLI_RUN || rest + 2 != argc) return EXIT_USAGE;
    s.input = argv[rest];
    s.output = argv[rest + 1];
    progress_init(&s.progress, "sdconvert", s.quiet);
    cli_end_at_once(interrupted);
    cli_catch_signals(on_signal);
    status = s.check ? check(&s) : convert(&s);
    for (int i = 0; i < s.n_loras; i++) free((void *)(uintptr_t)s.loras[i].path);
    if (caught) {
        fputs(interrupted, stderr);
        return EXIT_SIGNAL + caught;
    }
    return !status ? EXIT_SUCCESS : status == SDRT_E_ARG ? EXIT_USAGE : EXIT_FAILURE;
}
