/* SPDX-License-Identifier: MIT
 *
 * Other guidance than the straight line, against diffusers (tests/oracle/make_guide_golden.py): its cost when
 * it is off, its plan, and where it is refused.
 */
#include "bench/allocations.h"
#include "model/noise/guidance.h"
#include "runtime/files/png.h"
#include "runtime/graph/program.h"
#include "tests/any_level.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(guide, .init = temp_folder_make, .fini = temp_folder_remove);

enum { WIDTH = 96, HEIGHT = 72, SD3_HEIGHT = 80 };

static const struct golden_case {
    const char *name, *family, *guidance, *list, *slg, *pag, *freeu;
    float scale, start, end, adaptive, cfg;
} cases[] = {
    { "sd15-apg", "sd15", .guidance = "apg" },
    { "sdxl-apg", "sdxl", .guidance = "apg:eta=0.3,threshold=2.5,momentum=0" },
    { "sd35-apg", "sd35", .guidance = "apg:threshold=8,momentum=0.25" },
    { "sd15-zero", "sd15", .guidance = "cfg_zero:zero=0" },
    { "sd35-zero", "sd35", .guidance = "cfg_zero" },
    { "sd35-slg", "sd35", .slg = "1", .scale = 2.8f, .start = 0.01f, .end = 0.7f },
    { "sd35-slg-two", "sd35", .slg = "0,2", .scale = 1.5f, .start = 0.3f, .end = 1.0f },
    { "sd15-freeu", "sd15", .freeu = "1.5,1.6,0.9,0.2" },
    { "sdxl-freeu", "sdxl", .freeu = "1.3,1.4,0.9,0.2" },
    { "sd15-list", "sd15", .list = "7,3,1.5" },
    { "sd15-pag", "sd15", .pag = "mid", .scale = 3.0f },
    { "sd15-pag-alone", "sd15", .pag = "mid,up_blocks.1.attentions.0", .scale = 2.0f, .cfg = 1.0f },
    { "sd35-pag", "sd35", .pag = "blocks.1", .scale = 3.0f, .adaptive = 0.002f },
    { "sd35-pag-alone", "sd35", .pag = "blocks.1", .scale = 2.0f, .cfg = 1.0f },
    { "sdxl-pag", "sdxl", .pag = "mid", .scale = 3.0f, .adaptive = 0.004f },
};
enum { CASES = sizeof cases / sizeof *cases };

static void plain_request(struct sdrt_request *r, const char *family)
{
    const int sd3 = !strcmp(family, "sd35");

    sdrt_request_init(r);
    r->prompt = "a photo of a small red cat, 42 stars";
    r->negative_prompt = "blurry, bad hands";
    r->sampler = sd3 ? "euler" : "ddim";
    r->steps = 6;
    r->cfg_scale = 5.0f;
    r->seed = 7;
    r->width = WIDTH;
    r->height = sd3 ? SD3_HEIGHT : HEIGHT;
}

static void case_request(struct sdrt_request *r, const struct golden_case *k)
{
    plain_request(r, k->family);
    r->guidance = k->guidance;
    r->cfg_schedule = k->list;
    r->freeu = k->freeu;
    if (k->cfg > 0.0f) r->cfg_scale = k->cfg;
    if (k->slg) {
        r->slg_layers = k->slg;
        r->slg_scale = k->scale;
        r->slg_start = k->start;
        r->slg_end = k->end;
    }
    if (!k->pag) return;
    r->pag_layers = k->pag;
    r->pag_scale = k->scale;
    r->pag_adaptive_scale = k->adaptive;
}

/* dB between images of so many bytes. */
static double distance(const uint8_t *a, const uint8_t *b, size_t bytes)
{
    double sum = 0;

    for (size_t i = 0; i < bytes; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
    return 10.0 * log10(255.0 * 255.0 * (double)bytes / sum);
}

static size_t bytes_of(const struct sdrt_request *r)
{
    return (size_t)r->width * (size_t)r->height * 3;
}

/* A copy of what c draws. */
static uint8_t *draw(struct sdrt_context *c, const struct sdrt_request *r)
{
    uint8_t *copy = malloc(bytes_of(r));

    cr_assert_eq(sdrt_generate(c, r), SDRT_OK, "%s", kept_text);
    memcpy(copy, sdrt_image(c, 0, NULL, NULL), bytes_of(r));
    return copy;
}

static uint8_t *golden_png(const char *name, int *width, int *height)
{
    const char *root = getenv("SDRT_TESTDATA");
    char path[512];
    uint8_t *rgb = NULL;

    snprintf(path, sizeof path, "%s/golden/guide/%s.png", root ? root : "tests", name);
    cr_assert_eq(sdrt_png_read(path, 256, &rgb, width, height, NULL, &kept_log), SDRT_OK, "%s",
                 kept_text);
    return rgb;
}

static void check_case(struct sdrt_context *c, const struct golden_case *k, const uint8_t *plain)
{
    struct sdrt_request r;
    int width, height;

    case_request(&r, k);
    uint8_t *want = golden_png(k->name, &width, &height), *got = draw(c, &r);
    cr_assert(width == r.width && height == r.height, "%s: %dx%d", k->name, width, height);
    const double dB = distance(got, want, bytes_of(&r)), own = distance(got, plain, bytes_of(&r));
    cr_log_info("%s: %.1f dB, from plain guidance %.1f", k->name, dB, own);
    cr_expect_gt(dB, 50.0, "%s: %.1f dB", k->name, dB);
    cr_expect_lt(own, 45.0, "%s: %.1f dB from plain guidance", k->name, own);
    free(want);
    free(got);
}

static void check_family(const char *family)
{
    struct sdrt_context *c = open_model(path_in(family, ""), NULL);
    const struct golden_case *of[CASES];
    struct sdrt_request r;
    size_t n = 0;

    plain_request(&r, family);
    uint8_t *plain = draw(c, &r);
    for (int i = 0; i < CASES; i++)
        if (!strcmp(cases[i].family, family)) of[n++] = &cases[i];
    for (size_t i = 0; i < n; i += tstep(n)) check_case(c, of[i], plain);
    uint8_t *again = draw(c, &r);
    cr_expect(!memcmp(plain, again, bytes_of(&r)), "%s: something of it stays", family);
    free(plain);
    free(again);
    sdrt_close(&c);
}

Test(guide, sd15_as_in_diffusers) { check_family("sd15"); }
Test(guide, sdxl_as_in_diffusers) { check_family("sdxl"); }
Test(guide, sd35_as_in_diffusers) { check_family("sd35"); }

/* ---- cost ---- */

static long in_steps;

static int count(void *user, enum sdrt_stage stage, int done, int total)
{
    long *before = user;

    if (stage == SDRT_STAGE_DENOISE && done > 1) in_steps += sdrt_allocations() - *before;
    (void)total;
    *before = sdrt_allocations();
    return 0;
}

Test(guide, allocates_nothing_in_a_step)
{
    for (size_t i = 0; i < CASES; i += tstep(CASES)) {
        struct sdrt_context *c = open_model(path_in(cases[i].family, ""), NULL);
        struct sdrt_request r;
        long before = 0;
        case_request(&r, &cases[i]);
        r.progress = count;
        r.user = &before;
        in_steps = 0;
        cr_assert_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
        cr_expect_eq(in_steps, 0, "%s: %ld allocations", cases[i].name, in_steps);
        sdrt_close(&c);
    }
}

/* Each program's memory is as little as what lives at once. */
Test(guide, plans_at_their_bound)
{
    for (int i = 0; i < CASES; i++) {
        struct sdrt_context *c = open_model(path_in(cases[i].family, ""), NULL);
        struct sdrt_memory memory;
        struct sdrt_request r;
        case_request(&r, &cases[i]);
        cr_assert_eq(sdrt_measure(c, &r, &memory), SDRT_OK, "%s", kept_text);
        const struct sdrt_session *s = sdrt_session_of(c);
        for (int k = 0; k < s->n_passes; k++)
            if (s->programs[k])
                cr_expect_eq(sdrt_program_peak(s->programs[k]),
                             sdrt_program_lower_bound(s->programs[k]), "%s: %s", cases[i].name,
                             s->model->passes[k].name);
        sdrt_close(&c);
    }
}

static size_t program_count(const struct sdrt_context *c)
{
    const struct sdrt_session *s = sdrt_session_of(c);
    size_t n = 0;

    for (int i = 0; i < s->n_passes; i++) n += s->programs[i] != NULL;
    return n;
}

/* Settings that change nothing give the same bytes, by the same programs. */
Test(guide, costs_nothing_when_off)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request plain, off;

    plain_request(&plain, "sd15");
    uint8_t *first = draw(c, &plain);
    const size_t programs = program_count(c);
    off = plain;
    off.guidance = "none";
    off.pag_layers = "mid";
    off.slg_layers = "1";
    off.cfg_schedule = "5";
    uint8_t *second = draw(c, &off);
    cr_expect(!memcmp(first, second, bytes_of(&plain)), "it is another image");
    cr_expect_eq(program_count(c), programs);
    off.pag_scale = 1.0f;
    free(draw(c, &off));
    cr_expect_eq(program_count(c), programs + 1);
    free(first);
    free(second);
    sdrt_close(&c);
}

/* A list stretches over the evaluations, and those of 1 or less are of half the work. */
Test(guide, scales_one_by_one)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request listed, ranged;

    plain_request(&listed, "sd15");
    ranged = listed;
    listed.cfg_schedule = "5,1";
    ranged.cfg_end = 0.5f;
    uint8_t *first = draw(c, &listed), *second = draw(c, &ranged);
    cr_expect(!memcmp(first, second, bytes_of(&listed)));
    free(first);
    free(second);
    sdrt_close(&c);
}

Test(guide, parameters_say_it)
{
    struct sdrt_context *c = open_model(path_in("sd15", ""), NULL);
    struct sdrt_request r;

    plain_request(&r, "sd15");
    r.guidance = "apg:eta=0.5";
    r.cfg_schedule = "7,5";
    r.pag_scale = 2.0f;
    r.freeu = "1.1,1.2,0.9,0.2";
    free(draw(c, &r));
    const char *told = sdrt_session_parameters(sdrt_session_of(c), 0);
    cr_expect(strstr(told, ", Guidance: \"apg:eta=0.5,threshold=15,momentum=-0.5\""), "%s", told);
    cr_expect(strstr(told, ", CFG schedule: \"7,5\""), "%s", told);
    cr_expect(strstr(told, ", PAG scale: 2"), "%s", told);
    cr_expect(strstr(told, ", FreeU: \"1.1,1.2,0.9,0.2\""), "%s", told);
    sdrt_close(&c);
}

/* ---- refusals ---- */

Test(guide, refused_by_name)
{
    static const struct {
        struct golden_case k;
        int status;
        const char *text;
    } refusals[] = {
        { { "", "sd15", .guidance = "apgs" }, SDRT_E_ARG, "unknown guidance \"apgs\"" },
        { { "", "sd15", .guidance = "apg:eta=x" }, SDRT_E_ARG, "guidance apg:eta=x" },
        { { "", "sd15", .guidance = "apg", .cfg = 1.0f },
          SDRT_E_ARG,
          "guidance apg: there is none" },
        { { "", "sd15", .list = "7,,5" }, SDRT_E_ARG, "cfg schedule \"7,,5\"" },
        { { "", "sd15", .slg = "1", .scale = 2.0f, .end = 1.0f }, SDRT_E_UNSUPPORTED, "slg:" },
        { { "", "sd35", .slg = "3", .scale = 2.0f, .end = 1.0f }, SDRT_E_ARG, "slg layers \"3\"" },
        { { "", "sd35", .slg = "1", .scale = 2.0f, .start = 0.5f, .end = 0.1f },
          SDRT_E_ARG,
          "slg scale" },
        { { "", "sd35", .pag = "mid", .scale = 2.0f }, SDRT_E_ARG, "expected blocks.1" },
        { { "", "sd15", .pag = "middle", .scale = 2.0f },
          SDRT_E_ARG,
          "pag layers: no self-attention" },
        { { "", "sd35", .freeu = "1,1,1,1" }, SDRT_E_UNSUPPORTED, "freeu:" },
        { { "", "sd15", .freeu = "1,1,1" }, SDRT_E_ARG, "freeu \"1,1,1\"" },
    };
    struct sdrt_options o;
    struct sdrt_request r;

    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        model_options(&o, path_in(refusals[i].k.family, ""));
        case_request(&r, &refusals[i].k);
        expect_refusal(&o, &r, refusals[i].status, refusals[i].text);
    }
    model_options(&o, path_in("sd15", ""));
    plain_request(&r, "sd15");
    r.pag_scale = 2.0f;
    r.cache = "taylor";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "pag: expected no cache");
    r.cache = NULL;
    r.prompt = "a cat AND a dog";
    expect_refusal(&o, &r, SDRT_E_UNSUPPORTED, "the prompt: slg and pag push one answer");
}
