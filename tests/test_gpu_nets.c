/* SPDX-License-Identifier: MIT
 *
 * What goes beside a tiny model, on a GPU's kernels in the execution model that stands in for its driver:
 * control nets, adapters, pictures as prompts, TAESD, FreeU, two drawings, weights of 8 bits.
 * Each image is the processor's in f32 within bf16's limits, and nearer to it than that is to an image without.
 */
#include "tests/golden_images.h"
#include "tests/golden_pictures.h"
#include "tests/made_weights.h"
#include "tests/run_program.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void set_up(void)
{
    temp_folder_make();
    if (!getenv("SDRT_TEST_GPU")) setenv("SDRT_CUDA_LIBRARY", SDRT_CUDA_SHIM, 1);
}

TestSuite(gpu_nets, .init = set_up, .fini = temp_folder_remove);

enum { SIDE = 32, LEAST = 30 /* dB, as in test_gpu_models.c */ };

static void options_for(struct sdrt_options *o, const char *family, const char *device)
{
    model_options(o, family ? path_in(family, "") : NULL);
    o->device = device;
    o->precision = device ? NULL : "f32";
}

static struct sdrt_context *open_on(const char *taesd, const char *denoiser, const char *device)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    options_for(&o, "sd15", device);
    o.taesd = taesd;
    o.denoiser = denoiser;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    return c;
}

/* One step without guidance: seconds in the execution model. */
static struct sdrt_request plain(void)
{
    const struct picture p = { .steps = 1, .width = SIDE, .height = SIDE, .cfg = 1.0f };
    struct sdrt_request r;

    picture_request(&r, &p);
    return r;
}

static uint8_t *draw(struct sdrt_context *c, const struct sdrt_request *r, size_t *bytes)
{
    int w, h;
    const uint8_t *image;

    cr_assert_eq(sdrt_generate(c, r), SDRT_OK, "%s", kept_text);
    image = sdrt_image(c, 0, &w, &h);
    *bytes = (size_t)w * (size_t)h * 3;
    uint8_t *copy = malloc(*bytes);
    cr_assert_not_null(copy);
    memcpy(copy, image, *bytes);
    return copy;
}

/* Images of with on both devices, and of without, a request or a context that lacks it, on the processor. */
static void check(const char *name, const char *taesd, const char *denoiser,
                  const struct sdrt_request *with, const struct sdrt_request *without)
{
    struct sdrt_context *cpu = open_on(taesd, denoiser, NULL);
    struct sdrt_context *gpu = open_on(taesd, denoiser, "cuda");
    struct sdrt_context *lacks = open_on(NULL, NULL, NULL);
    size_t bytes, same, other;
    uint8_t *want = draw(cpu, with, &bytes), *got = draw(gpu, with, &same);
    uint8_t *bare = draw(lacks, without, &other);

    cr_assert(bytes == same, "%s", name);
    const double db = pictures_psnr(got, want, bytes);
    const double apart = bytes == other ? pictures_psnr(bare, want, bytes) : 0.0;
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%s: %.1f dB, without it %.1f\n", name, db, apart);
    cr_expect_gt(db, (double)LEAST, "%s: the GPU's image is %.1f dB from the processor's", name,
                 db);
    cr_expect_gt(db, apart + 3.0, "%s: %.1f dB, and without it %.1f", name, db, apart);
    free(want);
    free(got);
    free(bare);
    sdrt_close(&cpu);
    sdrt_close(&gpu);
    sdrt_close(&lacks);
}

/* The corner of golden/pictures/init.png. */
static struct sdrt_picture corner(int side)
{
    int w, h;
    const uint8_t *rgb = golden_picture("init", &w, &h); /* the process ends after its test */

    return (struct sdrt_picture){ rgb, side, side, 3, (size_t)w * 3 };
}

static void check_control(const char *kind)
{
    const struct sdrt_picture p = corner(SIDE);
    const struct sdrt_control control = { made_write("net.safetensors", kind, 0, ""), &p, 1.0f,
                                          0.0f, 1.0f };
    const struct sdrt_request without = plain();
    struct sdrt_request with = without;

    with.controls = &control;
    with.n_controls = 1;
    check(kind, NULL, NULL, &with, &without);
}

Test(gpu_nets, control_net) { check_control("control-sd15"); }
Test(gpu_nets, adapter) { check_control("adapter-sd15"); }

Test(gpu_nets, image_prompt)
{
    static const char told[] = "{\"num_attention_heads\":4,\"hidden_act\":\"gelu\"}";
    const struct sdrt_picture p = corner(SIDE);
    const struct sdrt_request without = plain();
    struct sdrt_request with = without;
    char vision[512], file[512];

    cr_assert_eq(mkdir(temp_path("vision"), 0777), 0);
    made_write("vision/model.safetensors", "clip-vision", 0, "");
    temp_write("vision/config.json", told, strlen(told));
    snprintf(vision, sizeof vision, "%s", temp_path("vision"));
    snprintf(file, sizeof file, "%s", made_write("ip.safetensors", "ip-plus-sd15", 0, ""));
    const struct sdrt_ip_adapter ip = { file, &p, 1.0f };
    with.clip_vision = vision;
    with.ip_adapters = &ip;
    with.n_ip_adapters = 1;
    check("image prompt", NULL, NULL, &with, &without);
}

/* Encoder and decoder. */
static void check_taesd(void)
{
    const struct sdrt_picture p = corner(SIDE);
    struct sdrt_request r = plain();

    r.init = &p;
    r.strength = 0.5f;
    r.steps = 2;
    check("TAESD", made_write("taesd.safetensors", "taesd", 0, ""), NULL, &r, &r);
}

Test(gpu_nets, taesd) { check_taesd(); }

Test(gpu_nets, freeu)
{
    const struct sdrt_request without = plain();
    struct sdrt_request with = without;

    with.freeu = "1.5,1.6,0.9,0.2";
    check("FreeU", NULL, NULL, &with, &without);
}

Test(gpu_nets, hires)
{
    const struct sdrt_request without = plain();
    struct sdrt_request with = without;

    with.hires = 1.5f;
    with.hires_upscaler = "latent";
    with.hires_strength = 0.5f;
    with.steps = 2;
    check("hires", NULL, NULL, &with, &without);
}

/* A denoiser of e4m3, which the device keeps so. */
static void check_eight_bits(void)
{
    char net[512], model[512];
    const struct sdrt_request r = plain();

    snprintf(net, sizeof net, "%s", temp_path("small.safetensors"));
    snprintf(model, sizeof model, "%s", path_in("sd15", ""));
    char *const arguments[] = {
        (char *)"./sdconvert", (char *)"--quiet", (char *)"-t", (char *)"f8_e4m3", model, net, NULL
    };
    program_finish(program_start(NULL, 0, arguments));
    cr_assert_eq(ended.status, 0, "%s", ended.text);
    check("8 bits", NULL, net, &r, &r);
}

Test(gpu_nets, eight_bits) { check_eight_bits(); }

/* On a GPU of compute capability 7.5, in f16. */
static void choose_75(void)
{
    if (!getenv("SDRT_TEST_GPU")) setenv("SDRT_CUDA_LIBRARY", SDRT_CUDA_SHIM75, 1);
}

Test(gpu_nets, taesd_on_75)
{
    choose_75();
    check_taesd();
}

Test(gpu_nets, eight_bits_on_75)
{
    choose_75();
    check_eight_bits();
}
