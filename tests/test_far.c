/* SPDX-License-Identifier: MIT
 *
 * Models on a device whose memory the host does not reach: with the processor's kernels there, each
 * image and each tensor on the way is the processor's to the bit.
 */
#include "kernels/isa.h"
#include "tests/any_level.h"
#include "tests/far_device.h"
#include "tests/golden_images.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(far, .init = temp_folder_make, .fini = temp_folder_remove);

/* A tiny model on either device. */
static struct sdrt_context *open_on(const char *family, const char *refiner,
                                    struct sdrt_device *device)
{
    struct sdrt_context *c = calloc(1, sizeof *c);
    struct sdrt_options o;

    cr_assert_not_null(c);
    model_options(&o, path_in(family, ""));
    o.refiner = refiner ? path_in(refiner, "") : NULL;
    o.isa = "generic";
    cr_assert_eq(sdrt_model_open_on(&c->model, &o, device, device ? "f32" : NULL), SDRT_OK, "%s",
                 kept_text);
    cr_assert_eq(sdrt_session_open(&c->session, c->model, 2), SDRT_OK, "%s", kept_text);
    return c;
}

static struct sdrt_context *open_far(const char *family, const char *refiner)
{
    if (temulated() && strcmp(family, "sd15")) cr_skip_test("plain C alone, which x86 runs");
    far_device_reset();
    return open_on(family, refiner, far_device_open(0));
}

static void expect_same_image(struct sdrt_context *near, struct sdrt_context *far,
                              const struct sdrt_request *r, const char *what)
{
    const uint8_t *want = picture_draw(near, r), *got = picture_draw(far, r);

    cr_expect_eq(memcmp(got, want, (size_t)r->width * (size_t)r->height * 3), 0,
                 "%s: the far device draws another image", what);
}

/* Two requests of other sizes and guidance, and the first again, whose text is another's. */
static void check_family(const char *family, const char *refiner)
{
    const struct picture guided = { .negative = "blurry", .steps = 3, .cfg = 5.0f };
    const struct picture plain = { .steps = 2, .width = 80, .height = 64, .cfg = 1.0f };
    const struct picture *const pictures[] = { &guided, &guided, &plain, &guided };
    struct sdrt_context *near = open_on(family, refiner, NULL), *far = open_far(family, refiner);
    struct sdrt_request r;

    for (int i = 0; i < 4; i++) {
        picture_request(&r, pictures[i]);
        if (refiner) r.steps += 3;
        r.batch = i == 1 ? 2 : 1;
        expect_same_image(near, far, &r, family);
    }
    cr_expect_gt(far_device_counts().replays, 0);
    sdrt_close(&near);
    sdrt_close(&far);
    cr_expect_eq(far_device_counts().recordings, 0);
    cr_expect_eq(far_device_counts().blocks, 0);
}

Test(far, sd15) { check_family("sd15", NULL); }
Test(far, sdxl) { check_family("sdxl", NULL); }
Test(far, refined) { check_family("sdxl", "sdxl-refiner"); }
Test(far, sd3) { check_family("sd3", NULL); }
Test(far, sd35) { check_family("sd35", NULL); }

/* ---- evaluations that do less ---- */

Test(far, caches)
{
    const struct picture p = { .negative = "blurry",
                               .steps = 8,
                               .width = 88,
                               .height = 72,
                               .cfg = 5.0f };
    struct sdrt_context *near = open_on("sd15", NULL, NULL), *far = open_far("sd15", NULL);
    struct sdrt_request r;

    picture_request(&r, &p);
    r.cache = "deepcache:every=3,order=0,layers=2";
    expect_same_image(near, far, &r, "kept");
    r.cfg_end = 0.6f;
    expect_same_image(near, far, &r, "and without guidance at the end");
    r.cache = "tgate:gate=3";
    r.cfg_end = 1.0f;
    expect_same_image(near, far, &r, "behind a gate");
    r.cfg_end = 0.6f;
    r.cache = "taylor:first=2";
    expect_same_image(near, far, &r, "with answers left out");
    r.cache = "deepcache";
    cr_expect_eq(sdrt_generate(far, &r), SDRT_E_UNSUPPORTED);
    cr_expect(strstr(kept_text, "expected order=0"), "%s", kept_text);
    sdrt_close(&near);
    sdrt_close(&far);
}

/* ---- pictures and LoRAs ---- */

/* A wedge of colours, and where it is redrawn: the middle. */
static void check_picture(const char *family, int masked)
{
    enum { SIDE = 64 };
    static uint8_t pixels[SIDE * SIDE * 3], white[SIDE * SIDE];
    const struct sdrt_picture init = { .pixels = pixels,
                                       .width = SIDE,
                                       .height = SIDE,
                                       .channels = 3 };
    const struct sdrt_picture mask = { .pixels = white,
                                       .width = SIDE,
                                       .height = SIDE,
                                       .channels = 1 };
    const struct picture p = { .steps = 4, .cfg = 4.0f };
    struct sdrt_context *near = open_on(family, NULL, NULL), *far = open_far(family, NULL);
    struct sdrt_request r;

    for (int i = 0; i < SIDE * SIDE; i++) {
        pixels[3 * i] = (uint8_t)(4 * (i % SIDE));
        pixels[3 * i + 1] = (uint8_t)(4 * (i / SIDE));
        white[i] = i % SIDE > 16 && i % SIDE < 48 ? 255 : 0;
    }
    picture_request(&r, &p);
    r.init = &init;
    r.mask = masked ? &mask : NULL;
    expect_same_image(near, far, &r, family);
    expect_same_image(near, far, &r, family);
    sdrt_close(&near);
    sdrt_close(&far);
}

Test(far, begins_with_a_picture) { check_picture("sdxl", 0); }
Test(far, redraws_a_part) { check_picture("sd35", 1); }

Test(far, loras)
{
    const struct sdrt_lora lora = { path_in("sd15", "../lora/loha.safetensors"), 0.7f };
    const struct picture p = { .steps = 2, .cfg = 4.0f };
    struct sdrt_context *near = open_on("sd15", NULL, NULL), *far = open_far("sd15", NULL);
    struct sdrt_request r;

    picture_request(&r, &p);
    expect_same_image(near, far, &r, "without");
    r.loras = &lora;
    r.n_loras = 1;
    expect_same_image(near, far, &r, "with");
    r.n_loras = 0;
    expect_same_image(near, far, &r, "without again");
    sdrt_close(&near);
    sdrt_close(&far);
}

/* ---- tensors on the way ---- */

struct dumped {
    char *names;
    size_t size, cap, n;
    float *values;
    size_t n_values, values_cap;
};

static int keep(void *user, const char *name, const int dims[4], const float *data)
{
    struct dumped *d = user;
    const size_t count = (size_t)dims[0] * (size_t)dims[1] * (size_t)dims[2] * (size_t)dims[3];
    const size_t length = strlen(name) + 1;

    d->names = realloc(d->names, d->size + length);
    d->values = realloc(d->values, (d->n_values + count) * sizeof *d->values);
    cr_assert(d->names && d->values);
    memcpy(d->names + d->size, name, length);
    memcpy(d->values + d->n_values, data, count * sizeof *data);
    d->size += length;
    d->n_values += count;
    d->n++;
    return 0;
}

Test(far, dumps)
{
    struct sdrt_context *near = open_on("sd35", NULL, NULL), *far = open_far("sd35", NULL);
    const struct picture p = { .steps = 2, .cfg = 4.0f };
    struct dumped want = { .n = 0 }, got = { .n = 0 };
    struct sdrt_request r;

    picture_request(&r, &p);
    r.dump = keep;
    r.dump_user = &want;
    picture_draw(near, &r);
    r.dump_user = &got;
    picture_draw(far, &r);
    cr_expect_gt(want.n, 100u);
    cr_assert_eq(got.n, want.n);
    cr_assert_eq(got.n_values, want.n_values);
    cr_expect_eq(memcmp(got.names, want.names, want.size), 0);
    cr_expect_eq(memcmp(got.values, want.values, want.n_values * sizeof *want.values), 0);
    sdrt_close(&near);
    sdrt_close(&far);
    free(want.names);
    free(want.values);
    free(got.names);
    free(got.values);
}

/* ---- what crosses ---- */

/* An evaluation sends its latent and its row of the modulations, and fetches its answer: no weights
 * and nothing that is computed once. */
Test(far, an_evaluation_moves_little)
{
    struct sdrt_context *c = open_far("sd15", NULL);
    struct picture p = { .steps = 2, .cfg = 4.0f };
    struct sdrt_request r;
    struct far_device_counts few, many;

    picture_request(&r, &p);
    picture_draw(c, &r);
    far_device_reset();
    picture_draw(c, &r);
    few = far_device_counts();
    p.steps = 12;
    picture_request(&r, &p);
    picture_draw(c, &r); /* another schedule: planned anew */
    far_device_reset();
    picture_draw(c, &r);
    many = far_device_counts();
    cr_expect_eq(many.writes - few.writes, 10 * 2);
    cr_expect_eq(many.reads - few.reads, 10);
    sdrt_close(&c);
}

/* ---- a limit of its memory ---- */

/* A tiny model on a far device that may take so much of its memory. */
static struct sdrt_context *open_limited(const char *family, size_t limit)
{
    struct sdrt_context *c = open_far(family, NULL);

    c->model->device_memory = limit;
    return c;
}

/* Bytes that the request takes of the device; 0 where they are beyond its limit. */
static size_t bytes_of(struct sdrt_context *c, const struct sdrt_request *r)
{
    struct sdrt_memory m;
    const int status = sdrt_measure(c, r, &m);

    if (status == SDRT_E_NOMEM) return 0;
    cr_assert_eq(status, SDRT_OK, "%s", kept_text);
    return m.weights_bytes + m.arena_bytes;
}

/* From all that it takes down to the least, with which every weight comes for each use: the less there
 * is, the more is streamed, and the image stays. */
static void check_limited(const char *family)
{
    enum { TWENTIETHS = 20 };
    struct sdrt_context *near = open_on(family, NULL, NULL), *far = open_far(family, NULL);
    const struct picture p = { .steps = 2, .cfg = 4.0f };
    struct sdrt_request r;
    size_t streamed = 0, limits = 0;

    picture_request(&r, &p);
    const size_t all = bytes_of(far, &r);
    sdrt_close(&far);
    for (int i = TWENTIETHS - 1; i > 0; i -= temulated() ? 3 : 1) {
        const size_t limit = all / TWENTIETHS * (size_t)i;
        struct sdrt_context *limited = open_limited(family, limit);
        const size_t bytes = bytes_of(limited, &r),
                     now = sdrt_session_streamed_bytes(limited->session);
        if (bytes) {
            far_device_upload_late(i % 2);
            cr_expect_leq(bytes, limit);
            expect_same_image(near, limited, &r, family);
            expect_same_image(near, limited, &r, family);
            cr_expect_gt(now, streamed, "%s: %zu bytes are streamed at %d twentieths", family, now,
                         i);
            cr_expect_gt(far_device_counts().uploads, 0);
            streamed = now;
            limits++;
        }
        sdrt_close(&limited);
        if (!bytes) break;
    }
    cr_expect_geq(limits, 2u);
    sdrt_close(&near);
}

Test(far, limited_sd15) { check_limited("sd15"); }
Test(far, limited_sd35) { check_limited("sd35"); }

Test(far, limit_too_small)
{
    struct sdrt_context *c = open_limited("sd15", 1 << 18);
    struct sdrt_request r;
    struct sdrt_memory m;

    picture_request(&r, &(struct picture){ .steps = 2, .cfg = 4.0f });
    expect_failure(sdrt_measure(c, &r, &m), SDRT_E_NOMEM, "with all weights streamed", "too small");
    sdrt_close(&c);
}

/* ---- faults ---- */

static int stop(void *user, enum sdrt_stage stage, int done, int total)
{
    (void)total;
    if (stage == SDRT_STAGE_DENOISE && done == 2) sdrt_cancel(user);
    return 0;
}

Test(far, cancelled_and_drawn_again)
{
    struct sdrt_context *near = open_on("sd15", NULL, NULL), *far = open_far("sd15", NULL);
    const struct picture p = { .steps = 4, .cfg = 4.0f };
    struct sdrt_request r;

    picture_request(&r, &p);
    r.progress = stop;
    r.progress_user = far;
    expect_failure(sdrt_generate(far, &r), SDRT_E_CANCELLED, "cancelled", "cancelled");
    r.progress = NULL;
    expect_same_image(near, far, &r, "after a cancellation");
    sdrt_close(&near);
    sdrt_close(&far);
}

Test(far, a_broken_device_is_told)
{
    struct sdrt_context *c = open_far("sd15", NULL);
    const struct picture p = { .steps = 2, .cfg = 4.0f };
    struct sdrt_request r;

    picture_request(&r, &p);
    far_device_break();
    expect_failure(sdrt_generate(c, &r), SDRT_E_UNSUPPORTED, "the far device is broken", "weights");
    far_device_reset();
    picture_draw(c, &r);
    far_device_break();
    expect_failure(sdrt_generate(c, &r), SDRT_E_UNSUPPORTED, "the far device is broken", "a step");
    sdrt_close(&c);
}
