/* SPDX-License-Identifier: MIT
 *
 * sdbench step, vae and generate with --mpi: the work on rank 0 alone, then on all ranks together, with what
 * crosses and what memory that takes.
 */
#include "bench/harness.h"
#include "bench/machine.h"
#include "bench/many.h"
#include "bench/pass.h"
#include "bench/report.h"
#include "model/pipeline/share.h"
#include "runtime/machine/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_PASSES = 5, DEFAULT_IMAGES = 1 };

/* What is done again and again: a pass, or a whole image. */
struct work {
    const struct sdrt_bench_options *o;
    int images;                  /* it is those */
    struct sdrt_bench_pass pass; /* its context is the images' too */
    struct sdrt_request request;
};

/* What a rank tells of itself, as doubles, which ranks of any machine read alike. */
enum {
    MACHINE,
    THREADS,
    GFLOP,
    SECONDS,
    EXCHANGE,
    RECEIVED,
    LEAST,
    EXCHANGES,
    RSS,
    PSS,
    PEAK,
    TOLD
};

/* Of all ranks together, on each what it knows. */
struct measured {
    struct sdrt_times times;    /* of the slowest rank in each round */
    struct sdrt_times own;      /* of this rank */
    struct sdrt_times exchange; /* seconds of those in exchanges, waiting for others too */
    double told[TOLD];
};

/* ---- the work ---- */

static int draw(struct work *w) { return sdrt_generate(w->pass.context, &w->request); }

static int open_images(struct work *w, const struct sdrt_bench_options *o)
{
    struct sdrt_options options;

    sdrt_bench_fill(&options, o);
    sdrt_bench_request(&w->request, o);
    int status = sdrt_open(&w->pass.context, &options);
    if (status == SDRT_OK && o->commons)
        sdrt_model_share_weights(w->pass.context->model, o->commons);
    if (status == SDRT_OK && o->share)
        status = sdrt_session_share(w->pass.context->session, o->share,
                                    !strcmp(o->mpi, "rows") ? SDRT_SHARE_ROWS
                                                            : SDRT_SHARE_GUIDANCE);
    return status == SDRT_OK ? draw(w) : status;
}

/* Opens it and does it once. */
static int work_open(struct work *w, const struct sdrt_bench_options *o)
{
    *w = (struct work){ .o = o, .images = !strcmp(o->command, "generate") };
    if (w->images) return open_images(w, o);
    return sdrt_pass_open(&w->pass, o, strcmp(o->command, "step") ? o->command : "unet",
                          o->threads);
}

static int work_do(struct work *w, double *seconds)
{
    const double begin = sdrt_now();
    int status;

    if (!w->images) return sdrt_pass_run(&w->pass, seconds);
    status = draw(w);
    *seconds = sdrt_now() - begin;
    return status;
}

static void add_crossing(struct sdrt_crossing *sum, const struct sdrt_session *s, int pass,
                         double times)
{
    const struct sdrt_crossing c = sdrt_session_crossing(s, pass);

    sum->bytes += times * c.bytes;
    sum->least += times * c.least;
}

static struct sdrt_crossing crossing_of(const struct work *w)
{
    const struct sdrt_session *s = w->pass.context->session;
    struct sdrt_crossing sum = { .exchanges = 0 };

    if (!w->images) {
        add_crossing(&sum, s, w->pass.index, w->pass.repeats);
        return sum;
    }
    add_crossing(&sum, s, sdrt_session_find_when(s, SDRT_PART_BASE, SDRT_EACH_EVALUATION),
                 s->evaluations_done);
    add_crossing(&sum, s, sdrt_session_find_when(s, SDRT_PART_BASE, SDRT_ONCE_AN_IMAGE),
                 s->shape.batch);
    return sum;
}

/* Of one round. */
static double flop_of(const struct work *w)
{
    const struct sdrt_session *s = w->pass.context->session;
    double sum = 0.0;

    if (!w->images) return w->pass.flop;
    for (int i = 0; i < s->n_passes; i++) {
        const struct sdrt_pass *pass = &s->model->passes[i];
        if (!s->programs[i]) continue;
        if (pass->when == SDRT_EACH_EVALUATION && pass->way == SDRT_WAY_WHOLE)
            sum += sdrt_program_flop(s->programs[i]) * s->evaluations_done;
        if (pass->when == SDRT_ONCE_AN_IMAGE)
            sum += sdrt_program_flop(s->programs[i]) * s->shape.batch;
    }
    return sum;
}

/* ---- rounds ---- */

/* Whether rank 0 wants another; all are here then. */
static int go_on(const struct sdrt_bench_options *o, const struct sdrt_times *t, double start,
                 int *more)
{
    const int images = !strcmp(o->command, "generate");
    const int rounds = o->iterations ? o->iterations : images ? DEFAULT_IMAGES : DEFAULT_PASSES;

    *more = t->n < rounds || sdrt_bench_go_on(o, t, start);
    if (sdrt_ranks_broadcast(o->many->ranks, more, sizeof *more) != SDRT_OK ||
        sdrt_ranks_barrier(o->many->ranks) != SDRT_OK)
        return sdrt_ranks_fail(o->many->ranks, SDRT_E_IO, o->log);
    return SDRT_OK;
}

static void see_memory(double told[TOLD])
{
    told[RSS] = (double)sdrt_memory_rss();
    told[PSS] = (double)sdrt_memory_pss();
    told[PEAK] = (double)sdrt_memory_peak_rss();
}

/* Rank 0 alone, while the others wait for each round of it. */
static int measure_alone(const struct sdrt_bench_options *o, struct measured *m,
                         struct sdrt_report *r)
{
    struct work w = { .images = 0 };
    double start, seconds;
    int status = SDRT_OK, more = 1;

    if (sdrt_bench_is_first(o->many)) status = work_open(&w, o);
    if (sdrt_bench_is_first(o->many) && status == SDRT_OK) {
        see_memory(m->told);
        m->told[GFLOP] = 1e-9 * flop_of(&w);
        m->told[THREADS] = w.pass.context->session->queue->workers;
        sdrt_device_facts(r, w.pass.context->session->queue, w.pass.context->model->precision);
    }
    status = sdrt_bench_agree(o->many, status, o->log);
    start = sdrt_now();
    while (status == SDRT_OK && (status = go_on(o, &m->times, start, &more)) == SDRT_OK && more) {
        if (sdrt_bench_is_first(o->many)) status = work_do(&w, &seconds);
        if (sdrt_bench_is_first(o->many)) sdrt_bench_add(&m->times, seconds);
        status = sdrt_bench_agree(o->many, status, o->log);
    }
    sdrt_pass_close(&w.pass);
    return status;
}

/* One round of all: its time is the slowest rank's.  all: room for a number of each. */
static int do_round(struct work *w, struct measured *m, double *all)
{
    struct sdrt_ranks *ranks = w->o->many->ranks;
    const double exchanged = ranks->seconds;
    const uint64_t received = ranks->bytes_in, exchanges = ranks->exchanges;
    double seconds = 0.0;
    const int status = work_do(w, &seconds);

    if (status != SDRT_OK) return status;
    sdrt_bench_add(&m->own, seconds);
    sdrt_bench_add(&m->exchange, ranks->seconds - exchanged);
    m->told[RECEIVED] = (double)(ranks->bytes_in - received);
    m->told[EXCHANGES] = (double)(ranks->exchanges - exchanges);
    all[ranks->rank] = seconds;
    if (sdrt_ranks_gather(ranks, all, sizeof *all) != SDRT_OK)
        return sdrt_ranks_fail(ranks, SDRT_E_IO, w->o->log);
    for (int i = 0; i < ranks->size; i++)
        if (all[i] > seconds) seconds = all[i];
    sdrt_bench_add(&m->times, seconds);
    return SDRT_OK;
}

static int measure_all(const struct sdrt_bench_options *o, struct measured *m, double *all)
{
    struct sdrt_bench_options shared = *o;
    struct work w;
    double start;
    int status, more = 1;

    shared.commons = o->many->commons;
    if (strcmp(o->mpi, "images")) shared.share = o->many->ranks;
    sdrt_memory_reset_peak();
    status = sdrt_bench_agree(o->many, work_open(&w, &shared), o->log);
    if (status == SDRT_OK) see_memory(m->told);
    start = sdrt_now();
    while (status == SDRT_OK && (status = go_on(o, &m->times, start, &more)) == SDRT_OK && more)
        status = do_round(&w, m, all);
    if (status == SDRT_OK) {
        m->told[MACHINE] = o->many->ranks->nodes[o->many->ranks->rank];
        m->told[THREADS] = w.pass.context->session->queue->workers;
        m->told[GFLOP] = 1e-9 * flop_of(&w);
        m->told[SECONDS] = sdrt_bench_summary(&m->own).median;
        m->told[EXCHANGE] = sdrt_bench_summary(&m->exchange).median;
        m->told[LEAST] = crossing_of(&w).least;
    }
    sdrt_pass_close(&w.pass);
    return status;
}

/* ---- the report ---- */

static const struct sdrt_column columns[] = {
    { "name", "work of", 0, 0 },
    { "ranks", "ranks", 0, 0 },
    { "ms", "median ms", 2, 0 },
    { "ms_min", "min ms", 2, 0 },
    { "spread", "spread %", 1, 100 },
    { "times", "times", 3, 0 },
    { "efficiency", "efficiency %", 1, 100 },
    { "exchange_share", "exchange %", 1, 100 },
    { "received_bytes", "MB received", 3, 1e-6 },
    { "least_bytes", "least MB", 3, 1e-6 },
    { "resident_bytes", "resident MiB", 1, 1.0 / (1 << 20) },
    { "pss_bytes", "proportional MiB", 1, 1.0 / (1 << 20) },
    { "peak_bytes", "peak MiB", 1, 1.0 / (1 << 20) },
};

static const struct sdrt_column rank_columns[] = {
    { "rank", "rank", 0, 0 },
    { "node", "machine", 0, 0 },
    { "threads", "threads", 0, 0 },
    { "gflop", "GFLOP", 2, 0 },
    { "ms", "median ms", 2, 0 },
    { "exchange_ms", "exchange ms", 2, 0 },
    { "exchange_share", "exchange %", 1, 100 },
    { "exchanges", "exchanges", 0, 0 },
    { "received_bytes", "MB received", 3, 1e-6 },
    { "least_bytes", "least MB", 3, 1e-6 },
    { "resident_bytes", "resident MiB", 1, 1.0 / (1 << 20) },
    { "pss_bytes", "proportional MiB", 1, 1.0 / (1 << 20) },
    { "peak_bytes", "peak MiB", 1, 1.0 / (1 << 20) },
};

/* 0 is a system that does not say. */
static json_t *bytes_or_null(double bytes) { return sdrt_report_real(bytes > 0.0 ? bytes : NAN); }

/* told: sums of all ranks, but the mean of their shares in EXCHANGE. */
static void add_way(struct sdrt_report *r, const char *name, int ranks, const struct sdrt_times *t,
                    double times, const double told[TOLD])
{
    const struct sdrt_summary s = sdrt_bench_summary(t);

    sdrt_report_row(
        r, json_pack("{s:s, s:i, s:f, s:f, s:f, s:o, s:o, s:f, s:f, s:f, s:o, s:o, s:o, s:o}",
                     "name", name, "ranks", ranks, "ms", 1e3 * s.median, "ms_min", 1e3 * s.min,
                     "spread", s.spread, "times", sdrt_report_real(times), "efficiency",
                     sdrt_report_real(times / ranks), "exchange_share", told[EXCHANGE],
                     "received_bytes", told[RECEIVED], "least_bytes", told[LEAST], "resident_bytes",
                     bytes_or_null(told[RSS]), "pss_bytes", bytes_or_null(told[PSS]), "peak_bytes",
                     bytes_or_null(told[PEAK]), "samples_ms", sdrt_bench_samples(t, 1e3)));
}

static void add_rank(struct sdrt_report *r, int rank, const double *told)
{
    sdrt_report_row(r,
                    json_pack("{s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:i, s:f, s:f, s:o, s:o, s:o}",
                              "rank", rank, "node", (int)told[MACHINE], "threads",
                              (int)told[THREADS], "gflop", told[GFLOP], "ms", 1e3 * told[SECONDS],
                              "exchange_ms", 1e3 * told[EXCHANGE], "exchange_share",
                              told[EXCHANGE] / told[SECONDS], "exchanges", (int)told[EXCHANGES],
                              "received_bytes", told[RECEIVED], "least_bytes", told[LEAST],
                              "resident_bytes", bytes_or_null(told[RSS]), "pss_bytes",
                              bytes_or_null(told[PSS]), "peak_bytes", bytes_or_null(told[PEAK])));
}

static void add_facts(const struct sdrt_bench_options *o, const struct measured *alone,
                      const double *sum, int machines, struct sdrt_report *r)
{
    const struct sdrt_ranks *ranks = o->many->ranks;
    const double mib = 1.0 / (1 << 20);
    char text[64];

    snprintf(text, sizeof text, "%dx%d", o->width, o->height);
    sdrt_report_text(r, "network", strcmp(o->command, "step") ? o->command : "unet", "network");
    sdrt_report_text(r, "weights", o->model ? o->model : "random", "weights");
    if (!o->model) sdrt_report_text(r, "arch", o->arch, "architecture");
    sdrt_report_text(r, "size", text, "size");
    if (o->batch) sdrt_report_number(r, "batch", o->batch, "batch", "", 0);
    if (!strcmp(o->command, "generate")) sdrt_report_number(r, "steps", o->steps, "steps", "", 0);
    sdrt_report_text(r, "mpi.name", ranks->name, "MPI");
    sdrt_report_text(r, "mpi.way", o->mpi, "ranks share");
    sdrt_report_number(r, "mpi.ranks", ranks->size, "ranks", "", 0);
    sdrt_report_number(r, "mpi.machines", machines, "machines", "", 0);
    if (sum[PSS] > 0.0 && alone->told[PSS] > 0.0) {
        sdrt_report_number(r, "memory.one_mib", mib * alone->told[PSS], "one rank takes", "MiB", 1);
        sdrt_report_number(r, "memory.all_mib", mib * sum[PSS], "all take", "MiB", 1);
        sdrt_report_number(r, "memory.ratio", sum[PSS] / alone->told[PSS], "all beside one",
                           "times", 3);
    }
    if (o->many->shared_cores)
        sdrt_report_warn(r, "the ranks share cores: times say nothing of as many machines");
}

static void report(const struct sdrt_bench_options *o, const struct measured *alone,
                   const struct measured *all, const double *told, struct sdrt_report *r)
{
    const int n = o->many->ranks->size, apart = !strcmp(o->mpi, "images");
    const double one = sdrt_bench_summary(&alone->times).median;
    const double together = sdrt_bench_summary(&all->times).median;
    double sum[TOLD] = { 0.0 };
    int machines = 0;
    char name[64];

    for (int i = 0; i < n; i++) {
        const double *t = told + (size_t)i * TOLD;
        machines += (int)t[MACHINE] == i;
        for (int k = 0; k < TOLD; k++) sum[k] += k == EXCHANGE ? t[k] / t[SECONDS] / n : t[k];
    }
    add_facts(o, alone, sum, machines, r);
    sdrt_report_table(r, "passes", columns, sizeof columns / sizeof *columns);
    snprintf(name, sizeof name, "%s, one rank", o->command);
    add_way(r, name, 1, &alone->times, 1.0, alone->told);
    snprintf(name, sizeof name, "%s, %d ranks, %s", o->command, n, o->mpi);
    add_way(r, name, n, &all->times, (apart ? n : 1) * one / together, sum);
    sdrt_report_table(r, "ranks", rank_columns, sizeof rank_columns / sizeof *rank_columns);
    for (int i = 0; i < n; i++) add_rank(r, i, told + (size_t)i * TOLD);
}

int sdrt_bench_together(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct sdrt_ranks *ranks = o->many->ranks;
    struct measured alone = { .times.n = 0 }, all = { .times.n = 0 };
    double *told = calloc((size_t)ranks->size * TOLD, sizeof *told);
    int status = told ? SDRT_OK : sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory for the ranks");

    status = sdrt_bench_agree(o->many, status, o->log);
    if (status == SDRT_OK) status = measure_alone(o, &alone, r);
    if (status == SDRT_OK) status = measure_all(o, &all, told);
    if (status == SDRT_OK) {
        memcpy(told + (size_t)ranks->rank * TOLD, all.told, sizeof all.told);
        if (sdrt_ranks_gather(ranks, told, sizeof all.told) != SDRT_OK)
            status = sdrt_ranks_fail(ranks, SDRT_E_IO, o->log);
    }
    if (status == SDRT_OK && sdrt_bench_is_first(o->many)) report(o, &alone, &all, told, r);
    free(told);
    return status;
}
