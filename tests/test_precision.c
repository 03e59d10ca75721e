/* SPDX-License-Identifier: MIT
 *
 * Precisions in which some layers stay wider, on the small model.
 */
#include "bench/allocations.h"
#include "model/pipeline/precision.h"
#include "model/pipeline/session.h"
#include "runtime/weights/packing.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(precision, .init = temp_folder_make, .fini = temp_folder_remove);

Test(precision, reads)
{
    struct sdrt_precision p = { .wide = "", .rotated = 1 };

    cr_expect_eq(sdrt_precision_read(&p, "bf16", "p", &kept_log), SDRT_OK);
    cr_expect_str_eq(p.name, "bf16");
    cr_expect(!p.wide && !p.rotated);
    cr_expect_eq(sdrt_precision_read(&p, "int8:wide=*.ff.*+*mid*", "p", &kept_log), SDRT_OK);
    cr_expect_str_eq(p.name, "int8");
    cr_expect_str_eq(p.wide, "*.ff.*+*mid*");
    cr_expect(!p.rotated);
    cr_expect_eq(sdrt_precision_read(&p, "int8:rotate", "p", &kept_log), SDRT_OK);
    cr_expect(p.rotated && !p.wide);
    cr_expect_eq(sdrt_precision_read(&p, "int8:rotate:wide=*mid*", "p", &kept_log), SDRT_OK);
    cr_expect(p.rotated);
    cr_expect_str_eq(p.wide, "*mid*");
}

Test(precision, refuses)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        { "", "f32" },
        { "int", "f32" },
        { "int8:", "f32" },
        { "int8:wider=a", "f32" },
        { "bf16:wide=*", "int8 before" },
        { "int8:wide=", "an empty glob" },
        { "int8:rotate:", "f32" },
        { "int8:rotated", "f32" },
        { "int16:rotate", "int8 before" },
        { "int8:rotate:wide=", "an empty glob" },
        { "int8:wide=a+", "an empty glob" },
        { "int8:wide=+a", "an empty glob" },
        { "int8:wide=a,b", "a comma" },
        { "int8:wide=a\"b", "a quote" },
    };
    struct sdrt_precision p = { .name = "kept" };
    char text[1024];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const int status = sdrt_precision_read(&p, cases[i].text, "p", &kept_log);
        expect_failure(status, SDRT_E_ARG, cases[i].word, cases[i].text);
        cr_expect_str_eq(p.name, "kept");
    }
    snprintf(text, sizeof text, "int8:wide=%0*d", SDRT_PACKING_GLOB, 1);
    expect_failure(sdrt_precision_read(&p, text, "p", &kept_log), SDRT_E_ARG, "127 bytes",
                   "a long glob");
    snprintf(text, sizeof text, "int8:wide=a");
    for (int i = 0; i < SDRT_PACKING_GLOBS; i++) strcat(text, "+a");
    expect_failure(sdrt_precision_read(&p, text, "p", &kept_log), SDRT_E_ARG, "64 globs",
                   "many globs");
}

Test(precision, globs_match_names)
{
    cr_expect_eq(sdrt_packing_match(NULL, "a"), 0u);
    cr_expect_eq(sdrt_packing_match("a", "a"), 1u);
    cr_expect_eq(sdrt_packing_match("a", "ab"), 0u);
    cr_expect_eq(sdrt_packing_match("b+a*+*b", "ab"), 6u);
    cr_expect_eq(sdrt_packing_match("t.1[0-9].*ff*+t.[0-9].*ff*", "t.17.ff.net"), 1u);
    cr_expect_eq(sdrt_packing_match("t.1[0-9].*ff*+t.[0-9].*ff*", "t.7.ff.net"), 2u);
}

/* ---- images ---- */

enum { SIDE = 64, BYTES = SIDE * SIDE * 3 };

/* The small model; NULL where this machine does not compute in the precision. */
static struct sdrt_context *open_small(const char *precision)
{
    const int int8 = sdrt_list_find(SDRT_LIST_PRECISIONS, "int8");
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    char path[512];

    if (!sdrt_list_usable(SDRT_LIST_PRECISIONS, int8)) return NULL;
    snprintf(path, sizeof path, "%s/../demo-model", root ? root : "tests");
    sdrt_options_init(&o);
    o.model = path;
    o.precision = precision;
    o.threads = 2;
    o.log = &kept_log;
    expect_quiet(sdrt_open(&c, &o), precision);
    return c;
}

struct counter {
    long first, last;
};

static int count(void *user, enum sdrt_stage stage, int done, int total)
{
    struct counter *k = user;

    if (stage == SDRT_STAGE_DENOISE && done == 1) k->first = sdrt_allocations();
    if (stage == SDRT_STAGE_DENOISE && done == total) k->last = sdrt_allocations();
    return 0;
}

static void small(struct sdrt_request *r)
{
    sdrt_request_init(r);
    r->prompt = "a red apple";
    r->seed = 1;
    r->steps = 3;
    r->width = r->height = SIDE;
    r->cfg_scale = 3.0f;
}

/* What the precision draws; 0 where this machine lacks int8. */
static int draw(const char *precision, uint8_t image[BYTES])
{
    struct sdrt_context *c = open_small(precision);
    struct counter k = { -1, -2 };
    struct sdrt_request r;
    char said[256];

    if (!c) return 0;
    small(&r);
    r.progress = count;
    r.user = &k;
    expect_quiet(sdrt_generate(c, &r), precision);
    memcpy(image, sdrt_image(c, 0, NULL, NULL), BYTES);
    const char *text = sdrt_session_parameters(c->session, 0);
    snprintf(said, sizeof said, strchr(precision, ':') ? "Precision: \"%s\"" : "Precision: %s,",
             precision);
    cr_expect_not_null(strstr(text, said), "%s: %s", precision, text);
    char *report = sdrt_report_json(c);
    cr_expect_not_null(strstr(report, precision), "%s", report);
    sdrt_free(report);
    cr_expect_eq(k.last - k.first, 0, "%s: %ld allocations", precision, k.last - k.first);
    for (int i = 0; i < c->session->n_passes; i++)
        if (c->session->programs[i])
            cr_expect_eq(sdrt_program_peak(c->session->programs[i]),
                         sdrt_program_lower_bound(c->session->programs[i]), "%s: %s", precision,
                         c->session->model->passes[i].name);
    sdrt_close(&c);
    return 1;
}

Test(precision, layers_stay_wider)
{
    static uint8_t wider[BYTES], int8[BYTES], all[BYTES], some[BYTES], again[BYTES], odd[BYTES];

    if (!draw("int8", int8)) cr_skip_test("no int8 here");
    draw(sdrt_level_precision(sdrt_precision_level(sdrt_isa_detect(), "int8")), wider);
    draw("int8:wide=*", all);
    draw("int8:wide=unet.up_blocks.0.*ff*+unet.mid_block.*attn*", some);
    draw("int8:wide=unet.mid_block.*attn*+unet.up_blocks.0.*ff*", again);
    draw("int8:wide=*to_q*", odd); /* q, k and v lie in one matrix */
    cr_expect(memcmp(int8, wider, BYTES), "int8 is what the level computes in");
    cr_expect_arr_eq(all, wider, BYTES, "with all layers wider it is not that");
    cr_expect(memcmp(some, wider, BYTES), "no layer is int8");
    cr_expect(memcmp(some, int8, BYTES), "no layer is wider");
    cr_expect_arr_eq(some, again, BYTES, "the order of globs matters");
    cr_expect(memcmp(odd, int8, BYTES), "no layer is wider");
}

Test(precision, rotates)
{
    static uint8_t plain[BYTES], rotated[BYTES], wider[BYTES], all[BYTES];

    if (!draw("int8", plain)) cr_skip_test("no int8 here");
    draw(sdrt_level_precision(sdrt_precision_level(sdrt_isa_detect(), "int8")), wider);
    draw("int8:rotate", rotated);
    draw("int8:rotate:wide=*", all);
    cr_expect(memcmp(rotated, plain, BYTES), "no layer is rotated");
    cr_expect(memcmp(rotated, wider, BYTES), "no layer is int8");
    cr_expect_arr_eq(all, wider, BYTES, "what is wider is rotated");
}

Test(precision, every_glob_must_match)
{
    static const char *const cases[] = { "int8:wide=*nowhere*", "int8:wide=*.ff.*+unet.conv_in*",
                                         "int8:wide=*nowhere*+*" };
    struct sdrt_memory memory;
    struct sdrt_request r;

    for (int i = 0; i < (int)(sizeof cases / sizeof *cases); i++) {
        struct sdrt_context *c = open_small(cases[i]);
        if (!c) cr_skip_test("no int8 here");
        small(&r);
        expect_failure(sdrt_measure(c, &r, &memory), SDRT_E_ARG,
                       i == 1 ? "\"unet.conv_in*\" matches none" : "\"*nowhere*\" matches none",
                       cases[i]);
        sdrt_close(&c);
    }
}
