/* SPDX-License-Identifier: MIT
 *
 * Builds each network's graph at the least size for the names in it.
 */
#include "model/net/needs.h"
#include "kernels/ops.h"
#include "model/net/adapter.h"
#include "model/net/clip_encoder.h"
#include "model/net/clip_vision.h"
#include "model/net/controlnet.h"
#include "model/net/denoiser.h"
#include "model/net/ip_adapter.h"
#include "model/net/mmdit.h"
#include "model/net/t5_encoder.h"
#include "model/net/vae.h"
#include "runtime/graph/graph.h"

enum { SIDE = 8 /* of the latent: any number of levels halves it */ };

struct needs {
    const struct sdrt_model_config *config;
    struct sdrt_weight_store *store;
    const struct sdrt_log *log;
    struct sdrt_ops ops;
};

/* Adds a network to a graph. */
typedef void build_fn(struct sdrt_graph *g, const struct needs *n, int i);

static int declare(const struct needs *n, const char *name, build_fn *build, int i)
{
    struct sdrt_graph *g = NULL;
    int status = sdrt_graph_create(&g, name, n->store, &n->ops, n->log);

    if (status != SDRT_OK) return status;
    build(g, n, i);
    status = sdrt_graph_status(g);
    sdrt_graph_free(&g);
    return status;
}

static struct sdrt_denoiser_shape least_shape(const struct needs *n)
{
    const int side = n->config->denoiser == SDRT_DENOISER_MMDIT ? n->config->mmdit.patch : SIDE;

    return (struct sdrt_denoiser_shape){ .batch = 1,
                                         .h = side,
                                         .w = side,
                                         .evaluations = 1,
                                         .tokens = sdrt_context_rows(n->config) };
}

/* One denoiser's graph: 0 schedule, 1 prompt, 2 step. */
static void build_denoiser(struct sdrt_graph *g, const struct needs *n, int i)
{
    const struct sdrt_denoiser *d = sdrt_denoiser_of(n->config);
    const struct sdrt_denoiser_shape shape = least_shape(n);

    (i == 0 ? d->build_schedule : i == 1 ? d->build_prompt : d->build_step)(g, n->config, &shape);
}

static void build_clip(struct sdrt_graph *g, const struct needs *n,
                       const struct sdrt_text_config *text, int i)
{
    static const char *const prefixes[SDRT_MAX_TEXT] = { "text_encoder", "text_encoder_2",
                                                         "text_encoder_3" };
    const struct sdrt_clip_place place = { .width = text->clip.hidden };

    sdrt_clip_encoder_build(g, text, prefixes[i], 1, sdrt_prompt_tokens(n->config), &place);
}

static void build_text(struct sdrt_graph *g, const struct needs *n, int i)
{
    build_clip(g, n, &n->config->text[i], i);
}

static void build_all_layers(struct sdrt_graph *g, const struct needs *n, int i)
{
    struct sdrt_text_config whole = n->config->text[i];

    whole.skip = 0;
    whole.final_norm = 1;
    build_clip(g, n, &whole, i);
}

static void build_t5(struct sdrt_graph *g, const struct needs *n, int i)
{
    const struct sdrt_t5_place place = { .rows = n->config->t5_tokens,
                                         .width = n->config->t5.hidden };

    (void)i;
    sdrt_t5_encoder_build(g, &n->config->t5, "text_encoder_3", 1, n->config->t5_tokens, &place);
}

static void build_decoder(struct sdrt_graph *g, const struct needs *n, int i)
{
    (void)i;
    sdrt_vae_build_decoder(g, &n->config->vae, 1, SIDE, SIDE);
}

static void build_encoder(struct sdrt_graph *g, const struct needs *n, int i)
{
    const int side = SIDE << (n->config->vae.levels - 1);

    (void)i;
    sdrt_vae_build_encoder(g, &n->config->vae, 1, side, side);
}

static struct needs needs_of(const struct sdrt_model_config *config,
                             struct sdrt_weight_store *store, const struct sdrt_log *log)
{
    struct needs n = { config, store, log, .ops = { .gemm = { 0 } } };

    sdrt_ops_init(&n.ops, 0);
    return n;
}

int sdrt_needs_declare(const struct sdrt_model_config *config, struct sdrt_weight_store *store,
                       const struct sdrt_log *log)
{
    const struct needs n = needs_of(config, store, log);
    int status = sdrt_denoiser_of(config)->check(config, log);

    for (int i = 0; i < 3 && status == SDRT_OK; i++)
        status = declare(&n, "denoiser", build_denoiser, i);
    for (int i = 0; i < config->n_text && status == SDRT_OK; i++)
        status = declare(&n, "text", build_text, i);
    if (status == SDRT_OK && config->has_t5) status = declare(&n, "text 3", build_t5, 0);
    return status == SDRT_OK ? declare(&n, "vae", build_decoder, 0) : status;
}

static void build_mmdit_control(struct sdrt_graph *g, const struct sdrt_mmdit_config *config,
                                const struct sdrt_denoiser_shape *shape)
{
    sdrt_mmdit_build_control(g, config, shape, 0);
}

/* The picture's, or the step. */
static void build_control(struct sdrt_graph *g, const struct needs *n, int i)
{
    const struct sdrt_denoiser_shape shape = least_shape(n);

    if (n->config->denoiser == SDRT_DENOISER_MMDIT)
        (i ? build_mmdit_control : sdrt_mmdit_build_hint)(g, &n->config->mmdit, &shape);
    else if (i) sdrt_controlnet_build_step(g, &n->config->unet, &shape, 0);
    else sdrt_controlnet_build_hint(g, &n->config->unet, &shape);
}

static void build_adapter(struct sdrt_graph *g, const struct needs *n, int i)
{
    (void)i;
    sdrt_adapter_build(g, &n->config->unet.adapter, SIDE, SIDE);
}

int sdrt_needs_declare_control(const struct sdrt_model_config *config,
                               struct sdrt_weight_store *store, const struct sdrt_log *log)
{
    const struct needs n = needs_of(config, store, log);
    int status = sdrt_denoiser_of(config)->check(config, log);

    if (config->unet.adapter.n) return declare(&n, "adapter", build_adapter, 0);
    for (int i = 0; i < 2 && status == SDRT_OK; i++)
        status = declare(&n, "control", build_denoiser, i);
    for (int i = 0; i < 2 && status == SDRT_OK; i++)
        status = declare(&n, "control", build_control, i);
    return status;
}

int sdrt_needs_declare_more(const struct sdrt_model_config *config, struct sdrt_weight_store *store,
                            const struct sdrt_log *log)
{
    const struct needs n = needs_of(config, store, log);
    int status = SDRT_OK;

    for (int i = 0; i < config->n_text && status == SDRT_OK; i++)
        status = declare(&n, "text", build_all_layers, i);
    if (status == SDRT_OK && config->vae.has_encoder)
        status = declare(&n, "vae encoder", build_encoder, 0);
    return status;
}

static void build_ip(struct sdrt_graph *g, const struct needs *n, int i)
{
    (void)i;
    sdrt_ip_build(g, n->config, 0, 1, 1);
}

int sdrt_needs_declare_ip(const struct sdrt_model_config *config, struct sdrt_weight_store *store,
                          const struct sdrt_log *log)
{
    const struct needs n = needs_of(config, store, log);

    return declare(&n, "ip-adapter", build_ip, 0);
}

static void build_vision(struct sdrt_graph *g, const struct needs *n, int i)
{
    (void)i;
    sdrt_clip_vision_build(g, &n->config->vision, n->config->vision.projection > 0, 0);
}

int sdrt_needs_declare_vision(const struct sdrt_model_config *config,
                              struct sdrt_weight_store *store, const struct sdrt_log *log)
{
    const struct needs n = needs_of(config, store, log);

    return declare(&n, "clip vision", build_vision, 0);
}
