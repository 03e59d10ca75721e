/* SPDX-License-Identifier: MIT */
#include "model/noise/sampler_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How many steps LCM models were distilled for. */
enum { LCM_ORIGINAL_STEPS = 50 };

int sdrt_sampler_plan_room(struct sdrt_sampler *s, int total, int steps)
{
    s->plan = calloc((size_t)total * 4 + (size_t)steps + 2, sizeof *s->plan);
    if (!s->plan)
        return sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler %s: no memory for %d steps",
                         s->method->name, s->p.steps);
    s->total = total;
    s->timesteps = s->plan;
    s->alphas = s->timesteps + total;
    s->alphas_next = s->alphas + total;
    s->sigmas = s->alphas_next + total;
    s->run = s->sigmas + total + 1;
    s->steps = steps;
    return 0;
}

/* The working arrays of one plan, in one block that the planner frees. */
struct scratch {
    double *sigmas, *timesteps;   /* [steps + 2] */
    float *alphas, *train_sigmas; /* [train_steps] */
};

static int scratch_alloc(struct scratch *t, const struct sdrt_sampler *s)
{
    const size_t steps = (size_t)s->p.steps + 2, train = (size_t)s->p.noise.train_steps;

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

/* Of dpmpp_2m it is whole. */
double sdrt_sampler_timestep_of(const struct sdrt_sampler *s, const float *train_sigmas,
                                double sigma)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int whole = s->method->solver;

    if (m->edm) return (double)(0.25f * logf((float)sigma));
    if (m->prediction == SDRT_PREDICTION_FLOW)
        return whole ? floor(sigma * m->train_steps)
                     : (double)((float)sigma * (float)m->train_steps);
    const double at = sdrt_schedule_timestep_of(train_sigmas, m->train_steps, sigma);
    return whole ? rint(at) : at;
}

static double timestep_of(const struct sdrt_sampler *s, const struct scratch *t, double sigma)
{
    return sdrt_sampler_timestep_of(s, t->train_sigmas, sigma);
}

/* The model's own timesteps, and Karras' sigmas over their range.  dpmpp_2m differs from the others:
 * its leading spacing keeps a step to spare, its Karras range is the whole trained one, and its
 * timesteps are whole. */
static void own_sigmas(const struct sdrt_sampler *s, struct scratch *t, int steps, float *timesteps)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int last = m->train_steps - 1, whole = s->method->solver;
    double high, low;

    sdrt_schedule_timesteps(m, steps, whole, t->timesteps);
    for (int i = 0; i < steps; i++) {
        timesteps[i] = (float)(whole ? rint(t->timesteps[i]) : t->timesteps[i]);
        t->sigmas[i] = interpolated(t->train_sigmas, last, (double)timesteps[i]);
    }
    if (s->p.schedule != SDRT_SCHEDULE_KARRAS) return;

    high = whole ? t->train_sigmas[last] : t->sigmas[0];
    low = whole ? t->train_sigmas[0] : t->sigmas[steps - 1];
    sdrt_schedule_karras(high, low, steps, t->sigmas);
    for (int i = 0; i < steps; i++) timesteps[i] = (float)timestep_of(s, t, t->sigmas[i]);
}

/* The same of a model of EDM. */
static void edm_sigmas(const struct sdrt_sampler *s, struct scratch *t, int steps)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int geometric = s->p.schedule == SDRT_SCHEDULE_EXPONENTIAL ||
                          (m->exponential && s->p.schedule == SDRT_SCHEDULE_DEFAULT);

    (geometric ? sdrt_schedule_exponential : sdrt_schedule_karras)(m->sigma_max, m->sigma_min,
                                                                   steps, t->sigmas);
}

/* Those that the caller gave. */
static void given_sigmas(const struct sdrt_sampler *s, struct scratch *t, float *timesteps)
{
    const struct sdrt_sampler_params *p = &s->p;

    for (int i = 0; i < p->n_sigmas; i++) {
        t->sigmas[i] = p->sigmas[i];
        timesteps[i] = (float)timestep_of(s, t, p->sigmas[i]);
    }
    for (int i = 0; i < p->n_timesteps; i++) {
        const int flow = p->noise.prediction == SDRT_PREDICTION_FLOW;
        timesteps[i] = (float)p->own_timesteps[i];
        t->sigmas[i] = flow ? p->own_timesteps[i] / p->noise.train_steps
                            : interpolated(t->train_sigmas, p->noise.train_steps - 1,
                                           p->own_timesteps[i]);
    }
}

/* The noise level at a ten-thousandth of a flow's way, where ComfyUI begins what divides by the signal. */
static double little_signal(const struct sdrt_noise_model *m)
{
    const double share = 1.0 - 1e-4;

    return m->flow_shift * share / (1.0 + (m->flow_shift - 1.0) * share);
}

/* How many steps a run has that was asked for so many. */
static int steps_of(const struct sdrt_sampler *s, int asked)
{
    const int given = s->p.n_sigmas || s->p.n_timesteps;

    return given ? asked : sdrt_schedule_count(s->p.schedule, s->p.noise.train_steps, asked);
}

/* Sigmas and timesteps of a run, one a step: those of asked steps, of which there may be one more. */
static void run_sigmas(const struct sdrt_sampler *s, struct scratch *t, int asked, float *timesteps)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int flow = m->prediction == SDRT_PREDICTION_FLOW, steps = steps_of(s, asked);
    const int solver = s->method->solver;

    if (flow) sdrt_schedule_flow_train(m, t->train_sigmas);
    else sdrt_schedule_train(m, t->alphas, t->train_sigmas);
    if (s->p.n_sigmas || s->p.n_timesteps) {
        given_sigmas(s, t, timesteps);
        return;
    }
    if (m->edm) edm_sigmas(s, t, steps);
    else if (s->p.schedule > SDRT_SCHEDULE_KARRAS || (flow && s->p.schedule))
        sdrt_schedule_fill(m, s->p.schedule, t->train_sigmas, asked, t->sigmas);
    else if (flow) sdrt_schedule_flow(m, steps, solver, t->sigmas);
    else {
        own_sigmas(s, t, steps, timesteps);
        return;
    }
    /* All noise has no signal, whose logarithm the solver takes: diffusers begins one short of it. */
    if (flow && solver && t->sigmas[0] >= 1.0)
        t->sigmas[0] = (double)t->train_sigmas[m->train_steps - 2];
    if (flow && s->method->signal && t->sigmas[0] >= 1.0) t->sigmas[0] = little_signal(m);
    for (int i = 0; i < steps; i++) timesteps[i] = (float)timestep_of(s, t, t->sigmas[i]);
}

static float initial_scale_of(const struct sdrt_sampler *s)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int leading = m->spacing == SDRT_SPACING_LEADING && !s->p.n_sigmas &&
                        s->p.schedule <= SDRT_SCHEDULE_KARRAS;

    if (m->edm) return sqrtf(s->sigmas[0] * s->sigmas[0] + 1.0f);
    if (!s->method->uses_sigmas || m->prediction == SDRT_PREDICTION_FLOW) return 1.0f;
    return leading ? sqrtf(s->sigmas[0] * s->sigmas[0] + 1.0f) : s->sigmas[0];
}

int sdrt_sampler_plan_sigmas(struct sdrt_sampler *s)
{
    const int steps = steps_of(s, s->p.steps);
    struct scratch t = { 0 };
    int status = sdrt_sampler_plan_room(s, steps, steps);

    if (status) goto out;
    status = scratch_alloc(&t, s);
    if (status) goto out;
    run_sigmas(s, &t, s->p.steps, s->timesteps);
    for (int i = 0; i < steps; i++) s->run[i] = s->sigmas[i] = (float)t.sigmas[i];
    if (s->method->stops)
        s->sigmas[steps] = s->p.noise.edm ? (float)s->p.noise.sigma_min
                                          : fminf(t.train_sigmas[0], s->sigmas[steps - 1]);
    s->initial_scale = initial_scale_of(s);
out:
    free(t.sigmas);
    return status;
}

int sdrt_sampler_plan_timesteps(struct sdrt_sampler *s)
{
    struct scratch t = { 0 };
    const int status = scratch_alloc(&t, s);

    if (status) return status;
    sdrt_schedule_train(&s->p.noise, t.alphas, t.train_sigmas);
    for (int e = 0; e < s->total; e++)
        s->timesteps[e] = (float)timestep_of(s, &t, (double)s->sigmas[e]);
    free(t.sigmas);
    return SDRT_OK;
}

/* By what share the noise of step k is raised. */
static double churn_of(const struct sdrt_sampler *s, int k)
{
    const struct sdrt_sampler_tuning *t = &s->tuning;
    const double level = (double)s->run[k];

    if (level < t->tmin || (t->tmax > 0.0 && level > t->tmax)) return 0.0;
    return fmin(t->churn / (s->steps - s->p.first_step), sqrt(2.0) - 1.0);
}

int sdrt_sampler_plan_churn(struct sdrt_sampler *s)
{
    const int evals = sdrt_sampler_evaluations_of(s->p.kind);
    float *own = malloc((size_t)s->total * sizeof *own);
    int status;

    if (!own) return sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler: no memory");
    memcpy(own, s->timesteps, (size_t)s->total * sizeof *own);
    for (int e = 0; e < s->total; e++) {
        const int k = e / evals, second = e % evals != 0;
        const double level = (double)s->run[k] * (1.0 + churn_of(s, k));
        if (!second) s->sigmas[e] = (float)level;
        else if (s->method->middle) /* whose steps have one begin from there */
            s->sigmas[e] = (float)s->method->middle(s, level, (double)s->run[k + 1]);
    }
    status = sdrt_sampler_plan_timesteps(s);
    for (int e = 0; e < s->total && status == SDRT_OK; e++)
        if (churn_of(s, e / evals) == 0.0 || (e % evals && !s->method->middle))
            s->timesteps[e] = own[e];
    free(own);
    return status;
}

/* k-diffusion's: a run of steps, each but the last with a second evaluation at its middle where the
 * method has one. */
int sdrt_sampler_plan_k(struct sdrt_sampler *s)
{
    const struct sdrt_sampler_method *method = s->method;
    const int given = s->p.n_sigmas || s->p.n_timesteps, drops = method->drops && !given;
    const int asked = s->p.steps + drops, steps = steps_of(s, asked) - drops;
    float *timesteps = malloc(((size_t)steps + 2) * sizeof *timesteps);
    struct scratch t = { 0 };
    int status = sdrt_sampler_plan_room(s, method->evals * (steps - 1) + 1, steps);

    if (!status && !timesteps) status = sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler: no memory");
    if (!status) status = scratch_alloc(&t, s);
    if (status) goto out;
    run_sigmas(s, &t, asked, timesteps);
    if (drops) {
        t.sigmas[steps - 1] = t.sigmas[steps];
        timesteps[steps - 1] = timesteps[steps];
    }
    for (int i = 0; i < steps; i++) {
        const int e = method->evals * i;
        s->run[i] = s->sigmas[e] = (float)t.sigmas[i];
        s->timesteps[e] = timesteps[i];
        if (method->evals == 1 || i == steps - 1) continue;
        s->sigmas[e + 1] = (float)method->middle(s, t.sigmas[i], t.sigmas[i + 1]);
        s->timesteps[e + 1] = (float)timestep_of(s, &t, (double)s->sigmas[e + 1]);
    }
    s->first = s->p.first_step * method->evals;
    s->initial_scale = initial_scale_of(s);
out:
    free(timesteps);
    free(t.sigmas);
    return status;
}

/* Heun: every step but the first begins with the second evaluation of the step before it. */
int sdrt_sampler_plan_heun(struct sdrt_sampler *s)
{
    const float *timesteps, *sigmas;
    float *single;
    int status = sdrt_sampler_plan_sigmas(s);

    if (status) return status;
    const int steps = s->steps;
    single = s->plan;
    timesteps = s->timesteps;
    sigmas = s->sigmas;
    s->plan = NULL;
    status = sdrt_sampler_plan_room(s, 2 * steps - 1, steps);
    if (status) goto out;
    for (int i = 0; i < steps; i++) s->run[i] = sigmas[i];
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
    int status = sdrt_sampler_plan_room(s, s->p.steps, s->p.steps);

    if (status) goto out;
    status = scratch_alloc(&t, s);
    if (status) goto out;
    sdrt_schedule_train(m, t.alphas, NULL);
    sdrt_schedule_timesteps(m, s->p.steps, 0, t.timesteps);
    for (int i = 0; i < s->p.steps; i++) {
        const int own = s->p.n_timesteps, last = i == s->p.steps - 1;
        const int at = (int)rint(own ? s->p.own_timesteps[i] : t.timesteps[i]);
        const int next = !own   ? at - m->train_steps / s->p.steps
                         : last ? -1
                                : (int)rint(s->p.own_timesteps[i + 1]);

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
    status = sdrt_sampler_plan_room(s, steps, steps);
    if (status) goto out;
    status = scratch_alloc(&t, s);
    if (status) goto out;
    sdrt_schedule_train(m, t.alphas, NULL);
    for (int i = 0; i < steps; i++) {
        /* numpy.linspace rounds the width before it multiplies, and so must we. */
        const double width = (double)LCM_ORIGINAL_STEPS / steps;
        const int at = s->p.n_timesteps ? (int)rint(s->p.own_timesteps[i])
                                        : (LCM_ORIGINAL_STEPS - (int)floor(i * width)) * stride - 1;

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

/* LCM's timesteps; each step goes down to a share of the next one's, and by fresh noise back up. */
int sdrt_sampler_plan_tcd(struct sdrt_sampler *s)
{
    const int steps = s->p.steps;
    struct scratch t = { 0 };
    int status = sdrt_sampler_plan_lcm(s);

    if (status) return status;
    status = scratch_alloc(&t, s);
    if (status) return status;
    sdrt_schedule_train(&s->p.noise, t.alphas, NULL);
    for (int i = 0; i < steps; i++) {
        const int next = i < steps - 1 ? (int)s->timesteps[i + 1] : 0;
        const int low = (int)floor((1.0 - fmin(s->tuning.eta, 1.0)) * next);

        s->alphas_next[i] = t.alphas[next];
        s->run[i] = t.alphas[low];
    }
    free(t.sigmas);
    return 0;
}

/* The first step is made twice, so its end is evaluated before it is left. */
int sdrt_sampler_plan_plms(struct sdrt_sampler *s)
{
    const struct sdrt_noise_model *m = &s->p.noise;
    const int steps = s->p.steps, stride = m->train_steps / steps;
    struct scratch t = { 0 };
    int status = SDRT_OK;

    if (s->p.first_step || s->p.n_timesteps || steps < 2)
        return sdrt_fail(s->p.log, SDRT_E_UNSUPPORTED,
                         "sampler plms: expected a whole run of 2 or more "
                         "steps, without timesteps of one's own");
    status = sdrt_sampler_plan_room(s, steps + 1, steps + 1);
    if (!status) status = scratch_alloc(&t, s);
    if (status) goto out;
    sdrt_schedule_train(m, t.alphas, NULL);
    sdrt_schedule_timesteps(m, steps, 0, t.timesteps);
    for (int e = 0; e <= steps; e++) {
        const int k = e > 1 ? e - 1 : e, at = (int)rint(t.timesteps[k]);
        const int from = e == 1 ? (int)rint(t.timesteps[0]) : at;
        const int next = e == 1 ? at : at - stride;

        if (at < 0 || at >= m->train_steps || from >= m->train_steps) {
            status = sdrt_fail(s->p.log, SDRT_E_ARG,
                               "sampler plms: %d steps visit timestep %d, the model "
                               "has 0 to %d",
                               steps, at, m->train_steps - 1);
            goto out;
        }
        s->timesteps[e] = (float)at;
        s->alphas[e] = t.alphas[from];
        s->alphas_next[e] = next < 0 && m->final_alpha_one ? 1.0f : t.alphas[next < 0 ? 0 : next];
    }
    s->initial_scale = 1.0f;
out:
    free(t.sigmas);
    return status;
}
