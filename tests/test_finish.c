/* SPDX-License-Identifier: MIT
 *
 * Images that are asked to end early: what they are, by a drawing whose levels end there, and what is told
 * of them.
 */
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(finish, .init = temp_folder_make, .fini = temp_folder_remove);

enum { SIDE = 64, BYTES = SIDE * SIDE * 3 };

static const double sigmas[] = { 14.0, 6.0, 2.5, 0.8 };

static struct sdrt_request request_of(int n_sigmas)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a cat";
    r.width = r.height = SIDE;
    r.sampler = "euler";
    r.seed = 3;
    r.sigmas = sigmas;
    r.n_sigmas = n_sigmas;
    return r;
}

/* Asks for the end when so many evaluations of so many are done. */
struct when {
    struct sdrt_session *session;
    int done, total;
};

static int ask_at(void *user, enum sdrt_stage stage, int done, int total)
{
    const struct when *w = user;

    if (stage == SDRT_STAGE_DENOISE && done == w->done && total == w->total)
        sdrt_session_finish(w->session);
    return 0;
}

static void ask(struct sdrt_request *r, struct when *w)
{
    r->progress = ask_at;
    r->progress_user = w;
}

static const char *parameters(const struct sdrt_context *c, int i)
{
    return sdrt_session_parameters(sdrt_session_of(c), i);
}

/* Euler's last step, down to no noise, is what the denoiser predicts. */
Test(finish, is_what_was_predicted)
{
    static uint8_t grey[BYTES];
    const struct sdrt_picture init = { grey, SIDE, SIDE, 3, 0 };
    uint8_t mask_bytes[SIDE * SIDE] = { 0 };
    const struct sdrt_picture mask = { mask_bytes, SIDE, SIDE, 1, 0 };

    memset(grey, 0x60, sizeof grey);
    memset(mask_bytes, 255, sizeof mask_bytes / 2);
    for (int masked = 0; masked < 2; masked++) {
        struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
        struct when w = { sdrt_session_of(c), 1, masked ? 3 : 4 };
        struct sdrt_request r = request_of(masked ? 3 : 2);
        uint8_t *want = malloc(2 * BYTES);
        r.batch = 2;
        if (masked) {
            r.n_sigmas = 2;
            r.init = &init;
            r.mask = &mask;
            r.strength = 1.0f;
        }
        expect_quiet(sdrt_generate(c, &r), "whole");
        for (int i = 0; i < 2; i++) memcpy(want + i * BYTES, sdrt_image(c, i, NULL, NULL), BYTES);
        r.n_sigmas = masked ? 3 : 4;
        ask(&r, &w);
        expect_quiet(sdrt_generate(c, &r), "ended early");
        for (int i = 0; i < 2; i++) {
            const double db = pictures_psnr(sdrt_image(c, i, NULL, NULL), want + i * BYTES, BYTES);
            cr_expect_gt(db, 60.0, "masked %d, image %d: %.1f dB", masked, i, db);
            cr_expect(strstr(parameters(c, i), ", Stopped after: 2"), "%s", parameters(c, i));
        }
        free(want);
        sdrt_close(&c);
    }
}

/* Between requests, and at the last evaluation, it changes nothing. */
Test(finish, too_early_and_too_late)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(4);
    struct when w = { sdrt_session_of(c), 3, 4 };
    uint8_t want[BYTES];

    expect_quiet(sdrt_generate(c, &r), "whole");
    memcpy(want, sdrt_image(c, 0, NULL, NULL), BYTES);
    sdrt_session_finish(sdrt_session_of(c));
    expect_quiet(sdrt_generate(c, &r), "asked before it began");
    cr_expect_eq(memcmp(want, sdrt_image(c, 0, NULL, NULL), BYTES), 0);
    ask(&r, &w);
    expect_quiet(sdrt_generate(c, &r), "asked before the last");
    cr_expect_eq(memcmp(want, sdrt_image(c, 0, NULL, NULL), BYTES), 0);
    cr_expect_null(strstr(parameters(c, 0), "Stopped"));
    sdrt_session_finish(NULL);
    sdrt_close(&c);
}

/* A refiner does not begin. */
Test(finish, before_a_refiner)
{
    struct sdrt_context *c = open_refined(path_in("sdxl", ""), path_in("sdxl-refiner", ""), NULL);
    struct sdrt_request r = request_of(0);
    struct when w = { sdrt_session_of(c), 1, 4 };

    r.steps = 4;
    r.refiner_start = 0.5;
    ask(&r, &w);
    expect_quiet(sdrt_generate(c, &r), "refined");
    cr_expect(strstr(parameters(c, 0), ", Stopped after: 2"), "%s", parameters(c, 0));
    sdrt_close(&c);
}

/* Of two drawings the first is what there is, also where it would not have been decoded, or each of the
 * second ones is short. */
Test(finish, hires)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(0);
    struct when first = { sdrt_session_of(c), 1, 3 }, second = { sdrt_session_of(c), 0, 4 };
    uint8_t want[BYTES];
    int width, height;

    r.steps = 3;
    ask(&r, &first);
    expect_quiet(sdrt_generate(c, &r), "once");
    memcpy(want, sdrt_image(c, 0, NULL, NULL), BYTES);
    r.hires = 1.5f;
    r.hires_steps = 8;
    for (int i = 0; i < 2; i++) {
        r.hires_upscaler = i ? "lanczos" : "latent";
        ask(&r, &first);
        expect_quiet(sdrt_generate(c, &r), r.hires_upscaler);
        const uint8_t *got = sdrt_image(c, 0, &width, &height);
        cr_assert(width == SIDE && height == SIDE, "%dx%d", width, height);
        cr_expect_eq(memcmp(want, got, BYTES), 0, "%s", r.hires_upscaler);
        ask(&r, &second);
        expect_quiet(sdrt_generate(c, &r), r.hires_upscaler);
        sdrt_image(c, 0, &width, &height);
        cr_expect(width == 96 && height == 96, "%dx%d", width, height);
        cr_expect(strstr(parameters(c, 0), ", Stopped after: 1"), "%s", parameters(c, 0));
    }
    sdrt_close(&c);
}
