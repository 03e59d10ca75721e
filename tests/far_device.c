/* SPDX-License-Identifier: MIT */
#include "tests/far_device.h"
#include "kernels/ops.h"
#include "runtime/device/cpu.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct far_memory {
    struct sdrt_device_memory memory; /* first */
    struct far_memory *next;
    size_t mapped;
};

struct far_device {
    struct sdrt_device device; /* first; owns its host */
    struct far_memory *blocks;
};

struct far_queue {
    struct sdrt_queue queue;  /* first; owns its host */
    struct sdrt_queue *alone; /* one worker of the host's, who runs the steps */
    int failed;
    const struct sdrt_device_upload *pending[1024]; /* by number; NULL once made */
};

static struct far_device_counts counts;
static int broken, late;

struct far_device_counts far_device_counts(void) { return counts; }
void far_device_break(void) { broken = 1; }
void far_device_upload_late(int on) { late = on; }

void far_device_reset(void)
{
    counts = (struct far_device_counts){ .recordings = counts.recordings, .blocks = counts.blocks };
    broken = 0;
}

static struct far_queue *far_queue_of(const struct sdrt_queue *queue)
{
    return (struct far_queue *)(void *)(uintptr_t)queue;
}

static void protect(const struct sdrt_device *device, int how)
{
    const struct far_device *d = (const struct far_device *)(const void *)device;

    for (struct far_memory *m = d->blocks; m; m = m->next)
        cr_assert_eq(mprotect(m->memory.base, m->mapped, how), 0);
}

static void enter(const struct sdrt_queue *queue)
{
    protect(queue->device, PROT_READ | PROT_WRITE);
}
static void leave(const struct sdrt_queue *queue) { protect(queue->device, PROT_NONE); }

/* ---- memory ---- */

static int memory_left(struct sdrt_device *device, size_t *bytes)
{
    (void)device;
    *bytes = (size_t)1 << 30;
    return SDRT_OK;
}

static int far_alloc(struct sdrt_device *device, struct sdrt_device_memory **out, size_t bytes,
                     const struct sdrt_queue *users, const struct sdrt_log *log)
{
    struct far_device *d = (struct far_device *)(void *)device;
    struct far_memory *m = calloc(1, sizeof *m);
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);

    (void)users;
    (void)log;
    cr_assert_not_null(m);
    m->mapped = (bytes + page - 1) / page * page;
    void *p = mmap(NULL, m->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert(p != MAP_FAILED);
    m->memory = (struct sdrt_device_memory){ .device = device, .base = p, .bytes = bytes };
    m->next = d->blocks;
    d->blocks = m;
    counts.blocks++;
    *out = &m->memory;
    return SDRT_OK;
}

static void far_free(struct sdrt_device_memory *memory)
{
    struct far_device *d = (struct far_device *)(void *)memory->device;
    struct far_memory **at = &d->blocks;

    while (&(*at)->memory != memory) at = &(*at)->next;
    struct far_memory *m = *at;
    *at = m->next;
    munmap(m->memory.base, m->mapped);
    free(m);
    counts.blocks--;
}

static void far_discard(const struct sdrt_device_memory *memory, size_t at, size_t bytes)
{
    (void)memory;
    (void)at;
    (void)bytes;
}

static void *far_map(const struct sdrt_device *device, const void *address)
{
    (void)device;
    (void)address;
    return NULL;
}

/* ---- queues ---- */

static int far_open_queue(struct sdrt_device *device, struct sdrt_queue **out, int workers,
                          const struct sdrt_log *log)
{
    struct far_queue *q = calloc(1, sizeof *q);

    cr_assert_not_null(q);
    q->queue = (struct sdrt_queue){ .device = device, .workers = workers, .sharers = 1 };
    cr_assert_eq(sdrt_queue_open(&q->queue.host, device->host, workers, log), SDRT_OK);
    cr_assert_eq(sdrt_queue_open(&q->alone, device->host, 1, log), SDRT_OK);
    *out = &q->queue;
    return SDRT_OK;
}

static void far_close_queue(struct sdrt_queue *queue)
{
    struct far_queue *q = far_queue_of(queue);

    sdrt_queue_close(&q->alone);
    sdrt_queue_close(&q->queue.host);
    free(q);
}

static void far_write(struct sdrt_queue *queue, void *to, const void *from, size_t bytes)
{
    counts.writes++;
    counts.bytes += (double)bytes;
    if (broken) {
        far_queue_of(queue)->failed = 1;
        return;
    }
    enter(queue);
    memcpy(to, from, bytes);
    leave(queue);
}

static void far_read(struct sdrt_queue *queue, void *to, const void *from, size_t bytes)
{
    counts.reads++;
    counts.bytes += (double)bytes;
    enter(queue);
    memcpy(to, from, bytes);
    leave(queue);
}

static void upload(struct far_queue *q, int number)
{
    const struct sdrt_device_upload *u = q->pending[number];

    if (!u) return;
    memcpy(u->to, u->from, u->bytes);
    q->pending[number] = NULL;
    counts.uploads++;
}

/* The copies of a step that is about to run, and those that it waits for. */
static void upload_for(struct far_queue *q, const struct sdrt_device_step *s)
{
    for (int i = 0; i < s->n_uploads; i++) {
        cr_assert_lt(s->first_upload + i, 1024);
        q->pending[s->first_upload + i] = &s->uploads[i];
        if (!late) upload(q, s->first_upload + i);
    }
    for (int i = 0; i < s->awaits; i++) upload(q, i);
}

static void far_run(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n)
{
    struct far_queue *q = far_queue_of(queue);

    counts.runs++;
    enter(queue);
    for (int i = 0; i < n; i++) {
        upload_for(q, &steps[i]);
        sdrt_queue_run(q->alone, &steps[i], 1);
        q->failed |= sdrt_queue_wait(q->alone) == SDRT_E_UNSUPPORTED;
    }
    leave(queue);
}

static void far_replay(struct sdrt_queue *queue, struct sdrt_recording *recording,
                       struct sdrt_device_step *steps, int n)
{
    counts.replays += recording->graph != NULL;
    if (recording->graph) cr_assert_eq(recording->graph, steps);
    else counts.recordings++;
    recording->graph = steps;
    far_run(queue, steps, n);
}

static void far_forget(struct sdrt_recording *recording)
{
    (void)recording;
    counts.recordings--;
}

static int far_wait(struct sdrt_queue *queue)
{
    struct far_queue *q = far_queue_of(queue);
    const int failed = q->failed;

    q->failed = 0;
    if (sdrt_queue_cancelled(q->alone)) return SDRT_E_CANCELLED;
    return failed ? SDRT_E_UNSUPPORTED : SDRT_OK;
}

static const char *far_fault(const struct sdrt_queue *queue)
{
    (void)queue;
    return "the far device is broken";
}

static void far_each(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                     void *arg)
{
    sdrt_queue_each(queue->host, n, body, arg);
}

static void far_cancel(struct sdrt_queue *queue)
{
    sdrt_queue_cancel(far_queue_of(queue)->alone);
    sdrt_queue_cancel(queue->host);
}

static int far_cancelled(const struct sdrt_queue *queue)
{
    return sdrt_queue_cancelled(far_queue_of(queue)->alone);
}

static void far_rearm(struct sdrt_queue *queue)
{
    sdrt_queue_rearm(far_queue_of(queue)->alone);
    sdrt_queue_rearm(queue->host);
}

static void far_close(struct sdrt_device *device)
{
    struct far_device *d = (struct far_device *)(void *)device;

    cr_expect_null(d->blocks);
    sdrt_device_close(&d->device.host);
    free(d);
}

static const struct sdrt_device_calls far_calls = {
    .close = far_close,
    .memory_left = memory_left,
    .alloc = far_alloc,
    .free = far_free,
    .discard = far_discard,
    .map = far_map,
    .open_queue = far_open_queue,
    .close_queue = far_close_queue,
    .write = far_write,
    .read = far_read,
    .run = far_run,
    .replay = far_replay,
    .forget = far_forget,
    .wait = far_wait,
    .fault = far_fault,
    .each = far_each,
    .cancel = far_cancel,
    .cancelled = far_cancelled,
    .rearm = far_rearm,
};

struct sdrt_device *far_device_open(unsigned isa)
{
    struct far_device *d = calloc(1, sizeof *d);
    struct sdrt_device *host;

    cr_assert_not_null(d);
    cr_assert_eq(sdrt_cpu_device_open(&host, isa, "far", SDRT_PIN_NEVER, &kept_log), SDRT_OK);
    d->device = (struct sdrt_device){ .calls = &far_calls,
                                      .ops = host->ops,
                                      .wide_ops = host->wide_ops,
                                      .isa = "far",
                                      .workers = host->workers,
                                      .host = host };
    return &d->device;
}
