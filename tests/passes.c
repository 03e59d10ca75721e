/* SPDX-License-Identifier: MIT */
#include "tests/passes.h"
#include "model/checkpoint/tensor_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOKENS = SDRT_CLIP_TOKENIZER_LENGTH, MOST = SDRT_MAX_CARRIED + 4 };

/* An external tensor and the caller's array behind it. */
struct operand {
    sdrt_tensor tensor;
    size_t      bytes;
    const void *from; /* copied in before the run, or NULL */
    void       *to;   /* copied out after it, or NULL */
    void       *memory; /* 64-byte aligned */
};

struct pass {
    struct sdrt_context *c;
    struct sdrt_graph   *g;
    struct operand operands[MOST];
    int n;
};

static int begin(struct pass *p, struct sdrt_context *c, const char *name)
{
    *p = (struct pass){ .c = c };
    return sdrt_graph_create(&p->g, name, c->store, c->log);
}

static void operand(struct pass *p, sdrt_tensor tensor, const void *from, void *to)
{
    int dims[4];

    sdrt_graph_dims(p->g, tensor, dims);
    p->operands[p->n++] = (struct operand){
        .tensor = tensor, .from = from, .to = to,
        .bytes = sizeof(float) * (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] *
                 (size_t)dims[3],
    };
}

static int bind(struct pass *p, struct sdrt_program *program)
{
    for (int i = 0; i < p->n; i++) {
        struct operand *o = &p->operands[i];
        o->memory = aligned_alloc(64, (o->bytes + 63) / 64 * 64);
        if (!o->memory) return sdrt_fail(p->c->log, SDRT_E_NOMEM, "out of memory for a pass");
        if (o->from) memcpy(o->memory, o->from, o->bytes);
        sdrt_program_bind(program, o->tensor, o->memory);
    }
    return SDRT_OK;
}

/* Compiles the graph, runs it, and frees everything. */
static int finish(struct pass *p, sdrt_trace_fn *trace, void *user)
{
    struct sdrt_program *program = NULL;
    struct sdrt_device_memory *arena = NULL;
    struct sdrt_context *c = p->c;
    int status = sdrt_program_create(&program, &p->g, c->device, c->threads, c->log);

    if (status == SDRT_OK) status = sdrt_weight_store_check(c->store);
    if (status == SDRT_OK)
        status = sdrt_device_alloc(&arena, c->device, sdrt_program_peak(program) + 64, c->queue,
                                   c->log);
    if (status == SDRT_OK) status = bind(p, program);
    if (status == SDRT_OK) status = sdrt_program_link(program, arena->base);
    if (status == SDRT_OK) status = sdrt_program_load(program, c->queue, NULL, NULL);
    if (status == SDRT_OK) status = sdrt_program_run(program, c->queue, trace, user);
    for (int i = 0; i < p->n; i++) {
        struct operand *o = &p->operands[i];
        if (status == SDRT_OK && o->to) memcpy(o->to, o->memory, o->bytes);
        free(o->memory);
    }
    sdrt_program_free(&program);
    sdrt_device_free(&arena);
    return status;
}

int pass_text(struct sdrt_context *c, int encoder, const int32_t *ids, int batch, float *out,
              float *pooled)
{
    const struct sdrt_text_config *config = &c->config.text[encoder];
    const struct sdrt_clip_place place = { .width = config->clip.hidden };
    struct sdrt_clip_tensors t;
    struct pass p;
    int status = begin(&p, c, "text");

    if (status != SDRT_OK) return status;
    sdrt_clip_encoder_build(p.g, config, sdrt_text_prefix(encoder), batch, TOKENS, &place, &t);
    operand(&p, t.ids, ids, NULL);
    operand(&p, t.out, NULL, out);
    if (t.pooled >= 0) operand(&p, t.pooled, NULL, pooled);
    return finish(&p, NULL, NULL);
}

/* What the prompt and the schedule leave for the step. */
struct once {
    float *carried[SDRT_MAX_CARRIED];
    float *time;
};

static struct sdrt_denoiser_shape shape_of(const struct pass_unet *in)
{
    return (struct sdrt_denoiser_shape){ .batch = in->batch, .h = in->h, .w = in->w,
                                         .tokens = TOKENS, .evaluations = 1 };
}

/* An external tensor whose array, made here, the caller of the pass frees. */
static int operand_out(struct pass *p, sdrt_tensor tensor, float **to)
{
    operand(p, tensor, NULL, NULL);
    struct operand *o = &p->operands[p->n - 1];
    o->to = *to = malloc(o->bytes);
    return *to ? SDRT_OK : sdrt_fail(p->c->log, SDRT_E_NOMEM, "out of memory for a pass");
}

static int run_prompt(struct sdrt_context *c, const struct pass_unet *in, struct once *once)
{
    const struct sdrt_denoiser_shape shape = shape_of(in);
    struct sdrt_prompt_tensors t;
    struct pass p;
    int status = begin(&p, c, "prompt");

    if (status != SDRT_OK) return status;
    sdrt_denoiser_of(&c->config)->build_prompt(p.g, &c->config, &shape, &t);
    operand(&p, t.text, in->text, NULL);
    for (int i = 0; i < t.n_carried && status == SDRT_OK; i++)
        status = operand_out(&p, t.carried[i], &once->carried[i]);
    if (status == SDRT_OK) return finish(&p, NULL, NULL);
    sdrt_graph_free(&p.g);
    return status;
}

/* What is added to the time embedding: pooled text, then the numbers, each embedded. */
static void fill_added(const struct sdrt_context *c, const struct pass_unet *in, float *added)
{
    static const struct sdrt_exec alone = { .part = 0, .nparts = 1 };
    const int n = sdrt_added_numbers(&c->config), pooled = sdrt_pooled_width(&c->config);
    const int width = sdrt_added_width(&c->config);

    for (int i = 0; i < in->batch; i++) {
        float *row = added + (size_t)i * (size_t)width;
        memcpy(row, in->pooled + i * pooled, (size_t)pooled * sizeof *row);
        if (!n) continue;
        c->device->ops.elementwise.timestep_embedding(
            &alone, in->numbers + i * n, n, (width - pooled) / n, row + pooled);
    }
}

static int run_schedule(struct sdrt_context *c, const struct pass_unet *in, struct once *once)
{
    const struct sdrt_denoiser_shape shape = shape_of(in);
    struct sdrt_schedule_tensors t;
    float *added = calloc((size_t)in->batch * (size_t)sdrt_added_width(&c->config) + 1,
                          sizeof *added);
    struct pass p = { 0 };
    int status = added ? begin(&p, c, "schedule")
                       : sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory for a U-Net pass");

    if (status != SDRT_OK) goto out;
    sdrt_denoiser_of(&c->config)->build_schedule(p.g, &c->config, &shape, &t);
    operand(&p, t.timesteps, &in->timestep, NULL);
    if (t.added >= 0) {
        fill_added(c, in, added);
        operand(&p, t.added, added, NULL);
    }
    status = operand_out(&p, t.table, &once->time);
    if (status == SDRT_OK) status = finish(&p, NULL, NULL);
out:
    sdrt_graph_free(&p.g);
    free(added);
    return status;
}

static int run_step(struct sdrt_context *c, const struct pass_unet *in, const struct once *once,
                    float *out, sdrt_trace_fn *trace, void *user)
{
    const struct sdrt_denoiser_shape shape = shape_of(in);
    struct sdrt_step_tensors t;
    struct pass p;
    int status = begin(&p, c, sdrt_denoiser_of(&c->config)->name);

    if (status != SDRT_OK) return status;
    sdrt_denoiser_of(&c->config)->build_step(p.g, &c->config, &shape, &t);
    operand(&p, t.latent, in->latent, NULL);
    operand(&p, t.time, once->time, NULL);
    for (int i = 0; i < SDRT_MAX_CARRIED && once->carried[i]; i++)
        operand(&p, t.carried[i], once->carried[i], NULL);
    operand(&p, t.out, NULL, out);
    return finish(&p, trace, user);
}

int pass_unet(struct sdrt_context *c, const struct pass_unet *in, float *out,
              sdrt_trace_fn *trace, void *user)
{
    struct once once = { .time = NULL };
    int status = run_prompt(c, in, &once);

    if (status == SDRT_OK) status = run_schedule(c, in, &once);
    if (status == SDRT_OK) status = run_step(c, in, &once, out, trace, user);
    for (int i = 0; i < SDRT_MAX_CARRIED; i++) free(once.carried[i]);
    free(once.time);
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
    struct sdrt_vae_tensors t;
    struct pass p;
    int status = begin(&p, c, encode ? "vae encoder" : "vae decoder");

    if (status != SDRT_OK) return status;
    (encode ? sdrt_vae_build_encoder : sdrt_vae_build_decoder)(p.g, &c->config.vae, dims[0],
                                                               dims[1], dims[2], &t);
    operand(&p, t.in, in, NULL);
    operand(&p, t.out, NULL, out);
    return finish(&p, NULL, NULL);
}

int pass_decode(struct sdrt_context *c, const float *latent, int batch, int h, int w, float *out)
{
    return run_vae(c, 0, latent, (const int[]){ batch, h, w }, out);
}

int pass_encode(struct sdrt_context *c, const float *pixels, int batch, int h, int w, float *out)
{
    return run_vae(c, 1, pixels, (const int[]){ batch, h, w }, out);
}
