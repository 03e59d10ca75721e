/* SPDX-License-Identifier: MIT
 *
 * One image, as data: prompt -> token ids -> text embeddings -> noise -> N times { scale,
 * denoise the pair, guide, sampler step } -> VAE -> RGB, pass by pass of the model's table.
 */
#include "model/pipeline/bands.h"
#include "model/pipeline/hires.h"
#include "model/pipeline/image_prompts.h"
#include "model/pipeline/loras.h"
#include "model/pipeline/parameters.h"
#include "model/pipeline/read.h"
#include "model/pipeline/run.h"
#include "runtime/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- results ---- */

static int prepare_results(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    const struct sdrt_pixels *whole = &run->canvas.picture;
    const size_t drawn = (size_t)run->r->width * (size_t)run->r->height * 3;
    const size_t bytes = whole->rgb ? (size_t)whole->width * (size_t)whole->height * 3 : drawn;
    const size_t all = bytes * (size_t)run->r->batch;
    uint8_t *images = realloc(s->images, all > drawn ? all : drawn); /* of previews too */

    run->rngs = malloc(((size_t)run->r->batch + 1) * sizeof *run->rngs);
    if (images) s->images = images;
    if (!images || !run->rngs)
        return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the images");
    run->rgb = images;
    s->width = whole->rgb ? whole->width : run->r->width;
    s->height = whole->rgb ? whole->height : run->r->height;
    for (int i = 0; i < SDRT_MAX_BATCH; i++) {
        free(s->parameters[i]);
        s->parameters[i] = NULL;
        if (i < run->r->batch && !(s->parameters[i] = sdrt_parameters_text(run, i)))
            return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the images' parameters");
    }
    return SDRT_OK;
}

/* ---- the passes ---- */

static int load_progress(void *user, int done, int total)
{
    return sdrt_run_report(user, SDRT_STAGE_LOAD, done, total) != SDRT_OK;
}

static int is_wanted(const struct sdrt_run *run, int i)
{
    const struct sdrt_pass *pass = &run->s->model->passes[i];
    const struct sdrt_hires *h = run->hires;

    if (run->stopped && pass->when == SDRT_EACH_EVALUATION) return 0;
    if (h && h->of_latents && !h->second && pass->when == SDRT_ONCE_AN_IMAGE && !run->r->preview &&
        !run->stopped)
        return 0;
    return (run->s->programs[i] || sdrt_session_bands(run->s, pass)) &&
           (!pass->wanted || pass->wanted(run, pass));
}

static int load_one(struct sdrt_run *run, int i)
{
    if (!run->s->programs[i] || !is_wanted(run, i)) return SDRT_OK;
    return sdrt_session_load(run->s, i, load_progress, run);
}

/* Packs what the request wants of row first and of those that join it. */
static int load_together(struct sdrt_run *run, int first)
{
    struct sdrt_session *s = run->s;
    const double t0 = sdrt_now();
    int status = SDRT_OK;

    for (int i = first; i < s->n_passes && status == SDRT_OK; i++) {
        if (i > first && !s->model->passes[i].joins) break;
        status = load_one(run, i);
    }
    s->stage_seconds[SDRT_STAGE_LOAD] += sdrt_now() - t0;
    return status;
}

static enum sdrt_stage stage_of(enum sdrt_when when)
{
    static const enum sdrt_stage stages[] = {
        [SDRT_ONCE_A_PROMPT] = SDRT_STAGE_TEXT,      [SDRT_ONCE_A_SCHEDULE] = SDRT_STAGE_DENOISE,
        [SDRT_EACH_EVALUATION] = SDRT_STAGE_DENOISE, [SDRT_ONCE_AN_IMAGE] = SDRT_STAGE_DECODE,
        [SDRT_ONCE_A_PICTURE] = SDRT_STAGE_ENCODE,
    };

    return stages[when];
}

/* What is not kept is given back at once, which the next request packs again. */
static int run_pass(struct sdrt_run *run, int i)
{
    struct sdrt_session *s = run->s;
    const struct sdrt_pass *pass = &s->model->passes[i];
    const double t0 = sdrt_now();
    const int status = is_wanted(run, i) ? pass->run(run, pass) : SDRT_OK;

    if (s->programs[i] && !pass->kept && !sdrt_pass_repeats(pass, &s->shape))
        sdrt_program_release(s->programs[i]);
    s->stage_seconds[stage_of(pass->when)] += sdrt_now() - t0;
    return status;
}

/* Gives back what was packed to be used once, after a failure, or where it was used again. */
static void release_passes(struct sdrt_session *s)
{
    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i] && !s->model->passes[i].kept) sdrt_program_release(s->programs[i]);
}

static int run_passes(struct sdrt_run *run)
{
    const struct sdrt_session *s = run->s;
    int told = 0, status = SDRT_OK;

    for (int i = 0; i < s->n_passes && status == SDRT_OK; i++) {
        const struct sdrt_pass *pass = &s->model->passes[i];
        if (!pass->joins) status = load_together(run, i);
        if (status == SDRT_OK && pass->when != SDRT_ONCE_A_PROMPT && !told++)
            status = sdrt_run_report(run, SDRT_STAGE_TEXT, 1, 1);
        /* A decoder that was not wanted beside the denoiser is, of an image that ends early. */
        if (status == SDRT_OK && run->stopped && pass->joins) status = load_one(run, i);
        if (status == SDRT_OK) status = run_pass(run, i);
    }
    return status;
}

/* What the passes find in their slots. */
static int prepare(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    const double t0 = sdrt_now();
    int status = sdrt_session_place(s);

    for (int i = 0; i < SDRT_VAE_SIDES && status == SDRT_OK; i++)
        if (s->bands[i]) status = sdrt_bands_open(s->bands[i]);
    if (status == SDRT_OK) status = sdrt_run_tokenize(run);
    s->stage_seconds[SDRT_STAGE_TEXT] += sdrt_now() - t0;
    if (status != SDRT_OK) return status;
    sdrt_run_prepare_once(run);
    if (sdrt_hires_begins(run->r)) return sdrt_hires_begin(run);
    return run->r->init ? SDRT_OK : sdrt_run_prepare_noise(run);
}

static int reset_samplers(struct sdrt_run *run)
{
    const struct sdrt_shape *shape = &run->s->shape;
    const size_t n = (size_t)sdrt_model_config_of(run->s->model)->vae.latent_channels *
                     (size_t)shape->h * (size_t)shape->w;
    int status = SDRT_OK;

    for (int i = 0; i < run->s->model->n_parts && status == SDRT_OK; i++)
        status = sdrt_sampler_reset(run->samplers[i], (size_t)shape->batch, n);
    return status;
}

static int draw(struct sdrt_run *run)
{
    struct sdrt_session *s = run->s;
    int status = reset_samplers(run);

    memset(s->stage_seconds, 0, sizeof s->stage_seconds);
    if (status == SDRT_OK && run->r->init)
        status = sdrt_canvas_prepare(&run->canvas, run->r, s->log);
    if (status == SDRT_OK) status = sdrt_run_prepare_controls(run);
    if (status == SDRT_OK) status = sdrt_run_prepare_image_prompts(run);
    if (status == SDRT_OK) status = prepare_results(run);
    if (status == SDRT_OK) status = prepare(run);
    if (status == SDRT_OK) status = run_passes(run);
    if (status == SDRT_OK) status = sdrt_hires_keep(run);
    if (status != SDRT_OK || s->shape.varied || s->shape.adaptive) release_passes(s);
    for (int i = 0; i < SDRT_VAE_SIDES; i++)
        if (s->bands[i]) sdrt_bands_close(s->bands[i]);
    s->evaluations_done = run->evaluated;
    s->left_out = run->left_out;
    s->evaluation_seconds = s->evaluations_done
                            ? s->stage_seconds[SDRT_STAGE_DENOISE] / s->evaluations_done : 0.0;
    return status;
}

int sdrt_run_once(struct sdrt_session *s, const struct sdrt_request *request,
                  struct sdrt_hires *hires)
{
    struct sdrt_run run = { .s = s, .request = *request, .hires = hires };
    const struct sdrt_request *r = run.r = &run.request;
    struct sdrt_shape shape = { 0 };
    int status = sdrt_request_check(s->model, r, &shape, run.samplers, &run.rng_kind);

    if (status == SDRT_OK) status = sdrt_cache_parse(&run.cache, r->cache, s->log);
    if (status == SDRT_OK) status = sdrt_guidance_parse(&run.guidance, r->guidance, s->log);
    s->n_images = 0;
    if (status == SDRT_OK) status = sdrt_controls_take(s, r, &shape);
    if (status == SDRT_OK) status = sdrt_image_prompts_take(s, r, &shape);
    if (status == SDRT_OK)
        status = sdrt_prompts_read(&run.prompts, s->model, r, &shape, s->log);
    if (status == SDRT_OK) status = sdrt_session_plan(s, &shape);
    if (status == SDRT_OK) status = sdrt_pipeline_loras_begin(&run);
    if (status == SDRT_OK) {
        status = draw(&run);
        sdrt_pipeline_loras_end(s);
    }
    if (status == SDRT_OK || status == SDRT_E_CANCELLED) s->n_images = run.decoded;
    for (int i = 0; i < SDRT_PARTS; i++) sdrt_sampler_free(&run.samplers[i]);
    free(run.dense);
    free(run.prompt);
    free(run.negative);
    sdrt_prompts_clear(&run.prompts);
    free(run.rngs);
    sdrt_canvas_clear(&run.canvas);
    sdrt_run_free_controls(&run);
    sdrt_run_free_image_prompts(&run);
    return status;
}

/* The parameters' text was made when nothing was drawn yet. */
static int tell_stopped(struct sdrt_session *s)
{
    enum { MORE = 40 };

    for (int i = 0; i < s->n_images; i++) {
        const size_t n = strlen(s->parameters[i]);
        char *longer = realloc(s->parameters[i], n + MORE);
        if (!longer)
            return sdrt_fail(s->log, SDRT_E_NOMEM, "out of memory for the images' parameters");
        snprintf(longer + n, MORE, ", Stopped after: %d", s->stopped_after);
        s->parameters[i] = longer;
    }
    return SDRT_OK;
}

int sdrt_session_generate(struct sdrt_session *s, const struct sdrt_request *request)
{
    struct sdrt_request read, once;
    char *owned[2] = { NULL, NULL };
    int status = s ? sdrt_request_read(&read, request, s->log) : SDRT_E_ARG;

    if (status == SDRT_OK) status = sdrt_request_vary(&read, owned, s->log);
    if (status != SDRT_OK) {
        free(owned[0]);
        return status;
    }
    sdrt_queue_rearm(s->queue); /* who cancelled before means another request */
    s->finish = s->stopped_after = 0;
    once = sdrt_request_resolved(s->model, &read);
    status = sdrt_hires_asked(&read) ? sdrt_hires_generate(s, &read)
                                     : sdrt_run_once(s, &once, NULL);
    if (status == SDRT_OK && s->stopped_after) status = tell_stopped(s);
    if (status == SDRT_E_CANCELLED) sdrt_fail(s->log, status, "cancelled");
    free(owned[0]);
    free(owned[1]);
    return status;
}
