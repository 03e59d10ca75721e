/* SPDX-License-Identifier: MIT */
#include "bench/pass.h"
#include "bench/allocations.h"
#include "bench/machine.h"
#include "runtime/device/cpu.h"
#include "runtime/machine/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    enum sdrt_program_id program;
    int batch;
} networks[] = {
    { "unet", SDRT_PROGRAM_STEP, 2 }, /* the guided pair */
    { "vae", SDRT_PROGRAM_DECODE, 1 },
    { "text", SDRT_PROGRAM_TEXT, 1 },
    { "text2", SDRT_PROGRAM_TEXT + 1, 1 }, /* SDXL's second */
};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

static int find_network(const char *name)
{
    int i = 0;

    while (i < NETWORKS && strcmp(networks[i].name, name)) i++;
    return i;
}

int sdrt_pass_network(const char **network, const struct sdrt_log *log)
{
    if (!*network) *network = networks[0].name;
    if (find_network(*network) < NETWORKS) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_ARG, "unknown network \"%s\": expected unet, vae, text or text2",
                     *network);
}

static void fill_added(struct sdrt_context *c, int rows)
{
    static const float numbers[6] = { 1024, 1024, 0, 0, 1024, 1024 };

    for (int i = 0; i < rows && sdrt_added_width(&c->config); i++)
        sdrt_context_fill_added(c, i, numbers);
}

/* Inputs like a real run's: unit noise, the tokens of an empty prompt, timestep 500. */
static int prepare(struct sdrt_context *c, enum sdrt_program_id id)
{
    const size_t pair = (size_t)sdrt_shape_unet_batch(&c->shape);
    const size_t pixels = (size_t)c->shape.h * (size_t)c->shape.w;
    const size_t z = (size_t)c->config.vae.latent_channels;
    struct sdrt_rng rng;
    int status = SDRT_OK;

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 1);
    sdrt_rng_normal(&rng, c->model_in, pair * pixels * z);
    sdrt_rng_normal(&rng, c->vae_in, pixels * z);
    for (int k = 0; k < c->config.n_text; k++)
        for (size_t i = 0; i < pair && status == SDRT_OK; i++)
            status = sdrt_context_tokenize(c, k, "", c->ids[k] + i * SDRT_CLIP_TOKENIZER_LENGTH, NULL);
    c->timesteps[0] = 500.0f;
    for (int i = 0; i < (int)SDRT_PROGRAM_STEP && id == SDRT_PROGRAM_STEP; i++) {
        if (!c->programs[i]) continue;
        if (i == SDRT_PROGRAM_SCHEDULE) fill_added(c, (int)pair);
        if (status == SDRT_OK) status = sdrt_program_load(c->programs[i], c->queue, NULL, NULL);
        if (status == SDRT_OK) status = sdrt_program_run(c->programs[i], c->queue, NULL, NULL);
    }
    memcpy(c->time_row, c->time_table, c->time_row_bytes);
    return status;
}

static int load(struct sdrt_context *c, const struct sdrt_bench_options *o, int batch,
                enum sdrt_program_id id)
{
    const int unit = 1 << (c->config.vae.levels - 1);
    /* The batch of the networks is what is asked for, so no pair is made of it. */
    const struct sdrt_shape shape = { .batch = batch, .guided = 0, .h = o->height / unit,
                                      .w = o->width / unit, .evaluations = 1 };
    int status = SDRT_OK;

    if (o->width % unit || o->height % unit || o->width < unit || o->height < unit)
        return sdrt_fail(o->log, SDRT_E_ARG, "size %dx%d: expected multiples of %d", o->width,
                         o->height, unit);
    if (batch > SDRT_MAX_BATCH)
        return sdrt_fail(o->log, SDRT_E_ARG, "batch %d: expected 1 to %d", batch, SDRT_MAX_BATCH);
    if (sdrt_denoiser_of(&c->config)->check_size)
        status = sdrt_denoiser_of(&c->config)->check_size(&c->config, shape.h, shape.w, o->log);
    if (status == SDRT_OK) status = sdrt_context_plan(c, &shape);
    if (status == SDRT_OK && !c->programs[id])
        status = sdrt_fail(o->log, SDRT_E_ARG, "text2: the model has one text encoder");
    if (status == SDRT_OK) status = sdrt_context_place(c);
    if (status == SDRT_OK) status = prepare(c, id);
    if (status == SDRT_OK) status = sdrt_program_load(c->programs[id], c->queue, NULL, NULL);
    return status;
}

/* The U-Net's step needs the small programs before it. */
static void add_up(struct sdrt_pass *p, enum sdrt_program_id id)
{
    struct sdrt_step_info info;

    for (int k = id == SDRT_PROGRAM_STEP ? 0 : (int)id; k <= (int)id; k++) {
        const struct sdrt_program *program = p->context->programs[k];
        if (!program) continue;
        for (int i = 0; i < sdrt_program_steps(program); i++) {
            sdrt_program_step(program, i, &info);
            p->weights += info.weight_bytes;
            if (k == (int)id) p->flop += info.flop * p->repeats;
        }
        if (sdrt_program_peak(program) > p->workspace) p->workspace = sdrt_program_peak(program);
    }
}

int sdrt_pass_open(struct sdrt_pass *p, const struct sdrt_bench_options *o, const char *network,
                   int threads)
{
    const int n = find_network(network);
    struct sdrt_options options;

    sdrt_options_init(&options);
    options.model = o->model;
    options.random_weights = !o->model;
    options.arch = o->arch;
    options.threads = threads;
    options.isa = o->isa;
    options.precision = o->precision;
    options.log = o->log;
    *p = (struct sdrt_pass){ .network = network, .joules = NAN,
                             .batch = o->batch > 0 ? o->batch : networks[n].batch };
    p->repeats = networks[n].program == SDRT_PROGRAM_DECODE ? p->batch : 1; /* one image at a time */
    int status = sdrt_open(&p->context, &options);
    if (status == SDRT_OK) status = load(p->context, o, p->batch, networks[n].program);
    if (status != SDRT_OK) goto out;
    p->program = p->context->programs[networks[n].program];
    p->precision = p->context->precision;
    add_up(p, networks[n].program);
    status = sdrt_pass_run(p, &p->first);
    p->mallocs = p->uneven.n = p->barriers.n = 0;
    p->resident = sdrt_memory_rss();
    if (status == SDRT_OK)
        status = sdrt_roof_create(&p->meter, sdrt_cpu_team(p->context->queue),
                                  sdrt_cpu_topology(p->context->device), p->context->device->isa,
                                  o->log);
    if (status == SDRT_OK) sdrt_roof_try(p->meter);
out:
    if (status != SDRT_OK) sdrt_pass_close(p);
    return status;
}

void sdrt_pass_close(struct sdrt_pass *p)
{
    sdrt_roof_free(&p->meter);
    sdrt_close(&p->context);
    p->program = NULL;
}

static void note_waits(struct sdrt_pass *p, double seconds)
{
    const double all = seconds * p->context->threads;
    struct sdrt_team_waits waits;

    sdrt_team_waits(sdrt_cpu_team(p->context->queue), &waits);
    sdrt_team_measure_waits(sdrt_cpu_team(p->context->queue), 0);
    sdrt_bench_add(&p->uneven, waits.uneven / all);
    sdrt_bench_add(&p->barriers, waits.own / all);
}

int sdrt_pass_run(struct sdrt_pass *p, double *seconds)
{
    struct sdrt_energy before, after;
    int status = SDRT_OK;

    sdrt_program_reset_times(p->program);
    sdrt_team_measure_waits(sdrt_cpu_team(p->context->queue), 1);
    sdrt_energy_read("/sys", &before);
    const long mallocs = sdrt_allocations();
    const double start = sdrt_bench_now();
    for (int k = 0; k < p->repeats && status == SDRT_OK; k++)
        status = sdrt_program_run(p->program, p->context->queue, NULL, NULL);
    *seconds = sdrt_bench_now() - start;
    note_waits(p, *seconds);
    if (sdrt_allocations() - mallocs > p->mallocs)
        p->mallocs = sdrt_allocations() - mallocs;
    sdrt_energy_read("/sys", &after);
    p->joules = sdrt_energy_used(&before, &after);
    return status;
}

void sdrt_pass_waits(const struct sdrt_pass *p, struct sdrt_report *r)
{
    const double uneven = sdrt_bench_summary(&p->uneven).median;
    const double own = sdrt_bench_summary(&p->barriers).median;
    char text[96];

    snprintf(text, sizeof text, "%.2f %% of the pass: %.2f for each other, %.2f the barriers' own",
             100.0 * (uneven + own), 100.0 * uneven, 100.0 * own);
    sdrt_report_number(r, "barrier_share", uneven + own, NULL, "", 0);
    sdrt_report_number(r, "barrier_uneven_share", uneven, NULL, "", 0);
    sdrt_report_number(r, "barrier_own_share", own, NULL, "", 0);
    sdrt_report_text(r, "barrier_text", text, "at barriers");
}

double sdrt_pass_planned(const struct sdrt_pass *p)
{
    return p->weights + (double)(p->context->persistent_bytes + p->workspace);
}

void sdrt_pass_facts(const struct sdrt_pass *p, const struct sdrt_bench_options *o,
                     struct sdrt_report *r)
{
    const struct sdrt_context *c = p->context;
    const double mib = 1.0 / (1 << 20);
    char size[32];

    sdrt_machine_facts(r, sdrt_cpu_topology(c->device), c->device->isa, p->precision, c->threads);
    snprintf(size, sizeof size, "%dx%d", o->width, o->height);
    sdrt_report_text(r, "network", p->network, "network");
    sdrt_report_text(r, "weights", o->model ? c->model_name : "random", "weights");
    sdrt_report_text(r, "size", size, "size");
    sdrt_report_number(r, "batch", p->batch, "batch", "", 0);
    sdrt_report_number(r, "plan.peak_bytes", (double)sdrt_program_peak(p->program), NULL, "", 0);
    sdrt_report_number(r, "plan.lower_bound_bytes", (double)sdrt_program_lower_bound(p->program),
                       NULL, "", 0);
    sdrt_report_number(r, "plan.weights_bytes", p->weights, NULL, "", 0);
    sdrt_report_number(r, "plan.arena_bytes",
                       (double)(c->persistent_bytes + p->workspace), NULL, "", 0);
    sdrt_report_number(r, "resident_bytes", (double)p->resident, NULL, "", 0);
    sdrt_report_number(r, "plan.peak_mib", mib * (double)sdrt_program_peak(p->program),
                       "plan: peak", "MiB", 1);
    sdrt_report_number(r, "plan.lower_bound_mib", mib * (double)sdrt_program_lower_bound(p->program),
                       "lower bound", "MiB", 1);
    sdrt_report_number(r, "plan.total_mib", mib * sdrt_pass_planned(p), "planned", "MiB", 1);
    sdrt_report_number(r, "resident_mib", mib * (double)p->resident, "resident", "MiB", 1);
    sdrt_report_number(r, "mallocs_per_step", (double)p->mallocs, "mallocs a pass", "", 0);
}
