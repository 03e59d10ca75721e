/* SPDX-License-Identifier: MIT
 *
 * What a program that embeds the library meets: its threads and their stacks, its children, its
 * way to cancel, its locale.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* sched_getaffinity, memmem */
#endif
#include "kernels/isa.h"
#include "model/sdrt.h"
#include "tests/any_level.h"
#include "tests/comma_locale.h"
#include "tests/temp_folder.h"

#include <cblas.h>
#include <criterion/criterion.h>
#include <jansson.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(host, .init = temp_folder_make, .fini = temp_folder_remove);

static struct sdrt_context *open_model(const char *name, const char *isa)
{
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_context *c = NULL;
    struct sdrt_options o;
    char path[512];

    snprintf(path, sizeof path, "%s/golden/%s", root ? root : "tests", name);
    sdrt_options_init(&o);
    o.model = path;
    o.isa = isa;
    o.log = &kept_log;
    cr_assert_eq(sdrt_open(&c, &o), SDRT_OK, "%s", kept_text);
    return c;
}

static void small_request(struct sdrt_request *r)
{
    sdrt_request_init(r);
    r->prompt = "a cat";
    r->width = r->height = 64;
    r->steps = 2;
    r->sampler = "euler";
}

/* ---- where its threads run ---- */

static cpu_set_t before;

static void expect_unpinned(const char *when)
{
    cpu_set_t now;

    cr_assert_eq(sched_getaffinity(0, sizeof now, &now), 0);
    cr_expect(CPU_EQUAL(&before, &now), "the caller's thread is pinned %s", when);
}

/* Here a program makes threads and children too. */
static int look_around(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)user, (void)stage, (void)done, (void)total;
    expect_unpinned("in a callback");
    return 0;
}

Test(host, the_callers_thread_stays_where_it_was)
{
    struct sdrt_context *first, *second;
    struct sdrt_request r;

    cr_assert_eq(sched_getaffinity(0, sizeof before, &before), 0);
    first = open_model("tiny-sd15", tany_level());
    expect_unpinned("after opening");
    second = open_model("tiny-sd15", tany_level());
    small_request(&r);
    r.progress = look_around;
    expect_quiet(sdrt_generate(first, &r), "first");
    expect_quiet(sdrt_generate(second, &r), "second");
    expect_unpinned("after a request");
    sdrt_close(&first);
    sdrt_close(&second);
    expect_unpinned("after closing");
}

/* ---- OpenBLAS, which the program may use too ---- */

static int expect_two_threads(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)user, (void)stage, (void)done, (void)total;
    cr_expect_eq(openblas_get_num_threads(), 2);
    return 0;
}

Test(host, openblas_keeps_its_threads)
{
    static const char *const levels[] = { NULL, "blas" };

    openblas_set_num_threads(2);
    for (int i = 0; i < 2; i++) {
        struct sdrt_context *c = open_model("tiny-sd15", levels[i]);
        struct sdrt_request r;
        cr_expect_eq(openblas_get_num_threads(), 2, "after opening");
        small_request(&r);
        r.progress = expect_two_threads;
        expect_quiet(sdrt_generate(c, &r), "generate");
        cr_expect_eq(openblas_get_num_threads(), 2, "after a request");
        sdrt_close(&c);
    }
}

/* ---- small stacks ---- */

/* A sanitizer's frames are larger. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
struct life {
    const char *model, *isa;
    int drawn;
};

static void *live(void *arg)
{
    struct life *l = arg;
    struct sdrt_context *c = open_model(l->model, l->isa);
    struct sdrt_request r;
    struct sdrt_memory memory;

    small_request(&r);
    r.batch = 2;
    cr_expect_eq(sdrt_measure(c, &r, &memory), SDRT_OK, "%s", kept_text);
    cr_expect_eq(sdrt_generate(c, &r), SDRT_OK, "%s", kept_text);
    cr_expect_eq(sdrt_write_png(c, 1, temp_path("cat.png")), SDRT_OK, "%s", kept_text);
    char *report = sdrt_report_json(c);
    cr_expect_not_null(report);
    free(report);
    l->drawn = 1;
    sdrt_close(&c);
    return NULL;
}

/* musl gives a thread 128 KiB. */
Test(host, lives_on_a_small_stack)
{
    static const char *const models[] = { "tiny-sd15", "tiny-sdxl", "tiny-sd3" };
    const unsigned have = sdrt_isa_detect();
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    cr_assert_eq(pthread_attr_setstacksize(&attributes, 128 << 10), 0);
    for (size_t m = 0; m < (temulated() ? 1 : sizeof models / sizeof *models); m++)
        for (const struct sdrt_isa_level *level = sdrt_isa_levels; level->name; level++) {
            struct life l = { models[m], level->name, 0 };
            pthread_t thread;
            if ((level->flags & have) != level->flags) continue;
            cr_assert_eq(pthread_create(&thread, &attributes, live, &l), 0);
            pthread_join(thread, NULL);
            cr_expect(l.drawn, "%s, %s", l.model, l.isa);
        }
    pthread_attr_destroy(&attributes);
}
#endif

/* ---- children ---- */

/* ThreadSanitizer starts no threads in a child of a process that had some. */
#ifndef __SANITIZE_THREAD__
enum { PIXELS = 64 * 64 * 3 };

static const uint8_t *pixels_of(const struct sdrt_context *c)
{
    int width, height;
    const uint8_t *pixels = sdrt_image(c, 0, &width, &height);

    cr_assert(pixels && width == 64 && height == 64);
    return pixels;
}

Test(host, draws_in_a_forked_child, .timeout = 60)
{
    struct sdrt_context *c = open_model("tiny-sd15", tany_level());
    struct sdrt_request r;
    uint8_t image[PIXELS];
    int ended;

    small_request(&r);
    expect_quiet(sdrt_generate(c, &r), "parent");
    memcpy(image, pixels_of(c), PIXELS);
    const pid_t child = fork();
    if (child == 0) {
        alarm(30);
        const int status = sdrt_generate(c, &r);
        const int same = status == SDRT_OK && !memcmp(image, pixels_of(c), PIXELS);
        sdrt_close(&c);
        _exit(same ? 0 : 1);
    }
    cr_assert(child > 0);
    cr_assert_eq(waitpid(child, &ended, 0), child);
    cr_expect(WIFEXITED(ended) && WEXITSTATUS(ended) == 0, "the child ended with %x", ended);
    expect_quiet(sdrt_generate(c, &r), "parent again");
    cr_expect_eq(memcmp(image, pixels_of(c), PIXELS), 0);
    sdrt_close(&c);
}
#endif

/* ---- cancelling ---- */

static int cancel_at_once(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)stage, (void)done, (void)total;
    sdrt_cancel(user);
    return 0;
}

/* One that comes when nothing runs has nothing to end. */
Test(host, a_late_cancel_ends_no_later_request)
{
    struct sdrt_context *c = open_model("tiny-sd15", tany_level());
    struct sdrt_request r;

    small_request(&r);
    r.user = c;
    sdrt_cancel(c);
    expect_quiet(sdrt_generate(c, &r), "after a cancel that came before all");
    sdrt_cancel(c);
    expect_quiet(sdrt_generate(c, &r), "after a cancel that came late");
    r.progress = cancel_at_once;
    expect_failure(sdrt_generate(c, &r), SDRT_E_CANCELLED, "cancelled", "cancelled");
    r.progress = NULL;
    expect_quiet(sdrt_generate(c, &r), "after a cancelled request");
    sdrt_close(&c);
}

/* ---- a decimal comma ---- */

static int plan_holds(struct sdrt_context *c, const struct sdrt_request *r, const char *name)
{
    size_t size;
    json_t *plan = NULL;

    expect_quiet(sdrt_write_plan(c, r, temp_path(name)), name);
    char *text = temp_read(temp_path(name), &size);
    plan = json_loads(text, 0, NULL);
    const char *peak = strstr(text, "peak ");
    int end = 0;
    if (!plan && peak) sscanf(peak, "peak %*d.%*d MiB%n", &end);
    const int table = end > 0;
    free(text);
    json_decref(plan);
    return plan || table;
}

Test(host, a_decimal_comma_changes_nothing)
{
    struct sdrt_context *c = open_model("tiny-sd15", tany_level());
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_request r;
    char loras[512];
    size_t size;

    snprintf(loras, sizeof loras, "%s/golden/lora", root ? root : "tests");
    small_request(&r);
    r.prompt = "a cat <lora:loha:0.8>";
    r.lora_dir = loras;
    if (!comma_locale_set(temp_folder())) {
        sdrt_close(&c);
        cr_skip("the C library takes no locale with a decimal comma");
    }
    expect_quiet(sdrt_generate(c, &r), "a LoRA by the prompt");
    expect_quiet(sdrt_write_png(c, 0, temp_path("cat.png")), "PNG");
    char *png = temp_read(temp_path("cat.png"), &size);
    cr_expect_not_null(memmem(png, size, "CFG scale: 7.5,", 15));
    free(png);
    char *report = sdrt_report_json(c);
    json_t *json = report ? json_loads(report, 0, NULL) : NULL;
    cr_expect_not_null(json, "%s", report);
    json_decref(json);
    free(report);
    cr_expect(plan_holds(c, &r, "plan.json") && plan_holds(c, &r, "plan.txt"));
    r.prompt = "a <lora:loha:0,8>";
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "expected a number", "a comma in the prompt");
    r.prompt = "";
    r.cfg_scale = 1001.0f;
    expect_failure(sdrt_generate(c, &r), SDRT_E_ARG, "cfg scale", "a number that is too large");
    sdrt_close(&c);
    snprintf(loras, sizeof loras, "%g", 0.5);
    cr_expect_str_eq(loras, "0,5", "the program's own locale has changed");
    comma_locale_unset();
}
