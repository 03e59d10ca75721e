/* SPDX-License-Identifier: MIT
 *
 * sdbench kernels: every family over the shapes that the models run.  A kernel is compared
 * with the generic level, on fewer rows of the same shape, before it is timed.
 */
#include "bench/machine.h"
#include "bench/report.h"
#include "bench/roof.h"
#include "bench/shapes_attention.h"
#include "bench/shapes_conv.h"
#include "bench/shapes_gemm.h"
#include "bench/shapes_norm.h"
#include "kernels/isa.h"
#include "kernels/ops.h"
#include "runtime/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum family { CONV, GEMM, ATTENTION, NORM, FAMILIES };
static const char *const family_names[FAMILIES] = { "conv", "gemm", "attention", "norm" };

/* One shape with its operands. */
struct job {
    enum family family;
    const struct sdrt_ops *ops;
    union {
        struct sdrt_conv_shape      conv;
        struct sdrt_gemm_shape      gemm;
        struct sdrt_attention_shape attention;
        struct sdrt_gn_shape        gn;
    } u;
    float *x, *x2, *y, *bias, *msb;
    void  *w, *scratch; /* scratch of all workers */
    size_t y_floats, scratch_each;
    double flop, bytes;
    int    nparts;
    struct sdrt_team *team;
};

static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64 + 64; }

/* floats of unit normal numbers, or zeros without rng; NULL when there is no memory. */
static void *numbers(struct sdrt_rng *rng, size_t floats)
{
    float *p = aligned_alloc(64, rounded(floats * sizeof *p));

    if (!p) return NULL;
    memset(p, 0, rounded(floats * sizeof *p));
    if (rng) sdrt_rng_normal(rng, p, floats);
    return p;
}

static void release(struct job *j)
{
    free(j->x);
    free(j->x2);
    free(j->y);
    free(j->bias);
    free(j->msb);
    free(j->w);
    free(j->scratch);
}

/* Packs random weights whose products have about unit size. */
static int pack(struct job *j, struct sdrt_rng *rng, const struct sdrt_weight_shape *w)
{
    const int rows = w->n * (w->gated ? 2 : 1), conv = j->family == CONV;
    const size_t row = (size_t)w->k * (size_t)w->taps;
    float *src = numbers(rng, row * (size_t)rows);

    j->w = numbers(NULL, (conv ? j->ops->conv.pack_bytes(w) : j->ops->gemm.pack_bytes(w)) / 4);
    if (src && j->w) {
        for (size_t i = 0; i < row * (size_t)rows; i++) src[i] /= sqrtf((float)row);
        if (conv) j->ops->conv.pack_rows(w, 0, rows, src, SDRT_F32, j->w);
        else j->ops->gemm.pack_rows(w, 0, rows, src, SDRT_F32, j->w);
    }
    const int ok = src && j->w;
    free(src);
    return ok;
}

static int set_conv(struct job *j, struct sdrt_rng *rng)
{
    const struct sdrt_conv_shape *s = &j->u.conv;
    const size_t in = (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w;
    const double out = (double)s->batch * s->out_h * s->out_w;

    j->y_floats = (size_t)out * (size_t)s->out_c;
    j->flop = 2.0 * out * s->out_c * s->w.k * s->w.taps;
    j->bytes = 4.0 * ((double)in * s->w.k + out * s->out_c);
    j->x = numbers(rng, in * (size_t)s->in_c);
    j->x2 = numbers(rng, in * (size_t)s->in_c2 + 1);
    j->bias = numbers(rng, (size_t)s->out_c);
    j->msb = numbers(rng, (size_t)s->batch * 3 * (size_t)s->w.k);
    j->scratch_each = j->ops->conv.scratch(s);
    j->nparts = j->ops->conv.parts(s, sdrt_team_workers(j->team));
    return pack(j, rng, &s->w) && j->x && j->x2 && j->bias && j->msb;
}

static int set_gemm(struct job *j, struct sdrt_rng *rng)
{
    const struct sdrt_gemm_shape *s = &j->u.gemm;
    const int rows = s->n * (s->w.gated ? 2 : 1);

    j->y_floats = (size_t)s->m * (size_t)s->y_pitch;
    j->flop = 2.0 * s->m * rows * (double)s->k;
    j->bytes = 4.0 * ((double)s->m * s->k + (double)s->m * s->n);
    j->x = numbers(rng, (size_t)s->m * (size_t)s->a_pitch);
    j->bias = numbers(rng, (size_t)rows);
    j->scratch_each = j->ops->gemm.scratch(s);
    j->nparts = j->ops->gemm.parts(s, sdrt_team_workers(j->team));
    return pack(j, rng, &s->w) && j->x && j->bias;
}

static int set_attention(struct job *j, struct sdrt_rng *rng)
{
    const struct sdrt_attention_shape *s = &j->u.attention;
    const size_t kv = (size_t)s->batch * (size_t)s->kv_len;

    j->y_floats = (size_t)s->batch * (size_t)s->q_len * (size_t)s->o_pitch;
    j->flop = 4.0 * s->batch * (double)s->q_len * s->kv_len * s->heads * s->head_dim;
    j->bytes = 8.0 * s->batch * (double)(s->q_len + s->kv_len) * s->heads * s->head_dim;
    j->x = numbers(rng, (size_t)s->batch * (size_t)s->q_len * (size_t)s->q_pitch);
    j->x2 = numbers(rng, kv * (size_t)s->k_pitch);
    j->msb = numbers(rng, kv * (size_t)s->v_pitch);
    j->scratch_each = j->ops->attention.scratch(s);
    j->nparts = j->ops->attention.parts(s, sdrt_team_workers(j->team));
    return j->x && j->x2 && j->msb;
}

static int set_norm(struct job *j, struct sdrt_rng *rng)
{
    const struct sdrt_gn_shape *s = &j->u.gn;
    const size_t pixels = (size_t)s->batch * (size_t)s->pixels;

    j->y_floats = sdrt_gn_sums_bytes(s) / sizeof(float);
    j->flop = 3.0 * (double)pixels * (s->c + s->c2);
    j->bytes = 4.0 * (double)pixels * (s->c + s->c2);
    j->x = numbers(rng, pixels * (size_t)s->x_pitch);
    j->x2 = numbers(rng, pixels * (size_t)s->x2_pitch + 1);
    j->nparts = sdrt_gn_parts(s);
    return j->x && j->x2;
}

static int set(struct job *j)
{
    int (*const setters[FAMILIES])(struct job *, struct sdrt_rng *) = {
        set_conv, set_gemm, set_attention, set_norm,
    };
    struct sdrt_rng rng;

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 1);
    if (!setters[j->family](j, &rng)) return 0;
    j->scratch_each = (j->scratch_each + 63) / 64 * 64;
    j->y = numbers(NULL, j->y_floats);
    j->scratch = numbers(NULL, j->scratch_each / 4 * (size_t)sdrt_team_workers(j->team));
    return j->y && j->scratch;
}

static void share(const struct job *j, const struct sdrt_exec *ex)
{
    const struct sdrt_conv_args conv = {
        .x = j->x, .x2 = j->u.conv.in_c2 ? j->x2 : NULL, .msb = j->msb, .w = j->w, .bias = j->bias,
        .y = j->y,
    };
    const struct sdrt_gemm_args gemm = { .a = j->x, .w = j->w, .bias = j->bias, .y = j->y };
    const struct sdrt_attention_args attention = { j->x, j->x2, j->msb, j->y };

    switch (j->family) {
    case CONV:      j->ops->conv.conv2d(ex, &j->u.conv, &conv); break;
    case GEMM:      j->ops->gemm.gemm(ex, &j->u.gemm, &gemm); break;
    case ATTENTION: j->ops->attention.attention(ex, &j->u.attention, &attention); break;
    case NORM:
        j->ops->norm.gn_sums(ex, &j->u.gn, j->x, j->x2, (double *)(void *)j->y);
        break;
    case FAMILIES:  break;
    }
}

static void body(void *arg, int worker, int workers)
{
    const struct job *j = arg;
    struct sdrt_exec ex = {
        .nparts = j->nparts,
        .scratch = (char *)j->scratch + (size_t)worker * j->scratch_each,
    };

    (void)workers;
    while ((ex.part = sdrt_team_next_share(j->team, worker, j->nparts)) >= 0) share(j, &ex);
    sdrt_team_end_step(j->team, worker);
}

/* Fewer rows of the same shape, so that the generic level is done in a moment. */
static void shorten(struct job *j)
{
    if (j->family == GEMM && j->u.gemm.m > 29) j->u.gemm.m = 29;
    if (j->family == ATTENTION) {
        if (j->u.attention.q_len > 64 && !j->u.attention.causal) j->u.attention.q_len = 64;
        if (j->u.attention.kv_len > 300) j->u.attention.kv_len = 300;
        j->u.attention.batch = 1;
    }
    if (j->family == CONV) {
        struct sdrt_conv_shape *s = &j->u.conv;
        const int rows = s->in_h < 3 ? s->in_h : 3;
        s->out_h = s->upsample == 2 ? 2 * rows : s->stride == 2 ? (rows + 1) / 2 : rows;
        s->in_h = rows;
        s->batch = 1;
    }
    if (j->family == NORM && j->u.gn.pixels > 4096) j->u.gn.pixels = 4096;
}

/* Relative L2 distance from the generic level; negative without memory. */
static double distance(const struct job *shape)
{
    struct sdrt_ops generic;
    struct job a = *shape, b = *shape;
    double error = 0.0, size = 0.0;

    sdrt_ops_init(&generic, 0);
    shorten(&a);
    b.u = a.u;
    b.ops = &generic;
    const int ok = set(&a) && set(&b);
    if (ok) {
        sdrt_team_run(a.team, body, &a);
        sdrt_team_run(b.team, body, &b);
        for (size_t i = 0; i < a.y_floats && a.family != NORM; i++) {
            error += ((double)a.y[i] - b.y[i]) * ((double)a.y[i] - b.y[i]);
            size += (double)b.y[i] * b.y[i];
        }
        for (size_t i = 0; i < a.y_floats / 2 && a.family == NORM; i++) {
            const double p = ((double *)(void *)a.y)[i], q = ((double *)(void *)b.y)[i];
            error += (p - q) * (p - q);
            size += q * q;
        }
    }
    release(&a);
    release(&b);
    return ok ? sqrt(error / (size > 0.0 ? size : 1.0)) : -1.0;
}

struct table {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    struct sdrt_roof_meter *meter;
};

static const struct sdrt_column columns[] = {
    { "family", "family", 0, 0 },   { "shape", "shape", 0, 0 },    { "isa", "isa", 0, 0 },
    { "ms", "ms", 3, 0 },           { "ms_min", "min ms", 3, 0 },  { "spread", "spread %", 1, 100 },
    { "gflops", "GFLOP/s", 1, 0 },  { "gbs", "GB/s", 1, 0 },
    { "roof_share", "of roof %", 1, 100 },
};

static void add_row(struct table *t, const struct job *j, const char *name, const char *isa,
                    const struct sdrt_times *times, double error)
{
    const struct sdrt_summary s = sdrt_bench_summary(times);
    const double gflops = j->flop / s.median * 1e-9;
    const double roof = sdrt_roof_of(t->meter)->best[SDRT_ROOF_F32];
    char key[128];

    snprintf(key, sizeof key, "%s %s %s", family_names[j->family], name, isa);
    sdrt_report_row(t->report, json_pack(
        "{s:s, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}", "name", key, "family",
        family_names[j->family], "shape", name, "isa", isa, "ms", s.median * 1e3, "ms_min",
        s.min * 1e3, "spread", s.spread, "gflops", gflops, "gbs", j->bytes / s.median * 1e-9,
        "roof_share", gflops / roof, "error", error, "samples_ms",
        sdrt_bench_samples(times, 1e3)));
}

static int run_job(struct table *t, struct job *j, const char *name, const char *isa)
{
    enum { LEAST = 3 };
    const double budget = t->o->seconds;
    struct sdrt_times times = { .n = 0 };
    const double error = distance(j);
    int status = SDRT_OK;

    if (error > 1e-4 || isnan(error))
        return sdrt_fail(t->o->log, SDRT_E_NUMERIC, "%s at %s is wrong (%.1e from the generic "
                         "level), so it was not timed", name, isa, error);
    if (error < 0.0 || !set(j)) {
        status = sdrt_fail(t->o->log, SDRT_E_NOMEM, "out of memory for %s", name);
        goto out;
    }
    sdrt_team_run(j->team, body, j);
    const double start = sdrt_bench_now();
    while (times.n < LEAST || (sdrt_bench_now() - start < budget && times.n < SDRT_BENCH_SAMPLES)) {
        const double t0 = sdrt_bench_now();
        sdrt_team_run(j->team, body, j);
        sdrt_bench_add(&times, sdrt_bench_now() - t0);
    }
    sdrt_roof_try(t->meter);
    add_row(t, j, name, isa, &times, error);
out:
    release(j);
    return status;
}

static int run_family(struct table *t, struct sdrt_team *team, const struct sdrt_ops *ops,
                      const char *isa, enum family family)
{
    const int counts[FAMILIES] = { SDRT_CONV_MODEL_SHAPES, SDRT_GEMM_MODEL_SHAPES,
                                   SDRT_ATTENTION_MODEL_SHAPES, SDRT_GN_MODEL_SHAPES };
    int status = SDRT_OK;

    for (int i = 0; i < counts[family] && status == SDRT_OK; i++) {
        struct job j = { .family = family, .ops = ops, .team = team };
        const char *name = NULL;
        switch (family) {
        case CONV:
            j.u.conv = sdrt_conv_model_shapes[i].s;
            name = sdrt_conv_model_shapes[i].name;
            break;
        case GEMM:
            j.u.gemm = sdrt_gemm_model_shapes[i].s;
            name = sdrt_gemm_model_shapes[i].name;
            break;
        case ATTENTION:
            j.u.attention = sdrt_attention_model_shapes[i].s;
            name = sdrt_attention_model_shapes[i].name;
            break;
        case NORM:
        case FAMILIES:
            j.u.gn = sdrt_gn_model_shapes[i].s;
            name = sdrt_gn_model_shapes[i].name;
            break;
        }
        status = run_job(t, &j, name, isa);
    }
    return status;
}

static int run_level(struct table *t, struct sdrt_team *team, const struct sdrt_topology *topology,
                     const struct sdrt_isa_level *level)
{
    struct sdrt_ops ops;
    int status;

    sdrt_ops_init(&ops, level->flags);
    status = sdrt_roof_create(&t->meter, team, topology, level->name, t->o->log);
    for (int f = 0; f < FAMILIES && status == SDRT_OK; f++)
        if (!t->o->what || !strcmp(t->o->what, family_names[f]))
            status = run_family(t, team, &ops, level->name, (enum family)f);
    sdrt_roof_free(&t->meter);
    return status;
}

static int known_family(const char *name)
{
    for (int f = 0; f < FAMILIES; f++)
        if (!strcmp(name, family_names[f])) return 1;
    return 0;
}

int sdrt_bench_kernels(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const unsigned have = sdrt_isa_detect();
    struct table t = { .o = o, .report = r };
    struct sdrt_topology *topology = NULL;
    struct sdrt_team *team = NULL;
    int status;

    if (o->what && !known_family(o->what))
        return sdrt_fail(o->log, SDRT_E_ARG, "unknown family \"%s\": expected conv, gemm, attention "
                         "or norm", o->what);
    const struct sdrt_isa_level *only = o->isa ? sdrt_isa_find(o->isa) : sdrt_isa_best(have);
    if (!only || (only->flags & have) != only->flags)
        return sdrt_fail(o->log, SDRT_E_ARG, "instruction set \"%s\": unknown, or not on this "
                         "machine", o->isa);
    status = sdrt_topology_create(&topology, NULL, o->log);
    if (status == SDRT_OK)
        status = sdrt_team_create(&team, o->threads ? o->threads : sdrt_topology_cores(topology),
                                  topology, o->log);
    if (status == SDRT_OK) {
        sdrt_machine_facts(r, topology, only->name, NULL, sdrt_team_workers(team));
        sdrt_report_table(r, "kernels", columns, sizeof columns / sizeof columns[0]);
        status = run_level(&t, team, topology, only);
    }
    sdrt_team_free(&team);
    sdrt_topology_free(&topology);
    return status;
}
