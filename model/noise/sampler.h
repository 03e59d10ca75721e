/* SPDX-License-Identifier: MIT
 *
 * Samplers: from noise and a denoiser to a latent.
 *
 * A sampler is planned as a whole before the run, so that all its timesteps are known ahead
 * and nothing is allocated while it runs:
 *
 *     struct sdrt_sampler_params p = { .kind = SDRT_SAMPLER_EULER, .steps = 20,
 *         .noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON), .log = log };
 *     sdrt_sampler_create(&s, &p);
 *     sdrt_sampler_reset(s, images, 4 * height * width);
 *     latent = unit noise * sdrt_sampler_initial_scale(s);
 *     for (int e = 0; e < sdrt_sampler_evaluations(s); e++) {
 *         sdrt_sampler_scale_input(s, e, latent, model_in);
 *         model_out = denoiser(model_in, sdrt_sampler_timesteps(s)[e]), guided;
 *         sdrt_sampler_step(s, e, model_out, latent, rngs);
 *     }
 *     sdrt_sampler_free(&s);
 *
 * A latent here is float [images, n]; what the n numbers of an image mean does not matter
 * to the arithmetic.  Noise is drawn n numbers an image in the order of memory, so to get the
 * images of diffusers for a seed the latent must be [images, channels, height, width].
 *
 * The formulas and their order of operations are as in diffusers 0.42's schedulers of the same
 * names (EulerDiscrete, EulerAncestralDiscrete, DDIM with eta 0, DPMSolverMultistep,
 * HeunDiscrete, LCM, FlowMatchEulerDiscrete; EDMEuler and EDMDPMSolverMultistep for models of EDM, which
 * euler_a and heun draw too, as in k-diffusion).  euler_a with the Karras schedule, which
 * diffusers lacks, takes the sigmas and timesteps of euler with it, as k-diffusion does.
 */
#ifndef SDRT_MODEL_NOISE_SAMPLER_H
#define SDRT_MODEL_NOISE_SAMPLER_H

#include "model/noise/schedule.h"
#include "runtime/base/error.h"
#include "runtime/random/rng.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_sampler_kind {
    SDRT_SAMPLER_EULER,    /* Karras et al. 2022, algorithm 2 without its correction */
    SDRT_SAMPLER_EULER_A,  /* the same with fresh noise each step */
    SDRT_SAMPLER_DDIM,     /* Song et al. 2020 (arXiv:2010.02502), eq. 12, eta 0 */
    SDRT_SAMPLER_DPMPP_2M, /* Lu et al. 2022 (arXiv:2211.01095), algorithm 2 */
    SDRT_SAMPLER_HEUN,     /* Karras et al. 2022, algorithm 2: two evaluations a step */
    SDRT_SAMPLER_LCM,      /* Luo et al. 2023 (arXiv:2310.04378), for models distilled so */
    /* Those of k-diffusion (sampler_k.c), by its names for them.  Of two evaluations a step: */
    SDRT_SAMPLER_DPM2,       /* Lu et al. 2022 (arXiv:2206.00927): the slope at the middle */
    SDRT_SAMPLER_DPM2_A,     /* the same with fresh noise */
    SDRT_SAMPLER_DPMPP_2S_A, /* DPM-Solver++(2S), with fresh noise */
    SDRT_SAMPLER_DPMPP_SDE,  /* DPM-Solver++ of the stochastic equation, by Brownian motion */
    /* Of one: */
    SDRT_SAMPLER_DPMPP_2M_SDE,  /* the same with two images, midpoint */
    SDRT_SAMPLER_DPMPP_3M_SDE,  /* and with three */
    SDRT_SAMPLER_LMS,           /* Adams-Bashforth over the real steps, order 4 */
    SDRT_SAMPLER_IPNDM,         /* Zhang and Chen 2022 (arXiv:2204.13902): over equal ones */
    SDRT_SAMPLER_RES_MULTISTEP, /* Zhang et al. 2023 (arXiv:2308.02157), two images */
    /* Of sampler_d.c, as in diffusers: */
    SDRT_SAMPLER_UNIPC_2, /* Zhao et al. 2023 (arXiv:2302.04867), order 2, bh2: as diffusers has it unasked */
    SDRT_SAMPLER_PLMS,  /* Liu et al. 2022 (arXiv:2202.09778), without Runge and Kutta */
    SDRT_SAMPLER_TCD,   /* Zheng et al. 2024 (arXiv:2402.19159), for models distilled so; eta 0.3 */
    SDRT_SAMPLER_DEIS,  /* Zhang and Chen 2022 (arXiv:2204.13902), order 2, log rho */
    /* Of sampler_fast.c, which divide their range as they want it: */
    SDRT_SAMPLER_DPM_FAST, /* Lu et al. 2022 (arXiv:2206.00927): steps of three evaluations, eta 0 */
    SDRT_SAMPLER_RESTART, /* Xu et al. 2023 (arXiv:2306.14878): Heun's, and up again from 0.1 to 2 */
    /* Of sampler_pp.c, as in ComfyUI: */
    SDRT_SAMPLER_ER_SDE,       /* Cui et al. 2023 (arXiv:2309.06169), three images */
    SDRT_SAMPLER_EULER_CFG_PP, /* CFG++, Chung et al. 2024 (arXiv:2406.08070), for a guidance of 1 to 2 */
    SDRT_SAMPLER_EULER_A_CFG_PP,
    SDRT_SAMPLER_DPMPP_2M_CFG_PP,
    SDRT_SAMPLER_DPMPP_2S_A_CFG_PP,
    SDRT_SAMPLER_RES_MULTISTEP_CFG_PP,
    SDRT_SAMPLER_DPM_ADAPTIVE, /* Lu et al. 2022 (arXiv:2206.00927), orders 2 and 3: chooses its steps on the
                                * way (sampler_adaptive.c); steps say where it begins, eta 0 */
    SDRT_SAMPLER_UNIPC,     /* order 3, bh1: as the web UI and ComfyUI have it unasked */
    SDRT_SAMPLER_UNIPC_BH2, /* order 3, bh2 */
    /* As in ComfyUI: */
    SDRT_SAMPLER_GRADIENT_ESTIMATION, /* Permenter and Yuan 2024 (arXiv:2306.04848), gamma 2: euler along the
                                       * slope and what it changes by */
    SDRT_SAMPLER_GRADIENT_ESTIMATION_CFG_PP, /* the same with CFG++ */
    SDRT_SAMPLER_HEUNPP2, /* heun with the slope of a third evaluation, and weights by the noise that is there */
    SDRT_SAMPLER_COUNT
};

/* What a user may turn.  eta: how much noise is added anew, as a share of what the method adds; below 0
 * the method's own, 1, or 0 for ddim.  s_noise: a factor on it.  churn: how much euler, heun and dpm2 raise
 * the noise before steps that begin between tmin and tmax (0: without end), shared out over all steps; 0 for
 * none.  Karras et al. 2022, algorithm 2. */
struct sdrt_sampler_tuning {
    double eta, s_noise, churn, tmin, tmax;
};

struct sdrt_sampler_params {
    enum sdrt_sampler_kind  kind;
    enum sdrt_schedule_kind schedule;
    int steps;
    int first_step;            /* 0 for a whole run; k leaves out the first k steps, for a run that
                                * starts at an image with noise (see sdrt_sampler_add_noise) */
    struct sdrt_noise_model noise;
    const struct sdrt_sampler_tuning *tuning; /* read when the sampler is made; NULL: eta -1, s_noise 1 */
    const double *sigmas;      /* n_sigmas noise levels in place of the schedule's, which fall, the last
                                * of them above 0; NULL: none.  steps then says as many */
    const double *own_timesteps; /* the same by timesteps of the training */
    int n_sigmas, n_timesteps;
    const struct sdrt_log *log; /* may be NULL; must outlive the sampler */
};

struct sdrt_sampler;

/* Names as users spell them ("euler", "dpmpp_2m", "karras").  _name returns a constant text, NULL
 * for no kind; _parse writes *out or fails with SDRT_E_ARG and a line naming the choices, or with
 * SDRT_E_UNSUPPORTED and the nearest that there is for a name that other programs have. */
const char *sdrt_sampler_name(int kind);
const char *sdrt_schedule_name(int kind);
int sdrt_sampler_parse(const char *name, enum sdrt_sampler_kind *out, const struct sdrt_log *log);
int sdrt_schedule_parse(const char *name, enum sdrt_schedule_kind *out,
                        const struct sdrt_log *log);

/* What a name means in the spelling of any of four programs (the web UI, ComfyUI, diffusers,
 * stable-diffusion.cpp), whatever its case and punctuation: "DPM++ 2M" is dpmpp_2m.  A number of the
 * enum, or -1.  A name that ends in a schedule's, "DPM++ 2M Karras", sets *schedule, which may be
 * NULL, to that, else to -1. */
int sdrt_sampler_find(const char *name, int *schedule);
int sdrt_schedule_find(const char *name);

/* Plans a run.  *out belongs to the caller, who ends it with sdrt_sampler_free(); it is NULL after
 * an error: SDRT_E_ARG (steps or noise model out of range), SDRT_E_UNSUPPORTED (ddim and lcm have
 * no Karras schedule, and draw no model of EDM; flow matching runs with euler and dpmpp_2m and the
 * default one) or
 * SDRT_E_NOMEM. */
int sdrt_sampler_create(struct sdrt_sampler **out, const struct sdrt_sampler_params *params);
void sdrt_sampler_free(struct sdrt_sampler **s);

/* Evaluations of a step, but for the last two, which may have fewer: 1 to 3. */
int sdrt_sampler_evaluations_of(enum sdrt_sampler_kind kind);

/* Whether it chooses its steps on the way, from what the denoiser says, so that neither their number nor their
 * timesteps are known ahead.  All images of its latents share the choice. */
int sdrt_sampler_is_adaptive(enum sdrt_sampler_kind kind);

/* Whether its steps also read what the denoiser says without guidance: see sdrt_sampler_unguided(). */
int sdrt_sampler_needs_unguided(enum sdrt_sampler_kind kind);

/* Whether another sampler can go on after some of its steps with the next of the same schedule. */
int sdrt_sampler_can_split(enum sdrt_sampler_kind kind);

/* Sets the size of the latents, allocates the history for it and goes back to evaluation 0.
 * SDRT_E_ARG if images or n is 0 or their product too large, SDRT_E_NOMEM. */
int sdrt_sampler_reset(struct sdrt_sampler *s, size_t images, size_t n);

/* Whose motion the samplers of stochastic equations follow: a seed for each image, which stay the
 * caller's until the last step.  Without it, that of the generators of sdrt_sampler_step(). */
void sdrt_sampler_seed(struct sdrt_sampler *s, enum sdrt_rng_kind kind, const uint64_t *seeds);

/* What the denoiser says without guidance, [images, n], which the following steps read until they are
 * told otherwise; the caller's, and NULL at first: the guided output, as without guidance. */
void sdrt_sampler_unguided(struct sdrt_sampler *s, const float *out);

/* Denoiser evaluations of the whole run, and the timestep of each (the sampler's memory).  Where that is
 * chosen on the way: the most that there may be, and the timesteps of those that have been and of the next. */
int sdrt_sampler_evaluations(const struct sdrt_sampler *s);
const float *sdrt_sampler_timesteps(const struct sdrt_sampler *s);

/* Whether the run is at its end; and what share of its way is behind the steps that have been taken, 0 to 1,
 * of a sampler that chooses them on the way. */
int sdrt_sampler_ended(const struct sdrt_sampler *s);
double sdrt_sampler_way(const struct sdrt_sampler *s);

/* The factor that turns unit noise into the first latent of a whole run. */
float sdrt_sampler_initial_scale(const struct sdrt_sampler *s);

/* The latent of evaluation eval is divided by this before it enters the denoiser. */
float sdrt_sampler_input_divisor(const struct sdrt_sampler *s, int eval);

/* Before evaluation eval: raises the noise of latent [images, n] where tuning has a churn, by n numbers
 * drawn from each of rngs[images] at every step, as k-diffusion 0.1.1 draws.  Allocates nothing.  SDRT_E_ARG
 * without rngs where they are needed. */
int sdrt_sampler_churn(struct sdrt_sampler *s, int eval, float *latent, struct sdrt_rng *rngs);

/* model_in = latent / divisor, both [images, n]; they may be one array. */
void sdrt_sampler_scale_input(const struct sdrt_sampler *s, int eval, const float *latent,
                              float *model_in);

/* The image that evaluation eval sees behind the noise of latent, given its (guided) output; all
 * [images, n], and image may be latent.  For looking at a run on its way. */
void sdrt_sampler_denoised(const struct sdrt_sampler *s, int eval, const float *model_out,
                           const float *latent, float *image);

/* Takes the (guided) output of evaluation eval, [images, n], and moves latent [images, n] on.
 * Evaluations come in order from 0.  euler_a and lcm draw n numbers from each of rngs[images],
 * image by image; the others never touch rngs, which may then be NULL.  Allocates nothing.
 * SDRT_E_ARG when called out of order, before a reset, or without rngs where they are needed; SDRT_E_NUMERIC
 * where steps are chosen on the way and lead to no end. */
int sdrt_sampler_step(struct sdrt_sampler *s, int eval, const float *model_out, float *latent,
                      struct sdrt_rng *rngs);

/* Of a clean latent and unit noise, evaluation eval expects keep * latent + gain * noise. */
void sdrt_sampler_mix(const struct sdrt_sampler *s, int eval, float *keep, float *gain);

/* Turns the clean latent of an image into what evaluation 0 expects (with first_step > 0):
 * latent and unit noise are both [images, n]. */
void sdrt_sampler_add_noise(const struct sdrt_sampler *s, const float *noise, float *latent);

#ifdef __cplusplus
}
#endif

#endif
