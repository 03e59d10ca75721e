/* SPDX-License-Identifier: MIT */
#include "model/pipeline/passes.h"
#include "model/checkpoint/tensor_names.h"
#include "model/net/adapter.h"
#include "model/net/clip_encoder.h"
#include "model/net/clip_vision.h"
#include "model/net/controlnet.h"
#include "model/net/ip_adapter.h"
#include "model/net/mmdit.h"
#include "model/net/t5_encoder.h"
#include "model/net/taesd.h"
#include "model/net/vae.h"
#include "model/pipeline/guide.h"
#include "model/pipeline/run.h"

#include <string.h>

/* ---- how each is built ---- */

/* The hidden states of all CLIPs lie side by side. */
static void build_text(struct sdrt_graph *g, const struct sdrt_pass *pass,
                       const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    struct sdrt_clip_place place = { .width = sdrt_context_width(config),
                                     .rows = sdrt_shape_context_rows(shape, config),
                                     .embedded = shape->embedded,
                                     .masked = shape->unseen };
    struct sdrt_text_config text = config->text[pass->encoder];

    for (int k = 0; k < pass->encoder; k++) place.at += config->text[k].clip.hidden;
    if (shape->clip_skip) text.skip = shape->clip_skip - 1 - text.cut;
    sdrt_clip_encoder_build(g, &text, sdrt_text_prefix(pass->encoder),
                            sdrt_shape_unet_batch(shape), sdrt_prompt_tokens(config), &place);
}

static void build_t5(struct sdrt_graph *g, const struct sdrt_pass *pass,
                     const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    const struct sdrt_t5_place place = { .rows = sdrt_shape_context_rows(shape, config),
                                         .row0 = sdrt_shape_clip_rows(shape, config),
                                         .width = sdrt_context_width(config) };

    sdrt_t5_encoder_build(g, &config->t5, sdrt_text_prefix(pass->encoder),
                          sdrt_shape_unet_batch(shape), config->t5_tokens, &place);
}

static struct sdrt_denoiser_shape denoiser_shape(const struct sdrt_pass *pass,
                                                 const struct sdrt_model_config *config,
                                                 const struct sdrt_shape *shape)
{
    struct sdrt_denoiser_shape out = {
        .batch = sdrt_pass_alone(pass) ? shape->batch : sdrt_shape_unet_batch(shape),
        .h = shape->h,
        .w = shape->w,
        .whole_h = shape->whole_h,
        .row0 = shape->row0,
        .evaluations = shape->evaluations[pass->part],
        .tokens = sdrt_shape_context_rows(shape, config),
        .again = shape->again,
        .shortened = pass->way == SDRT_WAY_SHORT || pass->way == SDRT_WAY_ALONE_SHORT,
    };

    memcpy(out.freeu, shape->freeu, sizeof out.freeu);
    if (pass->way == SDRT_WAY_GATE) out.gate = SDRT_GATE_KEEP;
    if (pass->way == SDRT_WAY_GATED) out.gate = SDRT_GATE_TAKE;
    if (pass->way == SDRT_WAY_PERTURBED) {
        out.own = shape->own;
        memcpy(out.perturbed, shape->perturbed, sizeof out.perturbed);
    }
    return out;
}

static void build_prompt(struct sdrt_graph *g, const struct sdrt_pass *pass,
                         const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    const struct sdrt_denoiser_shape s = denoiser_shape(pass, config, shape);

    sdrt_denoiser_of(config)->build_prompt(g, config, &s);
}

static void build_schedule(struct sdrt_graph *g, const struct sdrt_pass *pass,
                           const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    const struct sdrt_denoiser_shape s = denoiser_shape(pass, config, shape);

    sdrt_denoiser_of(config)->build_schedule(g, config, &s);
}

/* The steps of the base attend to the pictures of IP-Adapters too. */
static void add_ips(struct sdrt_denoiser_shape *s, const struct sdrt_pass *pass,
                    const struct sdrt_shape *shape)
{
    if (pass->part != SDRT_PART_BASE) return;
    s->ips = shape->n_ips;
    for (int k = 0; k < shape->n_ips; k++) s->ip_tokens[k] = shape->ip_tokens[k];
}

static void build_step(struct sdrt_graph *g, const struct sdrt_pass *pass,
                       const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    struct sdrt_denoiser_shape s = denoiser_shape(pass, config, shape);

    add_ips(&s, pass, shape);
    sdrt_denoiser_of(config)->build_step(g, config, &s);
}

static void build_controlled_step(struct sdrt_graph *g, const struct sdrt_pass *pass,
                                  const struct sdrt_model_config *config,
                                  const struct sdrt_shape *shape)
{
    struct sdrt_denoiser_shape s = denoiser_shape(pass, config, shape);

    s.controlled = shape->controlled;
    s.adapted = shape->adapted;
    add_ips(&s, pass, shape);
    sdrt_denoiser_of(config)->build_step(g, config, &s);
}

static void build_control_step(struct sdrt_graph *g, const struct sdrt_pass *pass,
                               const struct sdrt_model_config *config,
                               const struct sdrt_shape *shape)
{
    const struct sdrt_denoiser_shape s = denoiser_shape(pass, config, shape);

    const int more = pass->control > shape->first_net;

    if (config->denoiser == SDRT_DENOISER_MMDIT)
        sdrt_mmdit_build_control(g, &config->mmdit, &s, more);
    else sdrt_controlnet_build_step(g, &config->unet, &s, more);
}

static void build_hint(struct sdrt_graph *g, const struct sdrt_pass *pass,
                       const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    const struct sdrt_denoiser_shape s = denoiser_shape(pass, config, shape);
    const struct sdrt_adapter_config *a = &config->unet.adapter;

    if (config->denoiser == SDRT_DENOISER_MMDIT) sdrt_mmdit_build_hint(g, &config->mmdit, &s);
    else if (a->n) sdrt_adapter_build(g, a, s.h >> a->wide, s.w >> a->wide);
    else sdrt_controlnet_build_hint(g, &config->unet, &s);
}

static void build_vision(struct sdrt_graph *g, const struct sdrt_pass *pass,
                         const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    (void)pass;
    sdrt_clip_vision_build(g, &config->vision, shape->vision_embeds, shape->vision_hidden);
}

static void build_ip(struct sdrt_graph *g, const struct sdrt_pass *pass,
                     const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    sdrt_ip_build(g, config, pass->ip - 1, sdrt_shape_unet_batch(shape),
                  config->ip.layers ? shape->vision_rows : 1);
}

/* One image at a time: its tensors are the largest of all. */
static void build_decoder(struct sdrt_graph *g, const struct sdrt_pass *pass,
                          const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    (void)pass;
    if (config->vae.tiny_decoder) sdrt_taesd_build_decoder(g, &config->vae, shape->h, shape->w);
    else sdrt_vae_build_decoder(g, &config->vae, 1, shape->h, shape->w);
}

/* One for all images of the batch. */
static void build_encoder(struct sdrt_graph *g, const struct sdrt_pass *pass,
                          const struct sdrt_model_config *config, const struct sdrt_shape *shape)
{
    const int up = config->vae.levels - 1;

    (void)pass;
    if (config->vae.tiny_encoder)
        sdrt_taesd_build_encoder(g, &config->vae, shape->h << up, shape->w << up);
    else sdrt_vae_build_encoder(g, &config->vae, 1, shape->h << up, shape->w << up);
}

/* ---- the tables ---- */

static int has_second(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)shape;
    return base->n_text > 1;
}

static int has_t5(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)shape;
    return base->has_t5;
}

static int has_picture(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)base;
    return shape->picture || shape->encoded;
}

static int has_short(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)base;
    return shape->again > 0;
}

static int has_alone(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)base;
    return shape->alone && !shape->more_lanes && !shape->n_controls;
}

static int has_perturbed(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)base;
    return sdrt_guide_is_perturbed(shape);
}

static int has_gate(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    (void)base;
    return shape->gated;
}

static int has_alone_short(const struct sdrt_model_config *base, const struct sdrt_shape *shape)
{
    return has_short(base, shape) && has_alone(base, shape);
}

#define TEXT(i, name_, dumps_, has_)                                                               \
    { .name = name_, .dumps = dumps_, .when = SDRT_ONCE_A_PROMPT, .encoder = i, .has = has_,       \
      .on_host = 1,                                                                                \
      .build = build_text, .wanted = sdrt_text_wanted, .run = sdrt_run_text }
#define T5(i, name_, dumps_)                                                                       \
    { .name = name_, .dumps = dumps_, .when = SDRT_ONCE_A_PROMPT, .encoder = i, .has = has_t5,     \
      .on_host = 1,                                                                                \
      .wide = 1, .build = build_t5, .wanted = sdrt_text_wanted, .run = sdrt_run_text }
#define ENCODER                                                                                 \
    {                                                                                           \
        .name = "vae encoder", .dumps = "vae-encoder/", .when = SDRT_ONCE_A_PICTURE, .wide = 1, \
        .has = has_picture, .build = build_encoder, .run = sdrt_run_encoder                     \
    }
#define PROMPT(name_, part_, dumps_)                                                               \
    { .name = name_, .dumps = dumps_, .part = part_, .when = SDRT_ONCE_A_PROMPT,                   \
      .follows = 1, .build = build_prompt, .wanted = sdrt_once_wanted, .run = sdrt_run_prompt }
#define SCHEDULE(name_, part_, dumps_)                                                             \
    { .name = name_, .dumps = dumps_, .part = part_, .when = SDRT_ONCE_A_SCHEDULE, .joins = 1,     \
      .follows = 1, .build = build_schedule, .wanted = sdrt_once_wanted, .run = sdrt_run_schedule }
#define STEP(name_, part_, dumps_, kept_)                                                          \
    { .name = name_, .dumps = dumps_, .part = part_, .when = SDRT_EACH_EVALUATION, .kept = kept_,  \
      .build = build_step, .run = sdrt_run_steps }
/* What pictures as prompts leave for the steps. */
#define IP(i, name_)                                                                         \
    {                                                                                        \
        .name = name_, .dumps = "ip" #i "/", .ip = i, .when = SDRT_ONCE_A_PROMPT,            \
        .build = build_ip, .wanted = sdrt_image_prompts_wanted, .run = sdrt_run_image_prompt \
    }
#define IMAGE_PROMPTS                      \
    { .name = "clip vision",               \
      .dumps = "vision/",                  \
      .ip = SDRT_PASS_VISION,              \
      .when = SDRT_ONCE_A_PROMPT,          \
      .on_host = 1,                        \
      .build = build_vision,               \
      .wanted = sdrt_image_prompts_wanted, \
      .run = sdrt_run_vision },            \
        IP(1, "ip-adapter"), IP(2, "ip-adapter 2"), IP(3, "ip-adapter 3"), IP(4, "ip-adapter 4")
/* What a control net makes once of prompt, timesteps and picture; its step, which the denoiser's runs,
 * is loaded with that. */
#define CONTROL(i, name_)                                                                        \
    { .name = name_ " prompt",                                                                   \
      .dumps = "control" #i "/prompt/",                                                          \
      .control = i,                                                                              \
      .when = SDRT_ONCE_A_PROMPT,                                                                \
      .follows = 1,                                                                              \
      .build = build_prompt,                                                                     \
      .run = sdrt_run_control },                                                                 \
        { .name = name_ " schedule",                                                             \
          .dumps = "control" #i "/schedule/",                                                    \
          .control = i,                                                                          \
          .when = SDRT_ONCE_A_SCHEDULE,                                                          \
          .joins = 1,                                                                            \
          .follows = 1,                                                                          \
          .build = build_schedule,                                                               \
          .run = sdrt_run_control },                                                             \
    {                                                                                            \
        .name = name_ " picture", .dumps = "control" #i "/picture/", .control = i,               \
        .when = SDRT_ONCE_A_SCHEDULE, .joins = 1, .on_host = 1, .shows = 1, .build = build_hint, \
        .run = sdrt_run_control_picture                                                          \
    }
#define CONTROLS \
    CONTROL(1, "control"), CONTROL(2, "control 2"), CONTROL(3, "control 3"), CONTROL(4, "control 4")
#define CONTROL_STEP(i, name_, kept_)                                                             \
    {                                                                                             \
        .name = name_, .dumps = "control" #i "/step", .control = i, .when = SDRT_EACH_EVALUATION, \
        .joins = 1, .kept = kept_, .build = build_control_step, .run = sdrt_run_nothing           \
    }
#define CONTROL_STEPS(kept_)                                                                  \
    CONTROL_STEP(1, "control", kept_), CONTROL_STEP(2, "control 2", kept_),                   \
        CONTROL_STEP(3, "control 3", kept_), CONTROL_STEP(4, "control 4", kept_),             \
    {                                                                                         \
        .name = "controlled", .dumps = "step", .controlled = 1, .when = SDRT_EACH_EVALUATION, \
        .joins = 1, .kept = kept_, .build = build_controlled_step, .run = sdrt_run_nothing    \
    }
#define WAY(name_, way_, has_)                                                                 \
    {                                                                                          \
        .name = name_, .dumps = "step", .way = way_, .when = SDRT_EACH_EVALUATION, .joins = 1, \
        .kept = 1, .has = has_, .build = build_step, .run = sdrt_run_nothing                   \
    }
#define DECODER(joins_)                                                                            \
    { .name = "vae", .dumps = "vae/", .when = SDRT_ONCE_AN_IMAGE, .joins = joins_, .kept = 1,      \
      .wide = 1, .build = build_decoder, .run = sdrt_run_decoder }

static const struct sdrt_pass unet_passes[] = {
    TEXT(0, "text", "text/", NULL),
    TEXT(1, "text 2", "text2/", has_second),
    IMAGE_PROMPTS,
    ENCODER,
    PROMPT("prompt", SDRT_PART_BASE, "prompt/"),
    SCHEDULE("schedule", SDRT_PART_BASE, "schedule/"),
    CONTROLS,
    STEP("unet", SDRT_PART_BASE, "step", 1),
    CONTROL_STEPS(1),
    WAY("unet short", SDRT_WAY_SHORT, has_short),
    WAY("unet alone", SDRT_WAY_ALONE, has_alone),
    WAY("unet alone short", SDRT_WAY_ALONE_SHORT, has_alone_short),
    WAY("unet perturbed", SDRT_WAY_PERTURBED, has_perturbed),
    WAY("unet gate", SDRT_WAY_GATE, has_gate),
    WAY("unet gated", SDRT_WAY_GATED, has_gate),
    DECODER(1),
    { .name = NULL },
};

static const struct sdrt_pass mmdit_passes[] = {
    TEXT(0, "text", "text/", NULL),
    TEXT(1, "text 2", "text2/", NULL),
    T5(2, "text 3", "text3/"),
    ENCODER,
    PROMPT("prompt", SDRT_PART_BASE, "prompt/"),
    SCHEDULE("schedule", SDRT_PART_BASE, "schedule/"),
    CONTROLS,
    STEP("mmdit", SDRT_PART_BASE, "step", 1),
    CONTROL_STEPS(1),
    WAY("mmdit alone", SDRT_WAY_ALONE, has_alone),
    WAY("mmdit perturbed", SDRT_WAY_PERTURBED, has_perturbed),
    DECODER(1),
    { .name = NULL },
};

/* Each denoiser takes the other's place in memory, and the decoder waits until both are gone. */
static const struct sdrt_pass refined_passes[] = {
    TEXT(0, "text", "text/", NULL),
    TEXT(1, "text 2", "text2/", NULL),
    IMAGE_PROMPTS,
    ENCODER,
    PROMPT("prompt", SDRT_PART_BASE, "prompt/"),
    SCHEDULE("schedule", SDRT_PART_BASE, "schedule/"),
    CONTROLS,
    STEP("unet", SDRT_PART_BASE, "step", 0),
    CONTROL_STEPS(0),
    PROMPT("refiner prompt", SDRT_PART_REFINER, "refiner/prompt/"),
    SCHEDULE("refiner schedule", SDRT_PART_REFINER, "refiner/schedule/"),
    STEP("refiner unet", SDRT_PART_REFINER, "refiner/step", 0),
    DECODER(0),
    { .name = NULL },
};

const struct sdrt_pass *sdrt_passes_of(const struct sdrt_model_config *base, int refined)
{
    if (refined) return refined_passes;
    return base->denoiser == SDRT_DENOISER_MMDIT ? mmdit_passes : unet_passes;
}
