/* SPDX-License-Identifier: MIT */
#include "model/noise/schedule.h"
#include "runtime/base/choices.h"

#include <math.h>
#include <stddef.h>

struct sdrt_noise_model sdrt_noise_model_default(enum sdrt_prediction prediction)
{
    return (struct sdrt_noise_model){
        .prediction = prediction,
        .spacing = SDRT_SPACING_LEADING,
        .train_steps = 1000,
        .steps_offset = 1,
        .beta_start = 0.00085,
        .beta_end = 0.012,
        .flow_shift = prediction == SDRT_PREDICTION_FLOW ? 3.0 : 1.0,
    };
}

/* Algorithm 1 of arXiv:2305.08891 in f32, by way of the betas as diffusers goes. */
static void rescale_to_zero_snr(float *alphas, int n)
{
    const float first = sqrtf(alphas[0]), last = sqrtf(alphas[n - 1]);
    const float scale = first / (first - last);
    float before = 1.0f;
    double product = 1.0;

    for (int i = 0; i < n; i++) {
        const float root = (sqrtf(alphas[i]) - last) * scale, bar = root * root;
        const float beta = 1.0f - (i ? bar / before : bar);

        before = bar;
        product *= 1.0f - beta;
        alphas[i] = (float)product;
    }
}

void sdrt_schedule_train(const struct sdrt_noise_model *m, float *alphas, float *sigmas)
{
    const int n = m->train_steps;
    const float start = (float)sqrt(m->beta_start), end = (float)sqrt(m->beta_end);
    const float step = n > 1 ? (end - start) / (float)(n - 1) : 0.0f;
    double product = 1.0;

    for (int i = 0; i < n; i++) {
        /* torch.linspace walks from both ends to the middle, with fused products, and
         * torch.cumprod multiplies floats in a double. */
        const float root = i < n / 2 ? fmaf(step, (float)i, start)
                                     : fmaf(-step, (float)(n - 1 - i), end);
        const float alpha = 1.0f - root * root;

        product *= alpha;
        alphas[i] = (float)product;
    }
    if (m->zero_snr) rescale_to_zero_snr(alphas, n);
    for (int i = 0; sigmas && i < n; i++) {
        /* diffusers' samplers of sigmas take 2^-24 where the signal is zero. */
        const float alpha = fmaxf(alphas[i], 0x1p-24f);
        sigmas[i] = sqrtf((1.0f - alpha) / alpha);
    }
}

void sdrt_schedule_timesteps(const struct sdrt_noise_model *m, int steps, int spare,
                             double *timesteps)
{
    const int points = steps + (spare != 0), leading = m->train_steps / points;
    const double trailing = (double)m->train_steps / steps;
    const double linear = points > 1 ? (m->train_steps - 1) / (double)(points - 1) : 0.0;

    for (int i = 0; i < steps; i++) {
        const int from_end = points - 1 - i;

        if (m->spacing == SDRT_SPACING_TRAILING)
            timesteps[i] = rint(m->train_steps - i * trailing) - 1.0;
        else if (m->spacing == SDRT_SPACING_LINSPACE) timesteps[i] = from_end * linear;
        else timesteps[i] = from_end * leading + m->steps_offset;
    }
}

void sdrt_schedule_karras(double sigma_max, double sigma_min, int steps, double *sigmas)
{
    const double rho = 7.0;
    const double from = pow(sigma_max, 1.0 / rho), to = pow(sigma_min, 1.0 / rho);

    for (int i = 0; i < steps; i++) {
        const double ramp = steps > 1 ? (double)i / (steps - 1) : 0.0;
        sigmas[i] = pow(from + ramp * (to - from), rho);
    }
}

void sdrt_schedule_exponential(double sigma_max, double sigma_min, int steps, double *sigmas)
{
    const double from = log(sigma_max), to = log(sigma_min);

    for (int i = 0; i < steps; i++)
        sigmas[i] = exp(from + (steps > 1 ? (double)i / (steps - 1) : 0.0) * (to - from));
}

double sdrt_schedule_timestep_of(const float *train_sigmas, int train_steps, double sigma)
{
    const double want = log(fmax(sigma, 1e-10));
    float low, high;
    double w;
    int i = 0;

    if (train_steps < 2) return 0.0;
    while (i < train_steps - 2 && logf(train_sigmas[i + 1]) <= want) i++;
    low = logf(train_sigmas[i]);
    high = logf(train_sigmas[i + 1]);
    w = fmin(fmax((low - want) / (low - high), 0.0), 1.0);
    return (1.0 - w) * i + w * (i + 1);
}

static double flow_shifted(double shift, double sigma)
{
    return shift * sigma / (1.0 + (shift - 1.0) * sigma);
}

void sdrt_schedule_flow(const struct sdrt_noise_model *m, int steps, int solver, double *sigmas)
{
    /* diffusers shifts the training range first and the run's sigmas again; published images
     * were made so. */
    const double low = flow_shifted(m->flow_shift, 1.0 / m->train_steps);

    for (int i = 0; i < steps; i++) {
        if (solver) { /* one short of all noise, whose logarithm of signal to noise is infinite */
            const double least = 1.0 / m->train_steps;
            const double alpha = (steps - i) * ((least - 1.0) / steps);
            sigmas[i] = flow_shifted(m->flow_shift, 1.0 - (i ? alpha + 1.0 : least));
            continue;
        }
        const double ramp = steps > 1 ? (double)i / (steps - 1) : 0.0;
        sigmas[i] = flow_shifted(m->flow_shift, 1.0 + ramp * (low - 1.0));
    }
}

const char *sdrt_spacing_name(int spacing)
{
    static const char *const names[SDRT_SPACING_COUNT] = {
        [SDRT_SPACING_LEADING] = "leading",
        [SDRT_SPACING_TRAILING] = "trailing",
        [SDRT_SPACING_LINSPACE] = "linspace",
    };

    return (unsigned)spacing < SDRT_SPACING_COUNT ? names[spacing] : NULL;
}

const char *sdrt_prediction_name(int prediction)
{
    static const char *const names[SDRT_PREDICTION_FLOW] = {
        [SDRT_PREDICTION_EPSILON] = "epsilon",
        [SDRT_PREDICTION_V] = "v",
    };

    return (unsigned)prediction < SDRT_PREDICTION_FLOW ? names[prediction] : NULL;
}

int sdrt_spacing_parse(const char *name, enum sdrt_spacing *out)
{
    const int spacing = sdrt_choice(sdrt_spacing_name, name);

    if (spacing >= 0) *out = (enum sdrt_spacing)spacing;
    return spacing >= 0;
}
