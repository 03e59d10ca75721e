/* SPDX-License-Identifier: MIT
 *
 * sdbench: how near the code comes to the machine's roof.
 */
#include "bench/many.h"
#include "bench/report.h"
#include "bench/sdbench.h"
#include "bench/sweep.h"
#include "kernels/blas/leave.h"
#include "runtime/base/choices.h"
#include "runtime/files/atomic_file.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(const struct sdrt_bench_options *o, struct sdrt_report *r);
    int least, most; /* words after it */
} commands[] = {
    { "roofline", sdrt_bench_roofline, 0, 1 }, { "kernels", sdrt_bench_kernels, 0, 1 },
    { "layers", sdrt_bench_layers, 0, 1 },     { "step", sdrt_bench_model, 0, 0 },
    { "vae", sdrt_bench_model, 0, 0 },         { "text", sdrt_bench_model, 0, 0 },
    { "text2", sdrt_bench_model, 0, 0 },       { "generate", sdrt_bench_generate, 0, 0 },
    { "compare", sdrt_bench_compare, 2, 2 },   { "shapes", sdrt_bench_shapes, 0, 1 },
    { "ranks", sdrt_bench_ranks, 0, 0 },       { "score", sdrt_bench_score, 0, 0 },
    { "error", sdrt_bench_error, 0, 1 },       { "page", sdrt_bench_page, 1, 2 },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const char *command_name(int i) { return i >= 0 && i < COMMANDS ? commands[i].name : NULL; }

static void print_log(void *user, enum sdrt_log_level level, const char *text)
{
    /* What concerns all is said once. */
    if (level == SDRT_LOG_INFO && !sdrt_bench_is_first(user)) return;
    if (level == SDRT_LOG_ERROR && sdrt_bench_keeps(user, text)) return;
    fprintf(stderr, "sdbench: %s%s\n", level == SDRT_LOG_ERROR ? "error: " : "", text);
}

/* The command, or NULL after a line that says what is wrong. */
static const struct command *find(const struct sdrt_bench_options *o)
{
    const int words = (o->what != NULL) + (o->other != NULL);
    const int i = o->command ? sdrt_choice(command_name, o->command) : -1;
    char known[SDRT_CHOICES];

    if (!o->command)
        sdrt_fail(o->log, SDRT_E_ARG, "no command: expected %s; see --help",
                  sdrt_choices(known, command_name));
    else if (i < 0)
        sdrt_fail(o->log, SDRT_E_ARG, "unknown command \"%s\": expected %s", o->command,
                  sdrt_choices(known, command_name));
    else if (words < commands[i].least)
        sdrt_fail(o->log, SDRT_E_ARG, "%s: expected %s after it", o->command,
                  commands[i].least > 1 ? "two files" : "a file");
    else if (words > commands[i].most)
        sdrt_fail(o->log, SDRT_E_ARG, "%s: one word too many after %s; see --help",
                  o->other ? o->other : o->what, o->command);
    else if (sdrt_bench_check_uses(o) == SDRT_OK && sdrt_bench_check_many(o) == SDRT_OK)
        return &commands[i];
    return NULL;
}

/* Before minutes of work, not after. */
static int check_outputs(const struct sdrt_bench_options *o)
{
    int status = o->svg ? sdrt_atomic_check(o->svg, o->log) : SDRT_OK;

    for (int i = 0; i < o->outputs_n && status == SDRT_OK; i++) {
        const int html = o->outputs[i].format == SDRT_FORMAT_HTML,
                  page = !strcmp(o->command, "page");
        if (html != page)
            status = sdrt_fail(o->log, SDRT_E_ARG, "--output '%s': expected %s", o->outputs[i].path,
                               page ? "a name in .html" : "no .html, which page alone writes");
        else status = sdrt_atomic_check(o->outputs[i].path, o->log);
    }
    return status;
}

static const struct command *chosen;

static int run(const struct sdrt_bench_options *o)
{
    const struct command *command = chosen;
    const int first = sdrt_bench_is_first(o->many);
    struct sdrt_report *report = NULL;
    int status = o->sink || !first ? SDRT_OK : check_outputs(o), verdict;

    if (status == SDRT_OK) status = sdrt_report_create(&report, o);
    status = sdrt_bench_agree(o->many, status, o->log);
    verdict = status != SDRT_OK ? status
              : o->mpi          ? sdrt_bench_together(o, report)
                                : command->run(o, report);
    if (verdict >= SDRT_OK && command->run != sdrt_bench_page && !o->assembly && first)
        status = sdrt_report_write(report);
    sdrt_report_free(&report);
    if (verdict >= SDRT_OK && status == SDRT_OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = sdrt_fail(o->log, SDRT_E_IO, "cannot write to standard output");
    if (verdict < SDRT_OK) status = verdict;
    if (status == SDRT_OK) return verdict == SDRT_BENCH_SLOWER ? 3 : 0;
    return status == SDRT_E_ARG ? 2 : 1;
}

static int run_together(struct sdrt_bench_options *o, struct sdrt_bench_many *many, int argc,
                        char **argv)
{
    const int status = sdrt_bench_many_open(many, o, argc, argv);
    const int result = status == SDRT_OK ? run(o) : 1;

    sdrt_bench_many_close(many, o->log);
    return result;
}

static int sdbench(int argc, char **argv)
{
    struct sdrt_bench_many many = { .ranks = NULL };
    const struct sdrt_log log = { print_log, &many };
    struct sdrt_bench_options o = {
        .width = 512,
        .height = 512,
        .steps = 20,
        .seconds = 0.3,
        .max_seconds = 60.0,
        .fail_above = -1.0,
        .arch = "sd15",
        .log = &log,
    };
    const int go_on = sdrt_bench_parse(&o, argc, argv);

    if (go_on <= 0) {
        if (go_on == 0 && (fflush(stdout) != 0 || ferror(stdout))) return 1;
        return go_on == 0 ? 0 : 2;
    }
    chosen = find(&o);
    if (!chosen) return 2;
    if (!sdrt_bench_is_sweep(&o)) return run_together(&o, &many, argc, argv);
    const int status = check_outputs(&o);
    return status == SDRT_OK ? sdrt_bench_sweep(&o, run) : status == SDRT_E_ARG ? 2 : 1;
}

int main(int argc, char **argv) { return sdrt_blas_leave(sdbench(argc, argv)); }
