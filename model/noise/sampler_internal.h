/* SPDX-License-Identifier: MIT
 *
 * What the files of the samplers share: sampler_check.c refuses what cannot be, sampler_plan.c fills a
 * sampler's timesteps and noise levels, sampler.c walks them, sampler_k.c has k-diffusion's steps,
 * sampler_d.c diffusers', sampler_pp.c those of CFG++ and ER-SDE, sampler_fast.c those that plan steps
 * of their own, sampler_adaptive.c one that chooses them on the way, and sampler_names.c all spellings
 * of the names.  Nothing else includes this. */
#ifndef SDRT_MODEL_NOISE_SAMPLER_INTERNAL_H
#define SDRT_MODEL_NOISE_SAMPLER_INTERNAL_H

#include "model/noise/sampler.h"
#include "runtime/random/brownian.h"

#include <math.h>

/* One evaluation's operands, each [count]. */
struct sdrt_sampler_work {
    int i; /* index into the whole run's plan, so first_step is already in it */
    size_t count;
    const float *out;      /* the denoiser's */
    const float *noise;    /* NULL unless the method draws */
    const float *unguided; /* the denoiser's without guidance */
    float *x;              /* the latent */
};

struct sdrt_sampler_method {
    const char *name;
    int history;       /* arrays as large as the latent that it keeps between evaluations */
    int has_schedules; /* 0: the default one alone */
    int has_flow;      /* draws flow matching */
    int evals;         /* of a step, for those that sdrt_sampler_plan_k() plans */
    int drops;         /* 1: the run is planned a step longer and loses its last but one sigma */
    int brownian;      /* 1: its noise is the motion between two noise levels */
    int churns;   /* 1: may raise the noise before a step; run then has the steps' own levels */
    int unguided; /* 1: reads what the denoiser says without guidance */
    int adaptive; /* 1: chooses its steps on the way */
    int apart;    /* 1: its steps are not the schedule's, so another run cannot go on between two */
    int stops;    /* 1: its last step ends at the least trained noise, not at none */
    int signal;   /* 1: begins where there is some, since it divides by its share */
    double eta;   /* by default */
    double (*middle)(const struct sdrt_sampler *s, double from, double to); /* of two evaluations */
    int solver;        /* 1: sigmas, but a latent at unit variance, as diffusers' solvers have it */
    int order, linear; /* of UniPC: of its steps; 1: B(h) is h, 0: exp(h) - 1 */
    int uses_sigmas;   /* its latent is image + sigma * noise, scaled for the denoiser */
    int (*draws)(const struct sdrt_sampler *s, int i); /* NULL: never */
    int (*plan)(struct sdrt_sampler *s);
    void (*step)(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
};

/* Where a run that chooses its steps is, in t = -log sigma: at the begin of a step of length h, of which so many
 * evaluations are done; and where it ends. */
#define SDRT_PACE_NEAR 1e-5 /* so near to it there is no further step */
struct sdrt_sampler_pace {
    double t, end, h;
    int stage;
    int drawn;  /* 1: the step's noise is there */
    int broken; /* 1: no step will lead on, since a number is not finite */
};

struct sdrt_sampler {
    struct sdrt_sampler_params p;
    struct sdrt_sampler_tuning tuning; /* resolved */
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
    float *run; /* [steps + 1] noise levels of the steps, the last 0: of those of uses_sigmas */
    int steps;  /* of that */
    size_t images, n;
    float *buffer; /* history, then noise; owned */
    float *history[4];
    float *noise;
    struct sdrt_brownian *motion; /* owned */
    const uint64_t *seeds;        /* [images], the caller's */
    const float *unguided;        /* [images][n], the caller's; NULL: as with guidance */
    enum sdrt_rng_kind rng_kind;
    struct sdrt_sampler_pace pace; /* these two where it chooses its steps */
    float *train_sigmas;           /* [train_steps], and as many alphas; owned */
};

/* The image that the denoiser sees in x = image + sigma * noise.  Flow's x = (1 - sigma) * image +
 * sigma * noise has out = noise - image, which for the image is the same line as an epsilon's. */
static inline float sdrt_sampler_image(const struct sdrt_noise_model *m, float sigma, float x,
                                       float out)
{
    if (m->edm) {
        const float data = (float)m->sigma_data, both = sigma * sigma + data * data;
        const float gain = sigma * data / sqrtf(both);
        return data * data / both * x + (m->prediction == SDRT_PREDICTION_V ? -gain : gain) * out;
    }
    if (m->prediction == SDRT_PREDICTION_V)
        return out * (-sigma / sqrtf(sigma * sigma + 1.0f)) + x / (sigma * sigma + 1.0f);
    return x - sigma * out;
}

/* The image in x = sqrt(a) * image + sqrt(1 - a) * noise, given both roots; of a flow, they are
 * 1 - sigma and sigma. */
static inline float sdrt_sampler_image_vp(enum sdrt_prediction prediction, float root_a,
                                          float root_b, float x, float out)
{
    if (prediction == SDRT_PREDICTION_V) return root_a * x - root_b * out;
    if (prediction == SDRT_PREDICTION_FLOW) return x - root_b * out;
    return (x - root_b * out) / root_a;
}

/* The noise to step down to and the noise to add, so that both together are to's. */
struct sdrt_ancestral {
    double down, up;
};

static inline struct sdrt_ancestral sdrt_ancestral(double from, double to, double eta)
{
    const double most = isinf(from) ? eta * to
                                    : eta * sqrt(to * to * (from * from - to * to) / (from * from));
    const double up = eta > 0.0 ? fmin(to, most) : 0.0;

    return (struct sdrt_ancestral){ sqrt(fmax(to * to - up * up, 0.0)), up };
}

/* sampler_check.c: whether a method, NULL for none, can do what is asked; SDRT_E_ARG, SDRT_E_UNSUPPORTED. */
int sdrt_sampler_check(const struct sdrt_sampler_params *p,
                       const struct sdrt_sampler_method *method);

/* Each fills total, first, initial_scale and the arrays behind plan, or writes a line to the log
 * and returns an error; what it allocated is sdrt_sampler_free()'s to release. */
int sdrt_sampler_plan_sigmas(struct sdrt_sampler *s);
int sdrt_sampler_plan_heun(struct sdrt_sampler *s);
int sdrt_sampler_plan_ddim(struct sdrt_sampler *s);
int sdrt_sampler_plan_lcm(struct sdrt_sampler *s);
int sdrt_sampler_plan_tcd(struct sdrt_sampler *s);
int sdrt_sampler_plan_plms(struct sdrt_sampler *s);
int sdrt_sampler_plan_k(struct sdrt_sampler *s);
int sdrt_sampler_plan_fast(struct sdrt_sampler *s);
int sdrt_sampler_plan_restart(struct sdrt_sampler *s);
int sdrt_sampler_plan_adaptive(struct sdrt_sampler *s);
int sdrt_sampler_plan_heunpp(struct sdrt_sampler *s);

/* For plans: room for so many evaluations and steps, which replaces what s->plan points to; and the
 * timesteps of all evaluations from their sigmas.  SDRT_E_NOMEM. */
int sdrt_sampler_plan_room(struct sdrt_sampler *s, int total, int steps);
int sdrt_sampler_plan_timesteps(struct sdrt_sampler *s);

/* The timestep at which the model sees a noise level; train_sigmas are [train_steps]. */
double sdrt_sampler_timestep_of(const struct sdrt_sampler *s, const float *train_sigmas,
                                double sigma);

/* Raises the evaluations' noise levels at which steps begin, as tuning says.  SDRT_E_NOMEM. */
int sdrt_sampler_plan_churn(struct sdrt_sampler *s);

/* sampler_d.c: steps. */
void sdrt_sampler_step_unipc(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_deis(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_plms(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_tcd(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);

/* sampler_fast.c and sampler_pp.c: the same. */
void sdrt_sampler_step_fast(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_restart(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_euler_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_2m_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_2s_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_gradient_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_res_pp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_er(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
int sdrt_sampler_draws_fast(const struct sdrt_sampler *s, int i);
int sdrt_sampler_draws_restart(const struct sdrt_sampler *s, int i);
int sdrt_sampler_draws_ancestral(const struct sdrt_sampler *s, int i);
int sdrt_sampler_draws_er(const struct sdrt_sampler *s, int i);

/* sampler_adaptive.c: the same, and back to evaluation 0. */
void sdrt_sampler_step_adaptive(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
int sdrt_sampler_draws_adaptive(const struct sdrt_sampler *s, int i);
void sdrt_sampler_begin_adaptive(struct sdrt_sampler *s);

/* sampler_k.c: steps, and what their rows of the table have beside them. */
void sdrt_sampler_step_lms(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_ipndm(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_gradient(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_heunpp(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_res(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_dpm2(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_dpm2_a(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_dpmpp_2s_a(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_dpmpp_sde(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_dpmpp_2m_sde(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
void sdrt_sampler_step_dpmpp_3m_sde(struct sdrt_sampler *s, const struct sdrt_sampler_work *w);
double sdrt_sampler_middle_dpm2(const struct sdrt_sampler *s, double from, double to);
double sdrt_sampler_middle_sde(const struct sdrt_sampler *s, double from, double to);
double sdrt_sampler_middle_ancestral(const struct sdrt_sampler *s, double from, double to);
int sdrt_sampler_draws_if_more(const struct sdrt_sampler *s, int i);
int sdrt_sampler_draws_second(const struct sdrt_sampler *s, int i);

/* The noise levels between which evaluation i's noise is the motion. */
void sdrt_sampler_span(const struct sdrt_sampler *s, int i, float *from, float *to);

#endif
