/* SPDX-License-Identifier: MIT
 *
 * The public interface on the tiny model, beyond the one golden image: options, sizes one after
 * the other, the written file.
 */
#include "kernels/isa.h"
#include "model/sdrt.h"
#include "runtime/files/png.h"
#include "tests/any_level.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(sdrt, .init = temp_folder_make, .fini = temp_folder_remove);

static void tiny_options(struct sdrt_options *o)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/tiny-sd15", root ? root : "tests");
    sdrt_options_init(o);
    o->model = path;
    o->isa = tany_level();
    o->threads = 2;
    o->log = &kept_log;
}

static struct sdrt_context *open_tiny(void)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    tiny_options(&o);
    expect_quiet(sdrt_open(&c, &o), "open");
    return c;
}

static void small_request(struct sdrt_request *r, int width, int height)
{
    sdrt_request_init(r);
    r->prompt = "caf\xc3\xa9";
    r->width = width;
    r->height = height;
    r->steps = 2;
    r->sampler = "euler";
    r->seed = 11;
}

/* The pixels of image 0, owned by the caller. */
static uint8_t *draw(struct sdrt_context *c, const struct sdrt_request *r)
{
    const size_t bytes = (size_t)r->width * (size_t)r->height * 3;
    int width = 0, height = 0;
    uint8_t *copy = malloc(bytes);

    cr_assert_eq(sdrt_generate(c, r), SDRT_OK, "%s", kept_text);
    const uint8_t *pixels = sdrt_image(c, 0, &width, &height);
    cr_assert(copy && pixels && width == r->width && height == r->height);
    memcpy(copy, pixels, bytes);
    return copy;
}

/* What an earlier request left in memory must not show in a later one. */
Test(sdrt, sizes_one_after_the_other)
{
    static const int sizes[][2] = { { 64, 64 }, { 88, 72 }, { 8, 8 }, { 64, 64 } };
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct sdrt_context *fresh = open_tiny();
        small_request(&r, sizes[i][0], sizes[i][1]);
        uint8_t *later = draw(c, &r), *first = draw(fresh, &r);
        cr_expect_eq(memcmp(later, first, (size_t)r.width * (size_t)r.height * 3), 0,
                     "%dx%d: another image in a used context", r.width, r.height);
        free(later);
        free(first);
        sdrt_close(&fresh);
    }
    sdrt_close(&c);
    cr_expect_null(c);
}

/* Image i of a batch is the single image of seed + i. */
Test(sdrt, batch_uses_the_next_seeds)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;
    uint8_t *single[2];
    int width, height;

    small_request(&r, 64, 64);
    for (int i = 0; i < 2; i++) {
        r.seed = 11 + (uint64_t)i;
        single[i] = draw(c, &r);
    }
    r.seed = 11;
    r.batch = 2;
    cr_assert_eq(sdrt_generate(c, &r), SDRT_OK);
    for (int i = 0; i < 2; i++) {
        const uint8_t *image = sdrt_image(c, i, &width, &height);
        int most = 0;
        cr_assert_not_null(image);
        for (int k = 0; k < 64 * 64 * 3; k++) {
            const int d = abs(image[k] - single[i][k]);
            if (d > most) most = d;
        }
        /* The products have more rows in a batch, so other blocks and other rounding. */
        cr_expect_leq(most, 2, "image %d differs by %d", i, most);
        free(single[i]);
    }
    cr_expect_null(sdrt_image(c, 2, &width, &height));
    cr_expect_null(sdrt_image(c, -1, &width, &height));
    sdrt_close(&c);
}

Test(sdrt, png_holds_pixels_and_parameters)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;
    uint8_t *rgb = NULL;
    char *text = NULL;
    int width, height;

    small_request(&r, 64, 72);
    r.negative_prompt = "dull";
    uint8_t *drawn = draw(c, &r);
    expect_quiet(sdrt_write_png(c, 0, temp_path("a.png")), "write");
    expect_quiet(sdrt_png_read(temp_path("a.png"), 1024, &rgb, &width, &height, &text, &kept_log),
                 "read");
    cr_assert(width == 64 && height == 72);
    cr_expect_eq(memcmp(rgb, drawn, 64 * 72 * 3), 0);
    cr_assert_not_null(text);
    cr_expect_eq(strncmp(text, "caf\xc3\xa9\nNegative prompt: dull\nSteps: 2, Sampler: ", 45), 0,
                 "%s", text);
    cr_expect_not_null(strstr(text, "Seed: 11, Size: 64x72, Model: tiny-sd15"), "%s", text);
    free(rgb);
    free(text);
    free(drawn);
    sdrt_close(&c);
}

Test(sdrt, png_failures_leave_nothing)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;

    expect_failure(sdrt_write_png(c, 0, temp_path("a.png")), SDRT_E_ARG, "image", "nothing drawn");
    small_request(&r, 64, 64);
    free(draw(c, &r));
    expect_failure(sdrt_write_png(c, 1, temp_path("a.png")), SDRT_E_ARG, "image", "no image 1");
    expect_failure(sdrt_write_png(c, 0, temp_path("no/such/a.png")), SDRT_E_IO, "no/such", "folder");
    cr_expect_eq(temp_entries(), 0);
    sdrt_close(&c);
}

Test(sdrt, measure_before_loading)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_memory small, large;
    struct sdrt_request r;

    small_request(&r, 64, 64);
    expect_quiet(sdrt_measure(c, &r, &small), "small");
    small_request(&r, 128, 128);
    expect_quiet(sdrt_measure(c, &r, &large), "large");
    cr_expect_gt(small.weights_bytes, 1 << 20);
    cr_expect_eq(small.weights_bytes, large.weights_bytes);
    cr_expect_gt(large.arena_bytes, small.arena_bytes);
    r.height = 4;
    expect_failure(sdrt_measure(c, &r, &large), SDRT_E_ARG, "height", "height 4");
    sdrt_close(&c);
}

Test(sdrt, bad_options_are_refused)
{
    const struct sdrt_isa_level *amx = sdrt_isa_find("amx");
    const int no_amx = !amx ? SDRT_E_ARG
                            : amx->flags & ~sdrt_isa_detect() ? SDRT_E_UNSUPPORTED : SDRT_E_ARG;
    const struct {
        int status;
        const char *word;
    } cases[] = {
        { SDRT_E_ARG, "isa9" }, { SDRT_E_ARG, "f24" }, { SDRT_E_ARG, "threads" },
        { SDRT_E_ARG, "size" }, { SDRT_E_ARG, "model" }, { SDRT_E_MISSING, "nowhere" },
        { no_amx, "amx" },
    };

    for (int i = 0; i < 7; i++) {
        struct sdrt_context *c = NULL;
        struct sdrt_options o;
        char name[32];
        tiny_options(&o);
        if (i == 0) o.isa = "isa9";
        if (i == 1) o.precision = "f24";
        if (i == 2) o.threads = -1;
        if (i == 3) o.size = 1;
        if (i == 4) o.model = NULL;
        if (i == 5) o.model = temp_path("nowhere.safetensors");
        if (i == 6) {
            o.isa = "amx"; /* which computes in bf16 only */
            o.precision = "f32";
        }
        snprintf(name, sizeof name, "case %d", i);
        const int status = sdrt_open(&c, &o);
        cr_expect_null(c, "%s", name);
        expect_failure(status, cases[i].status, cases[i].word, name);
        sdrt_close(&c);
    }
}

/* Nobody gets f16 who does not ask for it, and who does gets it or is told why not. */
Test(sdrt, f16_is_asked_for)
{
    const unsigned have = sdrt_isa_detect();
    const struct sdrt_isa_level *own = sdrt_isa_best_own(have, SDRT_ISA_ANY_F16);
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    cr_expect_eq(sdrt_isa_best(have)->flags & SDRT_ISA_ANY_F16, 0u);
    cr_expect_eq(sdrt_isa_best(~0u)->flags & SDRT_ISA_ANY_F16, 0u);
    tiny_options(&o);
    o.isa = NULL;
    o.precision = "f16";
    if (own) {
        struct sdrt_request r;
        expect_quiet(sdrt_open(&c, &o), "f16");
        small_request(&r, 64, 64);
        free(draw(c, &r));
        sdrt_close(&c);
    } else {
        expect_failure(sdrt_open(&c, &o), SDRT_E_UNSUPPORTED, "computes in f16", "f16");
    }
    o.isa = "generic";
    expect_failure(sdrt_open(&c, &o), SDRT_E_ARG, "computes in f32", "generic");
    if (!own) return;
    o.isa = own->name;
    o.precision = "bf16";
    expect_failure(sdrt_open(&c, &o), SDRT_E_ARG, "computes in f16", "bf16 at a level of f16");
    o.precision = "f32";
    expect_failure(sdrt_open(&c, &o), SDRT_E_ARG, "computes in f16", "f32 at a level of f16");
}
