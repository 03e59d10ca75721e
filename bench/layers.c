/* SPDX-License-Identifier: MIT */
#include "bench/layers.h"
#include "runtime/device/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const sdrt_layer_groups[SDRT_LAYER_GROUPS] = {
    "conv", "gemm", "attention", "norm", "other",
};

int sdrt_layer_group(const struct sdrt_layer *l)
{
    return l->info.class_ >= SDRT_CLASS_ELEMENTWISE ? SDRT_LAYER_GROUPS - 1 : (int)l->info.class_;
}

void sdrt_layers_free(struct sdrt_layers *l)
{
    free(l->layer);
    l->layer = NULL;
    l->n = 0;
}

/* A pass uses each weight once, so they come from where all of them together fit. */
static void bind(struct sdrt_layer *l, const struct sdrt_bench_pass *p, double all_weights)
{
    const struct sdrt_traffic t = {
        .flop = l->info.flop, .weights = l->info.weight_bytes, .weights_among = all_weights,
        .activations = l->info.bytes - l->info.weight_bytes,
        .precision = p->precision, .class_ = l->info.class_, .stored = l->info.stored,
    };

    const struct sdrt_device *device = p->context->model->device;
    l->bound = sdrt_bound_of(&t, sdrt_roof_of(p->meter),
                             sdrt_device_is_host(device) ? sdrt_cpu_topology(device) : NULL,
                             p->context->session->queue->workers);
}

/* ---- measuring ---- */

/* A node that takes two steps (a group norm) gives both the same name. */
static void set_name(struct sdrt_layer *l, const char *before, const char *after)
{
    const int twice = (before && !strcmp(before, l->info.name)) ||
                      (after && !strcmp(after, l->info.name));
    const int kernel = (int)strcspn(l->info.kernel, " ");

    snprintf(l->name, sizeof l->name, "%.120s%s%.*s", l->info.name, twice ? " " : "",
             twice ? kernel : 0, l->info.kernel);
}

static void name_all(struct sdrt_layers *l, const struct sdrt_program *program)
{
    for (int i = 0; i < l->n; i++) sdrt_program_step(program, i, &l->layer[i].info);
    for (int i = 0; i < l->n; i++)
        set_name(&l->layer[i], i ? l->layer[i - 1].info.name : NULL,
                 i + 1 < l->n ? l->layer[i + 1].info.name : NULL);
}

/* Which pass took the median time, or the shorter of the middle two: its layers add up to it, which
 * the medians of the layers would not. */
static int median_pass(const struct sdrt_times *wall)
{
    for (int i = 0; i < wall->n; i++) {
        int shorter = 0, equal = 0;
        for (int k = 0; k < wall->n; k++) {
            shorter += wall->s[k] < wall->s[i];
            equal += wall->s[k] == wall->s[i];
        }
        if (shorter <= (wall->n - 1) / 2 && (wall->n - 1) / 2 < shorter + equal) return i;
    }
    return 0;
}

int sdrt_layers_measure(struct sdrt_layers *l, struct sdrt_bench_pass *p, int iterations,
                        const struct sdrt_log *log)
{
    double seconds, all_weights = 0.0;
    int status = SDRT_OK;

    *l = (struct sdrt_layers){ .n = sdrt_program_steps(p->program), .precision = p->precision };
    l->layer = calloc((size_t)l->n, sizeof *l->layer);
    if (!l->layer) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the times");
    name_all(l, p->program);
    sdrt_queue_time_steps(p->context->session->queue, 1);
    for (int k = 0; k < iterations && status == SDRT_OK; k++) {
        status = sdrt_pass_run(p, &seconds);
        sdrt_bench_add(&l->wall, seconds);
        for (int i = 0; i < l->n; i++) {
            struct sdrt_step_info info;
            sdrt_program_step(p->program, i, &info);
            sdrt_bench_add(&l->layer[i].times, info.seconds);
        }
        sdrt_roof_try(p->meter);
    }
    sdrt_queue_time_steps(p->context->session->queue, 0);
    if (status != SDRT_OK) {
        sdrt_layers_free(l);
        return status;
    }
    const int pass = median_pass(&l->wall);
    l->median = l->wall.s[pass];
    for (int i = 0; i < l->n; i++) all_weights += l->layer[i].info.weight_bytes;
    for (int i = 0; i < l->n; i++) {
        struct sdrt_layer *layer = &l->layer[i];
        layer->info.flop *= p->repeats;
        layer->info.bytes *= p->repeats;
        layer->info.weight_bytes *= p->repeats;
        layer->seconds = layer->times.s[pass];
        l->sum += layer->seconds;
        bind(layer, p, all_weights);
    }
    return SDRT_OK;
}

/* ---- the command ---- */

static const struct sdrt_column layer_columns[] = {
    { "step", "step", 0, 0 },          { "name", "operation", 0, 0 },
    { "kernel", "kernel", 0, 0 },      { "ms", "ms", 3, 0 },
    { "share", "share %", 2, 100 },    { "gflop", "GFLOP", 3, 0 },
    { "bytes", "MB", 3, 1e-6 },        { "intensity", "FLOP/B", 1, 0 },
    { "bound", "bound by", 0, 0 },     { "roof_share", "of roof %", 1, 100 },
};

static const struct sdrt_column group_columns[] = {
    { "name", "class", 0, 0 },         { "operations", "operations", 0, 0 },
    { "ms", "ms", 2, 0 },              { "share", "share %", 2, 100 },
    { "gflop", "GFLOP", 2, 0 },        { "gflops", "GFLOP/s", 1, 0 },
    { "bytes", "MB", 1, 1e-6 },        { "intensity", "FLOP/B", 1, 0 },
    { "roof_share", "of roof %", 1, 100 },
};

static void add_layers(const struct sdrt_layers *l, struct sdrt_report *r)
{
    sdrt_report_table(r, "layers", layer_columns, sizeof layer_columns / sizeof layer_columns[0]);
    for (int i = 0; i < l->n; i++) {
        const struct sdrt_layer *a = &l->layer[i];
        const struct sdrt_step_info *s = &a->info;
        sdrt_report_row(
            r,
            json_pack("{s:i, s:s, s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:s, s:o, s:o}",
                      "step", i, "name", a->name, "class", sdrt_step_class_names[s->class_],
                      "kernel", s->kernel, "ms", a->seconds * 1e3, "share", a->seconds / l->sum,
                      "gflop", s->flop * 1e-9, "bytes", s->bytes, "weight_bytes", s->weight_bytes,
                      "least_ms", sdrt_report_real(a->bound.seconds * 1e3), "intensity",
                      sdrt_report_real(s->flop / s->bytes), "bound", sdrt_bound_name(a->bound.kind),
                      "roof_share", sdrt_report_real(a->bound.seconds / a->seconds), "samples_ms",
                      sdrt_bench_samples(&a->times, 1e3)));
    }
}

static void add_groups(const struct sdrt_layers *l, struct sdrt_report *r)
{
    sdrt_report_table(r, "groups", group_columns, sizeof group_columns / sizeof group_columns[0]);
    for (int g = 0; g < SDRT_LAYER_GROUPS; g++) {
        double seconds = 0.0, flop = 0.0, bytes = 0.0, least = 0.0;
        int n = 0;
        for (int i = 0; i < l->n; i++) {
            const struct sdrt_layer *a = &l->layer[i];
            if (sdrt_layer_group(a) != g) continue;
            n++;
            seconds += a->seconds;
            flop += a->info.flop;
            bytes += a->info.bytes;
            least += a->bound.seconds;
        }
        sdrt_report_row(r, json_pack(
            "{s:s, s:i, s:f, s:f, s:f, s:o, s:f, s:o, s:o}", "name", sdrt_layer_groups[g],
            "operations", n, "ms", seconds * 1e3, "share", seconds / l->sum, "gflop", flop * 1e-9,
            "gflops", sdrt_report_real(flop * 1e-9 / seconds), "bytes", bytes, "intensity",
            sdrt_report_real(flop / bytes), "roof_share", sdrt_report_real(least / seconds)));
    }
}

int sdrt_bench_layers(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    const char *network = o->what;
    struct sdrt_bench_pass p = { .first = 0.0 };
    struct sdrt_layers l = { .n = 0 };
    int status = sdrt_pass_network(&network, o->log);

    if (status == SDRT_OK) status = sdrt_pass_open(&p, o, network, o->threads);
    if (status == SDRT_OK)
        status = sdrt_layers_measure(&l, &p, o->iterations ? o->iterations : 3, o->log);
    if (status == SDRT_OK) {
        sdrt_pass_facts(&p, o, r);
        sdrt_roof_facts(sdrt_roof_of(p.meter), r, "roof", "roof");
        sdrt_report_number(r, "ms", l.median * 1e3, "median pass", "ms", 3);
        sdrt_report_number(r, "sum_ms", l.sum * 1e3, "sum of all", "ms", 3);
        sdrt_report_number(r, "sum_share", l.sum / l.median, NULL, "", 0);
        sdrt_report_number(r, "passes", l.wall.n, "passes", "", 0);
        sdrt_pass_waits(&p, r);
        sdrt_pass_counted(&p, r);
        sdrt_report_value(r, "samples_ms", sdrt_bench_samples(&l.wall, 1e3));
        if (fabs(l.sum / l.median - 1.0) > 0.02)
            sdrt_report_warn(r, "the operations add up to %.1f %% of the pass",
                             100.0 * l.sum / l.median);
        add_layers(&l, r);
        add_groups(&l, r);
    }
    sdrt_layers_free(&l);
    sdrt_pass_close(&p);
    return status;
}
