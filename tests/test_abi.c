/* SPDX-License-Identifier: MIT
 *
 * The installed library as programs of any age meet it: structs that are smaller or larger than the
 * library's, and NULL wherever it can be handed over.
 */
#include "model/sdrt.h"
#include "tests/abi_v0_client.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(abi, .init = temp_folder_make, .fini = temp_folder_remove);

static const char *model_path(const char *name)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/%s", root ? root : "tests", name);
    return path;
}

static struct sdrt_context *open_tiny(void)
{
    struct sdrt_context *c = NULL;
    struct sdrt_options o;

    sdrt_options_init(&o);
    o.model = model_path("golden/tiny-sd15");
    o.threads = 2;
    o.log = &kept_log;
    expect_quiet(sdrt_open(&c, &o), "open");
    return c;
}

static void small_request(struct sdrt_request *r)
{
    sdrt_request_init(r);
    r->prompt = "a cat";
    r->width = r->height = 64;
    r->steps = 2;
    r->sampler = "euler";
    r->seed = 11;
}

Test(abi, header_and_library_agree)
{
    char text[32];

    snprintf(text, sizeof text, "%d.%d.%d", SDRT_VERSION_MAJOR, SDRT_VERSION_MINOR,
             SDRT_VERSION_PATCH);
    cr_expect_eq(strcmp(text, sdrt_version()), 0, "%s, but the library is %s", text,
                 sdrt_version());
    cr_expect_eq(sdrt_abi_version(), SDRT_ABI);
}

struct asks {
    int n, at; /* how often it was asked, and which of them cancels */
};

static int asked(void *user)
{
    struct asks *a = user;

    return a->n++ == a->at;
}

/* At whichever moment: one line, nothing left, and the next one opens as if nothing had been. */
Test(abi, opening_is_cancelled)
{
    struct sdrt_context *c = NULL;
    struct sdrt_model *m = NULL;
    struct asks all = { .at = -1 };
    struct sdrt_options o;

    sdrt_options_init(&o);
    cr_expect_null(o.cancelled);
    o.model = model_path("golden/tiny-sd15");
    o.threads = 1;
    o.log = &kept_log;
    o.cancelled = asked;
    o.cancelled_user = &all;
    expect_quiet(sdrt_model_open(&m, &o), "nobody cancels");
    sdrt_model_release(&m);
    /* Before each of three files and some piece of it, and around them. */
    cr_expect_geq(all.n, 5, "asked %d times", all.n);
    for (int at = 0; at < all.n; at++) {
        struct asks one = { .at = at };
        o.cancelled_user = &one;
        expect_failure(sdrt_model_open(&m, &o), SDRT_E_CANCELLED, "cancelled", "a model");
        cr_expect(!m && one.n == at + 1, "asked %d times, of %d", one.n, at + 1);
        one.n = 0;
        expect_failure(sdrt_open(&c, &o), SDRT_E_CANCELLED, "cancelled", "a context");
        cr_expect_null(c);
    }
    o.cancelled = NULL;
    expect_quiet(sdrt_open(&c, &o), "nobody is asked");
    sdrt_close(&c);
}

/* A program made with the first header draws the image that one of today draws. */
Test(abi, client_of_the_first_header)
{
    static struct abi_v0_result old;
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;

    abi_v0_draw(model_path("golden/tiny-sd15"), &old);
    cr_assert_eq(old.status, SDRT_OK, "%s", old.text);
    cr_expect_eq(old.broken, 0, "the library wrote behind a struct");
    cr_expect_gt(old.stages, 4);
    small_request(&r);
    expect_quiet(sdrt_generate(c, &r), "today's");
    cr_expect_eq(memcmp(old.pixels, sdrt_image(c, 0, NULL, NULL), sizeof old.pixels), 0);
    sdrt_close(&c);
    /* This one has previews. */
    abi_v0_draw(model_path("../demo-model"), &old);
    cr_assert_eq(old.status, SDRT_OK, "%s", old.text);
    cr_expect_eq(old.previews, 2);
    cr_expect_eq(old.broken, 0, "the library wrote behind a struct");
}

/* What a newer header would hand over. */
union newer {
    struct sdrt_options options;
    struct sdrt_request request;
    unsigned char bytes[sizeof(struct sdrt_request) + 64];
};

Test(abi, client_of_a_newer_header)
{
    struct sdrt_context *c = NULL;
    union newer n;

    sdrt_options_init_sized(&n.options, sizeof(struct sdrt_options) + 32);
    n.options.model = model_path("golden/tiny-sd15");
    n.options.threads = 2;
    n.options.log = &kept_log;
    expect_quiet(sdrt_open(&c, &n.options), "more options, all 0");
    sdrt_close(&c);
    n.bytes[sizeof(struct sdrt_options) + 8] = 1;
    expect_failure(sdrt_open(&c, &n.options), SDRT_E_UNSUPPORTED, "options", "an unknown option");
    cr_expect_null(c);
    c = open_tiny();
    memset(&n, 0xff, sizeof n);
    sdrt_request_init_sized(&n.request, sizeof n);
    n.request.width = n.request.height = 64;
    n.request.steps = 1;
    expect_quiet(sdrt_generate(c, &n.request), "a longer request, all 0");
    n.bytes[sizeof n - 1] = 1;
    expect_failure(sdrt_generate(c, &n.request), SDRT_E_UNSUPPORTED, "request", "unknown member");
    sdrt_close(&c);
}

Test(abi, sizes_that_cannot_be)
{
    static const size_t sizes[] = { 0,       1,         8, 64, sizeof(struct sdrt_request) + 1,
                                    1 << 20, (size_t)-1 };
    struct sdrt_context *c = open_tiny(), *other = NULL;
    struct sdrt_options o;
    struct sdrt_request r;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        sdrt_options_init(&o);
        o.model = model_path("golden/tiny-sd15");
        o.log = &kept_log;
        o.size = sizes[i];
        expect_failure(sdrt_open(&other, &o), SDRT_E_ARG, "size", "options");
        small_request(&r);
        r.size = sizes[i];
        expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "size", "request");
    }
    sdrt_close(&c);
}

/* Without anything to take a log from, E_ARG alone. */
Test(abi, null_for_what_is_needed)
{
    struct sdrt_context *c = NULL;
    struct sdrt_memory memory;
    struct sdrt_options o;
    struct sdrt_request r;
    uint8_t *png;
    size_t size;
    char *text;

    small_request(&r);
    sdrt_options_init(&o);
    sdrt_options_init(NULL);
    sdrt_request_init(NULL);
    sdrt_close(NULL);
    sdrt_close(&c);
    sdrt_cancel(NULL);
    sdrt_free(NULL);
    o.log = &kept_log;
    cr_expect_eq(sdrt_open(&c, NULL), SDRT_E_ARG);
    expect_failure(sdrt_open(NULL, &o), SDRT_E_ARG, "context", "no place");
    expect_failure(sdrt_open(&c, &o), SDRT_E_ARG, "model", "no model");
    cr_expect_eq(sdrt_measure(NULL, &r, &memory), SDRT_E_ARG);
    cr_expect_eq(sdrt_generate(NULL, &r), SDRT_E_ARG);
    cr_expect_eq(sdrt_session_plan_text(NULL, &r, SDRT_PLAN_TABLE, &text), SDRT_E_ARG);
    cr_expect_null(text);
    cr_expect_eq(sdrt_write_plan(NULL, &r, NULL), SDRT_E_ARG);
    cr_expect_eq(sdrt_write_png(NULL, 0, "x"), SDRT_E_ARG);
    cr_expect_eq(sdrt_session_png(NULL, 0, &png, &size), SDRT_E_ARG);
    cr_expect_eq(sdrt_session_copy_image(NULL, 0, NULL, 0, 0), SDRT_E_ARG);
    cr_expect_null(sdrt_image(NULL, 0, NULL, NULL));
    cr_expect_null(sdrt_report_json(NULL));
    cr_expect_null(sdrt_inspect(NULL, &kept_log));
    expect_failure(SDRT_E_ARG, SDRT_E_ARG, "path", "inspect");
}

Test(abi, null_for_a_model_or_a_session)
{
    struct sdrt_model *m = NULL;
    struct sdrt_session *s = NULL;
    struct sdrt_memory memory;
    struct sdrt_options o;
    struct sdrt_request r;

    small_request(&r);
    sdrt_options_init(&o);
    o.log = &kept_log;
    cr_expect_eq(sdrt_model_open(&m, NULL), SDRT_E_ARG);
    expect_failure(sdrt_model_open(NULL, &o), SDRT_E_ARG, "model", "no place");
    cr_expect_null(sdrt_model_retain(NULL));
    sdrt_model_release(NULL);
    sdrt_model_release(&m);
    cr_expect_eq(sdrt_session_open(&s, NULL, 1), SDRT_E_ARG);
    cr_expect_null(sdrt_session_of(NULL));
    sdrt_session_close(NULL);
    sdrt_session_close(&s);
    sdrt_session_cancel(NULL);
    cr_expect_eq(sdrt_session_measure(NULL, &r, &memory), SDRT_E_ARG);
    cr_expect_eq(sdrt_session_generate(NULL, &r), SDRT_E_ARG);
    cr_expect_eq(sdrt_session_write_plan(NULL, &r, "x"), SDRT_E_ARG);
    cr_expect_eq(sdrt_session_write_png(NULL, 0, "x"), SDRT_E_ARG);
    cr_expect_null(sdrt_session_image(NULL, 0, NULL, NULL));
    cr_expect_null(sdrt_session_report_json(NULL));
    o.model = model_path("golden/tiny-sd15");
    expect_quiet(sdrt_model_open(&m, &o), "open");
    expect_failure(sdrt_session_open(NULL, m, 1), SDRT_E_ARG, "session", "no place");
    expect_failure(sdrt_session_open(&s, m, -1), SDRT_E_ARG, "threads", "-1 threads");
    cr_expect_null(s);
    sdrt_model_release(&m);
    cr_expect_null(m);
}

Test(abi, null_in_an_open_context)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_session *s = sdrt_session_of(c);
    struct sdrt_memory memory;
    struct sdrt_request r;
    uint8_t *png;
    size_t size;

    small_request(&r);
    expect_failure(sdrt_generate(c, NULL), SDRT_E_ARG, "request", "generate");
    expect_failure(sdrt_measure(c, NULL, &memory), SDRT_E_ARG, "request", "measure");
    expect_failure(sdrt_measure(c, &r, NULL), SDRT_E_ARG, "memory", "measure");
    expect_failure(sdrt_session_plan_text(s, &r, SDRT_PLAN_JSON, NULL), SDRT_E_ARG, "text", "plan");
    expect_failure(sdrt_write_plan(c, &r, NULL), SDRT_E_ARG, "path", "write_plan");
    expect_quiet(sdrt_generate(c, &r), "generate");
    expect_failure(sdrt_write_png(c, 0, NULL), SDRT_E_ARG, "path", "write_png");
    expect_failure(sdrt_session_png(s, 0, NULL, &size), SDRT_E_ARG, "place", "png");
    expect_failure(sdrt_session_png(s, 0, &png, NULL), SDRT_E_ARG, "place", "png");
    expect_failure(sdrt_session_copy_image(s, 0, NULL, 0, 1 << 20), SDRT_E_ARG, "room", "copy");
    cr_expect_not_null(sdrt_image(c, 0, NULL, NULL));
    sdrt_close(&c);
}

/* Where NULL is a value it is the default. */
Test(abi, null_for_the_default)
{
    static uint8_t usual[64 * 64 * 3];
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;

    small_request(&r);
    r.prompt = "";
    r.schedule = "default";
    r.rng = "cpu";
    expect_quiet(sdrt_generate(c, &r), "by name");
    memcpy(usual, sdrt_image(c, 0, NULL, NULL), sizeof usual);
    r.prompt = r.schedule = r.rng = NULL;
    expect_quiet(sdrt_generate(c, &r), "NULL");
    cr_expect_eq(memcmp(usual, sdrt_image(c, 0, NULL, NULL), sizeof usual), 0);
    sdrt_close(&c);
}

Test(abi, what_no_request_may_hold)
{
    static const uint8_t grey[64];
    const struct sdrt_picture picture = { grey, 8, 8, 1, 0 };
    const struct sdrt_lora nameless = { NULL, 1.0f };
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;

    small_request(&r);
    r.n_loras = -1;
    r.loras = &nameless;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "LoRA", "-1 LoRAs");
    r.n_loras = 1;
    r.loras = NULL;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "LoRA", "a LoRA at NULL");
    r.loras = &nameless;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "LoRA", "a LoRA without a path");
    small_request(&r);
    r.mask = &picture;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "mask", "mask");
    small_request(&r);
    r.n_controls = 1;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "control picture", "control");
    sdrt_close(&c);
}

/* The file, and the pixels in rows that are wider than the image. */
Test(abi, png_and_pixels_in_memory)
{
    enum { STRIDE = 64 * 3 + 8 };
    static uint8_t room[64 * STRIDE];
    struct sdrt_context *c = open_tiny();
    struct sdrt_session *s = sdrt_session_of(c);
    struct sdrt_request r;
    uint8_t *png;
    size_t size, file_size;

    small_request(&r);
    expect_failure(sdrt_session_png(s, 0, &png, &size), SDRT_E_ARG, "no image 0", "before drawing");
    cr_expect_null(png);
    expect_quiet(sdrt_generate(c, &r), "generate");
    expect_quiet(sdrt_session_png(s, 0, &png, &size), "png");
    expect_quiet(sdrt_write_png(c, 0, temp_path("a.png")), "write");
    char *file = temp_read(temp_path("a.png"), &file_size);
    cr_assert_eq(size, file_size);
    cr_expect_eq(memcmp(png, file, size), 0);
    sdrt_free(png);
    free(file);
    memset(room, 0xab, sizeof room);
    expect_quiet(sdrt_session_copy_image(s, 0, room, STRIDE, sizeof room - 8), "copy");
    const uint8_t *pixels = sdrt_image(c, 0, NULL, NULL);
    for (int y = 0; y < 64; y++) {
        cr_expect_eq(memcmp(room + y * STRIDE, pixels + y * 64 * 3, 64 * 3), 0, "row %d", y);
        cr_expect_eq(room[y * STRIDE + 64 * 3], 0xab, "behind row %d", y);
    }
    expect_failure(sdrt_session_copy_image(s, 0, room, STRIDE, sizeof room - 9), SDRT_E_ARG, "room",
                   "one byte short");
    expect_failure(sdrt_session_copy_image(s, 0, room, 64 * 3 - 1, sizeof room), SDRT_E_ARG, "room",
                   "rows too near");
    expect_failure(sdrt_session_copy_image(s, 1, room, 0, sizeof room), SDRT_E_ARG, "no image 1",
                   "image 1");
    sdrt_close(&c);
}

static int note_user(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)stage;
    (void)done;
    (void)total;
    ++*(int *)user;
    return 0;
}

static int note_dump(void *user, const char *name, const int dims[4], const float *data)
{
    (void)name;
    (void)dims;
    (void)data;
    ++*(int *)user;
    return 0;
}

Test(abi, each_callback_has_its_user)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_request r;
    int all = 0, progress = 0, dumped = 0;

    small_request(&r);
    r.progress = note_user;
    r.dump = note_dump;
    r.user = &all;
    r.dump_user = &dumped;
    expect_quiet(sdrt_generate(c, &r), "one of them");
    cr_expect(all > 4 && dumped > 100, "%d, %d", all, dumped);
    r.dump = NULL;
    r.progress_user = &progress;
    all = 0;
    expect_quiet(sdrt_generate(c, &r), "the other");
    cr_expect(all == 0 && progress > 4, "%d, %d", all, progress);
    sdrt_close(&c);
}

/* Whether list holds name. */
static int holds(enum sdrt_list list, const char *name)
{
    for (int i = 0; sdrt_list_name(list, i); i++)
        if (!strcmp(sdrt_list_name(list, i), name)) return 1;
    return 0;
}

/* Each name is one that the library takes. */
Test(abi, lists)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_memory memory;
    struct sdrt_request r;

    for (int i = 0; sdrt_list_name(SDRT_LIST_SAMPLERS, i); i++) {
        small_request(&r);
        r.sampler = sdrt_list_name(SDRT_LIST_SAMPLERS, i);
        expect_quiet(sdrt_measure(c, &r, &memory), r.sampler);
    }
    for (int i = 0; sdrt_list_name(SDRT_LIST_SPACINGS, i); i++) {
        small_request(&r);
        r.spacing = sdrt_list_name(SDRT_LIST_SPACINGS, i);
        expect_quiet(sdrt_measure(c, &r, &memory), r.spacing);
    }
    small_request(&r);
    r.rng = "dice";
    expect_failure(sdrt_measure(c, &r, &memory), SDRT_E_ARG, "cpu or cuda", "rng");
    cr_expect(holds(SDRT_LIST_SAMPLERS, "euler_a") && holds(SDRT_LIST_SCHEDULES, "karras") &&
              holds(SDRT_LIST_PREDICTIONS, "v") && holds(SDRT_LIST_RNGS, "cuda") &&
              holds(SDRT_LIST_LEVELS, "generic") && holds(SDRT_LIST_PRECISIONS, "bf16") &&
              holds(SDRT_LIST_ARCHS, "sd35-large"));
    cr_expect_eq(sdrt_list_usable(SDRT_LIST_LEVELS, 0), 1);
    cr_expect_eq(sdrt_list_usable(SDRT_LIST_LEVELS, 1000), 0);
    cr_expect_null(sdrt_list_name(SDRT_LIST_SAMPLERS, -1));
    cr_expect_null(sdrt_list_name((enum sdrt_list)99, 0));
    sdrt_close(&c);
}

Test(abi, plans)
{
    struct sdrt_context *c = open_tiny();
    struct sdrt_session *s = sdrt_session_of(c);
    struct sdrt_request r;
    char *text;
    size_t size;

    small_request(&r);
    expect_quiet(sdrt_session_plan_text(s, &r, SDRT_PLAN_TABLE, &text), "table");
    cr_expect_not_null(strstr(text, "lower bound"), "%s", text);
    sdrt_free(text);
    expect_quiet(sdrt_session_plan_text(s, &r, SDRT_PLAN_JSON, &text), "JSON");
    cr_expect_eq(text[0], '{');
    sdrt_free(text);
    expect_failure(sdrt_session_plan_text(s, &r, (enum sdrt_plan_form)2, &text), SDRT_E_ARG, "form",
                   "form 2");
    cr_expect_null(text);
    expect_quiet(sdrt_write_plan(c, &r, temp_path("a.json")), "to a file");
    text = temp_read(temp_path("a.json"), &size);
    cr_expect_eq(text[0], '{');
    free(text);
    expect_failure(sdrt_write_plan(c, &r, temp_path("a.svg")), SDRT_E_UNSUPPORTED, "a.svg",
                   "a picture");
    sdrt_close(&c);
}
