/* SPDX-License-Identifier: MIT
 *
 * The small model that comes with sdgen, against images of diffusers in float32, which
 * tests/oracle/demo_model.py wrote.
 */
#include "model/sdrt.h"
#include "runtime/files/png.h"
#include "tests/any_level.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *prompt;
    unsigned seed;
} cases[] = {
    { "a red apple", 1 },
    { "a rocket on a blue background", 2 },
    { "a dog on a green background", 3 },
};

static const double least_psnr = 50.0;

static const char *data(const char *name)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/%s", root ? root : "tests", name);
    return path;
}

static double psnr(const uint8_t *a, const uint8_t *b, int n)
{
    double sum = 0.0;

    for (int i = 0; i < n; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return sum > 0.0 ? 10.0 * log10(255.0 * 255.0 * n / sum) : INFINITY;
}

static void check(struct sdrt_context *c, int i)
{
    struct sdrt_request r;
    uint8_t *golden;
    int width, height, golden_width, golden_height;
    char name[64];

    sdrt_request_init(&r);
    r.prompt = cases[i].prompt;
    r.seed = cases[i].seed;
    r.sampler = "ddim";
    r.cfg_scale = 3.0f;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    snprintf(name, sizeof name, "golden/demo-model/%d.png", i);
    cr_assert_eq(sdrt_png_read(data(name), 1024, &golden, &golden_width, &golden_height, NULL,
                               NULL),
                 SDRT_OK);
    const uint8_t *image = sdrt_image(c, 0, &width, &height);
    cr_assert_eq(width, 128, "the size is not the model's own: %d", width);
    cr_assert_eq(height, 128);
    cr_assert_eq(golden_width, width);
    cr_assert_eq(golden_height, height);
    const double near = psnr(image, golden, width * height * 3);
    fprintf(stderr, "%s: %.1f dB\n", cases[i].prompt, near);
    cr_expect_geq(near, least_psnr, "%s: %.1f dB", cases[i].prompt, near);
    free(golden);
}

/* Steps that a sampler chooses end where many that are planned do. */
Test(demo_model, chooses_its_steps)
{
    TSKIP_EMULATED();
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    sdrt_options_init(&o);
    o.model = data("../demo-model");
    o.precision = "f32";
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK);
    sdrt_request_init(&r);
    r.prompt = "a red apple";
    r.seed = 3;
    r.cfg_scale = 3.0f;
    r.sampler = "dpm_fast";
    r.steps = 60;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    const int n = 128 * 128 * 3;
    uint8_t *planned = malloc((size_t)n);
    memcpy(planned, sdrt_image(c, 0, NULL, NULL), (size_t)n);
    r.sampler = "dpm_adaptive";
    r.steps = 20;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    const double near = psnr(sdrt_image(c, 0, NULL, NULL), planned, n);
    cr_expect_geq(near, 45.0, "%.1f dB", near);
    free(planned);
    sdrt_close(&c);
}

Test(demo_model, equals_diffusers)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    sdrt_options_init(&o);
    o.model = data("../demo-model");
    o.precision = "f32";
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK);
    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) check(c, i);
    sdrt_close(&c);
}
