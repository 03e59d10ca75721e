/* SPDX-License-Identifier: MIT */
#include "model/noise/sampler_internal.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- steps: one expression of diffusers a line, in its order, so that rounding agrees ---- */

/* As the model's scheduler clips what it takes for the image. */
static float clipped(const struct sdrt_sampler *s, float image)
{
    const float most = (float)s->p.noise.clip_sample;

    return most > 0.0f ? fminf(fmaxf(image, -most), most) : image;
}

static void step_euler(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const enum sdrt_prediction prediction = s->p.noise.prediction;
    const float sigma = s->sigmas[w->i], dt = s->run[w->i + 1] - sigma;

    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float slope = prediction == SDRT_PREDICTION_FLOW
                                ? w->out[k]
                                : (x - sdrt_sampler_image(&s->p.noise, sigma, x, w->out[k])) /
                                      sigma;
        w->x[k] = x + slope * dt;
    }
}

static void step_euler_a(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const float from = s->sigmas[w->i], to = s->sigmas[w->i + 1];
    const float eta = (float)s->tuning.eta, amount = (float)s->tuning.s_noise;
    const float full = sqrtf(to * to * (from * from - to * to) / (from * from));
    const float up = eta == 1.0f ? full : fminf(to, eta * full);
    const float down = sqrtf(to * to - up * up);
    const float dt = down - from;

    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float slope = (x - sdrt_sampler_image(&s->p.noise, from, x, w->out[k])) / from;
        w->x[k] = x + slope * dt + w->noise[k] * amount * up;
    }
}

static int draws_always(const struct sdrt_sampler *s, int i)
{
    (void)s;
    (void)i;
    return 1;
}

/* Even evaluations are an Euler step that is remembered, odd ones redo it with the mean slope. */
static void step_heun(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int again = w->i % 2;
    const float sigma = s->sigmas[w->i];
    const float dt = s->run[w->i / 2 + 1] - s->sigmas[w->i - again];
    float *slopes = s->history[0], *starts = s->history[1];

    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float slope = (x - sdrt_sampler_image(&s->p.noise, sigma, x, w->out[k])) / sigma;

        if (again) {
            w->x[k] = starts[k] + (slopes[k] + slope) / 2.0f * dt;
        } else {
            slopes[k] = slope;
            starts[k] = x;
            w->x[k] = x + slope * dt;
        }
    }
}

/* Song et al. 2020, eq. 16. */
static float ddim_noise(const struct sdrt_sampler *s, int i)
{
    const float a = s->alphas[i], next = s->alphas_next[i];

    return (float)s->tuning.eta * sqrtf((1.0f - next) / (1.0f - a) * (1.0f - a / next));
}

static void step_ddim(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const enum sdrt_prediction prediction = s->p.noise.prediction;
    const float a = sqrtf(s->alphas[w->i]), b = sqrtf(1.0f - s->alphas[w->i]);
    const float a_next = sqrtf(s->alphas_next[w->i]);
    const float added = w->noise ? ddim_noise(s, w->i) : 0.0f;
    const float b_next = sqrtf(1.0f - s->alphas_next[w->i] - added * added);

    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k], out = w->out[k];
        const float image = clipped(s, sdrt_sampler_image_vp(prediction, a, b, x, out));
        const float noise = prediction == SDRT_PREDICTION_V ? a * out + b * x : out;
        w->x[k] = a_next * image + b_next * noise;
        if (w->noise) w->x[k] += added * w->noise[k];
    }
}

static int draws_with_eta(const struct sdrt_sampler *s, int i)
{
    (void)i;
    return s->tuning.eta > 0.0;
}

/* What DPM-Solver++ calls alpha_t, sigma_t and lambda_t at one sigma. */
struct dpm_point {
    float alpha, sigma, lambda;
};

static struct dpm_point dpm_point(const struct sdrt_sampler *s, float sigma)
{
    const int flow = s->p.noise.prediction == SDRT_PREDICTION_FLOW;
    struct dpm_point p;

    if (s->p.noise.edm) return (struct dpm_point){ 1.0f, sigma, -logf(sigma) };
    p.alpha = flow ? 1.0f - sigma : 1.0f / sqrtf(sigma * sigma + 1.0f);
    p.sigma = flow ? sigma : sigma * p.alpha;
    p.lambda = logf(p.alpha) - logf(p.sigma);
    return p;
}

static void step_dpmpp_2m(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct dpm_point now = dpm_point(s, s->sigmas[w->i]);
    const struct dpm_point next = dpm_point(s, s->sigmas[w->i + 1]);
    const float h = next.lambda - now.lambda; /* infinite at the end, where sigma is 0 */
    const float keep = next.sigma / now.sigma, gain = next.alpha * (expf(-h) - 1.0f);
    const int first_order = w->i == s->first || w->i == s->total - 1;
    float *previous = s->history[0], inverse_ratio = 0.0f;

    if (!first_order)
        inverse_ratio = 1.0f / ((now.lambda - dpm_point(s, s->sigmas[w->i - 1]).lambda) / h);
    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float image = s->p.noise.edm
                                ? sdrt_sampler_image(&s->p.noise, now.sigma, x, w->out[k])
                                : sdrt_sampler_image_vp(s->p.noise.prediction, now.alpha, now.sigma,
                                                        x, w->out[k]);
        float y = keep * x - gain * image;

        if (!first_order) y -= 0.5f * gain * (inverse_ratio * (image - previous[k]));
        previous[k] = image;
        w->x[k] = y;
    }
}

static void step_lcm(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const float a = sqrtf(s->alphas[w->i]), b = sqrtf(1.0f - s->alphas[w->i]);
    const float a_next = sqrtf(s->alphas_next[w->i]), b_next = sqrtf(1.0f - s->alphas_next[w->i]);
    const float t = s->timesteps[w->i] * 10.0f; /* timestep_scaling; the data's sigma is 0.5 */
    const float skip = 0.25f / (t * t + 0.25f), gain = t / sqrtf(t * t + 0.25f);

    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float y = gain * clipped(s, sdrt_sampler_image_vp(s->p.noise.prediction, a, b, x,
                                                                w->out[k])) +
                        skip * x;
        w->x[k] = w->noise ? a_next * y + b_next * w->noise[k] : y;
    }
}

static int draws_but_last(const struct sdrt_sampler *s, int i) { return i != s->total - 1; }

static int draws_tcd(const struct sdrt_sampler *s, int i)
{
    return s->tuning.eta > 0.0 && draws_but_last(s, i);
}

/* ---- the table of methods ---- */

static const struct sdrt_sampler_method methods[SDRT_SAMPLER_COUNT] = {
    [SDRT_SAMPLER_EULER] = { .name = "euler",
                             .has_schedules = 1,
                             .has_flow = 1,
                             .uses_sigmas = 1,
                             .churns = 1,
                             .plan = sdrt_sampler_plan_sigmas,
                             .step = step_euler },
    [SDRT_SAMPLER_EULER_A] = { .name = "euler_a",
                               .has_schedules = 1,
                               .uses_sigmas = 1,
                               .eta = 1,
                               .plan = sdrt_sampler_plan_sigmas,
                               .step = step_euler_a,
                               .draws = draws_always },
    [SDRT_SAMPLER_DDIM] = { .name = "ddim",
                            .plan = sdrt_sampler_plan_ddim,
                            .step = step_ddim,
                            .draws = draws_with_eta },
    [SDRT_SAMPLER_DPMPP_2M] = { .name = "dpmpp_2m",
                                .solver = 1,
                                .has_schedules = 1,
                                .has_flow = 1,
                                .history = 1,
                                .plan = sdrt_sampler_plan_sigmas,
                                .step = step_dpmpp_2m },
    [SDRT_SAMPLER_HEUN] = { .name = "heun",
                            .has_schedules = 1,
                            .has_flow = 1,
                            .uses_sigmas = 1,
                            .churns = 1,
                            .history = 2,
                            .plan = sdrt_sampler_plan_heun,
                            .step = step_heun },
    [SDRT_SAMPLER_LCM] = { .name = "lcm",
                           .plan = sdrt_sampler_plan_lcm,
                           .step = step_lcm,
                           .draws = draws_but_last },
#define K(name_, evals_, history_, step_)                                                      \
    .name = name_, .has_schedules = 1, .uses_sigmas = 1, .evals = evals_, .history = history_, \
    .plan = sdrt_sampler_plan_k, .step = sdrt_sampler_step_##step_
    [SDRT_SAMPLER_DPM2] = { K("dpm2", 2, 1, dpm2), .has_flow = 1, .drops = 1, .churns = 1,
                            .middle = sdrt_sampler_middle_dpm2 },
    [SDRT_SAMPLER_DPM2_A] = { K("dpm2_a", 2, 1, dpm2_a), .drops = 1, .eta = 1,
                              .middle = sdrt_sampler_middle_ancestral,
                              .draws = sdrt_sampler_draws_second },
    [SDRT_SAMPLER_DPMPP_2S_A] = { K("dpmpp_2s_a", 2, 1, dpmpp_2s_a), .eta = 1,
                                  .middle = sdrt_sampler_middle_ancestral,
                                  .draws = sdrt_sampler_draws_second },
    [SDRT_SAMPLER_DPMPP_SDE] = { K("dpmpp_sde", 2, 1, dpmpp_sde), .eta = 1, .brownian = 1,
                                 .middle = sdrt_sampler_middle_sde,
                                 .draws = sdrt_sampler_draws_if_more },
    [SDRT_SAMPLER_DPMPP_2M_SDE] = { K("dpmpp_2m_sde", 1, 1, dpmpp_2m_sde), .eta = 1, .brownian = 1,
                                    .draws = sdrt_sampler_draws_if_more },
    [SDRT_SAMPLER_DPMPP_3M_SDE] = { K("dpmpp_3m_sde", 1, 2, dpmpp_3m_sde), .eta = 1, .brownian = 1,
                                    .draws = sdrt_sampler_draws_if_more },
    [SDRT_SAMPLER_LMS] = { K("lms", 1, 4, lms), .has_flow = 1 },
    [SDRT_SAMPLER_IPNDM] = { K("ipndm", 1, 4, ipndm), .has_flow = 1 },
    [SDRT_SAMPLER_GRADIENT_ESTIMATION] = { K("gradient_estimation", 1, 2, gradient),
                                           .has_flow = 1 },
    [SDRT_SAMPLER_RES_MULTISTEP] = { K("res_multistep", 1, 1, res), .has_flow = 1 },
    [SDRT_SAMPLER_ER_SDE] = { K("er_sde", 1, 2, er), .has_flow = 1, .signal = 1,
                              .draws = sdrt_sampler_draws_er },
#define PP(name_, evals_, history_, step_) \
    K(name_ "_cfg_pp", evals_, history_, step_##_pp), .unguided = 1
    [SDRT_SAMPLER_EULER_CFG_PP] = { PP("euler", 1, 0, euler), .has_flow = 1,
                                    .draws = sdrt_sampler_draws_ancestral },
    [SDRT_SAMPLER_EULER_A_CFG_PP] = { PP("euler_a", 1, 0, euler), .has_flow = 1, .eta = 1,
                                      .draws = sdrt_sampler_draws_ancestral },
    [SDRT_SAMPLER_DPMPP_2M_CFG_PP] = { PP("dpmpp_2m", 1, 1, 2m) },
    [SDRT_SAMPLER_DPMPP_2S_A_CFG_PP] = { PP("dpmpp_2s_a", 2, 1, 2s), .eta = 1,
                                         .middle = sdrt_sampler_middle_ancestral,
                                         .draws = sdrt_sampler_draws_ancestral },
    [SDRT_SAMPLER_GRADIENT_ESTIMATION_CFG_PP] = { PP("gradient_estimation", 1, 1, gradient) },
    [SDRT_SAMPLER_RES_MULTISTEP_CFG_PP] = { PP("res_multistep", 1, 1, res) },
#undef PP
#undef K
    [SDRT_SAMPLER_DEIS] = { .name = "deis",
                            .has_schedules = 1,
                            .solver = 1,
                            .stops = 1,
                            .history = 1,
                            .plan = sdrt_sampler_plan_sigmas,
                            .step = sdrt_sampler_step_deis },
#define APART(name_, history_, what)                                                      \
    .name = name_, .has_schedules = 1, .uses_sigmas = 1, .apart = 1, .history = history_, \
    .plan = sdrt_sampler_plan_##what, .step = sdrt_sampler_step_##what,                   \
    .draws = sdrt_sampler_draws_##what
    [SDRT_SAMPLER_DPM_FAST] = { APART("dpm_fast", 2, fast), .stops = 1 },
    [SDRT_SAMPLER_RESTART] = { APART("restart", 2, restart) },
    [SDRT_SAMPLER_DPM_ADAPTIVE] = { APART("dpm_adaptive", 4, adaptive), .stops = 1, .adaptive = 1 },
#undef APART
    [SDRT_SAMPLER_HEUNPP2] = { .name = "heunpp2",
                               .has_schedules = 1,
                               .has_flow = 1,
                               .uses_sigmas = 1,
                               .apart = 1,
                               .history = 2,
                               .plan = sdrt_sampler_plan_heunpp,
                               .step = sdrt_sampler_step_heunpp },
#define UNIPC(name_, order_)                                                                \
    .name = name_, .has_schedules = 1, .solver = 1, .history = order_ + 1, .order = order_, \
    .plan = sdrt_sampler_plan_sigmas, .step = sdrt_sampler_step_unipc
    [SDRT_SAMPLER_UNIPC_2] = { UNIPC("unipc_2", 2) },
    [SDRT_SAMPLER_UNIPC] = { UNIPC("unipc", 3), .linear = 1 },
    [SDRT_SAMPLER_UNIPC_BH2] = { UNIPC("unipc_bh2", 3) },
#undef UNIPC
    [SDRT_SAMPLER_PLMS] = { .name = "plms",
                            .history = 4,
                            .plan = sdrt_sampler_plan_plms,
                            .step = sdrt_sampler_step_plms },
    [SDRT_SAMPLER_TCD] = { .name = "tcd",
                           .eta = 0.3,
                           .plan = sdrt_sampler_plan_tcd,
                           .step = sdrt_sampler_step_tcd,
                           .draws = draws_tcd },
};

const char *sdrt_sampler_name(int kind)
{
    return (unsigned)kind < SDRT_SAMPLER_COUNT ? methods[kind].name : NULL;
}

int sdrt_sampler_evaluations_of(enum sdrt_sampler_kind kind)
{
    if (kind == SDRT_SAMPLER_HEUNPP2) return 3;
    return kind == SDRT_SAMPLER_HEUN || kind == SDRT_SAMPLER_RESTART || methods[kind].evals == 2
               ? 2
               : 1;
}

int sdrt_sampler_is_adaptive(enum sdrt_sampler_kind kind) { return methods[kind].adaptive; }

int sdrt_sampler_needs_unguided(enum sdrt_sampler_kind kind) { return methods[kind].unguided; }

int sdrt_sampler_can_split(enum sdrt_sampler_kind kind) { return !methods[kind].apart; }

/* ---- life of a sampler ---- */

static int churns(const struct sdrt_sampler *s) { return s->tuning.churn > 0.0; }

int sdrt_sampler_create(struct sdrt_sampler **out, const struct sdrt_sampler_params *params)
{
    struct sdrt_sampler *s;
    int status;

    *out = NULL;
    status = sdrt_sampler_check(params, (unsigned)params->kind < SDRT_SAMPLER_COUNT
                                            ? &methods[params->kind]
                                            : NULL);
    if (status) return status;
    s = calloc(1, sizeof *s);
    if (!s) return sdrt_fail(params->log, SDRT_E_NOMEM, "sampler: no memory");
    s->p = *params;
    s->method = &methods[params->kind];
    s->first = params->first_step;
    s->tuning = params->tuning ? *params->tuning
                               : (struct sdrt_sampler_tuning){ .eta = -1.0, .s_noise = 1.0 };
    if (s->tuning.eta < 0.0) s->tuning.eta = s->method->eta;
    status = s->method->plan(s);
    if (!status && churns(s)) status = sdrt_sampler_plan_churn(s);
    if (status) sdrt_sampler_free(&s);
    *out = s;
    return status;
}

void sdrt_sampler_free(struct sdrt_sampler **s)
{
    if (!*s) return;
    free((*s)->plan);
    free((*s)->train_sigmas);
    free((*s)->buffer);
    sdrt_brownian_free(&(*s)->motion);
    free(*s);
    *s = NULL;
}

int sdrt_sampler_reset(struct sdrt_sampler *s, size_t images, size_t n)
{
    const int draws = s->method->draws || churns(s);
    const size_t arrays = (size_t)s->method->history + (size_t)draws;
    size_t count;
    float *buffer = NULL;

    if (__builtin_mul_overflow(images, n, &count) || count == 0 ||
        count > SIZE_MAX / sizeof *buffer / 8)
        return sdrt_fail(s->p.log, SDRT_E_ARG,
                         "sampler %s: %zu latents of %zu numbers, expected 1 or more of each",
                         s->method->name, images, n);
    if (arrays) {
        buffer = malloc(arrays * count * sizeof *buffer);
        if (!buffer)
            return sdrt_fail(s->p.log, SDRT_E_NOMEM,
                             "sampler %s: no memory for %zu latents of %zu numbers",
                             s->method->name, images, n);
    }
    if (s->method->brownian) {
        int last = s->steps;
        while (last > 1 && s->run[last] == 0.0f) last--;
        sdrt_brownian_free(&s->motion);
        const float low = fminf(s->run[last], s->run[0] / 2);
        const int status = sdrt_brownian_create(&s->motion, (double)low, (double)s->run[0], n,
                                                s->p.log);
        if (status) {
            free(buffer);
            return status;
        }
    }
    free(s->buffer);
    s->buffer = buffer;
    for (int k = 0; k < s->method->history; k++) s->history[k] = buffer + (size_t)k * count;
    if (draws) s->noise = buffer + (size_t)s->method->history * count;
    s->images = images;
    s->n = n;
    s->next = 0;
    if (s->method->adaptive) sdrt_sampler_begin_adaptive(s);
    return 0;
}

/* ---- a run ---- */

int sdrt_sampler_evaluations(const struct sdrt_sampler *s) { return s->total - s->first; }

const float *sdrt_sampler_timesteps(const struct sdrt_sampler *s)
{
    return s->timesteps + s->first;
}

int sdrt_sampler_ended(const struct sdrt_sampler *s)
{
    return s->method->adaptive ? s->pace.t >= s->pace.end - SDRT_PACE_NEAR
                               : s->next >= sdrt_sampler_evaluations(s);
}

double sdrt_sampler_way(const struct sdrt_sampler *s)
{
    const double begin = -log((double)s->run[0]);

    return sdrt_sampler_ended(s) ? 1.0 : (s->pace.t - begin) / (s->pace.end - begin);
}

float sdrt_sampler_initial_scale(const struct sdrt_sampler *s) { return s->initial_scale; }

float sdrt_sampler_input_divisor(const struct sdrt_sampler *s, int eval)
{
    const float sigma = s->sigmas[s->first + eval], data = (float)s->p.noise.sigma_data;

    if (s->p.noise.edm) return sqrtf(sigma * sigma + data * data);
    if (!s->method->uses_sigmas || s->p.noise.prediction == SDRT_PREDICTION_FLOW) return 1.0f;
    return sqrtf(sigma * sigma + 1.0f);
}

void sdrt_sampler_scale_input(const struct sdrt_sampler *s, int eval, const float *latent,
                              float *model_in)
{
    const float divisor = sdrt_sampler_input_divisor(s, eval);

    for (size_t k = 0; k < s->images * s->n; k++) model_in[k] = latent[k] / divisor;
}

void sdrt_sampler_denoised(const struct sdrt_sampler *s, int eval, const float *model_out,
                           const float *latent, float *image)
{
    const enum sdrt_prediction prediction = s->p.noise.prediction;
    const int i = s->first + eval, dpm = s->method->solver;
    const struct dpm_point point = dpm_point(s, s->sigmas[i]);
    const float root_a = dpm ? point.alpha : sqrtf(s->alphas[i]);
    const float root_b = dpm ? point.sigma : sqrtf(1.0f - s->alphas[i]);
    const int sigmas = s->method->uses_sigmas || s->p.noise.edm;

    /* Flow's x = (1 - sigma) * image + sigma * noise has out = noise - image, which for the
     * image is the same line as an epsilon's. */
    for (size_t k = 0; k < s->images * s->n; k++)
        image[k] = sigmas
                       ? sdrt_sampler_image(&s->p.noise, s->sigmas[i], latent[k], model_out[k])
                       : sdrt_sampler_image_vp(prediction, root_a, root_b, latent[k], model_out[k]);
}

void sdrt_sampler_seed(struct sdrt_sampler *s, enum sdrt_rng_kind kind, const uint64_t *seeds)
{
    s->rng_kind = kind;
    s->seeds = seeds;
}

/* The motion from one noise level down to another, as noise of unit variance. */
static void follow_motion(struct sdrt_sampler *s, int i, size_t image, const struct sdrt_rng *rng)
{
    const enum sdrt_rng_kind kind = s->seeds ? s->rng_kind : rng->kind;
    const uint64_t seed = s->seeds ? s->seeds[image] : rng->seed;
    float from, to, *noise = s->noise + image * s->n;

    sdrt_sampler_span(s, i, &from, &to);
    sdrt_brownian_between(s->motion, kind, seed, (double)to, (double)from, noise);
    const float root = sqrtf(from - to);
    for (size_t k = 0; k < s->n; k++) noise[k] = -noise[k] / root;
}

/* The noise level of evaluation i, and the one that is there before its noise is raised. */
static float level_before(const struct sdrt_sampler *s, int i)
{
    const int evals = sdrt_sampler_evaluations_of(s->p.kind);

    return churns(s) && i % evals == 0 ? s->run[i / evals] : s->sigmas[i];
}

int sdrt_sampler_churn(struct sdrt_sampler *s, int eval, float *latent, struct sdrt_rng *rngs)
{
    const int i = s->first + eval;

    if (!churns(s) || i % sdrt_sampler_evaluations_of(s->p.kind)) return SDRT_OK;
    if (!rngs || !s->noise)
        return sdrt_fail(s->p.log, SDRT_E_ARG, "sampler %s: draws noise, expected generators",
                         s->method->name);
    const double low = (double)level_before(s, i), high = (double)s->sigmas[i];
    const float amount = (float)s->tuning.s_noise, gain = (float)sqrt(high * high - low * low);
    for (size_t k = 0; k < s->images; k++) sdrt_rng_normal(rngs + k, s->noise + k * s->n, s->n);
    for (size_t k = 0; k < s->images * s->n && gain > 0.0f; k++)
        latent[k] += s->noise[k] * amount * gain;
    return SDRT_OK;
}

/* Whether steps that are chosen on the way still lead to the end. */
static int check_pace(const struct sdrt_sampler *s)
{
    if (s->pace.broken)
        return sdrt_fail(
            s->p.log, SDRT_E_NUMERIC,
            "sampler %s: the latent is not finite after %d evaluations; the checkpoint "
            "may be broken",
            s->method->name, s->next);
    if (sdrt_sampler_ended(s) || s->next < s->total) return SDRT_OK;
    return sdrt_fail(
        s->p.log, SDRT_E_NUMERIC,
        "sampler %s: not at its end after %d evaluations: expected another sampler for "
        "this model",
        s->method->name, s->next);
}

int sdrt_sampler_step(struct sdrt_sampler *s, int eval, const float *model_out, float *latent,
                      struct sdrt_rng *rngs)
{
    struct sdrt_sampler_work w = {
        s->first + eval, s->images * s->n, model_out, NULL, s->unguided ? s->unguided : model_out,
        latent
    };

    if (w.count == 0 || eval != s->next || sdrt_sampler_ended(s))
        return sdrt_fail(s->p.log, SDRT_E_ARG, "sampler %s: evaluation %d, expected %d of %d%s",
                         s->method->name, eval, s->next, sdrt_sampler_evaluations(s),
                         w.count ? "" : " after a reset");
    if (s->method->draws && s->method->draws(s, w.i)) {
        if (!rngs && !(s->method->brownian && s->seeds))
            return sdrt_fail(s->p.log, SDRT_E_ARG, "sampler %s: draws noise, expected generators",
                             s->method->name);
        for (size_t i = 0; i < s->images; i++)
            if (s->method->brownian) follow_motion(s, w.i, i, rngs ? rngs + i : NULL);
            else sdrt_rng_normal(rngs + i, s->noise + i * s->n, s->n);
        w.noise = s->noise;
    }
    s->method->step(s, &w);
    s->next++;
    return s->method->adaptive ? check_pace(s) : SDRT_OK;
}

void sdrt_sampler_mix(const struct sdrt_sampler *s, int eval, float *keep, float *gain)
{
    const float sigma = level_before(s, s->first + eval), alpha = s->alphas[s->first + eval];

    *keep = 1.0f;
    *gain = sigma;
    if (s->p.noise.prediction == SDRT_PREDICTION_FLOW) {
        *keep = 1.0f - sigma;
    } else if (s->method->solver) {
        *keep = dpm_point(s, sigma).alpha;
        *gain = dpm_point(s, sigma).sigma;
    } else if (!s->method->uses_sigmas) {
        *keep = sqrtf(alpha);
        *gain = sqrtf(1.0f - alpha);
    }
}

void sdrt_sampler_add_noise(const struct sdrt_sampler *s, const float *noise, float *latent)
{
    float keep, gain;

    sdrt_sampler_mix(s, 0, &keep, &gain);
    for (size_t k = 0; k < s->images * s->n; k++) latent[k] = keep * latent[k] + gain * noise[k];
}
