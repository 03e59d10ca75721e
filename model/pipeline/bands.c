/* SPDX-License-Identifier: MIT */
#include "model/pipeline/bands_internal.h"
#include "runtime/graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

static size_t aligned(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static size_t floats(int h, int w, int c)
{
    return aligned((size_t)h * (size_t)w * (size_t)c * sizeof(float));
}

/* ---- planning ---- */

/* The window of every band of a pass is as high: where it would reach beyond the picture it is moved
 * in. */
static void set_rows(const struct sdrt_bands *b, struct sdrt_band_step *s)
{
    const struct sdrt_band_pass *p = &s->pass;
    const int last = b->config.levels - 1;

    s->h = b->spec.h << p->level;
    s->w = b->spec.w << p->level;
    s->core = b->spec.rows >> (last - p->level);
    if (p->begins) s->core &= ~1; /* what is doubled is even */
    if (s->core < 2) s->core = 2;
    if (s->core > s->h) s->core = s->h;
    s->window = s->core + 2 * p->halo < s->h ? s->core + 2 * p->halo : s->h;
    s->times = 1 + p->begins;
    s->halves = 1 + (p->kind == SDRT_BAND_DOWN);
    s->in_bytes = floats(s->window * s->halves / s->times, s->w * s->halves / s->times, p->in_c);
    s->out_bytes = floats(s->window, s->w, p->out_c);
    s->saved_bytes = floats(p->halo ? p->halo : 1, s->w, p->in_c);
}

static int plan_step(struct sdrt_bands *b, struct sdrt_band_step *s,
                     const struct sdrt_device *device, int workers)
{
    struct sdrt_graph *g = NULL;
    int status = sdrt_graph_create(&g, "vae band", b->store, device->wide_ops, b->log);

    if (status != SDRT_OK) return status;
    sdrt_vae_band_build(g, &b->config, &s->pass, s->window * s->halves / s->times,
                        s->w * s->halves / s->times, b->spec.h * b->spec.w);
    return sdrt_program_create(&s->program, &g, device, workers, b->log);
}

/* What is sampled anew, or gets other channels, goes to another place, all else stays where it is. */
static void find_places(struct sdrt_bands *b)
{
    const int small = b->spec.side == SDRT_VAE_DECODER; /* the first place is the arena's */
    enum sdrt_band_place now = SDRT_BAND_ENTRY;
    size_t most[2] = { 0, 0 };

    for (int i = 0; i < b->n; i++) {
        struct sdrt_band_step *s = &b->steps[i];
        const struct sdrt_band_pass *p = &s->pass;
        s->from = now;
        if (p->kind == SDRT_BAND_KEYS) s->to = SDRT_BAND_BESIDE;
        else if (p->kind == SDRT_BAND_OUT) s->to = SDRT_BAND_RESULT;
        else if (p->kind == SDRT_BAND_UP || p->kind == SDRT_BAND_FIRST) s->to = SDRT_BAND_NOWHERE;
        else if (p->kind == SDRT_BAND_IN && small) s->to = now = SDRT_BAND_SMALL;
        else if (p->kind != SDRT_BAND_IN && p->kind != SDRT_BAND_DOWN && p->in_c == p->out_c &&
                 !p->begins)
            s->to = now;
        else s->to = now = now == SDRT_BAND_SPILL_0 ? SDRT_BAND_SPILL_1 : SDRT_BAND_SPILL_0;
        if (s->to < SDRT_BAND_SPILL_0) continue;
        size_t *place = &most[s->to - SDRT_BAND_SPILL_0];
        const size_t bytes = floats(s->h, s->w, p->out_c);
        if (bytes > *place) *place = bytes;
    }
    b->spilled[1] = most[0];
    b->spilled_bytes = most[0] + most[1];
}

/* After what stays: what is whole, as long as it is read, then the pass's own. */
static void lay_out(struct sdrt_bands *b, struct sdrt_band_step *s)
{
    const struct sdrt_band_pass *p = &s->pass;
    const size_t whole = floats(b->spec.h, b->spec.w, b->config.channels[b->config.levels - 1]);
    const int attends = p->kind == SDRT_BAND_KEYS || p->kind == SDRT_BAND_QUERIES;
    size_t at = b->fixed_bytes;

    if (s->from == SDRT_BAND_SMALL || s->to == SDRT_BAND_SMALL) at += whole;
    s->keys = at;
    if (attends) at += 2 * whole;
    s->in = at;
    s->out = at += s->in_bytes;
    s->saved = at += s->out_bytes;
    s->work = at += s->saved_bytes;
    at += sdrt_program_peak(s->program);
    if (at > b->bytes) b->bytes = at;
}

static int count_passes(const struct sdrt_vae_config *config, enum sdrt_vae_side side)
{
    struct sdrt_band_pass p;
    int n = 0;

    while (sdrt_vae_band_pass(config, side, n, &p)) n++;
    return n;
}

/* Where what stays lies in the arena; widest: channels. */
static void lay_out_fixed(struct sdrt_bands *b, int widest)
{
    const int last = b->config.levels - 1, h = b->spec.h, w = b->spec.w;
    const int z = b->config.latent_channels;
    const size_t picture = floats(h << last, w << last, 3);
    const int encodes = b->spec.side == SDRT_VAE_ENCODER;

    b->norm_bytes = floats(1, 3, widest);
    b->entry = 2 * b->norm_bytes;
    b->result = b->entry + (encodes ? picture : floats(h, w, z));
    b->fixed_bytes = b->result + (encodes ? floats(h, w, 2 * z) : picture);
}

static int plan(struct sdrt_bands *b, const struct sdrt_device *device,
                const struct sdrt_queue *queue)
{
    const int last = b->config.levels - 1;
    int widest = 0, status = SDRT_OK;

    b->n = count_passes(&b->config, b->spec.side);
    b->steps = calloc((size_t)b->n, sizeof *b->steps);
    if (!b->steps) return sdrt_fail(b->log, SDRT_E_NOMEM, "out of memory");
    for (int i = 0; i <= last; i++)
        if (b->config.channels[i] > widest) widest = b->config.channels[i];
    lay_out_fixed(b, widest);
    for (int i = 0; i < b->n && status == SDRT_OK; i++) {
        struct sdrt_band_step *s = &b->steps[i];
        sdrt_vae_band_pass(&b->config, b->spec.side, i, &s->pass);
        set_rows(b, s);
        status = plan_step(b, s, device, queue->sharers);
        if (status == SDRT_OK) status = sdrt_programs_check(&s->program, 1, b->log);
    }
    if (status == SDRT_OK) find_places(b);
    for (int i = 0; i < b->n && status == SDRT_OK; i++) lay_out(b, &b->steps[i]);
    b->sums = malloc(sizeof(double) * 2 * (size_t)widest * SDRT_BAND_SHARES);
    b->moments = malloc(sizeof(double) * 2 * (size_t)widest);
    if (status == SDRT_OK && (!b->sums || !b->moments))
        status = sdrt_fail(b->log, SDRT_E_NOMEM, "out of memory");
    return status;
}

int sdrt_bands_create(struct sdrt_bands **out, const struct sdrt_bands_spec *spec,
                      const struct sdrt_device *device, const struct sdrt_queue *queue,
                      struct sdrt_weight_store *store, const struct sdrt_log *log)
{
    struct sdrt_bands *b = *out = calloc(1, sizeof *b);

    if (!b) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory");
    b->config = *spec->config;
    b->spec = *spec;
    b->spec.config = &b->config;
    b->store = store;
    b->ops = device->wide_ops;
    b->log = log;
    const int status = plan(b, device, queue);
    if (status != SDRT_OK) sdrt_bands_free(out);
    return status;
}

void sdrt_bands_free(struct sdrt_bands **bands)
{
    struct sdrt_bands *b = *bands;

    if (!b) return;
    for (int i = 0; i < b->n && b->steps; i++) sdrt_program_free(&b->steps[i].program);
    sdrt_weight_store_give_back(b->store, &b->uses, SDRT_WEIGHTS_KEEP);
    sdrt_spill_free(&b->spill);
    free(b->steps);
    free(b->sums);
    free(b->moments);
    free(b);
    *bands = NULL;
}

int sdrt_bands_open(struct sdrt_bands *b)
{
    if (b->spill || !b->spilled_bytes) return SDRT_OK;
    return sdrt_spill_create(&b->spill, b->spilled_bytes, b->log);
}

void sdrt_bands_close(struct sdrt_bands *b) { sdrt_spill_free(&b->spill); }

size_t sdrt_bands_bytes(const struct sdrt_bands *b) { return b->bytes; }
size_t sdrt_bands_spilled_bytes(const struct sdrt_bands *b) { return b->spilled_bytes; }

size_t sdrt_bands_weight_bytes(const struct sdrt_bands *b)
{
    size_t sum = 0;

    for (int i = 0; i < b->n; i++) {
        const enum sdrt_band_kind kind = b->steps[i].pass.kind;
        /* What these read, others read too. */
        if (kind != SDRT_BAND_UP && kind != SDRT_BAND_FIRST && kind != SDRT_BAND_KEYS)
            sum += sdrt_program_weight_bytes(b->steps[i].program);
    }
    return sum;
}

size_t sdrt_bands_excess(const struct sdrt_bands *b)
{
    size_t most = 0;

    for (int i = 0; i < b->n; i++) {
        const size_t excess = sdrt_program_peak(b->steps[i].program) -
                              sdrt_program_lower_bound(b->steps[i].program);
        if (excess > most) most = excess;
    }
    return most;
}

struct sdrt_program *sdrt_bands_program(const struct sdrt_bands *b, int i, int *times)
{
    if (i >= b->n) return NULL;
    *times = (b->steps[i].h + b->steps[i].core - 1) / b->steps[i].core;
    return b->steps[i].program;
}

double sdrt_bands_flop(const struct sdrt_bands *b)
{
    const struct sdrt_program *p;
    double sum = 0.0;
    int times;

    for (int i = 0; (p = sdrt_bands_program(b, i, &times)); i++)
        sum += sdrt_program_flop(p) * times;
    return sum;
}

float *sdrt_bands_in(const struct sdrt_bands *b, unsigned char *arena)
{
    return (float *)(void *)(arena + b->entry);
}

float *sdrt_bands_out(const struct sdrt_bands *b, unsigned char *arena)
{
    return (float *)(void *)(arena + b->result);
}
