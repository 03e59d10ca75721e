/* SPDX-License-Identifier: MIT */
#include "bench/pass.h"
#include "bench/allocations.h"
#include "bench/energy.h"
#include "bench/machine.h"
#include "model/checkpoint/tensor_names.h"
#include "model/pipeline/bands.h"
#include "model/pipeline/share.h"
#include "runtime/device/cpu.h"
#include "runtime/machine/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* A network by how often its pass runs, or a text encoder by the name of its pass. */
static const struct {
    const char *name;
    enum sdrt_when when;
    const char *pass;
    int batch;
} networks[] = {
    { "unet", SDRT_EACH_EVALUATION, NULL, 2 }, /* the guided pair */
    { "vae", SDRT_ONCE_AN_IMAGE, NULL, 1 },
    { "text", SDRT_ONCE_A_PROMPT, "text", 1 },
    { "text2", SDRT_ONCE_A_PROMPT, "text 2", 1 }, /* SDXL's second */
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

static const struct sdrt_model_config *config_of(const struct sdrt_session *s)
{
    return sdrt_model_config_of(s->model);
}

static void fill_noise(float *to, size_t n)
{
    struct sdrt_rng rng;

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 1);
    sdrt_rng_normal(&rng, to, n);
}

/* Unit noise where the pass reads a latent. */
static void fill_latent(struct sdrt_session *s, const char *name)
{
    const int slot = sdrt_slots_find(&s->slots, "", name);

    fill_noise(sdrt_slot_map(&s->slots, slot), s->slots.slot[slot].bytes / sizeof(float));
}

static void fill_bands(struct sdrt_session *s)
{
    const size_t pixels = (size_t)s->shape.h * (size_t)s->shape.w;

    fill_noise(sdrt_bands_in(s->bands[SDRT_VAE_DECODER], sdrt_session_bands_arena(s)),
               pixels * (size_t)config_of(s)->vae.latent_channels);
}

/* The tokens of an empty prompt. */
static int fill_ids(struct sdrt_session *s)
{
    const int pair = sdrt_shape_unet_batch(&s->shape), tokens = sdrt_prompt_tokens(config_of(s));
    int status = SDRT_OK;

    for (int k = 0; k < config_of(s)->n_text; k++) {
        char name[64];
        snprintf(name, sizeof name, "%s.ids", sdrt_text_prefix(k));
        int32_t *ids = sdrt_session_map(s, SDRT_PART_BASE, name);
        for (int i = 0; i < pair && status == SDRT_OK; i++)
            status = sdrt_model_tokenize(s->model, k, "", ids + i * tokens, NULL);
    }
    return status;
}

/* The passes before the step, whose results it reads; all stay packed. */
static int run_before(struct sdrt_session *s, int step)
{
    static const float numbers[SDRT_TOLD] = { 1024, 1024, 0, 0, 1024, 1024 };
    int status = SDRT_OK;

    *(float *)sdrt_session_map(s, SDRT_PART_BASE, "timesteps") = 500.0f;
    for (int i = 0; i < step && status == SDRT_OK; i++) {
        if (!s->programs[i]) continue;
        if (s->model->passes[i].when == SDRT_ONCE_A_SCHEDULE)
            sdrt_session_fill_added(s, SDRT_PART_BASE, numbers);
        status = sdrt_session_load(s, i, NULL, NULL);
        if (status == SDRT_OK) status = sdrt_session_run(s, i, NULL, NULL);
    }
    const int time = sdrt_slots_find(&s->slots, "", "time");
    sdrt_slot_write(&s->slots, time, 0, sdrt_session_map(s, SDRT_PART_BASE, "time_table"),
                    s->slots.slot[time].bytes);
    return status;
}

/* Inputs like a real run's. */
static int prepare(struct sdrt_session *s, int pass)
{
    const enum sdrt_when when = s->model->passes[pass].when;
    int status = fill_ids(s);

    if (when == SDRT_ONCE_AN_IMAGE && s->bands[SDRT_VAE_DECODER]) fill_bands(s);
    else if (when == SDRT_ONCE_AN_IMAGE) fill_latent(s, "vae_in");
    if (when != SDRT_EACH_EVALUATION) return status;
    fill_latent(s, "model_in");
    return status == SDRT_OK ? run_before(s, pass) : status;
}

/* With ranks that share guidance the batch is pairs. */
static int pairs(const struct sdrt_bench_options *o, int network)
{
    return o->mpi && !strcmp(o->mpi, "guidance") && networks[network].when == SDRT_EACH_EVALUATION;
}

static int share(struct sdrt_session *s, const struct sdrt_bench_options *o)
{
    if (o->commons) sdrt_model_share_weights(s->model, o->commons);
    if (!o->share) return SDRT_OK;
    return sdrt_session_share(s, o->share,
                              !strcmp(o->mpi, "rows") ? SDRT_SHARE_ROWS : SDRT_SHARE_GUIDANCE);
}

static int load(struct sdrt_session *s, const struct sdrt_bench_options *o, int batch, int network,
                int *pass)
{
    const struct sdrt_model_config *config = config_of(s);
    const struct sdrt_denoiser *denoiser = sdrt_denoiser_of(config);
    const int unit = 1 << (config->vae.levels - 1);
    const int pair = pairs(o, network);
    /* The batch of the networks is what is asked for, so no further pair is made of it. */
    const struct sdrt_shape shape = { .batch = pair ? batch / 2 : batch,
                                      .guided = pair,
                                      .h = o->height / unit,
                                      .w = o->width / unit,
                                      .evaluations = { 1 },
                                      .vae_bands = o->bands };
    int status = SDRT_OK;

    if (o->width % unit || o->height % unit || o->width < unit || o->height < unit)
        return sdrt_fail(o->log, SDRT_E_ARG, "size %dx%d: expected multiples of %d", o->width,
                         o->height, unit);
    if (batch > SDRT_MAX_BATCH)
        return sdrt_fail(o->log, SDRT_E_ARG, "batch %d: expected 1 to %d", batch, SDRT_MAX_BATCH);
    if (denoiser->check_size) status = denoiser->check_size(config, shape.h, shape.w, o->log);
    if (status == SDRT_OK) status = share(s, o);
    if (status == SDRT_OK) status = sdrt_session_plan(s, &shape);
    if (status != SDRT_OK) return status;
    *pass = networks[network].pass
            ? sdrt_session_find(s, networks[network].pass)
            : sdrt_session_find_when(s, SDRT_PART_BASE, networks[network].when);
    if (*pass < 0)
        return sdrt_fail(o->log, SDRT_E_ARG, "text2: the model has one text encoder");
    struct sdrt_bands *bands = sdrt_session_bands(s, &s->model->passes[*pass]);
    status = sdrt_session_place(s);
    if (status == SDRT_OK) status = prepare(s, *pass);
    if (status != SDRT_OK) return status;
    return bands ? sdrt_bands_open(bands) : sdrt_session_load(s, *pass, NULL, NULL);
}

/* The U-Net's step needs the small programs before it. */
static void add_up(struct sdrt_bench_pass *p, int pass)
{
    const struct sdrt_session *s = p->context->session;
    struct sdrt_step_info info;

    if (p->bands) {
        p->weights = (double)sdrt_bands_weight_bytes(p->bands);
        p->flop = sdrt_bands_flop(p->bands) * p->repeats;
        p->workspace = sdrt_bands_bytes(p->bands);
        return;
    }
    for (int k = s->model->passes[pass].when == SDRT_EACH_EVALUATION ? 0 : pass; k <= pass; k++) {
        const struct sdrt_program *program = s->programs[k];
        if (!program) continue;
        for (int i = 0; i < sdrt_program_steps(program); i++) {
            sdrt_program_step(program, i, &info);
            p->weights += info.weight_bytes;
            if (k == pass) p->flop += info.flop * p->repeats;
        }
        if (sdrt_program_peak(program) > p->workspace) p->workspace = sdrt_program_peak(program);
    }
}

void sdrt_bench_fill(struct sdrt_options *options, const struct sdrt_bench_options *o)
{
    sdrt_options_init(options);
    options->model = o->model;
    options->random_weights = !o->model;
    options->arch = o->arch;
    options->threads = o->threads;
    options->isa = o->isa;
    options->precision = o->precision;
    options->device = o->device;
    options->no_pin = o->no_pin;
    options->log = o->log;
}

int sdrt_pass_open(struct sdrt_bench_pass *p, const struct sdrt_bench_options *o, const char *network,
                   int threads)
{
    const int n = find_network(network);
    int pass = 0;
    struct sdrt_options options;

    sdrt_bench_fill(&options, o);
    options.threads = threads;
    options.taesd = o->taesd;
    *p = (struct sdrt_bench_pass){ .network = network, .joules = NAN,
                             .batch = o->batch > 0 ? o->batch : networks[n].batch };
    p->repeats = networks[n].when == SDRT_ONCE_AN_IMAGE ? p->batch : 1; /* one image at a time */
    sdrt_counters_open(&p->counters); /* before there are threads to count */
    int status = sdrt_open(&p->context, &options);
    if (status == SDRT_OK && o->outliers > 0.0)
        sdrt_random_weights_stand_out(p->context->model->random, (float)o->outliers);
    if (status == SDRT_OK) status = load(p->context->session, o, p->batch, n, &pass);
    if (status != SDRT_OK) goto out;
    p->program = p->context->session->programs[pass];
    p->bands = sdrt_session_bands(p->context->session, &p->context->model->passes[pass]);
    p->index = pass;
    p->precision = sdrt_pass_precision(&p->context->model->passes[pass],
                                       p->context->model->precision);
    add_up(p, pass);
    status = sdrt_pass_run(p, &p->first);
    p->mallocs = p->uneven.n = p->barriers.n = 0;
    p->resident = sdrt_memory_rss();
    if (status == SDRT_OK && !o->mpi)
        status = sdrt_roof_create_on(&p->meter, p->context->session->queue, o->log);
    if (status == SDRT_OK && p->meter) sdrt_roof_try(p->meter);
out:
    if (status != SDRT_OK) sdrt_pass_close(p);
    return status;
}

void sdrt_pass_close(struct sdrt_bench_pass *p)
{
    sdrt_counters_close(&p->counters);
    sdrt_roof_free(&p->meter);
    sdrt_close(&p->context);
    p->program = NULL;
    p->bands = NULL;
}

struct sdrt_program *sdrt_pass_program(const struct sdrt_bench_pass *p, int i, int *times)
{
    struct sdrt_program *program;

    *times = 1;
    if (p->bands) program = sdrt_bands_program(p->bands, i, times);
    else program = i ? NULL : p->program;
    *times *= p->repeats;
    return program;
}

static int run_once(const struct sdrt_bench_pass *p)
{
    struct sdrt_session *s = p->context->session;

    if (!p->bands) return sdrt_session_run(s, p->index, NULL, NULL);
    return sdrt_bands_run(p->bands, sdrt_session_bands_arena(s), s->queue, NULL, NULL);
}

static void note_waits(struct sdrt_bench_pass *p, double seconds)
{
    const struct sdrt_queue *queue = p->context->session->queue->host;
    const double all = seconds * queue->workers;
    struct sdrt_team_waits waits;

    sdrt_team_waits(sdrt_cpu_team(queue), &waits);
    sdrt_team_measure_waits(sdrt_cpu_team(queue), 0);
    sdrt_bench_add(&p->uneven, waits.uneven / all);
    sdrt_bench_add(&p->barriers, waits.own / all);
}

int sdrt_pass_run(struct sdrt_bench_pass *p, double *seconds)
{
    struct sdrt_energy before, after;
    struct sdrt_program *program;
    int status = SDRT_OK, times;

    for (int i = 0; (program = sdrt_pass_program(p, i, &times)); i++)
        sdrt_program_reset_times(program);
    sdrt_team_measure_waits(sdrt_cpu_team(p->context->session->queue->host), 1);
    sdrt_energy_read("/sys", &before);
    sdrt_counters_start(&p->counters);
    const long mallocs = sdrt_allocations();
    const double start = sdrt_now();
    for (int k = 0; k < p->repeats && status == SDRT_OK; k++) status = run_once(p);
    *seconds = sdrt_now() - start;
    sdrt_counters_stop(&p->counters, p->counted);
    note_waits(p, *seconds);
    if (sdrt_allocations() - mallocs > p->mallocs)
        p->mallocs = sdrt_allocations() - mallocs;
    sdrt_energy_read("/sys", &after);
    p->joules = sdrt_energy_used(&before, &after);
    return status;
}

void sdrt_pass_waits(const struct sdrt_bench_pass *p, struct sdrt_report *r)
{
    if (!sdrt_device_is_host(p->context->model->device)) return;
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

void sdrt_pass_counted(const struct sdrt_bench_pass *p, struct sdrt_report *r)
{
    static const char *const keys[SDRT_COUNTERS] = {
        [SDRT_COUNTER_CYCLES] = "counters.cycles",
        [SDRT_COUNTER_INSTRUCTIONS] = "counters.instructions",
        [SDRT_COUNTER_L2_MISSES] = "counters.l2_misses",
        [SDRT_COUNTER_L3_MISSES] = "counters.l3_misses",
        [SDRT_COUNTER_TASK_NS] = "counters.task_ns",
    };
    const double *v = p->counted, cycles = v[SDRT_COUNTER_CYCLES];
    char text[160];

    for (int i = 0; i < SDRT_COUNTERS; i++) sdrt_report_number(r, keys[i], v[i], NULL, "", 0);
    if (isnan(cycles)) snprintf(text, sizeof text, "n/a: %s", sdrt_counter_why());
    else
        snprintf(text, sizeof text,
                 "%.2f GHz, %.2f instructions a clock, %.1f M misses of L2, %.1f M of L3",
                 cycles / v[SDRT_COUNTER_TASK_NS], v[SDRT_COUNTER_INSTRUCTIONS] / cycles,
                 1e-6 * v[SDRT_COUNTER_L2_MISSES], 1e-6 * v[SDRT_COUNTER_L3_MISSES]);
    sdrt_report_text(r, "counters.text", text, "counters");
}

double sdrt_pass_planned(const struct sdrt_bench_pass *p)
{
    return p->weights + (double)(p->context->session->persistent_bytes + p->workspace);
}

void sdrt_pass_facts(const struct sdrt_bench_pass *p, const struct sdrt_bench_options *o,
                     struct sdrt_report *r)
{
    const struct sdrt_session *s = p->context->session;
    const double mib = 1.0 / (1 << 20);
    const size_t peak = p->bands ? sdrt_bands_bytes(p->bands) : sdrt_program_peak(p->program);
    const size_t bound = p->bands ? peak - sdrt_bands_excess(p->bands)
                                  : sdrt_program_lower_bound(p->program);
    char size[32];

    sdrt_device_facts(r, s->queue, p->precision);
    snprintf(size, sizeof size, "%dx%d", o->width, o->height);
    sdrt_report_text(r, "network", p->network, "network");
    sdrt_report_text(r, "weights", o->model ? s->model->parts[SDRT_PART_BASE].name : "random", "weights");
    if (!o->model) sdrt_report_text(r, "arch", o->arch, "architecture");
    sdrt_report_text(r, "size", size, "size");
    if (p->bands) sdrt_report_number(r, "bands", o->bands, "bands", "rows", 0);
    if (o->taesd) sdrt_report_text(r, "decoder", "TAESD", "decoder");
    sdrt_report_number(r, "batch", p->batch, "batch", "", 0);
    sdrt_report_number(r, "plan.peak_bytes", (double)peak, NULL, "", 0);
    sdrt_report_number(r, "plan.lower_bound_bytes", (double)bound, NULL, "", 0);
    sdrt_report_number(r, "plan.weights_bytes", p->weights, NULL, "", 0);
    sdrt_report_number(r, "plan.arena_bytes",
                       (double)(s->persistent_bytes + p->workspace), NULL, "", 0);
    sdrt_report_number(r, "resident_bytes", (double)p->resident, NULL, "", 0);
    sdrt_report_number(r, "plan.peak_mib", mib * (double)peak, "plan: peak", "MiB", 1);
    sdrt_report_number(r, "plan.lower_bound_mib", mib * (double)bound, "lower bound", "MiB", 1);
    if (p->bands)
        sdrt_report_number(r, "plan.file_mib", mib * (double)sdrt_bands_spilled_bytes(p->bands),
                           "file", "MiB", 1);
    sdrt_report_number(r, "plan.total_mib", mib * sdrt_pass_planned(p), "planned", "MiB", 1);
    sdrt_report_number(r, "resident_mib", mib * (double)p->resident, "resident", "MiB", 1);
    sdrt_report_number(r, "mallocs_per_step", sdrt_allocations_counted() ? (double)p->mallocs : NAN,
                       "mallocs a pass", "", 0);
}
