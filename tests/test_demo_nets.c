/* SPDX-License-Identifier: MIT
 *
 * The nets that were trained for the small model, with it, against images of diffusers in float32,
 * which tests/oracle/demo_nets.py wrote.
 */
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/lean.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

TestSuite(demo_nets, .init = temp_folder_make, .fini = temp_folder_remove);

enum { SIZE = 128, N = SIZE * SIZE * 3 };

static const double least_psnr = 50.0;

/* A file of the small model's folder. */
static const char *beside(const char *name, char path[512])
{
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, 512, "%s/../demo-model/%s", root ? root : "tests", name);
    return path;
}

static uint8_t *picture(const char *name)
{
    int w, h;
    uint8_t *rgb = golden_picture(name, &w, &h);

    cr_assert(w == SIZE && h == SIZE, "%s: %dx%d", name, w, h);
    return rgb;
}

static struct sdrt_request request_of(const char *prompt, unsigned seed)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = prompt;
    r.seed = seed;
    r.sampler = "ddim";
    r.cfg_scale = 3.0f;
    return r;
}

/* Draws r, and expects diffusers' image and no less than 50 dB of it, steps that allocate nothing,
 * and plans as small as their bounds. */
static void expect(struct sdrt_request r, const char *taesd, const char *golden)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    struct lean lean = { 0 };
    char model[512], name[64];

    snprintf(name, sizeof name, "../demo-model/%s", golden);
    uint8_t *want = picture(name);
    model_options(&o, beside("", model));
    o.taesd = taesd;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    r.progress = lean_count;
    r.user = &lean;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s: %s", golden, kept_text);
    const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
    fprintf(stderr, "%s: %.1f dB\n", golden, db);
    cr_expect_geq(db, least_psnr, "%s: %.1f dB from diffusers'", golden, db);
    expect_lean(c, &lean, golden);
    sdrt_close(&c);
    free(want);
}

Test(demo_nets, taesd)
{
    uint8_t *apple = picture("../demo-model/0");
    const struct sdrt_picture init = { apple, SIZE, SIZE, 3, 0 };
    struct sdrt_request r = request_of("a green apple", 2);
    char path[512];

    expect(request_of("a red apple", 1), beside("taesd", path), "taesd");
    r.init = &init;
    r.strength = 0.6f;
    expect(r, path, "taesd-init");
    free(apple);
}

Test(demo_nets, lora)
{
    struct sdrt_request r = request_of("a rocket on a red background", 2);
    char path[512];
    const struct sdrt_lora lora = { beside("lora/cyanotype.safetensors", path), 1.0f };

    r.loras = &lora;
    r.n_loras = 1;
    expect(r, NULL, "lora");
}

Test(demo_nets, control)
{
    uint8_t *edges = picture("../../../demo-model/edges");
    const struct sdrt_picture shown = { edges, SIZE, SIZE, 3, 0 };
    struct sdrt_request r = request_of("a fox on a green background", 3);
    char path[512];
    const struct sdrt_control control = { beside("canny", path), &shown, 1.0f, 0.0f, 1.0f };

    r.controls = &control;
    r.n_controls = 1;
    expect(r, NULL, "control");
    free(edges);
}

Test(demo_nets, image_prompt)
{
    uint8_t *apple = picture("../demo-model/0");
    const struct sdrt_picture shown = { apple, SIZE, SIZE, 3, 0 };
    struct sdrt_request r = request_of("", 4);
    char path[512], encoder[512];
    const struct sdrt_ip_adapter adapter = { beside("ip-adapter/adapter.safetensors", path), &shown,
                                             1.0f };

    r.ip_adapters = &adapter;
    r.n_ip_adapters = 1;
    r.clip_vision = beside("ip-adapter/image_encoder", encoder);
    expect(r, NULL, "ip-adapter");
    free(apple);
}
