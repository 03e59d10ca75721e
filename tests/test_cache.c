/* SPDX-License-Identifier: MIT
 *
 * Evaluations that do less than the whole, against diffusers with a hook in place of the deep branch
 * (tests/oracle/make_cache_golden.py), what they save, and where they are refused.
 */
#include "bench/allocations.h"
#include "model/noise/cache.h"
#include "runtime/files/png.h"
#include "tests/any_level.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(cache, .init = temp_folder_make, .fini = temp_folder_remove);

enum { WIDTH = 96, HEIGHT = 72, SD3_HEIGHT = 80 };

static const struct golden_case {
    const char *name, *family, *cache;
    float cfg_end;
} cases[] = {
    { "sd15-layers1", "sd15", "deepcache:every=3,last=0,order=0", 1.0f },
    { "sd15-layers2", "sd15", "deepcache:every=3,last=1,layers=2", 1.0f },
    { "sd15-layers3", "sd15", "deepcache:every=2,first=3,last=0,order=0,layers=3", 1.0f },
    { "sd15-unguided", "sd15", "deepcache:every=2,first=3,last=0,layers=1", 0.55f },
    { "sd15-range", "sd15", NULL, 0.55f },
    { "sdxl-layers1", "sdxl", "deepcache:every=3,last=0,order=0", 1.0f },
    { "sdxl-layers2", "sdxl", "deepcache:every=3,last=1,layers=2", 0.55f },
    { "sd15-taylor", "sd15", "taylor:every=2,first=4,last=2", 0.55f },
    { "sd35-taylor", "sd35", "taylor:every=3,first=3,last=1", 1.0f },
    { "sd15-easy", "sd15", "easycache:threshold=1", 1.0f },
    { "sd35-easy", "sd35", "easycache:threshold=1", 1.0f },
    { "sd15-gate", "sd15", "tgate:gate=4", 1.0f },
    { "sd21-gate", "sd21", "tgate:gate=1", 1.0f },
    { "sdxl-gate", "sdxl", "tgate:gate=1", 1.0f },
};
enum { CASES = sizeof cases / sizeof *cases, GATE = 11, XL_GATE = 13 };

static void case_request(struct sdrt_request *r, const struct golden_case *k)
{
    sdrt_request_init(r);
    r->prompt = "a photo of a small red cat, 42 stars";
    r->negative_prompt = "blurry, bad hands";
    r->sampler = strcmp(k->family, "sd35") ? "ddim" : "euler";
    r->steps = 10;
    r->cfg_scale = 5.0f;
    r->seed = 7;
    r->width = WIDTH;
    r->height = strcmp(k->family, "sd35") ? HEIGHT : SD3_HEIGHT;
    r->cache = k->cache;
    r->cfg_end = k->cfg_end;
}

/* dB between images of so many bytes. */
static double distance(const uint8_t *a, const uint8_t *b, int bytes)
{
    double sum = 0;

    for (int i = 0; i < bytes; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return 10.0 * log10(255.0 * 255.0 * bytes / sum);
}

/* A copy of what c draws. */
static uint8_t *draw(struct sdrt_context *c, const struct sdrt_request *r, int image)
{
    const size_t bytes = (size_t)r->width * (size_t)r->height * 3;
    uint8_t *copy = malloc(bytes);

    cr_assert_eq(sdrt_generate(c, r), SDRT_OK, "%s", kept_text);
    memcpy(copy, sdrt_image(c, image, NULL, NULL), bytes);
    return copy;
}

static int same(struct sdrt_context *c, const struct sdrt_request *a, const struct sdrt_request *b)
{
    uint8_t *first = draw(c, a, 0), *second = draw(c, b, 0);
    const int equal = !memcmp(first, second, (size_t)a->width * (size_t)a->height * 3);

    free(first);
    free(second);
    return equal;
}

static void check_case(struct sdrt_context *c, const struct golden_case *k)
{
    const char *root = getenv("SDRT_TESTDATA");
    char path[512];
    struct sdrt_request r;
    uint8_t *want;
    int w, h;

    snprintf(path, sizeof path, "%s/golden/cache/%s.png", root ? root : "tests", k->name);
    cr_assert_eq(sdrt_png_read(path, 1024, &want, &w, &h, NULL, &kept_log), SDRT_OK, "%s",
                 kept_text);
    case_request(&r, k);
    cr_assert(w == r.width && h == r.height);
    uint8_t *got = draw(c, &r, 0);
    const double dB = distance(got, want, w * h * 3);
    cr_expect_gt(dB, 50.0, "%s: %.1f dB from diffusers'", k->name, dB);
    if (getenv("SDRT_TEST_VERBOSE")) fprintf(stderr, "%s: %.1f dB\n", k->name, dB);
    free(got);
    free(want);
}

static void check_family(const char *family)
{
    struct sdrt_context *c = open_model(path_in(family, ""), NULL);
    const struct golden_case *of[CASES];
    size_t n = 0;

    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].family, family)) of[n++] = &cases[i];
    for (size_t i = 0; i < n; i += tstep(n)) check_case(c, of[i]);
    sdrt_close(&c);
}

Test(cache, sd15_equals_diffusers) { check_family("sd15"); }
Test(cache, sd21_equals_diffusers) { check_family("sd21"); }
Test(cache, sdxl_equals_diffusers) { check_family("sdxl"); }
Test(cache, sd35_equals_diffusers) { check_family("sd35"); }

/* ---- what stays ---- */

Test(cache, whole_evaluations_draw_the_same_bits)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request plain, cached;

    case_request(&plain, &cases[0]);
    plain.cache = NULL;
    cached = plain;
    cached.cache = "deepcache:first=10";
    cr_expect(same(c, &plain, &cached), "whole evaluations that keep something draw other bits");
    cached.cache = "tgate:gate=10";
    cr_expect(same(c, &plain, &cached), "a gate behind the last evaluation changes something");
    cached.cache = "none";
    cr_expect(same(c, &plain, &cached));
    cached.cache = "deepcache";
    cr_expect_not(same(c, &plain, &cached), "a cache changes nothing");
    sdrt_close(&c);
}

/* An image of a batch is the one that is drawn alone; neither previews nor an earlier request show. */
static int look(void *user, const uint8_t *rgb, int w, int h, const struct sdrt_preview_at *at)
{
    (void)rgb;
    (void)w;
    (void)h;
    (void)at;
    ++*(int *)user;
    return 0;
}

static void check_batch(const struct golden_case *k)
{
    struct sdrt_context *c = open_model(path_in(k->family, ""), NULL);
    struct sdrt_request alone, both;
    int looked = 0;

    case_request(&alone, k);
    both = alone;
    both.seed -= 1;
    both.batch = 2;
    uint8_t *one = draw(c, &alone, 0), *second = draw(c, &both, 1);
    cr_expect_gt(distance(one, second, WIDTH * HEIGHT * 3), 50.0);
    both = alone;
    both.preview = look;
    both.preview_user = &looked;
    cr_expect(same(c, &alone, &both), "a preview shows in the image");
    free(one);
    free(second);
    sdrt_close(&c);
}

Test(cache, batches_and_previews) { check_batch(&cases[3]); }
Test(cache, batches_behind_a_gate) { check_batch(&cases[GATE]); }
Test(cache, batches_of_sdxl_behind_a_gate)
{
    TSKIP_EMULATED();
    check_batch(&cases[XL_GATE]);
}

/* What each of ten evaluations answered, of both halves or of one. */
struct answers {
    float *of[10];
    size_t count[10];
};

static int keep_answers(void *user, const char *name, const int dims[4], const float *data)
{
    struct answers *a = user;
    int e, end = 0;

    if (sscanf(name, "step%3d/unet.conv_out%n", &e, &end) < 1 || !end || name[end]) return 0;
    a->count[e] = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
    a->of[e] = malloc(a->count[e] * sizeof *data);
    memcpy(a->of[e], data, a->count[e] * sizeof *data);
    return 0;
}

/* Before the gate's evaluation all bits are those of the whole run; that one adds up in another order. */
Test(cache, evaluations_before_a_gate_are_those_of_the_whole)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct answers plain = { .count = { 0 } }, gated = { .count = { 0 } };
    struct sdrt_request r;

    case_request(&r, &cases[GATE]);
    r.dump = keep_answers;
    r.dump_user = &gated;
    free(draw(c, &r, 0));
    r.cache = NULL;
    r.dump_user = &plain;
    free(draw(c, &r, 0));
    for (int e = 0; e < 10; e++) {
        const size_t n = plain.count[e];
        cr_assert_gt(n, 0, "nothing was dumped");
        cr_expect_eq(gated.count[e], e < 4 ? n : n / 2, "%d", e);
        if (e < 3) cr_expect_arr_eq(gated.of[e], plain.of[e], n * sizeof(float), "%d", e);
        for (size_t i = 0; e == 3 && i < n; i++)
            cr_assert_float_eq(gated.of[e][i], plain.of[e][i], 1e-4f);
        free(plain.of[e]);
        free(gated.of[e]);
    }
    sdrt_close(&c);
}

struct counter {
    long first, last;
};

static int count(void *user, enum sdrt_stage stage, int done, int total)
{
    struct counter *k = user;

    if (stage != SDRT_STAGE_DENOISE) return 0;
    if (done == 1) k->first = sdrt_allocations();
    if (done == total) k->last = sdrt_allocations();
    return 0;
}

Test(cache, denoising_allocates_nothing)
{
    for (size_t i = 0; i < CASES; i += tstep(CASES)) {
        struct sdrt_context *c = open_model(path_in(cases[i].family, ""), NULL);
        struct counter k = { .first = -1, .last = -2 };
        struct sdrt_request r;
        case_request(&r, &cases[i]);
        r.progress = count;
        r.user = &k;
        cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
        cr_expect_eq(k.last - k.first, 0, "%s: %ld allocations", cases[i].name, k.last - k.first);
        cr_expect_gt(k.first, 0, "the counter counts nothing");
        sdrt_close(&c);
    }
}

/* ---- the plan ---- */

static json_t *plan_of(struct sdrt_context *c, const struct sdrt_request *r)
{
    char *text = NULL;

    cr_assert_eq(sdrt_session_plan_text(c->session, r, SDRT_PLAN_JSON, &text), SDRT_OK, "%s",
                 kept_text);
    json_t *plan = json_loads(text, 0, NULL);
    cr_assert_not_null(plan);
    sdrt_free(text);
    return plan;
}

/* How often a program runs; *flop is its work. */
static int times_of(const json_t *denoising, const char *program, double *flop)
{
    const json_t *way;
    size_t i;

    json_array_foreach(json_object_get(denoising, "ways"), i, way) {
        if (strcmp(json_string_value(json_object_get(way, "program")), program)) continue;
        *flop = json_real_value(json_object_get(way, "flop"));
        return (int)json_integer_value(json_object_get(way, "times"));
    }
    *flop = 0;
    return 0;
}

static void expect_lower_bound(const struct sdrt_session *s)
{
    for (int i = 0; i < s->n_passes; i++)
        if (s->programs[i])
            cr_expect_eq(sdrt_program_peak(s->programs[i]),
                         sdrt_program_lower_bound(s->programs[i]), "%s", s->model->passes[i].name);
}

/* Of ten evaluations 0, 1 and then each third are whole; 0 to 2, 4, 6 and 8 with six guided ones. */
Test(cache, plan_tells_the_work)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;
    double whole, small, alone, narrow;

    case_request(&r, &cases[0]);
    json_t *plan = plan_of(c, &r), *d = json_object_get(plan, "denoising");
    cr_expect_eq(times_of(d, "unet", &whole), 4);
    cr_expect_eq(times_of(d, "unet short", &small), 6);
    cr_expect(small > 0 && small < 0.5 * whole, "%g of %g", small, whole);
    cr_expect_float_eq(json_real_value(json_object_get(d, "flop")), 4 * whole + 6 * small, 1);
    cr_expect_float_eq(json_real_value(json_object_get(d, "whole_flop")), 10 * whole, 1);
    expect_lower_bound(c->session);
    json_decref(plan);

    case_request(&r, &cases[3]);
    plan = plan_of(c, &r);
    d = json_object_get(plan, "denoising");
    cr_expect_eq(times_of(d, "unet", &whole), 4);
    cr_expect_eq(times_of(d, "unet short", &small), 2);
    cr_expect_eq(times_of(d, "unet alone", &alone), 2);
    cr_expect_eq(times_of(d, "unet alone short", &narrow), 2);
    cr_expect_float_eq(alone / whole, 0.5, 1e-3);
    cr_expect_float_eq(narrow / small, 0.5, 1e-3);
    expect_lower_bound(c->session);
    json_decref(plan);

    char *text = NULL;
    cr_assert_eq(sdrt_session_plan_text(c->session, &r, SDRT_PLAN_TABLE, &text), SDRT_OK);
    cr_expect(strstr(text, "10 evaluations: 4 x unet ("), "%s", text);
    cr_expect(strstr(text, "% of the work saved"));
    sdrt_free(text);
    sdrt_close(&c);
}

/* Of ten evaluations 0 to 3, 5, 7, 8 and 9 are whole, and 6, the first without guidance. */
Test(cache, plan_tells_what_is_left_out)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;
    double whole, alone, none;

    case_request(&r, &cases[7]);
    json_t *plan = plan_of(c, &r), *d = json_object_get(plan, "denoising");
    cr_expect_eq(times_of(d, "none", &none), 1);
    cr_expect_eq(times_of(d, "unet", &whole), 5);
    cr_expect_eq(times_of(d, "unet alone", &alone), 4);
    cr_expect_eq(none, 0);
    cr_expect_float_eq(json_real_value(json_object_get(d, "flop")), 5 * whole + 4 * alone, 1e3);
    cr_expect_not(json_is_true(json_object_get(d, "adaptive")));
    expect_lower_bound(c->session);
    json_decref(plan);
    case_request(&r, &cases[9]);
    plan = plan_of(c, &r);
    d = json_object_get(plan, "denoising");
    cr_expect_eq(times_of(d, "none", &none), 5);
    cr_expect(json_is_true(json_object_get(d, "adaptive")));
    json_decref(plan);
    char *text = NULL;
    cr_assert_eq(sdrt_session_plan_text(c->session, &r, SDRT_PLAN_TABLE, &text), SDRT_OK);
    cr_expect(strstr(text, "up to 5 left out; up to 50.0 % of the work saved"), "%s", text);
    sdrt_free(text);
    sdrt_close(&c);
}

/* Of ten evaluations three are whole, the fourth keeps, and six take what that kept. */
Test(cache, plan_tells_the_gate)
{
    static const char *const families[] = { "sd15", "sdxl" };

    for (int i = 0; i < 2; i++) {
        struct sdrt_context *c = open_model(path_in(families[i], ""), NULL);
        struct sdrt_request r;
        double whole, gate, gated;
        case_request(&r, &cases[GATE]);
        json_t *plan = plan_of(c, &r), *d = json_object_get(plan, "denoising");
        cr_expect_eq(times_of(d, "unet", &whole), 3);
        cr_expect_eq(times_of(d, "unet gate", &gate), 1);
        cr_expect_eq(times_of(d, "unet gated", &gated), 6);
        cr_expect_float_eq(gate, whole, 1);
        cr_expect(gated > 0 && gated < 0.5 * whole, "%g of %g", gated, whole);
        cr_expect_float_eq(json_real_value(json_object_get(d, "flop")), 4 * whole + 6 * gated, 1e3);
        expect_lower_bound(c->session);
        json_decref(plan);
        r.cache = "tgate";
        plan = plan_of(c, &r);
        cr_expect_eq(times_of(json_object_get(plan, "denoising"), "unet", &whole), 10);
        json_decref(plan);
        sdrt_close(&c);
    }
}

/* Weights are packed once for all programs. */
Test(cache, needs_no_more_weights)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_memory plain, cached;
    struct sdrt_request r;

    case_request(&r, &cases[3]);
    cr_assert_eq(sdrt_measure(c, &r, &cached), SDRT_OK);
    r.cache = NULL;
    r.cfg_end = 1.0f;
    cr_assert_eq(sdrt_measure(c, &r, &plain), SDRT_OK);
    cr_expect_eq(cached.weights_bytes, plain.weights_bytes);
    cr_expect_gt(cached.arena_bytes, plain.arena_bytes);
    sdrt_close(&c);
}

/* ---- guidance that begins late ---- */

/* What the unconditional half keeps is made anew when guidance begins, so the first guided evaluation is
 * whole. */
Test(cache, guidance_that_begins_late)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;
    double flop;

    case_request(&r, &cases[0]);
    r.cache = "deepcache:every=5,first=1,last=0";
    r.cfg_start = 0.25f;
    json_t *plan = plan_of(c, &r), *d = json_object_get(plan, "denoising");
    cr_expect_eq(times_of(d, "unet alone", &flop), 1);
    cr_expect_eq(times_of(d, "unet alone short", &flop), 2);
    cr_expect_eq(times_of(d, "unet", &flop), 2); /* evaluations 3 and 5 */
    cr_expect_eq(times_of(d, "unet short", &flop), 5);
    json_decref(plan);
    free(draw(c, &r, 0));
    sdrt_close(&c);
}

/* Samplers of several evaluations a step come back to a timestep, through which there is no line. */
Test(cache, samplers_of_several_evaluations)
{
    static const char *const samplers[] = { "heun", "dpm2", "dpmpp_2s_a", "dpmpp_sde" };
    const size_t n = sizeof samplers / sizeof *samplers;
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;

    case_request(&r, &cases[0]);
    for (size_t i = 0; i < n; i += tstep(n)) {
        r.sampler = samplers[i];
        r.steps = 5;
        r.cache = "taylor:every=3,first=3";
        cr_expect_eq(sdrt_generate(c, &r), SDRT_OK, "%s: %s", samplers[i], kept_text);
        r.cache = "deepcache:first=3";
        cr_expect_eq(sdrt_generate(c, &r), SDRT_OK, "%s: %s", samplers[i], kept_text);
    }
    sdrt_close(&c);
}

Test(cache, fast_is_taylor)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request fast, taylor;

    case_request(&fast, &cases[4]);
    taylor = fast;
    fast.cache = "fast";
    taylor.cache = "taylor";
    cr_expect(same(c, &fast, &taylor));
    cr_expect(strstr(sdrt_session_parameters(c->session, 0), "taylor:every=2,first=4,last=2"));
    sdrt_close(&c);
}

/* ---- texts ---- */

Test(cache, options_as_text)
{
    struct sdrt_cache c;
    char text[128];

    cr_assert_eq(sdrt_cache_parse(&c, "deepcache:layers=2,every=4", &kept_log), SDRT_OK);
    cr_expect_str_eq(sdrt_cache_text(&c, text, sizeof text),
                     "deepcache:every=4,first=2,last=2,order=1,layers=2");
    cr_assert_eq(sdrt_cache_parse(&c, "easycache:threshold=0.0512345", &kept_log), SDRT_OK);
    cr_expect_str_eq(sdrt_cache_text(&c, text, sizeof text),
                     "easycache:threshold=0.0512345,first=3,last=2");
    cr_assert_eq(sdrt_cache_parse(&c, "tgate", &kept_log), SDRT_OK);
    cr_expect_str_eq(sdrt_cache_text(&c, text, sizeof text), "tgate:gate=10");
    cr_expect(sdrt_cache_whole(&c, 9, 20) && !sdrt_cache_whole(&c, 10, 20));
    cr_assert_eq(sdrt_cache_parse(&c, NULL, &kept_log), SDRT_OK);
    cr_expect_str_eq(sdrt_cache_text(&c, text, sizeof text), "");
    cr_expect(sdrt_cache_whole(&c, 5, 10));
}

Test(cache, is_told_in_the_parameters)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;

    case_request(&r, &cases[3]);
    free(draw(c, &r, 0));
    const char *told = sdrt_session_parameters(c->session, 0);
    cr_expect(strstr(told, ", Cache: \"deepcache:every=2,first=3,last=0,order=1,layers=1\""), "%s",
              told);
    cr_expect(strstr(told, ", CFG range: 0-0.55"), "%s", told);
    sdrt_close(&c);
}

/* ---- refusals ---- */

Test(cache, refuses_what_it_does_not_know)
{
    static const char *const wrong[][2] = {
        { "deep", "unknown cache \"deep\": expected taylor, easycache, deepcache or tgate" },
        { "", "unknown cache \"\"" },
        { "deepcache:", "expected options such as every=2,first=2,last=2,order=1,layers=1" },
        { "deepcache:ever=3", "\"ever=3\": expected options" },
        { "deepcache:every=1", "every=1: expected a whole number from 2" },
        { "deepcache:every=2.5", "every=2.5: expected a whole number" },
        { "deepcache:every=3x", "every=3x" },
        { "deepcache:last=nan", "last=nan: expected a whole number from 0 to 1000" },
        { "deepcache:first=0", "first=0: expected a whole number from 1" },
        { "deepcache:every=3,", "expected options" },
        { "deepcache:layers=4", "layers=4: expected 1 to 3 of this model" },
        { "taylor:layers=2", "\"layers=2\": expected options such as every=2,first=4,last=2" },
        { "easycache:first=1", "first=1: expected a whole number from 2" },
        { "tgate:gate=0", "gate=0: expected a whole number from 1 to 1000" },
        { "tgate:gate=2.5", "gate=2.5: expected a whole number" },
        { "tgate:first=4", "\"first=4\": expected options such as gate=10" },
        { "none:every=2", "\"every=2\": expected options" },
    };
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    case_request(&r, &cases[0]);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        r.cache = wrong[i][0];
        expect_refusal(&o, &r, SDRT_E_ARG, wrong[i][1]);
    }
}

Test(cache, refuses_where_it_means_nothing)
{
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    case_request(&r, &cases[0]);
    r.steps = 4;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "too few evaluations: expected 8");
    r.steps = 10;
    r.sampler = "lcm";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a sampler of few-step models");
    r.sampler = "ddim";
    r.cache = "easycache";
    r.batch = 2;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "expected a batch of 1, not 2");
    model_options(&o, path_in("sd3", ""));
    case_request(&r, &cases[0]);
    r.sampler = "euler";
    r.width = r.height = 64;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "has no U-Net");
    model_options(&o, path_in("sdxl", ""));
    o.refiner = path_in("sdxl-refiner", "");
    r.steps = 12;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "a refiner draws the last steps");
}

Test(cache, refuses_where_a_gate_means_nothing)
{
    static const uint8_t pixels[3];
    static const struct sdrt_picture picture = { pixels, 1, 1, 3, 3 };
    static const struct sdrt_ip_adapter ip = { .file = "none", .picture = &picture, .scale = 1 };
    struct sdrt_options o;
    struct sdrt_request r;

    model_options(&o, path_in("sd15", ""));
    case_request(&r, &cases[GATE]);
    r.cfg_scale = 1.0f;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "cache tgate: expected guidance");
    case_request(&r, &cases[GATE]);
    r.cfg_start = 0.2f;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "guidance in all evaluations before the gate");
    case_request(&r, &cases[GATE]);
    r.ip_adapters = &ip;
    r.n_ip_adapters = 1;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "expected no IP-Adapters");
    case_request(&r, &cases[GATE]);
    r.prompt = "a cat AND a dog";
    r.prompt_style = "a1111";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "expected no AND");
    r.prompt = "a [cat:dog:0.5]";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "expected none that changes with the steps");
    model_options(&o, path_in("sd3", ""));
    case_request(&r, &cases[GATE]);
    r.sampler = "euler";
    r.width = r.height = 64;
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "has no U-Net, whose cross-attentions");
}

/* Guidance that ends behind the gate ends there. */
Test(cache, a_gate_ends_guidance)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request whole, short_;

    case_request(&whole, &cases[GATE]);
    short_ = whole;
    short_.cfg_end = 0.55f;
    cr_expect(same(c, &whole, &short_));
    sdrt_close(&c);
}
