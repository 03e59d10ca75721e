/* SPDX-License-Identifier: MIT
 *
 * CFG++, Chung et al. 2024 (arXiv:2406.08070): the guided image, but the noise that the denoiser sees without
 * guidance; as ComfyUI has it for k-diffusion's samplers.  ER-SDE-Solver-3, Cui et al. 2023
 * (arXiv:2309.06169).  A flow's x = (1 - sigma) * image + sigma * noise is taken as alpha * (image +
 * lambda * noise); of the others alpha is 1.
 */
#include "model/noise/sampler_internal.h"

#include <math.h>

/* Step k goes from one noise level to another; as shares of the image, and levels behind that share. */
struct span {
    double from, to, alpha, alpha_to, lambda, lambda_to;
};

static double alpha_of(const struct sdrt_sampler *s, double sigma)
{
    return s->p.noise.prediction == SDRT_PREDICTION_FLOW ? 1.0 - sigma : 1.0;
}

static struct span span_of(const struct sdrt_sampler *s, int k)
{
    const double from = (double)s->run[k], to = (double)s->run[k + 1];
    const double alpha = alpha_of(s, from), alpha_to = alpha_of(s, to);

    return (struct span){ from, to, alpha, alpha_to, from / alpha, to / alpha_to };
}

static float image_of(const struct sdrt_sampler *s, const struct sdrt_sampler_work *w, size_t k)
{
    return sdrt_sampler_image(&s->p.noise, s->sigmas[w->i], w->x[k], w->out[k]);
}

static float unguided_of(const struct sdrt_sampler *s, const struct sdrt_sampler_work *w, size_t k)
{
    return sdrt_sampler_image(&s->p.noise, s->sigmas[w->i], w->x[k], w->unguided[k]);
}

static void take_image(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    for (size_t k = 0; k < w->count; k++) w->x[k] = image_of(s, w, k);
}

/* ---- CFG++ ---- */

void sdrt_sampler_unguided(struct sdrt_sampler *s, const float *out) { s->unguided = out; }

int sdrt_sampler_draws_ancestral(const struct sdrt_sampler *s, int i)
{
    const int evals = s->method->evals;

    return s->tuning.eta > 0.0 && s->run[i / evals + 1] > 0.0f && i % evals == evals - 1;
}

void sdrt_sampler_step_euler_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct span p = span_of(s, w->i);
    const struct sdrt_ancestral a = sdrt_ancestral(p.lambda, p.lambda_to, s->tuning.eta);

    if (p.to == 0.0) {
        take_image(s, w);
        return;
    }
    const float alpha = (float)p.alpha, alpha_to = (float)p.alpha_to, sigma = (float)p.from;
    const float down = (float)(p.alpha_to * a.down);
    const float added = (float)(p.alpha_to * a.up * s->tuning.s_noise);
    for (size_t k = 0; k < w->count; k++) {
        const float noise = (w->x[k] - alpha * unguided_of(s, w, k)) / sigma;
        float x = alpha_to * image_of(s, w, k) + down * noise;
        if (w->noise) x += added * w->noise[k];
        w->x[k] = x;
    }
}

/* history: the last image without guidance. */
void sdrt_sampler_step_2m_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct span p = span_of(s, w->i);
    const float keep = (float)(p.to / p.from);
    float slope = 0.0f;

    if (w->i > s->first && p.to > 0.0) {
        const double h = log(p.from / p.to), before = log((double)s->run[w->i - 1] / p.from);
        slope = (float)(-expm1(-h) * h / (2.0 * before));
    }
    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k), plain = unguided_of(s, w, k);
        float x = image + keep * (w->x[k] - plain);
        if (slope != 0.0f) x += slope * (image - s->history[0][k]);
        s->history[0][k] = plain;
        w->x[k] = x;
    }
}

/* history: the sample that the step began at, moved by the difference that guidance makes. */
void sdrt_sampler_step_2s_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int second = w->i % 2;
    const struct span p = span_of(s, w->i / 2);
    const struct sdrt_ancestral a = sdrt_ancestral(p.from, p.to, s->tuning.eta);
    const double at = second ? a.down : sqrt(p.from * a.down);
    const float keep = (float)(at / p.from), gain = (float)(1.0 - at / p.from);
    const float added = (float)(a.up * s->tuning.s_noise);

    if (p.to == 0.0) {
        take_image(s, w);
        return;
    }
    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k);
        if (!second) s->history[0][k] = w->x[k] + (image - unguided_of(s, w, k));
        float x = keep * s->history[0][k] + gain * image;
        if (w->noise) x += added * w->noise[k];
        w->x[k] = x;
    }
}

/* history: the last image without guidance. */
void sdrt_sampler_step_res_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct span p = span_of(s, w->i);
    const int first_order = w->i == s->first || p.to == 0.0;
    const float keep = (float)(p.to / p.from);
    float now = 0.0f, before = 0.0f;

    if (!first_order) {
        const double h = log(p.from / p.to), c = log(p.from / (double)s->run[w->i - 1]) / h;
        const double phi1 = -expm1(-h) / h, phi2 = (1.0 - phi1) / h;
        now = (float)(h * (phi1 - phi2 / c));
        before = (float)(h * (phi2 / c));
    }
    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k), plain = unguided_of(s, w, k);
        if (first_order) w->x[k] = image + keep * (w->x[k] - plain);
        else w->x[k] = keep * (w->x[k] + (image - plain)) + now * plain + before * s->history[0][k];
        s->history[0][k] = plain;
    }
}

/* history: the last slope without guidance. */
void sdrt_sampler_step_gradient_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct span p = span_of(s, w->i);
    const int again = w->i > s->first && p.to > 0.0;
    const float from = (float)p.from, to = (float)p.to, dt = (float)(p.to - p.from);

    for (size_t k = 0; k < w->count; k++) {
        const float slope = (w->x[k] - unguided_of(s, w, k)) / from;
        float x = image_of(s, w, k) + slope * to;
        if (again) x += (slope - s->history[0][k]) * dt;
        s->history[0][k] = slope;
        w->x[k] = x;
    }
}

/* ---- ER-SDE ---- */

/* How much noise the equation has at a level. */
static double er_noise(double lambda) { return lambda * (exp(pow(lambda, 0.3)) + 10.0); }

/* Sums over the step, in 200 parts as its authors have it: of 1 / noise, and of the distance from its begin
 * over that. */
static void er_integrals(const struct span *p, double *flat, double *ramp)
{
    const double parts = 200.0, width = (p->lambda - p->lambda_to) / parts;

    *flat = *ramp = 0.0;
    for (int i = 0; i < (int)parts; i++) {
        const double at = p->lambda_to + i * width;
        *flat += width / er_noise(at);
        *ramp += width * (at - p->lambda) / er_noise(at);
    }
}

int sdrt_sampler_draws_er(const struct sdrt_sampler *s, int i)
{
    return s->tuning.s_noise > 0.0 && s->run[i + 1] > 0.0f;
}

/* history: the last image, and its slope. */
void sdrt_sampler_step_er(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct span p = span_of(s, w->i);
    const int order = w->i - s->first < 2 ? w->i - s->first + 1 : 3;
    double flat, ramp;

    if (p.to == 0.0) {
        take_image(s, w);
        return;
    }
    const double end = er_noise(p.lambda_to), r = end / er_noise(p.lambda);
    const double dt = p.lambda_to - p.lambda;
    er_integrals(&p, &flat, &ramp);
    const double by_slope = p.alpha_to * (dt + flat * end);
    const double by_bend = p.alpha_to * (dt * dt / 2.0 + ramp * end);
    const float keep = (float)(p.alpha_to / p.alpha * r), gain = (float)(p.alpha_to * (1.0 - r));
    const double left = p.lambda_to * p.lambda_to - p.lambda * p.lambda * r * r;
    const float added = (float)(p.alpha_to * s->tuning.s_noise * sqrt(fmax(left, 0.0)));
    const double since = order > 1 ? p.lambda - span_of(s, w->i - 1).lambda : 1.0;
    const double twice = order > 2 ? (p.lambda - span_of(s, w->i - 2).lambda) / 2.0 : 1.0;
    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k);
        double x = (double)(keep * w->x[k] + gain * image);
        if (order > 1) {
            const double slope = (double)(image - s->history[0][k]) / since;
            x += by_slope * slope;
            if (order > 2) x += by_bend * (slope - (double)s->history[1][k]) / twice;
            s->history[1][k] = (float)slope;
        }
        if (w->noise) x += (double)(added * w->noise[k]);
        s->history[0][k] = image;
        w->x[k] = (float)x;
    }
}
