/* SPDX-License-Identifier: MIT
 *
 * A TAESD of weights that are made up, in the place of the tiny SD 1.5's VAE, against diffusers in
 * float32: encoder and decoder in one image, under each of the names that its files have.
 * tests/oracle/make_pictures.py drew the image.
 */
#include "runtime/graph/program.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/lean.h"
#include "tests/made_weights.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(taesd, .init = temp_folder_make, .fini = temp_folder_remove);

enum { W = 80, H = 64, N = W * H * 3 };

static struct sdrt_context *open_with(const char *model, const char *taesd)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    model_options(&o, path_in(model, ""));
    o.taesd = taesd;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    return c;
}

static struct sdrt_request request_of(const struct sdrt_picture *init)
{
    struct sdrt_request r;

    sdrt_request_init(&r);
    r.prompt = "a photo of a small red cat, 42 stars";
    r.sampler = "euler_a";
    r.steps = 6;
    r.strength = 0.6f;
    r.cfg_scale = 4.0f;
    r.seed = 7;
    r.init = init;
    return r;
}

/* dB of the image that a TAESD's file makes from diffusers'. */
static double distance(const char *file)
{
    int w, h;
    uint8_t *rgb = golden_picture("init", &w, &h), *want = golden_picture("sd15-taesd", &w, &h);
    const struct sdrt_picture init = { rgb, W, H, 3, 0 };
    struct sdrt_request r = request_of(&init);
    struct sdrt_context *c = open_with("sd15", file);
    struct lean lean = { 0 };

    cr_assert(w == W && h == H);
    r.progress = lean_count;
    r.user = &lean;
    expect_quiet(sdrt_generate(c, &r), file);
    expect_lean(c, &lean, file);
    const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
    sdrt_close(&c);
    free(rgb);
    free(want);
    return db;
}

Test(taesd, image)
{
    const double db = distance(made_write("taesd.safetensors", "taesd", 0, ""));

    cr_expect_gt(db, 50.0, "%.1f dB from diffusers'", db);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "taesd: %.1f dB\n", db);
}

/* The author's names, in which a clamp is a decoder's first layer: of one file made by hand from the
 * other. */
Test(taesd, names_of_the_author)
{
    const char *path = made_write("taesd.safetensors", "taesd", 0, "");
    size_t size;
    char *bytes = temp_read(path, &size), *at;

    /* "decoder.layers.12." -> "taesd_decoder.13.", and blanks for what is over. */
    for (at = bytes + 8; (at = strstr(at, "coder.layers.")); at++) {
        const int decoder = !strncmp(at - 2, "de", 2);
        char *rest, name[64];
        const long layer = strtol(at + strlen("coder.layers."), &rest, 10) + decoder;
        char *end = strchr(rest, '"');
        const int n = snprintf(name, sizeof name, "taesd_%.2scoder.%ld%.*s\"", at - 2, layer,
                               (int)(end - rest), rest);
        char *start = at - 2;
        const size_t room = (size_t)(end + 1 - start);
        if ((size_t)n <= room) {
            memcpy(start, name, (size_t)n);
            memset(start + n, ' ', room - (size_t)n);
        } else {
            cr_assert_fail("%s has no room", name);
        }
    }
    path = temp_write("author.safetensors", bytes, size);
    free(bytes);
    cr_expect_gt(distance(path), 50.0);
}

/* What is no TAESD, or one of another latent, before anything is packed. */
Test(taesd, refusals)
{
    struct sdrt_options o;
    struct sdrt_request r = request_of(NULL);
    const char *path = made_write("taesd.safetensors", "taesd", 0, "");

    model_options(&o, path_in("sd15", ""));
    o.taesd = path_in("sd15", "vae/diffusion_pytorch_model.safetensors");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "expected a TAESD");
    o.taesd = temp_path("none");
    expect_refusal(&o, &r, SDRT_E_MISSING, "none");
    model_options(&o, path_in("sd35", ""));
    o.taesd = path;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "decodes latents of 4 channels: the model has 16");
    model_options(&o, path_in("sdxl", ""));
    o.taesd = path;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED,
                   "makes 8 pixels a side of one: the model's VAE makes 2");
}
