/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/pipeline/pipeline.h"
#include "model/pipeline/refiner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

/* Of the base's text encoders the one that a refiner reads. */
enum { SHARED_TEXT = 1 };

/* A refiner's own text encoder is the base's second, as far as shapes can tell. */
static int check_fits(const struct sdrt_context *base, const struct sdrt_context *c,
                      const char *path)
{
    const struct sdrt_model_config *a = &base->config, *b = &c->config;
    const struct sdrt_text_config *text = &a->text[SHARED_TEXT];

    if (!b->aesthetic || b->n_text != 1)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s is an %s model: expected the SDXL refiner",
                         path, b->family);
    if (b->unet.context_dim != text->clip.hidden || b->text[0].pooled != text->pooled ||
        b->text[0].clip.positions != text->clip.positions)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s reads %d tokens of width %d, pooled %d: "
                         "the model's second text encoder has %d of %d, pooled %d", path,
                         b->text[0].clip.positions, b->unet.context_dim, b->text[0].pooled,
                         text->clip.positions, text->clip.hidden, text->pooled);
    if (b->vae.latent_channels != a->vae.latent_channels)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s denoises %d channels: the model has %d",
                         path, b->vae.latent_channels, a->vae.latent_channels);
    return SDRT_OK;
}

static int open_weights(struct sdrt_context *c)
{
    const struct sdrt_weights_provider provider = sdrt_checkpoint_provider(c->checkpoint);
    int status = sdrt_weight_store_create(&c->store, &provider, SDRT_DTYPES, c->log);

    if (status != SDRT_OK) return status;
    if (!strcmp(c->precision, "bf16")) sdrt_weight_store_pack_as(c->store, SDRT_BF16);
    return sdrt_denoiser_of(&c->config)->check(&c->config, c->log);
}

int sdrt_refiner_open(struct sdrt_context *base, const char *path)
{
    const struct sdrt_checkpoint_paths paths = { .model = path };
    const struct sdrt_model_config *a = &base->config;
    struct sdrt_context *c;
    int status;

    if (!base->checkpoint || a->n_text != SHARED_TEXT + 1 || !a->unet.added_dim || a->aesthetic)
        return sdrt_fail(base->log, SDRT_E_UNSUPPORTED, "refiner %s: expected an SDXL model for it "
                         "to refine, not %s", path,
                         base->checkpoint ? a->family : "random weights");
    c = base->refiner = calloc(1, sizeof *c);
    if (!c) return sdrt_fail(base->log, SDRT_E_NOMEM, "out of memory");
    c->base = base;
    c->log = base->log;
    c->device = base->device;
    c->queue = base->queue;
    c->tokenizers[0] = base->tokenizers[SHARED_TEXT];
    c->precision = base->precision;
    c->threads = base->threads;
    const char *slash = strrchr(path, '/');
    c->model_name = strdup(slash && slash[1] ? slash + 1 : path);
    status = c->model_name ? SDRT_OK : sdrt_fail(c->log, SDRT_E_NOMEM, "out of memory");
    if (status == SDRT_OK) status = sdrt_checkpoint_open(&c->checkpoint, &paths, c->log);
    if (status != SDRT_OK) return status;
    c->config = *sdrt_checkpoint_config(c->checkpoint);
    status = check_fits(base, c, path);
    return status == SDRT_OK ? open_weights(c) : status;
}

void sdrt_refiner_close(struct sdrt_context *base)
{
    struct sdrt_context *c = base->refiner;

    if (!c) return;
    c->device = NULL;
    c->queue = NULL;
    c->tokenizers[0] = NULL;
    sdrt_close(&base->refiner);
}

/* ---- the seam ---- */

/* Evaluations of the whole run that come before the refiner's first. */
static int before_seam(const struct sdrt_sampler_params *p, double start, int *before)
{
    const int whole = p->kind == SDRT_SAMPLER_HEUN ? 2 : 1; /* evaluations of a step */
    /* rint as Python's round, which halves to even. */
    const double cutoff = rint(p->noise.train_steps - start * p->noise.train_steps);
    struct sdrt_sampler *s = NULL;
    const int status = sdrt_sampler_create(&s, p);
    int n = 0;

    if (status != SDRT_OK) return status;
    const int total = sdrt_sampler_evaluations(s);
    while (n < total && (double)sdrt_sampler_timesteps(s)[n] >= cutoff) n++;
    sdrt_sampler_free(&s);
    *before = (n + whole - 1) / whole * whole;
    if (*before && *before < total) return SDRT_OK;
    return sdrt_fail(p->log, SDRT_E_ARG, "refiner start %g: none of %d steps is left for the %s",
                     start, p->steps, *before ? "refiner" : "model");
}

int sdrt_refiner_split(const struct sdrt_context *base, const struct sdrt_request *r,
                       const struct sdrt_sampler_params *params, struct sdrt_shape *shape,
                       struct sdrt_sampler **out)
{
    struct sdrt_sampler_params rest = *params;
    int before, status;

    if (!(r->refiner_start > 0.0 && r->refiner_start < 1.0))
        return sdrt_fail(base->log, SDRT_E_ARG, "refiner start %g: expected a number between 0 "
                         "and 1", r->refiner_start);
    status = before_seam(params, r->refiner_start, &shape->evaluations);
    rest.noise = base->refiner->config.noise;
    if (r->spacing) rest.noise.spacing = params->noise.spacing;
    if (status == SDRT_OK) status = before_seam(&rest, r->refiner_start, &before);
    if (status != SDRT_OK) return status;
    rest.first_step = rest.kind == SDRT_SAMPLER_HEUN ? before / 2 : before;
    status = sdrt_sampler_create(out, &rest);
    if (status == SDRT_OK) shape->refiner_evaluations = sdrt_sampler_evaluations(*out);
    return status;
}

void sdrt_refiner_take_text(struct sdrt_context *base)
{
    struct sdrt_context *c = base->refiner;

    if (!c) return;
    const size_t rows = (size_t)sdrt_shape_unet_batch(&c->shape) *
                        (size_t)sdrt_context_tokens(c);
    const size_t from = (size_t)base->config.unet.context_dim;
    const size_t width = (size_t)c->config.unet.context_dim;
    const float *text = base->embeddings + (from - width);

    for (size_t i = 0; i < rows; i++)
        memcpy(c->embeddings + i * width, text + i * from, width * sizeof *text);
    memcpy(c->pooled[0], base->pooled[SHARED_TEXT],
           rows * (size_t)c->config.text[0].pooled * sizeof(float));
    memcpy(c->ids[0], base->ids[SHARED_TEXT], rows * sizeof *c->ids[0]);
}
