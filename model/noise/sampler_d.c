/* SPDX-License-Identifier: MIT
 *
 * Samplers of latents at unit variance, x = sqrt(a) * image + sqrt(1 - a) * noise, as diffusers has
 * them: UniPC (Zhao et al. 2023, arXiv:2302.04867), DEIS (Zhang and Chen 2022, arXiv:2204.13902), PLMS
 * (Liu et al. 2022, arXiv:2202.09778) and TCD (Zheng et al. 2024, arXiv:2402.19159). */
#include "model/noise/sampler_internal.h"

#include <math.h>

/* ---- UniPC, with its corrector ---- */

enum { ORDER = 3 };

struct point {
    double alpha, sigma, lambda;
};

static struct point point_at(const struct sdrt_sampler *s, int i)
{
    const double sigma = (double)s->sigmas[i];

    if (s->p.noise.prediction == SDRT_PREDICTION_FLOW)
        return (struct point){ 1.0 - sigma, sigma, log(1.0 - sigma) - log(sigma) };
    const double alpha = 1.0 / sqrt(sigma * sigma + 1.0);
    return (struct point){ alpha, sigma * alpha, -log(sigma) };
}

/* A step from one point to the next: factors of the sample, and of the images there, before (the newest
 * first) and at its end. */
struct update {
    int order;
    float keep, image, before[ORDER - 1], end;
};

/* The order of the step that begins at i. */
static int order_of(const struct sdrt_sampler *s, int i)
{
    const int done = i - s->first + 1, left = s->total - i, most = s->method->order;
    const int order = done < left ? done : left;

    return order < most ? order : most;
}

/* Solves sum over j of r[j]^i * w[j] = b[i], for i and j of 0 to n - 1, by divided differences (Bjorck and
 * Pereyra 1970); b is left with w. */
static void solve(const double *r, double *b, int n)
{
    for (int k = 0; k < n - 1; k++)
        for (int i = n - 1; i > k; i--) b[i] -= r[k] * b[i - 1];
    for (int k = n - 2; k >= 0; k--) {
        for (int i = k + 1; i < n; i++) b[i] /= r[i] - r[i - k - 1];
        for (int i = k; i < n - 1; i++) b[i] -= b[i + 1];
    }
}

/* Equations 3 and 9 of the paper, without and with the image at the step's end, in which B(h) is h or
 * exp(h) - 1. */
static struct update update_of(const struct sdrt_sampler *s, int i, int corrects)
{
    const struct point from = point_at(s, i), to = point_at(s, i + 1);
    const double h = to.lambda - from.lambda, phi = expm1(-h), b = s->method->linear ? -h : phi;
    const int order = order_of(s, i), n = order - 1 + corrects;
    double r[ORDER] = { 0 }, w[ORDER] = { 0 }, phi_k = phi, factorial = 1.0;

    for (int k = 0; k < n; k++) {
        r[k] = k < order - 1 ? (point_at(s, i - 1 - k).lambda - from.lambda) / h : 1.0;
        factorial *= k + 1.0;
        phi_k = phi_k / -h - 1.0 / factorial;
        w[k] = phi_k * factorial / b;
    }
    if (n == 1) w[0] = 0.5; /* as they all have it, where the equation says a little else */
    else if (n) solve(r, w, n);
    struct update u = { .order = order, .keep = (float)(to.sigma / from.sigma) };
    double here = to.alpha * phi;
    for (int k = 0; k < n; k++) {
        const double gain = to.alpha * b * w[k] / r[k];
        if (k < order - 1) u.before[k] = (float)-gain;
        else u.end = (float)-gain;
        here -= gain;
    }
    u.image = (float)-here;
    return u;
}

/* history: the sample that the last step began at, its image, and those before that. */
void sdrt_sampler_step_unipc(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct point now = point_at(s, w->i);
    const int corrects = w->i > s->first, kept = s->method->history - 1;
    const struct update predictor = update_of(s, w->i, 0);
    struct update corrector = { 0 };
    float *begin = s->history[0], *const *images = s->history + 1;

    if (corrects) corrector = update_of(s, w->i - 1, 1);
    for (size_t k = 0; k < w->count; k++) {
        const float image = sdrt_sampler_image_vp(s->p.noise.prediction, (float)now.alpha,
                                                  (float)now.sigma, w->x[k], w->out[k]);
        float x = w->x[k];
        if (corrects) {
            x = corrector.keep * begin[k] + corrector.image * images[0][k] + corrector.end * image;
            for (int j = 0; j < corrector.order - 1; j++)
                x += corrector.before[j] * images[j + 1][k];
        }
        float y = predictor.keep * x + predictor.image * image;
        for (int j = 0; j < predictor.order - 1; j++) y += predictor.before[j] * images[j][k];
        begin[k] = x;
        for (int j = kept - 1; j > 0; j--) images[j][k] = images[j - 1][k];
        images[0][k] = image;
        w->x[k] = y;
    }
}

/* ---- DEIS: order 2 in the logarithm of rho, sigma / alpha ---- */

/* The integral of (log t - log c) / (log b - log c) from one rho to another. */
static double deis_weight(double from, double to, double b, double c)
{
    const double width = log(b) - log(c);

    return (to * (log(to) - log(c) - 1.0) - from * (log(from) - log(c) - 1.0)) / width;
}

/* x / alpha goes along the noise, whose line goes through the last two.  A short run ends with one. */
void sdrt_sampler_step_deis(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const enum sdrt_prediction prediction = s->p.noise.prediction;
    const struct point now = point_at(s, w->i), next = point_at(s, w->i + 1);
    const double from = now.sigma / now.alpha, to = next.sigma / next.alpha;
    const int two = w->i > s->first && !(w->i == s->total - 1 && s->total < 15);
    const float a = (float)now.alpha, b = (float)now.sigma, keep = (float)(next.alpha / now.alpha);
    double here = to - from, before = 0.0;

    if (two) {
        const struct point last = point_at(s, w->i - 1);
        const double rho = last.sigma / last.alpha;
        here = deis_weight(from, to, from, rho);
        before = deis_weight(from, to, rho, from);
    }
    const float gain = (float)(next.alpha * here), more = (float)(next.alpha * before);
    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float noise = prediction == SDRT_PREDICTION_V ? a * w->out[k] + b * x : w->out[k];
        float y = keep * x + gain * noise;
        if (two) y += more * s->history[0][k];
        s->history[0][k] = noise;
        w->x[k] = y;
    }
}

/* ---- PLMS ---- */

/* Eq. 9 of arXiv:2202.09778, from the noise level a to b. */
static float transfer(float x, float noise, float a, float b)
{
    const float divisor = a * sqrtf(1.0f - b) + sqrtf(a * (1.0f - a) * b);

    return sqrtf(b / a) * x - (b - a) * noise / divisor;
}

/* The first step is made twice: the second time from where it began, with both slopes' mean.
 * history: three slopes, the newest first, and the sample that the first step began at. */
void sdrt_sampler_step_plms(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    static const float rows[4][4] = { { 1 },
                                      { 3.f / 2, -1.f / 2 },
                                      { 23.f / 12, -16.f / 12, 5.f / 12 },
                                      { 55.f / 24, -59.f / 24, 37.f / 24, -9.f / 24 } };
    const int e = w->i - s->first, again = e == 1, order = e == 0 ? 1 : e < 5 ? e : 4;
    const float a = s->alphas[w->i], b = s->alphas_next[w->i];
    float *const *slopes = s->history, *begin = s->history[3];

    for (size_t k = 0; k < w->count; k++) {
        const float from = again ? begin[k] : w->x[k];
        const float noise = w->out[k];
        float slope = noise;
        if (again) {
            slope = (noise + slopes[0][k]) / 2.0f;
        } else {
            slope = rows[order - 1][0] * noise;
            for (int i = 1; i < order; i++) slope += rows[order - 1][i] * slopes[i - 1][k];
            slopes[2][k] = slopes[1][k];
            slopes[1][k] = slopes[0][k];
            slopes[0][k] = noise;
        }
        if (e == 0) begin[k] = w->x[k];
        /* diffusers turns velocities into noise behind their sum. */
        if (s->p.noise.prediction == SDRT_PREDICTION_V)
            slope = sqrtf(a) * slope + sqrtf(1.0f - a) * from;
        w->x[k] = transfer(from, slope, a, b);
    }
}

/* ---- TCD ---- */

/* To the noise level run[i], and from there by fresh noise back to that of the next step. */
void sdrt_sampler_step_tcd(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const float a = s->alphas[w->i], next = s->alphas_next[w->i], low = s->run[w->i];
    const float root_a = sqrtf(a), root_b = sqrtf(1.0f - a);
    const float keep = sqrtf(next / low), added = sqrtf(fmaxf(1.0f - next / low, 0.0f));
    const int v = s->p.noise.prediction == SDRT_PREDICTION_V;

    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k], out = w->out[k];
        const float image = sdrt_sampler_image_vp(s->p.noise.prediction, root_a, root_b, x, out);
        const float noise = v ? root_a * out + root_b * x : out;
        const float y = sqrtf(low) * image + sqrtf(1.0f - low) * noise;
        w->x[k] = w->noise ? keep * y + added * w->noise[k] : y;
    }
}
