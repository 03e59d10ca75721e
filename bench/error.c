/* SPDX-License-Identifier: MIT
 *
 * sdbench error: how far one pass of a network is from its own in float32, in each precision.
 */
#include "bench/machine.h"
#include "bench/pass.h"
#include "bench/report.h"
#include "model/pipeline/lists.h"
#include "model/pipeline/precision.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a network leaves. */
static const struct {
    const char *network, *slot;
} results[] = { { "unet", "model_out" }, { "vae", "vae_out" }, { "text", "text" } };
enum { NETWORKS = sizeof results / sizeof *results };

static const struct sdrt_column columns[] = {
    { "name", "pass", 0, 0 },       { "precision", "precision", 0, 0 },
    { "isa", "level", 0, 0 },       { "error", "relative L2", 6, 0 },
    { "largest", "largest", 6, 0 }, { "ms", "first ms", 0, 0 },
};

struct errors {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    const char *network, *slot;
    float *reference; /* [n], float32's; owned */
    size_t n;
    int told; /* the machine's facts */
};

/* Runs it once in a precision; *pass is open then, *y what it left. */
static int run_in(const struct errors *e, const char *precision, struct sdrt_bench_pass *pass,
                  const float **y, size_t *n)
{
    struct sdrt_bench_options o = *e->o;

    o.precision = precision;
    if (!strcmp(precision, "f32")) o.isa = NULL; /* the best level for it */
    const int status = sdrt_pass_open(pass, &o, e->network, o.threads);
    if (status != SDRT_OK) return status;
    const struct sdrt_session *s = pass->context->session;
    const int slot = sdrt_slots_find(&s->slots, "", e->slot);
    *y = sdrt_slot_map(&s->slots, slot);
    *n = s->slots.slot[slot].bytes / sizeof **y;
    return SDRT_OK;
}

/* Keeps the reference, whose pass alone is in memory then. */
static int take_reference(struct errors *e)
{
    struct sdrt_bench_pass pass;
    const float *y;
    int status = run_in(e, "f32", &pass, &y, &e->n);

    if (status != SDRT_OK) return status;
    e->reference = malloc(e->n * sizeof *e->reference);
    if (e->reference) memcpy(e->reference, y, e->n * sizeof *e->reference);
    else status = sdrt_fail(e->o->log, SDRT_E_NOMEM, "no memory for what a pass leaves");
    if (status == SDRT_OK) sdrt_pass_facts(&pass, e->o, e->report);
    sdrt_pass_close(&pass);
    return status;
}

static int measure(const struct errors *e, const char *precision)
{
    struct sdrt_bench_pass pass;
    double sum = 0.0, norm = 0.0, largest = 0.0, top = 0.0;
    const float *y;
    size_t n;
    char name[64];
    const int status = run_in(e, precision, &pass, &y, &n);

    if (status != SDRT_OK) return status;
    for (size_t i = 0; i < n; i++) {
        const double x = (double)e->reference[i], d = (double)y[i] - x;
        sum += d * d;
        norm += x * x;
        largest = fmax(largest, fabs(d));
        top = fmax(top, fabs(x));
    }
    snprintf(name, sizeof name, "%s, %s", e->network, precision);
    sdrt_report_row(e->report,
                    json_pack("{s:s, s:s, s:s, s:o, s:o, s:f}", "name", name, "precision",
                              precision, "isa", pass.context->model->device->isa, "error",
                              sdrt_report_real(sqrt(sum / norm)), "largest",
                              sdrt_report_real(largest / top), "ms", pass.first * 1e3));
    sdrt_pass_close(&pass);
    return SDRT_OK;
}

static int is_wanted(const struct sdrt_bench_options *o, const char *precision)
{
    const struct sdrt_isa_level *level = o->isa ? sdrt_isa_find(o->isa) : NULL;

    if (!strcmp(precision, "f32")) return 0;
    if (level) return sdrt_level_computes_in(level, precision);
    return sdrt_list_usable(SDRT_LIST_PRECISIONS, sdrt_list_find(SDRT_LIST_PRECISIONS, precision));
}

static int check(struct errors *e)
{
    const struct sdrt_bench_options *o = e->o;

    e->network = o->what ? o->what : results[0].network;
    for (int i = 0; i < NETWORKS; i++)
        if (!strcmp(results[i].network, e->network)) e->slot = results[i].slot;
    if (!e->slot)
        return sdrt_fail(o->log, SDRT_E_ARG, "unknown network \"%s\": expected unet, vae or text",
                         e->network);
    if (o->outliers > 0.0 && o->model)
        return sdrt_fail(o->log, SDRT_E_ARG,
                         "--outliers %g: expected random weights, without --model", o->outliers);
    return SDRT_OK;
}

int sdrt_bench_error(const struct sdrt_bench_options *o, struct sdrt_report *r)
{
    struct errors e = { .o = o, .report = r };
    const char *name;
    int status = check(&e);

    if (status == SDRT_OK) status = take_reference(&e);
    if (status == SDRT_OK && o->outliers > 0.0)
        sdrt_report_number(r, "outliers", o->outliers, "outliers", "times the others", 0);
    sdrt_report_table(r, "errors", columns, sizeof columns / sizeof *columns);
    if (status == SDRT_OK && o->precision) status = measure(&e, o->precision);
    for (int i = 0; status == SDRT_OK && !o->precision && (name = sdrt_precision_name(i)); i++) {
        if (!is_wanted(o, name)) continue;
        status = measure(&e, name);
        if (status == SDRT_OK && !strcmp(name, "int8")) status = measure(&e, "int8:rotate");
    }
    free(e.reference);
    return status;
}
