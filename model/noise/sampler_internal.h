/* SPDX-License-Identifier: MIT
 *
 * What the two files of the samplers share: sampler_plan.c fills a sampler's timesteps and noise
 * levels, sampler.c walks them.  Nothing else includes this.
 */
#ifndef SDRT_MODEL_NOISE_SAMPLER_INTERNAL_H
#define SDRT_MODEL_NOISE_SAMPLER_INTERNAL_H

#include "model/noise/sampler.h"

/* One evaluation's operands, each [count]. */
struct sdrt_sampler_work {
    int i; /* index into the whole run's plan, so first_step is already in it */
    size_t count;
    const float *out;   /* the denoiser's */
    const float *noise; /* NULL unless the method draws */
    float *x;           /* the latent */
};

struct sdrt_sampler_method {
    const char *name;
    int history; /* arrays as large as the latent that it keeps between evaluations */
    int has_karras;
    int uses_sigmas; /* its latent is image + sigma * noise, scaled for the denoiser */
    int (*draws)(const struct sdrt_sampler *s, int i); /* NULL: never */
    int (*plan)(struct sdrt_sampler *s);
    void (*step)(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
};

struct sdrt_sampler {
    struct sdrt_sampler_params p;
    const struct sdrt_sampler_method *method;
    int total; /* evaluations of a run from step 0 */
    int first; /* the evaluation at which this run begins */
    int next;  /* the evaluation that step() expects, counted from first */
    float initial_scale;
    float *plan;        /* one block behind the four below */
    float *timesteps;   /* [total] */
    float *sigmas;      /* [total + 1], the last 0 */
    float *alphas;      /* [total], variance-preserving methods */
    float *alphas_next; /* [total] */
    size_t images, n;
    float *buffer; /* history, then noise; owned */
    float *history[2];
    float *noise;
};

/* Each fills total, first, initial_scale and the arrays behind plan, or writes a line to the log
 * and returns an error; what it allocated is sdrt_sampler_free()'s to release. */
int sdrt_sampler_plan_sigmas(struct sdrt_sampler *s);
int sdrt_sampler_plan_heun(struct sdrt_sampler *s);
int sdrt_sampler_plan_ddim(struct sdrt_sampler *s);
int sdrt_sampler_plan_lcm(struct sdrt_sampler *s);

#endif
