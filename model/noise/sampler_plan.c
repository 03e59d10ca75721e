/* SPDX-License-Identifier: MIT */
#include "model/noise/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

/* How many steps LCM models were distilled for. */
enum { LCM_ORIGINAL_STEPS = 50 };

static int plan_alloc(struct sdrt_sampler *s, int total)
{
    s->plan = calloc((size_t)total * 4 + 1, sizeof *s->plan);
    if (!s->plan)
        return sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler %s: no memory for %d steps",
                         s->method->name, s->p.steps);
    s->total = total;
    s->timesteps = s->plan;
    s->alphas = s->timesteps + total;
    s->alphas_next = s->alphas + total;
    s->sigmas = s->alphas_next + total;
    return 0;
}

/* The working arrays of one plan, in one block that the planner frees. */
struct scratch {
    double *sigmas, *timesteps;   /* [steps] */
    float *alphas, *train_sigmas; /* [train_steps] */
};

static int scratch_alloc(struct scratch *t, const struct sdrt_sampler *s)
{
    const size_t steps = (size_t)s->p.steps, train = (size_t)s->p.noise.train_steps;

    t->sigmas = malloc(2 * steps * sizeof *t->sigmas + 2 * train * sizeof *t->alphas);
    if (!t->sigmas)
        return sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler %s: no memory for its schedule",
                         s->method->name);
    t->timesteps = t->sigmas + steps;
    t->alphas = (float *)(t->timesteps + steps);
    t->train_sigmas = t->alphas + train;
    return 0;
}

/* The value at a place between 0 and last, which need not be whole; beyond an end, the end's. */
static double interpolated(const float *values, int last, double at)
{
    const double clamped = fmin(fmax(at, 0.0), last);
    const int i = (int)clamped;

    if (i == last) return values[last];
    return ((double)values[i + 1] - values[i]) * (clamped - i) + values[i];
}

/* Sigmas in double and timesteps of a run, one a step.  dpmpp_2m differs from the others: its
 * leading spacing keeps a step to spare, its Karras range is the whole trained one, and its
 * timesteps are whole. */
static void run_sigmas(const struct sdrt_sampler *s, struct scratch *t, float *timesteps)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int steps = s->p.steps, last = m->train_steps - 1;
    const int whole = s->p.kind == SDRT_SAMPLER_DPMPP_2M;
    double high, low;

    sdrt_schedule_train(m, t->alphas, t->train_sigmas);
    sdrt_schedule_timesteps(m, steps, whole, t->timesteps);
    for (int i = 0; i < steps; i++) {
        timesteps[i] = (float)(whole ? rint(t->timesteps[i]) : t->timesteps[i]);
        t->sigmas[i] = interpolated(t->train_sigmas, last, (double)timesteps[i]);
    }
    if (s->p.schedule != SDRT_SCHEDULE_KARRAS) return;

    high = whole ? t->train_sigmas[last] : t->sigmas[0];
    low = whole ? t->train_sigmas[0] : t->sigmas[steps - 1];
    sdrt_schedule_karras(high, low, steps, t->sigmas);
    for (int i = 0; i < steps; i++) {
        const double at = sdrt_schedule_timestep_of(t->train_sigmas, m->train_steps, t->sigmas[i]);
        timesteps[i] = (float)(whole ? rint(at) : at);
    }
}

/* The same of a model of EDM. */
static void edm_sigmas(const struct sdrt_sampler *s, struct scratch *t, float *timesteps)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int geometric = m->exponential && s->p.schedule == SDRT_SCHEDULE_DEFAULT;

    (geometric ? sdrt_schedule_exponential : sdrt_schedule_karras)(m->sigma_max, m->sigma_min,
                                                                   s->p.steps, t->sigmas);
    for (int i = 0; i < s->p.steps; i++) timesteps[i] = 0.25f * logf((float)t->sigmas[i]);
}

int sdrt_sampler_plan_sigmas(struct sdrt_sampler *s)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int flow = m->prediction == SDRT_PREDICTION_FLOW;
    const int solver = s->p.kind == SDRT_SAMPLER_DPMPP_2M;
    const int steps = s->p.steps;
    struct scratch t = { 0 };
    int status = plan_alloc(s, steps);

    if (status) goto out;
    status = scratch_alloc(&t, s);
    if (status) goto out;
    if (flow) sdrt_schedule_flow(m, steps, solver, t.sigmas);
    else if (m->edm) edm_sigmas(s, &t, s->timesteps);
    else run_sigmas(s, &t, s->timesteps);
    for (int i = 0; i < steps; i++) {
        s->sigmas[i] = (float)t.sigmas[i];
        if (flow && solver) s->timesteps[i] = (float)floor(t.sigmas[i] * m->train_steps);
        else if (flow) s->timesteps[i] = s->sigmas[i] * (float)m->train_steps;
    }
    s->initial_scale = 1.0f;
    if (m->edm) s->initial_scale = sqrtf(s->sigmas[0] * s->sigmas[0] + 1.0f);
    else if (s->method->uses_sigmas && !flow)
        s->initial_scale = m->spacing == SDRT_SPACING_LEADING
                               ? sqrtf(s->sigmas[0] * s->sigmas[0] + 1.0f)
                               : s->sigmas[0];
out:
    free(t.sigmas);
    return status;
}

/* Heun: every step but the first begins with the second evaluation of the step before it. */
int sdrt_sampler_plan_heun(struct sdrt_sampler *s)
{
    const int steps = s->p.steps;
    const float *timesteps, *sigmas;
    float *single;
    int status = sdrt_sampler_plan_sigmas(s);

    if (status) return status;
    single = s->plan;
    timesteps = s->timesteps;
    sigmas = s->sigmas;
    s->plan = NULL;
    status = plan_alloc(s, 2 * steps - 1);
    if (status) goto out;
    for (int i = 0; i < 2 * steps - 1; i++) {
        s->timesteps[i] = timesteps[(i + 1) / 2];
        s->sigmas[i] = sigmas[(i + 1) / 2];
    }
    s->first = s->p.first_step * 2;
out:
    free(single);
    return status;
}

int sdrt_sampler_plan_ddim(struct sdrt_sampler *s)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    struct scratch t = { 0 };
    int status = plan_alloc(s, s->p.steps);

    if (status) goto out;
    status = scratch_alloc(&t, s);
    if (status) goto out;
    sdrt_schedule_train(m, t.alphas, NULL);
    sdrt_schedule_timesteps(m, s->p.steps, 0, t.timesteps);
    for (int i = 0; i < s->p.steps; i++) {
        const int at = (int)rint(t.timesteps[i]), next = at - m->train_steps / s->p.steps;

        if (at < 0 || at >= m->train_steps) {
            status = sdrt_fail(s->p.log, SDRT_E_ARG,
                               "sampler ddim: %d steps visit timestep %d, the model has 0 to %d",
                               s->p.steps, at, m->train_steps - 1);
            goto out;
        }
        s->timesteps[i] = (float)at;
        s->alphas[i] = t.alphas[at];
        /* Stable Diffusion's set_alpha_to_one is false: the run ends at the noise of step 0. */
        s->alphas_next[i] = next < 0 && m->final_alpha_one ? 1.0f : t.alphas[next < 0 ? 0 : next];
    }
    s->initial_scale = 1.0f;
out:
    free(t.sigmas);
    return status;
}

/* LCM picks its timesteps evenly from the 50 of its distillation, whatever the spacing. */
int sdrt_sampler_plan_lcm(struct sdrt_sampler *s)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int steps = s->p.steps, stride = m->train_steps / LCM_ORIGINAL_STEPS;
    struct scratch t = { 0 };
    int status;

    if (steps > LCM_ORIGINAL_STEPS || stride < 1)
        return sdrt_fail(s->p.log, SDRT_E_ARG, "sampler lcm: %d steps, expected 1 to %d", steps,
                         LCM_ORIGINAL_STEPS);
    status = plan_alloc(s, steps);
    if (status) goto out;
    status = scratch_alloc(&t, s);
    if (status) goto out;
    sdrt_schedule_train(m, t.alphas, NULL);
    for (int i = 0; i < steps; i++) {
        /* numpy.linspace rounds the width before it multiplies, and so must we. */
        const double width = (double)LCM_ORIGINAL_STEPS / steps;
        const int at = (LCM_ORIGINAL_STEPS - (int)floor(i * width)) * stride - 1;

        s->timesteps[i] = (float)at;
        s->alphas[i] = t.alphas[at];
        if (i > 0) s->alphas_next[i - 1] = s->alphas[i];
    }
    s->alphas_next[steps - 1] = s->alphas[steps - 1];
    s->initial_scale = 1.0f;
out:
    free(t.sigmas);
    return status;
}
