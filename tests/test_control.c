/* SPDX-License-Identifier: MIT
 *
 * Control nets of weights that are made up, against diffusers in float32.  tests/oracle/make_control.py
 * drew the images.
 */
#include "bench/allocations.h"
#include "model/pipeline/control_maps.h"
#include "runtime/graph/program.h"
#include "tests/control_cases.h"
#include "tests/golden_models.h"
#include "tests/golden_pictures.h"
#include "tests/made_weights.h"
#include "tests/temp_folder.h"
#include "tools/control_option.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(control, .init = temp_folder_make, .fini = temp_folder_remove);

static const struct picture_case cases[] = {
    { "sd15", "one", "euler_a", bad, 4, 4.0f, 1, { 1.0f }, { 0.0f }, { 1.0f }, 0, 0.0f },
    { "sd15", "weak", "ddim", NULL, 5, 4.0f, 1, { 0.6f }, { 0.2f }, { 0.8f }, 0, 0.0f },
    { "sd15", "guess", "ddim", NULL, 4, 4.0f, 1, { 0.9f }, { 0.0f }, { 1.0f }, 1, 0.0f },
    { "sd15", "alone", "ddim", NULL, 4, 1.0f, 1, { 1.0f }, { 0.0f }, { 1.0f }, 1, 0.0f },
    { "sd15", "two", "euler_a", NULL, 4, 4.0f, 2, { 0.5f, 0.7f }, { 0 }, { 1.0f, 1.0f }, 0, 0.0f },
    { "sd15",
      "apart",
      "ddim",
      NULL,
      4,
      4.0f,
      2,
      { 0.5f, 0.7f },
      { 0.5f, 0.0f },
      { 1.0f, 0.5f },
      0,
      0.0f },
    { "sd15", "init", "euler_a", NULL, 6, 4.0f, 1, { 1.0f }, { 0.0f }, { 1.0f }, 0, 0.6f },
    { "sd21", "one", "euler", NULL, 4, 4.0f, 1, { 0.8f }, { 0.0f }, { 1.0f }, 0, 0.0f },
    { "sd3", "one", "euler", bad, 4, 5.0f, 1, { 0.8f }, { 0.0f }, { 1.0f }, 0, 0.0f },
    { "sd35",
      "two",
      "euler",
      NULL,
      4,
      4.0f,
      2,
      { 0.5f, 0.7f },
      { 0.0f, 0.2f },
      { 1.0f, 0.8f },
      0,
      0.0f },
    { "sdxl", "one", "euler", bad, 4, 4.0f, 1, { 1.0f }, { 0.0f }, { 1.0f }, 0, 0.0f },
    { "sdxl", "guess", "euler", NULL, 4, 4.0f, 1, { 1.0f }, { 0.0f }, { 1.0f }, 1, 0.0f },
};
/* Of T2I-Adapters. */
static const struct picture_case adapted[] = {
    { "sd15", "one", "euler_a", NULL, 4, 4.0f, 1, { 0.8f }, { 0.0f }, { 1.0f }, 0, 0.0f },
    { "sd15", "two", "ddim", NULL, 4, 4.0f, 2, { 0.5f, 0.7f }, { 0 }, { 1.0f, 1.0f }, 0, 0.0f },
    { "sdxl", "part", "euler", bad, 4, 4.0f, 1, { 0.9f }, { 0.0f }, { 0.5f }, 0, 0.0f },
};
enum { ADAPTED = sizeof adapted / sizeof *adapted };
enum { CASES = sizeof cases / sizeof *cases };

static void check_case(struct sdrt_context *c, const struct picture_case *p, const char *kind,
                       const char *net)
{
    control_case_check(c, p, kind, net, NULL);
}

/* All cases of a model one after the other in one session, which plans anew between them. */
static void check_model(const char *model, int single, const char *front)
{
    char kind[32];
    struct sdrt_context *c = open_model(path_in(model, ""), NULL);

    snprintf(kind, sizeof kind, "control-%s", model);
    const char *net = made_write("net.safetensors", kind, single, front);
    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].model, model)) check_case(c, &cases[i], "control", net);
    sdrt_close(&c);
}

Test(control, sd15) { check_model("sd15", 0, ""); }
Test(control, sd21) { check_model("sd21", 1, ""); }
Test(control, sd3) { check_model("sd3", 0, ""); }
Test(control, sdxl_of_original_names) { check_model("sdxl", 1, "control_model."); }

/* Nets of MMDiTs that are told the pooled text, which their folder says. */
Test(control, sd35_folder)
{
    static const char told[] = "{\"force_zeros_for_pooled_projection\":false}";
    char net[512];
    struct sdrt_context *c = open_model(path_in("sd35", ""), NULL);

    cr_assert_eq(mkdir(temp_path("net"), 0777), 0);
    made_write("net/diffusion_pytorch_model.safetensors", "control-sd35", 0, "");
    temp_write("net/config.json", told, strlen(told));
    snprintf(net, sizeof net, "%s", temp_path("net"));
    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].model, "sd35")) check_case(c, &cases[i], "control", net);
    sdrt_close(&c);
}

static void check_adapters(const char *model, int single)
{
    char kind[32];
    struct sdrt_context *c = open_model(path_in(model, ""), NULL);

    snprintf(kind, sizeof kind, "adapter-%s", model);
    const char *net = made_write("net.safetensors", kind, single, "");
    for (int i = 0; i < ADAPTED; i++)
        if (!strcmp(adapted[i].model, model)) check_case(c, &adapted[i], "adapter", net);
    sdrt_close(&c);
}

Test(control, sd15_adapters_of_original_names) { check_adapters("sd15", 1); }
Test(control, sdxl_adapter) { check_adapters("sdxl", 0); }

/* A ControlNet and a T2I-Adapter side by side, in either order, each as if the other were not there where
 * it has no strength. */
Test(control, net_and_adapter)
{
    static uint8_t image[3][N];
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const char *net = made_write("net.safetensors", "control-sd15", 0, "");
    const char *adapter = made_write("adapter.safetensors", "adapter-sd15", 0, "");
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[4], &s, net);
    for (int swapped = 0; swapped < 2; swapped++) {
        s.controls[swapped].net = adapter;
        s.controls[!swapped].net = net;
        s.controls[0].picture = s.controls[1].picture = &s.pictures[0];
        s.controls[swapped].scale = s.controls[!swapped].scale = 0.6f;
        expect_quiet(sdrt_generate(c, &r), "both");
        memcpy(image[swapped], sdrt_image(c, 0, NULL, NULL), N);
    }
    cr_expect_gt(pictures_psnr(image[0], image[1], N), 80.0);
    for (int k = 0; k < 2; k++) {
        s.controls[k].end = 0.2f; /* no evaluation of four */
        expect_quiet(sdrt_generate(c, &r), "one of both");
        memcpy(image[2], sdrt_image(c, 0, NULL, NULL), N);
        cr_expect_lt(pictures_psnr(image[2], image[0], N), 50.0);
        r.n_controls = 1;
        r.controls = &s.controls[!k];
        expect_quiet(sdrt_generate(c, &r), "alone");
        cr_expect_gt(pictures_psnr(image[2], sdrt_image(c, 0, NULL, NULL), N), 80.0, "%d", k);
        r.n_controls = 2;
        r.controls = s.controls;
        s.controls[k].end = 1.0f;
    }
    sdrt_close(&c);
    shown_free(&s);
}

/* A folder's net is the file's; what its settings say that no shape tells is heeded. */
Test(control, folder)
{
    enum { GLOBAL, ORDER, PLAIN };
    static const char *const settings[] = { "{\"global_pool_conditions\":true}",
                                            "{\"controlnet_conditioning_channel_order\":\"bgr\"}",
                                            "{\"global_pool_conditions\":false}" };
    static const char *const words[] = { "global_pool_conditions", "expected \"rgb\"" };
    char net[512];
    struct sdrt_options o;
    struct shown s;

    cr_assert_eq(mkdir(temp_path("net"), 0777), 0);
    made_write("net/diffusion_pytorch_model.safetensors", "control-sd15", 0, "");
    snprintf(net, sizeof net, "%s", temp_path("net"));
    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[0], &s, net);
    model_options(&o, path_in("sd15", ""));
    for (int i = GLOBAL; i < PLAIN; i++) {
        temp_write("net/config.json", settings[i], strlen(settings[i]));
        expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, words[i]);
    }
    temp_write("net/config.json", settings[PLAIN], strlen(settings[PLAIN]));
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    check_case(c, &cases[0], "control", net);
    sdrt_close(&c);
    shown_free(&s);
}

/* A request without a net after one with it is as if there had been none. */
Test(control, leaves_nothing_behind)
{
    static uint8_t plain[N];
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const char *net = made_write("net.safetensors", "control-sd15", 0, "");
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[0], &s, net);
    r.n_controls = 0;
    expect_quiet(sdrt_generate(c, &r), "without");
    memcpy(plain, sdrt_image(c, 0, NULL, NULL), N);
    r.n_controls = 1;
    expect_quiet(sdrt_generate(c, &r), "with");
    cr_expect_neq(memcmp(plain, sdrt_image(c, 0, NULL, NULL), N), 0);
    s.controls[0].scale = 0.0f;
    expect_quiet(sdrt_generate(c, &r), "with a strength of 0");
    cr_expect_eq(memcmp(plain, sdrt_image(c, 0, NULL, NULL), N), 0);
    s.controls[0].scale = 1.0f;
    s.controls[0].start = 0.9f; /* no evaluation of four is within it */
    expect_quiet(sdrt_generate(c, &r), "too late");
    cr_expect_eq(memcmp(plain, sdrt_image(c, 0, NULL, NULL), N), 0);
    r.n_controls = 0;
    expect_quiet(sdrt_generate(c, &r), "without again");
    cr_expect_eq(memcmp(plain, sdrt_image(c, 0, NULL, NULL), N), 0);
    sdrt_close(&c);
    shown_free(&s);
}

/* Two sessions share a net, which ends with the last that draws with it. */
Test(control, sessions_share_a_net)
{
    static uint8_t image[N];
    const char *net = made_write("net.safetensors", "control-sd15", 0, "");
    struct sdrt_options o;
    struct sdrt_model *m;
    struct sdrt_session *a, *b;
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[1], &s, net);
    model_options(&o, path_in("sd15", ""));
    cr_assert_eq(sdrt_model_open(&m, &o), SDRT_OK, "%s", kept_text);
    cr_assert_eq(sdrt_session_open(&a, m, 2), SDRT_OK);
    cr_assert_eq(sdrt_session_open(&b, m, 2), SDRT_OK);
    expect_quiet(sdrt_session_generate(a, &r), "a");
    memcpy(image, sdrt_session_image(a, 0, NULL, NULL), N);
    expect_quiet(sdrt_session_generate(b, &r), "b");
    cr_expect_eq(memcmp(image, sdrt_session_image(b, 0, NULL, NULL), N), 0);
    sdrt_session_close(&a);
    cr_expect_not_null(m->nets);
    expect_quiet(sdrt_session_generate(b, &r), "b again");
    cr_expect_eq(memcmp(image, sdrt_session_image(b, 0, NULL, NULL), N), 0);
    r.n_controls = 0;
    expect_quiet(sdrt_session_generate(b, &r), "b without");
    cr_expect_null(m->nets);
    sdrt_session_close(&b);
    sdrt_model_release(&m);
    shown_free(&s);
}

/* A batch's second image is that of the next seed alone. */
Test(control, batch)
{
    static uint8_t second[N];
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const char *net = made_write("net.safetensors", "control-sd15", 0, "");
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[1], &s, net);
    r.batch = 2;
    expect_quiet(sdrt_generate(c, &r), "batch");
    memcpy(second, sdrt_image(c, 1, NULL, NULL), N);
    r.batch = 1;
    r.seed++;
    expect_quiet(sdrt_generate(c, &r), "alone");
    cr_expect_gt(pictures_psnr(second, sdrt_image(c, 0, NULL, NULL), N), 60.0);
    sdrt_close(&c);
    shown_free(&s);
}

struct counted {
    long first, last;
};

static int count(void *user, enum sdrt_stage stage, int done, int total)
{
    struct counted *k = user;

    if (stage != SDRT_STAGE_DENOISE) return 0;
    if (done == 1) k->first = sdrt_allocations();
    if (done == total) k->last = sdrt_allocations();
    return 0;
}

Test(control, denoising_allocates_nothing)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const char *net = made_write("net.safetensors", "control-sd15", 0, "");
    struct counted k = { 0 };
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[5], &s, net);
    r.progress = count;
    r.user = &k;
    expect_quiet(sdrt_generate(c, &r), "generate");
    cr_expect_eq(k.last - k.first, 0, "%ld allocations", k.last - k.first);
    sdrt_close(&c);
    shown_free(&s);
}

/* What OpenCV makes of the picture; blurring by boxes comes close to it. */
Test(control, maps)
{
    int w, h;

    for (int i = 0; sdrt_control_map_name(i); i++) {
        struct sdrt_pixels p = { golden_picture("resized-large", &w, &h), 0, 0, 3 };
        char name[64];
        snprintf(name, sizeof name, "map-%s", sdrt_control_map_name(i));
        p.width = w;
        p.height = h;
        uint8_t *want = golden_picture(name, &w, &h);
        cr_assert(w == p.width && h == p.height);
        cr_assert_eq(sdrt_control_map_apply(&p, (enum sdrt_control_map)i, &kept_log), SDRT_OK);
        int worst = 0;
        for (int k = 0; k < w * h * 3; k++)
            if (abs(p.rgb[k] - want[k]) > worst) worst = abs(p.rgb[k] - want[k]);
        cr_expect_leq(worst, i == SDRT_MAP_BLUR ? 2 : 0, "%s: %d", name, worst);
        free(want);
        free(p.rgb);
    }
}

/* A map is made at the image's size, as by hand. */
Test(control, request_with_a_map)
{
    static uint8_t given[N];
    static const char *const canny[] = { "canny" }, *const strange[] = { "depth" };
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    const char *net = made_write("net.safetensors", "control-sd15", 0, "");
    struct sdrt_options o;
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[0], &s, net);
    r.control_maps = canny;
    expect_quiet(sdrt_generate(c, &r), "by name");
    memcpy(given, sdrt_image(c, 0, NULL, NULL), N);
    struct sdrt_pixels p = { s.rgb[0], W, H, 3 };
    cr_assert_eq(sdrt_control_map_apply(&p, SDRT_MAP_CANNY, &kept_log), SDRT_OK);
    r.control_maps = NULL;
    expect_quiet(sdrt_generate(c, &r), "by hand");
    cr_expect_eq(memcmp(given, sdrt_image(c, 0, NULL, NULL), N), 0);
    sdrt_close(&c);
    r.control_maps = strange;
    model_options(&o, path_in("sd15", ""));
    expect_refusal(&o, &r, SDRT_E_ARG, "unknown control map \"depth\": expected canny, invert");
    r.control_maps = NULL;
    r.resize_mode = "round";
    expect_refusal(&o, &r, SDRT_E_ARG, "unknown resize mode");
    shown_free(&s);
}

/* What stands behind a picture's name on the command line. */
Test(control, option)
{
    static const struct {
        const char *text, *net, *image, *map, *type; /* net NULL: refused */
        float scale, start, end;
    } options[] = {
        { "a.safetensors=b.png", "a.safetensors", "b.png", NULL, NULL, 1.0f, 0.0f, 1.0f },
        { "a=b.png:0.8", "a", "b.png", NULL, NULL, 0.8f, 0.0f, 1.0f },
        { "a=b.png:0.8:0.2-0.7", "a", "b.png", NULL, NULL, 0.8f, 0.2f, 0.7f },
        { "a=b.png:0-0.5", "a", "b.png", NULL, NULL, 1.0f, 0.0f, 0.5f },
        { "a=c:d.png", "a", "c:d.png", NULL, NULL, 1.0f, 0.0f, 1.0f },
        { "a=1=2.png:-1", "a", "1=2.png", NULL, NULL, -1.0f, 0.0f, 1.0f },
        { "a=canny:b.png:0.8", "a", "b.png", "canny", NULL, 0.8f, 0.0f, 1.0f },
        { "a=blur:c:d.png", "a", "c:d.png", "blur", NULL, 1.0f, 0.0f, 1.0f },
        { "a=canny.png", "a", "canny.png", NULL, NULL, 1.0f, 0.0f, 1.0f },
        { "a:canny=b.png:0.8", "a", "b.png", NULL, "canny", 0.8f, 0.0f, 1.0f },
        { "x:y/a:hed=canny:b.png", "x:y/a", "b.png", "canny", "hed", 1.0f, 0.0f, 1.0f },
        { "a:strange=b.png", NULL, NULL, NULL, NULL, 0.0f, 0.0f, 0.0f },
        { "a=canny:", NULL, NULL, NULL, NULL, 0.0f, 0.0f, 0.0f },
        { "a", NULL, NULL, NULL, NULL, 0.0f, 0.0f, 0.0f },
        { "=b.png", NULL, NULL, NULL, NULL, 0.0f, 0.0f, 0.0f },
        { "a=", NULL, NULL, NULL, NULL, 0.0f, 0.0f, 0.0f },
        { "a=:0.8", NULL, NULL, NULL, NULL, 0.0f, 0.0f, 0.0f },
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct control_option o;
        const int status = control_option_read(&o, "control", options[i].text, &kept_log);
        cr_assert_eq(status, options[i].net ? SDRT_OK : SDRT_E_ARG, "%s", options[i].text);
        if (status != SDRT_OK) continue;
        const struct sdrt_control *c = &o.control;
        cr_expect_str_eq(c->net, options[i].net, "%s", options[i].text);
        cr_expect_str_eq(o.image, options[i].image, "%s", options[i].text);
        cr_expect(c->scale == options[i].scale && c->start == options[i].start &&
                      c->end == options[i].end,
                  "%s", options[i].text);
        cr_expect(o.map == options[i].map || !strcmp(o.map, options[i].map), "%s", options[i].text);
        cr_expect(o.type == options[i].type || !strcmp(o.type, options[i].type), "%s",
                  options[i].text);
        free((void *)(uintptr_t)c->net);
        free(o.image);
    }
}

/* What is no ControlNet, or none for the model, and numbers that mean nothing. */
Test(control, refusals)
{
    const char *sd15 = made_write("sd15.safetensors", "control-sd15", 0, "");
    const char *sdxl = made_write("sdxl.safetensors", "control-sdxl", 0, "");
    const char *vae = path_in("sd15", "vae/diffusion_pytorch_model.safetensors");
    struct sdrt_options o;
    struct shown s;

    shown_make(&s);
    struct sdrt_request r = control_case_request(&cases[0], &s, sdxl);
    model_options(&o, path_in("sd15", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "sdxl.safetensors: a ControlNet of another model");
    s.controls[0].net = made_write("t2i.safetensors", "adapter-sdxl", 0, "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a T2I-Adapter of another model");
    s.controls[0].net = vae;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "is a VAE: expected a ControlNet");
    s.controls[0].net = path_in("sd15", "unet");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "is a U-Net: expected a ControlNet");
    s.controls[0].net = temp_path("none.safetensors");
    expect_refusal(&o, &r, SDRT_E_MISSING, "none.safetensors");
    s.controls[0].net = made_write("control_shuffle.safetensors", "control-sd15", 0, "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "by its name it leaves one number for all pixels");
    s.controls[0].net = NULL;
    expect_refusal(&o, &r, SDRT_E_ARG, "expected a net");
    s.controls[0].net = sd15;
    s.controls[0].picture = NULL;
    expect_refusal(&o, &r, SDRT_E_ARG, "expected a picture");
    s.controls[0].picture = &(struct sdrt_picture){ s.rgb[0], 0, H, 3, 0 };
    expect_refusal(&o, &r, SDRT_E_ARG, "the control picture");
    s.controls[0].picture = &s.pictures[0];
    s.controls[0].scale = -0.5f;
    expect_refusal(&o, &r, SDRT_E_ARG, "strength -0.5: expected a number from 0 to 10");
    s.controls[0].scale = 1.0f;
    s.controls[0].start = 0.8f;
    s.controls[0].end = 0.4f;
    expect_refusal(&o, &r, SDRT_E_ARG, "start 0.8, end 0.4: expected shares that rise");
    s.controls[0].start = 0.0f;
    r.n_controls = 5;
    expect_refusal(&o, &r, SDRT_E_ARG, "5 control pictures: expected 0 to 4");
    r.n_controls = 1;
    r.controls = NULL;
    expect_refusal(&o, &r, SDRT_E_ARG, "expected an array");
    r.controls = s.controls;
    r.sampler = NULL;
    s.controls[0].net = made_write("sd3.safetensors", "control-sd3", 0, "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a control net of another model");
    s.controls[0].net = sd15;
    model_options(&o, path_in("sd35", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a control net of another model");
    shown_free(&s);
}
