/* SPDX-License-Identifier: MIT
 *
 * From a shape to programs with memory.
 */
#include "model/name.h"
#include "model/names.h"
#include "model/pipeline.h"

#include <string.h>
#include <time.h>

int sdrt_shape_unet_batch(const struct sdrt_shape *s) { return s->batch * (s->guided ? 2 : 1); }

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void sdrt_context_unplan(struct sdrt_context *c)
{
    for (int i = 0; i < SDRT_PROGRAMS; i++) sdrt_program_free(&c->programs[i]);
    sdrt_arena_free(&c->arena);
    memset(&c->shape, 0, sizeof c->shape);
}

/* The hidden states of all text encoders lie side by side. */
static void build_text(struct sdrt_context *c, int i, struct sdrt_graph *g)
{
    struct sdrt_text_place place = { .width = c->config.unet.context_dim };
    struct sdrt_text_config text = c->config.text[i];

    for (int k = 0; k < i; k++) place.at += c->config.text[k].clip.hidden;
    if (c->shape.clip_skip) text.skip = c->shape.clip_skip - 1 - text.cut;
    sdrt_text_encoder_build(g, &text, sdrt_text_prefix(i),
                            sdrt_shape_unet_batch(&c->shape), sdrt_context_tokens(c), &place,
                            &c->text[i]);
}

static void build(struct sdrt_context *c, enum sdrt_program_id id, struct sdrt_graph *g)
{
    const struct sdrt_shape *s = &c->shape;
    const int pair = sdrt_shape_unet_batch(s), tokens = sdrt_context_tokens(c);

    if (id < SDRT_PROGRAM_PROMPT) {
        build_text(c, (int)id, g);
        return;
    }
    switch (id) {
    case SDRT_PROGRAM_PROMPT:
        sdrt_unet_build_prompt(g, &c->config.unet, &c->parts, pair, tokens, &c->prompt);
        break;
    case SDRT_PROGRAM_SCHEDULE:
        sdrt_unet_build_schedule(g, &c->config.unet, &c->parts, s->evaluations, pair,
                                 &c->schedule);
        break;
    case SDRT_PROGRAM_STEP:
        sdrt_unet_build_step(g, &c->config.unet, &c->parts, pair, s->h, s->w, tokens, &c->step);
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

/* The persistent part, the same walk for counting (base NULL) and for placing. */
static size_t place(struct sdrt_context *c, unsigned char *base)
{
    const struct sdrt_shape *s = &c->shape;
    const size_t pair = (size_t)sdrt_shape_unet_batch(s), pixels = (size_t)s->h * (size_t)s->w;
    const size_t z = (size_t)c->config.unet.in_channels, batch = (size_t)s->batch;
    const size_t tokens = pair * (size_t)sdrt_context_tokens(c), f = sizeof(float);
    const size_t row = (size_t)sdrt_unet_time_rows(&c->config.unet, (int)pair) *
                       (size_t)c->parts.time_channels;
    const size_t scale = (size_t)1 << (c->config.vae.levels - 1);
    size_t at = 0;

    for (int i = 0; i < c->config.n_text; i++) {
        c->ids[i] = take(base, &at, tokens, sizeof *c->ids[i]);
        c->pooled[i] = take(base, &at, tokens * (size_t)c->config.text[i].pooled, f);
    }
    c->embeddings = take(base, &at, tokens * (size_t)c->config.unet.context_dim, f);
    c->added = take(base, &at, pair * (size_t)c->config.unet.added_dim, f);
    c->timesteps = take(base, &at, (size_t)s->evaluations, f);
    c->time_table = take(base, &at, (size_t)s->evaluations * row, f);
    c->time_row = take(base, &at, row, f);
    for (int i = 0; i < c->parts.n_cross; i++)
        c->keys_values[i] = take(base, &at, tokens * 2 * (size_t)c->parts.cross[i].channels, f);
    c->model_in = take(base, &at, pair * pixels * z, f);
    c->model_out = take(base, &at, pair * pixels * z, f);
    c->latent = take(base, &at, batch * pixels * z, f);
    c->scaled = take(base, &at, batch * pixels * z, f);
    c->guided = take(base, &at, batch * pixels * z, f);
    c->vae_in = take(base, &at, pixels * z, f);
    c->vae_out = take(base, &at, pixels * scale * scale * 3, f);
    return at;
}

static int plan_program(struct sdrt_context *c, enum sdrt_program_id id)
{
    static const char *const names[SDRT_PROGRAMS] = {
        [SDRT_PROGRAM_TEXT] = "text", [SDRT_PROGRAM_TEXT + 1] = "text 2",
        [SDRT_PROGRAM_TEXT + 2] = "text 3", [SDRT_PROGRAM_PROMPT] = "prompt",
        [SDRT_PROGRAM_SCHEDULE] = "schedule", [SDRT_PROGRAM_STEP] = "unet",
        [SDRT_PROGRAM_DECODE] = "vae",
    };
    struct sdrt_graph *g = NULL;
    int status = sdrt_graph_create(&g, names[id], c->store, c->log);

    if (status != SDRT_OK) return status;
    build(c, id, g);
    status = sdrt_program_create(&c->programs[id], &g, &c->ops, c->isa, c->threads, c->log);
    if (status == SDRT_OK && sdrt_program_peak(c->programs[id]) > c->workspace_bytes)
        c->workspace_bytes = sdrt_program_peak(c->programs[id]);
    return status;
}

int sdrt_context_plan(struct sdrt_context *c, const struct sdrt_shape *shape)
{
    const double t0 = now();
    int status = SDRT_OK;

    if (c->programs[SDRT_PROGRAM_STEP] && !memcmp(&c->shape, shape, sizeof *shape)) return SDRT_OK;
    sdrt_context_unplan(c);
    c->shape = *shape;
    c->text_ready = 0;
    c->workspace_bytes = 0;
    for (int i = 0; i < SDRT_PROGRAMS && status == SDRT_OK; i++)
        if (i < c->config.n_text || i >= SDRT_PROGRAM_PROMPT)
            status = plan_program(c, (enum sdrt_program_id)i);
    if (status == SDRT_OK) status = sdrt_weight_store_check(c->store);
    if (status != SDRT_OK) {
        sdrt_context_unplan(c);
        return status;
    }
    c->persistent_bytes = place(c, NULL);
    c->plan_seconds = now() - t0;
    return SDRT_OK;
}

static void bind_text(struct sdrt_context *c)
{
    for (int i = 0; i < c->config.n_text; i++) {
        struct sdrt_program *p = c->programs[SDRT_PROGRAM_TEXT + i];
        sdrt_program_bind(p, c->text[i].ids, c->ids[i]);
        sdrt_program_bind(p, c->text[i].out, c->embeddings);
        if (c->text[i].pooled >= 0) sdrt_program_bind(p, c->text[i].pooled, c->pooled[i]);
    }
}

static void bind(struct sdrt_context *c)
{
    struct sdrt_program **p = c->programs;

    bind_text(c);
    sdrt_program_bind(p[SDRT_PROGRAM_PROMPT], c->prompt.text, c->embeddings);
    for (int i = 0; i < c->parts.n_cross; i++) {
        sdrt_program_bind(p[SDRT_PROGRAM_PROMPT], c->prompt.keys_values[i], c->keys_values[i]);
        sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.keys_values[i], c->keys_values[i]);
    }
    sdrt_program_bind(p[SDRT_PROGRAM_SCHEDULE], c->schedule.timesteps, c->timesteps);
    if (c->schedule.added >= 0)
        sdrt_program_bind(p[SDRT_PROGRAM_SCHEDULE], c->schedule.added, c->added);
    sdrt_program_bind(p[SDRT_PROGRAM_SCHEDULE], c->schedule.table, c->time_table);
    sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.latent, c->model_in);
    sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.time, c->time_row);
    sdrt_program_bind(p[SDRT_PROGRAM_STEP], c->step.out, c->model_out);
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

int sdrt_context_place(struct sdrt_context *c)
{
    int status;

    if (c->arena) return SDRT_OK;
    status = sdrt_arena_create(&c->arena, c->persistent_bytes + c->workspace_bytes, c->log);
    if (status != SDRT_OK) return status;
    unsigned char *base = sdrt_arena_base(c->arena);
    place(c, base);
    bind(c);
    for (int i = 0; i < SDRT_PROGRAMS && status == SDRT_OK; i++)
        if (c->programs[i]) status = sdrt_program_link(c->programs[i], base + c->persistent_bytes);
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
        if (i >= (int)first) status = sdrt_program_load(c->programs[i], count_load, &count);
        count.before += sdrt_program_steps(c->programs[i]);
    }
    return status;
}

void sdrt_context_release_text(struct sdrt_context *c)
{
    char prefix[32];

    for (int i = 0; i < c->config.n_text; i++) {
        if (c->programs[SDRT_PROGRAM_TEXT + i])
            sdrt_program_unload(c->programs[SDRT_PROGRAM_TEXT + i]);
        sdrt_name(prefix, sizeof prefix, "%s.", sdrt_text_prefix(i));
        sdrt_weight_store_release(c->store, prefix);
    }
}
