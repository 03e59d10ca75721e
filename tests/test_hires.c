/* SPDX-License-Identifier: MIT
 *
 * Images that are drawn twice against diffusers' pipelines one after the other (tests/oracle/make_hires.py),
 * and what such a request may be.
 */
#include "tests/any_level.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/lean.h"
#include "tests/made_weights.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(hires, .init = temp_folder_make, .fini = temp_folder_remove);

static struct sdrt_request request_of(const char *sampler, int steps, const char *upscaler)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a photo of a small red cat, 42 stars";
    r.sampler = sampler;
    r.width = 80;
    r.height = 64;
    r.steps = steps;
    r.cfg_scale = 4.0f;
    r.seed = 7;
    r.hires = 1.5f;
    r.hires_upscaler = upscaler;
    return r;
}

Test(hires, images)
{
    static const struct {
        const char *model, *upscaler, *sampler, *negative;
        int steps, again;
        float strength, cfg, larger;
    } cases[] = {
        { "sd15", "latent", "euler_a", "blurry, bad hands", 4, 0, 0.5f, 1.5f, 1.5f },
        { "sdxl", "lanczos", "euler", NULL, 5, 0, 0.6f, 4.0f, 1.5f },
        { "sdxl", "latent_nearest", "euler", NULL, 5, 8, 0.7f, 4.0f, 1.5f },
        { "sd35", "latent", "euler", NULL, 5, 0, 0.5f, 4.0f, 1.2f },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_context *c = open_model(path_in(cases[i].model, ""), NULL);
        struct sdrt_request r = request_of(cases[i].sampler, cases[i].steps, cases[i].upscaler);
        struct lean lean = { 0 };
        char name[64];
        int w, h, want_w, want_h;
        snprintf(name, sizeof name, "hires-%s-%s", cases[i].model, cases[i].upscaler);
        uint8_t *want = golden_picture(name, &want_w, &want_h);
        r.negative_prompt = cases[i].negative;
        r.hires_steps = cases[i].again;
        r.hires_strength = cases[i].strength;
        r.cfg_scale = cases[i].cfg;
        r.hires = cases[i].larger;
        r.progress = lean_count;
        r.user = &lean;
        expect_quiet(sdrt_generate(c, &r), name);
        expect_lean(c, &lean, name);
        const uint8_t *got = sdrt_image(c, 0, &w, &h);
        cr_assert(w == want_w && h == want_h, "%s: %dx%d, not %dx%d", name, w, h, want_w, want_h);
        const double db = pictures_psnr(got, want, (size_t)w * (size_t)h * 3);
        cr_expect_gt(db, 50.0, "%s: %.1f dB from diffusers'", name, db);
        if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", name, db);
        cr_expect_eq(lean.runs, 2);
        sdrt_close(&c);
        free(want);
    }
}

/* Image i of a batch is the image of that seed alone, in whatever way it is enlarged. */
Test(hires, batches)
{
    const char *network = made_write("net.safetensors", "srvgg-x3", 0, "");
    const char *const upscalers[] = { "latent", "lanczos", network };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);

    for (int i = 0; i < (temulated() ? 1 : 3); i++) {
        struct sdrt_request r = request_of("euler_a", 3, upscalers[i]);
        int w, h;
        r.batch = 2;
        expect_quiet(sdrt_generate(c, &r), upscalers[i]);
        cr_assert_not_null(sdrt_image(c, 1, &w, &h));
        const size_t n = (size_t)w * (size_t)h * 3;
        uint8_t *second = malloc(n);
        memcpy(second, sdrt_image(c, 1, NULL, NULL), n);
        cr_expect(strstr(sdrt_session_parameters(sdrt_session_of(c), 1), "Seed: 8, Size: 80x64"));
        cr_expect(strstr(sdrt_session_parameters(sdrt_session_of(c), 1),
                         "Denoising strength: 0.5, Hires upscale: 1.5, Hires upscaler: "));
        r.batch = 1;
        r.seed = 8;
        expect_quiet(sdrt_generate(c, &r), upscalers[i]);
        cr_expect_eq(memcmp(second, sdrt_image(c, 0, NULL, NULL), n), 0, "%s", upscalers[i]);
        free(second);
    }
    sdrt_close(&c);
}

static int ends_at(void *user, enum sdrt_stage stage, int done, int total)
{
    int *left = user;

    (void)done;
    (void)total;
    return stage == SDRT_STAGE_DECODE && --*left < 0;
}

/* What is ready of a batch stays. */
Test(hires, cancelled)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of("euler_a", 2, "latent");
    int left = 2;

    r.batch = 2;
    r.progress = ends_at;
    r.progress_user = &left;
    expect_failure(sdrt_generate(c, &r), SDRT_E_CANCELLED, "cancelled", "in the second image");
    cr_expect_not_null(sdrt_image(c, 0, NULL, NULL));
    cr_expect_null(sdrt_image(c, 1, NULL, NULL));
    sdrt_close(&c);
}

Test(hires, refusals)
{
    static const uint8_t grey[64 * 64 * 3];
    static const struct sdrt_picture init = { grey, 64, 64, 3, 0 };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_memory once, twice;
    struct sdrt_request r = request_of("euler", 5, NULL);

    r.hires = 0.0f;
    expect_quiet(sdrt_measure(c, &r, &once), "once");
    r.hires = 2.0f;
    expect_quiet(sdrt_measure(c, &r, &twice), "twice");
    cr_expect_gt(twice.arena_bytes, 2 * once.arena_bytes);
    for (int i = 0; i < 7; i++) {
        static const char *const words[] = { "above 1", "above 1", "strength", "none of 5",
                                             "steps",   "initial", "8192" };
        r = request_of("euler", 5, NULL);
        if (i == 0) r.hires = 1.0f;
        if (i == 1) r.hires = 9.0f;
        if (i == 2) r.hires_strength = 0.0f;
        if (i == 3) r.hires_strength = 0.1f;
        if (i == 4) r.hires_steps = -1;
        if (i == 5) r.init = &init;
        if (i == 6) r.width = 8192;
        expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, words[i], words[i]);
        expect_failure(sdrt_measure(c, &r, &once), SDRT_E_ARG, words[i], words[i]);
    }
    r = request_of("euler", 5, temp_path("none.pth"));
    expect_failure(sdrt_generate(c, &r), SDRT_E_MISSING, "none.pth", "no such upscaler");
    sdrt_close(&c);
}
