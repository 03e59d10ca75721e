/* SPDX-License-Identifier: MIT
 *
 * Noise schedules: from how a model was trained to the sigmas and timesteps of a run.
 *
 * Notation of Karras et al. 2022 (arXiv:2206.00364) and of diffusers: a variance-preserving
 * latent is sqrt(a) * image + sqrt(1 - a) * noise with a = alphas[timestep], the cumulative
 * product of 1 - beta; its sigma is sqrt((1 - a) / a).  Values are computed in the precision in
 * which diffusers computes them, so that a run with the same seed gives the same image.
 * None of these functions allocates or fails; arrays are the caller's.
 */
#ifndef SDRT_MODEL_NOISE_SCHEDULE_H
#define SDRT_MODEL_NOISE_SCHEDULE_H

#ifdef __cplusplus
extern "C" {
#endif

/* What the denoiser's output means. */
enum sdrt_prediction {
    SDRT_PREDICTION_EPSILON, /* the noise: SD 1.x, SDXL */
    SDRT_PREDICTION_V,       /* sqrt(a) * noise - sqrt(1 - a) * image: SD 2.x at 768 pixels */
    SDRT_PREDICTION_FLOW,    /* noise - image on a straight path: SD 3.x */
};

/* Where not said otherwise, over the whole range of noise that the model was trained for; they end in
 * no noise at all. */
enum sdrt_schedule_kind {
    SDRT_SCHEDULE_DEFAULT,     /* the model's timesteps, by its spacing */
    SDRT_SCHEDULE_KARRAS,      /* over the range of those: schedule.h */
    SDRT_SCHEDULE_EXPONENTIAL, /* each sigma the same share of the one before */
    SDRT_SCHEDULE_SGM_UNIFORM, /* timesteps evenly, the last one left out */
    SDRT_SCHEDULE_SIMPLE,      /* every so many of the trained sigmas, from the noisiest down */
    SDRT_SCHEDULE_NORMAL,      /* timesteps evenly, down to the first: the web UI's "Uniform" */
    SDRT_SCHEDULE_DDIM,        /* every so many from the second up, which may be a step more */
    SDRT_SCHEDULE_BETA,        /* Lee et al. 2024 (arXiv:2407.12173), as diffusers and the web UI: sigmas
                                * at quantiles of the beta distribution of 0.6 and 0.6 */
    SDRT_SCHEDULE_AYS,         /* Sabour et al. 2024 (arXiv:2404.14507), for SD 1.x and 2.x */
    SDRT_SCHEDULE_AYS_SDXL,    /* the same for SDXL */
    SDRT_SCHEDULE_KL_OPTIMAL,  /* the same paper, theorem 3.1: evenly in the arc tangent of sigma */
    SDRT_SCHEDULE_LINEAR_QUADRATIC, /* Genmo's: half of the steps within the first 0.025 */
    SDRT_SCHEDULE_COUNT
};

/* Which training timesteps a run of few steps visits (Lin et al. 2023, arXiv:2305.08891,
 * table 2). */
enum sdrt_spacing {
    SDRT_SPACING_LEADING,
    SDRT_SPACING_TRAILING,
    SDRT_SPACING_LINSPACE,
    SDRT_SPACING_COUNT
};

/* How a model was trained, as its scheduler_config.json tells it. */
struct sdrt_noise_model {
    enum sdrt_prediction prediction;
    enum sdrt_spacing    spacing;
    int    train_steps;
    int    steps_offset;         /* added to each timestep of the leading spacing */
    double beta_start, beta_end; /* scaled-linear: the square roots are linear in the timestep */
    int    zero_snr;             /* 1: the betas are rescaled so that the last step is all noise
                                  * (the same paper, algorithm 1) */
    double flow_shift;           /* FLOW alone: 1 for none, 3 for SD 3.x */
    /* Karras et al. 2022: noise levels are chosen, not trained at timesteps, and the denoiser's input
     * and output are scaled by them (table 1, "EDM"); the betas mean nothing then. */
    int    edm;                  /* 1: so it is */
    double sigma_min, sigma_max, sigma_data;
    int    exponential;          /* 1: the default schedule's sigmas are a geometric row, not Karras' */
    /* Of a folder's scheduler file, for the samplers that heed it. */
    double clip_sample;          /* above 0: ddim and lcm clip the image to this, both ways */
    int    final_alpha_one;      /* 1: ddim's last step ends without noise, not at timestep 0's */
};

/* The values of Stable Diffusion's published configurations: 1000 steps, betas 0.00085 to 0.012,
 * leading, offset 1; for FLOW a shift of 3. */
struct sdrt_noise_model sdrt_noise_model_default(enum sdrt_prediction prediction);

/* Writes alphas[train_steps] (see above) and, unless NULL, sigmas[train_steps], which stay
 * finite where zero_snr makes the last alpha zero. */
void sdrt_schedule_train(const struct sdrt_noise_model *m, float *alphas, float *sigmas);

/* Writes the timesteps[steps] of a run, from noise to image; linspace makes them not whole.
 * With spare not 0 the leading spacing and linspace are made for steps + 1 steps and lose the
 * last, as DPM-Solver++ wants it. */
void sdrt_schedule_timesteps(const struct sdrt_noise_model *m, int steps, int spare,
                             double *timesteps);

/* Names as diffusers and users spell them: "leading", "trailing", "linspace"; "epsilon", "v".
 * _name returns a constant text, NULL for none: flow, which no user can choose, has none.
 * _parse returns 1 with *out set, or 0. */
const char *sdrt_spacing_name(int spacing);
const char *sdrt_prediction_name(int prediction);
int sdrt_spacing_parse(const char *name, enum sdrt_spacing *out);

/* Writes sigmas[steps] from sigma_max down to sigma_min, each the same share of the one before. */
void sdrt_schedule_exponential(double sigma_max, double sigma_min, int steps, double *sigmas);

/* Writes sigmas[steps] from sigma_max down to sigma_min, Karras et al. eq. 5 with rho = 7. */
void sdrt_schedule_karras(double sigma_max, double sigma_min, int steps, double *sigmas);

/* The (fractional) timestep at which a model with train_sigmas[train_steps] has this sigma,
 * interpolated in log sigma and clamped to the trained range. */
double sdrt_schedule_timestep_of(const float *train_sigmas, int train_steps, double sigma);

/* The sigmas of the model's timesteps that the schedules behind karras are made of: of a flow, whose
 * betas mean nothing, those of its shift; else the trained ones.  train [train_steps]. */
void sdrt_schedule_flow_train(const struct sdrt_noise_model *m, float *train);

/* How many sigmas such a schedule has for so many steps: as many, or for DDIM one more. */
int sdrt_schedule_count(enum sdrt_schedule_kind kind, int train_steps, int steps);

/* Writes them, falling, without the 0 at the end. */
void sdrt_schedule_fill(const struct sdrt_noise_model *m, enum sdrt_schedule_kind kind,
                        const float *train, int steps, double *sigmas);

/* Quantile p of the beta distribution of a and b. */
double sdrt_beta_quantile(double p, double a, double b);

/* Writes sigmas[steps] of a flow-matching run; the timestep of each is sigma * train_steps.  Those
 * of diffusers' flow Euler, or with solver not 0 of its multistep solver: nearly the same.
 * sigma' = shift * sigma / (1 + (shift - 1) * sigma), Esser et al. 2024 (arXiv:2403.03206). */
void sdrt_schedule_flow(const struct sdrt_noise_model *m, int steps, int solver, double *sigmas);

#ifdef __cplusplus
}
#endif

#endif
