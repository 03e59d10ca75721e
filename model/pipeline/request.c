/* SPDX-License-Identifier: MIT
 *
 * What a request leaves open, and whether a model can draw it.
 */
#include "model/pipeline/bands.h"
#include "model/pipeline/begin.h"
#include "model/pipeline/cache.h"
#include "model/pipeline/guide.h"
#include "model/pipeline/hires.h"
#include "model/pipeline/refiner.h"
#include "model/pipeline/session.h"
#include "runtime/base/choices.h"

#include <string.h>

/* Names in other programs' spellings become this one's; those that are none stay for the checks. */
static void spell(const struct sdrt_model_config *config, struct sdrt_request *r)
{
    int named, schedule;
    const int sampler = sdrt_sampler_find(r->sampler, &named);

    if (sampler >= 0) r->sampler = sdrt_sampler_name(sampler);
    if (sampler >= 0 && named >= 0 && sdrt_schedule_find(r->schedule) == SDRT_SCHEDULE_DEFAULT)
        r->schedule = sdrt_schedule_name(named);
    schedule = sdrt_schedule_find(r->schedule);
    if (schedule == SDRT_SCHEDULE_AYS && config->unet.added_dim) schedule = SDRT_SCHEDULE_AYS_SDXL;
    if (schedule >= 0) r->schedule = sdrt_schedule_name(schedule);
}

struct sdrt_request sdrt_request_resolved(const struct sdrt_model *m,
                                          const struct sdrt_request *r)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    struct sdrt_request out = *r;

    if (r->init) sdrt_begin_size(m, r, &out.width, &out.height);
    if (!out.width) out.width = config->size;
    if (!out.height) out.height = config->size;
    if (!out.sampler)
        out.sampler = config->noise.prediction == SDRT_PREDICTION_FLOW ? "euler"
                      : config->noise.edm                              ? "dpmpp_2m"
                      : config->unet.guidance_dim                      ? "lcm"
                                                                       : "euler_a";
    out.cfg_scale = sdrt_guide_most(r);
    spell(config, &out);
    if (out.cache && !strcmp(out.cache, SDRT_CACHE_FAST)) out.cache = sdrt_cache_preset();
    if (out.n_sigmas || out.n_timesteps) out.steps = out.n_sigmas ? out.n_sigmas : out.n_timesteps;
    if (!out.original_width) out.original_width = out.width;
    if (!out.original_height) out.original_height = out.height;
    if (!out.target_width) out.target_width = out.width;
    if (!out.target_height) out.target_height = out.height;
    return out;
}

static int check_side(const struct sdrt_model *m, const char *what, int pixels)
{
    const int unit = 1 << (sdrt_model_config_of(m)->vae.levels - 1);

    if (pixels < unit || pixels > SDRT_MAX_PIXELS || pixels % unit)
        return sdrt_fail(m->log, SDRT_E_ARG, "%s %d: expected a multiple of %d from %d to %d", what,
                         pixels, unit, unit, SDRT_MAX_PIXELS);
    return SDRT_OK;
}

static int check_size(const struct sdrt_model *m, const struct sdrt_request *r)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    const struct sdrt_denoiser *denoiser = sdrt_denoiser_of(config);
    const int unit = 1 << (config->vae.levels - 1);
    int status = check_side(m, "width", r->width);

    if (status == SDRT_OK) status = check_side(m, "height", r->height);
    if (status == SDRT_OK && denoiser->check_size)
        status = denoiser->check_size(config, r->height / unit, r->width / unit, m->log);
    return status;
}

/* All text encoders must have the layer asked for. */
static int check_clip_skip(const struct sdrt_model *m, int clip_skip)
{
    const struct sdrt_model_config *config = sdrt_model_config_of(m);
    int low = 1, high = 1 << 20;

    if (!clip_skip) return SDRT_OK;
    for (int i = 0; i < config->n_text; i++) {
        const struct sdrt_text_config *t = &config->text[i];
        if (low < 1 + t->cut) low = 1 + t->cut;
        if (high > t->clip.layers + t->cut) high = t->clip.layers + t->cut;
    }
    if (clip_skip < low || clip_skip > high)
        return sdrt_fail(m->log, SDRT_E_ARG, "clip skip %d: expected %d to %d, or 0 for the model's "
                         "own", clip_skip, low, high);
    return SDRT_OK;
}

static int check_picture(const struct sdrt_model *m, const struct sdrt_request *r)
{
    const int told[] = { r->original_width, r->original_height, r->crop_x, r->crop_y,
                         r->target_width, r->target_height };

    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (told[i] < 0 || told[i] > 1 << 20)
            return sdrt_fail(m->log, SDRT_E_ARG, "original size, crop or target size %d: expected 0 "
                             "to %d", told[i], 1 << 20);
    return SDRT_OK;
}

/* CFG++ reads both halves of a guided pair whatever the scale. */
static int check_unguided(const struct sdrt_model *m, const struct sdrt_request *r,
                          enum sdrt_sampler_kind kind, struct sdrt_shape *shape)
{
    if (!sdrt_sampler_needs_unguided(kind)) return SDRT_OK;
    if (sdrt_model_config_of(m)->unet.guidance_dim)
        return sdrt_fail(
            m->log, SDRT_E_UNSUPPORTED,
            "sampler %s: a model that is told the guidance scale says nothing without: "
            "expected another sampler",
            r->sampler);
    if (r->cfg_start > 0.0f || r->cfg_end < 1.0f || (r->cache && strcmp(r->cache, "none")))
        return sdrt_fail(
            m->log, SDRT_E_UNSUPPORTED,
            "sampler %s: reads what each evaluation says without guidance: expected no %s "
            "beside it",
            r->sampler, r->cache ? "cache" : "cfg range");
    shape->guided = shape->unguided = 1;
    return SDRT_OK;
}

/* Also says how many evaluations shape has.  The samplers are the caller's, also after a
 * failure. */
static int make_samplers(const struct sdrt_model *m, const struct sdrt_request *r,
                         struct sdrt_shape *shape, struct sdrt_sampler *out[SDRT_PARTS])
{
    const struct sdrt_sampler_tuning tuning = { r->eta, r->s_noise, r->s_churn, r->s_tmin,
                                                r->s_tmax };
    struct sdrt_sampler_params params = { .steps = r->steps, .log = m->log,
                                          .noise = sdrt_model_config_of(m)->noise,
                                          .tuning = &tuning,
                                          .sigmas = r->sigmas,
                                          .n_sigmas = r->n_sigmas,
                                          .own_timesteps = r->timesteps,
                                          .n_timesteps = r->n_timesteps };
    char known[SDRT_CHOICES];
    int status = sdrt_sampler_parse(r->sampler, &params.kind, m->log);

    if (status == SDRT_OK) status = sdrt_schedule_parse(r->schedule, &params.schedule, m->log);
    if (status == SDRT_OK) status = check_unguided(m, r, params.kind, shape);
    if (status == SDRT_OK && r->spacing && params.noise.prediction == SDRT_PREDICTION_FLOW)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "spacing %s is not for flow-matching models",
                         r->spacing);
    if (status == SDRT_OK && r->spacing && params.noise.edm)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "spacing %s is not for models of EDM", r->spacing);
    if (status == SDRT_OK && r->spacing && !sdrt_spacing_parse(r->spacing, &params.noise.spacing))
        status = sdrt_fail(m->log, SDRT_E_ARG, "unknown spacing \"%s\": expected %s", r->spacing,
                           sdrt_choices(known, sdrt_spacing_name));
    if (status == SDRT_OK && (r->init || sdrt_hires_begins(r)))
        status = sdrt_begin_first_step(m, r, &params.first_step);
    if (status == SDRT_OK) status = sdrt_sampler_create(&out[SDRT_PART_BASE], &params);
    if (status != SDRT_OK) return status;
    shape->adaptive = sdrt_sampler_is_adaptive(params.kind) ? params.steps - params.first_step : 0;
    shape->evaluations[SDRT_PART_BASE] =
        shape->adaptive ? 1 : sdrt_sampler_evaluations(out[SDRT_PART_BASE]);
    if (!sdrt_model_refined(m)) return SDRT_OK;
    return sdrt_refiner_split(m, r, &params, shape, &out[SDRT_PART_REFINER]);
}

static int check_bands(const struct sdrt_model *m, const struct sdrt_request *r)
{
    if (!r->vae_bands) return SDRT_OK;
    if (r->vae_bands < SDRT_LEAST_BAND || r->vae_bands % 8)
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "VAE bands of %d rows: expected a multiple of 8 from %d on", r->vae_bands,
                         SDRT_LEAST_BAND);
    if (sdrt_model_config_of(m)->vae.tiny_decoder || !sdrt_device_is_host(m->device))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "VAE bands: expected the VAE on the processor, not %s",
                         sdrt_device_is_host(m->device) ? "a TAESD" : "a GPU");
    return SDRT_OK;
}

static int check_numbers(const struct sdrt_model *m, const struct sdrt_request *r)
{
    const int unit = 1 << (sdrt_model_config_of(m)->vae.levels - 1);
    char known[SDRT_CHOICES];

    if (r->batch < 1 || r->batch > SDRT_MAX_BATCH)
        return sdrt_fail(m->log, SDRT_E_ARG, "batch %d: expected 1 to %d", r->batch,
                         SDRT_MAX_BATCH);
    if (!(r->cfg_scale >= -1000.0f && r->cfg_scale <= 1000.0f))
        return sdrt_fail(m->log, SDRT_E_ARG, "cfg scale: expected a number from -1000 to 1000");
    if (!(r->eta <= 100.0) || !(r->s_noise >= 0.0 && r->s_noise <= 100.0))
        return sdrt_fail(m->log, SDRT_E_ARG, "eta %g, s_noise %g: expected numbers up to 100", r->eta,
                         r->s_noise);
    if (!(r->subseed_strength >= 0.0f && r->subseed_strength <= 1.0f) ||
        !(r->cfg_rescale >= 0.0f && r->cfg_rescale <= 1.0f))
        return sdrt_fail(m->log, SDRT_E_ARG, "subseed strength %g, cfg rescale %g: expected 0 to 1",
                         (double)r->subseed_strength, (double)r->cfg_rescale);
    if (r->subseed_strength > 0.0f && r->height < 2 * unit)
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "height %d: a variation of the seed turns the noise's columns, which have "
                         "one row here: expected %d or more",
                         r->height, 2 * unit);
    if (r->seed_resize_width < 0 || r->seed_resize_height < 0 ||
        r->seed_resize_width > SDRT_MAX_PIXELS || r->seed_resize_height > SDRT_MAX_PIXELS ||
        (r->seed_resize_width > 0 && r->seed_resize_width < unit) ||
        (r->seed_resize_height > 0 && r->seed_resize_height < 2 * unit))
        return sdrt_fail(m->log, SDRT_E_ARG,
                         "seed resized from %dx%d: expected a size of %dx%d to %dx%d",
                         r->seed_resize_width, r->seed_resize_height, unit, 2 * unit,
                         SDRT_MAX_PIXELS, SDRT_MAX_PIXELS);
    if (!(r->cfg_start >= 0.0f && r->cfg_start <= r->cfg_end && r->cfg_end <= 1.0f))
        return sdrt_fail(m->log, SDRT_E_ARG, "cfg range %g to %g: expected shares that rise from 0 to 1",
                         (double)r->cfg_start, (double)r->cfg_end);
    if (r->n_sigmas < 0 || r->n_timesteps < 0 || (r->n_sigmas && !r->sigmas) ||
        (r->n_timesteps && !r->timesteps) || (r->n_sigmas && r->n_timesteps))
        return sdrt_fail(m->log, SDRT_E_ARG, "%d sigmas, %d timesteps: expected arrays of one of them",
                         r->n_sigmas, r->n_timesteps);
    if (sdrt_choice(sdrt_rng_name, r->rng) < 0)
        return sdrt_fail(m->log, SDRT_E_ARG, "unknown rng \"%s\": expected %s", r->rng,
                         sdrt_choices(known, sdrt_rng_name));
    return SDRT_OK;
}

/* Whether the request gives what the model takes beside a text. */
static int check_task(const struct sdrt_model *m, const struct sdrt_request *r)
{
    const enum sdrt_unet_task task = sdrt_model_task(sdrt_model_config_of(m));

    if (task == SDRT_TASK_DRAW) return SDRT_OK;
    if (task == SDRT_TASK_INPAINT && r->init && sdrt_begin_masked(r)) return SDRT_OK;
    if (task == SDRT_TASK_EDIT && r->init && !sdrt_begin_masked(r)) return SDRT_OK;
    if (task == SDRT_TASK_INPAINT)
        return sdrt_fail(m->log, SDRT_E_ARG, "%s: is an inpainting model: it %s: expected both",
                         m->parts[SDRT_PART_BASE].name, sdrt_task_takes(task));
    return sdrt_fail(m->log, SDRT_E_ARG,
                     "%s: is an editing model: it %s: expected that and no mask",
                     m->parts[SDRT_PART_BASE].name, sdrt_task_takes(task));
}

int sdrt_request_check(const struct sdrt_model *m, const struct sdrt_request *r,
                       struct sdrt_shape *shape, struct sdrt_sampler *samplers[SDRT_PARTS],
                       enum sdrt_rng_kind *rng)
{
    const int unit = 1 << (sdrt_model_config_of(m)->vae.levels - 1);
    struct sdrt_sampler *s[SDRT_PARTS] = { NULL };
    int status = check_numbers(m, r);

    if (status == SDRT_OK) status = check_size(m, r);
    if (status == SDRT_OK) status = check_clip_skip(m, r->clip_skip);
    if (status == SDRT_OK) status = check_picture(m, r);
    if (status == SDRT_OK && r->init) status = sdrt_begin_check(m, r);
    if (status == SDRT_OK) status = check_bands(m, r);
    if (status == SDRT_OK) status = check_task(m, r);
    /* What is told the scale guides itself. */
    *shape = (struct sdrt_shape){
        .batch = r->batch,
        .guided = r->cfg_scale > 1.0f && !sdrt_model_config_of(m)->unet.guidance_dim,
        .h = r->height / unit,
        .w = r->width / unit,
        .clip_skip = r->clip_skip,
        .vae_bands = r->vae_bands,
        .picture = r->init != NULL,
        .masked = r->init && sdrt_begin_masked(r),
    };
    if (status == SDRT_OK) status = make_samplers(m, r, shape, s);
    if (status == SDRT_OK) status = sdrt_guide_check(m, r, shape);
    if (status == SDRT_OK) status = sdrt_cache_check(m, r, shape);
    if (status == SDRT_OK && rng) *rng = (enum sdrt_rng_kind)sdrt_choice(sdrt_rng_name, r->rng);
    for (int i = 0; i < SDRT_PARTS; i++) {
        if (status == SDRT_OK && samplers) samplers[i] = s[i];
        else sdrt_sampler_free(&s[i]);
    }
    return status;
}
