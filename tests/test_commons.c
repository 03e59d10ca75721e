/* SPDX-License-Identifier: MIT
 *
 * Weights that processes have in common: filled once, whoever dies on the way, and gone with the last use.
 */
#include "runtime/device/cpu.h"
#include "runtime/weights/commons.h"
#include "runtime/weights/weight_store.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY = 7, BYTES = 5 << 20, TOKEN = 4711 };

static struct sdrt_commons *ours;

static void make(void)
{
    if (sdrt_commons_create(&ours, TOKEN) != SDRT_OK)
        cr_skip_test("this system has no such memory");
}

static void end(void) { sdrt_commons_close(&ours); }

TestSuite(commons, .init = make, .fini = end);

static int never(void *user)
{
    (void)user;
    return 0;
}

static int at_once(void *user)
{
    (void)user;
    return 1;
}

static struct sdrt_commons_block take(struct sdrt_commons *c, uint64_t key)
{
    struct sdrt_commons_block b;

    cr_assert_eq(sdrt_commons_take(c, key, BYTES, never, NULL, &b), SDRT_OK);
    cr_assert_eq((uintptr_t)b.map.base % 64, 0);
    return b;
}

static int is_all(const struct sdrt_commons_block *b, int value)
{
    for (size_t i = 0; i < BYTES; i++)
        if (b->map.base[i] != value) return 0;
    return 1;
}

/* Runs body in another process, which has opened ours; its answer. */
static pid_t start(int (*body)(struct sdrt_commons *c))
{
    const struct sdrt_commons_place place = sdrt_commons_place(ours);
    const pid_t id = fork();
    struct sdrt_commons *c;

    if (id) return id;
    if (sdrt_commons_open(&c, place) != SDRT_OK) _exit(99);
    _exit(body(c));
}

static int answer(pid_t id)
{
    int status = 0;

    cr_assert_eq(waitpid(id, &status, 0), id);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int reads(struct sdrt_commons *c)
{
    struct sdrt_commons_block b;

    if (sdrt_commons_take(c, KEY, BYTES, never, NULL, &b) != SDRT_OK) return 1;
    if (b.fills || !is_all(&b, 3)) return 2;
    sdrt_commons_leave(&b);
    /* Another key, and another size. */
    if (sdrt_commons_take(c, KEY + 1, BYTES, never, NULL, &b) != SDRT_OK || !b.fills) return 3;
    sdrt_commons_leave(&b);
    if (sdrt_commons_take(c, KEY, BYTES / 2, never, NULL, &b) != SDRT_OK || !b.fills) return 4;
    return 0;
}

Test(commons, one_fills_and_others_read)
{
    struct sdrt_commons_block b = take(ours, KEY);

    cr_assert(b.fills && is_all(&b, 0));
    const pid_t other = start(reads); /* waits for this one */
    usleep(50000);
    memset(b.map.base, 3, BYTES);
    sdrt_commons_goes_on(&b);
    sdrt_commons_filled(&b, 1);
    cr_expect_eq(answer(other), 0);
    cr_expect_eq(answer(start(reads)), 0);
    sdrt_commons_leave(&b);
    cr_expect_null(b.commons);
}

Test(commons, goes_with_the_last_use)
{
    struct sdrt_commons_block a = take(ours, KEY), b, c;

    memset(a.map.base, 3, BYTES);
    sdrt_commons_filled(&a, 1);
    b = take(ours, KEY);
    sdrt_commons_leave(&a);
    cr_expect(!b.fills && is_all(&b, 3));
    c = take(ours, KEY);
    cr_expect_not(c.fills);
    sdrt_commons_leave(&b);
    sdrt_commons_leave(&c);
    a = take(ours, KEY);
    cr_expect(a.fills && is_all(&a, 0));
    sdrt_commons_leave(&a);
}

static int dies_filling(struct sdrt_commons *c)
{
    struct sdrt_commons_block b;

    (void)sdrt_commons_take(c, KEY, BYTES, never, NULL, &b);
    memset(b.map.base, 3, BYTES / 2);
    raise(SIGKILL);
    return 0;
}

Test(commons, a_filler_that_dies_is_followed, .timeout = 30)
{
    struct sdrt_commons_block b;

    cr_assert_eq(answer(start(dies_filling)), 98);
    b = take(ours, KEY);
    cr_assert(b.fills);
    memset(b.map.base, 4, BYTES);
    sdrt_commons_filled(&b, 1);
    sdrt_commons_leave(&b);
    b = take(ours, KEY);
    cr_expect(b.fills && is_all(&b, 0), "the dead one's use is no longer counted");
    sdrt_commons_leave(&b);
}

Test(commons, what_failed_nobody_reads)
{
    struct sdrt_commons_block a = take(ours, KEY), b;

    memset(a.map.base, 3, BYTES);
    sdrt_commons_filled(&a, 0);
    b = take(ours, KEY);
    cr_expect(b.fills && is_all(&b, 0));
    sdrt_commons_leave(&a);
    sdrt_commons_filled(&b, 1);
    a = take(ours, KEY);
    cr_expect_not(a.fills);
    sdrt_commons_leave(&a);
    sdrt_commons_leave(&b);
}

Test(commons, who_waits_can_give_up)
{
    struct sdrt_commons_block a = take(ours, KEY), b;

    cr_expect_eq(sdrt_commons_take(ours, KEY, BYTES, at_once, NULL, &b), SDRT_E_CANCELLED);
    cr_expect_null(b.commons);
    sdrt_commons_leave(&a);
}

Test(commons, has_an_end)
{
    struct sdrt_commons_block b[300];
    int n = 0;

    while (n < 300 && sdrt_commons_take(ours, 100 + (uint64_t)n, 64, never, NULL, &b[n]) == SDRT_OK)
        n++;
    cr_expect(n > 100 && n < 300, "%d", n);
    sdrt_commons_leave(&b[0]);
    cr_expect_eq(sdrt_commons_take(ours, 1, 64, never, NULL, &b[0]), SDRT_OK);
    while (n > 0) sdrt_commons_leave(&b[--n]);
    struct sdrt_commons_block huge;
    cr_expect_eq(sdrt_commons_take(ours, 2, (size_t)1 << 50, never, NULL, &huge),
                 SDRT_E_UNSUPPORTED);
}

/* Of a process of another container the number may be another process's, which has another file there. */
Test(commons, another_file_is_none_of_it)
{
    struct sdrt_commons_place place = sdrt_commons_place(ours);
    struct sdrt_commons *c;

    place.token++;
    cr_expect_eq(sdrt_commons_open(&c, place), SDRT_E_UNSUPPORTED);
    cr_expect_null(c);
    place = sdrt_commons_place(ours);
    place.file = STDERR_FILENO;
    cr_expect_eq(sdrt_commons_open(&c, place), SDRT_E_UNSUPPORTED);
    place.pid = 0;
    cr_expect_eq(sdrt_commons_open(&c, place), SDRT_E_UNSUPPORTED);
}

/* ---- stores ---- */

enum { COUNT = 1000 };

/* A provider whose values are all one number, NaN where that is 0. */
static int describe(void *self, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out)
{
    (void)self;
    (void)name;
    if (rank < 0) return SDRT_E_MISSING;
    *out = (struct sdrt_weight_view){ .dtype = SDRT_F32, .rank = rank };
    memcpy(out->shape, shape, (size_t)rank * sizeof *shape);
    return SDRT_OK;
}

static int read_value(void *self, const char *name, const struct sdrt_weight_view *view,
                      size_t first, size_t count, void *out)
{
    const float value = *(const float *)self;

    (void)name;
    (void)view;
    (void)first;
    for (size_t i = 0; i < count; i++) ((float *)out)[i] = value != 0.0f ? value : 0.0f / value;
    return SDRT_OK;
}

static void prefetch(void *self, const char *name)
{
    (void)self;
    (void)name;
}

/* A store of a process, and what it holds of a vector. */
struct holder {
    float value;
    struct sdrt_weight_store *store;
    struct sdrt_weight_uses uses;
    const float *vector;
};

static void open_store(struct holder *h, float value, struct sdrt_commons *c, uint64_t id)
{
    *h = (struct holder){ .value = value };
    const struct sdrt_weights_provider p = { .describe = describe,
                                             .read = read_value,
                                             .prefetch = prefetch,
                                             .self = &h->value };

    expect_quiet(sdrt_weight_store_create(&h->store, &p, SDRT_DTYPES, sdrt_packing_as_stored,
                                          &kept_log),
                 "create");
    sdrt_weight_store_share(h->store, c, id);
}

static int hold(struct holder *h, const char *name, struct sdrt_queue *queue)
{
    static const int rows[] = { COUNT };
    static const char *names[1];
    const float *none;

    names[0] = name;
    expect_quiet(sdrt_weight_store_vector(h->store, &h->uses, names, rows, 1, &none), "ask");
    const int status = sdrt_weight_store_fill(h->store, &h->uses, queue, NULL, NULL);
    if (status == SDRT_OK)
        expect_quiet(sdrt_weight_store_vector(h->store, &h->uses, names, rows, 1, &h->vector),
                     "ask");
    return status;
}

static void let_go(struct holder *h)
{
    sdrt_weight_store_give_back(h->store, &h->uses, SDRT_WEIGHTS_FREE);
}

Test(commons, stores_have_one_packing)
{
    struct sdrt_device *device;
    struct sdrt_queue *queue;
    struct sdrt_commons *theirs;
    struct holder a, b, c;

    cr_assert_eq(sdrt_cpu_device_open(&device, 0, "generic", SDRT_PIN_NEVER, &kept_log), SDRT_OK);
    cr_assert_eq(sdrt_queue_open(&queue, device, 1, &kept_log), SDRT_OK);
    cr_assert_eq(sdrt_commons_open(&theirs, sdrt_commons_place(ours)), SDRT_OK);
    open_store(&a, 1.0f, ours, 5);
    open_store(&b, 2.0f, theirs, 5);
    open_store(&c, 3.0f, theirs, 6);
    cr_assert_eq(hold(&a, "x", queue), SDRT_OK);
    cr_assert_eq(hold(&b, "x", queue), SDRT_OK);
    cr_assert_eq(hold(&c, "x", queue), SDRT_OK);
    cr_expect_eq(a.vector[COUNT - 1], 1.0f);
    cr_expect_eq(b.vector[COUNT - 1], 1.0f, "what a has packed");
    cr_expect_eq(c.vector[COUNT - 1], 3.0f, "another part of a model");
    cr_expect_neq(a.vector, b.vector);
    /* Its own values, now that they are others. */
    let_go(&b);
    sdrt_weight_store_outdate(b.store, "");
    cr_assert_eq(hold(&b, "x", queue), SDRT_OK);
    cr_expect_eq(b.vector[0], 2.0f);
    /* What fails is told by each. */
    let_go(&a);
    let_go(&c);
    a.value = c.value = 0.0f;
    expect_failure(hold(&a, "y", queue), SDRT_E_NUMERIC, "NaN", "y");
    let_go(&a);
    a.value = 4.0f;
    cr_assert_eq(hold(&a, "y", queue), SDRT_OK);
    cr_expect_eq(a.vector[0], 4.0f);
    let_go(&a);
    let_go(&b);
    sdrt_weight_store_free(&a.store);
    sdrt_weight_store_free(&b.store);
    sdrt_weight_store_free(&c.store);
    sdrt_commons_close(&theirs);
    sdrt_queue_close(&queue);
    sdrt_device_close(&device);
}
