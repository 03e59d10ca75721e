/* SPDX-License-Identifier: MIT
 *
 * sdbench step, vae, text: one pass of one network, on all workers and, to see how it scales, on
 * one beside.
 */
#include "bench/pass.h"
#include "bench/report.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_ITERATIONS = 5 };

struct run {
    struct sdrt_bench_pass pass;
    struct sdrt_times times, joules;
    struct sdrt_times clocks; /* GHz of one worker after each pass */
    struct { struct sdrt_times times; double flop; } classes[SDRT_CLASSES]; /* of one pass */
};

static const struct sdrt_column columns[] = {
    { "name", "pass", 0, 0 },            { "threads", "threads", 0, 0 },
    { "first_ms", "first ms", 1, 0 },    { "ms", "median ms", 2, 0 },
    { "ms_min", "min ms", 2, 0 },        { "spread", "spread %", 1, 100 },
    { "gflop", "GFLOP", 1, 0 },          { "tflops", "TFLOP/s", 4, 0 },
    { "roof_share", "of roof %", 1, 100 }, { "joules", "J", 1, 0 },
};

static const struct sdrt_column class_columns[] = {
    { "name", "class", 0, 0 },  { "ms", "ms", 2, 0 },   { "share", "share %", 1, 100 },
    { "gflop", "GFLOP", 2, 0 }, { "roof_share", "of roof %", 1, 100 },
};

static const char *network_of(const char *command)
{
    return strcmp(command, "step") ? command : "unet";
}

/* Seconds that the arithmetic of a pass takes at the roof: of one class, or of all. */
static double least_of(const struct run *run, int class_)
{
    const struct sdrt_bench_pass *p = &run->pass;
    const struct sdrt_program *program;
    struct sdrt_step_info info;
    double least = 0.0;
    int times;

    for (int k = 0; (program = sdrt_pass_program(p, k, &times)); k++)
        for (int i = 0; i < sdrt_program_steps(program); i++) {
            sdrt_program_step(program, i, &info);
            if (class_ == SDRT_CLASSES || (int)info.class_ == class_)
                least += times *
                         sdrt_roof_step_seconds(sdrt_roof_of(p->meter), p->precision, &info);
        }
    return least;
}

static json_t *share(const struct run *run, int class_, double seconds)
{
    return sdrt_report_real(least_of(run, class_) / seconds);
}

static int measure(struct run *run)
{
    struct sdrt_bench_pass *p = &run->pass;
    struct sdrt_step_info info;
    double seconds, classes[SDRT_CLASSES] = { 0.0 };
    const struct sdrt_program *program;
    int times;
    const int status = sdrt_pass_run(p, &seconds);

    if (status != SDRT_OK) return status;
    sdrt_bench_add(&run->times, seconds);
    if (isfinite(p->joules)) sdrt_bench_add(&run->joules, p->joules);
    if (!sdrt_device_is_host(
            p->context->model->device)) { /* where that costs, in a pass of its own */
        struct sdrt_queue *queue = p->context->session->queue;
        sdrt_queue_time_steps(queue, 1);
        const int timed = sdrt_pass_run(p, &seconds);
        sdrt_queue_time_steps(queue, 0);
        if (timed != SDRT_OK) return timed;
    }
    for (int i = 0; i < SDRT_CLASSES; i++) run->classes[i].flop = 0.0;
    for (int k = 0; (program = sdrt_pass_program(p, k, &times)); k++)
        for (int i = 0; i < sdrt_program_steps(program); i++) {
            sdrt_program_step(program, i, &info);
            classes[info.class_] += info.seconds;
            run->classes[info.class_].flop += info.flop * times;
        }
    for (int i = 0; i < SDRT_CLASSES; i++) sdrt_bench_add(&run->classes[i].times, classes[i]);
    sdrt_roof_try(p->meter);
    const struct sdrt_times *clock = &sdrt_roof_of(p->meter)->samples[SDRT_ROOF_CLOCK];
    if (clock->n) sdrt_bench_add(&run->clocks, clock->s[clock->n - 1]);
    return SDRT_OK;
}

static void add_row(const struct run *run, const char *name, struct sdrt_report *r)
{
    const struct sdrt_summary s = sdrt_bench_summary(&run->times);
    const struct sdrt_summary j = sdrt_bench_summary(&run->joules);

    sdrt_report_row(r, json_pack(
        "{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o}", "name", name, "threads",
        run->pass.context->session->queue->workers, "first_ms", run->pass.first * 1e3, "ms", s.median * 1e3,
        "ms_min", s.min * 1e3, "spread", s.spread, "gflop", run->pass.flop * 1e-9, "tflops",
        run->pass.flop / s.median * 1e-12, "roof_share",
        share(run, SDRT_CLASSES, s.median), "joules",
        run->joules.n ? json_real(j.median) : json_null(), "samples_ms",
        sdrt_bench_samples(&run->times, 1e3)));
}

static void add_classes(const struct run *run, struct sdrt_report *r)
{
    double median[SDRT_CLASSES], all = 0.0;
    char key[64];

    for (int i = 0; i < SDRT_CLASSES; i++) {
        median[i] = sdrt_bench_summary(&run->classes[i].times).median;
        all += median[i];
    }
    sdrt_report_table(r, "class_table", class_columns,
                      sizeof class_columns / sizeof class_columns[0]);
    for (int i = 0; i < SDRT_CLASSES; i++) {
        const double seconds = median[i], flop = run->classes[i].flop;
        snprintf(key, sizeof key, "classes.%s", sdrt_step_class_names[i]);
        sdrt_report_value(r, key, json_pack("{s:f, s:f, s:o}", "ms", seconds * 1e3, "gflop",
                                            flop * 1e-9, "roof_share",
                                            seconds > 0.0 ? share(run, i, seconds)
                                                          : json_real(0.0)));
        sdrt_report_row(r, json_pack("{s:s, s:f, s:f, s:f, s:o}", "name", sdrt_step_class_names[i],
                                     "ms", seconds * 1e3, "share", seconds / all, "gflop",
                                     flop * 1e-9, "roof_share",
                                     share(run, i, seconds)));
    }
}

/* Passes after which the clock was lower than the best one found, by more than a try differs from
 * the next: the machine was too hot, or shared. */
static void add_throttled(const struct run *run, struct sdrt_report *r)
{
    const double low = 0.95 * sdrt_roof_of(run->pass.meter)->best[SDRT_ROOF_CLOCK];
    json_t *which = json_array();
    int n = 0;

    for (int i = 0; i < run->clocks.n && which; i++)
        if (run->clocks.s[i] < low) {
            n++;
            json_array_append_new(which, json_integer(i));
        }
    sdrt_report_value(r, "throttled", which);
    sdrt_report_value(r, "clocks_ghz", sdrt_bench_samples(&run->clocks, 1.0));
    if (n)
        sdrt_report_warn(
            r,
            "%d of %d passes were throttled: the clock after them was more than 5 %% below "
            "the best of this run",
            n, run->clocks.n);
}

static void add_summary(const struct run *run, struct sdrt_report *r)
{
    const struct sdrt_summary s = sdrt_bench_summary(&run->times);

    sdrt_report_number(r, "ms", s.median * 1e3, NULL, "", 0);
    sdrt_report_number(r, "ms_min", s.min * 1e3, NULL, "", 0);
    sdrt_report_number(r, "spread", s.spread, NULL, "", 0);
    sdrt_report_number(r, "gflop", run->pass.flop * 1e-9, NULL, "", 0);
    sdrt_report_number(r, "gflops", run->pass.flop / s.median * 1e-9, NULL, "", 0);
    sdrt_report_value(r, "roof_share", share(run, SDRT_CLASSES, s.median));
    if (!run->joules.n)
        sdrt_report_text(r, "energy", "n/a: no RAPL counter can be read", "energy");
}

/* How much faster all are than one, beside the roof's own. */
static void add_scaling(const struct run *all, const struct run *one, struct sdrt_report *r)
{
    const double ratio = sdrt_bench_summary(&one->times).median /
                         sdrt_bench_summary(&all->times).median;

    sdrt_roof_facts(sdrt_roof_of(one->pass.meter), r, "one", "roof of one");
    sdrt_report_number(r, "scaling.ratio", ratio, "scaling", "times as fast as one thread", 3);
    sdrt_report_number(r, "scaling.roof_ratio", least_of(one, SDRT_CLASSES) / least_of(all, SDRT_CLASSES), "roof's scaling",
                       "times", 3);
}

/* How much faster than the whole VAE, which ran in turn with it, or slower. */
static void add_ratio(const struct run *all, const struct run *whole, struct sdrt_report *r)
{
    const double ratio = sdrt_bench_summary(&whole->times).median /
                         sdrt_bench_summary(&all->times).median;

    sdrt_report_number(r, "whole.ratio", ratio, "the whole VAE takes", "times as long", 2);
    sdrt_report_number(r, "whole.arena_mib",
                       (double)(whole->pass.context->session->persistent_bytes +
                                whole->pass.workspace) /
                           (1 << 20),
                       "its arena", "MiB", 1);
}

/* What runs in turn with the pass: it on one thread, or the whole VAE. */
static int open_beside(struct run *beside, const struct sdrt_bench_options *o)
{
    struct sdrt_bench_options plain = *o;

    plain.bands = 0;
    plain.taesd = NULL;
    return sdrt_pass_open(&beside->pass, &plain, network_of(o->command),
                          o->scaling ? 1 : o->threads);
}

static void add_rows(const struct run *all, const struct run *beside,
                     const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    char name[32];

    if (o->scaling) add_scaling(all, beside, r);
    else if (beside->times.n) add_ratio(all, beside, r);
    sdrt_report_table(r, "passes", columns, sizeof columns / sizeof columns[0]);
    add_row(all, o->taesd ? "vae, TAESD" : o->bands ? "vae, bands" : o->command, r);
    snprintf(name, sizeof name, "%s, %s", o->command, o->scaling ? "one thread" : "whole");
    if (beside->times.n) add_row(beside, name, r);
}

int sdrt_bench_model(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const int iterations = o->iterations ? o->iterations : DEFAULT_ITERATIONS;
    const int two = o->scaling || o->bands || o->taesd;
    struct run all = { .times.n = 0 }, beside = { .times.n = 0 };
    int status = sdrt_bench_check_vae(o);

    if (status == SDRT_OK)
        status = sdrt_pass_open(&all.pass, o, network_of(o->command), o->threads);
    if (status == SDRT_OK && two) status = open_beside(&beside, o);
    const double start = sdrt_now();
    for (int i = 0; status == SDRT_OK && (i < iterations || sdrt_bench_go_on(o, &all.times, start));
         i++) {
        status = measure(&all);
        if (status == SDRT_OK && two) status = measure(&beside);
    }
    if (status == SDRT_OK) {
        sdrt_pass_facts(&all.pass, o, r);
        sdrt_roof_facts(sdrt_roof_of(all.pass.meter), r, "roof", "roof");
        add_summary(&all, r);
        add_throttled(&all, r);
        sdrt_bench_told_spread(o, &all.times, r);
        sdrt_pass_waits(&all.pass, r);
        sdrt_pass_counted(&all.pass, r);
        add_rows(&all, &beside, o, r);
        add_classes(&all, r);
    }
    sdrt_pass_close(&beside.pass);
    sdrt_pass_close(&all.pass);
    return status;
}
