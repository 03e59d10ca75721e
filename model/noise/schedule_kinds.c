/* SPDX-License-Identifier: MIT
 *
 * The schedules of k-diffusion, the web UI and ComfyUI, over the whole range of a model's noise.
 */
#include "model/noise/schedule.h"

#include <math.h>
#include <stddef.h>

/* What a schedule is made of. */
struct range {
    const struct sdrt_noise_model *m;
    const float *train;
    double low, high;
    int n; /* trained steps */
};

static double shifted(const struct range *r, double share)
{
    const double shift = r->m->flow_shift;

    return shift * share / (1.0 + (shift - 1.0) * share);
}

/* The noise level of a timestep that need not be whole: between two trained ones, in their logarithm. */
static double sigma_at(const struct range *r, double timestep)
{
    if (r->m->prediction == SDRT_PREDICTION_FLOW) return shifted(r, timestep / r->n);
    const double t = fmin(fmax(timestep, 0.0), r->n - 1), below = floor(t), w = t - below;
    const int i = (int)below, k = (int)ceil(t);

    return exp((1.0 - w) * log((double)r->train[i]) + w * log((double)r->train[k]));
}

static double timestep_at(const struct range *r, double sigma)
{
    if (r->m->prediction == SDRT_PREDICTION_FLOW) return sigma * r->n;
    return sdrt_schedule_timestep_of(r->train, r->n, sigma);
}

/* Timesteps evenly from the noisiest to the first over so many points, of which steps are taken. */
static void evenly(const struct range *r, int steps, int points, double *sigmas)
{
    const double high = timestep_at(r, r->high), low = timestep_at(r, r->low);

    for (int i = 0; i < steps; i++) {
        const double ramp = points > 1 ? (double)i / (points - 1) : 0.0;
        sigmas[i] = sigma_at(r, high + ramp * (low - high));
    }
}

static void simple(const struct range *r, int steps, double *sigmas)
{
    const double stride = (double)r->n / steps;

    for (int i = 0; i < steps; i++) sigmas[i] = (double)r->train[r->n - 1 - (int)(i * stride)];
}

static int ddim_stride(int train_steps, int steps)
{
    return train_steps / steps > 1 ? train_steps / steps : 1;
}

static void ddim(const struct range *r, int steps, double *sigmas)
{
    const int stride = ddim_stride(r->n, steps);
    const int count = sdrt_schedule_count(SDRT_SCHEDULE_DDIM, r->n, steps);

    for (int i = 0; i < count; i++) sigmas[count - 1 - i] = (double)r->train[1 + i * stride];
}

static void beta(const struct range *r, int steps, double *sigmas)
{
    const double shape = 0.6;

    for (int i = 0; i < steps; i++) {
        const double p = steps > 1 ? 1.0 - (double)i / (steps - 1) : 1.0;
        sigmas[i] = r->low + sdrt_beta_quantile(p, shape, shape) * (r->high - r->low);
    }
}

/* The published ten steps, or more and fewer between their logarithms. */
static void align(const double published[11], int steps, double *sigmas)
{
    for (int i = 0; i < steps; i++) {
        const double at = steps > 1 ? 10.0 * i / (steps - 1) : 0.0;
        const int k = at >= 10.0 ? 9 : (int)at;
        const double w = at - k;
        sigmas[i] = exp((1.0 - w) * log(published[k]) + w * log(published[k + 1]));
    }
}

static void kl_optimal(const struct range *r, int steps, double *sigmas)
{
    for (int i = 0; i < steps; i++) {
        const double ramp = steps > 1 ? (double)i / (steps - 1) : 0.0;
        sigmas[i] = tan(ramp * atan(r->low) + (1.0 - ramp) * atan(r->high));
    }
}

static void linear_quadratic(const struct range *r, int steps, double *sigmas)
{
    const double threshold = 0.025;
    const int linear = steps / 2, quadratic = steps - linear;
    const double rest = linear - threshold * steps;

    for (int i = 0; i < steps; i++) {
        const double a = linear ? rest / (linear * (double)quadratic * quadratic) : 0.0;
        const double b = linear ? threshold / linear - 2.0 * rest / ((double)quadratic * quadratic)
                                : 0.0;
        const double past = i < linear
                                ? i * threshold / linear
                                : a * ((double)i * i) + b * i + a * ((double)linear * linear);
        sigmas[i] = (1.0 - past) * r->high;
    }
}

int sdrt_schedule_count(enum sdrt_schedule_kind kind, int train_steps, int steps)
{
    if (kind != SDRT_SCHEDULE_DDIM) return steps;
    const int stride = ddim_stride(train_steps, steps);
    return (train_steps - 2) / stride + 1;
}

void sdrt_schedule_flow_train(const struct sdrt_noise_model *m, float *train)
{
    const struct range r = { .m = m };

    for (int i = 0; i < m->train_steps; i++)
        train[i] = (float)shifted(&r, (double)(i + 1) / m->train_steps);
}

void sdrt_schedule_fill(const struct sdrt_noise_model *m, enum sdrt_schedule_kind kind,
                        const float *train, int steps, double *sigmas)
{
    static const double ays[11] = { 14.615, 6.475, 3.861, 2.697, 1.886, 1.396,
                                    0.963,  0.652, 0.399, 0.152, 0.029 };
    static const double ays_sdxl[11] = { 14.615, 6.315, 3.771, 2.181, 1.342, 0.862,
                                         0.555,  0.380, 0.234, 0.113, 0.029 };
    const struct range r = { m, train, (double)train[0], (double)train[m->train_steps - 1],
                             m->train_steps };

    switch (kind) {
    case SDRT_SCHEDULE_SGM_UNIFORM: evenly(&r, steps, steps + 1, sigmas); break;
    case SDRT_SCHEDULE_NORMAL: evenly(&r, steps, steps, sigmas); break;
    case SDRT_SCHEDULE_SIMPLE: simple(&r, steps, sigmas); break;
    case SDRT_SCHEDULE_DDIM: ddim(&r, steps, sigmas); break;
    case SDRT_SCHEDULE_BETA: beta(&r, steps, sigmas); break;
    case SDRT_SCHEDULE_AYS: align(ays, steps, sigmas); break;
    case SDRT_SCHEDULE_AYS_SDXL: align(ays_sdxl, steps, sigmas); break;
    case SDRT_SCHEDULE_KL_OPTIMAL: kl_optimal(&r, steps, sigmas); break;
    case SDRT_SCHEDULE_LINEAR_QUADRATIC: linear_quadratic(&r, steps, sigmas); break;
    case SDRT_SCHEDULE_EXPONENTIAL: sdrt_schedule_exponential(r.high, r.low, steps, sigmas); break;
    default: sdrt_schedule_karras(r.high, r.low, steps, sigmas); break;
    }
}

/* ---- the beta distribution ---- */

/* Its share below x, by Lentz's continued fraction (Numerical Recipes, 6.4), good where x is below
 * (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0), h;

    d = 1.0 / d;
    h = d;
    for (int m = 1; m < 300; m++) {
        const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1.0 / (1.0 + even * d);
        c = 1.0 + even / c;
        h *= d * c;
        d = 1.0 / (1.0 + odd * d);
        c = 1.0 + odd / c;
        h *= d * c;
        if (fabs(d * c - 1.0) < 1e-16) break;
    }
    return h;
}

static double beta_share(double x, double a, double b)
{
    if (x <= 0.0 || x >= 1.0) return x <= 0.0 ? 0.0 : 1.0;
    const double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));

    if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_fraction(x, a, b) / a;
    return 1.0 - front * beta_fraction(1.0 - x, b, a) / b;
}

double sdrt_beta_quantile(double p, double a, double b)
{
    double low = 0.0, high = 1.0;

    if (p <= 0.0 || p >= 1.0) return p <= 0.0 ? 0.0 : 1.0;
    for (int i = 0; i < 60; i++) {
        const double middle = 0.5 * (low + high);
        if (beta_share(middle, a, b) < p) low = middle;
        else high = middle;
    }
    return 0.5 * (low + high);
}
