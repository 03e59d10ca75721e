/* SPDX-License-Identifier: MIT
 *
 * Several sessions on one model, each in a thread of its own: their images, and the weights, which
 * are in memory once.
 */
#include "runtime/weights/weight_store_internal.h"
#include "tests/any_level.h"
#include "tests/golden_models.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(sessions, .init = temp_folder_make, .fini = temp_folder_remove);

enum { SIDE = 64, BYTES = SIDE * SIDE * 3, THREADS = 2, ROUNDS = 3 };

/* SDXL is opened with its refiner. */
static struct sdrt_model *open_shared(const char *family)
{
    struct sdrt_model *m = NULL;
    struct sdrt_options o;

    model_options(&o, path_in(family, ""));
    if (!strcmp(family, "sdxl")) o.refiner = path_in("sdxl-refiner", "");
    cr_assert_eq(sdrt_model_open(&m, &o), SDRT_OK, "%s", kept_text);
    return m;
}

static const char *lora_path(void)
{
    static char path[512];
    const char *root = getenv("SDRT_TESTDATA");

    snprintf(path, sizeof path, "%s/golden/lora/loha.safetensors", root ? root : "tests");
    return path;
}

/* Request i of a thread's; every other one with a LoRA, where they are wanted. */
static void request(struct sdrt_request *r, int i, const struct sdrt_lora *lora)
{
    static const char *const prompts[] = { "a cat", "a small house", "a cat" };

    sdrt_request_init(r);
    r->prompt = prompts[i % 3];
    r->width = r->height = SIDE;
    r->steps = 3;
    r->refiner_start = 0.5;
    r->sampler = "euler";
    r->seed = (uint64_t)(i + 1);
    if (!lora || i % 2 == 0) return;
    r->loras = lora;
    r->n_loras = 1;
}

/* What a thread draws, or what it failed with. */
struct drawer {
    struct sdrt_model *model;
    const struct sdrt_lora *lora;
    pthread_barrier_t *together; /* all wait for each other before they close; NULL: nobody does */
    size_t *packed;              /* bytes in the store while all are open; NULL: not wanted */
    int first;                   /* the round that it begins with */
    int status;
    uint8_t images[ROUNDS][BYTES];
};

static size_t packed_bytes(const struct sdrt_model *m)
{
    size_t bytes = 0;

    for (int i = 0; i < m->n_parts; i++) {
        struct sdrt_weight_store *store = m->parts[i].store;
        pthread_mutex_lock(&store->lock);
        for (size_t k = 0; k < store->n_entries; k++)
            if (store->entries[k]->data) bytes += store->entries[k]->bytes;
        pthread_mutex_unlock(&store->lock);
    }
    return bytes;
}

static void *draw(void *arg)
{
    struct drawer *d = arg;
    struct sdrt_session *s = NULL;
    int width, height;

    d->status = sdrt_session_open(&s, d->model, 2);
    for (int k = 0; k < ROUNDS && d->status == SDRT_OK; k++) {
        const int i = (d->first + k) % ROUNDS;
        struct sdrt_request r;
        request(&r, i, d->lora);
        d->status = sdrt_session_generate(s, &r);
        if (d->status == SDRT_OK)
            memcpy(d->images[i], sdrt_session_image(s, 0, &width, &height), BYTES);
    }
    if (d->together) pthread_barrier_wait(d->together);
    if (d->packed) *d->packed = packed_bytes(d->model);
    if (d->together) pthread_barrier_wait(d->together);
    sdrt_session_close(&s);
    return NULL;
}

/* Draws all rounds in so many threads at once; each thread's images are as want has them. */
static void expect_same(const char *family, int threads, const struct sdrt_lora *lora,
                        const struct drawer *want, size_t *packed)
{
    struct sdrt_model *m = open_shared(family);
    struct drawer *d = calloc((size_t)threads, sizeof *d);
    pthread_barrier_t together;
    pthread_t ids[THREADS];

    pthread_barrier_init(&together, NULL, (unsigned)threads);
    for (int t = 0; t < threads; t++) {
        d[t].model = m;
        d[t].lora = lora;
        d[t].together = &together;
        d[t].packed = t == 0 ? packed : NULL;
        d[t].first = t;
        cr_assert_eq(pthread_create(&ids[t], NULL, draw, &d[t]), 0);
    }
    for (int t = 0; t < threads; t++) {
        pthread_join(ids[t], NULL);
        cr_expect_eq(d[t].status, SDRT_OK, "%s, thread %d: %s", family, t, kept_text);
        for (int i = 0; i < ROUNDS; i++)
            cr_expect_eq(memcmp(d[t].images[i], want->images[i], BYTES), 0,
                         "%s, thread %d: image %d is another", family, t, i);
    }
    cr_expect_eq(m->uses, 1, "%d uses of the model after all sessions are closed", m->uses);
    sdrt_model_release(&m);
    cr_expect_null(m);
    pthread_barrier_destroy(&together);
    free(d);
}

/* The same requests one after the other. */
static void draw_alone(const char *family, const struct sdrt_lora *lora, struct drawer *out,
                       size_t *packed)
{
    struct sdrt_model *m = open_shared(family);

    *out = (struct drawer){ .model = m, .lora = lora, .packed = packed };
    draw(out);
    cr_assert_eq(out->status, SDRT_OK, "%s", kept_text);
    sdrt_model_release(&m);
}

Test(sessions, threads_draw_what_one_does_with_weights_once)
{
    static const char *const families[] = { "sd15", "sd35", "sdxl" };
    static struct drawer alone;

    for (size_t i = 0; i < (temulated() ? 1 : sizeof families / sizeof *families); i++) {
        size_t one = 0, two = 0;
        draw_alone(families[i], NULL, &alone, &one);
        expect_same(families[i], THREADS, NULL, &alone, &two);
        cr_expect_gt(one, 0);
        cr_expect_eq(one, two, "%s: %zu bytes packed for one session, %zu for two", families[i],
                     one, two);
    }
}

/* Each thread changes the set from request to request, the two out of step. */
Test(sessions, another_set_of_loras_waits_its_turn)
{
    const struct sdrt_lora lora = { lora_path(), 0.7f };
    static struct drawer alone;

    draw_alone("sd15", &lora, &alone, NULL);
    cr_expect_neq(memcmp(alone.images[0], alone.images[1], BYTES), 0);
    expect_same("sd15", THREADS, &lora, &alone, NULL);
}

/* A session has its text and timesteps still, but from before another changed the set. */
Test(sessions, what_is_kept_is_of_the_set)
{
    const struct sdrt_lora lora = { lora_path(), 0.7f };
    struct sdrt_model *m = open_shared("sd15");
    struct sdrt_session *s[2] = { NULL };
    uint8_t images[3][BYTES];
    struct sdrt_request r;
    int width, height;

    request(&r, 0, NULL);
    for (int k = 0; k < 3; k++) { /* the first without, the second with, the first with */
        struct sdrt_session **one = &s[k % 2];
        if (k < 2) cr_assert_eq(sdrt_session_open(one, m, 2), SDRT_OK, "%s", kept_text);
        r.loras = &lora;
        r.n_loras = k > 0;
        cr_assert_eq(sdrt_session_generate(*one, &r), SDRT_OK, "%s", kept_text);
        memcpy(images[k], sdrt_session_image(*one, 0, &width, &height), BYTES);
    }
    cr_expect_neq(memcmp(images[0], images[1], BYTES), 0);
    cr_expect_eq(memcmp(images[1], images[2], BYTES), 0, "a session drew with an old text");
    for (int k = 0; k < 2; k++) sdrt_session_close(&s[k]);
    sdrt_model_release(&m);
}

/* Sessions that rest after a request hold what that packed, which another set makes useless. */
Test(sessions, sets_of_the_past_are_not_in_memory)
{
    const struct sdrt_lora lora[] = { { lora_path(), 0.7f }, { lora_path(), 0.3f } };
    struct sdrt_model *m = open_shared("sd15");
    struct sdrt_session *s[3] = { NULL };
    size_t bytes[3];
    struct sdrt_request r;

    request(&r, 0, NULL);
    for (int k = 0; k < 3; k++) {
        cr_assert_eq(sdrt_session_open(&s[k], m, 1), SDRT_OK, "%s", kept_text);
        r.loras = k ? &lora[k - 1] : NULL;
        r.n_loras = k > 0;
        cr_assert_eq(sdrt_session_generate(s[k], &r), SDRT_OK, "%s", kept_text);
        bytes[k] = packed_bytes(m);
        cr_expect_eq(bytes[k], bytes[0], "%zu bytes packed after %d sets, %zu after one", bytes[k],
                     k + 1, bytes[0]);
    }
    request(&r, 0, NULL);
    cr_expect_eq(sdrt_session_generate(s[0], &r), SDRT_OK, "%s", kept_text);
    for (int k = 0; k < 3; k++) sdrt_session_close(&s[k]);
    sdrt_model_release(&m);
}

/* ---- waiting and cancelling ---- */

struct waiter {
    struct sdrt_model *model;
    struct sdrt_session *_Atomic session; /* once it is open */
    const struct sdrt_lora *lora;
    pthread_t thread;
    int begun, status;
    atomic_int cancelled;
    int asks; /* it is cancelled by what its progress answers */
    atomic_int asked;
};

static int answer(void *user, enum sdrt_stage stage, int done, int total)
{
    struct waiter *w = user;

    (void)stage;
    (void)done;
    (void)total;
    atomic_fetch_add(&w->asked, 1);
    return atomic_load(&w->cancelled);
}

static void *want_lora(void *arg)
{
    struct waiter *w = arg;
    struct sdrt_session *s = NULL;
    struct sdrt_request r;

    w->status = sdrt_session_open(&s, w->model, 1);
    atomic_store(&w->session, s);
    request(&r, 1, w->lora);
    r.progress = w->asks ? answer : NULL;
    r.user = w;
    if (w->status == SDRT_OK) w->status = sdrt_session_generate(s, &r);
    while (!atomic_load(&w->cancelled)) usleep(1000);
    sdrt_session_close(&s);
    return NULL;
}

/* In the middle of a drawing: another session wants another set, waits, and is cancelled. */
static int cancel_a_waiter(void *user, enum sdrt_stage stage, int done, int total)
{
    struct waiter *w = user;

    (void)total;
    if (stage != SDRT_STAGE_DENOISE || done != 1 || w->begun++) return 0;
    cr_assert_eq(pthread_create(&w->thread, NULL, want_lora, w), 0);
    while (!atomic_load(&w->session)) usleep(1000);
    usleep(100000); /* it gets to the door in a few */
    if (!w->asks) sdrt_session_cancel(atomic_load(&w->session));
    atomic_store(&w->cancelled, 1);
    pthread_join(w->thread, NULL);
    return 0;
}

static void expect_cancelled(int asks)
{
    const struct sdrt_lora lora = { lora_path(), 0.7f };
    struct waiter w = { .model = open_shared("sd15"), .lora = &lora, .asks = asks };
    struct sdrt_session *s = NULL;
    struct sdrt_request r;

    cr_assert_eq(sdrt_session_open(&s, w.model, 1), SDRT_OK, "%s", kept_text);
    request(&r, 0, NULL);
    r.progress = cancel_a_waiter;
    r.user = &w;
    cr_expect_eq(sdrt_session_generate(s, &r), SDRT_OK, "%s", kept_text);
    cr_expect_eq(w.begun, 1);
    cr_expect_eq(w.status, SDRT_E_CANCELLED, "status %d", w.status);
    if (asks) cr_expect_geq(w.asked, 2, "asked %d times", w.asked);
    sdrt_session_close(&s);
    sdrt_model_release(&w.model);
}

Test(sessions, a_waiting_session_can_be_cancelled) { expect_cancelled(0); }

/* A program that has only its progress function must not wait for others' pictures. */
Test(sessions, a_waiting_session_asks_its_caller, .timeout = 300) { expect_cancelled(1); }

/* Sessions hold the model. */
Test(sessions, a_model_outlives_its_owner)
{
    static struct drawer alone;
    struct sdrt_session *s = NULL;
    struct sdrt_request r;
    int width, height;

    draw_alone("sd15", NULL, &alone, NULL);
    struct sdrt_model *m = open_shared("sd15");
    cr_assert_eq(sdrt_session_open(&s, m, 2), SDRT_OK, "%s", kept_text);
    sdrt_model_release(&m);
    cr_expect_null(m);
    request(&r, 0, NULL);
    cr_assert_eq(sdrt_session_generate(s, &r), SDRT_OK, "%s", kept_text);
    cr_expect_eq(memcmp(sdrt_session_image(s, 0, &width, &height), alone.images[0], BYTES), 0);
    sdrt_session_close(&s);
}
