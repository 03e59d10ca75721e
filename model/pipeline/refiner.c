/* SPDX-License-Identifier: MIT */
#include "model/pipeline/refiner.h"
#include "model/pipeline/pass.h"

#include <math.h>

/* ---- opening ---- */

/* A refiner's own text encoder is the base's second, as far as shapes can tell. */
static int check_fits(const struct sdrt_model *m, const char *path)
{
    const struct sdrt_model_config *a = sdrt_model_config_of(m);
    const struct sdrt_model_config *b = &m->parts[SDRT_PART_REFINER].config;
    const struct sdrt_text_config *text = &a->text[SDRT_REFINER_ENCODER];

    if (!b->aesthetic || b->n_text != 1)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s is an %s model: expected the SDXL refiner",
                         path, b->family);
    if (b->unet.context_dim != text->clip.hidden || b->text[0].pooled != text->pooled ||
        b->text[0].clip.positions != text->clip.positions)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s reads %d tokens of width %d, pooled %d: "
                         "the model's second text encoder has %d of %d, pooled %d", path,
                         b->text[0].clip.positions, b->unet.context_dim, b->text[0].pooled,
                         text->clip.positions, text->clip.hidden, text->pooled);
    if (a->noise.edm || b->noise.edm)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "refiner %s: it and the model count their noise "
                         "in other ways (one is of EDM)", path);
    if (b->vae.latent_channels != a->vae.latent_channels)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s denoises %d channels: the model has %d",
                         path, b->vae.latent_channels, a->vae.latent_channels);
    return SDRT_OK;
}

int sdrt_refiner_open(struct sdrt_model *m, const char *path)
{
    const struct sdrt_checkpoint_paths paths = { .model = path };
    const struct sdrt_model_part *base = &m->parts[SDRT_PART_BASE];
    const struct sdrt_model_config *a = &base->config;

    if (!base->checkpoint || a->n_text != SDRT_REFINER_ENCODER + 1 || !a->unet.added_dim ||
        a->aesthetic)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "refiner %s: expected an SDXL model for it "
                         "to refine, not %s", path, base->checkpoint ? a->family : "random weights");
    struct sdrt_model_part *part = &m->parts[m->n_parts++];
    part->name = sdrt_part_name(path);
    if (!part->name) return sdrt_fail(m->log, SDRT_E_NOMEM, "out of memory");
    int status = sdrt_checkpoint_open(&part->checkpoint, &paths, m->log);
    if (status != SDRT_OK) return status;
    part->config = *sdrt_checkpoint_config(part->checkpoint);
    status = check_fits(m, path);
    const struct sdrt_weights_provider provider = sdrt_checkpoint_provider(part->checkpoint);
    return status == SDRT_OK ? sdrt_part_open_store(m, part, &provider, SDRT_DTYPES) : status;
}

/* ---- the seam ---- */

/* Evaluations of the whole run that come before the refiner's first. */
static int before_seam(const struct sdrt_sampler_params *p, double start, int *before)
{
    const int whole = sdrt_sampler_evaluations_of(p->kind);
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

int sdrt_refiner_split(const struct sdrt_model *m, const struct sdrt_request *r,
                       const struct sdrt_sampler_params *params, struct sdrt_shape *shape,
                       struct sdrt_sampler **out)
{
    struct sdrt_sampler_params rest = *params;
    int before, status;

    if (!(r->refiner_start > 0.0 && r->refiner_start < 1.0))
        return sdrt_fail(m->log, SDRT_E_ARG, "refiner start %g: expected a number between 0 "
                         "and 1", r->refiner_start);
    if (!sdrt_sampler_can_split(params->kind))
        return sdrt_fail(
            m->log, SDRT_E_UNSUPPORTED,
            "sampler %s: its steps are not the schedule's, so that no refiner can go on "
            "between them: expected another",
            sdrt_sampler_name(params->kind));
    status = before_seam(params, r->refiner_start, &shape->evaluations[SDRT_PART_BASE]);
    rest.noise = m->parts[SDRT_PART_REFINER].config.noise;
    if (r->spacing) rest.noise.spacing = params->noise.spacing;
    if (status == SDRT_OK) status = before_seam(&rest, r->refiner_start, &before);
    if (status != SDRT_OK) return status;
    rest.first_step += before / sdrt_sampler_evaluations_of(rest.kind);
    status = sdrt_sampler_create(out, &rest);
    if (status == SDRT_OK)
        shape->evaluations[SDRT_PART_REFINER] = sdrt_sampler_evaluations(*out);
    return status;
}
