/* SPDX-License-Identifier: MIT
 *
 * From a shape to programs with memory.
 */
#include "model/net/name.h"
#include "model/checkpoint/tensor_names.h"
#include "model/pipeline/pipeline.h"
#include "runtime/base/clock.h"

#include <string.h>

int sdrt_shape_unet_batch(const struct sdrt_shape *s) { return s->batch * (s->guided ? 2 : 1); }

void sdrt_context_unplan(struct sdrt_context *c)
{
    for (int i = 0; i < SDRT_PROGRAMS; i++) sdrt_program_free(&c->programs[i]);
    if (c->refiner) sdrt_context_unplan(c->refiner);
    sdrt_device_free(&c->arena);
    memset(&c->shape, 0, sizeof c->shape);
}

static void build_t5(struct sdrt_context *c, struct sdrt_graph *g)
{
    const struct sdrt_t5_place place = { .rows = sdrt_context_rows(c),
                                         .row0 = sdrt_context_tokens(c),
                                         .width = sdrt_context_width(&c->config) };

    sdrt_t5_encoder_build(g, &c->config.t5, sdrt_text_prefix(SDRT_PROGRAM_T5 - SDRT_PROGRAM_TEXT),
                          sdrt_shape_unet_batch(&c->shape), c->config.t5_tokens, &place, &c->t5);
}

/* The hidden states of all CLIPs lie side by side. */
static void build_text(struct sdrt_context *c, int i, struct sdrt_graph *g)
{
    struct sdrt_clip_place place = { .width = sdrt_context_width(&c->config),
                                     .rows = sdrt_context_rows(c) };
    struct sdrt_text_config text = c->config.text[i];

    for (int k = 0; k < i; k++) place.at += c->config.text[k].clip.hidden;
    if (c->shape.clip_skip) text.skip = c->shape.clip_skip - 1 - text.cut;
    sdrt_clip_encoder_build(g, &text, sdrt_text_prefix(i),
                            sdrt_shape_unet_batch(&c->shape), sdrt_context_tokens(c), &place,
                            &c->text[i]);
}

static void build(struct sdrt_context *c, enum sdrt_program_id id, struct sdrt_graph *g)
{
    const struct sdrt_shape *s = &c->shape;
    const struct sdrt_denoiser *denoiser = sdrt_denoiser_of(&c->config);
    const struct sdrt_denoiser_shape shape = {
        .batch = sdrt_shape_unet_batch(s), .h = s->h, .w = s->w, .evaluations = s->evaluations,
        .tokens = sdrt_context_rows(c),
    };

    if (id < SDRT_PROGRAM_PROMPT) {
        if (id == SDRT_PROGRAM_T5 && c->config.has_t5) build_t5(c, g);
        else build_text(c, (int)id, g);
        return;
    }
    switch (id) {
    case SDRT_PROGRAM_PROMPT:
        denoiser->build_prompt(g, &c->config, &shape, &c->prompt);
        break;
    case SDRT_PROGRAM_SCHEDULE:
        denoiser->build_schedule(g, &c->config, &shape, &c->schedule);
        break;
    case SDRT_PROGRAM_STEP:
        denoiser->build_step(g, &c->config, &shape, &c->step);
        break;
    case SDRT_PROGRAM_DECODE: /* one image at a time: its tensors are the largest of all */
        sdrt_vae_build_decoder(g, &c->config.vae, 1, s->h, s->w, &c->decode);
        break;
    default:
        break;
    }
}

static size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* Gives the next bytes of the arena's persistent part; counts only while base is NULL. */
static void *take(unsigned char *base, size_t *at, size_t count, size_t size)
{
    void *p = base ? base + *at : NULL;

    *at += aligned(count * size);
    return p;
}

/* Memory for an external tensor of a program. */
static float *take_tensor(unsigned char *base, size_t *at, const struct sdrt_program *p,
                          sdrt_tensor x)
{
    return take(base, at, sdrt_program_bytes(p, x), 1);
}

/* The persistent part, the same walk for counting (base NULL) and for placing. */
static size_t place(struct sdrt_context *c, unsigned char *base)
{
    const struct sdrt_shape *s = &c->shape;
    const struct sdrt_program *prompt = c->programs[SDRT_PROGRAM_PROMPT];
    const struct sdrt_program *schedule = c->programs[SDRT_PROGRAM_SCHEDULE];
    const struct sdrt_program *step = c->programs[SDRT_PROGRAM_STEP];
    const struct sdrt_program *decode = c->programs[SDRT_PROGRAM_DECODE];
    const size_t tokens = (size_t)sdrt_shape_unet_batch(s) * (size_t)sdrt_context_tokens(c);
    const size_t f = sizeof(float), latent = (size_t)s->batch * (size_t)s->h * (size_t)s->w *
                                             (size_t)c->config.vae.latent_channels;
    size_t at = 0;

    for (int i = 0; i < c->config.n_text; i++) {
        c->ids[i] = take(base, &at, tokens, sizeof *c->ids[i]);
        c->pooled[i] = take(base, &at, tokens * (size_t)c->config.text[i].pooled, f);
    }
    if (c->programs[SDRT_PROGRAM_T5] && c->config.has_t5)
        c->t5_ids = take(base, &at, sdrt_program_bytes(c->programs[SDRT_PROGRAM_T5], c->t5.ids), 1);
    c->embeddings = take_tensor(base, &at, prompt, c->prompt.text);
    c->added = take_tensor(base, &at, schedule, c->schedule.added);
    c->timesteps = take_tensor(base, &at, schedule, c->schedule.timesteps);
    c->time_table = take_tensor(base, &at, schedule, c->schedule.table);
    c->time_row = take_tensor(base, &at, step, c->step.time);
    c->time_row_bytes = sdrt_program_bytes(step, c->step.time);
    for (int i = 0; i < c->prompt.n_carried; i++)
        c->carried[i] = take_tensor(base, &at, prompt, c->prompt.carried[i]);
    c->model_in = take_tensor(base, &at, step, c->step.latent);
    c->model_out = take_tensor(base, &at, step, c->step.out);
    c->latent = take(base, &at, latent, f);
    c->scaled = take(base, &at, latent, f);
    c->guided = take(base, &at, latent, f);
    if (!decode) return at; /* the base decodes */
    c->vae_in = take_tensor(base, &at, decode, c->decode.in);
    c->vae_out = take_tensor(base, &at, decode, c->decode.out);
    return at;
}

static int plan_program(struct sdrt_context *c, enum sdrt_program_id id)
{
    static const char *const names[SDRT_PROGRAMS] = {
        [SDRT_PROGRAM_TEXT] = "text", [SDRT_PROGRAM_TEXT + 1] = "text 2",
        [SDRT_PROGRAM_TEXT + 2] = "text 3", [SDRT_PROGRAM_PROMPT] = "prompt",
        [SDRT_PROGRAM_SCHEDULE] = "schedule", [SDRT_PROGRAM_DECODE] = "vae",
    };
    const char *plain = id == SDRT_PROGRAM_STEP ? sdrt_denoiser_of(&c->config)->name : names[id];
    struct sdrt_graph *g = NULL;
    char name[48];

    sdrt_name(name, sizeof name, "%s%s", c->base ? "refiner " : "", plain);
    int status = sdrt_graph_create(&g, name, c->store, c->log);
    if (status != SDRT_OK) return status;
    build(c, id, g);
    status = sdrt_program_create(&c->programs[id], &g, c->device, c->threads, c->log);
    if (status == SDRT_OK && sdrt_program_peak(c->programs[id]) > c->workspace_bytes)
        c->workspace_bytes = sdrt_program_peak(c->programs[id]);
    return status;
}

/* Whether the model has such a program: text encoders as many as it has, a refiner none, nor a
 * decoder. */
static int has_program(const struct sdrt_context *c, int id)
{
    if (c->base) return id >= SDRT_PROGRAM_PROMPT && id <= SDRT_PROGRAM_STEP;
    return id < c->config.n_text || id >= SDRT_PROGRAM_PROMPT ||
           (id == SDRT_PROGRAM_T5 && c->config.has_t5);
}

/* The refiner's memory for the whole run lies behind the base's, its workspace is the same. */
static int plan_refiner(struct sdrt_context *c)
{
    struct sdrt_context *refiner = c->refiner;
    struct sdrt_shape shape = c->shape;

    if (!refiner) return SDRT_OK;
    shape.evaluations = c->shape.refiner_evaluations;
    const int status = sdrt_context_plan(refiner, &shape);
    c->persistent_bytes += refiner->persistent_bytes;
    if (c->workspace_bytes < refiner->workspace_bytes)
        c->workspace_bytes = refiner->workspace_bytes;
    return status;
}

int sdrt_context_plan(struct sdrt_context *c, const struct sdrt_shape *shape)
{
    const double t0 = sdrt_now();
    int status = SDRT_OK;

    if (c->programs[SDRT_PROGRAM_STEP] && !memcmp(&c->shape, shape, sizeof *shape)) return SDRT_OK;
    sdrt_context_unplan(c);
    c->shape = *shape;
    c->text_ready = c->once_ready = 0;
    c->workspace_bytes = 0;
    for (int i = 0; i < SDRT_PROGRAMS && status == SDRT_OK; i++)
        if (has_program(c, i))
            status = plan_program(c, (enum sdrt_program_id)i);
    if (status == SDRT_OK) status = sdrt_weight_store_check(c->store);
    if (status == SDRT_OK) {
        c->persistent_bytes = place(c, NULL);
        status = plan_refiner(c);
    }
    if (status != SDRT_OK) sdrt_context_unplan(c);
    c->plan_seconds = sdrt_now() - t0;
    return status;
}

static void bind_text(struct sdrt_context *c)
{
    for (int i = 0; i < c->config.n_text; i++) {
        struct sdrt_program *p = c->programs[SDRT_PROGRAM_TEXT + i];
        if (!p) continue;
        sdrt_program_bind(p, c->text[i].ids, c->ids[i]);
        sdrt_program_bind(p, c->text[i].out, c->embeddings);
        if (c->text[i].pooled >= 0) sdrt_program_bind(p, c->text[i].pooled, c->pooled[i]);
    }
    if (!c->config.has_t5) return;
    sdrt_program_bind(c->programs[SDRT_PROGRAM_T5], c->t5.ids, c->t5_ids);
    sdrt_program_bind(c->programs[SDRT_PROGRAM_T5], c->t5.out, c->embeddings);
}

static void bind(struct sdrt_context *c)
{
    struct sdrt_program **p = c->programs;

    bind_text(c);
    sdrt_program_bind(p[SDRT_PROGRAM_PROMPT], c->prompt.text, c->embeddings);
    for (int i = 0; i < c->prompt.n_carried; i++) {
        sdrt_program_bind(p[SDRT_PROGRAM_PROMPT], c->prompt.carried[i], c->carried[i]);
        sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.carried[i], c->carried[i]);
    }
    sdrt_program_bind(p[SDRT_PROGRAM_SCHEDULE], c->schedule.timesteps, c->timesteps);
    if (c->schedule.added >= 0)
        sdrt_program_bind(p[SDRT_PROGRAM_SCHEDULE], c->schedule.added, c->added);
    sdrt_program_bind(p[SDRT_PROGRAM_SCHEDULE], c->schedule.table, c->time_table);
    sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.latent, c->model_in);
    sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.time, c->time_row);
    sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.out, c->model_out);
    if (!p[SDRT_PROGRAM_DECODE]) return;
    sdrt_program_bind(p[SDRT_PROGRAM_DECODE], c->decode.in, c->vae_in);
    sdrt_program_bind(p[SDRT_PROGRAM_DECODE], c->decode.out, c->vae_out);
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

static int place_at(struct sdrt_context *c, unsigned char *persistent, unsigned char *workspace)
{
    int status = SDRT_OK;

    place(c, persistent);
    bind(c);
    for (int i = 0; i < SDRT_PROGRAMS && status == SDRT_OK; i++)
        if (c->programs[i]) status = sdrt_program_link(c->programs[i], workspace);
    return status;
}

int sdrt_context_place(struct sdrt_context *c)
{
    int status;

    if (c->arena || c->base) return SDRT_OK;
    status = sdrt_device_alloc(&c->arena, c->device, c->persistent_bytes + c->workspace_bytes,
                               c->queue, c->log);
    if (status != SDRT_OK) return status;
    unsigned char *base = c->arena->base, *workspace = base + c->persistent_bytes;
    status = place_at(c, base, workspace);
    if (status == SDRT_OK && c->refiner)
        status = place_at(c->refiner, workspace - c->refiner->persistent_bytes, workspace);
    return status;
}

int sdrt_context_load(struct sdrt_context *c, enum sdrt_program_id first,
                      enum sdrt_program_id last, int (*progress)(void *user, int done, int total),
                      void *user)
{
    struct load_count count = { .progress = progress, .user = user };
    int status = sdrt_context_place(c);

    for (int i = 0; i < SDRT_PROGRAMS; i++)
        if (c->programs[i]) count.total += sdrt_program_steps(c->programs[i]);
    for (int i = 0; i <= (int)last && status == SDRT_OK; i++) {
        if (!c->programs[i]) continue;
        if (i >= (int)first) status = sdrt_program_load(c->programs[i], c->queue, count_load, &count);
        count.before += sdrt_program_steps(c->programs[i]);
    }
    return status;
}

void sdrt_context_release_denoiser(struct sdrt_context *c)
{
    for (int i = SDRT_PROGRAM_PROMPT; i <= SDRT_PROGRAM_STEP; i++)
        if (c->programs[i]) sdrt_program_release(c->programs[i]);
}
