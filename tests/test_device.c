/* SPDX-License-Identifier: MIT
 *
 * The processor as a device: every share of every step is done once and in order, errors and
 * cancelling end a run, and the host's ways to its memory agree.
 */
#include "runtime/device/cpu.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

TestSuite(device, .init = temp_folder_make, .fini = temp_folder_remove);

enum { STEPS = 40, MOST_PARTS = 37 };

struct bench {
    struct sdrt_device *device;
    struct sdrt_queue *queue;
};

static void bench_open(struct bench *b, int workers)
{
    expect_quiet(sdrt_cpu_device_open(&b->device, 0, "generic", SDRT_PIN_NEVER, &kept_log),
                 "device");
    cr_expect_str_eq(b->device->isa, "generic");
    cr_expect_geq(b->device->workers, 1);
    expect_quiet(sdrt_queue_open(&b->queue, b->device, workers, &kept_log), "queue");
    cr_expect_eq(b->queue->workers, workers);
}

static void bench_close(struct bench *b)
{
    sdrt_queue_close(&b->queue);
    sdrt_device_close(&b->device);
    cr_expect_null(b->queue);
    cr_expect_null(b->device);
}

/* ---- steps ---- */

struct counted {
    struct sdrt_queue *queue;
    const struct counted *before; /* the step before: all of it is done when this one begins */
    int nparts, cancels, fails;
    int with_scratch;
    atomic_int done[MOST_PARTS];
};

static int all_done(const struct counted *c)
{
    int sum = 0;

    for (int i = 0; i < c->nparts; i++) sum += atomic_load(&c->done[i]) == 1;
    return sum == c->nparts;
}

static int count(const void *arg, const struct sdrt_exec *ex)
{
    struct counted *c = (struct counted *)(uintptr_t)arg;

    if (ex->nparts != c->nparts || (c->before && !all_done(c->before))) return 0;
    if (c->with_scratch != (ex->scratch != NULL)) return 0;
    if (ex->scratch) memset(ex->scratch, ex->part, 64);
    atomic_fetch_add(&c->done[ex->part], 1);
    if (c->cancels) sdrt_queue_cancel(c->queue);
    return c->fails;
}

static void make_steps(struct sdrt_queue *queue, uint64_t *rng, struct counted *c,
                       struct sdrt_device_step *steps, unsigned char *scratch)
{
    for (int i = 0; i < STEPS; i++) {
        memset(&c[i], 0, sizeof c[i]);
        c[i].queue = queue;
        c[i].before = i ? &c[i - 1] : NULL;
        c[i].nparts = 1 + trand_int(rng, MOST_PARTS);
        c[i].with_scratch = trand_int(rng, 2);
        steps[i] = (struct sdrt_device_step){ .run = count,
                                              .arg = &c[i],
                                              .nparts = c[i].nparts,
                                              .scratch = c[i].with_scratch ? scratch : NULL,
                                              .scratch_each = 64 };
    }
}

static int sum_of(const struct counted *c)
{
    int sum = 0;

    for (int i = 0; i < c->nparts; i++) sum += atomic_load(&c->done[i]);
    return sum;
}

Test(device, steps_are_done_once_and_in_order)
{
    uint64_t rng = trand_seed();

    for (int workers = 1; workers <= 4; workers++) {
        struct bench b;
        struct counted *c = calloc(STEPS, sizeof *c);
        struct sdrt_device_step steps[STEPS];
        unsigned char *scratch = aligned_alloc(64, (size_t)workers * 64);
        cr_assert(c && scratch);
        bench_open(&b, workers);
        make_steps(b.queue, &rng, c, steps, scratch);
        sdrt_queue_run(b.queue, steps, STEPS / 2);
        sdrt_queue_run(b.queue, steps + STEPS / 2, STEPS - STEPS / 2);
        cr_expect_eq(sdrt_queue_wait(b.queue), SDRT_OK);
        for (int i = 0; i < STEPS; i++) {
            cr_expect(all_done(&c[i]), "step %d of %d workers, seed %llu", i, workers,
                      (unsigned long long)trand_seed());
            cr_expect_gt(steps[i].seconds, 0.0);
        }
        bench_close(&b);
        free(scratch);
        free(c);
    }
}

Test(device, errors_and_cancelling_end_a_run)
{
    enum { AT = 7 };
    uint64_t rng = trand_seed();
    struct sdrt_device_step steps[STEPS];
    struct counted *c = calloc(STEPS, sizeof *c);
    unsigned char *scratch = aligned_alloc(64, 128);
    struct bench b;

    cr_assert(c && scratch);
    bench_open(&b, 2);
    for (int cancels = 0; cancels < 2; cancels++) {
        make_steps(b.queue, &rng, c, steps, scratch);
        if (cancels) c[AT].cancels = 1;
        else c[AT].fails = 1;
        sdrt_queue_run(b.queue, steps, STEPS);
        cr_expect_eq(sdrt_queue_cancelled(b.queue), cancels);
        cr_expect_eq(sdrt_queue_wait(b.queue), cancels ? SDRT_E_CANCELLED : SDRT_E_UNSUPPORTED);
        cr_expect(all_done(&c[AT - 1]));
        cr_expect_geq(sum_of(&c[AT]), 1);
        for (int i = AT + 1; i < STEPS; i++) cr_expect_eq(sum_of(&c[i]), 0, "step %d", i);
        /* A cancelled queue stays so until it is rearmed; an error is told once. */
        make_steps(b.queue, &rng, c, steps, scratch);
        sdrt_queue_run(b.queue, steps, STEPS);
        cr_expect_eq(sdrt_queue_wait(b.queue), cancels ? SDRT_E_CANCELLED : SDRT_OK);
        cr_expect_eq(all_done(&c[STEPS - 1]), !cancels);
        sdrt_queue_rearm(b.queue);
    }
    cr_expect_eq(sdrt_queue_wait(b.queue), SDRT_OK);
    bench_close(&b);
    free(scratch);
    free(c);
}

/* ---- each ---- */

enum { ITEMS = 1000 };

struct items {
    int workers;
    atomic_int done[ITEMS], busy[8], wrong;
};

static void do_item(void *arg, int worker, int i)
{
    struct items *t = arg;

    if (worker < 0 || worker >= t->workers || atomic_fetch_add(&t->busy[worker], 1))
        atomic_store(&t->wrong, 1);
    atomic_fetch_add(&t->done[i], 1);
    atomic_fetch_sub(&t->busy[worker], 1);
}

Test(device, each_item_is_done_once)
{
    for (int workers = 1; workers <= 3; workers++) {
        struct items *t = calloc(1, sizeof *t);
        struct bench b;
        cr_assert_not_null(t);
        t->workers = workers;
        bench_open(&b, workers);
        sdrt_queue_each(b.queue, 0, do_item, t);
        sdrt_queue_each(b.queue, ITEMS, do_item, t);
        for (int i = 0; i < ITEMS; i++) cr_expect_eq(atomic_load(&t->done[i]), 1);
        cr_expect_eq(atomic_load(&t->wrong), 0);
        bench_close(&b);
        free(t);
    }
}

/* ---- memory ---- */

Test(device, memory_is_zero_written_read_and_discarded)
{
    enum { BYTES = 3 << 20 };
    unsigned char *values = malloc(BYTES), *back = malloc(BYTES);
    struct sdrt_device_memory *m;
    uint64_t rng = trand_seed();
    struct bench b;

    cr_assert(values && back);
    for (int i = 0; i < BYTES; i++) values[i] = (unsigned char)trand_int(&rng, 256);
    bench_open(&b, 2);
    for (int known = 0; known < 2; known++) {
        expect_quiet(sdrt_device_alloc(&m, b.device, BYTES, known ? b.queue : NULL, &kept_log),
                     "alloc");
        cr_expect_eq((uintptr_t)m->base % 64, 0);
        cr_expect_eq(m->bytes, (size_t)BYTES);
        memset(back, 1, BYTES);
        sdrt_queue_read(b.queue, back, m->base, BYTES);
        for (int i = 0; i < BYTES; i++) cr_assert_eq(back[i], 0);
        sdrt_queue_write(b.queue, m->base + 5, values, BYTES - 5);
        const unsigned char *seen = sdrt_device_map(b.device, m->base + 5);
        cr_assert_not_null(seen);
        cr_expect_eq(memcmp(seen, values, BYTES - 5), 0);
        /* What lies beside the discarded bytes stays. */
        sdrt_device_discard(m, 10001, 20000);
        sdrt_queue_read(b.queue, back, m->base, BYTES);
        cr_expect_eq(memcmp(back + 5, values, 10001 - 5), 0);
        cr_expect_eq(memcmp(back + 30001, values + 30001 - 5, BYTES - 30001), 0);
        sdrt_device_free(&m);
        cr_expect_null(m);
    }
    expect_failure(sdrt_device_alloc(&m, b.device, 0, NULL, &kept_log), SDRT_E_ARG, "0 bytes",
                   "nothing");
    expect_failure(sdrt_device_alloc(&m, b.device, (size_t)1 << 60, NULL, &kept_log), SDRT_E_NOMEM,
                   "MiB", "too much");
    cr_expect_null(m);
    bench_close(&b);
    free(values);
    free(back);
}

Test(device, refusals)
{
    struct sdrt_device *device;
    struct sdrt_queue *queue;

    expect_quiet(sdrt_cpu_device_open(&device, 0, "generic", SDRT_PIN_AUTO, &kept_log), "device");
    expect_failure(sdrt_queue_open(&queue, device, 0, &kept_log), SDRT_E_ARG, "workers", "none");
    cr_expect_null(queue);
    sdrt_queue_close(&queue);
    sdrt_device_close(&device);
    sdrt_device_close(&device);
}
