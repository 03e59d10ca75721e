/* SPDX-License-Identifier: MIT
 *
 * Trajectories against diffusers, allocations, and what is refused.
 */
#include "bench/allocations.h"
#include "model/noise/sampler.h"
#include "tests/trajectory.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_IMAGES = 4, MAX_COUNT = 64 };

/* ---- log ---- */

static char last_line[512];
static int lines;

static void keep_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", text);
    lines++;
}

static const struct sdrt_log test_log = { .fn = keep_line };

/* ---- golden trajectories ---- */

struct golden {
    struct sdrt_sampler_params p;
    size_t   images, n, count;
    uint64_t seeds[MAX_IMAGES];
    int      evals;
    float    scale;
};

static void take(FILE *f, void *to, size_t bytes)
{
    cr_assert(fread(to, 1, bytes, f) == bytes, "golden file ends early");
}

static FILE *open_golden(uint32_t *cases)
{
    const char *folder = getenv("SDRT_TESTDATA");
    char path[4096], magic[8];
    FILE *f;

    snprintf(path, sizeof path, "%s/golden/sampler.bin", folder ? folder : "tests");
    f = fopen(path, "rb");
    cr_assert_not_null(f, "%s cannot be opened", path);
    take(f, magic, sizeof magic);
    cr_assert(!memcmp(magic, "SDRTSMP1", sizeof magic));
    take(f, cases, sizeof *cases);
    return f;
}

static struct golden read_case(FILE *f)
{
    struct golden g = { .p.log = &test_log };
    int32_t head[8];
    double shift;

    take(f, head, sizeof head);
    take(f, &shift, sizeof shift);
    g.p.kind = (enum sdrt_sampler_kind)head[0];
    g.p.schedule = (enum sdrt_schedule_kind)head[1];
    g.p.noise = sdrt_noise_model_default((enum sdrt_prediction)head[2]);
    g.p.noise.spacing = (enum sdrt_spacing)head[3];
    g.p.noise.flow_shift = shift;
    g.p.steps = head[4];
    g.p.first_step = head[5];
    g.images = (size_t)head[6];
    g.n = (size_t)head[7];
    g.count = g.images * g.n;
    cr_assert(g.images <= MAX_IMAGES && g.count <= MAX_COUNT);
    take(f, g.seeds, g.images * sizeof *g.seeds);
    take(f, &g.evals, sizeof g.evals);
    take(f, &g.scale, sizeof g.scale);
    return g;
}

static void first_latent(const struct golden *g, const struct sdrt_sampler *s,
                         struct sdrt_rng *rngs, float *x)
{
    float noise[MAX_COUNT];

    for (size_t i = 0; i < g->images; i++) {
        sdrt_rng_seed(rngs + i, SDRT_RNG_CPU, g->seeds[i]);
        sdrt_rng_normal(rngs + i, noise + i * g->n, g->n);
    }
    for (size_t k = 0; k < g->count; k++)
        x[k] = g->p.first_step ? (float)(0.5 * sin((double)k))
                               : noise[k] * sdrt_sampler_initial_scale(s);
    if (g->p.first_step) sdrt_sampler_add_noise(s, noise, x);
}

/* Runs one case and returns its worst relative error over all latents. */
static double run_case(FILE *f, const struct golden *g)
{
    float x[MAX_COUNT + 1], in[MAX_COUNT], out[MAX_COUNT], want[MAX_COUNT], t;
    struct sdrt_rng rngs[MAX_IMAGES];
    struct sdrt_sampler *s;
    const float *timesteps;
    double worst;

    cr_assert(sdrt_sampler_create(&s, &g->p) == 0, "%s", last_line);
    cr_assert(sdrt_sampler_reset(s, g->images, g->n) == 0);
    cr_assert(sdrt_sampler_evaluations(s) == g->evals, "%d evaluations, expected %d",
              sdrt_sampler_evaluations(s), g->evals);
    if (!g->p.first_step)
        cr_expect(fabs(sdrt_sampler_initial_scale(s) / g->scale - 1) < 1e-6, "initial scale %g",
                  sdrt_sampler_initial_scale(s));
    timesteps = sdrt_sampler_timesteps(s);
    for (int e = 0; e < g->evals; e++) {
        take(f, &t, sizeof t);
        /* Karras' timesteps come from differences of logarithms 0.005 apart in float. */
        cr_expect(fabs((double)timesteps[e] - t) < 1e-3, "timestep[%d] %.6g, expected %.6g", e,
                  timesteps[e], t);
    }
    first_latent(g, s, rngs, x);
    x[g->count] = 12345.0f;
    take(f, want, g->count * sizeof *want);
    worst = relative_error(x, want, g->count);
    for (int e = 0; e < g->evals; e++) {
        sdrt_sampler_scale_input(s, e, x, in);
        denoise(in, timesteps[e], out, g->count);
        const long before = sdrt_allocations();
        cr_assert(sdrt_sampler_step(s, e, out, x, rngs) == 0, "%s", last_line);
        const long allocated = sdrt_allocations() - before;
        cr_expect(allocated == 0, "%ld allocations in evaluation %d", allocated, e);
        take(f, want, g->count * sizeof *want);
        worst = fmax(worst, relative_error(x, want, g->count));
    }
    cr_expect(x[g->count] == 12345.0f, "wrote past the latent");
    sdrt_sampler_free(&s);
    cr_expect_null(s);
    return worst;
}

Test(sampler, trajectories_of_diffusers)
{
    uint32_t cases;
    double worst = 0, sum = 0;
    FILE *f = open_golden(&cases);

    cr_assert(cases > 80);
    for (uint32_t i = 0; i < cases; i++) {
        const struct golden g = read_case(f);
        const double error = run_case(f, &g);

        cr_expect(error < 1e-5, "%s %s prediction %d spacing %d steps %d from %d: error %.3g",
                  sdrt_sampler_name(g.p.kind), sdrt_schedule_name(g.p.schedule),
                  g.p.noise.prediction, g.p.noise.spacing, g.p.steps, g.p.first_step, error);
        worst = fmax(worst, error);
        sum += error;
    }
    cr_expect(fgetc(f) == EOF, "the golden file goes on");
    fclose(f);
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%u trajectories: worst relative error %.2e, mean %.1e\n", cases, worst,
                sum / cases);
}

/* ---- schedule, against double precision ---- */

Test(schedule, training_levels)
{
    static float alphas[1000], sigmas[1000];
    const struct sdrt_noise_model m = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON);
    long double product = 1;

    sdrt_schedule_train(&m, alphas, sigmas);
    for (int i = 0; i < 1000; i++) {
        const double root = sqrt(0.00085) + (sqrt(0.012) - sqrt(0.00085)) * i / 999;
        double sigma;

        product *= 1 - (long double)root * root;
        sigma = (double)sqrtl((1 - product) / product);
        cr_expect(fabs(alphas[i] / (double)product - 1) < 1e-5, "alpha[%d] %.9g", i, alphas[i]);
        /* 1 - alpha cancels where alpha is near 1 */
        cr_expect(fabs(sigmas[i] / sigma - 1) < (i < 10 ? 2e-4 : 2e-5), "sigma[%d] %.9g", i,
                  sigmas[i]);
    }
    /* the ends that every implementation prints */
    cr_expect(fabs(sigmas[0] - 0.02916) < 1e-5 && fabs(sigmas[999] - 14.6146) < 1e-4);
}

Test(schedule, timestep_of_inverts_sigma)
{
    static float alphas[1000], sigmas[1000];
    const struct sdrt_noise_model m = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON);

    sdrt_schedule_train(&m, alphas, sigmas);
    for (int i = 0; i < 1000; i++)
        cr_expect(fabs(sdrt_schedule_timestep_of(sigmas, 1000, sigmas[i]) - i) < 1e-3, "%d", i);
    cr_expect(sdrt_schedule_timestep_of(sigmas, 1000, 0.0) == 0.0);
    cr_expect(sdrt_schedule_timestep_of(sigmas, 1000, 1e9) == 999.0);
}

/* ---- any number of steps ---- */

static struct sdrt_sampler_params params(enum sdrt_sampler_kind kind,
                                         enum sdrt_schedule_kind schedule, int steps)
{
    return (struct sdrt_sampler_params){
        .kind = kind, .schedule = schedule, .steps = steps,
        .noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON), .log = &test_log,
    };
}

/* How far from the image a run may end.  Some end at the noise of timestep 0, sigma 0.03; Restart's noise
 * levels lie between two timesteps of the stand-in. */
static double slack_of(int kind)
{
    switch (kind) {
    case SDRT_SAMPLER_DDIM:
    case SDRT_SAMPLER_PLMS:
    case SDRT_SAMPLER_TCD:
    case SDRT_SAMPLER_DEIS:
    case SDRT_SAMPLER_DPM_ADAPTIVE:
    case SDRT_SAMPLER_DPM_FAST: return 0.2;
    case SDRT_SAMPLER_RESTART: return 5e-2;
    default: return 2e-2;
    }
}

/* A denoiser that knows the image must lead each sampler to it, whatever the number of steps. */
Test(sampler, perfect_denoiser_gives_the_image)
{
    enum { N = 16 };
    struct sdrt_rng rng;
    float x[N], in[N], out[N];
    static float alphas[1000];

    for (int kind = 0; kind < SDRT_SAMPLER_COUNT; kind++)
        for (int steps = (kind == SDRT_SAMPLER_DDIM || kind == SDRT_SAMPLER_PLMS) ? 2 : 1; steps < 1000;
             steps += steps < 60 ? 1 : 93) {
            struct sdrt_sampler_params p =
                params((enum sdrt_sampler_kind)kind, SDRT_SCHEDULE_DEFAULT, steps);
            struct sdrt_sampler *s;

            if ((kind == SDRT_SAMPLER_LCM || kind == SDRT_SAMPLER_TCD) && steps > 50) break;
            /* ddim's own stride is a whole number, so its trailing spacing skips noise levels;
             * the leading one of 1 step begins at timestep 1, where unit noise does not belong. */
            if (kind != SDRT_SAMPLER_DDIM && kind != SDRT_SAMPLER_PLMS) p.noise.spacing = SDRT_SPACING_TRAILING;
            sdrt_schedule_train(&p.noise, alphas, NULL);
            cr_assert(sdrt_sampler_create(&s, &p) == 0, "%s", last_line);
            cr_assert(sdrt_sampler_reset(s, 1, N) == 0);
            sdrt_rng_seed(&rng, SDRT_RNG_CUDA, 3);
            sdrt_rng_normal(&rng, x, N);
            for (int k = 0; k < N; k++)
                x[k] *= sdrt_sampler_initial_scale(s);
            for (int e = 0; !sdrt_sampler_ended(s); e++) {
                const double a = alphas[(int)sdrt_sampler_timesteps(s)[e]];
                sdrt_sampler_scale_input(s, e, x, in);
                for (int k = 0; k < N; k++)
                    out[k] = (float)((in[k] - sqrt(a) * cos(k)) / sqrt(1 - a));
                cr_assert(sdrt_sampler_step(s, e, out, x, &rng) == 0);
            }
            for (int k = 0; k < N; k++)
                cr_expect(fabs(x[k] - cos(k)) < slack_of(kind), "%s %d steps: [%d] %g",
                          sdrt_sampler_name(p.kind), steps, k, x[k]);
            sdrt_sampler_free(&s);
        }
}

Test(sampler, reset_starts_again)
{
    enum { N = 40 };
    struct sdrt_sampler_params p = params(SDRT_SAMPLER_DPMPP_2M, SDRT_SCHEDULE_KARRAS, 6);
    struct sdrt_sampler *s;
    float x[2][N], in[N], out[N];

    cr_assert(sdrt_sampler_create(&s, &p) == 0);
    for (int run = 0; run < 2; run++) {
        cr_assert(sdrt_sampler_reset(s, 2, N / 2) == 0);
        for (int k = 0; k < N; k++)
            x[run][k] = (float)sin(k);
        for (int e = 0; e < sdrt_sampler_evaluations(s); e++) {
            sdrt_sampler_scale_input(s, e, x[run], in);
            denoise(in, sdrt_sampler_timesteps(s)[e], out, N);
            cr_assert(sdrt_sampler_step(s, e, out, x[run], NULL) == 0);
        }
    }
    cr_expect(!memcmp(x[0], x[1], sizeof x[0]));
    sdrt_sampler_free(&s);
}

/* ---- bad requests ---- */

static void expect_refused(struct sdrt_sampler_params p, int status, const char *text)
{
    struct sdrt_sampler *s = (struct sdrt_sampler *)&p;
    const int before = lines;
    const int rc = sdrt_sampler_create(&s, &p);

    cr_expect(rc == status, "got %d, expected %d for \"%s\"", rc, status, text);
    cr_expect_null(s);
    cr_expect(lines == before + 1, "%d lines for \"%s\"", lines - before, text);
    cr_expect(strstr(last_line, text), "line \"%s\", expected \"%s\"", last_line, text);
}

Test(sampler, refuses_what_it_cannot)
{
    struct sdrt_sampler_params p = params(SDRT_SAMPLER_EULER, SDRT_SCHEDULE_DEFAULT, 20);

    expect_refused(params(SDRT_SAMPLER_DDIM, SDRT_SCHEDULE_KARRAS, 20), SDRT_E_UNSUPPORTED,
                   "sampler ddim has no karras schedule");
    expect_refused(params(SDRT_SAMPLER_LCM, SDRT_SCHEDULE_KARRAS, 4), SDRT_E_UNSUPPORTED,
                   "sampler lcm has no karras schedule");
    expect_refused(params(SDRT_SAMPLER_LCM, SDRT_SCHEDULE_DEFAULT, 51), SDRT_E_ARG,
                   "expected 1 to 50");
    expect_refused(params(SDRT_SAMPLER_EULER, SDRT_SCHEDULE_DEFAULT, 0), SDRT_E_ARG,
                   "0 steps, expected 1 to 999");
    expect_refused(params(SDRT_SAMPLER_HEUN, SDRT_SCHEDULE_DEFAULT, 1000), SDRT_E_ARG,
                   "1000 steps, expected 1 to 999");
    expect_refused(params(SDRT_SAMPLER_HEUN, SDRT_SCHEDULE_DEFAULT, -2147483647), SDRT_E_ARG,
                   "expected 1 to 999");
    expect_refused(params((enum sdrt_sampler_kind)77, SDRT_SCHEDULE_DEFAULT, 5), SDRT_E_ARG,
                   "none of their enums");
    p.first_step = 20;
    expect_refused(p, SDRT_E_ARG, "first step 20, expected 0 to 19");
    p.first_step = 0;
    p.noise.beta_end = 1.5;
    expect_refused(p, SDRT_E_ARG, "betas");
    p.noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON);
    p.noise.train_steps = 0;
    expect_refused(p, SDRT_E_ARG, "0 training steps");
    p.noise = sdrt_noise_model_default(SDRT_PREDICTION_EPSILON);
    p.noise.steps_offset = 999;
    p.kind = SDRT_SAMPLER_DDIM;
    expect_refused(p, SDRT_E_ARG, "visit timestep 1949");
    p.noise = sdrt_noise_model_default(SDRT_PREDICTION_FLOW);
    expect_refused(p, SDRT_E_UNSUPPORTED, "cannot run a flow-matching model, expected euler, dpmpp_2m");
    p.kind = SDRT_SAMPLER_EULER;
    p.schedule = SDRT_SCHEDULE_AYS;
    expect_refused(p, SDRT_E_UNSUPPORTED, "not for flow-matching");
}

Test(sampler, refuses_steps_out_of_order)
{
    struct sdrt_sampler_params p = params(SDRT_SAMPLER_EULER_A, SDRT_SCHEDULE_DEFAULT, 2);
    struct sdrt_sampler *s;
    struct sdrt_rng rng;
    float x[16] = { 0 };

    sdrt_rng_seed(&rng, SDRT_RNG_CPU, 0);
    cr_assert(sdrt_sampler_create(&s, &p) == 0);
    cr_expect(sdrt_sampler_step(s, 0, x, x, &rng) == SDRT_E_ARG, "no reset");
    cr_expect(sdrt_sampler_reset(s, 0, 16) == SDRT_E_ARG);
    cr_expect(sdrt_sampler_reset(s, SIZE_MAX / 2, 3) == SDRT_E_ARG);
    cr_expect(sdrt_sampler_reset(s, 1, 16) == 0);
    cr_expect(sdrt_sampler_step(s, 1, x, x, &rng) == SDRT_E_ARG);
    cr_expect(sdrt_sampler_step(s, 0, x, x, NULL) == SDRT_E_ARG, "no generators");
    cr_expect(sdrt_sampler_step(s, 0, x, x, &rng) == 0);
    cr_expect(sdrt_sampler_step(s, 0, x, x, &rng) == SDRT_E_ARG);
    cr_expect(sdrt_sampler_step(s, 1, x, x, &rng) == 0);
    cr_expect(sdrt_sampler_step(s, 2, x, x, &rng) == SDRT_E_ARG, "past the end");
    sdrt_sampler_free(&s);
    sdrt_sampler_free(&s);
}

Test(sampler, survives_every_failed_allocation)
{
    for (int kind = 0; kind < SDRT_SAMPLER_COUNT; kind++)
        for (int fail = 0, done = 0; !done; fail++) {
            const struct sdrt_sampler_params p =
                params((enum sdrt_sampler_kind)kind, SDRT_SCHEDULE_DEFAULT, 4);
            struct sdrt_sampler *s;
            int rc;

            cr_assert(fail < 10);
            sdrt_allocations_refuse(fail);
            rc = sdrt_sampler_create(&s, &p);
            if (!rc) rc = sdrt_sampler_reset(s, 1, 16);
            done = sdrt_allocations_left() >= 0;
            sdrt_allocations_refuse(-1);
            cr_expect(rc == (done ? 0 : SDRT_E_NOMEM), "%s: allocation %d gave %d",
                      sdrt_sampler_name(p.kind), fail, rc);
            sdrt_sampler_free(&s);
        }
}

Test(sampler, names)
{
    enum sdrt_sampler_kind kind;
    enum sdrt_schedule_kind schedule;

    for (int k = 0; k < SDRT_SAMPLER_COUNT; k++) {
        cr_expect(sdrt_sampler_parse(sdrt_sampler_name((enum sdrt_sampler_kind)k), &kind,
                                     &test_log) == 0);
        cr_expect((int)kind == k);
    }
    cr_expect(sdrt_schedule_parse("karras", &schedule, &test_log) == 0);
    cr_expect(schedule == SDRT_SCHEDULE_KARRAS);
    cr_expect(sdrt_sampler_parse("eulr", &kind, &test_log) == SDRT_E_ARG);
    cr_expect(strstr(last_line, "unknown sampler 'eulr' (is it 'euler'?): expected euler, euler_a, ddim"),
              "%s", last_line);
    cr_expect(sdrt_sampler_parse("nothing", &kind, &test_log) == SDRT_E_ARG);
    cr_expect(strstr(last_line, "unknown sampler 'nothing': expected euler"), "%s", last_line);
    cr_expect(sdrt_schedule_parse("", &schedule, &test_log) == SDRT_E_ARG);
}
