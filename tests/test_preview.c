/* SPDX-License-Identifier: MIT
 *
 * The picture of a run on its way: what a sampler takes for the image, and its colours.
 */
#include "model/pipeline/preview.h"
#include "model/noise/sampler.h"
#include "model/sdrt.h"
#include "runtime/base/error.h"
#include "tests/any_level.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 64, STEPS = 20 };

/* The output of a denoiser that knows both: for each prediction, from its definition. */
static void perfect_output(enum sdrt_prediction prediction, double a, double b,
                           const float *image, const float *noise, float *out)
{
    for (int k = 0; k < N; k++) {
        if (prediction == SDRT_PREDICTION_EPSILON) out[k] = noise[k];
        else if (prediction == SDRT_PREDICTION_FLOW) out[k] = noise[k] - image[k];
        else out[k] = (float)(a * (double)noise[k] - b * (double)image[k]);
    }
}

/* How much of image and of noise is in a latent of unit variance, found by asking the sampler
 * for the latents of either alone. */
static void find_parts(const struct sdrt_sampler *s, double *a, double *b)
{
    float one = 1.0f, none = 0.0f, latent[N], noise[N];

    for (int k = 0; k < N; k++) {
        latent[k] = k ? none : one;
        noise[k] = k ? one : none;
    }
    sdrt_sampler_add_noise(s, noise, latent);
    const double root = sqrt((double)latent[0] * (double)latent[0] +
                             (double)latent[1] * (double)latent[1]);
    *a = (double)latent[0] / root;
    *b = (double)latent[1] / root;
}

static void check_sampler(enum sdrt_sampler_kind kind, enum sdrt_prediction prediction)
{
    /* plms runs whole: a step of it needs those before. */
    struct sdrt_sampler_params p = { .kind = kind, .steps = STEPS,
                                     .first_step = kind == SDRT_SAMPLER_PLMS ? 0 : 8,
                                     .noise = sdrt_noise_model_default(prediction) };
    struct sdrt_sampler *s;
    float image[N], noise[N], latent[N], out[N];
    double a, b;

    cr_assert_eq(sdrt_sampler_create(&s, &p), 0);
    cr_assert_eq(sdrt_sampler_reset(s, 1, N), 0);
    for (int k = 0; k < N; k++) {
        image[k] = sinf((float)k);
        noise[k] = 1.5f * cosf(2.0f * (float)k);
    }
    find_parts(s, &a, &b);
    memcpy(latent, image, sizeof latent);
    sdrt_sampler_add_noise(s, noise, latent);
    perfect_output(prediction, a, b, image, noise, out);
    sdrt_sampler_denoised(s, 0, out, latent, latent);
    for (int k = 0; k < N; k++)
        cr_assert(fabsf(latent[k] - image[k]) < 2e-5f, "%s, prediction %d: %g, not %g",
                  sdrt_sampler_name(kind), (int)prediction, (double)latent[k], (double)image[k]);
    sdrt_sampler_free(&s);
}

Test(preview, a_perfect_denoiser_shows_the_image)
{
    for (int kind = 0; kind < SDRT_SAMPLER_COUNT; kind++) {
        check_sampler((enum sdrt_sampler_kind)kind, SDRT_PREDICTION_EPSILON);
        check_sampler((enum sdrt_sampler_kind)kind, SDRT_PREDICTION_V);
    }
    check_sampler(SDRT_SAMPLER_EULER, SDRT_PREDICTION_FLOW);
    check_sampler(SDRT_SAMPLER_DPMPP_2M, SDRT_PREDICTION_FLOW);
}

static const struct sdrt_vae_config sd15 = { .latent_channels = 4, .levels = 4,
    .channels = { 128, 256, 512, 512 }, .scaling_factor = 0.18215f };

Test(preview, chooses_what_is_cheap)
{
    struct sdrt_vae_config vae = sd15;

    cr_expect_eq(sdrt_preview_kind(&vae), SDRT_PREVIEW_LINEAR);
    vae.scaling_factor = 0.13025f;
    cr_expect_eq(sdrt_preview_kind(&vae), SDRT_PREVIEW_LINEAR);
    vae.scaling_factor = 1.0f;
    cr_expect_eq(sdrt_preview_kind(&vae), SDRT_PREVIEW_NONE);
    vae = sd15;
    vae.latent_channels = 16;
    cr_expect_eq(sdrt_preview_kind(&vae), SDRT_PREVIEW_NONE);
    vae.channels[0] = vae.channels[1] = vae.channels[2] = vae.channels[3] = 64;
    cr_expect_eq(sdrt_preview_kind(&vae), SDRT_PREVIEW_DECODE);
}

/* Three pixels: nothing, one channel, more than white. */
Test(preview, mixes_colours)
{
    static const float latent[4][3] = { { 0, 0, 2 }, { 0, 0, 2 }, { 0, 1, 0 }, { 0, 0, -2 } };
    static const uint8_t sd[9] = { 128, 128, 128, 87, 160, 154, 255, 255, 255 };
    static const uint8_t xl[9] = { 128, 128, 128, 150, 173, 101, 240, 255, 255 };
    struct sdrt_vae_config vae = sd15;
    uint8_t rgb[10];

    rgb[9] = 77;
    sdrt_preview_linear(&vae, latent[0], 3, rgb);
    for (int i = 0; i < 9; i++) cr_expect_eq(rgb[i], sd[i], "SD, %d: %d", i, rgb[i]);
    vae.scaling_factor = 0.13025f;
    sdrt_preview_linear(&vae, latent[0], 3, rgb);
    for (int i = 0; i < 9; i++) cr_expect_eq(rgb[i], xl[i], "XL, %d: %d", i, rgb[i]);
    cr_expect_eq(rgb[9], 77);
}

/* What the callback saw. */
struct seen {
    int calls, width, height, stop_at;
    uint8_t last[128 * 128 * 3];
};

static int see(void *user, const uint8_t *pixels, int width, int height,
               const struct sdrt_preview_at *at)
{
    struct seen *seen = user;

    cr_expect(at->image == 0 && at->step == seen->calls + 1 && at->total == 6);
    seen->calls++;
    seen->width = width;
    seen->height = height;
    if (width * height * 3 <= (int)sizeof seen->last)
        memcpy(seen->last, pixels, (size_t)(width * height * 3));
    return seen->calls == seen->stop_at;
}

static struct sdrt_context *open_small_model(void)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    snprintf(path, sizeof path, "%s/../demo-model", root ? root : "tests");
    sdrt_options_init(&o);
    o.model = path;
    o.isa = tany_level();
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK);
    return c;
}

/* Euler's last step goes to what the denoiser last saw, so the last preview is the image; and
 * looking changes nothing. */
Test(preview, ends_in_the_image)
{
    static struct seen seen;
    struct sdrt_context *c = open_small_model();
    uint8_t *plain = malloc(128 * 128 * 3);
    struct sdrt_request r;
    int width, height, worst = 0;

    cr_assert(plain);
    sdrt_request_init(&r);
    r.prompt = "a red apple";
    r.seed = 5;
    r.steps = 6;
    r.batch = 2;
    r.sampler = "euler";
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    memcpy(plain, sdrt_image(c, 0, &width, &height), 128 * 128 * 3);
    r.preview = see;
    r.user = &seen;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    const uint8_t *image = sdrt_image(c, 0, &width, &height);
    cr_expect_eq(seen.calls, 6);
    cr_assert_eq(seen.width, width);
    cr_assert_eq(seen.height, height);
    cr_expect_eq(memcmp(plain, image, 128 * 128 * 3), 0, "the preview changed the image");
    for (int i = 0; i < 128 * 128 * 3; i++)
        if (abs(image[i] - seen.last[i]) > worst) worst = abs(image[i] - seen.last[i]);
    cr_expect_leq(worst, 1, "the last preview differs by %d", worst);
    free(plain);
    sdrt_close(&c);
}

Test(preview, cancels)
{
    static struct seen seen = { .stop_at = 2 };
    struct sdrt_context *c = open_small_model();
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.steps = 6;
    r.preview = see;
    r.user = &seen;
    cr_expect_eq(sdrt_generate(c, &r), SDRT_E_CANCELLED);
    cr_expect_eq(seen.calls, 2);
    sdrt_close(&c);
}
