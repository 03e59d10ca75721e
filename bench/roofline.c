/* SPDX-License-Identifier: MIT
 *
 * sdbench roofline: the machine, on one worker and on all; and the picture, with a network on it.
 */
#include "bench/layers.h"
#include "bench/machine.h"
#include "kernels/isa.h"
#include "runtime/files/atomic_file.h"

#include <math.h>
#include <stdlib.h>

enum { TRIES = 7 };

static const struct sdrt_column columns[] = {
    { "name", "workers", 0, 0 },  { "roof", "roof", 0, 0 },    { "value", "best", 2, 0 },
    { "median", "median", 2, 0 }, { "spread", "spread %", 1, 100 }, { "unit", "unit", 0, 0 },
};

enum { BARRIERS = 1000 };

static void only_barriers(void *team, int worker, int workers)
{
    (void)workers;
    for (int i = 0; i < BARRIERS; i++) sdrt_team_barrier(team, worker);
}

/* A barrier when nobody has anything to do between two of them, in nanoseconds. */
static void time_barriers(struct sdrt_team *team, int tries, struct sdrt_report *r)
{
    struct sdrt_times times = { .n = 0 };

    for (int i = 0; i < tries; i++) {
        const double start = sdrt_now();
        sdrt_team_run(team, only_barriers, team);
        sdrt_bench_add(&times, (sdrt_now() - start) / BARRIERS * 1e9);
    }
    const struct sdrt_summary s = sdrt_bench_summary(&times);
    sdrt_report_number(r, "barrier_ns", s.median, "a bare barrier", "ns", 0);
    sdrt_report_number(r, "barrier_ns_min", s.min, NULL, "", 0);
}

static int measure(struct sdrt_roof *roof, const struct sdrt_topology *topology, int workers,
                   const char *isa, int tries, struct sdrt_report *facts, const struct sdrt_log *log)
{
    struct sdrt_team *team = NULL;
    struct sdrt_roof_meter *meter = NULL;
    int status = sdrt_team_create(&team, workers, topology, log);

    if (status == SDRT_OK && facts) sdrt_machine_facts(facts, topology, isa, NULL, workers);
    if (status == SDRT_OK && facts) time_barriers(team, tries, facts);
    if (status == SDRT_OK) status = sdrt_roof_create(&meter, team, topology, isa, log);
    if (status == SDRT_OK) {
        sdrt_roof_tries(meter, tries);
        *roof = *sdrt_roof_of(meter);
    }
    sdrt_roof_free(&meter);
    sdrt_team_free(&team);
    return status;
}

static void add_rows(const struct sdrt_roof *roof, const char *workers, struct sdrt_report *r)
{
    for (int k = 0; k < SDRT_ROOF_KINDS; k++) {
        const struct sdrt_summary s = sdrt_bench_summary(&roof->samples[k]);
        const struct sdrt_roof_name *n = &sdrt_roof_names[k];
        char name[64];
        if (roof->best[k] <= 0.0) continue;
        snprintf(name, sizeof name, "%s %s", workers, n->label);
        sdrt_report_row(r, json_pack("{s:s, s:s, s:f, s:f, s:f, s:s, s:o}", "name", name, "roof",
                                     n->key, "value", roof->best[k], "median", s.median, "spread",
                                     s.spread, "unit", n->unit, "samples_rate",
                                     sdrt_bench_samples(&roof->samples[k], 1.0)));
    }
}

static void add_cycles(const struct sdrt_roof *roof, int workers, struct sdrt_report *r)
{
    const double cycles = roof->best[SDRT_ROOF_CLOCK] * workers;

    sdrt_report_number(r, "roof.f32_flop_per_cycle", roof->best[SDRT_ROOF_F32] / cycles,
                       "f32 a cycle", "FLOP on each worker", 1);
    if (roof->best[SDRT_ROOF_BF16] > 0.0)
        sdrt_report_number(r, "roof.bf16_flop_per_cycle", roof->best[SDRT_ROOF_BF16] / cycles,
                           "bf16 a cycle", "FLOP on each worker", 1);
    else
        sdrt_report_text(r, "roof.bf16", "this level has no bf16 arithmetic", "bf16");
    if (roof->best[SDRT_ROOF_F16] > 0.0)
        sdrt_report_number(r, "roof.f16_flop_per_cycle", roof->best[SDRT_ROOF_F16] / cycles,
                           "f16 a cycle", "FLOP on each worker", 1);
}

static int machine(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const int tries = o->iterations ? o->iterations : TRIES;
    struct sdrt_topology *topology = NULL;
    struct sdrt_roof *roof = calloc(2, sizeof *roof); /* one worker, all */
    int status = roof ? sdrt_topology_create(&topology, NULL, o->log)
                      : sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory");

    if (status != SDRT_OK) goto out;
    sdrt_topology_pinning(topology, SDRT_PIN_ALWAYS);
    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa)
                                                : sdrt_isa_best(sdrt_isa_detect());
    const int workers = o->threads ? o->threads : sdrt_topology_cores(topology);
    if (!level || (level->flags & sdrt_isa_detect()) != level->flags) {
        status = sdrt_fail(o->log, SDRT_E_ARG, "instruction set \"%s\": unknown, or not on this "
                           "machine", o->isa);
        goto out;
    }
    status = measure(&roof[0], topology, 1, level->name, tries, NULL, o->log);
    if (status == SDRT_OK)
        status = measure(&roof[1], topology, workers, level->name, tries, r, o->log);
    if (status == SDRT_OK) {
        sdrt_roof_facts(&roof[0], r, "one", NULL);
        sdrt_roof_facts(&roof[1], r, "roof", NULL);
        add_cycles(&roof[1], workers, r);
        sdrt_report_table(r, "roofs", columns, sizeof columns / sizeof columns[0]);
        add_rows(&roof[0], "one", r);
        add_rows(&roof[1], "all", r);
    }
out:
    free(roof);
    sdrt_topology_free(&topology);
    return status;
}

static int draw(const struct sdrt_bench_options *o, const struct sdrt_layers *l,
                const struct sdrt_bench_pass *p)
{
    struct sdrt_atomic_file *file = NULL;
    char *text = NULL, title[400];
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    int status = SDRT_OK;

    snprintf(title, sizeof title, "%s %dx%d, batch %d, %s, %s, %d thread%s: %.0f ms",
             p->network, o->width, o->height, p->batch, p->context->model->device->isa, p->precision,
             p->context->session->queue->workers, p->context->session->queue->workers == 1 ? "" : "s", l->median * 1e3);
    if (f) sdrt_layers_svg(l, sdrt_roof_of(p->meter), title, f);
    if (!f || fclose(f) != 0)
        status = sdrt_fail(o->log, SDRT_E_NOMEM, "out of memory for the picture");
    if (status == SDRT_OK) status = sdrt_atomic_open(&file, o->svg, o->log);
    if (status == SDRT_OK) {
        sdrt_atomic_write(file, text, size);
        status = sdrt_atomic_commit(&file, o->log);
    }
    free(text);
    return status;
}

/* In the picture nothing has to add up, so each operation may show its own median: worker 0, whose
 * clock times the operations, is sometimes late for one and thereby early for the next. */
static void take_medians(struct sdrt_layers *l)
{
    l->sum = 0.0;
    for (int i = 0; i < l->n; i++) {
        l->layer[i].seconds = sdrt_bench_summary(&l->layer[i].times).median;
        l->sum += l->layer[i].seconds;
    }
}

static int picture(const struct sdrt_bench_options *o, const char *network)
{
    const int iterations = o->iterations ? o->iterations : 5;
    struct sdrt_bench_pass p = { .first = 0.0 };
    struct sdrt_layers l = { .n = 0 };
    int status = sdrt_pass_open(&p, o, network, o->threads);

    if (status == SDRT_OK) status = sdrt_layers_measure(&l, &p, iterations, o->log);
    if (status == SDRT_OK) {
        take_medians(&l);
        status = draw(o, &l, &p);
    }
    sdrt_layers_free(&l);
    sdrt_pass_close(&p);
    return status;
}

int sdrt_bench_roofline(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const char *network = o->what;
    int status = sdrt_pass_network(&network, o->log);

    if (status == SDRT_OK && sdrt_bench_on_gpu(o) && !o->what && !o->svg)
        return sdrt_bench_roofline_gpu(o, r);
    if (status == SDRT_OK && o->what && !o->svg)
        status = sdrt_fail(o->log, SDRT_E_ARG, "roofline %s: a network plays a part only with --svg",
                           o->what);
    if (status == SDRT_OK)
        status = sdrt_bench_on_gpu(o) ? sdrt_bench_roofline_gpu(o, r) : machine(o, r);
    if (status == SDRT_OK && o->svg) status = picture(o, network);
    return status;
}
