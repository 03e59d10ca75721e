/* SPDX-License-Identifier: MIT
 *
 * Samplers whose steps are not those of the schedule: DPM-Solver-fast, which divides its range anew, and
 * Restart, which goes up again.  Scalars are computed in double, where k-diffusion has float32.
 */
#include "model/noise/sampler_internal.h"

#include <math.h>
#include <stdlib.h>

/* The noise levels of the steps that are left of a run, and where it ends. */
static double *levels_of(const struct sdrt_sampler *s, int *n)
{
    const int first = s->p.first_step;
    double *levels = malloc(((size_t)s->steps + 1) * sizeof *levels);

    *n = s->steps - first;
    for (int i = 0; levels && i < *n; i++) levels[i] = (double)s->run[first + i];
    if (levels) levels[*n] = (double)s->sigmas[s->steps];
    return levels;
}

/* Plans the schedule and makes room for total evaluations in its place.  levels are the caller's to
 * free, also after a failure. */
static int begin_plan(struct sdrt_sampler *s, double **levels, int *n)
{
    const int status = sdrt_sampler_plan_sigmas(s);

    if (status) return status;
    *levels = levels_of(s, n);
    if (!*levels)
        return sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler %s: no memory for its steps",
                         s->method->name);
    return SDRT_OK;
}

/* ---- DPM-Solver-fast, Lu et al. 2022 (arXiv:2206.00927), section 3.3 ----
 * From the schedule's first noise level to the least trained one, as in the web UI. */

/* A step of n evaluations in all: how many it takes, and where it begins among them.  All have three but
 * for the last, or the last two where n is a multiple of 3. */
struct place {
    int step, order, stage;
};

static struct place place_of(int n, int e)
{
    const int whole = n % 3 ? n / 3 : n / 3 - 1, rest = n - 3 * whole;

    if (e < 3 * whole) return (struct place){ e / 3, 3, e % 3 };
    e -= 3 * whole;
    if (rest < 3) return (struct place){ whole, rest, e };
    return e < 2 ? (struct place){ whole, 2, e } : (struct place){ whole + 1, 1, 0 };
}

/* What a step goes down to, so that with the noise that it adds it comes to the next one's level, and how
 * much noise that is; it does not go below the end of the run. */
static double fast_down(const struct sdrt_sampler *s, int step, double *up)
{
    const double from = (double)s->run[step], to = (double)s->run[step + 1];
    const double eta = s->tuning.eta, end = (double)s->run[s->steps];
    const double most = eta * sqrt(to * to * (from * from - to * to) / (from * from));
    const double added = eta > 0.0 ? fmin(to, most) : 0.0;
    const double down = fmax(sqrt(fmax(to * to - added * added, 0.0)), end);

    *up = eta > 0.0 ? sqrt(fmax(to * to - down * down, 0.0)) : 0.0;
    return eta > 0.0 ? down : to;
}

int sdrt_sampler_plan_fast(struct sdrt_sampler *s)
{
    double *levels = NULL, up;
    int n, status = begin_plan(s, &levels, &n);

    if (status) goto out;
    const double high = log(levels[0]), low = log(levels[n]);
    const int steps = n / 3 + 1;
    s->total = n;
    s->first = 0;
    s->steps = steps;
    for (int i = 0; i <= steps; i++) s->run[i] = (float)exp(high + (low - high) * i / steps);
    for (int e = 0; e < n; e++) {
        const struct place p = place_of(n, e);
        const double from = log((double)s->run[p.step]);
        const double to = log(fast_down(s, p.step, &up));
        const double share = p.stage ? (double)p.stage / p.order : 0.0;
        s->sigmas[e] = (float)exp(from + (to - from) * share);
    }
    s->sigmas[n] = s->run[steps];
    status = sdrt_sampler_plan_timesteps(s);
out:
    free(levels);
    return status;
}

/* history: the sample that the step began at, its slope, the one in its first third. */
void sdrt_sampler_step_fast(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const struct place p = place_of(s->total, w->i);
    double up;
    const double down = fast_down(s, p.step, &up);
    const int ends = p.stage == p.order - 1;
    const double at = ends ? down : (double)s->sigmas[w->i + 1];
    /* Of the slope at the begin, and of the difference to it of the one seen here. */
    const double h = log((double)s->run[p.step] / at), gain = -at * expm1(h);
    double more = 0.0;
    if (p.order == 2) more = gain;
    else if (p.stage) more = -at * (p.stage + 1.0) / p.stage * (expm1(h) / h - 1.0);
    const float begin = (float)gain, change = (float)more, sigma = s->sigmas[w->i];
    for (size_t k = 0; k < w->count; k++) {
        const float image = sdrt_sampler_image(&s->p.noise, sigma, w->x[k], w->out[k]);
        const float slope = (w->x[k] - image) / sigma;
        if (!p.stage) {
            s->history[0][k] = w->x[k];
            s->history[1][k] = slope;
        }
        const float first = s->history[1][k];
        float x = s->history[0][k] + begin * first;
        if (p.stage) x += change * (slope - first);
        if (ends && w->noise) x += (float)(up * s->tuning.s_noise) * w->noise[k];
        w->x[k] = x;
    }
}

int sdrt_sampler_draws_fast(const struct sdrt_sampler *s, int i)
{
    const struct place p = place_of(s->total, i);

    return s->tuning.eta > 0.0 && p.stage == p.order - 1;
}

/* ---- Restart, Xu et al. 2023 (arXiv:2306.14878), with the web UI's choice of intervals ---- */

/* Which of n levels is nearest to one.  None of them is 0, from which no slope leads up again. */
static int nearest(const double *levels, int n, double level)
{
    int best = 0;

    for (int i = 1; i < n; i++)
        if (fabs(levels[i] - level) < fabs(levels[best] - level)) best = i;
    return best;
}

/* How a run of so many steps goes: base of them straight down, and times more of again each from
 * the level 2 to 0.1. */
struct restarts {
    int base, again, times;
};

static struct restarts restarts_of(int steps)
{
    const int times = steps >= 36 ? 2 : 1, again = steps >= 36 ? steps / 4 : 9;

    if (steps < 20) return (struct restarts){ steps, 0, 0 };
    return (struct restarts){ steps - again * times, again, times };
}

/* Each step is Heun's, of two evaluations; sigmas has where it begins and where it ends. */
static void add_steps(struct sdrt_sampler *s, int *at, const double *levels, int steps)
{
    for (int i = 0; i < steps; i++) {
        s->run[*at] = (float)levels[i];
        s->sigmas[2 * *at] = (float)levels[i];
        s->sigmas[2 * *at + 1] = (float)levels[i + 1];
        ++*at;
    }
}

static void fill_restart(struct sdrt_sampler *s, double *levels, double *again, int n)
{
    const struct restarts r = restarts_of(n);
    int at = 0;

    if (!r.times) {
        add_steps(s, &at, levels, n);
        return;
    }
    sdrt_schedule_karras(levels[0], levels[n - 1], r.base, levels);
    levels[r.base] = 0.0;
    const int low = nearest(levels, r.base, 0.1), high = nearest(levels, r.base, 2.0);
    add_steps(s, &at, levels, low);
    if (high < low) {
        sdrt_schedule_karras(levels[high], levels[low], r.again + 1, again);
        for (int i = 0; i < r.times; i++) add_steps(s, &at, again, r.again);
    }
    add_steps(s, &at, levels + low, r.base - low);
    s->steps = at;
    s->total = 2 * at - 1;
}

int sdrt_sampler_plan_restart(struct sdrt_sampler *s)
{
    double *levels = NULL, *again = NULL;
    float *single;
    int n, status = begin_plan(s, &levels, &n);

    if (status) goto out;
    single = s->plan;
    const float scale = s->initial_scale;
    s->plan = NULL;
    again = malloc(((size_t)n + 2) * sizeof *again);
    status = again ? sdrt_sampler_plan_room(s, 2 * n - 1, n)
                   : sdrt_fail(s->p.log, SDRT_E_NOMEM, "sampler restart: no memory");
    free(single);
    if (status) goto out;
    s->first = 0;
    fill_restart(s, levels, again, n);
    s->initial_scale = scale;
    status = sdrt_sampler_plan_timesteps(s);
out:
    free(levels);
    free(again);
    return status;
}

/* Whether the step that evaluation i ends is followed by one that begins higher. */
static int goes_up(const struct sdrt_sampler *s, int i)
{
    return i % 2 && i + 1 < s->total && s->sigmas[i + 1] > s->sigmas[i];
}

/* history: the slope and the sample at the begin. */
void sdrt_sampler_step_restart(struct sdrt_sampler *s, const struct sdrt_sampler_work *w)
{
    const int second = w->i % 2;
    const float sigma = s->sigmas[w->i];
    const float dt = second ? sigma - s->sigmas[w->i - 1] : s->sigmas[w->i + 1] - sigma;
    double up = 0.0;

    if (w->noise) {
        const double high = (double)s->sigmas[w->i + 1];
        up = s->tuning.s_noise * sqrt(high * high - (double)sigma * (double)sigma);
    }
    for (size_t k = 0; k < w->count; k++) {
        const float x = w->x[k];
        const float slope = (x - sdrt_sampler_image(&s->p.noise, sigma, x, w->out[k])) / sigma;
        if (!second) {
            s->history[0][k] = slope;
            s->history[1][k] = x;
            w->x[k] = x + slope * dt;
            continue;
        }
        w->x[k] = s->history[1][k] + (s->history[0][k] + slope) / 2.0f * dt;
        if (w->noise) w->x[k] += (float)up * w->noise[k];
    }
}

int sdrt_sampler_draws_restart(const struct sdrt_sampler *s, int i) { return goes_up(s, i); }
