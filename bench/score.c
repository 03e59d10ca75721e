/* SPDX-License-Identifier: MIT
 *
 * sdbench score: one workload that does not change, on random weights that are the same everywhere,
 * whose every pass is compared with what the generic level makes of it in f32.
 *
 * The parts of an image are timed in turn, round by round: what disturbs a machine for some seconds
 * then meets a few samples of each, and not all of one.
 */
#include "bench/load.h"
#include "bench/machine.h"
#include "bench/pass.h"
#include "bench/report.h"
#include "bench/score_prints.h"
#include "runtime/machine/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    VERSION = 1, /* goes up when a figure means something else */
    STEPS = 20,
    LEAST_ROUNDS = 3,
    QUICK_ROUNDS = 3,
    ROUNDS = 12,
};

static const double most_seconds = 175.0, rounds_seconds = 95.0, busy = 0.1 /* processors */;

/* How far a result may be from the stored one, relative, in L2: what rounding the products of a whole
 * network comes to, with room.  A fault in one of 64 tiles is 0.17. */
static const struct {
    const char *precision;
    double limit;
} limits[] = { { "f32", 1e-3 }, { "int16", 2e-2 }, { "f16", 2e-2 }, { "bf16", 3e-2 } };

enum part_id { TEXT, STEP, VAE, SDXL, QUICK_VAE, PARTS };

static const struct part {
    const char *key, *label, *arch, *network, *slot;
    int side, batch, passes; /* passes: timed in each round, after the first */
    const double *print;
} parts[PARTS] = {
    [TEXT] = { "text", "text, a pair", "sd15", "text", "text", 512, 2, 3, sdrt_print_text },
    [STEP] = { "step", "SD 1.5 step, 512x512", "sd15", "unet", "model_out", 512, 2, 1,
               sdrt_print_step },
    [VAE] = { "vae", "VAE, 512x512", "sd15", "vae", "vae_out", 512, 1, 1, sdrt_print_vae },
    [SDXL] = { "sdxl_step", "SDXL step, 1024x1024", "sdxl", "unet", "model_out", 1024, 2, 1,
               sdrt_print_sdxl },
    [QUICK_VAE] = { "vae", "VAE, 128x128", "sd15", "vae", "vae_out", 128, 1, 1,
                    sdrt_print_quick_vae },
};

struct result {
    struct sdrt_bench_pass pass;
    struct sdrt_times times;
    double opened, flop, error; /* seconds to open it; the largest error of all passes */
    double sketch[SDRT_SKETCH]; /* of the last pass */
    char why[96];               /* it was left out */
};

struct score {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    struct result results[PARTS];
    double start;
    const char *isa, *precision; /* of the last part */
    int threads;                 /* 0: the machine's facts are not told yet */
};

static const struct sdrt_column columns[] = {
    { "name", "part", 0, 0 },         { "ms", "median ms", 2, 0 },   { "ms_min", "min ms", 2, 0 },
    { "spread", "spread %", 1, 100 }, { "gflops", "GFLOP/s", 1, 0 }, { "error", "error %", 4, 100 },
    { "limit", "of %", 2, 100 },
};

static double limit_of(const char *precision)
{
    size_t i = 0;

    while (i + 1 < sizeof limits / sizeof *limits && strcmp(limits[i].precision, precision)) i++;
    return limits[i].limit;
}

/* ---- one part ---- */

/* What the pass left, against the stored print. */
static int check(const struct score *s, const struct part *part, struct result *r)
{
    const struct sdrt_bench_pass *p = &r->pass;
    const struct sdrt_session *session = p->context->session;
    const int slot = sdrt_slots_find(&session->slots, "", part->slot);
    const float *y = sdrt_slot_map(&session->slots, slot);

    sdrt_sketch(y, session->slots.slot[slot].bytes / sizeof *y, r->sketch);
    const double error = sdrt_sketch_distance(r->sketch, part->print);
    if (!(error <= r->error)) r->error = error;
    if (s->o->unchecked || error <= limit_of(p->precision)) return SDRT_OK;
    return sdrt_fail(s->o->log, SDRT_E_NUMERIC,
                     "no score: %s in %s at %s is %.2g %% from the stored "
                     "result: expected %.2g at most",
                     part->label, p->precision, p->context->model->device->isa, 100.0 * error,
                     100.0 * limit_of(p->precision));
}

/* So that a pass that writes nothing leaves what no print is of. */
static void spoil(const struct sdrt_bench_pass *p, const struct part *part)
{
    const struct sdrt_session *session = p->context->session;
    const int slot = sdrt_slots_find(&session->slots, "", part->slot);

    memset(sdrt_slot_map(&session->slots, slot), 0xff, session->slots.slot[slot].bytes);
}

static void add_row(const struct score *s, const struct part *part, const struct result *r)
{
    const struct sdrt_bench_pass *p = &r->pass;
    const struct sdrt_summary sum = sdrt_bench_summary(&r->times);
    json_t *print = json_array();

    for (int k = 0; k < SDRT_SKETCH && print; k++)
        json_array_append_new(print, json_real(r->sketch[k]));
    sdrt_report_row(s->report,
                    json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o}",
                              "name", part->label, "precision", p->precision, "opened_s", r->opened,
                              "ms", sum.median * 1e3, "ms_min", sum.min * 1e3, "spread", sum.spread,
                              "gflop", p->flop * 1e-9, "gflops", p->flop / sum.median * 1e-9,
                              "error", r->error, "limit", limit_of(p->precision), "samples_ms",
                              sdrt_bench_samples(&r->times, 1e3), "print", print));
}

/* Loads the part and runs it once; closed by close_part(), after a failure too. */
static int open_part(struct score *s, enum part_id id)
{
    const struct part *part = &parts[id];
    struct result *r = &s->results[id];
    struct sdrt_bench_options o = *s->o;
    const double start = sdrt_now();

    o.arch = part->arch;
    o.width = o.height = part->side;
    o.batch = part->batch;
    const int status = sdrt_pass_open(&r->pass, &o, part->network, o.threads);
    if (status != SDRT_OK) return status;
    r->opened = sdrt_now() - start - r->pass.first;
    r->flop = r->pass.flop;
    if (o.unchecked) sdrt_bench_add(&r->times, r->pass.first);
    return check(s, part, r);
}

/* The passes of one round. */
static int time_part(struct score *s, enum part_id id)
{
    const struct part *part = &parts[id];
    struct result *r = &s->results[id];
    int status = SDRT_OK;

    for (int i = 0; i < part->passes && status == SDRT_OK; i++) {
        double seconds;
        spoil(&r->pass, part);
        status = sdrt_pass_run(&r->pass, &seconds);
        sdrt_bench_add(&r->times, seconds);
        if (status == SDRT_OK) status = check(s, part, r);
    }
    return status;
}

static void close_part(struct score *s, enum part_id id)
{
    struct result *r = &s->results[id];

    if (r->times.n) {
        const struct sdrt_context *c = r->pass.context;
        if (!s->threads) sdrt_device_facts(s->report, c->session->queue, r->pass.precision);
        s->isa = c->model->device->isa;
        s->precision = c->model->precision;
        s->threads = c->session->queue->workers;
        add_row(s, &parts[id], r);
    }
    sdrt_pass_close(&r->pass);
}

/* Whether another round is wanted. */
static int go_on(const struct score *s, int rounds)
{
    if (s->o->unchecked) return 0;
    if (s->o->quick) return rounds < QUICK_ROUNDS;
    return rounds < LEAST_ROUNDS || (rounds < ROUNDS && sdrt_now() - s->start < rounds_seconds);
}

/* Parts that are timed in turn. */
static int run_parts(struct score *s, const enum part_id *ids, int n)
{
    int status = SDRT_OK;

    for (int i = 0; i < n && status == SDRT_OK; i++) status = open_part(s, ids[i]);
    for (int round = 0; go_on(s, round) && status == SDRT_OK; round++)
        for (int i = 0; i < n && status == SDRT_OK; i++) status = time_part(s, ids[i]);
    for (int i = 0; i < n; i++) close_part(s, ids[i]);
    return status;
}

/* It alone takes much of the time, and no part of the score. */
static int run_sdxl(struct score *s)
{
    const enum part_id id = SDXL;
    int status = open_part(s, id);

    if (status == SDRT_OK && !s->o->unchecked) status = time_part(s, id);
    close_part(s, id);
    return status;
}

/* ---- SDXL, where it fits ---- */

/* Whether there are memory and time for it; else why not. */
static int fits(struct score *s)
{
    struct result *r = &s->results[SDXL];
    const struct result *step = &s->results[STEP];
    const double weights = 2.57e9, sd15_weights = 0.86e9, flop = 13.6e12; /* of the pair */
    const double bytes = 4.0 * weights + 2.5e9;
    const double rate = step->flop / sdrt_bench_summary(&step->times).median;
    const double wanted = step->opened * weights / sd15_weights + 2.1 * flop / rate;
    size_t available = 0;

    if (sdrt_memory_available(&available) == SDRT_OK && (double)available < bytes)
        snprintf(r->why, sizeof r->why, "n/a: %.1f GiB of memory are there, %.1f wanted",
                 (double)available / (1 << 30), bytes / (1 << 30));
    else if (!s->o->unchecked && sdrt_now() - s->start + wanted > most_seconds)
        snprintf(r->why, sizeof r->why, "n/a: it would take %.0f s, more than 3 minutes in all",
                 wanted);
    return !r->why[0];
}

/* ---- the line ---- */

static double seconds_of(const struct score *s, enum part_id id)
{
    return sdrt_bench_summary(&s->results[id].times).median;
}

static void tell(const struct score *s, const struct sdrt_load *load)
{
    const struct sdrt_load_share share = sdrt_load_since(load);
    const double image = seconds_of(s, TEXT) + STEPS * seconds_of(s, STEP) + seconds_of(s, VAE);
    const int quick = s->o->quick;
    char sdxl[32] = "n/a", line[400], head[64];

    if (s->results[SDXL].times.n) snprintf(sdxl, sizeof sdxl, "%.3f", seconds_of(s, SDXL));
    if (quick)
        snprintf(line, sizeof line,
                 "sdbench-score quick-%d: text_s=%.4f vae_s=%.4f isa=%s precision=%s "
                 "threads=%d",
                 VERSION, seconds_of(s, TEXT), seconds_of(s, QUICK_VAE), s->isa, s->precision,
                 s->threads);
    else
        snprintf(line, sizeof line,
                 "sdbench-score %d: images_per_minute=%.3f text_s=%.4f step_s=%.3f "
                 "vae_s=%.3f sdxl_step_s=%s isa=%s precision=%s threads=%d%s",
                 VERSION, 60.0 / image, seconds_of(s, TEXT), seconds_of(s, STEP),
                 seconds_of(s, VAE), sdxl, s->isa, s->precision, s->threads,
                 share.other + share.stolen > busy ? " busy" : "");
    snprintf(head, sizeof head, "%s%d", quick ? "quick-" : "", VERSION);
    sdrt_report_text(s->report, "score.version", head, NULL);
    if (!quick) sdrt_report_number(s->report, "score.images_per_minute", 60.0 / image, NULL, "", 6);
    sdrt_report_last(s->report, "score.line", line);
}

int sdrt_bench_score(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    static struct score s; /* of some KiB, for the one call that there is */
    static const enum part_id whole[] = { TEXT, STEP, VAE }, few[] = { TEXT, QUICK_VAE };
    struct sdrt_load load;

    if (sdrt_bench_on_gpu(o))
        return sdrt_fail(o->log, SDRT_E_UNSUPPORTED, "score on device \"%s\": expected device cpu",
                         o->device);
    s = (struct score){ .o = o, .report = r, .start = sdrt_now() };
    sdrt_load_begin(&load);
    sdrt_report_table(r, "parts", columns, sizeof columns / sizeof columns[0]);
    int status = o->quick ? run_parts(&s, few, 2) : run_parts(&s, whole, 3);
    if (status == SDRT_OK && !o->quick) {
        if (fits(&s)) status = run_sdxl(&s);
        else sdrt_report_text(r, "sdxl", s.results[SDXL].why, "SDXL");
    }
    if (status != SDRT_OK) return status;
    if (o->unchecked) sdrt_report_text(r, "score.version", "none", "score");
    else tell(&s, &load);
    sdrt_report_number(r, "score.seconds", sdrt_now() - s.start, "took", "s", 0);
    return SDRT_OK;
}
