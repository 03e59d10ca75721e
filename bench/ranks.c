/* SPDX-License-Identifier: MIT
 *
 * What ranks that share the rows of a picture would take for a step, before there are any: their programs are
 * planned here, one after the other, and what crosses is counted in them.
 */
#include "bench/pass.h"
#include "bench/report.h"
#include "bench/roof.h"
#include "bench/sdbench.h"
#include "model/pipeline/share.h"

#include <math.h>
#include <string.h>

/* Bits a second, and seconds that an exchange takes beside its bytes. */
static const struct {
    double rate, latency;
} networks[] = { { 10e9, 50e-6 }, { 100e9, 5e-6 } };
enum { NETWORKS = sizeof networks / sizeof *networks, LARGEST = 16 };

/* A rank's share of a step. */
struct share {
    double flop, bytes, least;
    int exchanges;
};

/* Plans what rank of so many computes.  Not SDRT_OK, and silent but for the first rank, where the picture has
 * fewer bands. */
static int plan(struct sdrt_session *s, const struct sdrt_shape *shape, struct sdrt_ranks *ranks,
                struct share *out)
{
    int status = sdrt_session_share(s, ranks, SDRT_SHARE_ROWS);

    if (status == SDRT_OK) status = sdrt_session_plan(s, shape);
    if (status != SDRT_OK) return status;
    const struct sdrt_program *p =
        s->programs[sdrt_session_find_when(s, SDRT_PART_BASE, SDRT_EACH_EVALUATION)];
    const struct sdrt_crossing c = sdrt_program_crossing(p);
    const struct sdrt_slot *answer = &s->slots.slot[sdrt_slots_find(&s->slots, "", "model_out")];
    const struct sdrt_slot *own = &s->slots.slot[sdrt_slots_find(&s->slots, "", "band/model_out")];
    const double others = ranks->size > 1 ? (double)(answer->bytes - own->bytes) : 0.0;
    *out = (struct share){ .flop = sdrt_program_flop(p),
                           .bytes = c.bytes + others,
                           .least = c.least + others,
                           .exchanges = ranks->size > 1 ? c.exchanges + answer->dims[0] : 0 };
    return SDRT_OK;
}

/* The largest of all ranks', since they wait for each other. */
static int plan_all(struct sdrt_session *s, const struct sdrt_shape *shape, int size,
                    struct share *out)
{
    int status = SDRT_OK;

    memset(out, 0, sizeof *out);
    /* The first one last: the others say nothing where they are too many. */
    for (int i = size - 1; i >= 0 && status == SDRT_OK; i--) {
        struct sdrt_ranks ranks = { .rank = i, .size = size };
        struct share one;
        status = plan(s, shape, &ranks, &one);
        if (status != SDRT_OK) break;
        if (one.flop > out->flop) out->flop = one.flop;
        if (one.bytes > out->bytes) out->bytes = one.bytes;
        if (one.least > out->least) out->least = one.least;
        if (one.exchanges > out->exchanges) out->exchanges = one.exchanges;
    }
    return status;
}

static const struct sdrt_column columns[] = {
    { "machines", "machines", 0, 0 },
    { "gflop", "GFLOP each", 0, 0 },
    { "received_bytes", "MB received", 1, 1e-6 },
    { "least_bytes", "least MB", 1, 1e-6 },
    { "exchanges", "exchanges", 0, 0 },
    { "compute_seconds", "computing s", 3, 0 },
    { "seconds_10g", "s at 10 Gbit/s", 3, 0 },
    { "times_10g", "times", 2, 0 },
    { "seconds_100g", "s at 100 Gbit/s", 3, 0 },
    { "times_100g", "times", 2, 0 },
};

static void add_row(struct sdrt_report *r, int machines, const struct share *share, double rate,
                    double alone)
{
    const double compute = share ? share->flop / rate : NAN;
    double seconds[NETWORKS];

    for (int i = 0; i < NETWORKS; i++)
        seconds[i] = share ? compute + 8.0 * share->bytes / networks[i].rate +
                                 share->exchanges * networks[i].latency
                           : NAN;
    sdrt_report_row(r, json_pack("{si so so so so so so so so so}", "machines", machines, "gflop",
                                 sdrt_report_real(share ? 1e-9 * share->flop : NAN),
                                 "received_bytes", sdrt_report_real(share ? share->bytes : NAN),
                                 "least_bytes", sdrt_report_real(share ? share->least : NAN),
                                 "exchanges", sdrt_report_real(share ? share->exchanges : NAN),
                                 "compute_seconds", sdrt_report_real(compute), "seconds_10g",
                                 sdrt_report_real(seconds[0]), "times_10g",
                                 sdrt_report_real(alone / seconds[0]), "seconds_100g",
                                 sdrt_report_real(seconds[1]), "times_100g",
                                 sdrt_report_real(alone / seconds[1])));
}

/* What a machine computes at: as asked for, else this one's roof in what the model computes in. */
static int measure(const struct sdrt_context *c, const struct sdrt_bench_options *o, double *rate)
{
    struct sdrt_roof_meter *meter = NULL;
    int status;

    *rate = 1e9 * o->gflops;
    if (o->gflops > 0.0) return SDRT_OK;
    status = sdrt_roof_create_on(&meter, c->session->queue, o->log);
    if (status != SDRT_OK) return status;
    sdrt_roof_tries(meter, 3);
    *rate = 1e9 * sdrt_roof_compute(sdrt_roof_of(meter), c->model->precision);
    sdrt_roof_free(&meter);
    return SDRT_OK;
}

static int fill(struct sdrt_context *c, const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const int unit = 1 << (sdrt_model_config_of(c->model)->vae.levels - 1);
    const struct sdrt_shape shape = { .batch = o->batch > 0 ? o->batch : 2,
                                      .h = o->height / unit,
                                      .w = o->width / unit,
                                      .evaluations = { 1 } };
    struct share share;
    double rate, alone;
    int status = measure(c, o, &rate);

    if (status == SDRT_OK) status = plan_all(c->session, &shape, 1, &share);
    if (status != SDRT_OK) return status;
    alone = share.flop / rate;
    sdrt_report_text(r, "kind", "a model, not a measurement", "ranks that share rows");
    sdrt_report_text(r, "arch", o->model ? "of the model" : o->arch, "architecture");
    sdrt_report_number(r, "width", o->width, "width", "", 0);
    sdrt_report_number(r, "height", o->height, "height", "", 0);
    sdrt_report_number(r, "gflops", 1e-9 * rate, "each at",
                       o->gflops > 0.0 ? "GFLOP/s, as given" : "GFLOP/s, this machine's roof", 0);
    sdrt_report_text(r, "networks", "50 us and 5 us an exchange", "10 and 100 Gbit/s, with");
    sdrt_report_table(r, "ranks", columns, sizeof columns / sizeof *columns);
    add_row(r, 1, &share, rate, alone);
    for (int n = 2; n <= LARGEST; n *= 2)
        add_row(r, n, plan_all(c->session, &shape, n, &share) == SDRT_OK ? &share : NULL, rate,
                alone);
    return SDRT_OK;
}

int sdrt_bench_ranks(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options options;

    sdrt_bench_fill(&options, o);
    int status = sdrt_open(&c, &options);
    if (status == SDRT_OK) status = fill(c, o, r);
    sdrt_close(&c);
    return status;
}
