/* SPDX-License-Identifier: MIT
 *
 * Pictures of which a part is redrawn, and pictures that are drawn on: against diffusers in float32 on
 * the same tiny weights, and pixel by pixel where they stay.  tests/oracle/make_pictures.py drew the
 * images.
 */
#include "model/pipeline/fill.h"
#include "runtime/graph/program.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/lean.h"
#include "tests/made_weights.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { W = 80, H = 64, N = W * H * 3 };

/* The golden picture and mask, which every test reads. */
static uint8_t *rgb, *mask_rgb, mask_grey[W * H];
static struct sdrt_picture picture, mask;

static void make(void)
{
    int w, h;

    temp_folder_make();
    rgb = golden_picture("init", &w, &h);
    cr_assert(w == W && h == H);
    mask_rgb = golden_picture("mask", &w, &h);
    cr_assert(w == W && h == H);
    for (int i = 0; i < W * H; i++) mask_grey[i] = mask_rgb[3 * i];
    picture = (struct sdrt_picture){ rgb, W, H, 3, 0 };
    mask = (struct sdrt_picture){ mask_rgb, W, H, 3, 0 };
}

static void remove_all(void)
{
    free(rgb);
    free(mask_rgb);
    temp_folder_remove();
}

TestSuite(mask, .init = make, .fini = remove_all);

/* make_pictures.py has the same; unet: made up from a list of golden/nets, for inpainting. */
static const struct mask_case {
    const char *model, *unet, *name, *sampler, *negative;
    int steps;
    float strength;
} cases[] = {
    { "sd15", NULL, "mask", "ddim", "blurry, bad hands", 4, 1.0f },
    { "sd15", NULL, "mask-part", "euler_a", NULL, 6, 0.6f },
    { "sd21", NULL, "mask", "euler", NULL, 5, 0.8f },
    { "sdxl", NULL, "mask", "euler", NULL, 4, 1.0f },
    { "sdxl", NULL, "mask-part", "dpmpp_2m", "blurry, bad hands", 5, 0.7f },
    { "sd35", NULL, "mask", "euler", NULL, 5, 0.75f },
    { "sd35", NULL, "mask-whole", "euler", NULL, 3, 1.0f },
    { "sd15", "bk-tiny", "inpaint", "ddim", "blurry, bad hands", 4, 1.0f },
    { "sd15", "bk-tiny", "inpaint-part", "euler_a", NULL, 6, 0.6f },
    { "sdxl", "koala", "inpaint", "euler", NULL, 4, 0.99f },
};
enum { CASES = sizeof cases / sizeof *cases };

static struct sdrt_context *open_case(const struct mask_case *k)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    model_options(&o, path_in(k->model, ""));
    if (k->unet) {
        made_widen(9);
        o.denoiser = made_write("unet.safetensors", k->unet, 0, "");
        made_widen(0);
    }
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    return c;
}

static struct sdrt_request request_of(const struct mask_case *k)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a photo of a small red cat, 42 stars";
    r.negative_prompt = k->negative;
    r.sampler = k->sampler;
    r.steps = k->steps;
    r.strength = k->strength;
    r.cfg_scale = 4.0f;
    r.seed = 7;
    r.init = &picture;
    r.mask = &mask;
    return r;
}

/* diffusers' image under the mask, the picture elsewhere. */
static uint8_t *composed(const struct mask_case *k)
{
    char name[64];
    int w, h;

    snprintf(name, sizeof name, "%s-%s", k->model, k->name);
    uint8_t *want = golden_picture(name, &w, &h);
    cr_assert(w == W && h == H);
    for (int i = 0; i < N; i++)
        if (!mask_grey[i / 3]) want[i] = rgb[i];
    return want;
}

Test(mask, images)
{
    for (int i = 0; i < CASES; i++) {
        struct sdrt_context *c = open_case(&cases[i]);
        struct sdrt_request r = request_of(&cases[i]);
        struct lean lean = { 0 };
        uint8_t *want = composed(&cases[i]);
        r.progress = lean_count;
        r.user = &lean;
        expect_quiet(sdrt_generate(c, &r), cases[i].name);
        expect_lean(c, &lean, cases[i].name);
        const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
        cr_expect_gt(db, 50.0, "%s %s: the image is %.1f dB from diffusers'", cases[i].model,
                     cases[i].name, db);
        if (getenv("SDRT_TEST_VERBOSE"))
            fprintf(stderr, "%s %s: %.1f dB\n", cases[i].model, cases[i].name, db);
        free(want);
        sdrt_close(&c);
    }
}

/* ---- models that edit a picture ---- */

/* make_pictures.py has the same; U-Nets of 8 channels. */
static const struct {
    const char *model, *unet, *name, *sampler, *negative;
    float cfg, image_cfg;
} edits[] = {
    { "sd15", "bk-tiny", "edit", "euler_a", "blurry, bad hands", 4.0f, 1.5f },
    { "sd15", "bk-tiny", "edit-alone", "ddim", NULL, 1.0f, 1.5f },
    { "sdxl", "koala", "edit", "euler", NULL, 4.0f, 2.0f },
    { "sdxl", "koala", "edit-negative", "dpmpp_2m", "blurry, bad hands", 6.0f, 1.2f },
};

Test(mask, edits)
{
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        struct sdrt_context *c = NULL;
        struct sdrt_options o;
        struct sdrt_request r;
        struct lean lean = { 0 };
        char name[64];
        int w, h;
        model_options(&o, path_in(edits[i].model, ""));
        made_widen(8);
        o.denoiser = made_write("unet.safetensors", edits[i].unet, 0, "");
        made_widen(0);
        cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
        sdrt_request_init(&r);
        r.prompt = "a photo of a small red cat, 42 stars";
        r.negative_prompt = edits[i].negative;
        r.sampler = edits[i].sampler;
        r.steps = 4;
        r.cfg_scale = edits[i].cfg;
        r.image_cfg_scale = edits[i].image_cfg;
        r.seed = 7;
        r.init = &picture;
        snprintf(name, sizeof name, "%s-%s", edits[i].model, edits[i].name);
        uint8_t *want = golden_picture(name, &w, &h);
        r.progress = lean_count;
        r.user = &lean;
        expect_quiet(sdrt_generate(c, &r), name);
        expect_lean(c, &lean, name);
        const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
        cr_expect_gt(db, 50.0, "%s: the image is %.1f dB from diffusers'", name, db);
        if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", name, db);
        r.mask = &mask;
        expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "expected that and no mask", name);
        r.mask = NULL;
        r.image_cfg_scale = 0.5f;
        expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "image cfg scale 0.5", name);
        free(want);
        sdrt_close(&c);
    }
}

/* How many pixels of a rectangle of the image differ from the picture, which lies at (left, top). */
static int changed(const uint8_t *image, int width, int left, int top, const uint8_t *where,
                   int under)
{
    int n = 0;

    for (int i = 0; i < W * H; i++) {
        const uint8_t *at = image + 3 * ((i / W + top) * width + i % W + left);
        if (!where[i] == !under) n += memcmp(at, rgb + 3 * i, 3) != 0;
    }
    return n;
}

/* Under black, every pixel is the picture's, whatever is under white. */
Test(mask, what_is_not_masked_stays)
{
    static uint8_t images[4][N];
    struct sdrt_context *c = open_case(&cases[1]);

    for (int i = 0; i < 4; i++) {
        struct sdrt_request r = request_of(&cases[1]);
        r.masked_content = sdrt_list_name(SDRT_LIST_MASKED_CONTENTS, i);
        r.batch = 2;
        cr_assert_not_null(r.masked_content);
        expect_quiet(sdrt_generate(c, &r), r.masked_content);
        memcpy(images[i], sdrt_image(c, 0, NULL, NULL), N);
        cr_expect_eq(changed(images[i], W, 0, 0, mask_grey, 0), 0);
        cr_expect_gt(changed(images[i], W, 0, 0, mask_grey, 1), 500);
        cr_expect_eq(changed(sdrt_image(c, 1, NULL, NULL), W, 0, 0, mask_grey, 0), 0);
        for (int k = 0; k < i; k++)
            cr_expect_neq(memcmp(images[k], images[i], N), 0, "contents %d and %d", k, i);
    }
    sdrt_close(&c);
}

/* The other way around it is the mask's negative. */
Test(mask, inverted)
{
    static uint8_t negative[W * H], image[N];
    const struct sdrt_picture other = { negative, W, H, 1, 0 };
    struct sdrt_context *c = open_case(&cases[0]);
    struct sdrt_request r = request_of(&cases[0]);

    for (int i = 0; i < W * H; i++) negative[i] = (uint8_t)(255 - mask_grey[i]);
    r.mask_invert = 1;
    expect_quiet(sdrt_generate(c, &r), "inverted");
    memcpy(image, sdrt_image(c, 0, NULL, NULL), N);
    cr_expect_eq(changed(image, W, 0, 0, mask_grey, 1), 0);
    r.mask_invert = 0;
    r.mask = &other;
    expect_quiet(sdrt_generate(c, &r), "negative");
    cr_expect_eq(memcmp(image, sdrt_image(c, 0, NULL, NULL), N), 0);
    sdrt_close(&c);
}

/* A blurred mask mixes near its edge alone. */
Test(mask, blurred)
{
    static uint8_t hard[N];
    struct sdrt_context *c = open_case(&cases[0]);
    struct sdrt_request r = request_of(&cases[0]);
    int mixed = 0;

    expect_quiet(sdrt_generate(c, &r), "hard");
    memcpy(hard, sdrt_image(c, 0, NULL, NULL), N);
    r.mask_blur = 2.0f;
    expect_quiet(sdrt_generate(c, &r), "soft");
    const uint8_t *soft = sdrt_image(c, 0, NULL, NULL);
    mixed = changed(soft, W, 0, 0, mask_grey, 0);
    cr_expect(mixed > 100 && mixed < 2000, "%d pixels outside the mask", mixed);
    cr_expect_eq(memcmp(soft, rgb, 3 * 20), 0, "far from the mask");
    sdrt_close(&c);
}

/* Larger pictures keep their size; the part that is drawn is put back into them. */
Test(mask, only_masked)
{
    static uint8_t large[200][300][3], hole[200][300];
    const struct sdrt_picture whole = { large[0][0], 300, 200, 3, 0 };
    const struct sdrt_picture there = { hole[0], 300, 200, 1, 0 };
    struct sdrt_context *c = open_case(&cases[0]);
    struct sdrt_request r = request_of(&cases[0]);
    int w, h, outside = 0, inside = 0;

    for (int y = 0; y < 200; y++)
        for (int x = 0; x < 300; x++) {
            large[y][x][0] = (uint8_t)x;
            large[y][x][1] = (uint8_t)y;
            hole[y][x] = x >= 250 && x < 290 && y >= 20 && y < 40 ? 255 : 0;
        }
    r.init = &whole;
    r.mask = &there;
    r.mask_only = 1;
    r.mask_padding = 5;
    r.width = W;
    r.height = H;
    expect_quiet(sdrt_generate(c, &r), "only masked");
    const uint8_t *image = sdrt_image(c, 0, &w, &h);
    cr_assert(w == 300 && h == 200, "%dx%d", w, h);
    for (int y = 0; y < 200; y++)
        for (int x = 0; x < 300; x++) {
            const int differs = memcmp(image + 3 * (y * 300 + x), large[y][x], 3) != 0;
            outside += differs && !hole[y][x];
            inside += differs && hole[y][x];
        }
    cr_expect_eq(outside, 0);
    cr_expect_gt(inside, 700);
    sdrt_close(&c);
}

/* Twice as wide: the picture is where it was, and both sides are drawn. */
Test(mask, extended)
{
    static uint8_t all[W * H];
    struct sdrt_context *c = open_case(&cases[0]);
    struct sdrt_request r = request_of(&cases[0]);
    int w, h;

    r.mask = NULL;
    r.extend_left = 16;
    r.extend_right = 48;
    r.extend_bottom = 8;
    expect_quiet(sdrt_generate(c, &r), "extended");
    const uint8_t *image = sdrt_image(c, 0, &w, &h);
    cr_assert(w == 144 && h == 72, "%dx%d", w, h);
    cr_expect_eq(changed(image, w, 16, 0, all, 0), 0);
    r.mask = &mask;
    expect_quiet(sdrt_generate(c, &r), "with a mask");
    image = sdrt_image(c, 0, &w, &h);
    cr_expect_eq(changed(image, w, 16, 0, mask_grey, 0), 0);
    cr_expect_gt(changed(image, w, 16, 0, mask_grey, 1), 500);
    sdrt_close(&c);
}

/* ---- the parts ---- */

/* A point becomes a Gaussian of the variance asked for, whose sum stays; an even surface stays. */
Test(mask, blur_has_its_variance)
{
    static const double sigmas[] = { 0.3, 0.7, 1.0, 2.5, 4.0, 9.3 };
    enum { SIDE = 121, MIDDLE = 60 };
    static float x[SIDE * SIDE];

    for (size_t s = 0; s < sizeof sigmas / sizeof *sigmas; s++) {
        double sum = 0.0, variance = 0.0, other = 0.0;
        memset(x, 0, sizeof x);
        x[MIDDLE * SIDE + MIDDLE] = 1.0f;
        cr_assert_eq(sdrt_blur(x, SIDE, SIDE, 1, sigmas[s]), SDRT_OK);
        for (int i = 0; i < SIDE * SIDE; i++) {
            const double dx = i % SIDE - MIDDLE, dy = (double)(i / SIDE) - MIDDLE;
            sum += x[i];
            variance += x[i] * dx * dx;
            other += x[i] * dy * dy;
        }
        cr_expect(fabs(sum - 1.0) < 1e-4, "%g: sum %g", sigmas[s], sum);
        cr_expect(fabs(sqrt(variance) - sigmas[s]) < 1e-3 * sigmas[s] + 1e-4, "%g: %g", sigmas[s],
                  sqrt(variance));
        cr_expect(fabs(variance - other) < 1e-4 * variance + 1e-6);
    }
    for (int i = 0; i < SIDE * SIDE; i++) x[i] = 3.0f;
    cr_assert_eq(sdrt_blur(x, SIDE, SIDE, 1, 50.0), SDRT_OK);
    for (int i = 0; i < SIDE * SIDE; i++) cr_assert(fabsf(x[i] - 3.0f) < 1e-4f);
}

/* A hole between red and blue is red on one side and blue on the other, and nothing else changes. */
Test(mask, filled_from_its_surroundings)
{
    static uint8_t colours[40][60][3], hole[40][60];
    struct sdrt_pixels p = { colours[0][0], 60, 40, 3 };
    const struct sdrt_pixels m = { hole[0], 60, 40, 1 };

    for (int y = 0; y < 40; y++)
        for (int x = 0; x < 60; x++) {
            colours[y][x][x < 30 ? 0 : 2] = 200;
            colours[y][x][1] = 60;
            if (x >= 20 && x < 40) {
                hole[y][x] = 255;
                colours[y][x][1] = 255;
            }
        }
    expect_quiet(sdrt_pixels_fill(&p, &m, &kept_log), "fill");
    for (int y = 0; y < 40; y++) {
        cr_assert(colours[y][19][0] == 200 && colours[y][19][2] == 0 && colours[y][40][2] == 200);
        cr_expect(colours[y][20][0] > 170 && colours[y][20][2] < 40, "%d", colours[y][20][0]);
        cr_expect(colours[y][39][2] > 170 && colours[y][39][0] < 40, "%d", colours[y][39][2]);
        for (int x = 20; x < 40; x++)
            cr_expect(abs(colours[y][x][1] - 60) < 2, "%d: %d", x, colours[y][x][1]);
    }
}

/* ---- what cannot be ---- */

Test(mask, refusals)
{
    static const uint8_t black[W * H];
    const struct sdrt_picture small = { black, W, H - 1, 1, 0 }, dark = { black, W, H, 1, 0 };
    struct sdrt_context *c = open_case(&cases[0]);
    struct sdrt_request r = request_of(&cases[0]);

    r.mask = &small;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG,
                   "the mask is 80x63: expected the picture's 80x64", "another size");
    r.mask = &dark;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "the mask is black", "black");
    r.init = NULL;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "a mask of no picture", "no picture");
    r = request_of(&cases[0]);
    r.masked_content = "cats";
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "expected original, fill, noise or nothing",
                   "content");
    r.masked_content = NULL;
    r.mask_blur = NAN;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "mask blur", "blur");
    r.mask_blur = 0.0f;
    r.extend_top = -1;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "-1 pixels", "extend");
    r.extend_top = 0;
    r.mask = NULL;
    r.mask_only = 1;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "the mask alone without a mask", "only");
    sdrt_close(&c);
    c = open_case(&cases[7]);
    r = request_of(&cases[7]);
    r.mask = NULL;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "it takes a picture and a mask", "9 channels");
    sdrt_close(&c);
}
