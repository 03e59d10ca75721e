/* SPDX-License-Identifier: MIT
 *
 * Pictures as prompts (IP-Adapters) of weights that are made up, against diffusers in float32.
 * tests/oracle/make_image_prompts.py drew the images.
 */
#include "bench/allocations.h"
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

TestSuite(image_prompts, .init = temp_folder_make, .fini = temp_folder_remove);

struct ip_case {
    const char *model, *name, *sampler, *negative;
    float cfg;
    const char *kinds[2];
    float scales[2];
};

static const struct ip_case cases[] = {
    { "sd15", "plain", "euler_a", bad, 4.0f, { "plain", NULL }, { 0.6f } },
    { "sd15", "plus", "ddim", NULL, 4.0f, { "plus", NULL }, { 0.8f } },
    { "sd15", "both", "euler_a", NULL, 4.0f, { "plain", "plus" }, { 0.5f, 0.7f } },
    { "sd15", "alone", "ddim", NULL, 1.0f, { "plus", NULL }, { 1.0f } },
    { "sdxl", "plain", "euler", bad, 4.0f, { "plain", NULL }, { 0.7f } },
    { "sdxl", "plus", "euler", NULL, 4.0f, { "plus", NULL }, { 0.5f } },
};
enum { CASES = sizeof cases / sizeof *cases };

/* Files and pictures of a request. */
struct given {
    struct shown shown;
    struct sdrt_ip_adapter ips[2];
    char vision[512], files[2][512];
};

/* The encoder, a folder with what no tensor tells. */
static const char *write_vision(struct given *g)
{
    static const char told[] = "{\"num_attention_heads\":4,\"hidden_act\":\"gelu\"}";

    mkdir(temp_path("vision"), 0777);
    made_write("vision/model.safetensors", "clip-vision", 0, "");
    temp_write("vision/config.json", told, strlen(told));
    snprintf(g->vision, sizeof g->vision, "%s", temp_path("vision"));
    return g->vision;
}

static struct sdrt_request request_of(const struct ip_case *c, struct given *g)
{
    struct sdrt_request r;

    shown_make(&g->shown);
    sdrt_request_init(&r);
    r.prompt = "a photo of a small red cat, 42 stars";
    r.negative_prompt = c->negative;
    r.sampler = c->sampler;
    r.steps = 4;
    r.cfg_scale = c->cfg;
    r.width = W;
    r.height = H;
    r.seed = 7;
    r.clip_vision = write_vision(g);
    r.ip_adapters = g->ips;
    for (int i = 0; i < 2 && c->kinds[i]; i++) {
        char list[32], file[64];
        snprintf(list, sizeof list, "ip-%s-%s", c->kinds[i], c->model);
        snprintf(file, sizeof file, "%s.safetensors", list);
        snprintf(g->files[i], sizeof g->files[i], "%s", made_write(file, list, 0, ""));
        g->ips[i] = (struct sdrt_ip_adapter){ g->files[i], &g->shown.pictures[i], c->scales[i] };
        r.n_ip_adapters = i + 1;
    }
    return r;
}

static void check_case(struct sdrt_context *c, const struct ip_case *k)
{
    struct given g;
    char name[64];
    int w, h;

    const struct sdrt_request r = request_of(k, &g);
    snprintf(name, sizeof name, "%s-ip-%s", k->model, k->name);
    uint8_t *want = golden_picture(name, &w, &h);
    expect_quiet(sdrt_generate(c, &r), name);
    const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
    cr_expect_gt(db, 50.0, "%s: %.1f dB from diffusers'", name, db);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", name, db);
    expect_lower_bounds(c, name);
    free(want);
    shown_free(&g.shown);
}

static void check_model(const char *model)
{
    struct sdrt_context *c = open_model(path_in(model, ""), NULL);

    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].model, model)) check_case(c, &cases[i]);
    sdrt_close(&c);
}

Test(image_prompts, sd15) { check_model("sd15"); }
Test(image_prompts, sdxl) { check_model("sdxl"); }

/* Without strength it is as if there were none, to the bit, and takes no program; a request after one is as if
 * that had not been; another picture or strength is another image. */
Test(image_prompts, leaves_nothing_behind)
{
    static uint8_t image[3][N];
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct given g;

    struct sdrt_request r = request_of(&cases[1], &g);
    r.n_ip_adapters = 0;
    expect_quiet(sdrt_generate(c, &r), "without");
    memcpy(image[0], sdrt_image(c, 0, NULL, NULL), N);
    r.n_ip_adapters = 1;
    g.ips[0].scale = 0.0f;
    expect_quiet(sdrt_generate(c, &r), "with a strength of 0");
    cr_expect_eq(memcmp(image[0], sdrt_image(c, 0, NULL, NULL), N), 0);
    cr_expect_eq(sdrt_session_find(sdrt_session_of(c), "clip vision"), -1);
    g.ips[0].scale = 0.8f;
    expect_quiet(sdrt_generate(c, &r), "with");
    memcpy(image[1], sdrt_image(c, 0, NULL, NULL), N);
    cr_expect_neq(memcmp(image[0], image[1], N), 0);
    expect_quiet(sdrt_generate(c, &r), "again");
    cr_expect_eq(memcmp(image[1], sdrt_image(c, 0, NULL, NULL), N), 0);
    g.ips[0].picture = &g.shown.pictures[1];
    expect_quiet(sdrt_generate(c, &r), "another picture");
    memcpy(image[2], sdrt_image(c, 0, NULL, NULL), N);
    cr_expect_neq(memcmp(image[1], image[2], N), 0);
    g.ips[0].scale = 0.4f;
    expect_quiet(sdrt_generate(c, &r), "another strength");
    cr_expect_neq(memcmp(image[2], sdrt_image(c, 0, NULL, NULL), N), 0);
    r.n_ip_adapters = 0;
    expect_quiet(sdrt_generate(c, &r), "without again");
    cr_expect_eq(memcmp(image[0], sdrt_image(c, 0, NULL, NULL), N), 0);
    sdrt_close(&c);
    shown_free(&g.shown);
}

/* Levels whose attention takes 16-bit keys and values write those too. */
Test(image_prompts, narrow)
{
    struct sdrt_options o;
    struct sdrt_context *c;
    struct given g;
    int w, h;

    const struct sdrt_request r = request_of(&cases[2], &g);
    uint8_t *want = golden_picture("sd15-ip-both", &w, &h);
    model_options(&o, path_in("sd15", ""));
    o.isa = NULL;
    o.precision = "bf16";
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    const double db = pictures_psnr(sdrt_image(c, 0, NULL, NULL), want, N);
    cr_expect_gt(db, 25.0, "%.1f dB", db);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "bf16: %.1f dB\n", db);
    sdrt_close(&c);
    free(want);
    shown_free(&g.shown);
}

/* A batch's second image is that of the next seed alone. */
Test(image_prompts, batch)
{
    static uint8_t second[N];
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct given g;

    struct sdrt_request r = request_of(&cases[1], &g);
    r.batch = 2;
    expect_quiet(sdrt_generate(c, &r), "batch");
    memcpy(second, sdrt_image(c, 1, NULL, NULL), N);
    r.batch = 1;
    r.seed++;
    expect_quiet(sdrt_generate(c, &r), "alone");
    cr_expect_gt(pictures_psnr(second, sdrt_image(c, 0, NULL, NULL), N), 60.0);
    sdrt_close(&c);
    shown_free(&g.shown);
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

Test(image_prompts, denoising_allocates_nothing)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct counted k = { 0 };
    struct given g;

    struct sdrt_request r = request_of(&cases[2], &g);
    r.progress = count;
    r.user = &k;
    expect_quiet(sdrt_generate(c, &r), "generate");
    cr_expect_eq(k.last - k.first, 0, "%ld allocations", k.last - k.first);
    sdrt_close(&c);
    shown_free(&g.shown);
}

Test(image_prompts, option)
{
    static const struct {
        const char *text, *file, *image; /* file NULL: refused */
        float scale;
    } options[] = {
        { "a.safetensors=b.png", "a.safetensors", "b.png", 1.0f },
        { "a=b.png:0.6", "a", "b.png", 0.6f },
        { "a=c:d.png", "a", "c:d.png", 1.0f },
        { "a", NULL, NULL, 0.0f },
        { "=b", NULL, NULL, 0.0f },
        { "a=", NULL, NULL, 0.0f },
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        struct sdrt_ip_adapter ip;
        char *image;
        const int status = ip_option_read(&ip, &image, "ip-adapter", options[i].text, &kept_log);
        cr_assert_eq(status, options[i].file ? SDRT_OK : SDRT_E_ARG, "%s", options[i].text);
        if (status != SDRT_OK) continue;
        cr_expect_str_eq(ip.file, options[i].file);
        cr_expect_str_eq(image, options[i].image);
        cr_expect_eq(ip.scale, options[i].scale);
        free((void *)(uintptr_t)ip.file);
        free(image);
    }
}

/* What is no adapter, or none for the model, no encoder or another, and numbers that mean nothing. */
Test(image_prompts, refusals)
{
    struct sdrt_options o;
    struct given g;

    struct sdrt_request r = request_of(&cases[0], &g);
    const char *vision = r.clip_vision;
    model_options(&o, path_in("sd15", ""));
    r.clip_vision = NULL;
    expect_refusal(&o, &r, SDRT_E_ARG, "no encoder of its picture");
    r.clip_vision = g.files[0];
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "is an IP-Adapter: expected CLIP's encoder");
    r.clip_vision = made_write("alone.safetensors", "clip-vision", 0, "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "whose heads no tensor tells");
    r.clip_vision = vision;
    g.ips[0].file = made_write("xl.safetensors", "ip-plain-sdxl", 0, "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "an IP-Adapter of another model: text width");
    g.ips[0].file = made_write("control.safetensors", "control-sd15", 0, "");
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "is a ControlNet: expected an IP-Adapter");
    g.ips[0].file = temp_path("none.safetensors");
    expect_refusal(&o, &r, SDRT_E_MISSING, "none.safetensors");
    g.ips[0].file = NULL;
    expect_refusal(&o, &r, SDRT_E_ARG, "expected a file, not NULL");
    g.ips[0].file = g.files[0];
    g.ips[0].scale = 11.0f;
    expect_refusal(&o, &r, SDRT_E_ARG, "strength 11: expected a number from 0 to 10");
    g.ips[0].scale = 1.0f;
    g.ips[0].picture = NULL;
    expect_refusal(&o, &r, SDRT_E_ARG, "expected a picture");
    g.ips[0].picture = &g.shown.pictures[0];
    r.n_ip_adapters = 5;
    expect_refusal(&o, &r, SDRT_E_ARG, "5 IP-Adapters: expected 0 to 4");
    r.n_ip_adapters = 1;
    r.sampler = NULL;
    model_options(&o, path_in("sd35", ""));
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED,
                   "expected a model that draws by a U-Net, not SD 3.5");
    shown_free(&g.shown);
}
