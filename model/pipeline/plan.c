/* SPDX-License-Identifier: MIT
 *
 * From a shape to programs with memory, and their weights.
 */
#include "model/pipeline/bands.h"
#include "model/pipeline/cache.h"
#include "model/pipeline/controls.h"
#include "model/pipeline/guide.h"
#include "model/pipeline/kept.h"
#include "model/pipeline/share.h"
#include "runtime/base/clock.h"
#include "runtime/graph/graph.h"

#include <string.h>

/* Nodes: a streamed weight has the time of two others' work to arrive in. */
enum { AHEAD = 2 };

void sdrt_session_unplan(struct sdrt_session *s)
{
    for (int i = 0; i < s->n_passes; i++) {
        /* What stays for other shapes would count against the limit. */
        if (s->programs[i] && s->model->device_memory) sdrt_program_release(s->programs[i]);
        sdrt_program_free(&s->programs[i]);
        sdrt_slot_moves_free(&s->moves[i]);
    }
    for (int i = 0; i < SDRT_VAE_SIDES; i++) sdrt_bands_free(&s->bands[i]);
    sdrt_slots_clear(&s->slots);
    sdrt_device_free(&s->arena);
    sdrt_device_free(&s->far_arena);
    memset(&s->shape, 0, sizeof s->shape);
    s->planned = s->text_ready = 0;
    s->ip_key = 0;
    memset(s->once_ready, 0, sizeof s->once_ready);
}

int sdrt_session_is_far(const struct sdrt_session *s, int i)
{
    return !s->model->passes[i].on_host && !sdrt_device_is_host(s->model->device);
}

/* The queue, and so the device, of pass i. */
static struct sdrt_queue *queue_of(const struct sdrt_session *s, int i)
{
    return sdrt_session_is_far(s, i) ? s->queue : s->queue->host;
}

static enum sdrt_vae_side side_of(const struct sdrt_pass *pass)
{
    return pass->when == SDRT_ONCE_A_PICTURE  ? SDRT_VAE_ENCODER
           : pass->when == SDRT_ONCE_AN_IMAGE ? SDRT_VAE_DECODER
                                              : SDRT_VAE_SIDES;
}

struct sdrt_bands *sdrt_session_bands(const struct sdrt_session *s, const struct sdrt_pass *pass)
{
    const enum sdrt_vae_side side = side_of(pass);

    return side == SDRT_VAE_SIDES ? NULL : s->bands[side];
}

unsigned char *sdrt_session_bands_arena(const struct sdrt_session *s)
{
    return s->arena->base + s->persistent_bytes;
}

static int in_bands(const struct sdrt_session *s, const struct sdrt_pass *pass,
                    const struct sdrt_vae_config *vae)
{
    const enum sdrt_vae_side side = side_of(pass);

    if (!s->shape.vae_bands || side == SDRT_VAE_SIDES) return 0;
    return !(side == SDRT_VAE_ENCODER ? vae->tiny_encoder : vae->tiny_decoder);
}

/* A side of the VAE as passes over bands, which share the workspace. */
static int plan_bands(struct sdrt_session *s, const struct sdrt_pass *pass,
                      const struct sdrt_model_part *part)
{
    const struct sdrt_queue *queue = s->queue;
    const struct sdrt_bands_spec spec = {
        .config = &part->config.vae,
        .side = side_of(pass),
        .h = s->shape.h,
        .w = s->shape.w,
        .rows = s->shape.vae_bands,
        .kept = pass->kept,
    };
    struct sdrt_bands **bands = &s->bands[spec.side];
    const int status = sdrt_bands_create(bands, &spec, queue->device, queue, part->store, s->log);

    if (status == SDRT_OK && sdrt_bands_bytes(*bands) > s->workspace_bytes)
        s->workspace_bytes = sdrt_bands_bytes(*bands);
    return status;
}

static int plan_pass(struct sdrt_session *s, int i)
{
    const struct sdrt_pass *pass = &s->model->passes[i];
    const struct sdrt_model_part *part = sdrt_controls_part(s, pass);
    const struct sdrt_queue *queue = queue_of(s, i);
    const struct sdrt_device *device = queue->device;
    const int far = sdrt_session_is_far(s, i);
    size_t *workspace = far || sdrt_device_is_host(s->model->device) ? &s->workspace_bytes
                                                                     : &s->host_workspace_bytes;
    struct sdrt_graph *g = NULL;

    if (!part) return SDRT_OK;
    if (pass->has && !pass->has(sdrt_model_config_of(s->model), &s->shape)) return SDRT_OK;
    if (in_bands(s, pass, &part->config.vae)) return plan_bands(s, pass, part);
    int status = sdrt_graph_create(&g, pass->name, part->store,
                                   pass->wide ? device->wide_ops : device->ops, s->log);
    if (status != SDRT_OK) return status;
    pass->build(g, pass, &part->config, &s->shape);
    if (far && pass->when != SDRT_ONCE_AN_IMAGE) sdrt_graph_stream(g, s->streamed, AHEAD);
    status = sdrt_program_create(&s->programs[i], &g, device, queue->sharers, s->log);
    if (status != SDRT_OK) return status;
    if (sdrt_program_peak(s->programs[i]) > *workspace)
        *workspace = sdrt_program_peak(s->programs[i]);
    status = sdrt_kept_add(&s->slots, &s->shape, sdrt_pass_scope(pass), s->programs[i]);
    if (status != SDRT_OK) return status;
    return (far ? sdrt_slots_add_far_program : sdrt_slots_add_program)(&s->slots,
                                                                       sdrt_pass_scope(pass),
                                                                       s->programs[i], pass->when);
}

/* Where ranks share a pass, what the host reaches is as of the whole one, which was planned first, for a
 * workspace of before bytes: its program gives way to what this rank computes of it. */
static int plan_shared(struct sdrt_session *s, int i, size_t before)
{
    const struct sdrt_pass *pass = &s->model->passes[i];
    const struct sdrt_model_part *part = sdrt_controls_part(s, pass);
    const struct sdrt_queue *queue = queue_of(s, i);
    const struct sdrt_shape own = sdrt_share_shape(s);
    struct sdrt_graph *g = NULL;
    int status = sdrt_graph_create(&g, pass->name, part->store,
                                   pass->wide ? queue->device->wide_ops : queue->device->ops,
                                   s->log);

    sdrt_program_free(&s->programs[i]);
    if (status != SDRT_OK) return status;
    sdrt_share_graph(s, g);
    pass->build(g, pass, &part->config, &own);
    status = sdrt_program_create(&s->programs[i], &g, queue->device, queue->sharers, s->log);
    if (status != SDRT_OK) return status;
    const size_t peak = sdrt_program_peak(s->programs[i]);
    s->workspace_bytes = peak > before ? peak : before;
    return sdrt_share_add_slots(s, i);
}

/* All that the shape takes. */
static int plan_passes(struct sdrt_session *s)
{
    int status = sdrt_share_plan(s);

    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++) {
        const size_t before = s->workspace_bytes;
        status = plan_pass(s, i);
        if (status == SDRT_OK && s->programs[i] && sdrt_share_has(s, &s->model->passes[i]))
            status = plan_shared(s, i, before);
    }
    return status;
}

/* ---- a device's memory ---- */

size_t sdrt_session_streamed_bytes(const struct sdrt_session *s)
{
    size_t sum = 0;

    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i] && s->model->passes[i].when == SDRT_EACH_EVALUATION)
            sum += sdrt_program_streamed_bytes(s->programs[i]);
    return sum;
}

/* Of the model's device, as planned. */
static size_t device_bytes(const struct sdrt_session *s)
{
    return s->persistent_bytes + s->workspace_bytes + sdrt_session_peak_weights(s);
}

static int plan_far_again(struct sdrt_session *s, double streamed)
{
    int status = SDRT_OK;

    s->streamed = streamed;
    s->workspace_bytes = 0;
    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++) {
        if (!s->programs[i] || !sdrt_session_is_far(s, i)) continue;
        sdrt_program_free(&s->programs[i]);
        status = plan_pass(s, i);
    }
    return status;
}

/* Streams the least share of the weights, to a 128th, with which all fits into the limit. */
static int fit(struct sdrt_session *s)
{
    const size_t limit = s->model->device_memory - s->model->device_memory / 64; /* for padding */
    double low = 0.0, high = 1.0;
    int status;

    if (!s->model->device_memory || device_bytes(s) <= limit) return SDRT_OK;
    if (s->shape.again || s->shape.alone || s->shape.gated || sdrt_guide_is_perturbed(&s->shape))
        return sdrt_fail(
            s->log, SDRT_E_UNSUPPORTED,
            "a GPU's limit of %zu MiB: expected %zu or more, as weights are not streamed "
            "where evaluations differ in what they compute",
            s->model->device_memory >> 20, ((device_bytes(s) + limit / 63) >> 20) + 1);
    status = plan_far_again(s, high);
    if (status == SDRT_OK && device_bytes(s) > limit)
        return sdrt_fail(s->log, SDRT_E_NOMEM,
                         "a GPU's limit of %zu MiB: expected %zu or more, with "
                         "all weights streamed, or a smaller size",
                         s->model->device_memory >> 20, ((device_bytes(s) + limit / 63) >> 20) + 1);
    for (int i = 0; i < 7 && status == SDRT_OK; i++) {
        const double middle = (low + high) / 2.0;
        status = plan_far_again(s, middle);
        if (device_bytes(s) <= limit) high = middle;
        else low = middle;
    }
    return status == SDRT_OK ? plan_far_again(s, high) : status;
}

static int find_moves(struct sdrt_session *s)
{
    int status = SDRT_OK;

    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++)
        if (s->programs[i] && sdrt_session_is_far(s, i))
            status = sdrt_slots_find_moves(&s->slots, sdrt_pass_scope(&s->model->passes[i]),
                                           s->programs[i], &s->moves[i]);
    return status;
}

/* What the sampler works on, which no program knows. */
static int add_latents(struct sdrt_session *s)
{
    static const char *const names[] = { "latent", "scaled", "guided" };
    const int dims[4] = { s->shape.batch, sdrt_model_config_of(s->model)->vae.latent_channels,
                          s->shape.h, s->shape.w };
    int *const slots[] = { &s->latent, &s->scaled, &s->guided };
    int status = SDRT_OK;

    for (int i = 0; i < 3 && status == SDRT_OK; i++) {
        status = sdrt_slots_add(&s->slots, "", names[i], SDRT_F32, dims, SDRT_ONCE_A_SCHEDULE);
        *slots[i] = sdrt_slots_find(&s->slots, "", names[i]);
    }
    if (status == SDRT_OK && s->shape.unguided)
        status = sdrt_slots_add(&s->slots, "", "unguided", SDRT_F32, dims, SDRT_ONCE_A_SCHEDULE);
    if (status == SDRT_OK && s->shape.momentum)
        status = sdrt_slots_add(&s->slots, "", "momentum", SDRT_F32, dims, SDRT_ONCE_A_SCHEDULE);
    return status;
}

/* What stays of a picture, and what an inpainting or an editing model reads beside the latent. */
static int add_beside(struct sdrt_session *s)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(s->model);
    const int h = s->shape.h, w = s->shape.w, z = config->vae.latent_channels;
    const enum sdrt_unet_task task = sdrt_model_task(config);
    const int more = task == SDRT_TASK_DRAW ? 0 : config->unet.in_channels - z;
    const int begin[4] = { s->shape.batch, z, h, w }, mask[4] = { 1, h, w, 1 };
    const int beside[4] = { s->shape.batch, h, w, more };
    int status = task == SDRT_TASK_EDIT
                     ? SDRT_OK
                     : sdrt_slots_add(&s->slots, "", "mask", SDRT_F32, mask, SDRT_ONCE_A_SCHEDULE);

    if (status == SDRT_OK && more)
        return sdrt_slots_add(&s->slots, "", "beside", SDRT_F32, beside, SDRT_ONCE_A_SCHEDULE);
    if (status == SDRT_OK)
        status = sdrt_slots_add(&s->slots, "", "begin", SDRT_F32, begin, SDRT_ONCE_A_SCHEDULE);
    if (status == SDRT_OK)
        status = sdrt_slots_add(&s->slots, "", "noise", SDRT_F32, begin, SDRT_ONCE_A_SCHEDULE);
    return status;
}

int sdrt_session_plan(struct sdrt_session *s, const struct sdrt_shape *shape)
{
    const double t0 = sdrt_now();
    int status;

    if (s->planned && !memcmp(&s->shape, shape, sizeof *shape)) return SDRT_OK;
    sdrt_session_unplan(s);
    s->shape = *shape;
    s->workspace_bytes = s->host_workspace_bytes = 0;
    s->streamed = 0.0;
    status = plan_passes(s);
    if (status == SDRT_OK) status = sdrt_programs_check(s->programs, s->n_passes, s->log);
    if (status == SDRT_OK) status = sdrt_model_check_wide(s->model);
    if (status == SDRT_OK) status = add_latents(s);
    if (status == SDRT_OK) status = sdrt_kept_add_answers(s);
    if (status == SDRT_OK &&
        (s->shape.masked || sdrt_model_task(sdrt_model_config_of(s->model)) == SDRT_TASK_EDIT))
        status = add_beside(s);
    if (status == SDRT_OK) status = find_moves(s);
    if (status == SDRT_OK) s->persistent_bytes = sdrt_slots_place(&s->slots, NULL);
    if (status == SDRT_OK) status = fit(s);
    if (status != SDRT_OK) sdrt_session_unplan(s);
    s->planned = status == SDRT_OK;
    s->plan_seconds = sdrt_now() - t0;
    return status;
}

static int take_arenas(struct sdrt_session *s)
{
    struct sdrt_device *device = s->model->device;
    const int far = !sdrt_device_is_host(device);
    const size_t workspace = far ? s->host_workspace_bytes : s->workspace_bytes;
    int status = sdrt_device_alloc(&s->arena, device->host, s->persistent_bytes + workspace,
                                   s->queue->host, s->log);

    if (status != SDRT_OK) return status;
    sdrt_slots_place(&s->slots, s->arena->base);
    if (!far) return SDRT_OK;
    status = sdrt_device_alloc(&s->far_arena, device, s->persistent_bytes + s->workspace_bytes,
                               s->queue, s->log);
    if (status != SDRT_OK) sdrt_device_free(&s->arena);
    else sdrt_slots_double(&s->slots, s->arena->base, s->far_arena->base);
    return status;
}

int sdrt_session_place(struct sdrt_session *s)
{
    int status;

    if (s->arena) return SDRT_OK;
    status = take_arenas(s);
    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++) {
        const char *scope = sdrt_pass_scope(&s->model->passes[i]);
        const int far = sdrt_session_is_far(s, i);
        if (!s->programs[i]) continue;
        (far ? sdrt_slots_bind_far : sdrt_slots_bind)(&s->slots, scope, s->programs[i]);
        sdrt_share_bind(s, i);
        status = sdrt_program_link(s->programs[i], (far ? s->far_arena : s->arena)->base +
                                                       s->persistent_bytes);
    }
    return status;
}

int sdrt_session_run(struct sdrt_session *s, int i, sdrt_trace_fn *trace, void *user)
{
    struct sdrt_queue *queue = queue_of(s, i);
    int status;

    if (!sdrt_session_is_far(s, i)) {
        sdrt_share_before(s, i);
        status = sdrt_program_run(s->programs[i], queue, trace, user);
        return status == SDRT_OK ? sdrt_share_after(s, i) : status;
    }
    sdrt_slots_send(&s->slots, &s->moves[i], queue);
    status = sdrt_program_run(s->programs[i], queue, trace, user);
    if (status != SDRT_OK) return status;
    sdrt_slots_fetch(&s->slots, &s->moves[i], queue);
    status = sdrt_queue_wait(queue);
    if (status == SDRT_E_UNSUPPORTED)
        sdrt_fail(s->log, status, "program %s: reading its results: %s",
                  sdrt_program_name(s->programs[i]), sdrt_queue_fault(queue));
    return status;
}

/* Progress over several programs as one count. */
struct load_count {
    int (*progress)(void *user, int done, int total);
    void *user;
    int before, total;
};

static int count_load(void *user, int done, int total)
{
    const struct load_count *l = user;

    (void)total;
    return l->progress ? l->progress(l->user, l->before + done, l->total) : 0;
}

int sdrt_session_load(struct sdrt_session *s, int pass,
                      int (*progress)(void *user, int done, int total), void *user)
{
    struct load_count count = { .progress = progress, .user = user };

    for (int i = 0; i < s->n_passes; i++) {
        if (!s->programs[i]) continue;
        if (i < pass) count.before += sdrt_program_steps(s->programs[i]);
        count.total += sdrt_program_steps(s->programs[i]);
    }
    return sdrt_program_load(s->programs[pass], queue_of(s, pass), count_load, &count);
}

/* Bytes of the weights of pass i in the memory of the model's device.  An evaluation that is not whole has
 * the weights of one that is. */
static size_t weights_of(const struct sdrt_session *s, int i)
{
    const int whole = s->model->passes[i].way == SDRT_WAY_WHOLE;
    const int there = sdrt_device_is_host(s->model->device) || sdrt_session_is_far(s, i);

    const struct sdrt_bands *bands = sdrt_session_bands(s, &s->model->passes[i]);
    if (bands) return sdrt_bands_weight_bytes(bands);
    return whole && s->programs[i] && there && !s->model->passes[i].controlled
               ? sdrt_program_weight_bytes(s->programs[i])
               : 0;
}

size_t sdrt_session_peak_weights(const struct sdrt_session *s)
{
    const struct sdrt_pass *passes = s->model->passes;
    size_t held = 0, peak = 0;

    for (int i = 0; i < s->n_passes; i++) {
        for (int k = i; k < s->n_passes && !passes[i].joins && (k == i || passes[k].joins); k++)
            held += weights_of(s, k);
        if (held > peak) peak = held;
        if (!passes[i].kept && !sdrt_pass_repeats(&passes[i], &s->shape)) held -= weights_of(s, i);
    }
    return peak;
}

/* ---- finding ---- */

int sdrt_session_find(const struct sdrt_session *s, const char *name)
{
    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i] && !strcmp(s->model->passes[i].name, name)) return i;
    return -1;
}

int sdrt_session_find_when(const struct sdrt_session *s, enum sdrt_part_id part,
                           enum sdrt_when when)
{
    for (int i = 0; i < s->n_passes; i++)
        if (s->model->passes[i].part == part && s->model->passes[i].when == when) return i;
    return -1;
}

void *sdrt_session_map(const struct sdrt_session *s, enum sdrt_part_id part, const char *name)
{
    const int slot = sdrt_slots_find(&s->slots, sdrt_part_scope(part), name);

    return slot == SDRT_NO_SLOT ? NULL : sdrt_slot_map(&s->slots, slot);
}
