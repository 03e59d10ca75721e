/* SPDX-License-Identifier: MIT
 *
 * Requests that begin with a picture, of every family, against diffusers in float32 on the same tiny
 * weights.  tests/oracle/make_pictures.py drew picture and images.
 */
#include "model/pipeline/picture.h"
#include "runtime/graph/program_internal.h"
#include "tests/any_level.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/lean.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(init, .init = temp_folder_make, .fini = temp_folder_remove);

enum { W = 80, H = 64, N = W * H * 3 };

/* make_pictures.py has the same. */
static const struct init_case {
    const char *model, *name, *sampler, *negative;
    int steps;
    float strength, cfg;
} cases[] = {
    { "sd15", "low", "ddim", "blurry, bad hands", 10, 0.4f, 4.0f },
    { "sd15", "middle", "euler_a", NULL, 6, 0.75f, 4.0f },
    { "sd15", "whole", "dpmpp_2m", NULL, 4, 1.0f, 4.0f },
    { "sd15", "heun", "heun", NULL, 6, 0.5f, 4.0f },
    { "sd15", "lcm", "lcm", NULL, 5, 0.7f, 1.5f },
    { "sd21", "low", "euler", NULL, 10, 0.29f, 4.0f },
    { "sd21", "middle", "ddim", NULL, 10, 0.7f, 4.0f },
    { "sd21", "high", "dpmpp_2m", NULL, 5, 0.9f, 4.0f },
    { "sdxl", "low", "euler", NULL, 5, 0.4f, 4.0f },
    { "sdxl", "middle", "dpmpp_2m", "blurry, bad hands", 5, 0.6f, 4.0f },
    { "sdxl", "high", "euler", NULL, 4, 0.95f, 4.0f },
    { "sd3", "low", "euler", NULL, 5, 0.35f, 4.0f },
    { "sd3", "middle", "euler", NULL, 5, 0.6f, 4.0f },
    { "sd3", "high", "euler", NULL, 4, 0.9f, 4.0f },
    { "sd35", "low", "euler", "blurry, bad hands", 10, 0.29f, 4.0f },
    { "sd35", "middle", "euler", NULL, 5, 0.5f, 4.0f },
    { "sd35", "whole", "euler", NULL, 3, 1.0f, 4.0f },
};

static struct sdrt_picture given(const uint8_t *rgb)
{
    return (struct sdrt_picture){ rgb, W, H, 3, 0 };
}

static struct sdrt_request request_of(const struct init_case *c, const struct sdrt_picture *init)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a photo of a small red cat, 42 stars";
    r.negative_prompt = c->negative;
    r.sampler = c->sampler;
    r.steps = c->steps;
    r.strength = c->strength;
    r.cfg_scale = c->cfg;
    r.seed = 7;
    r.init = init;
    return r;
}

/* dB of what is drawn from diffusers' image. */
static double distance(struct sdrt_context *c, const struct init_case *k,
                       const struct sdrt_request *r)
{
    char name[64];
    int w, h, width, height;

    snprintf(name, sizeof name, "%s-%s", k->model, k->name);
    uint8_t *want = golden_picture(name, &w, &h);
    expect_quiet(sdrt_generate(c, r), name);
    const uint8_t *got = sdrt_image(c, 0, &width, &height);
    cr_assert(width == w && height == h, "%dx%d, not %dx%d", width, height, w, h);
    const double db = pictures_psnr(got, want, (size_t)w * (size_t)h * 3);
    free(want);
    return db;
}

Test(init, images)
{
    int w, h;
    uint8_t *rgb = golden_picture("init", &w, &h);
    const struct sdrt_picture init = given(rgb);
    struct sdrt_context *c = NULL;
    const char *model = "";
    const size_t step = temulated() ? 3 : 1;
    size_t n_lean = 0; /* those of more than one step */

    cr_assert(w == W && h == H);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i += step) {
        if (strcmp(cases[i].model, model)) {
            sdrt_close(&c);
            model = cases[i].model;
            c = open_model(path_in(model, ""), NULL);
        }
        struct sdrt_request r = request_of(&cases[i], &init);
        struct lean lean = { 0 };
        r.progress = lean_count;
        r.user = &lean;
        const double db = distance(c, &cases[i], &r);
        if (lean.runs) expect_lean(c, &lean, cases[i].name);
        n_lean += (size_t)lean.runs;
        cr_expect_gt(db, 50.0, "%s %s: the image is %.1f dB from diffusers'", cases[i].model,
                     cases[i].name, db);
        if (getenv("SDRT_TEST_VERBOSE"))
            fprintf(stderr, "%s %s: %.1f dB\n", cases[i].model, cases[i].name, db);
    }
    cr_expect_gt(n_lean, 5 / step);
    sdrt_close(&c);
    free(rgb);
}

/* A request without a picture after one with it is as if that had never been, and the encoder's
 * weights are given back. */
Test(init, requests_do_not_disturb_each_other)
{
    static uint8_t before[N];
    int w, h;
    uint8_t *rgb = golden_picture("init", &w, &h);
    const struct sdrt_picture init = given(rgb);
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(&cases[1], NULL), with = request_of(&cases[1], &init);

    r.width = W;
    r.height = H;
    expect_quiet(sdrt_generate(c, &r), "before");
    memcpy(before, sdrt_image(c, 0, NULL, NULL), N);
    for (int i = 0; i < 2; i++) {
        cr_expect_gt(distance(c, &cases[1], &with), 50.0);
        const int encoder = sdrt_session_find(sdrt_session_of(c), "vae encoder");
        cr_assert_geq(encoder, 0);
        cr_expect_not(sdrt_session_of(c)->programs[encoder]->loaded, "it is still packed");
    }
    expect_quiet(sdrt_generate(c, &r), "after");
    cr_expect_eq(memcmp(before, sdrt_image(c, 0, NULL, NULL), N), 0);
    sdrt_close(&c);
    free(rgb);
}

/* Image i of a batch is what seed + i draws alone. */
Test(init, batch)
{
    static uint8_t alone[N];
    int w, h;
    uint8_t *rgb = golden_picture("init", &w, &h);
    const struct sdrt_picture init = given(rgb);
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct sdrt_request r = request_of(&cases[15], &init);

    r.seed = 8;
    expect_quiet(sdrt_generate(c, &r), "alone");
    memcpy(alone, sdrt_image(c, 0, NULL, NULL), N);
    r.seed = 7;
    r.batch = 2;
    cr_expect_gt(distance(c, &cases[15], &r), 50.0);
    cr_expect_eq(memcmp(alone, sdrt_image(c, 1, NULL, NULL), N), 0);
    sdrt_close(&c);
    free(rgb);
}

static int stop_after_two(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)user;
    return stage == SDRT_STAGE_DECODE && done == 2 && total == 3;
}

/* Of a batch that is cancelled while it is decoded, what is ready stays. */
Test(init, a_cancelled_batch_keeps_what_is_ready)
{
    TSKIP_EMULATED();
    static uint8_t whole[2 * N];
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);
    struct sdrt_request r = request_of(&cases[15], NULL);

    r.width = W;
    r.height = H;
    r.batch = 3;
    expect_quiet(sdrt_generate(c, &r), "whole");
    memcpy(whole, sdrt_image(c, 0, NULL, NULL), sizeof whole);
    r.progress = stop_after_two;
    expect_failure(sdrt_generate(c, &r), SDRT_E_CANCELLED, "cancelled", "a batch");
    cr_assert_not_null(sdrt_image(c, 1, NULL, NULL));
    cr_expect_eq(memcmp(whole, sdrt_image(c, 0, NULL, NULL), sizeof whole), 0);
    cr_expect_null(sdrt_image(c, 2, NULL, NULL));
    sdrt_close(&c);
}

/* The same pixels in rows that are farther apart, grey as three channels, transparent as white. */
Test(init, forms_of_pictures)
{
    static uint8_t wide[H][W * 4 + 5], grey[N / 3], rgb[N], want[N];
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const struct sdrt_picture forms[] = {
        { rgb, W, H, 3, 0 },
        { grey, W, H, 1, 0 },
        { wide[0], W, H, 4, sizeof wide[0] },
    };

    for (int i = 0; i < N / 3; i++) {
        grey[i] = i % 7 ? (uint8_t)(i * 37) : 255;
        memset(rgb + 3 * i, grey[i], 3);
        uint8_t *pixel = &wide[i / W][i % W * 4];
        memset(pixel, i % 7 ? grey[i] : 80, 3);
        pixel[3] = i % 7 ? 255 : 0;
    }
    for (int i = 0; i < 3; i++) {
        const struct sdrt_request r = request_of(&cases[0], &forms[i]);
        cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
        cr_expect_eq(kept_lines, i == 2, "%s", kept_text); /* of what is transparent */
        if (!i) memcpy(want, sdrt_image(c, 0, NULL, NULL), N);
        else cr_expect_eq(memcmp(want, sdrt_image(c, 0, NULL, NULL), N), 0, "form %d", i);
    }
    sdrt_close(&c);
}

/* ---- sizes ---- */

static struct sdrt_pixels pixels_of(const char *name)
{
    struct sdrt_pixels p = { .channels = 3 };

    p.rgb = golden_picture(name, &p.width, &p.height);
    return p;
}

/* Smaller and larger, each side on its own. */
Test(init, resizes_as_pillow)
{
    static const char *const names[] = { "resized-small", "resized-large" };

    for (int i = 0; i < 2; i++) {
        struct sdrt_pixels p = pixels_of("init"), want = pixels_of(names[i]);
        expect_quiet(sdrt_pixels_resize(&p, want.width, want.height, SDRT_RESIZE_JUST, &kept_log),
                     names[i]);
        const double db = pictures_psnr(p.rgb, want.rgb,
                                        (size_t)want.width * (size_t)want.height * 3);
        cr_expect_gt(db, 60.0, "%s: %.1f dB from Pillow's", names[i], db);
        free(p.rgb);
        free(want.rgb);
    }
}

/* Three columns of colour, 6x4: cropped to a square the outer ones lose, filled they stay and the
 * upper and lower edges go on. */
Test(init, crops_and_fills)
{
    struct sdrt_pixels p[2];

    for (int i = 0; i < 2; i++) {
        p[i] = (struct sdrt_pixels){ malloc(6 * 4 * 3), 6, 4, 3 };
        for (int k = 0; k < 6 * 4; k++) {
            const uint8_t column[3] = { (uint8_t)(k % 6 * 50), (uint8_t)(k / 6 * 60), 9 };
            memcpy(p[i].rgb + 3 * k, column, 3);
        }
    }
    expect_quiet(sdrt_pixels_resize(&p[0], 4, 4, SDRT_RESIZE_CROP, &kept_log), "crop");
    for (int k = 0; k < 16; k++) {
        cr_expect_eq(p[0].rgb[3 * k], (k % 4 + 1) * 50, "crop %d", k);
        cr_expect_eq(p[0].rgb[3 * k + 1], k / 4 * 60);
    }
    expect_quiet(sdrt_pixels_resize(&p[1], 6, 8, SDRT_RESIZE_FILL, &kept_log), "fill");
    for (int k = 0; k < 48; k++) {
        const int y = k / 6 - 2, row = y < 0 ? 0 : y > 3 ? 3 : y;
        cr_expect_eq(p[1].rgb[3 * k], k % 6 * 50, "fill %d", k);
        cr_expect_eq(p[1].rgb[3 * k + 1], row * 60);
    }
    for (int i = 0; i < 2; i++) free(p[i].rgb);
}

/* Without a size the image is as large as the picture, down to what the model draws; with one, the
 * picture is told to change. */
Test(init, sizes_of_images)
{
    static uint8_t rgb[50 * 71 * 3];
    const struct sdrt_picture odd = { rgb, 71, 50, 3, 0 };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(&cases[0], &odd);
    int w, h;

    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    cr_expect(strstr(kept_text, "71x50 becomes one of 64x48 (just)"), "%s", kept_text);
    cr_expect(sdrt_image(c, 0, &w, &h) && w == 64 && h == 48);
    r.width = 80;
    r.height = 64;
    r.resize_mode = "crop";
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    cr_expect(strstr(kept_text, "80x64 (crop)"), "%s", kept_text);
    cr_expect(sdrt_image(c, 0, &w, &h) && w == 80 && h == 64);
    sdrt_close(&c);
}

/* ---- what cannot be ---- */

Test(init, refusals)
{
    static const uint8_t grey[W * H];
    const struct sdrt_picture good = { grey, W, H, 1, 0 };
    static const struct {
        struct sdrt_picture picture;
        const char *text;
    } bad[] = {
        { { NULL, W, H, 1, 0 }, "expected pixels" },
        { { grey, 0, H, 1, 0 }, "0x64: expected sides" },
        { { grey, W, 1 << 20, 1, 0 }, "expected sides" },
        { { grey, W, H, 2, 0 }, "2 channels: expected 1, 3 or 4" },
        { { grey, W, H, 1, W - 1 }, "rows 79 bytes apart: expected 80" },
    };
    static const float strengths[] = { 0.0f, -0.5f, 1.01f, NAN };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r = request_of(&cases[0], &good);

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        r.init = &bad[i].picture;
        expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, bad[i].text, bad[i].text);
    }
    r.init = &good;
    for (size_t i = 0; i < sizeof strengths / sizeof *strengths; i++) {
        r.strength = strengths[i];
        expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "strength", "strength");
    }
    r.strength = 0.09f; /* of ten steps */
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "leaves none of 10 steps: expected 0.1",
                   "few");
    r.strength = 0.5f;
    r.resize_mode = "stretch";
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "expected just, crop or fill", "mode");
    sdrt_close(&c);
}

/* ---- memory ---- */

/* The encoder's plan is as small as its bound, and its slots take no room beside the steps'. */
Test(init, plan_equals_its_bound)
{
    static const uint8_t grey[W * H];
    const struct sdrt_picture init = { grey, W, H, 1, 0 };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const struct sdrt_request r = request_of(&cases[0], &init);
    struct sdrt_memory memory;

    expect_quiet(sdrt_measure(c, &r, &memory), "measure");
    const struct sdrt_session *s = sdrt_session_of(c);
    const int encoder = sdrt_session_find(s, "vae encoder");
    cr_assert_geq(encoder, 0);
    cr_expect_eq(sdrt_program_peak(s->programs[encoder]),
                 sdrt_program_lower_bound(s->programs[encoder]));
    sdrt_close(&c);
}
