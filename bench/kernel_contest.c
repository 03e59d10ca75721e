/* SPDX-License-Identifier: MIT */
#include "bench/bound.h"
#include "bench/kernel_contest.h"
#include "bench/kernel_race.h"
#include "bench/rivals.h"
#include "runtime/device/cpu.h"
#include "runtime/random/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LEAST_COLD = 3,
    /* Who takes part: the levels, then these. */
    GENERIC = SDRT_BENCH_LEVELS,
    OPENBLAS,
    ONEDNN,
    ONEDNN_BF16,
    RACERS
};

/* Beyond this spread a ratio of medians says little, and is left out. */
static const double most_spread = 0.1;

/* One shape at some levels, timed in turn with what they are compared with. */
struct contest {
    const char *shape;
    int first, n;                            /* levels */
    struct sdrt_job jobs[SDRT_BENCH_LEVELS]; /* of these levels */
    struct sdrt_job generic;                 /* few rows, at the generic level */
    struct sdrt_times cold[SDRT_BENCH_LEVELS];
    double error[SDRT_BENCH_LEVELS];         /* relative L2 distance from the generic level */
    const struct sdrt_rival *rivals[RACERS]; /* NULL: not in it */
    struct sdrt_rival_work *works[RACERS];
    struct sdrt_racer racers[RACERS];
    int few[SDRT_BENCH_LEVELS];   /* whether it is shortened */
    int places[RACERS], n_racers; /* where a racer is, -1: nowhere */
    struct sdrt_watch watches[SDRT_BENCH_LEVELS];
    float *other_x; /* the second set of numbers of a watched job */
};

/* What counts as work where there is no arithmetic. */
static double work_of(const struct sdrt_job *j) { return j->flop > 0.0 ? j->flop : j->bytes; }

/* ---- checking ---- */

static const double bf16_limit = 2e-2;

/* The level's, but that of bf16 where it has attention in bf16 beside products of integers. */
static double limit_of(const struct sdrt_bench_level *level, const struct sdrt_job *j)
{
    const int narrow = j->family == SDRT_FAMILY_ATTENTION &&
                       level->ops.attention.operand(&j->u.attention) == SDRT_BF16;

    return narrow ? fmax(bf16_limit, level->precision->limit) : level->precision->limit;
}

static int out_of_memory(const struct sdrt_kernel_bench *b, const char *shape)
{
    return sdrt_fail(b->o->log, SDRT_E_NOMEM, "out of memory for %s", shape);
}

static int verify(const struct sdrt_kernel_bench *b, const struct sdrt_job *shape,
                  const struct sdrt_bench_level *level, double *error)
{
    const double limit = limit_of(level, shape);
    struct sdrt_ops generic;
    struct sdrt_job ours = *shape, reference;
    int status = SDRT_OK;

    sdrt_ops_init(&generic, 0);
    sdrt_job_shorten(&ours);
    reference = ours;
    if (level->precision->stored == SDRT_I8) sdrt_job_set_precision(&reference, SDRT_F32);
    if (!sdrt_job_set(&ours, &level->ops, b->queue) ||
        !sdrt_job_set(&reference, &generic, b->queue)) {
        status = out_of_memory(b, shape->name);
        goto out;
    }
    sdrt_job_prepare(&ours);
    sdrt_job_prepare(&reference);
    sdrt_job_run(&ours);
    sdrt_job_run(&reference);
    *error = sdrt_job_distance(&ours, &reference);
    if (!(*error <= limit))
        status = sdrt_fail(b->o->log, SDRT_E_NUMERIC,
                           "%s %s at %s is wrong (%.1e from the generic "
                           "level), so it was not timed",
                           sdrt_family_names[shape->family], shape->name, level->name, *error);
out:
    sdrt_job_release(&ours);
    sdrt_job_release(&reference);
    return status;
}

/* ---- what takes part ---- */

static void run_job(void *job) { sdrt_job_run(job); }
static void prepare_job(void *job) { sdrt_job_prepare(job); }

/* Untimed, before each of its runs. */
static void prepare_each(struct contest *c, int who, struct sdrt_job *j)
{
    struct sdrt_racer *r = &c->racers[c->places[who]];

    r->before = j->family == SDRT_FAMILY_ELEMENTWISE ? prepare_job : NULL;
    r->watch = j;
}

static void enter(struct contest *c, int who, void (*run)(void *), void *arg)
{
    c->places[who] = c->n_racers;
    c->racers[c->n_racers++] = (struct sdrt_racer){ .run = run, .arg = arg };
}

static void run_openblas(void *work) { sdrt_rival_openblas.run(work); }
static void run_onednn(void *work) { sdrt_rival_onednn->run(work); }

static void enter_rival(struct contest *c, int who, const struct sdrt_rival *rival, int bf16)
{
    struct sdrt_rival_work *work = rival ? rival->set(&c->jobs[0], bf16) : NULL;

    if (!work) return;
    c->rivals[who] = rival;
    c->works[who] = work;
    enter(c, who, who == OPENBLAS ? run_openblas : run_onednn, work);
}

/* The job of one level at full size, but the generic level's, which nobody would wait for. */
static int prepare(const struct sdrt_kernel_bench *b, struct contest *c,
                   const struct sdrt_job *shape, int i)
{
    const struct sdrt_bench_level *level = &b->levels[c->first + i];
    struct sdrt_job *j = &c->jobs[i];

    *j = *shape;
    if (!level->isa->flags && !level->foreign) sdrt_job_shorten(j);
    c->few[i] = memcmp(&j->u, &shape->u, sizeof j->u) != 0;
    sdrt_job_set_precision(j, level->precision->stored);
    const int status = verify(b, j, level, &c->error[i]);
    if (status != SDRT_OK) return status;
    return sdrt_job_set(j, &level->ops, b->queue) ? SDRT_OK : out_of_memory(b, shape->name);
}

static int enter_all(const struct sdrt_kernel_bench *b, struct contest *c,
                     const struct sdrt_job *shape)
{
    static struct sdrt_ops generic;
    int bf16 = 0, other = 0, status = SDRT_OK;

    for (int i = 0; i < RACERS; i++) c->places[i] = -1;
    for (int i = 0; i < c->n && status == SDRT_OK; i++) {
        const struct sdrt_bench_level *level = &b->levels[c->first + i];
        status = prepare(b, c, shape, i);
        enter(c, i, run_job, &c->jobs[i]);
        prepare_each(c, i, &c->jobs[i]);
        if (level->precision->stored == SDRT_BF16) bf16 = 1;
        else other = 1;
    }
    if (status != SDRT_OK) return status;
    sdrt_ops_init(&generic, 0);
    c->generic = *shape;
    sdrt_job_shorten(&c->generic);
    if (!sdrt_job_set(&c->generic, &generic, b->queue)) return out_of_memory(b, shape->name);
    enter(c, GENERIC, run_job, &c->generic);
    prepare_each(c, GENERIC, &c->generic);
    enter_rival(c, OPENBLAS, &sdrt_rival_openblas, 0);
    if (other) enter_rival(c, ONEDNN, sdrt_rival_onednn, 0);
    if (bf16) enter_rival(c, ONEDNN_BF16, sdrt_rival_onednn, 1);
    return SDRT_OK;
}

static void leave(struct contest *c)
{
    for (int i = 0; i < c->n; i++) {
        sdrt_watch_free(&c->watches[i]);
        sdrt_job_release(&c->jobs[i]);
    }
    for (int i = 0; i < RACERS; i++)
        if (c->rivals[i]) c->rivals[i]->release(&c->works[i]);
    sdrt_job_release(&c->generic);
    free(c->other_x);
}

/* ---- a kernel of a file, and what it is beside ---- */

static size_t x_floats(const struct sdrt_job *j)
{
    struct sdrt_ew_extent e;

    if (j->family == SDRT_FAMILY_ELEMENTWISE) {
        sdrt_ew_measure(&j->u.ew, &e);
        return e.x;
    }
    if (j->family == SDRT_FAMILY_GN_SUMS || j->family == SDRT_FAMILY_GN_FOLD)
        return (size_t)j->u.gn.batch * (size_t)j->u.gn.pixels * (size_t)j->u.gn.x_pitch;
    if (j->family == SDRT_FAMILY_LAYER_NORM) return (size_t)j->u.ln.rows * (size_t)j->u.ln.x_pitch;
    if (j->family == SDRT_FAMILY_RMS_NORM) return (size_t)j->u.rms.rows * (size_t)j->u.rms.x_pitch;

    const struct sdrt_conv_shape *c = &j->u.conv;
    const struct sdrt_gemm_shape *g = &j->u.gemm;
    const struct sdrt_attention_shape *a = &j->u.attention;

    return j->family == SDRT_FAMILY_CONV
               ? (size_t)c->batch * (size_t)c->in_h * (size_t)c->in_w * (size_t)c->in_c
           : j->family == SDRT_FAMILY_GEMM
               ? (size_t)g->m * (size_t)g->a_pitch
               : (size_t)a->batch * (size_t)a->q_len * (size_t)a->q_pitch;
}

/* All levels of full size are watched alike, so that it costs all the same.  The file's, which is the
 * last, has to agree with the one before it, which is ours. */
static int watch(const struct sdrt_kernel_bench *b, struct contest *c)
{
    const struct sdrt_job *mine = &c->jobs[c->n - 1];
    const size_t floats = x_floats(mine);
    struct sdrt_rng rng;
    float *first;

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, b->seed & 0xffffffff);
    c->other_x = sdrt_job_numbers(&rng, 2 * floats);
    if (!c->other_x) return out_of_memory(b, c->shape);
    first = c->other_x + floats;
    memcpy(first, mine->x, floats * sizeof *first);
    const float *const x[2] = { first, c->other_x };
    for (int i = 0; i < c->n; i++) {
        struct sdrt_racer *r = &c->racers[c->places[i]];
        if (c->few[i]) continue;
        if (!sdrt_watch_create(&c->watches[i], &c->jobs[i], x, floats * sizeof(float),
                               b->seed + (uint64_t)i))
            return out_of_memory(b, c->shape);
        r->watch = &c->watches[i];
        r->before = sdrt_watch_before;
        r->after = sdrt_watch_after;
    }
    return SDRT_OK;
}

static int compare_watched(const struct sdrt_kernel_bench *b, const struct contest *c,
                           const struct sdrt_job *shape)
{
    const struct sdrt_bench_level *level = &b->levels[c->first + c->n - 1];
    const struct sdrt_watch *mine = &c->watches[c->n - 1];
    const double limit = fmax(level->precision->limit,
                              b->levels[c->first + c->n - 2].precision->limit);

    if (c->watches[c->n - 2].y[0]) {
        const double distance = sdrt_watch_distance(mine, &c->watches[c->n - 2]);
        if (!(distance <= limit))
            return sdrt_fail(b->o->log, SDRT_E_NUMERIC,
                             "kernel %s is wrong: %s: %.1e from level %s at "
                             "full size, so it was not timed",
                             b->file.path, shape->name, distance,
                             b->levels[c->first + c->n - 2].name);
    }
    if (mine->wrong)
        return sdrt_fail(b->o->log, SDRT_E_NUMERIC,
                         "kernel %s is wrong: %s: right when it was checked, "
                         "and another result in %d of the runs that were timed",
                         b->file.path, shape->name, mine->wrong);
    return SDRT_OK;
}

/* ---- timing ---- */

static void time_cold(const struct sdrt_kernel_bench *b, const struct sdrt_bench_level *level,
                      struct sdrt_job *j, struct sdrt_times *cold)
{
    for (const double start = sdrt_now();
         cold->n < LEAST_COLD ||
         (sdrt_now() - start < b->o->seconds && cold->n < SDRT_BENCH_SAMPLES);) {
        sdrt_job_prepare(j);
        sdrt_roof_evict(level->meter);
        const double t0 = sdrt_now();
        sdrt_job_run(j);
        sdrt_bench_add(cold, sdrt_now() - t0);
    }
    sdrt_roof_try(level->meter);
}

/* ---- telling ---- */

/* How many times as much a second as who, NAN where it is not there or either is uneven. */
static double over(const struct contest *c, int level, int who, double work, double other_work)
{
    if (c->places[who] < 0) return NAN;
    const struct sdrt_summary ours = sdrt_bench_summary(&c->racers[c->places[level]].times);
    const struct sdrt_summary other = sdrt_bench_summary(&c->racers[c->places[who]].times);
    return ours.spread > most_spread || other.spread > most_spread
               ? NAN
               : work / ours.median / (other_work / other.median);
}

static enum sdrt_step_class class_of(enum sdrt_family family)
{
    return family == SDRT_FAMILY_ATTENTION ? SDRT_CLASS_ATTENTION
           : family == SDRT_FAMILY_CONV    ? SDRT_CLASS_CONV
           : family == SDRT_FAMILY_GEMM    ? SDRT_CLASS_GEMM
                                           : SDRT_CLASS_OTHER;
}

static void add_row(const struct sdrt_kernel_bench *b, const struct contest *c, int i)
{
    const struct sdrt_bench_level *level = &b->levels[c->first + i];
    const struct sdrt_job *j = &c->jobs[i];
    const struct sdrt_times *warm = &c->racers[c->places[i]].times;
    const struct sdrt_summary s = sdrt_bench_summary(warm), cold = sdrt_bench_summary(&c->cold[i]);
    const struct sdrt_traffic traffic = {
        .flop = j->flop,
        .weights = j->weight_bytes,
        .weights_among = j->bytes,
        .activations = j->bytes - j->weight_bytes,
        .precision = level->precision->name,
        .class_ = class_of(j->family),
        .stored = j->family == SDRT_FAMILY_GEMM ? level->precision->stored : SDRT_F32,
    };
    const struct sdrt_bound bound = sdrt_bound_of(&traffic, sdrt_roof_of(level->meter),
                                                  sdrt_cpu_topology(b->device), b->queue->workers);
    const int onednn = level->precision->stored == SDRT_BF16 ? ONEDNN_BF16 : ONEDNN;
    const double work = work_of(j);
    char name[192], shape[128];

    snprintf(shape, sizeof shape, "%s%s", c->shape, c->few[i] ? " (few rows)" : "");
    snprintf(name, sizeof name, "%s %s %s", sdrt_family_names[j->family], shape, level->name);
    sdrt_report_row(
        b->report,
        json_pack(
            "{s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:f, s:o, s:o, s:o, s:f, "
            "s:o, s:o}",
            "name", name, "family", sdrt_family_names[j->family], "shape", shape, "isa",
            level->name, "calls", j->calls, "ms", s.median * 1e3, "ms_min", s.min * 1e3, "spread",
            s.spread, "cold_ms", cold.median * 1e3, "gflops", j->flop / s.median * 1e-9, "gbs",
            j->bytes / s.median * 1e-9, "bound", sdrt_bound_name(bound.kind), "roof_share",
            bound.seconds / s.median, "over_generic",
            sdrt_report_real(over(c, i, GENERIC, work, work_of(&c->generic))), "over_openblas",
            sdrt_report_real(over(c, i, OPENBLAS, work, work)), "over_onednn",
            sdrt_report_real(over(c, i, onednn, work, work)), "error", c->error[i], "samples_ms",
            sdrt_bench_samples(warm, 1e3), "cold_samples_ms",
            sdrt_bench_samples(&c->cold[i], 1e3)));
}

/* For a person who waits; the table comes at the end. */
static void tell(const char *text)
{
    if (isatty(STDERR_FILENO)) fprintf(stderr, "\r%-79.79s%s", text, *text ? "" : "\r");
}

int sdrt_kernel_contest(const struct sdrt_kernel_bench *b, const struct sdrt_job *shape, int first,
                        int n)
{
    struct contest *c = calloc(1, sizeof *c);
    int status;

    if (!c) return out_of_memory(b, shape->name);
    c->shape = shape->name;
    c->first = first;
    c->n = n;
    status = enter_all(b, c, shape);
    if (status == SDRT_OK && b->o->kernel) status = watch(b, c);
    if (status == SDRT_OK) {
        tell(shape->name);
        sdrt_race(c->racers, c->n_racers, b->o->seconds);
        if (b->o->kernel) status = compare_watched(b, c, shape);
    }
    for (int i = 0; i < n && status == SDRT_OK; i++) {
        time_cold(b, &b->levels[first + i], &c->jobs[i], &c->cold[i]);
        add_row(b, c, i);
    }
    leave(c);
    free(c);
    return status;
}

void sdrt_kernel_told(void) { tell(""); }
