/* SPDX-License-Identifier: MIT
 *
 * sdgen: an image from a prompt.
 */
#include "cli/process.h"
#include "tools/auto_option.h"
#include "tools/compare.h"
#include "tools/dump.h"
#include "tools/enlarge.h"
#include "tools/grid.h"
#include "tools/inputs.h"
#include "tools/many.h"
#include "tools/memory.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pictures.h"
#include "tools/plan_svg.h"
#include "tools/precision_auto.h"
#include "tools/progress.h"
#include "tools/prompt_file.h"
#include "tools/show.h"

#include "kernels/blas/leave.h"
#include "runtime/base/text.h"
#include "runtime/files/atomic_file.h"
#include "runtime/files/json.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { EXIT_USAGE = 2, EXIT_SIGNAL = 128 };

/* What the callbacks need. */
struct session {
    struct sdgen_options options;
    struct prompt_file prompts; /* of --prompt-file */
    struct progress progress;
    struct sdrt_log log;
    struct sdrt_context *context;
    struct show *show;       /* NULL: nothing is shown */
    struct compare *compare; /* NULL: images are kept */
    struct pictures pictures;
    struct output output;
    struct grid grid;
    struct enlarge enlarge;
    struct many many;
    int drawing;  /* under many ranks: what this one says concerns images */
    char **names; /* of the files that were written, n_names of them; owned */
    int n_names;
    int quiet;
    int errors;          /* error lines written */
    int callback_failed; /* a callback has told why it cancels */
};

/* What the signal handler needs; context and upscaler are NULL while there is none to cancel. */
static struct sdrt_context *volatile cancellable;
static struct sdrt_upscaler *volatile enlarging;
static volatile sig_atomic_t caught;
static const char interrupted[] = "sdgen: interrupted\n";

static void on_signal(int number)
{
    struct sdrt_context *context = cancellable;

    caught = number;
    if (context) sdrt_cancel(context);
    sdrt_upscaler_cancel(enlarging);
}

static void on_log(void *user, enum sdrt_log_level level, const char *text)
{
    static const char *const prefix[] = { "error: ", "warning: ", "" };
    struct session *s = user;

    if (level == SDRT_LOG_INFO && (s->quiet || (!s->drawing && !many_first(&s->many)))) return;
    /* One cause, one line: these have been told, and the library's "cancelled" is an echo. */
    if (level == SDRT_LOG_ERROR && (caught || s->callback_failed)) return;
    if (level == SDRT_LOG_ERROR && many_keeps(&s->many, text)) return;
    s->errors += level == SDRT_LOG_ERROR;
    progress_clear(&s->progress);
    show_leave(s->show);
    if (s->many.ranks)
        fprintf(stderr, "sdgen: rank %d: %s%s\n", s->many.ranks->rank, prefix[level], text);
    else fprintf(stderr, "sdgen: %s%s\n", prefix[level], text);
}

static int on_progress(void *user, enum sdrt_stage stage, int done, int total)
{
    struct session *s = user;

    progress_show(&s->progress, stage, done, total);
    return caught != 0;
}

static int on_dump(void *user, const char *name, const int dims[4], const float *data)
{
    struct session *s = user;

    if (!dump_wanted(name, s->options.dump_filter, s->options.dump_filters)) return caught != 0;
    if (dump_write(s->options.dump, name, dims, data, &s->log) == SDRT_OK) return caught != 0;
    s->callback_failed = 1;
    return 1;
}

static int on_preview(void *user, const uint8_t *pixels, int width, int height,
                      const struct sdrt_preview_at *at)
{
    struct session *s = user;

    (void)at;
    progress_clear(&s->progress);
    if (show_draw(s->show, pixels, width, height, &s->log) == SDRT_OK) return caught != 0;
    s->callback_failed = 1;
    return 1;
}

static int on_compare(void *user, const char *name, const int dims[4], const float *data)
{
    struct session *s = user;

    if (compare_tensor(s->compare, name, dims, data, &s->log) == SDRT_OK) return caught != 0;
    s->callback_failed = 1;
    return 1;
}

/* The sheet would take the place of an image of its name. */
static int check_apart(const struct session *s)
{
    int same = 0;

    for (int k = 0; k < s->output.total && !same; k++) {
        char *name = output_name(&s->output, k);
        if (!name) return SDRT_E_NOMEM; /* which it has told */
        same = !strcmp(name, s->options.grid);
        free(name);
    }
    if (!same) return SDRT_OK;
    return sdrt_fail(&s->log, SDRT_E_ARG, "--grid %s: expected another name than an image's",
                     s->options.grid);
}

/* Only --force takes the place of what is there. */
static int check_apart_from_inputs(const struct session *s)
{
    int status = inputs_check(&s->options, s->options.grid, &s->log);

    for (int k = 0; k < s->output.total && !status && !output_is_stdout(&s->output); k++) {
        char *name = output_name(&s->output, k);
        /* Without a name nothing is looked at; it has told why. */
        status = name ? inputs_check(&s->options, name, &s->log) : SDRT_E_NOMEM;
        free(name);
    }
    return status;
}

/* Every output that could be refused is refused before minutes of work. */
static int check_outputs(const struct session *s)
{
    const struct sdgen_options *o = &s->options;
    const struct output sheet = { .name = o->grid,
                                  .force = o->force,
                                  .total = 1,
                                  .request = &o->request,
                                  .log = &s->log };
    int status = SDRT_OK;

    if (o->plan_file) status = inputs_check(o, o->plan_file, &s->log);
    if (o->plan) return o->plan_file && !status ? sdrt_atomic_check(o->plan_file, &s->log) : status;
    status = output_check(&s->output);
    if (!status && o->force) status = check_apart_from_inputs(s);
    if (!status && o->grid) status = output_check(&sheet);
    if (!status && o->grid) status = check_apart(s);
    if (!status && o->dump) status = dump_check(o->dump, &s->log);
    return status;
}

/* How many prompts are drawn, one after the other. */
static int prompts_of(const struct session *s) { return s->options.prompt_file ? s->prompts.n : 1; }

/* Standard output may be a full disk too. */
static int finish_stdout(const struct session *s)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return SDRT_OK;
    return sdrt_fail(&s->log, SDRT_E_IO, "standard output: could not be written: %s",
                     strerror(errno ? errno : EIO));
}

/* The library's report, to which the outputs and the seed are added. */
static int print_json(const struct session *s)
{
    char *text = sdrt_report_json(s->context);
    json_t *report = NULL;
    json_t *outputs = json_array();
    int status = SDRT_OK, failed;

    if (text) sdrt_json_parse(&report, text, strlen(text), "report", NULL);
    failed = !json_is_object(report) || !outputs;

    for (int i = 0; i < s->n_names && !failed; i++) {
        /* A file's name may hold bytes that are no UTF-8, which JSON cannot hold. */
        json_t *value = json_string(s->names[i]);
        failed = json_array_append_new(outputs, value ? value : json_null());
    }
    /* JSON's integers are signed; a seed beyond them is written as text. */
    if (!failed && s->output.seed <= INT64_MAX)
        failed = json_object_set_new(report, "seed", json_integer((json_int_t)s->output.seed));
    else if (!failed)
        failed = json_object_set_new(report, "seed",
                                     json_sprintf("%llu", (unsigned long long)s->output.seed));
    if (!failed) failed = json_object_set(report, "outputs", outputs);
    if (failed) {
        status = sdrt_fail(&s->log, SDRT_E_NOMEM, "no memory for the JSON report");
        goto out;
    }
    json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
    putchar('\n');
    status = finish_stdout(s);
out:
    json_decref(outputs);
    json_decref(report);
    sdrt_free(text);
    return status;
}

static int inspect(const struct session *s)
{
    char *text = sdrt_inspect(s->options.inspect, &s->log);

    if (!text) return SDRT_E_FORMAT;
    fputs(text, stdout);
    sdrt_free(text);
    return finish_stdout(s);
}

static int plan_text(const struct session *s, enum sdrt_plan_form form, char **text)
{
    return sdrt_session_plan_text(sdrt_session_of(s->context), &s->options.request, form, text);
}

static int write_plan_svg(const struct session *s)
{
    const struct sdgen_options *o = &s->options;
    struct sdrt_atomic_file *out = NULL;
    char *json, *svg = NULL;
    size_t size = 0;
    int status = plan_text(s, SDRT_PLAN_JSON, &json);
    FILE *f = status ? NULL : open_memstream(&svg, &size);

    if (status) return status;
    if (f) status = plan_svg(json, f, &s->log);
    if (!f || fclose(f))
        status = sdrt_fail(&s->log, SDRT_E_NOMEM, "no memory for the plan's picture");
    if (!status) status = sdrt_atomic_open(&out, o->plan_file, &s->log);
    if (!status) {
        sdrt_atomic_write(out, svg, size);
        status = sdrt_atomic_commit(&out, &s->log);
    }
    sdrt_free(json);
    free(svg);
    return status;
}

static int write_plan(const struct session *s)
{
    const struct sdgen_options *o = &s->options;
    char *text;
    int status;

    if (o->plan_file && sdrt_ends_with(o->plan_file, ".svg")) return write_plan_svg(s);
    if (o->plan_file) return sdrt_write_plan(s->context, &o->request, o->plan_file);
    status = plan_text(s, o->json ? SDRT_PLAN_JSON : SDRT_PLAN_TABLE, &text);
    if (status) return status;
    fputs(text, stdout);
    if (o->json) putchar('\n');
    sdrt_free(text);
    return finish_stdout(s);
}

/* The name of image k, or where a file has come to be there meanwhile, another one; with many ranks "".  NULL
 * after a line. */
static char *free_name(const struct session *s, int k)
{
    struct output numbered = s->output;
    char *name = s->many.names ? strdup(s->many.names[k]) : output_name(&s->output, k);
    struct stat there;

    if (!name && s->many.names) sdrt_fail(&s->log, SDRT_E_NOMEM, "no memory for a file's name");
    numbered.name = NULL;
    if (!name || output_is_stdout(&s->output) || s->output.force || lstat(name, &there) ||
        !S_ISREG(there.st_mode))
        return name;
    if (s->many.ranks) { /* one that was given up for lost is late */
        sdrt_note(&s->log, SDRT_LOG_WARNING, "%s: is there already: it stays", name);
        *name = '\0';
        return name;
    }
    char *other = output_name(&numbered, k);
    if (other)
        sdrt_note(&s->log, SDRT_LOG_WARNING,
                  "%s: came to be there while this was drawn: it stays, and "
                  "the image is %s",
                  name, other);
    free(name);
    return other;
}

/* Writes image i of the last batch, which is k of all. */
static int write_image(struct session *s, int i, int k)
{
    char **names = realloc(s->names, ((size_t)s->n_names + 1) * sizeof *names);
    char *name = names ? free_name(s, k) : NULL;
    int status = name ? SDRT_OK : SDRT_E_NOMEM;

    if (!names) sdrt_fail(&s->log, status, "no memory for the name of image %d", k);
    if (names) s->names = names;
    if (!status && !*name) {
        free(name);
        return SDRT_OK;
    }
    if (!status)
        status = s->options.upscale
                     ? enlarge_image(&s->enlarge, &s->output, sdrt_session_of(s->context), i, name)
                     : output_write(&s->output, sdrt_session_of(s->context), i, name);
    s->drawing = 1;
    if (!status)
        sdrt_note(&s->log, SDRT_LOG_INFO, "%s (seed %llu)", name,
                  (unsigned long long)(s->output.seed + (uint64_t)k));
    s->drawing = 0;
    if (status) free(name);
    else s->names[s->n_names++] = name;
    return status;
}

/* The images of a batch, of which the first is that of all. */
static int write_images(struct session *s, int first)
{
    const struct sdgen_options *o = &s->options;
    int status = SDRT_OK, width, height;

    for (int i = 0; many_writes(&s->many) && i < o->request.batch && !status; i++) {
        const uint8_t *rgb = sdrt_image(s->context, i, &width, &height);
        if (!rgb) break;
        status = write_image(s, i, first + i);
        if (status || !o->grid) continue;
        status = grid_add(&s->grid, rgb, width, height,
                          sdrt_session_parameters(sdrt_session_of(s->context), i), &s->log);
    }
    return status;
}

/* The images first .. last - 1, each below the one before. */
static int show_images(const struct session *s, int first, int last)
{
    int status = SDRT_OK;

    for (int i = first; i < last && !status && !caught; i++) {
        int width, height;
        const uint8_t *pixels = sdrt_image(s->context, i, &width, &height);
        status = show_draw(s->show, pixels, width, height, &s->log);
        show_leave(s->show);
    }
    return status;
}

/* Writes the images, and shows them; the first takes the place of its last step's picture,
 * which is lost to it once a line has been written.  A terminal that fails loses no file. */
static int put_out_images(struct session *s, int first)
{
    const int n = s->options.request.batch, early = s->options.show_steps;
    int shown = SDRT_OK, status;

    if (early) {
        progress_clear(&s->progress);
        shown = show_images(s, 0, 1);
    }
    progress_finish(&s->progress);
    status = write_images(s, first);
    if (!status && !shown && s->options.show) shown = show_images(s, early, n);
    return status ? status : shown;
}

/* Draws batch i and keeps it. */
static int draw_batch(struct session *s, int i)
{
    int status;

    cancellable = s->context;
    status = sdrt_generate(s->context, &s->options.request);
    cancellable = NULL;
    /* Of a batch that was cancelled while it was decoded, some are ready. */
    if (!status || (status == SDRT_E_CANCELLED && sdrt_image(s->context, 0, NULL, NULL))) {
        const int kept = put_out_images(s, i * s->options.request.batch);
        return status ? status : kept;
    }
    progress_finish(&s->progress);
    return status;
}

static int draw(struct session *s)
{
    struct sdgen_options *o = &s->options;
    int status = memory_check(s->context, &s->options, &s->prompts, &s->log);

    status = many_agree(&s->many, status);
    if (!status && o->dump) status = dump_make_folder(o->dump, &s->log);
    if (!status && o->show) status = show_open(&s->show, &s->log);
    cli_end_at_once(NULL);
    if (status || caught) return status;
    o->request.preview = o->show_steps && s->show ? on_preview : NULL;
    if (o->random_seed)
        sdrt_note(&s->log, SDRT_LOG_INFO, "seed %llu", (unsigned long long)o->request.seed);
    for (int i = -1;
         !caught && (i = many_next(&s->many, i, prompts_of(s) * o->batch_count, status)) >= 0;) {
        o->request.seed = s->output.seed + (uint64_t)i * (uint64_t)o->request.batch;
        if (o->prompt_file) o->request.prompt = s->prompts.lines[i / o->batch_count];
        status = draw_batch(s, i);
    }
    if (!status && o->grid) status = grid_write(&s->grid, o->grid, o->quality, &s->log);
    if (!status && o->json && !caught) status = print_json(s);
    return status;
}

/* Draws in the precision that is the request's now. */
static int draw_compared(struct session *s, int first)
{
    struct sdgen_options *o = &s->options;
    int status = sdrt_open(&s->context, &o->model), width, height;

    if (!status && first) auto_apply(s->context, o, &s->log);
    if (!status) status = memory_check(s->context, &s->options, &s->prompts, &s->log);
    cli_end_at_once(NULL);
    if (!status && !caught) {
        cancellable = s->context;
        status = sdrt_generate(s->context, &o->request);
        cancellable = NULL;
    }
    cli_end_at_once(interrupted);
    progress_finish(&s->progress);
    for (int i = 0; i < o->request.batch && !status && !caught; i++) {
        const uint8_t *rgb = sdrt_image(s->context, i, &width, &height);
        status = compare_image(s->compare, i, rgb, width, height, &s->log);
    }
    sdrt_close(&s->context);
    return status;
}

/* The same request in each precision, one model at a time in memory. */
static int compare_precisions(struct session *s)
{
    struct sdgen_options *o = &s->options;
    int status = compare_open(&s->compare, "compare", o->compare, &s->log);
    const char *name;

    o->request.dump = on_compare;
    if (!status && o->random_seed)
        sdrt_note(&s->log, SDRT_LOG_INFO, "seed %llu", (unsigned long long)o->request.seed);
    for (int i = 0; !status && !caught && (name = compare_precision(s->compare, i)); i++) {
        sdrt_note(&s->log, SDRT_LOG_INFO, "in %s", name);
        compare_begin(s->compare, i);
        o->model.precision = name;
        status = draw_compared(s, i == 0);
    }
    if (!status && !caught) status = compare_print(s->compare, stdout, o->json, &s->log);
    compare_close(&s->compare);
    return status || caught ? status : finish_stdout(s);
}

static int on_enlarge(void *user, int done, int total)
{
    struct session *s = user;

    progress_show(&s->progress, (enum sdrt_stage)PROGRESS_ENLARGE, done, total);
    return caught != 0;
}

static int open_upscaler(struct session *s)
{
    s->enlarge.progress = on_enlarge;
    s->enlarge.user = s;
    const int status = enlarge_open(&s->enlarge, &s->options);
    enlarging = s->enlarge.upscaler;
    return status;
}

/* A picture that is there already. */
static int enlarge_picture(struct session *s)
{
    struct sdrt_picture_file file;
    int status = output_check(&s->output);
    char *name = NULL;

    memset(&file, 0, sizeof file);
    if (!status) status = sdrt_picture_file_read(&file, s->options.upscale_input, &s->log);
    if (!status) status = open_upscaler(s);
    if (!status && !(name = free_name(s, 0)))
        status = sdrt_fail(&s->log, SDRT_E_NOMEM, "no name for the picture");
    cli_end_at_once(NULL);
    if (!status && !caught) status = enlarge_file(&s->enlarge, &s->output, &file, name);
    progress_finish(&s->progress);
    if (!status && !caught)
        sdrt_note(&s->log, SDRT_LOG_INFO, "%s (%d times larger)", name,
                  sdrt_upscaler_scale(s->enlarge.upscaler));
    free(name);
    sdrt_picture_file_free(&file);
    return status;
}

static int exit_code(const struct session *s, int status)
{
    if (caught) {
        fputs(interrupted, stderr);
        return EXIT_SIGNAL + caught;
    }
    if (!status) return EXIT_SUCCESS;
    if (!s->errors && many_first(&s->many))
        fprintf(stderr, "sdgen: error: %s\n", sdrt_status_name(status));
    return status == SDRT_E_ARG ? EXIT_USAGE : EXIT_FAILURE;
}

static int run(struct session *s)
{
    const struct sdgen_options *o = &s->options;
    int status;

    if (o->upscale_input) return enlarge_picture(s);
    status = o->compare || !many_first(&s->many) ? SDRT_OK : check_outputs(s);
    status = many_begin(&s->many, &s->output, o->request.batch, status, &caught);
    if (!status && o->upscale) status = open_upscaler(s);

    if (!status) status = pictures_read(&s->pictures, &s->options, &s->log);
    if (!status && o->compare) return compare_precisions(s);
    if (!status && o->precision_db > 0.0)
        status = precision_choose(&s->options, &s->prompts, &s->log);
    if (!status) status = sdrt_open(&s->context, &o->model);
    if (!status && !o->precision_text) auto_apply(s->context, &s->options, &s->log);
    status = many_share(&s->many, s->context, o, status);
    if (!status && !caught) status = o->plan ? write_plan(s) : draw(s);
    return many_end(&s->many, status);
}

static int sdgen(int argc, char **argv)
{
    struct session s;
    int status = SDRT_OK;

    memset(&s, 0, sizeof s);
    s.log.fn = on_log;
    s.log.user = &s;
    switch (sdgen_parse(&s.options, argc, argv, &s.log)) {
    case CLI_USAGE: sdgen_options_free(&s.options); return EXIT_USAGE;
    case CLI_FAILED: sdgen_options_free(&s.options); return EXIT_FAILURE;
    case CLI_SHOWN: sdgen_options_free(&s.options); return exit_code(&s, finish_stdout(&s));
    case CLI_RUN: break;
    }
    s.quiet = s.options.quiet;
    progress_init(&s.progress, "sdgen", s.quiet || s.options.mpi);
    s.options.request.progress = on_progress;
    s.options.request.dump = s.options.dump ? on_dump : NULL;
    s.options.request.user = &s;
    if (s.options.prompt_file) status = prompt_file_read(&s.prompts, s.options.prompt_file, &s.log);
    if (!status) status = many_open(&s.many, &s.options, argc, argv, &s.log);
    s.output = (struct output){ .name = s.options.output,
                                .force = s.options.force,
                                .quality = s.options.quality,
                                .total = prompts_of(&s) * s.options.batch_count *
                                         s.options.request.batch,
                                .seed = s.options.request.seed,
                                .request = &s.options.request,
                                .log = &s.log };
    cli_end_at_once(interrupted);
    cli_catch_signals(on_signal);

    if (!status) status = s.options.inspect ? inspect(&s) : run(&s);
    enlarging = NULL;
    enlarge_close(&s.enlarge);
    sdrt_close(&s.context);
    show_close(&s.show);
    pictures_free(&s.pictures);
    grid_free(&s.grid);
    prompt_file_free(&s.prompts);
    for (int i = 0; i < s.n_names; i++) free(s.names[i]);
    free(s.names);
    sdgen_options_free(&s.options);
    status = exit_code(&s, status);
    many_close(&s.many, status);
    return status;
}

int main(int argc, char **argv)
{
    cli_open_standard();
    return sdrt_blas_leave(sdgen(argc, argv));
}
