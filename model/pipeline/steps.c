/* SPDX-License-Identifier: MIT
 *
 * From noise to a latent: N times { scale, denoise the pair, guide, sampler step }.
 */
#include "kernels/ops.h"
#include "model/pipeline/cache.h"
#include "model/pipeline/guide.h"
#include "model/pipeline/kept.h"
#include "model/pipeline/preview.h"
#include "model/pipeline/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct sdrt_exec alone_exec = { .part = 0, .nparts = 1 };

int sdrt_run_prepare_noise(struct sdrt_run *run)
{
    const struct sdrt_session *s = run->s;
    const size_t n = s->slots.slot[s->latent].bytes / sizeof(float) / (size_t)s->shape.batch;
    const float scale = sdrt_sampler_initial_scale(run->samplers[SDRT_PART_BASE]);
    float *latent = sdrt_slot_map(&s->slots, s->latent);
    int status = SDRT_OK;

    for (int i = 0; i < s->shape.batch && status == SDRT_OK; i++) {
        sdrt_rng_seed(&run->rngs[i], run->rng_kind, sdrt_run_seed(run, i));
        status = sdrt_run_draw_noise(run, i, latent + (size_t)i * n);
    }
    if (status == SDRT_OK) status = sdrt_run_dump_latent(run, "noise");
    for (size_t i = 0; i < (size_t)s->shape.batch * n; i++) latent[i] *= scale;
    return status;
}

/* A denoiser at work: its memory, found once. */
struct denoiser {
    struct sdrt_run *run;
    const struct sdrt_pass *pass;
    const struct sdrt_pass *ways[SDRT_WAYS]; /* that evaluations may go; NULL where there is none */
    struct sdrt_sampler *sampler;
    float *latent, *scaled, *guided, *model_in, *model_out;
    const char *time_table;
    int    time; /* slot */
    size_t time_bytes;
    int batch, pair, pixels, z;
    struct sdrt_decoding decoding; /* for previews */
    struct sdrt_kept kept;
    struct sdrt_easy easy;
    /* Of a picture of which a part stays; NULL without, begin and noise also where the denoiser reads
     * beside it [batch][pixels][more]. */
    const float *mask, *begin, *noise, *beside;
    float *unguided; /* for a sampler that reads it; else NULL */
    float *momentum; /* of guidance that has one; else NULL */
    int more;
};

static struct denoiser denoiser_of(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    const struct sdrt_session *s = run->s;
    const int time = sdrt_slots_find(&s->slots, sdrt_part_scope(pass->part), "time");
    const int beside = sdrt_slots_find(&s->slots, "", "beside");

    struct denoiser d = {
        .run = run,
        .pass = pass,
        .sampler = run->samplers[pass->part],
        .latent = sdrt_slot_map(&s->slots, s->latent),
        .scaled = sdrt_slot_map(&s->slots, s->scaled),
        .guided = sdrt_slot_map(&s->slots, s->guided),
        .model_in = sdrt_session_map(s, pass->part, "model_in"),
        .model_out = sdrt_session_map(s, pass->part, "model_out"),
        .time_table = sdrt_session_map(s, pass->part, "time_table"),
        .time = time,
        .time_bytes = s->slots.slot[time].bytes,
        .batch = s->shape.batch,
        .pair = sdrt_shape_unet_batch(&s->shape),
        .pixels = s->shape.h * s->shape.w,
        .z = sdrt_model_config_of(s->model)->vae.latent_channels,
        .decoding = sdrt_run_decoding(s),
        .kept = sdrt_kept_of(s, &run->cache),
        .easy = sdrt_easy_of(s, &run->cache),
        .mask = sdrt_session_map(s, SDRT_PART_BASE, "mask"),
        .begin = sdrt_session_map(s, SDRT_PART_BASE, "begin"),
        .noise = sdrt_session_map(s, SDRT_PART_BASE, "noise"),
        .beside = sdrt_session_map(s, SDRT_PART_BASE, "beside"),
        .momentum = sdrt_session_map(s, SDRT_PART_BASE, "momentum"),
        .unguided = sdrt_session_map(s, SDRT_PART_BASE, "unguided"),
        .more = beside == SDRT_NO_SLOT ? 0 : s->slots.slot[beside].dims[3],
    };
    sdrt_cache_passes(s, pass->part, d.ways);
    sdrt_sampler_unguided(d.sampler, d.unguided);
    return d;
}

/* Evaluations of all denoisers, or what else they are counted in. */
static int total_of(const struct sdrt_session *s)
{
    int total = 0;

    for (int i = 0; i < s->model->n_parts; i++)
        total += sdrt_shape_counted(&s->shape, (enum sdrt_part_id)i);
    return total;
}

/* Shows what evaluation e makes of the first image.  A decoder that takes the denoiser's place in
 * memory is not there. */
static int preview(const struct denoiser *d, int e)
{
    struct sdrt_session *s = d->run->s;
    const struct sdrt_vae_config *vae = &sdrt_model_config_of(s->model)->vae;
    const enum sdrt_preview kind = sdrt_preview_kind(vae);
    const int decode = d->decoding.pass;
    uint8_t *rgb = d->run->rgb;
    int status = SDRT_OK, w = s->shape.w, h = s->shape.h;

    if (!d->run->r->preview || kind == SDRT_PREVIEW_NONE) return SDRT_OK;
    if (kind == SDRT_PREVIEW_DECODE && !s->model->passes[decode].joins) return SDRT_OK;
    sdrt_sampler_denoised(d->sampler, e, d->guided, d->latent, d->scaled);
    if (kind == SDRT_PREVIEW_LINEAR) {
        sdrt_preview_linear(vae, d->scaled, w * h, rgb);
    } else {
        w = d->run->r->width;
        h = d->run->r->height;
        sdrt_run_fill_decoder(s, &d->decoding, d->scaled);
        status = sdrt_session_run(s, decode, NULL, NULL);
        if (status == SDRT_OK) sdrt_run_finish_decoding(s, &d->decoding, (size_t)w * (size_t)h * 3);
        if (status == SDRT_OK)
            sdrt_to_bytes(d->decoding.out, rgb, (size_t)w * (size_t)h * 3);
    }
    if (status != SDRT_OK) return status;
    const int ahead = s->shape.adaptive ? 0 : 1;
    const struct sdrt_preview_at at = { 0, d->run->at + ahead, total_of(s) };
    return d->run->r->preview(d->run->r->preview_user, rgb, w, h, &at) ? SDRT_E_CANCELLED
                                                                      : SDRT_OK;
}

/* The scaled latent, and behind its channels those that an inpainting or an editing model reads too;
 * of the latter the unconditional row has no picture. */
static void fill_model_in(const struct denoiser *d)
{
    const int width = d->z + d->more;

    for (int i = 0; i < d->pair * d->pixels; i++) {
        const int image = i / d->pixels % d->batch, p = i % d->pixels;
        float *to = d->model_in + (size_t)i * (size_t)width;
        for (int c = 0; c < d->z; c++)
            to[c] = d->scaled[((size_t)image * (size_t)d->z + (size_t)c) * (size_t)d->pixels +
                              (size_t)p];
        if (d->run->prompts.edits && i < d->batch * d->pixels) {
            memset(to + d->z, 0, (size_t)d->more * sizeof *to);
            continue;
        }
        memcpy(to + d->z,
               d->beside + ((size_t)image * (size_t)d->pixels + (size_t)p) * (size_t)d->more,
               (size_t)d->more * sizeof *to);
    }
}

/* Whether there is an evaluation e. */
static int is_left(const struct denoiser *d, int e)
{
    const struct sdrt_shape *shape = &d->run->s->shape;

    if (shape->adaptive) return !sdrt_sampler_ended(d->sampler);
    return e < shape->evaluations[d->pass->part];
}

/* After evaluation e: what stays of the picture as the next one expects it, with its noise, or
 * without where there is none. */
static void keep_unmasked(const struct denoiser *d, int e)
{
    const struct sdrt_session *s = d->run->s;
    const int next = (int)d->pass->part + 1;
    float keep = 1.0f, gain = 0.0f;

    if (d->run->stopped) keep = 1.0f;
    else if (is_left(d, e + 1)) sdrt_sampler_mix(d->sampler, e + 1, &keep, &gain);
    else if (next < s->model->n_parts) sdrt_sampler_mix(d->run->samplers[next], 0, &keep, &gain);
    for (int i = 0; i < d->batch * d->z * d->pixels; i++) {
        const float m = d->mask[i % d->pixels];
        d->latent[i] = (1.0f - m) * (keep * d->begin[i] + gain * d->noise[i]) + m * d->latent[i];
    }
}

/* Whether a guided pair is more than two images. */
static int composes(const struct denoiser *d)
{
    const struct sdrt_prompt_parts *parts = &d->run->prompts.wanted;

    return d->run->prompts.edits || parts->n != 1 || parts->at[0].weight != 1.0;
}

/* Several conditional images, of parts that AND joins, become one behind the unconditional ones:
 * u + sum of w * (c - u).  Liu et al. 2022 (arXiv:2206.01714), eq. 11.
 * Of an editing model: u + cfg * (c - i) + image cfg * (i - u), in which i is the last lane's and the
 * outer cfg is guidance's own.  Brooks et al. 2022 (arXiv:2211.09800), eq. 3. */
static void compose(const struct denoiser *d)
{
    const struct sdrt_prompt_parts *parts = &d->run->prompts.wanted;
    const size_t n = (size_t)d->batch * (size_t)d->pixels * (size_t)d->z;
    const float *u = d->model_out;
    float *out = d->model_out + n;

    const struct sdrt_request *r = d->run->r;
    const int edits = d->run->prompts.edits;
    const float more = edits ? r->image_cfg_scale / r->cfg_scale - 1.0f : 0.0f;

    if (!composes(d)) return;
    for (size_t k = 0; k < n; k++) {
        float sum = u[k];
        for (int i = 0; i < parts->n; i++)
            sum += (out[(size_t)i * n + k] - u[k]) * (float)parts->at[i].weight;
        if (edits) sum += (out[(size_t)parts->n * n + k] - u[k]) * more;
        out[k] = sum;
    }
}

static enum sdrt_way way_by(const struct denoiser *d, const struct sdrt_cache *cache)
{
    const struct sdrt_run *run = d->run;

    return sdrt_cache_way(cache, run->r, &run->s->shape, run->at, total_of(run->s));
}

static enum sdrt_way wanted_way(const struct denoiser *d) { return way_by(d, &d->run->cache); }

static enum sdrt_way whole_way(const struct denoiser *d)
{
    static const struct sdrt_cache none = { .kind = SDRT_CACHE_NONE };

    return way_by(d, &none);
}

/* The row of a way that an evaluation goes. */
static const struct sdrt_pass *row_of(const struct denoiser *d, enum sdrt_way way)
{
    const struct sdrt_pass *row = way == SDRT_WAY_NONE ? NULL : d->ways[way];

    return row && !(sdrt_pass_alone(row) && composes(d)) ? row : d->pass;
}

/* The conditional half of what the denoiser said, [batch][pixels][z]. */
static const float *conditional_of(const struct denoiser *d)
{
    const size_t n = (size_t)d->batch * (size_t)d->pixels * (size_t)d->z;

    return d->model_out + (d->run->s->shape.guided ? n : 0);
}

/* guided += scale * the conditional half. */
static void add_conditional(const struct denoiser *d, float scale)
{
    const float *from = conditional_of(d);
    const size_t z = (size_t)d->z, pixels = (size_t)d->pixels;

    for (size_t i = 0; i < (size_t)d->batch * pixels; i++)
        for (size_t c = 0; c < z; c++)
            d->guided[(i / pixels * z + c) * pixels + i % pixels] += scale * from[i * z + c];
}

/* Pushes the answer away from what the denoiser says with a part of it left out. */
static int push(const struct denoiser *d, int e, double timestep)
{
    struct sdrt_run *run = d->run;
    const float scale = sdrt_guide_push(run->r, &run->s->shape, run->at, total_of(run->s),
                                        timestep);

    if (scale == 0.0f || !d->ways[SDRT_WAY_PERTURBED]) return SDRT_OK;
    add_conditional(d, scale);
    snprintf(run->prefix, sizeof run->prefix, "%s%03d/perturbed/", d->pass->dumps, e);
    const int status = sdrt_run_program(run, d->ways[SDRT_WAY_PERTURBED]);
    add_conditional(d, -scale);
    return status;
}

/* What the guided pair, or the conditional half alone, says of the noise. */
static void guide(const struct denoiser *d, int alone)
{
    struct sdrt_run *run = d->run;
    const struct sdrt_session *s = run->s;
    const struct sdrt_elementwise_ops *ew = &s->model->device->host->ops->elementwise;
    const size_t n = (size_t)d->pixels * (size_t)d->z;
    const int total = total_of(s);
    const float *conditional = conditional_of(d);

    if (sdrt_guidance_is_zero(&run->guidance, run->at)) {
        memset(d->guided, 0, (size_t)d->batch * n * sizeof *d->guided);
        return;
    }
    if (alone || !s->shape.guided) {
        ew->to_nchw(&alone_exec, d->batch, d->pixels, d->z, 1.0f, conditional, d->guided);
        return;
    }
    if (d->unguided)
        ew->to_nchw(&alone_exec, d->batch, d->pixels, d->z, 1.0f, d->model_out, d->unguided);
    compose(d);
    if (run->guidance.kind && sdrt_guide_is_guided(run->r, run->at, total)) {
        sdrt_run_guide(run, run->at, total, conditional, d->model_out, d->momentum, n);
        ew->to_nchw(&alone_exec, d->batch, d->pixels, d->z, 1.0f, d->model_out, d->guided);
    } else {
        ew->guide(&alone_exec, d->batch, d->pixels, d->z,
                  sdrt_guide_scale(run->r, run->at, total), d->model_out, d->guided);
    }
    sdrt_run_rescale(run, conditional, d->guided, n);
}

/* What an evaluation reads of its timestep: a row of the table for all images or one for each, to which the text
 * is added.  The one that T-GATE has left is then given the unconditional half's, as by the authors' pipeline
 * (tgate/SDXL.py of github.com/HaozheLiu-ST/T-GATE: negative_add_text_embeds). */
static void write_time(const struct denoiser *d, size_t row, enum sdrt_way way)
{
    const struct sdrt_slots *slots = &d->run->s->slots;
    const char *from = d->time_table + row * d->time_bytes;
    const size_t half = d->time_bytes / 2;

    sdrt_slot_write(slots, d->time, 0, from, d->time_bytes);
    if (way == SDRT_WAY_GATED && slots->slot[d->time].dims[0] == d->pair)
        sdrt_slot_write(slots, d->time, half, from, half);
}

/* Runs the denoiser, or what of it a way computes, and guides. */
static int compute(struct denoiser *d, int e, enum sdrt_way way)
{
    struct sdrt_run *run = d->run;
    const struct sdrt_session *s = run->s;
    const struct sdrt_elementwise_ops *ew = &s->model->device->host->ops->elementwise;
    const double timestep = sdrt_sampler_timesteps(d->sampler)[e];
    const struct sdrt_pass *step;
    int status = sdrt_run_control_steps(run, d->pass, e, d->scaled, &step);

    if (status != SDRT_OK) return status;
    if (step == d->pass) step = row_of(d, way);
    if (d->more) fill_model_in(d);
    else ew->to_nhwc(&alone_exec, d->batch, d->pair, d->pixels, d->z, 1.0f, d->scaled, d->model_in);
    write_time(d, s->shape.adaptive ? 0 : (size_t)e, step->way);
    snprintf(run->prefix, sizeof run->prefix, "%s%03d/", d->pass->dumps, e);
    sdrt_kept_before(&d->kept, step->way, timestep);
    status = sdrt_run_program(run, step);
    if (status != SDRT_OK) return status;
    guide(d, sdrt_pass_alone(step));
    status = push(d, e, timestep);
    if (status != SDRT_OK) return status;
    sdrt_kept_after(&d->kept, step->way, timestep);
    sdrt_easy_take(&d->easy, d->scaled, d->guided);
    return SDRT_OK;
}

/* Makes the answer of evaluation e of earlier ones, or has it computed. */
static int answer(struct denoiser *d, int e)
{
    const enum sdrt_way way = wanted_way(d);
    const int none = way == SDRT_WAY_NONE;

    if (d->easy.v && !sdrt_easy_skip(&d->easy, none, d->scaled, d->guided))
        return compute(d, e, whole_way(d));
    if (!none) return compute(d, e, way);
    sdrt_kept_before(&d->kept, way, sdrt_sampler_timesteps(d->sampler)[e]);
    d->run->left_out++;
    return SDRT_OK;
}

/* Takes what the evaluation predicts for the image, in the place of the evaluations to come. */
static void stop_at(struct denoiser *d, int e)
{
    struct sdrt_run *run = d->run;

    sdrt_sampler_denoised(d->sampler, e, d->guided, d->latent, d->latent);
    run->stopped = 1;
    run->s->stopped_after = run->evaluated + 1;
}

static int evaluate(struct denoiser *d, int e)
{
    struct sdrt_run *run = d->run;
    int status = sdrt_run_follow_prompt(run, d->pass, run->at);

    if (status == SDRT_OK && run->s->shape.adaptive)
        status = sdrt_run_follow_time(run, sdrt_sampler_timesteps(d->sampler)[e]);
    if (status == SDRT_OK) status = sdrt_sampler_churn(d->sampler, e, d->latent, run->rngs);
    if (status != SDRT_OK) return status;
    sdrt_sampler_scale_input(d->sampler, e, d->latent, d->scaled);
    status = answer(d, e);
    if (status == SDRT_OK) status = preview(d, e);
    if (status != SDRT_OK) return status;
    if (run->s->finish && (run->s->shape.adaptive || run->at + 1 < total_of(run->s))) stop_at(d, e);
    else status = sdrt_sampler_step(d->sampler, e, d->guided, d->latent, run->rngs);
    if (status == SDRT_OK && d->begin) keep_unmasked(d, e);
    return status;
}

static int all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return 0;
    return 1;
}

/* A refiner goes on where the base's latent stands, with the same generators. */
int sdrt_run_steps(struct sdrt_run *run, const struct sdrt_pass *pass)
{
    struct denoiser d = denoiser_of(run, pass);
    const struct sdrt_session *s = run->s;
    const int last = (int)pass->part == s->model->n_parts - 1, total = total_of(s);
    int status = sdrt_run_report(run, SDRT_STAGE_DENOISE, run->at, total);

    if (run->stopped) return status;
    if (!run->evaluated) sdrt_run_turn_generators(run);
    if (!run->evaluated && d.momentum) memset(d.momentum, 0, s->slots.slot[s->latent].bytes);
    for (int e = 0; is_left(&d, e) && status == SDRT_OK && !run->stopped; e++) {
        status = evaluate(&d, e);
        if (status != SDRT_OK) break;
        run->evaluated++;
        run->at = s->shape.adaptive ? (int)(sdrt_sampler_way(d.sampler) * total) : run->evaluated;
        status = sdrt_run_report(run, SDRT_STAGE_DENOISE, run->at, total);
    }
    if (status != SDRT_OK) return status;
    if (!all_finite(d.latent, s->slots.slot[s->latent].bytes / sizeof(float)))
        return sdrt_fail(s->log, SDRT_E_NUMERIC, "the latent is not finite after %d steps; the "
                         "checkpoint may be broken%s", run->r->steps,
                         strcmp(s->model->precision, "f16")
                             ? "" : ", or have values beyond f16, which ends at 65504");
    return sdrt_run_dump_latent(run, last ? "latent" : "latent-unrefined");
}
