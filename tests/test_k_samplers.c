/* SPDX-License-Identifier: MIT
 *
 * k-diffusion's samplers over the schedules of other programs, and the Brownian motion of torchsde that
 * some of them follow, against tests/oracle/make_k_golden.py; diffusers' against make_d_golden.py; and
 * those of other authors against make_pp_golden.py.
 */
#include "bench/allocations.h"
#include "model/noise/sampler.h"
#include "runtime/random/brownian.h"
#include "tests/trajectory.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMAGES = 2, MAX_COUNT = 64 };

static void take(FILE *f, void *to, size_t bytes)
{
    cr_assert(fread(to, 1, bytes, f) == bytes, "golden file ends early");
}

static FILE *open_golden(const char *name)
{
    const char *folder = getenv("SDRT_TESTDATA");
    char path[4096], magic[8];

    snprintf(path, sizeof path, "%s/golden/%s", folder ? folder : "tests", name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s cannot be opened", path);
    take(f, magic, sizeof magic);
    cr_assert(!memcmp(magic, "SDRTKSM1", sizeof magic));
    return f;
}

/* ---- Brownian motion ---- */

static void check_motion(FILE *f)
{
    double span[2], at[2];
    uint64_t seed;
    uint32_t head[2];
    float want[MAX_COUNT], got[MAX_COUNT];
    struct sdrt_brownian *b;

    take(f, span, sizeof span);
    take(f, &seed, sizeof seed);
    take(f, head, sizeof head);
    cr_assert_leq(head[0], MAX_COUNT);
    cr_assert_eq(sdrt_brownian_create(&b, span[0], span[1], head[0], NULL), 0);
    for (uint32_t q = 0; q < head[1]; q++) {
        take(f, at, sizeof at);
        take(f, want, head[0] * sizeof *want);
        sdrt_brownian_between(b, SDRT_RNG_CPU, seed, at[0], at[1], got);
        cr_expect(!memcmp(got, want, head[0] * sizeof *want),
                  "seed %llu, %.9g to %.9g: %.9g, expected %.9g", (unsigned long long)seed, at[0],
                  at[1], (double)got[0], (double)want[0]);
    }
    sdrt_brownian_free(&b);
}

/* The file at its cases. */
static FILE *skip_motions(const char *name, void (*check)(FILE *f))
{
    FILE *f = open_golden(name);
    uint32_t count;

    take(f, &count, sizeof count);
    while (count--) check(f);
    return f;
}

Test(k_samplers, motion_is_torchsdes_bit_for_bit)
{
    fclose(skip_motions("k_samplers.bin", check_motion));
}

static void pass_motion(FILE *f)
{
    uint32_t head[2];

    fseek(f, 24, SEEK_CUR);
    take(f, head, sizeof head);
    fseek(f, (long)head[1] * (16 + 4 * (long)head[0]), SEEK_CUR);
}

/* ---- trajectories ---- */

struct golden {
    struct sdrt_sampler_params p;
    struct sdrt_sampler_tuning tuning;
    size_t images, n, count;
    uint64_t seeds[MAX_IMAGES];
    int evals;
    float scale;
};

/* tuned: the case has all that a user may turn. */
static void read_case(FILE *f, struct golden *g, int tuned)
{
    int32_t head[6];
    double numbers[2];

    *g = (struct golden){ .p.log = NULL };
    take(f, head, sizeof head);
    take(f, numbers, sizeof numbers);
    g->p.kind = (enum sdrt_sampler_kind)head[0];
    g->p.schedule = (enum sdrt_schedule_kind)head[1];
    g->p.noise = sdrt_noise_model_default((enum sdrt_prediction)head[2]);
    g->p.noise.flow_shift = numbers[0];
    g->p.steps = head[3];
    g->tuning = (struct sdrt_sampler_tuning){ .eta = numbers[1], .s_noise = 1.0 };
    if (tuned) {
        double more[4];
        take(f, more, sizeof more);
        g->tuning = (struct sdrt_sampler_tuning){ numbers[1], more[0], more[1], more[2], more[3] };
    }
    g->p.tuning = &g->tuning;
    g->images = (size_t)head[4];
    g->n = (size_t)head[5];
    g->count = g->images * g->n;
    cr_assert(g->images <= MAX_IMAGES && g->count <= MAX_COUNT);
    take(f, g->seeds, g->images * sizeof *g->seeds);
    take(f, &g->evals, sizeof g->evals);
    take(f, &g->scale, sizeof g->scale);
}

static double run_case(FILE *f, const struct golden *g)
{
    float x[MAX_COUNT + 1], in[MAX_COUNT], out[MAX_COUNT], want[MAX_COUNT], t[256];
    float plain[MAX_COUNT];
    struct sdrt_rng rngs[MAX_IMAGES];
    struct sdrt_sampler *s;
    double worst = 0;

    cr_assert(sdrt_sampler_create(&s, &g->p) == 0);
    cr_assert(sdrt_sampler_reset(s, g->images, g->n) == 0);
    const int adaptive = sdrt_sampler_is_adaptive(g->p.kind);
    cr_assert((adaptive || sdrt_sampler_evaluations(s) == g->evals) && g->evals <= 256,
              "%s %s: %d evaluations, expected %d", sdrt_sampler_name(g->p.kind),
              sdrt_schedule_name(g->p.schedule), sdrt_sampler_evaluations(s), g->evals);
    cr_expect(fabs(sdrt_sampler_initial_scale(s) / g->scale - 1) < 1e-6, "%s %s: initial scale %g",
              sdrt_sampler_name(g->p.kind), sdrt_schedule_name(g->p.schedule),
              sdrt_sampler_initial_scale(s));
    take(f, t, (size_t)g->evals * sizeof *t);
    for (size_t i = 0; i < g->images; i++) {
        sdrt_rng_seed(rngs + i, SDRT_RNG_CPU, g->seeds[i]);
        sdrt_rng_normal(rngs + i, x + i * g->n, g->n);
    }
    for (size_t k = 0; k < g->count; k++) x[k] *= sdrt_sampler_initial_scale(s);
    x[g->count] = 12345.0f;
    for (int e = 0; e <= g->evals; e++) {
        take(f, want, g->count * sizeof *want);
        if (e < g->evals) cr_assert_eq(sdrt_sampler_churn(s, e, x, rngs), 0);
        const double error = relative_error(x, want, g->count);
        if (error > worst) worst = error;
        if (e == g->evals) break;
        cr_expect(fabs((double)sdrt_sampler_timesteps(s)[e] - (double)t[e]) < 2e-2,
                  "%s %s: timestep[%d] %.7g, expected %.7g", sdrt_sampler_name(g->p.kind),
                  sdrt_schedule_name(g->p.schedule), e, sdrt_sampler_timesteps(s)[e], t[e]);
        sdrt_sampler_scale_input(s, e, x, in);
        denoise(in, sdrt_sampler_timesteps(s)[e], out, g->count);
        for (size_t k = 0; k < g->count; k++) plain[k] = out[k] * 0.9f - 0.05f;
        if (sdrt_sampler_needs_unguided(g->p.kind)) sdrt_sampler_unguided(s, plain);
        const long before = sdrt_allocations();
        cr_assert(sdrt_sampler_step(s, e, out, x, rngs) == 0);
        cr_expect_eq(sdrt_allocations(), before, "%s allocates in a step",
                     sdrt_sampler_name(g->p.kind));
    }
    cr_expect(x[g->count] == 12345.0f, "wrote behind the latents");
    cr_expect(sdrt_sampler_ended(s), "%s goes on after %d evaluations",
              sdrt_sampler_name(g->p.kind), g->evals);
    sdrt_sampler_free(&s);
    return worst;
}

/* Times of the motion are rounded to 1e-6, so that a noise level's last digit may move it by the square
 * root of that. */
static double limit_of(enum sdrt_sampler_kind kind, double eta)
{
    const int moves = kind == SDRT_SAMPLER_DPMPP_SDE || kind == SDRT_SAMPLER_DPMPP_2M_SDE ||
                      kind == SDRT_SAMPLER_DPMPP_3M_SDE;

    return moves && eta != 0.0 ? 2e-3 : 1e-4;
}

static void check_trajectories(const char *name, unsigned least, int tuned)
{
    FILE *f = skip_motions(name, pass_motion);
    double worst = 0;
    uint32_t cases;

    take(f, &cases, sizeof cases);
    cr_assert_geq(cases, least);
    for (uint32_t i = 0; i < cases; i++) {
        struct golden g;
        read_case(f, &g, tuned);
        const double error = run_case(f, &g);
        cr_expect(error < limit_of(g.p.kind, g.tuning.eta),
                  "%s, %s, prediction %d, %d steps, eta %g: relative error %.2g",
                  sdrt_sampler_name(g.p.kind), sdrt_schedule_name(g.p.schedule),
                  g.p.noise.prediction, g.p.steps, g.tuning.eta, error);
        if (error > worst) worst = error;
    }
    cr_log_info("%u trajectories, worst relative error %.2g", (unsigned)cases, worst);
    fclose(f);
}

Test(k_samplers, trajectories) { check_trajectories("k_samplers.bin", 246, 0); }
Test(k_samplers, trajectories_of_diffusers) { check_trajectories("d_samplers.bin", 57, 0); }
Test(k_samplers, trajectories_of_others) { check_trajectories("pp_samplers.bin", 150, 0); }

Test(k_samplers, trajectories_of_comfyui) { check_trajectories("comfy_samplers.bin", 78, 0); }

Test(k_samplers, trajectories_of_own_steps) { check_trajectories("adaptive_samplers.bin", 24, 0); }

Test(k_samplers, trajectories_with_churn) { check_trajectories("churn_samplers.bin", 20, 1); }

Test(k_samplers, churn_is_refused_where_there_is_none)
{
    const struct sdrt_sampler_tuning tuning = { .eta = -1, .s_noise = 1, .churn = 10 },
                                     bad = { .eta = -1, .s_noise = 1, .churn = -1 };
    struct sdrt_sampler_params p = { .kind = SDRT_SAMPLER_EULER_A,
                                     .steps = 5,
                                     .noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON),
                                     .tuning = &tuning };
    struct sdrt_sampler *s;

    cr_expect_eq(sdrt_sampler_create(&s, &p), SDRT_E_UNSUPPORTED);
    p.kind = SDRT_SAMPLER_EULER;
    p.tuning = &bad;
    cr_expect_eq(sdrt_sampler_create(&s, &p), SDRT_E_ARG);
    p.tuning = &tuning;
    p.noise = sdrt_noise_model_default(SDRT_PREDICTION_FLOW);
    cr_expect_eq(sdrt_sampler_create(&s, &p), SDRT_E_UNSUPPORTED);
}

/* A run that begins in the middle shares its churn out over its own steps, and what of a picture is kept has
 * the noise from before it is raised. */
Test(k_samplers, churn_of_a_part_of_a_run)
{
    const struct sdrt_sampler_tuning tuning = { .eta = -1, .s_noise = 1, .churn = 1 };
    struct sdrt_sampler_params p = { .kind = SDRT_SAMPLER_HEUN,
                                     .steps = 8,
                                     .first_step = 4,
                                     .noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON) };
    struct sdrt_sampler *plain, *s;
    float keep, gain, own;

    cr_assert_eq(sdrt_sampler_create(&plain, &p), 0);
    p.tuning = &tuning;
    cr_assert_eq(sdrt_sampler_create(&s, &p), 0);
    sdrt_sampler_mix(plain, 0, &keep, &own);
    sdrt_sampler_mix(s, 0, &keep, &gain);
    cr_expect_eq(gain, own);
    /* sqrt(sigma^2 + 1) of a level that is 1.25 times as high */
    cr_expect_float_eq(sdrt_sampler_input_divisor(s, 0), sqrtf(own * own * 1.5625f + 1.0f), 1e-4f);
    sdrt_sampler_free(&plain);
    sdrt_sampler_free(&s);
}

/* ---- steps that are chosen on the way ---- */

static struct sdrt_sampler *adaptive_of(double eta)
{
    const struct sdrt_sampler_tuning tuning = { .eta = eta, .s_noise = 1 };
    const struct sdrt_sampler_params p = {
        .kind = SDRT_SAMPLER_DPM_ADAPTIVE,
        .steps = 12,
        .noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON),
        .tuning = &tuning,
    };
    struct sdrt_sampler *s;

    cr_assert_eq(sdrt_sampler_create(&s, &p), 0);
    cr_assert_eq(sdrt_sampler_reset(s, 1, 8), 0);
    return s;
}

/* Evaluations of a run whose denoiser has slope as that of its curve. */
static int run_adaptive(struct sdrt_sampler *s, float slope, float x[8])
{
    float in[8], out[8];
    double way = 0;
    struct sdrt_rng rng;
    int e = 0;

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 5);
    sdrt_rng_normal(&rng, x, 8);
    for (int k = 0; k < 8; k++) x[k] *= sdrt_sampler_initial_scale(s);
    cr_expect_eq(sdrt_sampler_way(s), 0.0);
    for (; !sdrt_sampler_ended(s); e++) {
        sdrt_sampler_scale_input(s, e, x, in);
        for (int k = 0; k < 8; k++) out[k] = tanhf(slope * in[k]);
        cr_assert_eq(sdrt_sampler_step(s, e, out, x, &rng), 0);
        cr_expect(sdrt_sampler_way(s) >= way, "the way goes back");
        way = sdrt_sampler_way(s);
    }
    cr_expect_eq(way, 1.0);
    cr_expect_eq(sdrt_sampler_step(s, e, out, x, &rng), SDRT_E_ARG, "goes on behind its end");
    return e;
}

/* A curve that bends more takes more steps, and a sampler that is reset does the same again. */
Test(k_samplers, adaptive_follows_the_denoiser)
{
    struct sdrt_sampler *s = adaptive_of(0);
    float x[2][8];
    const int few = run_adaptive(s, 0.5f, x[0]);

    cr_assert_eq(sdrt_sampler_reset(s, 1, 8), 0);
    const int many = run_adaptive(s, 30.0f, x[0]);
    cr_expect(many > few, "%d evaluations, of a straighter one %d", many, few);
    cr_assert_eq(sdrt_sampler_reset(s, 1, 8), 0);
    cr_expect_eq(run_adaptive(s, 30.0f, x[1]), many);
    cr_expect(!memcmp(x[0], x[1], sizeof x[0]));
    sdrt_sampler_free(&s);
}

Test(k_samplers, adaptive_ends_where_there_is_no_end)
{
    struct sdrt_sampler *s = adaptive_of(0);
    float x[8] = { 1 }, out[8] = { 0 };
    double way = 0;
    int e = 0, status = 0, stage = 0;

    out[3] = NAN;
    while (!status) status = sdrt_sampler_step(s, e++, out, x, NULL);
    cr_expect(status == SDRT_E_NUMERIC && e == 3, "status %d after %d evaluations", status, e);
    cr_assert_eq(sdrt_sampler_reset(s, 1, 8), 0);
    memset(x, 0, sizeof x);
    /* The second of three answers agrees with neither of the others. */
    for (e = 0, status = 0; !status; e++) {
        for (int k = 0; k < 8; k++) out[k] = stage == 1 ? 1e6f : 0.0f;
        status = sdrt_sampler_step(s, e, out, x, NULL);
        stage = stage < 2 ? stage + 1 : !(sdrt_sampler_way(s) > way);
        way = sdrt_sampler_way(s);
    }
    cr_expect(status == SDRT_E_NUMERIC && e == sdrt_sampler_evaluations(s),
              "status %d after %d evaluations", status, e);
    sdrt_sampler_free(&s);
}

/* Without guidance, what the denoiser says is both. */
Test(k_samplers, cfg_pp_without_guidance_is_its_own_sampler)
{
    static const struct {
        enum sdrt_sampler_kind plus, plain;
    } pairs[] = { { SDRT_SAMPLER_EULER_CFG_PP, SDRT_SAMPLER_EULER },
                  { SDRT_SAMPLER_EULER_A_CFG_PP, SDRT_SAMPLER_EULER_A },
                  { SDRT_SAMPLER_DPMPP_2S_A_CFG_PP, SDRT_SAMPLER_DPMPP_2S_A },
                  { SDRT_SAMPLER_RES_MULTISTEP_CFG_PP, SDRT_SAMPLER_RES_MULTISTEP } };
    enum { N = 12 };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        float x[2][N], in[N], out[N];
        for (int side = 0; side < 2; side++) {
            const struct sdrt_sampler_params p = {
                .kind = side ? pairs[i].plain : pairs[i].plus,
                .schedule = SDRT_SCHEDULE_KARRAS,
                .steps = 6,
                .noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON),
            };
            struct sdrt_rng rng;
            struct sdrt_sampler *s;
            cr_assert_eq(sdrt_sampler_create(&s, &p), 0);
            cr_assert_eq(sdrt_sampler_reset(s, 1, N), 0);
            sdrt_rng_seed(&rng, SDRT_RNG_CPU, 3);
            sdrt_rng_normal(&rng, x[side], N);
            for (int k = 0; k < N; k++) x[side][k] *= sdrt_sampler_initial_scale(s);
            for (int e = 0; e < sdrt_sampler_evaluations(s); e++) {
                sdrt_sampler_scale_input(s, e, x[side], in);
                denoise(in, sdrt_sampler_timesteps(s)[e], out, N);
                cr_assert_eq(sdrt_sampler_step(s, e, out, x[side], &rng), 0);
            }
            sdrt_sampler_free(&s);
        }
        cr_expect(relative_error(x[0], x[1], N) < 1e-5, "%s", sdrt_sampler_name(pairs[i].plus));
    }
}

/* ---- names ---- */

Test(k_samplers, four_spellings_of_a_name)
{
    static const struct {
        const char *name, *means;
    } names[] = {
        { "Euler a", "euler_a" },
        { "euler_ancestral", "euler_a" },
        { "EulerAncestralDiscreteScheduler", "euler_a" },
        { "k_euler_a", "euler_a" },
        { "Euler", "euler" },
        { "DPM++ 2M", "dpmpp_2m" },
        { "dpm++2m", "dpmpp_2m" },
        { "DPMSolverMultistepScheduler", "dpmpp_2m" },
        { "DPM++ 2M SDE", "dpmpp_2m_sde" },
        { "dpmpp_2m_sde_gpu", "dpmpp_2m_sde" },
        { "DPM++ 3M SDE", "dpmpp_3m_sde" },
        { "DPM++ SDE", "dpmpp_sde" },
        { "DPM++ 2S a", "dpmpp_2s_a" },
        { "dpm++2s_a", "dpmpp_2s_a" },
        { "dpmpp_2s_ancestral", "dpmpp_2s_a" },
        { "DPM2 a", "dpm2_a" },
        { "dpm_2_ancestral", "dpm2_a" },
        { "dpm_2", "dpm2" },
        { "KDPM2DiscreteScheduler", "dpm2" },
        { "LMS", "lms" },
        { "Heun", "heun" },
        { "LCM", "lcm" },
        { "UniPC", "unipc" },
        { "uni_pc", "unipc" },
        { "uni_pc_bh2", "unipc_bh2" },
        { "UniPCMultistepScheduler", "unipc_2" },
        { "PNDMScheduler", "plms" },
        { "TCD", "tcd" },
        { "sample_heun", "heun" },
        { "ipndm", "ipndm" },
        { "DDIM", "ddim" },
        { "DEISMultistepScheduler", "deis" },
        { "DPM fast", "dpm_fast" },
        { "dpm_fast", "dpm_fast" },
        { "DPM adaptive", "dpm_adaptive" },
        { "Restart", "restart" },
        { "er_sde", "er_sde" },
        { "Euler CFG++", "euler_cfg_pp" },
        { "Euler a CFG++", "euler_a_cfg_pp" },
        { "euler_ancestral_cfg_pp", "euler_a_cfg_pp" },
        { "DPM++ 2M CFG++", "dpmpp_2m_cfg_pp" },
        { "dpmpp_2s_ancestral_cfg_pp", "dpmpp_2s_a_cfg_pp" },
        { "res_multistep_cfg_pp", "res_multistep_cfg_pp" },
        { "ddpm", "euler_a" },
        { "DDPMScheduler", "euler_a" },
        { "gradient_estimation", "gradient_estimation" },
        { "gradient_estimation_cfg_pp", "gradient_estimation_cfg_pp" },
        { "heunpp2", "heunpp2" },
        { "HeunPP2", "heunpp2" },
        { "FlowMatchHeunDiscreteScheduler", "heun" },
    };
    int schedule;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const int kind = sdrt_sampler_find(names[i].name, &schedule);
        cr_expect(kind >= 0 && !strcmp(sdrt_sampler_name(kind), names[i].means), "%s is %s, not %s",
                  names[i].name, kind < 0 ? "nothing" : sdrt_sampler_name(kind), names[i].means);
        cr_expect_eq(schedule, -1, "%s", names[i].name);
    }
    cr_expect_eq(sdrt_sampler_find("DPM++ 2M SDE Karras", &schedule), SDRT_SAMPLER_DPMPP_2M_SDE);
    cr_expect_eq(schedule, SDRT_SCHEDULE_KARRAS);
    cr_expect_eq(sdrt_sampler_find("DPM++ 2M Karras", NULL), -1);
    cr_expect_eq(sdrt_sampler_find("", &schedule), -1);
    cr_expect_eq(sdrt_sampler_find("DPM++ 2M nothing", &schedule), -1);
    cr_expect_eq(sdrt_schedule_find("Align Your Steps"), SDRT_SCHEDULE_AYS);
    cr_expect_eq(sdrt_schedule_find("SGM Uniform"), SDRT_SCHEDULE_SGM_UNIFORM);
    cr_expect_eq(sdrt_schedule_find("KL Optimal"), SDRT_SCHEDULE_KL_OPTIMAL);
    cr_expect_eq(sdrt_schedule_find("karras"), SDRT_SCHEDULE_KARRAS);
    cr_expect_eq(sdrt_schedule_find("Automatic"), SDRT_SCHEDULE_DEFAULT);
    cr_expect_eq(sdrt_schedule_find("kar"), -1);
}

static char said[512];

static void keep_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(said, sizeof said, "%s", text);
}

/* Every name of ComfyUI's samplers and schedules, of diffusers' schedulers that draw pictures of latents, and of
 * stable-diffusion.cpp's is taken, or refused by itself with one that is there. */
Test(k_samplers, names_of_others_are_known)
{
    static const char *const samplers[] = {
        "euler", "euler_cfg_pp", "euler_ancestral", "euler_ancestral_cfg_pp", "heun", "heunpp2",
        "exp_heun_2_x0", "exp_heun_2_x0_sde", "dpm_2", "dpm_2_ancestral", "lms", "dpm_fast",
        "dpm_adaptive", "dpmpp_2s_ancestral", "dpmpp_2s_ancestral_cfg_pp", "dpmpp_sde",
        "dpmpp_sde_gpu", "dpmpp_2m", "dpmpp_2m_cfg_pp", "dpmpp_2m_sde", "dpmpp_2m_sde_gpu",
        "dpmpp_2m_sde_heun", "dpmpp_2m_sde_heun_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm",
        "lcm", "ipndm", "ipndm_v", "deis", "res_multistep", "res_multistep_cfg_pp",
        "res_multistep_ancestral", "res_multistep_ancestral_cfg_pp", "gradient_estimation",
        "gradient_estimation_cfg_pp", "er_sde", "seeds_2", "seeds_3", "sa_solver", "sa_solver_pece",
        "ddim", "uni_pc", "uni_pc_bh2", /* stable-diffusion.cpp's */
        "euler_a", "dpm2", "dpm++2s_a", "dpm++2m", "dpm++2mv2", "ddim_trailing", "tcd", "res_2s",
        /* diffusers' */
        "CMStochasticIterativeScheduler", "DDIMInverseScheduler", "DDIMParallelScheduler",
        "DDIMScheduler", "DDPMParallelScheduler", "DDPMScheduler", "DEISMultistepScheduler",
        "DPMSolverMultistepInverseScheduler", "DPMSolverMultistepScheduler",
        "DPMSolverSDEScheduler", "DPMSolverSinglestepScheduler", "EDMDPMSolverMultistepScheduler",
        "EDMEulerScheduler", "EulerAncestralDiscreteScheduler", "EulerDiscreteScheduler",
        "FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler",
        "FlowMatchLCMScheduler", "HeunDiscreteScheduler", "IPNDMScheduler", "KarrasVeScheduler",
        "KDPM2AncestralDiscreteScheduler", "KDPM2DiscreteScheduler", "LCMScheduler",
        "LMSDiscreteScheduler", "PNDMScheduler", "RePaintScheduler", "SASolverScheduler",
        "ScoreSdeVeScheduler", "TCDScheduler", "UnCLIPScheduler", "UniPCMultistepScheduler"
    };
    /* clang-format off */
    static const char *const schedules[] = {
        "simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal",
        "linear_quadratic", "kl_optimal", "discrete", "ays", "gits", "smoothstep", "bong_tangent",
        "lcm", "Polyexponential", "Align Your Steps", "Align Your Steps GITS", "Automatic",
        "Uniform", "Turbo", "DDIM", "beta57", "laplace", "use_lu_lambdas",
    };
    /* clang-format on */
    const struct sdrt_log log = { .fn = keep_line };
    enum sdrt_sampler_kind sampler;
    enum sdrt_schedule_kind schedule;
    int refused = 0;

    for (size_t i = 0; i < sizeof samplers / sizeof *samplers; i++) {
        char near[32] = "";
        if (!sdrt_sampler_parse(samplers[i], &sampler, &log)) continue;
        const char *at = strstr(said, "expected ");
        cr_expect(strstr(said, samplers[i]) && at &&
                      sscanf(at, "expected %31[a-z0-9_], ", near) == 1 && strstr(said, "nearest") &&
                      sdrt_sampler_find(near, NULL) >= 0,
                  "%s: %s", samplers[i], said);
        refused++;
    }
    for (size_t i = 0; i < sizeof schedules / sizeof *schedules; i++) {
        char near[32] = "";
        if (!sdrt_schedule_parse(schedules[i], &schedule, &log)) continue;
        const char *at = strstr(said, "expected ");
        cr_expect(strstr(said, schedules[i]) && at &&
                      sscanf(at, "expected %31[a-z0-9_], ", near) == 1 && strstr(said, "nearest") &&
                      sdrt_schedule_find(near) >= 0,
                  "%s: %s", schedules[i], said);
        refused++;
    }
    cr_expect_eq(refused, 32, "%d are refused", refused);
    cr_expect_eq(sdrt_sampler_parse("seeds_2", &sampler, &log), SDRT_E_UNSUPPORTED);
    cr_expect_eq(sdrt_sampler_parse("no such", &sampler, &log), SDRT_E_ARG);
    /* The list of all has room in a line. */
    cr_expect(strstr(said, sdrt_sampler_name(SDRT_SAMPLER_COUNT - 1)), "%s", said);
}
