/* SPDX-License-Identifier: MIT */
#include "tests/passes.h"

#include "kernels/ops.h"
#include "model/checkpoint/tensor_names.h"
#include "model/net/clip_encoder.h"
#include "model/net/vae.h"
#include "runtime/graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = SDRT_CLIP_TOKENIZER_LENGTH, MOST = 3 };

/* Up to three programs with the slots that they share. */
struct pass {
    struct sdrt_context *c;
    const struct sdrt_model_config *config;
    struct sdrt_slots slots;
    struct sdrt_program *programs[MOST];
    struct sdrt_device_memory *memory; /* slots, then the workspace */
    int n;
};

static struct pass new_pass(struct sdrt_context *c)
{
    return (struct pass){
        .c = c, .config = sdrt_model_config_of(c->model),
        .slots = { .device = c->model->device, .queue = c->session->queue, .log = c->model->log },
    };
}

static void end(struct pass *p)
{
    for (int i = 0; i < p->n; i++) sdrt_program_free(&p->programs[i]);
    sdrt_slots_clear(&p->slots);
    sdrt_device_free(&p->memory);
}

static int begin(const struct pass *p, struct sdrt_graph **g, const char *name)
{
    const struct sdrt_model *m = p->c->model;

    return sdrt_graph_create(g, name, m->parts[SDRT_PART_BASE].store, m->device->ops, m->log);
}

/* Compiles a graph. */
static int add(struct pass *p, struct sdrt_graph *g)
{
    const int status = sdrt_program_create(&p->programs[p->n], &g, p->c->model->device,
                                           p->c->session->queue->workers, p->c->model->log);

    if (status != SDRT_OK) return status;
    return sdrt_slots_add_program(&p->slots, "", p->programs[p->n++], SDRT_ONCE_A_PROMPT);
}

/* Gives all programs their memory and weights. */
static int place(struct pass *p)
{
    struct sdrt_queue *queue = p->c->session->queue;
    const size_t bytes = sdrt_slots_place(&p->slots, NULL);
    size_t workspace = 64;
    int status = sdrt_programs_check(p->programs, p->n, p->c->model->log);

    for (int i = 0; i < p->n; i++)
        if (sdrt_program_peak(p->programs[i]) > workspace)
            workspace = sdrt_program_peak(p->programs[i]);
    if (status == SDRT_OK)
        status = sdrt_device_alloc(&p->memory, p->c->model->device, bytes + workspace, queue,
                                   p->c->model->log);
    if (status != SDRT_OK) return status;
    sdrt_slots_place(&p->slots, p->memory->base);
    for (int i = 0; i < p->n && status == SDRT_OK; i++) {
        sdrt_slots_bind(&p->slots, "", p->programs[i]);
        status = sdrt_program_link(p->programs[i], p->memory->base + bytes);
        if (status == SDRT_OK) status = sdrt_program_load(p->programs[i], queue, NULL, NULL);
    }
    return status;
}

static int run(struct pass *p, int i, sdrt_trace_fn *trace, void *user)
{
    return sdrt_program_run(p->programs[i], p->c->session->queue, trace, user);
}

/* The whole of a slot, from an array or to one. */
static void put(struct pass *p, const char *name, const void *from)
{
    const int slot = sdrt_slots_find(&p->slots, "", name);

    sdrt_slot_write(&p->slots, slot, 0, from, p->slots.slot[slot].bytes);
}

static void take(struct pass *p, const char *name, void *to)
{
    const int slot = sdrt_slots_find(&p->slots, "", name);

    sdrt_slot_read(&p->slots, slot, 0, to, p->slots.slot[slot].bytes);
}

int pass_text(struct sdrt_context *c, int encoder, const int32_t *ids, int batch, float *out,
              float *pooled)
{
    struct pass p = new_pass(c);
    const struct sdrt_text_config *config = &p.config->text[encoder];
    const struct sdrt_clip_place at = { .width = config->clip.hidden };
    const char *prefix = sdrt_text_prefix(encoder);
    struct sdrt_graph *g = NULL;
    char name[64];
    int status = begin(&p, &g, "text");

    if (status != SDRT_OK) return status;
    sdrt_clip_encoder_build(g, config, prefix, batch, TOKENS, &at);
    status = add(&p, g);
    if (status == SDRT_OK) status = place(&p);
    if (status != SDRT_OK) goto out;
    snprintf(name, sizeof name, "%s.ids", prefix);
    put(&p, name, ids);
    status = run(&p, 0, NULL, NULL);
    take(&p, "text", out);
    snprintf(name, sizeof name, "%s.pooled", prefix);
    if (config->pooled) take(&p, name, pooled);
out:
    end(&p);
    return status;
}

/* What is added to the time embedding: pooled text, then the numbers, each embedded. */
static void fill_added(struct pass *p, const struct pass_unet *in)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const int n = sdrt_added_numbers(p->config), pooled = sdrt_pooled_width(p->config);
    const int width = sdrt_added_width(p->config);
    float *added = width ? sdrt_slot_map(&p->slots, sdrt_slots_find(&p->slots, "", "added")) : NULL;

    for (int i = 0; added && i < in->batch; i++) {
        float *row = added + (size_t)i * (size_t)width;
        memcpy(row, in->pooled + i * pooled, (size_t)pooled * sizeof *row);
        if (!n) continue;
        p->c->model->device->ops->elementwise.timestep_embedding(
            &alone, in->numbers + i * n, n, (width - pooled) / n, row + pooled);
    }
}

static int build_unet(struct pass *p, const struct pass_unet *in)
{
    const struct sdrt_denoiser *denoiser = sdrt_denoiser_of(p->config);
    const struct sdrt_denoiser_shape shape = { .batch = in->batch, .h = in->h, .w = in->w,
                                               .tokens = TOKENS, .evaluations = 1 };
    void (*const builders[])(struct sdrt_graph *g, const struct sdrt_model_config *config,
                             const struct sdrt_denoiser_shape *s) = {
        denoiser->build_prompt, denoiser->build_schedule, denoiser->build_step,
    };
    static const char *const names[] = { "prompt", "schedule", "step" };
    int status = SDRT_OK;

    for (int i = 0; i < 3 && status == SDRT_OK; i++) {
        struct sdrt_graph *g = NULL;
        status = begin(p, &g, names[i]);
        if (status != SDRT_OK) return status;
        builders[i](g, p->config, &shape);
        status = add(p, g);
    }
    return status == SDRT_OK ? place(p) : status;
}

int pass_unet(struct sdrt_context *c, const struct pass_unet *in, float *out,
              sdrt_trace_fn *trace, void *user)
{
    struct pass p = new_pass(c);
    int status = build_unet(&p, in);

    if (status != SDRT_OK) goto out;
    put(&p, "text", in->text);
    put(&p, "timesteps", &in->timestep);
    put(&p, "model_in", in->latent);
    fill_added(&p, in);
    status = run(&p, 0, NULL, NULL);
    if (status == SDRT_OK) status = run(&p, 1, NULL, NULL);
    put(&p, "time", sdrt_slot_map(&p.slots, sdrt_slots_find(&p.slots, "", "time_table")));
    if (status == SDRT_OK) status = run(&p, 2, trace, user);
    take(&p, "model_out", out);
out:
    end(&p);
    return status;
}

const char *pass_unet_block(const char *name)
{
    static const char *const blocks[][2] = {
        { "unet.conv_in", "conv_in" },
        { "unet.down_blocks.0.", "down0" }, { "unet.down_blocks.1.", "down1" },
        { "unet.down_blocks.2.", "down2" }, { "unet.down_blocks.3.", "down3" },
        { "unet.mid_block.", "mid" },
        { "unet.up_blocks.0.", "up0" }, { "unet.up_blocks.1.", "up1" },
        { "unet.up_blocks.2.", "up2" }, { "unet.up_blocks.3.", "up3" },
    };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (!strncmp(name, blocks[i][0], strlen(blocks[i][0]))) return blocks[i][1];
    return NULL;
}

static int run_vae(struct sdrt_context *c, int encode, const float *in, const int dims[3],
                   float *out)
{
    struct pass p = new_pass(c);
    struct sdrt_graph *g = NULL;
    int status = begin(&p, &g, encode ? "vae encoder" : "vae decoder");

    if (status != SDRT_OK) return status;
    (encode ? sdrt_vae_build_encoder : sdrt_vae_build_decoder)(g, &p.config->vae, dims[0], dims[1],
                                                               dims[2]);
    status = add(&p, g);
    if (status == SDRT_OK) status = place(&p);
    if (status == SDRT_OK) {
        put(&p, encode ? "pixels" : "vae_in", in);
        status = run(&p, 0, NULL, NULL);
        take(&p, encode ? "moments" : "vae_out", out);
    }
    end(&p);
    return status;
}

int pass_decode(struct sdrt_context *c, const float *latent, int batch, int h, int w, float *out)
{
    return run_vae(c, 0, latent, (const int[]){ batch, h, w }, out);
}

int pass_encode(struct sdrt_context *c, const float *pixels, int batch, int h, int w, float *out)
{
    return run_vae(c, 1, pixels, (const int[]){ batch, h, w }, out);
}
