/* SPDX-License-Identifier: MIT */
#include "model/pipeline/upscaler.h"
#include "model/pipeline/model.h"
#include "model/pipeline/read.h"
#include "runtime/graph/graph.h"
#include "runtime/weights/weight_store.h"

#include <stdlib.h>
#include <string.h>

/* Pixels.  The layers' reach bounds what a tile does not see: RRDB's is some 350 pixels, of which those
 * beyond the first few weigh next to nothing. */
enum { TILE = 192, SRVGG_TILE = 256, DEAD = 16, RAMP = 16, LEAST_TILE = 96, WORK_ALIGNMENT = 64 };

static int open_file(struct sdrt_upscaler *u, const char *path, int workers, const char *precision)
{
    struct sdrt_weights_provider provider;
    int status = sdrt_upscaler_file_open(&u->file, path, u->log);

    if (status == SDRT_OK) status = sdrt_queue_open(&u->queue, u->device, workers, u->log);
    if (status != SDRT_OK) return status;
    provider = sdrt_upscaler_file_provider(u->file);
    return sdrt_weight_store_create(&u->store, &provider, SDRT_DTYPES,
                                    strcmp(precision, "bf16") ? sdrt_packing_as_stored
                                                              : sdrt_packing_bf16,
                                    u->log);
}

int sdrt_upscaler_open_on(struct sdrt_upscaler **out, const char *path, struct sdrt_device *device,
                          int workers, const char *precision, const struct sdrt_log *log)
{
    struct sdrt_upscaler *u = *out = calloc(1, sizeof *u);

    if (!u) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory");
    u->log = log;
    u->device = device;
    const int status = open_file(u, path, workers, precision);
    if (status != SDRT_OK) sdrt_upscaler_close(out);
    return status;
}

int sdrt_upscaler_open(struct sdrt_upscaler **out, const char *path,
                       const struct sdrt_options *options)
{
    struct sdrt_options o;
    struct sdrt_model m = { .uses = 0 }; /* for its device alone */
    int status = sdrt_options_read(&o, options);

    if (out) *out = NULL;
    if (status != SDRT_OK) return status;
    if (!out || !path) return sdrt_fail(o.log, SDRT_E_ARG, "no upscaler given: expected a file");
    if (o.device && strcmp(o.device, "cpu") != 0 && o.precision && !strcmp(o.precision, "f16"))
        o.precision = NULL; /* the GPU's */
    o.device = NULL;
    o.device_memory = 0;
    m.log = o.log;
    status = sdrt_model_open_device(&m, &o);
    if (status == SDRT_OK)
        status = sdrt_upscaler_open_on(out, path, m.device,
                                       o.threads ? o.threads : m.device->workers, m.precision,
                                       o.log);
    if (status != SDRT_OK) sdrt_device_close(&m.device);
    else (*out)->own_device = 1;
    return status;
}

static void unplan(struct sdrt_upscaler *u)
{
    sdrt_program_free(&u->program);
    sdrt_device_free(&u->arena);
}

void sdrt_upscaler_close(struct sdrt_upscaler **upscaler)
{
    struct sdrt_upscaler *u = upscaler ? *upscaler : NULL;

    if (!u) return;
    unplan(u);
    sdrt_weight_store_free(&u->store);
    sdrt_upscaler_file_close(&u->file);
    sdrt_queue_close(&u->queue);
    if (u->own_device) sdrt_device_close(&u->device);
    free(u);
    *upscaler = NULL;
}

int sdrt_upscaler_scale(const struct sdrt_upscaler *u)
{
    return u ? sdrt_upscaler_file_config(u->file)->scale : 0;
}

void sdrt_upscaler_cancel(struct sdrt_upscaler *u)
{
    if (u) sdrt_queue_cancel(u->queue);
}

/* ---- tiles ---- */

struct sdrt_tiling sdrt_upscaler_tiling(const struct sdrt_upscaler *u, int tile)
{
    const struct sdrt_upscaler_config *c = sdrt_upscaler_file_config(u->file);
    const int exact = c->kind == SDRT_UPSCALER_SRVGG;
    /* RRDB's layers see pixels that were unshuffled: so many to a side of each of theirs. */
    struct sdrt_tiling t = { .tile = tile    ? tile
                                     : exact ? SRVGG_TILE
                                             : TILE * c->unshuffle,
                             .dead = exact ? c->blocks + SDRT_SRVGG_REACH : DEAD * c->unshuffle,
                             .ramp = exact ? 0 : RAMP * c->unshuffle,
                             .align = c->unshuffle };

    if (t.tile < LEAST_TILE) t.tile = LEAST_TILE;
    if (t.tile < 4 * t.dead) t.tile = 4 * t.dead;
    if (t.tile > SDRT_MAX_PICTURE) t.tile = SDRT_MAX_PICTURE; /* no picture is larger */
    t.tile += (c->unshuffle - t.tile % c->unshuffle) % c->unshuffle;
    return t;
}

/* How far the next tile is. */
static int step_of(const struct sdrt_tiling *t) { return t->tile - 2 * t->dead - t->ramp; }

int sdrt_tiling_count(const struct sdrt_tiling *t, int n)
{
    return n <= t->tile ? 1 : (n - t->tile + step_of(t) - 1) / step_of(t) + 1;
}

int sdrt_tiling_start(const struct sdrt_tiling *t, int n, int i)
{
    const int start = i * step_of(t), last = (n - t->tile + t->align - 1) / t->align * t->align;

    return n <= t->tile ? 0 : start < last ? start : last;
}

/* ---- the program ---- */

static size_t bytes_of(const struct sdrt_external *x)
{
    const size_t n = (size_t)x->dims[0] * (size_t)x->dims[1] * (size_t)x->dims[2] *
                     (size_t)x->dims[3] * sizeof(float);

    return (n + WORK_ALIGNMENT - 1) / WORK_ALIGNMENT * WORK_ALIGNMENT;
}

/* Both ends of the network lie before its workspace. */
static int place(struct sdrt_upscaler *u)
{
    struct sdrt_external in, out;

    sdrt_program_find(u->program, "upscale_in", &in);
    sdrt_program_find(u->program, "upscale_out", &out);
    const size_t ends = bytes_of(&in) + bytes_of(&out);
    int status = sdrt_device_alloc(&u->arena, u->device, ends + sdrt_program_peak(u->program),
                                   u->queue, u->log);
    if (status != SDRT_OK) return status;
    u->in = (float *)(void *)u->arena->base;
    u->out = (float *)(void *)(u->arena->base + bytes_of(&in));
    sdrt_program_bind(u->program, in.tensor, u->in);
    sdrt_program_bind(u->program, out.tensor, u->out);
    status = sdrt_program_link(u->program, u->arena->base + ends);
    return status == SDRT_OK ? sdrt_program_load(u->program, u->queue, NULL, NULL) : status;
}

int sdrt_upscaler_plan(struct sdrt_upscaler *u, int width, int height)
{
    const struct sdrt_upscaler_config *c = sdrt_upscaler_file_config(u->file);
    struct sdrt_graph *g = NULL;

    if (u->program && u->tile_w == width && u->tile_h == height) return SDRT_OK;
    unplan(u);
    int status = sdrt_graph_create(&g, "upscaler", u->store, u->device->wide_ops, u->log);
    if (status != SDRT_OK) return status;
    sdrt_upscaler_build(g, c, height / c->unshuffle, width / c->unshuffle);
    status = sdrt_program_create(&u->program, &g, u->device, u->queue->workers, u->log);
    if (status == SDRT_OK) status = sdrt_programs_check(&u->program, 1, u->log);
    if (status == SDRT_OK) status = place(u);
    u->tile_w = width;
    u->tile_h = height;
    if (status != SDRT_OK) unplan(u);
    return status;
}
