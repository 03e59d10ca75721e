/* SPDX-License-Identifier: MIT
 *
 * Samplers of k-diffusion: x = image + sigma * noise, and steps of an evaluation or two.  What they call
 * t is -log sigma.  Scalars are computed in double, where k-diffusion has float32.
 */
#include "model/noise/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

/* The step that evaluation i belongs to, and whether it is its second one. */
static int step_of(const struct sdrt_sampler *s, int i) { return i / s->method->evals; }
static int is_second(const struct sdrt_sampler *s, int i) { return i % s->method->evals; }

static float image_of(const struct sdrt_sampler *s, const struct sdrt_sampler_work *w, size_t k)
{
    return sdrt_sampler_image(&s->p.noise, s->sigmas[w->i], w->x[k], w->out[k]);
}

/* Noise levels between which step k goes. */
static double from_of(const struct sdrt_sampler *s, int k) { return (double)s->run[k]; }
static double to_of(const struct sdrt_sampler *s, int k) { return (double)s->run[k + 1]; }

/* ---- the middle of a step ---- */

double sdrt_sampler_middle_dpm2(const struct sdrt_sampler *s, double from, double to)
{
    (void)s;
    return sqrt(from * to);
}

/* Its noise depends on every digit of the middle, so that is rounded where k-diffusion rounds. */
double sdrt_sampler_middle_sde(const struct sdrt_sampler *s, double from, double to)
{
    const float t = -logf((float)from), h = -logf((float)to) - t;

    (void)s;
    return (double)expf(-(t + h * 0.5f));
}

double sdrt_sampler_middle_ancestral(const struct sdrt_sampler *s, double from, double to)
{
    return sqrt(from * sdrt_ancestral(from, to, s->tuning.eta).down);
}

/* ---- an evaluation a step, remembering slopes ---- */

/* The newest of the remembered arrays comes first. */
static void remember(struct sdrt_sampler *s)
{
    const int n = s->method->history;
    float *oldest = s->history[n - 1];

    for (int i = n - 1; i > 0; i--) s->history[i] = s->history[i - 1];
    s->history[0] = oldest;
}

/* x += sum of weights[i] * slope i, slope 0 being this evaluation's. */
static void step_by_slopes(struct sdrt_sampler *s, const struct sdrt_sampler_work *w,
                           const double *weights, int order)
{
    const float sigma = s->sigmas[w->i];

    remember(s);
    for (size_t k = 0; k < w->count; k++) {
        const float slope = (w->x[k] - image_of(s, w, k)) / sigma;
        float sum = (float)weights[0] * slope;
        for (int i = 1; i < order; i++) sum += (float)weights[i] * s->history[i][k];
        s->history[0][k] = slope;
        w->x[k] += sum;
    }
}

/* Integral over the step of the polynomial that is 1 at the run's sigma i - j and 0 at the others of
 * order sigmas; two points of Gauss are exact for it. */
static double lagrange(const struct sdrt_sampler *s, int i, int j, int order)
{
    const double half = 0.5 * (to_of(s, i) - from_of(s, i));
    const double centre = 0.5 * (to_of(s, i) + from_of(s, i));
    double sum = 0;

    for (int side = -1; side <= 1; side += 2) {
        const double tau = centre + side * half / sqrt(3.0);
        double product = 1.0;
        for (int k = 0; k < order; k++)
            if (k != j)
                product *= (tau - from_of(s, i - k)) / (from_of(s, i - j) - from_of(s, i - k));
        sum += product;
    }
    return sum * half;
}

void sdrt_sampler_step_lms(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int done = w->i - s->first + 1, order = done < 4 ? done : 4;
    double weights[4];

    for (int j = 0; j < order; j++) weights[j] = lagrange(s, w->i, j, order);
    step_by_slopes(s, w, weights, order);
}

/* Adams and Bashforth's weights, as if all steps were of one length. */
void sdrt_sampler_step_ipndm(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    static const double rows[4][4] = { { 1 },
                                       { 3. / 2, -1. / 2 },
                                       { 23. / 12, -16. / 12, 5. / 12 },
                                       { 55. / 24, -59. / 24, 37. / 24, -9. / 24 } };
    const int done = w->i - s->first + 1, last = to_of(s, w->i) == 0.0;
    const int order = last ? 1 : done < 4 ? done : 4;
    double weights[4];

    for (int j = 0; j < order; j++)
        weights[j] = rows[order - 1][j] * (to_of(s, w->i) - from_of(s, w->i));
    step_by_slopes(s, w, weights, order);
}

/* Along the slope, and once more what it has changed by. */
void sdrt_sampler_step_gradient(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const double dt = to_of(s, w->i) - from_of(s, w->i);
    const double weights[2] = { 2.0 * dt, -dt }, whole = dt;
    const int again = w->i > s->first && to_of(s, w->i) > 0.0;

    step_by_slopes(s, w, again ? weights : &whole, 1 + again);
}

/* ---- an evaluation a step, remembering images ---- */

/* Zhang et al. 2023, second order: exact in the exponential, two images. */
void sdrt_sampler_step_res(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const double from = from_of(s, w->i), to = to_of(s, w->i);
    const int first_order = w->i == s->first || to == 0.0;
    double keep = to / from, now = 1.0 - keep, before = 0.0;

    if (!first_order) {
        const double h = log(from / to), c = log(from / from_of(s, w->i - 1)) / h;
        const double phi1 = -expm1(-h) / h, phi2 = (1.0 - phi1) / h;
        now = h * (phi1 - phi2 / c);
        before = h * (phi2 / c);
    }
    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k);
        float x = (float)keep * w->x[k] + (float)now * image;
        if (!first_order) x += (float)before * s->history[0][k];
        s->history[0][k] = image;
        w->x[k] = x;
    }
}

/* The length of step k in t. */
static double length_of(const struct sdrt_sampler *s, int k)
{
    return log(from_of(s, k) / to_of(s, k));
}

static double sde_noise(const struct sdrt_sampler *s, int k)
{
    const double h = length_of(s, k);

    return to_of(s, k) * sqrt(-expm1(-2.0 * s->tuning.eta * h)) * s->tuning.s_noise;
}

/* The last step of a run takes the image as it is. */
static void take_image(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    for (size_t k = 0; k < w->count; k++) w->x[k] = image_of(s, w, k);
}

void sdrt_sampler_step_dpmpp_2m_sde(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    if (to_of(s, w->i) == 0.0) {
        take_image(s, w);
        return;
    }
    const double h = length_of(s, w->i), both = h * (1.0 + s->tuning.eta);
    const float keep = (float)exp(-both), gain = (float)-expm1(-both);
    const int again = w->i > s->first;
    const float slope = again ? (float)(0.5 * -expm1(-both) * h / length_of(s, w->i - 1)) : 0.0f;
    const float added = w->noise ? (float)sde_noise(s, w->i) : 0.0f;

    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k);
        float x = keep * w->x[k] + gain * image;
        if (again) x += slope * (image - s->history[0][k]);
        if (w->noise) x += w->noise[k] * added;
        s->history[0][k] = image;
        w->x[k] = x;
    }
}

void sdrt_sampler_step_dpmpp_3m_sde(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    if (to_of(s, w->i) == 0.0) {
        take_image(s, w);
        return;
    }
    const int order = w->i - s->first < 2 ? w->i - s->first : 2;
    const double h = length_of(s, w->i), both = h * (1.0 + s->tuning.eta);
    const double phi2 = expm1(-both) / both + 1.0, phi3 = phi2 / both - 0.5;
    const double r0 = order > 0 ? length_of(s, w->i - 1) / h : 1.0;
    const double r1 = order > 1 ? length_of(s, w->i - 2) / h : 1.0;
    const float keep = (float)exp(-both), gain = (float)-expm1(-both);
    const float added = w->noise ? (float)sde_noise(s, w->i) : 0.0f;

    remember(s);
    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k);
        float x = keep * w->x[k] + gain * image;
        if (order == 1) x += (float)(phi2 / r0) * (image - s->history[1][k]);
        if (order == 2) {
            const double d0 = (double)(image - s->history[1][k]) / r0;
            const double d1 = (double)(s->history[1][k] - s->history[0][k]) / r1;
            const double first = d0 + (d0 - d1) * r0 / (r0 + r1), second = (d0 - d1) / (r0 + r1);
            x += (float)(phi2 * first - phi3 * second);
        }
        if (w->noise) x += w->noise[k] * added;
        s->history[0][k] = image;
        w->x[k] = x;
    }
}

/* ---- two evaluations a step ---- */

/* Euler's step to 0, which has no second evaluation. */
static void step_to_image(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const float sigma = s->sigmas[w->i];

    for (size_t k = 0; k < w->count; k++) {
        const float slope = (w->x[k] - image_of(s, w, k)) / sigma;
        w->x[k] += slope * (0.0f - sigma);
    }
}

/* To the middle along the first slope, then all the way down along the second. */
static void step_midpoint(struct sdrt_sampler *s, const struct sdrt_sampler_work *w, double down,
                          double up)
{
    const int second = is_second(s, w->i);
    const float sigma = s->sigmas[w->i], begin = s->sigmas[w->i - second];
    const float dt = second ? (float)down - begin : s->sigmas[w->i + 1] - sigma;

    for (size_t k = 0; k < w->count; k++) {
        const float slope = (w->x[k] - image_of(s, w, k)) / sigma;
        if (!second) s->history[0][k] = w->x[k];
        w->x[k] = (second ? s->history[0][k] : w->x[k]) + slope * dt;
        if (second && w->noise) w->x[k] += w->noise[k] * (float)up;
    }
}

void sdrt_sampler_step_dpm2(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const double to = to_of(s, step_of(s, w->i));

    if (to == 0.0) step_to_image(s, w);
    else step_midpoint(s, w, to, 0.0);
}

void sdrt_sampler_step_dpm2_a(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int step = step_of(s, w->i);
    const struct sdrt_ancestral a = sdrt_ancestral(from_of(s, step), to_of(s, step), s->tuning.eta);

    if (to_of(s, step) == 0.0) step_to_image(s, w);
    else step_midpoint(s, w, a.down, a.up * s->tuning.s_noise);
}

/* x to the noise level to, given the image at its middle. */
static void step_exponential(struct sdrt_sampler *s, const struct sdrt_sampler_work *w, double from,
                             double to, double up)
{
    const int second = is_second(s, w->i);
    const float keep = (float)(to / from), gain = (float)-expm1(log(to / from));

    for (size_t k = 0; k < w->count; k++) {
        const float image = image_of(s, w, k);
        if (!second) s->history[0][k] = w->x[k];
        w->x[k] = keep * s->history[0][k] + gain * image;
        if (w->noise) w->x[k] += w->noise[k] * (float)up;
    }
}

void sdrt_sampler_step_dpmpp_2s_a(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int step = step_of(s, w->i);
    const double from = from_of(s, step);
    const struct sdrt_ancestral a = sdrt_ancestral(from, to_of(s, step), s->tuning.eta);

    if (to_of(s, step) == 0.0) step_to_image(s, w);
    else if (!is_second(s, w->i)) step_exponential(s, w, from, sqrt(from * a.down), 0.0);
    else step_exponential(s, w, from, a.down, a.up * s->tuning.s_noise);
}

void sdrt_sampler_step_dpmpp_sde(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int step = step_of(s, w->i);
    const double from = from_of(s, step), to = to_of(s, step);
    const double end = is_second(s, w->i) ? to : sqrt(from * to);
    const struct sdrt_ancestral a = sdrt_ancestral(from, end, s->tuning.eta);

    if (to == 0.0) step_to_image(s, w);
    else step_exponential(s, w, from, a.down, a.up * s->tuning.s_noise);
}

/* ---- three evaluations a step: Heun's, and where the next step would lead ---- */

/* Evaluations of step k: two of the last but one, and one of the last. */
static int evals_of(const struct sdrt_sampler *s, int k)
{
    return s->steps - k < 3 ? s->steps - k : 3;
}

/* The step of evaluation i, and which of its evaluations it is. */
static int find_step(const struct sdrt_sampler *s, int i, int *which)
{
    int k = 0;

    for (; i >= evals_of(s, k); k++) i -= evals_of(s, k);
    *which = i;
    return k;
}

int sdrt_sampler_plan_heunpp(struct sdrt_sampler *s)
{
    int status = sdrt_sampler_plan_sigmas(s), first = 0, total = 0, which;

    if (status) return status;
    const int steps = s->steps;
    const float *timesteps = s->timesteps, *sigmas = s->sigmas, scale = s->initial_scale;
    float *single = s->plan;
    s->plan = NULL;
    for (int k = 0; k < steps; k++) {
        if (k == s->p.first_step) first = total;
        total += evals_of(s, k);
    }
    status = sdrt_sampler_plan_room(s, total, steps);
    for (int i = 0; !status && i < steps; i++) s->run[i] = sigmas[i];
    for (int e = 0; !status && e < total; e++) {
        const int k = find_step(s, e, &which);
        s->timesteps[e] = timesteps[k + which];
        s->sigmas[e] = sigmas[k + which];
    }
    s->first = first;
    s->initial_scale = scale;
    free(single);
    return status;
}

/* history: the sample that the step began at, and the sum of its slopes. */
void sdrt_sampler_step_heunpp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    int which;
    const int k = find_step(s, w->i, &which), evals = evals_of(s, k), ends = which == evals - 1;
    const double most = evals * from_of(s, s->p.first_step);
    double weight = from_of(s, k + which) / most;

    if (!which) {
        weight = 1.0;
        for (int i = 1; i < evals; i++) weight -= from_of(s, k + i) / most;
    }
    const float share = (float)weight, sigma = s->sigmas[w->i];
    const float dt = (float)(to_of(s, ends ? k : k + which) - from_of(s, ends ? k : k + which));
    for (size_t j = 0; j < w->count; j++) {
        const float slope = (w->x[j] - image_of(s, w, j)) / sigma;
        if (!which) {
            s->history[0][j] = w->x[j];
            s->history[1][j] = 0.0f;
        }
        s->history[1][j] += share * slope;
        w->x[j] = ends ? s->history[0][j] + s->history[1][j] * dt : w->x[j] + slope * dt;
    }
}

/* ---- when noise is drawn, and over which part of the motion ---- */

int sdrt_sampler_draws_if_more(const struct sdrt_sampler *s, int i)
{
    return s->tuning.eta > 0.0 && to_of(s, step_of(s, i)) > 0.0;
}

int sdrt_sampler_draws_second(const struct sdrt_sampler *s, int i)
{
    return is_second(s, i) && sdrt_sampler_draws_if_more(s, i);
}

void sdrt_sampler_span(const struct sdrt_sampler *s, int i, float *from, float *to)
{
    const int step = step_of(s, i), twice = s->method->evals == 2;

    *from = s->run[step];
    *to = s->run[step + 1];
    if (!twice) return;
    *from = expf(logf(*from)); /* as k-diffusion comes back from t */
    *to = is_second(s, i) ? expf(logf(*to)) : s->sigmas[i + 1];
}
