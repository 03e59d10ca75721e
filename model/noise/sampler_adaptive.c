/* SPDX-License-Identifier: MIT
 *
 * DPM-Solver-23 with steps of its own choice, Lu et al. 2022 (arXiv:2206.00927), algorithm 4, as k-diffusion has
 * it: a step of order 3 is compared with one of order 2, taken where both agree, and made shorter where they
 * do not.  What is called t here is -log sigma, which rises.  Scalars are computed in double, where
 * k-diffusion has float32.
 */
#include "model/noise/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

/* Evaluations that a run may take, where models take 60 to 200; and of a step. */
enum { MOST = 3000, STAGES = 3 };

/* k-diffusion's defaults. */
static const double RTOL = 0.05, ATOL = 0.0078, FIRST = 0.05, SAFETY = 0.81;

static double t_of(double sigma) { return -log(sigma); }
static double sigma_of(double t) { return exp(-t); }

/* Of a step: the t at its end, the one that it goes to before noise is added, and how much that is. */
struct end {
    double t, down, up;
};

static struct end end_of(const struct sdrt_sampler *s)
{
    const struct sdrt_sampler_pace *p = &s->pace;
    const double t = fmin(p->end, p->t + p->h), to = sigma_of(t), eta = s->tuning.eta;

    if (!(eta > 0.0)) return (struct end){ t, t, 0.0 };
    const double low = sdrt_ancestral(sigma_of(p->t), to, eta).down;
    const double down = low > 0.0 ? fmin(p->end, t_of(low)) : p->end, left = sigma_of(down);
    return (struct end){ t, down, sqrt(fmax(to * to - left * left, 0.0)) };
}

/* Tells where the next evaluation, number i, sees the latent. */
static void set_next(struct sdrt_sampler *s, int i)
{
    const struct sdrt_sampler_pace *p = &s->pace;
    const double t = p->t + (end_of(s).down - p->t) * p->stage / STAGES;

    if (i >= s->total) return;
    s->sigmas[i] = (float)sigma_of(t);
    s->timesteps[i] = (float)sdrt_sampler_timestep_of(s, s->train_sigmas, (double)s->sigmas[i]);
}

/* ---- the plan: where it begins and ends; all between is chosen on the way ---- */

void sdrt_sampler_begin_adaptive(struct sdrt_sampler *s)
{
    s->pace = (struct sdrt_sampler_pace){ .t = t_of((double)s->run[0]),
                                          .end = t_of((double)s->run[1]),
                                          .h = FIRST };
    set_next(s, 0);
}

int sdrt_sampler_plan_adaptive(struct sdrt_sampler *s)
{
    const int train_steps = s->p.noise.train_steps;
    int status = sdrt_sampler_plan_sigmas(s);

    if (status) return status;
    const float from = s->run[s->p.first_step], to = s->sigmas[s->steps], scale = s->initial_scale;
    float *ahead = s->plan;
    s->plan = NULL;
    s->train_sigmas = malloc(2 * (size_t)train_steps * sizeof *s->train_sigmas);
    status = s->train_sigmas
                 ? sdrt_sampler_plan_room(s, MOST, 1)
                 : sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler %s: no memory", s->method->name);
    free(ahead);
    if (status) return status;
    sdrt_schedule_train(&s->p.noise, s->train_sigmas + train_steps, s->train_sigmas);
    s->first = 0;
    s->run[0] = from;
    s->run[1] = to;
    s->initial_scale = scale;
    sdrt_sampler_begin_adaptive(s);
    if (s->pace.t < s->pace.end - SDRT_PACE_NEAR) return SDRT_OK;
    return sdrt_fail(
        s->p.log, SDRT_E_ARG,
        "sampler %s: begins where it ends, at a noise level of %g: expected more steps "
        "to begin with more",
        s->method->name, (double)to);
}

/* ---- steps ---- */

/* The third evaluation's x is a whole step: taken, with noise, or left.  Then the second one is made anew, in
 * a shorter step, of what the first one said. */
static void end_step(struct sdrt_sampler *s, const struct sdrt_sampler_work *w,
                     const struct end *end, double error)
{
    struct sdrt_sampler_pace *p = &s->pace;
    float *begin = s->history[0], *low = s->history[2];
    const double order = s->tuning.eta > 0.0 ? 1.5 : 3.0;
    const double factor = 1.0 + atan(pow(1.0 / (error + 1e-8), 1.0 / order) - 1.0);

    p->broken = !isfinite(error);
    p->h *= factor;
    p->drawn = s->tuning.eta > 0.0;
    if (factor >= SAFETY) {
        const float added = (float)(end->up * s->tuning.s_noise);
        for (size_t k = 0; end->up > 0.0 && k < w->count; k++) w->x[k] += added * s->noise[k];
        s->history[2] = s->history[3];
        s->history[3] = low;
        p->t = end->t;
        p->stage = p->drawn = 0;
        return;
    }
    const double h = (end_of(s).down - p->t) / STAGES;
    const float gain = (float)(-sigma_of(p->t + h) * expm1(h));
    for (size_t k = 0; k < w->count; k++) w->x[k] = begin[k] + gain * s->history[1][k];
    p->stage = 1;
}

/* history: the sample that the step began at, its slope, what bends the step of order 2 and then that, and that
 * of the last step.  Both steps' difference is taken of what bends them, which f32 keeps as they are. */
void sdrt_sampler_step_adaptive(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    struct sdrt_sampler_pace *p = &s->pace;
    const struct end end = end_of(s);
    const int stage = p->stage, ends = stage == STAGES - 1;
    const double whole = end.down - p->t, h = whole * (stage + 1) / STAGES;
    const double at = sigma_of(p->t + h), down = sigma_of(end.down);
    const float gain = (float)(-at * expm1(h));
    /* Of the difference that this evaluation's slope has to the first one's. */
    const float more = stage ? (float)(-at * (stage + 1.0) / stage * (expm1(h) / h - 1.0)) : 0.0f;
    const float low_more = (float)(-1.5 * down * expm1(whole)), sigma = s->sigmas[w->i];
    double sum = 0.0;

    for (size_t k = 0; k < w->count; k++) {
        const float image = sdrt_sampler_image(&s->p.noise, sigma, w->x[k], w->out[k]);
        const float slope = (w->x[k] - image) / sigma;
        if (!stage) {
            s->history[0][k] = w->x[k];
            s->history[1][k] = slope;
            if (!w->i) s->history[3][k] = w->x[k];
        }
        const float begin = s->history[0][k], first = s->history[1][k];
        const float straight = begin + gain * first, bend = more * (slope - first);
        if (stage == 1) s->history[2][k] = low_more * (slope - first);
        w->x[k] = straight + bend;
        if (!ends) continue;
        const double apart = (double)s->history[2][k] - (double)bend;
        const float low = s->history[2][k] += straight;
        const double most = fmax(fabs((double)low), fabs((double)s->history[3][k]));
        const double share = apart / fmax(ATOL, RTOL * most);
        sum += share * share;
    }
    if (ends) end_step(s, w, &end, sqrt(sum / (double)w->count));
    else p->stage++;
    if (!p->broken) set_next(s, w->i + 1);
}

/* Once for each step that is taken, before it is known whether it is. */
int sdrt_sampler_draws_adaptive(const struct sdrt_sampler *s, int i)
{
    (void)i;
    return s->tuning.eta > 0.0 && s->pace.stage == STAGES - 1 && !s->pace.drawn;
}
