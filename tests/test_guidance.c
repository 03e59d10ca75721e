/* SPDX-License-Identifier: MIT
 *
 * What may be turned about noise and guidance, against diffusers and the web UI's rules
 * (tests/oracle/make_guidance_golden.py), and levels given one by one.
 */
#include "model/noise/sampler.h"
#include "tests/any_level.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(guidance, .init = temp_folder_make, .fini = temp_folder_remove);

enum { BYTES = 64 * 64 * 3 };

static struct sdrt_npy *data(const char *name)
{
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_npy *a = NULL;
    char path[512];

    snprintf(path, sizeof path, "%s/golden/prompts/%s", root ? root : "tests", name);
    cr_assert_eq(sdrt_npy_read(&a, path, &kept_log), SDRT_OK, "%s", kept_text);
    return a;
}

static void small_request(struct sdrt_request *r)
{
    sdrt_request_init(r);
    r->prompt = "a photo of a small red cat, 42 stars";
    r->negative_prompt = "blurry, bad hands";
    r->sampler = "euler";
    r->steps = 4;
    r->cfg_scale = 5.0f;
    r->seed = 7;
    r->width = r->height = 64;
}

/* A copy of what c draws. */
static uint8_t *draw(struct sdrt_context *c, const struct sdrt_request *r, int image)
{
    uint8_t *copy = malloc(BYTES);

    cr_assert_eq(sdrt_generate(c, r), SDRT_OK, "%s", kept_text);
    memcpy(copy, sdrt_image(c, image, NULL, NULL), BYTES);
    return copy;
}

/* Whether c draws the same for both. */
static int same(struct sdrt_context *c, const struct sdrt_request *a, const struct sdrt_request *b)
{
    uint8_t *first = draw(c, a, 0), *second = draw(c, b, 0);
    const int equal = !memcmp(first, second, BYTES);

    free(first);
    free(second);
    return equal;
}

Test(guidance, rescaled_as_in_diffusers)
{
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);
    struct sdrt_npy *want = data("image-rescale.npy");
    const float *x = want->data;
    struct sdrt_request r;
    double sum = 0;

    small_request(&r);
    r.cfg_rescale = 0.7f;
    uint8_t *image = draw(c, &r, 0);
    for (int i = 0; i < BYTES; i++) {
        const double d = (double)image[i] - (double)x[i] * 255.0;
        sum += d * d;
    }
    const double dB = 10.0 * log10(255.0 * 255.0 * BYTES / sum);
    cr_expect_gt(dB, 50.0, "%.1f dB", dB);
    free(image);
    sdrt_npy_free(&want);
    sdrt_close(&c);
}

/* CFG++ reads both halves of the pair: it is none of its own sampler, and needs no guidance above 1. */
Test(guidance, cfg_pp_reads_what_is_said_without)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request plus, plain;

    small_request(&plus);
    plus.cfg_scale = 1.5f;
    plain = plus;
    plus.sampler = "euler_cfg_pp";
    cr_expect_not(same(c, &plus, &plain), "it is euler");
    plain = plus;
    plus.cfg_scale = 1.0f;
    cr_expect_not(same(c, &plus, &plain), "guidance changes nothing");
    plain = plus;
    plain.negative_prompt = "a dog";
    cr_expect_not(same(c, &plus, &plain), "the negative prompt is not read");
    sdrt_close(&c);
}

/* How far two images are from each other, in dB. */
static double likeness(const uint8_t *a, const uint8_t *b)
{
    double sum = 0;

    for (int i = 0; i < BYTES; i++) sum += pow((double)a[i] - (double)b[i], 2.0);
    return 10.0 * log10(255.0 * 255.0 * BYTES / sum);
}

/* Steps of its own choice end where many equal ones do, also beside what is added to the time; that each is
 * told its own time, test_demo_model.c sees. */
Test(guidance, steps_that_are_chosen_on_the_way)
{
    TSKIP_EMULATED();
    struct sdrt_context *c = open_model(path_in("sdxl", ""), NULL);
    struct sdrt_request r, many;

    small_request(&r);
    r.steps = 30;
    r.cfg_scale = 1.0f;
    many = r;
    r.sampler = "dpm_adaptive";
    many.sampler = "dpm_fast";
    uint8_t *own = draw(c, &r, 0), *equal = draw(c, &many, 0), *again = draw(c, &r, 0);
    cr_expect_gt(likeness(own, equal), 30.0, "%.1f dB", likeness(own, equal));
    cr_expect(!memcmp(own, again, BYTES), "another image the second time");
    free(own);
    free(equal);
    free(again);
    sdrt_close(&c);
}

struct way {
    int last, calls, back, total;
};

static int follow_way(void *user, enum sdrt_stage stage, int done, int total)
{
    struct way *w = user;

    if (stage != SDRT_STAGE_DENOISE) return 0;
    w->back += done < w->last;
    w->last = done;
    w->total = total;
    w->calls++;
    return 0;
}

/* Progress goes up to the number of steps, and so do prompts that change and ranges of guidance. */
Test(guidance, parts_of_a_chosen_way)
{
    TSKIP_EMULATED();
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct way w = { .last = 0 };
    struct sdrt_request r, plain;

    small_request(&r);
    r.sampler = "dpm_adaptive";
    r.steps = 10;
    plain = r;
    r.progress = follow_way;
    r.user = &w;
    r.prompt = "a [cat:dog:0.5]";
    r.cfg_end = 0.7f;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    cr_expect(!w.back && w.last == 10 && w.total == 10 && w.calls > 10,
              "%d calls, to %d of %d, %d times back", w.calls, w.last, w.total, w.back);
    plain.cfg_end = 0.7f;
    plain.prompt = "a cat";
    cr_expect_not(same(c, &r, &plain), "the prompt does not change");
    plain = r;
    plain.cfg_end = 1.0f;
    cr_expect_not(same(c, &r, &plain), "guidance has no end");
    sdrt_close(&c);
}

Test(guidance, ranges)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request all, some;

    small_request(&all);
    some = all;
    some.cfg_end = 0.5f;
    cr_expect_not(same(c, &all, &some), "half a range changes nothing");
    some.cfg_start = 0.0f;
    some.cfg_end = 1.0f;
    cr_expect(same(c, &all, &some), "the whole range is another image");
    some.cfg_end = 0.0f;
    some.cfg_start = 0.0f;
    uint8_t *none = draw(c, &some, 0);
    all.cfg_scale = 1.0f;
    uint8_t *unguided = draw(c, &all, 0);
    for (int i = 0; i < BYTES; i++)
        cr_assert(abs(none[i] - unguided[i]) <= 1, "byte %d: %d and %d", i, none[i], unguided[i]);
    free(none);
    free(unguided);
    sdrt_close(&c);
}

/* ---- noise ---- */

static float varied[4 * 9 * 11];

static int keep_noise(void *user, const char *name, const int dims[4], const float *x)
{
    (void)user;
    if (strcmp(name, "noise")) return 0;
    for (int i = 0; i < dims[1] * dims[2] * 4; i++)
        varied[i % 4 * dims[1] * dims[2] + i / 4] = x[i];
    return 0;
}

Test(guidance, variations_as_in_the_web_ui)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const int unit = 1 << (sdrt_model_config_of(c->model)->vae.levels - 1);
    struct sdrt_npy *want = data("noise-varied.npy");
    struct sdrt_request r;

    small_request(&r);
    r.steps = 1;
    r.height = 9 * unit;
    r.width = 11 * unit;
    r.subseed = 20;
    r.subseed_strength = 0.3f;
    r.dump = keep_noise;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    for (size_t i = 0; i < want->elements; i++)
        cr_assert_float_eq(varied[i], ((const float *)want->data)[i], 2e-6, "[%zu]", i);
    sdrt_npy_free(&want);
    sdrt_close(&c);
}

/* Smaller by an odd number one way and larger the other, with a variation. */
Test(guidance, resized_seeds_as_in_the_web_ui)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const int unit = 1 << (sdrt_model_config_of(c->model)->vae.levels - 1);
    struct sdrt_npy *want = data("noise-resized.npy");
    struct sdrt_request r;

    small_request(&r);
    r.steps = 1;
    r.height = 9 * unit;
    r.width = 11 * unit;
    r.seed_resize_height = 6 * unit + 1;
    r.seed_resize_width = 14 * unit;
    r.subseed = 20;
    r.subseed_strength = 0.3f;
    r.dump = keep_noise;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    for (size_t i = 0; i < want->elements; i++)
        cr_assert_float_eq(varied[i], ((const float *)want->data)[i], 2e-6, "[%zu]", i);
    sdrt_npy_free(&want);
    sdrt_close(&c);
}

Test(guidance, seeds_of_noise)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request plain, other;

    small_request(&plain);
    plain.sampler = "euler_a";
    other = plain;
    other.eta_noise_seed_delta = 31337;
    cr_expect_not(same(c, &plain, &other), "the delta changes nothing");
    other = plain;
    other.subseed = 5; /* of no strength */
    cr_expect(same(c, &plain, &other));
    plain.eta = 0.0;
    other.eta = 0.0;
    other.eta_noise_seed_delta = 31337;
    cr_expect(same(c, &plain, &other), "noise that is not added has a seed");
    plain.sampler = other.sampler = "DPM++ 2M SDE Karras";
    cr_expect(same(c, &plain, &other));
    plain.eta = -1.0;
    cr_expect_not(same(c, &plain, &other));
    sdrt_close(&c);
}

/* ---- levels ---- */

Test(guidance, levels_given_one_by_one)
{
    static const double timesteps[] = { 751, 501, 251, 1 };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request listed, named;

    small_request(&named);
    named.spacing = "leading";
    listed = named;
    listed.timesteps = timesteps;
    listed.n_timesteps = 4;
    listed.steps = 20; /* of no meaning */
    for (int i = 0; i < 3; i++) {
        named.sampler = listed.sampler = i == 0 ? "euler" : i == 1 ? "heun" : "ddim";
        cr_expect(same(c, &named, &listed), "%s", named.sampler);
    }
    sdrt_close(&c);
}

Test(guidance, refusals)
{
    static const double rising[] = { 1, 2 }, many[] = { 999, 1000 }, least = 0.02;
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    small_request(&r);
    r.sigmas = rising;
    r.n_sigmas = 2;
    expect_refusal(&o, &r, SDRT_E_ARG, "sigma 2: expected them to fall");
    r.sampler = "ddim";
    expect_refusal(&o, &r, SDRT_E_ARG, "sampler ddim: expected timesteps");
    r.n_sigmas = 0;
    r.timesteps = many;
    r.n_timesteps = 2;
    expect_refusal(&o, &r, SDRT_E_ARG, "timestep 1000");
    r.n_timesteps = 1;
    r.schedule = "karras";
    r.sampler = "euler";
    expect_refusal(&o, &r, SDRT_E_ARG, "schedule karras: expected none beside");
    small_request(&r);
    r.subseed_strength = 1.5f;
    expect_refusal(&o, &r, SDRT_E_ARG, "subseed strength 1.5");
    small_request(&r);
    r.subseed_strength = 1.0f;
    r.height = 8;
    expect_refusal(&o, &r, SDRT_E_ARG, "height 8: a variation");
    small_request(&r);
    r.cfg_start = 0.7f;
    r.cfg_end = 0.2f;
    expect_refusal(&o, &r, SDRT_E_ARG, "cfg range 0.7 to 0.2");
    small_request(&r);
    r.eta = NAN;
    expect_refusal(&o, &r, SDRT_E_ARG, "eta");
    small_request(&r);
    r.sampler = "euler_cfg_pp";
    r.cfg_end = 0.5f;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "sampler euler_cfg_pp: reads what each evaluation");
    small_request(&r);
    r.sampler = "DPM adaptive";
    r.cache = "taylor";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "sampler dpm_adaptive chooses its steps by what");
    small_request(&r);
    r.sampler = "dpm_adaptive";
    r.sigmas = &least;
    r.n_sigmas = 1;
    expect_refusal(&o, &r, SDRT_E_ARG, "sampler dpm_adaptive: begins where it ends");
    small_request(&r);
    r.sampler = "DPM+++ 2M";
    expect_refusal(&o, &r, SDRT_E_ARG, "unknown sampler 'DPM+++ 2M'");
}
