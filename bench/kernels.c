/* SPDX-License-Identifier: MIT
 *
 * sdbench kernels: every family over the shapes that the models run, at one level or at all that
 * the machine has, beside other libraries.  A kernel is compared with the generic level, on fewer
 * rows of the same shape, before it is timed.
 */
#include "bench/bound.h"
#include "bench/kernel_jobs.h"
#include "bench/machine.h"
#include "bench/report.h"
#include "bench/rivals.h"
#include "kernels/isa.h"
#include "model/pipeline/lists.h"
#include "runtime/device/cpu.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum {
    LEVELS = 0
#define SDRT_LEVEL(level, ...) + 1
#include "kernels/levels.h"
    ,
    LEAST_SAMPLES = 3, FIRST_TRIES = 3
};

/* limit: how far kernels may be from the generic level, which gets the same weights.  bf16 keeps 8
 * bits of each factor, int16 some 12 to 14; of f16's 11 the sums lose some. */
static const struct precision {
    const char *name;
    enum sdrt_dtype stored;
    double limit;
} precisions[] = { { "f32", SDRT_F32, 1e-4 }, { "bf16", SDRT_BF16, 2e-2 }, { "int16", SDRT_F32, 3e-3 },
                   { "f16", SDRT_F16, 5e-3 } };

struct level {
    const struct sdrt_isa_level *isa;
    struct sdrt_ops ops;
    struct sdrt_roof_meter *meter;
    const struct precision *precision;
};

struct bench {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    struct sdrt_device *device;
    struct sdrt_queue *queue;
    struct level levels[LEVELS];
    int n_levels;
};

/* Seconds of each run of one shape. */
struct figures {
    struct sdrt_times warm, cold;
    double error;        /* relative L2 distance from the generic level */
    double generic_rate; /* of the generic level, in work a second */
    double openblas, onednn; /* median seconds; NAN where there is none */
};

static const struct sdrt_column columns[] = {
    { "family", "family", 0, 0 },     { "shape", "shape", 0, 0 },
    { "isa", "isa", 0, 0 },           { "calls", "calls", 0, 0 },
    { "ms", "ms", 3, 0 },             { "ms_min", "min ms", 3, 0 },
    { "spread", "spread %", 1, 100 }, { "cold_ms", "cold ms", 3, 0 },
    { "gflops", "GFLOP/s", 1, 0 },    { "gbs", "GB/s", 1, 0 },
    { "bound", "bound by", 0, 0 },    { "roof_share", "of roof %", 1, 100 },
    { "over_generic", "x generic", 1, 0 }, { "over_openblas", "x OpenBLAS", 2, 0 },
    { "over_onednn", "x oneDNN", 2, 0 },
};

/* What counts as work where there is no arithmetic. */
static double work_of(const struct sdrt_job *j) { return j->flop > 0.0 ? j->flop : j->bytes; }

static void set_precision(struct sdrt_job *j, enum sdrt_dtype stored)
{
    if (j->family == SDRT_FAMILY_CONV) j->u.conv.w.stored = stored;
    if (j->family == SDRT_FAMILY_GEMM) j->u.gemm.w.stored = stored;
}

/* ---- checking, and the generic level's speed with it ---- */

/* The level's, but that of bf16 where it has attention in bf16 beside products of integers. */
static double limit_of(const struct level *level, const struct sdrt_job *j)
{
    const struct precision *const bf16 = &precisions[1];
    const int narrow = j->family == SDRT_FAMILY_ATTENTION &&
                       level->ops.attention.operand(&j->u.attention) == SDRT_BF16;

    return narrow ? fmax(bf16->limit, level->precision->limit) : level->precision->limit;
}

static int verify(const struct bench *b, const struct sdrt_job *shape, const struct level *level,
                  struct figures *f)
{
    const double limit = limit_of(level, shape);
    struct sdrt_ops generic;
    struct sdrt_job ours = *shape, reference;
    int status = SDRT_OK;

    sdrt_ops_init(&generic, 0);
    sdrt_job_shorten(&ours);
    reference = ours;
    if (!sdrt_job_set(&ours, &level->ops, b->queue) ||
        !sdrt_job_set(&reference, &generic, b->queue)) {
        status = sdrt_fail(b->o->log, SDRT_E_NOMEM, "out of memory for %s", shape->name);
        goto out;
    }
    sdrt_job_run(&ours);
    for (int i = 0; i < 2; i++) { /* the first touches its memory */
        const double start = sdrt_now();
        sdrt_job_run(&reference);
        f->generic_rate = fmax(f->generic_rate, work_of(&reference) / (sdrt_now() - start));
    }
    f->error = sdrt_job_distance(&ours, &reference);
    if (!(f->error <= limit))
        status = sdrt_fail(b->o->log, SDRT_E_NUMERIC, "%s %s at %s is wrong (%.1e from the generic "
                           "level), so it was not timed", sdrt_family_names[shape->family],
                           shape->name, level->isa->name, f->error);
out:
    sdrt_job_release(&ours);
    sdrt_job_release(&reference);
    return status;
}

/* ---- timing ---- */

static int more(const struct sdrt_times *t, double start, double seconds)
{
    return t->n < LEAST_SAMPLES ||
           (sdrt_now() - start < seconds && t->n < SDRT_BENCH_SAMPLES);
}

static void time_job(const struct bench *b, const struct level *level, struct sdrt_job *j,
                     struct figures *f)
{
    double start, t0;

    sdrt_job_run(j);
    for (start = sdrt_now(); more(&f->warm, start, b->o->seconds);) {
        t0 = sdrt_now();
        sdrt_job_run(j);
        sdrt_bench_add(&f->warm, sdrt_now() - t0);
    }
    for (start = sdrt_now(); more(&f->cold, start, b->o->seconds);) {
        sdrt_roof_evict(level->meter);
        t0 = sdrt_now();
        sdrt_job_run(j);
        sdrt_bench_add(&f->cold, sdrt_now() - t0);
    }
    sdrt_roof_try(level->meter);
}

static double time_rival(const struct bench *b, const struct sdrt_rival *rival,
                         const struct sdrt_job *j, const struct level *level)
{
    const int bf16 = level->precision->stored == SDRT_BF16;
    struct sdrt_times times = { .n = 0 };
    struct sdrt_rival_work *work = rival ? rival->set(j, bf16) : NULL;

    if (!work) return NAN;
    rival->run(work);
    for (const double start = sdrt_now(); more(&times, start, b->o->seconds);) {
        const double t0 = sdrt_now();
        rival->run(work);
        sdrt_bench_add(&times, sdrt_now() - t0);
    }
    rival->release(&work);
    return sdrt_bench_summary(&times).median;
}

/* ---- telling ---- */

static void add_row(const struct bench *b, const struct level *level, const struct sdrt_job *j,
                    const struct figures *f, const char *shape)
{
    const struct sdrt_summary s = sdrt_bench_summary(&f->warm), cold = sdrt_bench_summary(&f->cold);
    const int matrix = j->family <= SDRT_FAMILY_GEMM;
    const struct sdrt_traffic traffic = {
        .flop = j->flop, .weights = j->weight_bytes, .weights_among = j->bytes,
        .activations = j->bytes - j->weight_bytes,
        .precision = matrix ? level->precision->name : "f32",
    };
    const struct sdrt_bound bound = sdrt_bound_of(&traffic, sdrt_roof_of(level->meter),
                                                  sdrt_cpu_topology(b->device),
                                                  b->queue->workers);
    char name[128];

    snprintf(name, sizeof name, "%s %s %s", sdrt_family_names[j->family], shape, level->isa->name);
    sdrt_report_row(b->report, json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:o, s:o, s:o, s:f, "
        "s:o, s:o}", "name", name, "family", sdrt_family_names[j->family], "shape", shape, "isa",
        level->isa->name, "calls", j->calls, "ms", s.median * 1e3, "ms_min", s.min * 1e3, "spread",
        s.spread, "cold_ms", cold.median * 1e3, "gflops", j->flop / s.median * 1e-9, "gbs",
        j->bytes / s.median * 1e-9, "bound", sdrt_bound_name(bound.kind), "roof_share",
        bound.seconds / s.median, "over_generic",
        sdrt_report_real(work_of(j) / s.median / f->generic_rate), "over_openblas",
        sdrt_report_real(f->openblas / s.median), "over_onednn",
        sdrt_report_real(f->onednn / s.median), "error", f->error, "samples_ms",
        sdrt_bench_samples(&f->warm, 1e3), "cold_samples_ms", sdrt_bench_samples(&f->cold, 1e3)));
}

/* For a person who waits; the table comes at the end. */
static void tell(const char *text)
{
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r%-79.79s%s", text, *text ? "" : "\r");
}

static int run_shape(const struct bench *b, const struct sdrt_job *shape)
{
    int status = SDRT_OK;

    for (int i = 0; i < b->n_levels && status == SDRT_OK; i++) {
        const struct level *level = &b->levels[i];
        struct figures f = { .openblas = NAN, .onednn = NAN };
        struct sdrt_job j = *shape;
        char name[96];
        /* The generic level is far too slow to be waited for at full size. */
        if (!level->isa->flags) sdrt_job_shorten(&j);
        snprintf(name, sizeof name, "%s%s", shape->name,
                 memcmp(&j.u, &shape->u, sizeof j.u) ? " (few rows)" : "");
        set_precision(&j, level->precision->stored);
        status = verify(b, &j, level, &f);
        if (status == SDRT_OK && !sdrt_job_set(&j, &level->ops, b->queue))
            status = sdrt_fail(b->o->log, SDRT_E_NOMEM, "out of memory for %s", shape->name);
        if (status == SDRT_OK) {
            tell(name);
            f.openblas = time_rival(b, &sdrt_rival_openblas, &j, level);
            f.onednn = time_rival(b, sdrt_rival_onednn, &j, level);
            time_job(b, level, &j, &f);
            add_row(b, level, &j, &f, name);
        }
        sdrt_job_release(&j);
    }
    return status;
}

/* ---- which ---- */

static int wanted_family(const char *what, int family)
{
    const int norm = family >= SDRT_FAMILY_GN_SUMS && family <= SDRT_FAMILY_RMS_NORM;

    return !what || !strcmp(what, sdrt_family_names[family]) || (norm && !strcmp(what, "norm"));
}

static int run_family(const struct bench *b, enum sdrt_family family, int *shapes)
{
    struct sdrt_job j, before;
    int status = SDRT_OK;

    for (int i = 0; i < sdrt_job_count(family) && status == SDRT_OK; i++) {
        int again = 0;
        sdrt_job_get(&j, family, i);
        if (b->o->shape && !strstr(j.name, b->o->shape)) continue;
        for (int k = 0; k < i && !again; k++) { /* those that differ in an epsilon */
            sdrt_job_get(&before, family, k);
            again = !strcmp(before.name, j.name);
        }
        if (again) continue;
        ++*shapes;
        status = run_shape(b, &j);
    }
    return status;
}

/* The one asked for, or the level's own. */
static const struct precision *precision_of(const char *name, unsigned flag)
{
    const struct precision *p = precisions;
    const char *const own = flag & SDRT_ISA_ANY_BF16    ? "bf16"
                            : flag & SDRT_ISA_ANY_INT16 ? "int16"
                            : flag & SDRT_ISA_ANY_F16   ? "f16"
                                                        : "f32";

    while (strcmp(p->name, name ? name : own)) p++;
    return p;
}

static int add_level(struct bench *b, const struct sdrt_isa_level *isa)
{
    struct level *level = &b->levels[b->n_levels];

    level->isa = isa;
    level->precision = precision_of(b->o->precision, isa->own);
    sdrt_ops_init(&level->ops, isa->flags);
    const int status = sdrt_roof_create(&level->meter, sdrt_cpu_team(b->queue),
                                        sdrt_cpu_topology(b->device), isa->name, b->o->log);
    if (status != SDRT_OK) return status;
    b->n_levels++;
    sdrt_roof_tries(level->meter, FIRST_TRIES);
    return SDRT_OK;
}

static int add_levels(struct bench *b)
{
    const unsigned have = sdrt_isa_detect();
    const int all = b->o->isa && !strcmp(b->o->isa, "all");
    int status = SDRT_OK;

    if (!all) return add_level(b, b->o->isa ? sdrt_isa_find(b->o->isa) : sdrt_isa_best(have));
    for (const struct sdrt_isa_level *l = sdrt_isa_levels; l->name && status == SDRT_OK; l++)
        if ((l->flags & have) == l->flags) status = add_level(b, l);
    return status;
}

static int check(const struct sdrt_bench_options *o)
{
    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa) : NULL;

    if (sdrt_bench_on_gpu(o))
        return sdrt_fail(o->log, SDRT_E_UNSUPPORTED,
                         "kernels on device \"%s\": expected device cpu; layers "
                         "times each on a GPU",
                         o->device);
    char names[SDRT_CHOICES];
    int known = 0;

    for (int f = 0; f < SDRT_FAMILIES; f++) known |= wanted_family(o->what, f);
    if (!known)
        return sdrt_fail(o->log, SDRT_E_ARG, "unknown family \"%s\": expected attention, conv, gemm, "
                         "norm, gn_sums, gn_fold, layer_norm, rms_norm or elementwise", o->what);
    if (o->isa && strcmp(o->isa, "all") &&
        (!level || (level->flags & sdrt_isa_detect()) != level->flags))
        return sdrt_fail(o->log, SDRT_E_ARG, "instruction set \"%s\": unknown, or not on this "
                         "machine", o->isa);
    if (o->precision && sdrt_choice(sdrt_precision_name, o->precision) < 0)
        return sdrt_fail(o->log, SDRT_E_ARG, "unknown precision \"%s\": expected %s", o->precision,
                         sdrt_choices(names, sdrt_precision_name));
    return SDRT_OK;
}

static void add_facts(const struct bench *b)
{
    const struct level *best = &b->levels[b->n_levels - 1];

    sdrt_machine_facts(b->report, sdrt_cpu_topology(b->device),
                       b->n_levels > 1 ? "all" : best->isa->name, best->precision->name,
                       b->queue->workers);
    sdrt_roof_facts(sdrt_roof_of(best->meter), b->report, "roof", "roof");
    if (!sdrt_rival_onednn)
        sdrt_report_text(b->report, "onednn", "n/a: sdbench was built without it", "oneDNN");
}

int sdrt_bench_kernels(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct bench b = { .o = o, .report = r };
    struct sdrt_binding before;
    int shapes = 0, workers = 0, status = check(o);

    /* Each level brings its own kernels; the device has the workers. */
    if (status == SDRT_OK)
        status = sdrt_cpu_device_open(&b.device, 0, "generic", SDRT_PIN_ALWAYS, o->log);
    if (status == SDRT_OK) {
        workers = o->threads ? o->threads : b.device->workers;
        sdrt_rivals_start(workers);
        status = sdrt_queue_open(&b.queue, b.device, workers, o->log);
        /* For good, so that runs of some microseconds need not. */
        sdrt_topology_bind(sdrt_cpu_topology(b.device), 0, workers, &before);
    }
    if (status == SDRT_OK) status = add_levels(&b);
    sdrt_report_table(r, "kernels", columns, sizeof columns / sizeof columns[0]);
    for (int f = 0; f < SDRT_FAMILIES && status == SDRT_OK; f++)
        if (wanted_family(o->what, f)) status = run_family(&b, (enum sdrt_family)f, &shapes);
    tell("");
    if (status == SDRT_OK && !shapes)
        status = sdrt_fail(o->log, SDRT_E_ARG, "no shape whose name holds \"%s\"", o->shape);
    if (status == SDRT_OK) add_facts(&b);
    for (int i = 0; i < b.n_levels; i++) sdrt_roof_free(&b.levels[i].meter);
    sdrt_queue_close(&b.queue);
    sdrt_device_close(&b.device);
    return status;
}
