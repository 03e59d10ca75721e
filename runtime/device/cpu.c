/* SPDX-License-Identifier: MIT */
#include "kernels/blas/threads.h"
#include "kernels/isa.h"
#include "kernels/ops.h"
#include "runtime/base/clock.h"
#include "runtime/device/cpu.h"
#include "runtime/machine/arena.h"
#include "runtime/machine/memory.h"
#include "runtime/machine/team.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct cpu_device {
    struct sdrt_device device; /* first */
    struct sdrt_ops ops, wide_ops, f32_ops;
    struct sdrt_topology *topology;
    atomic_int warned; /* that memory cannot be spread */
    int blas; /* its kernels call OpenBLAS */
};

struct cpu_memory {
    struct sdrt_device_memory memory; /* first */
    struct sdrt_arena *arena;
};

struct cpu_queue {
    struct sdrt_queue queue; /* first */
    struct sdrt_team *team;
    atomic_int failed; /* a step since the last wait */
};

static struct cpu_queue *cpu_queue_of(struct sdrt_queue *queue)
{
    return (struct cpu_queue *)(void *)queue;
}

/* ---- memory ---- */

static int cpu_alloc(struct sdrt_device *device, struct sdrt_device_memory **out, size_t bytes,
                     const struct sdrt_queue *users, const struct sdrt_log *log)
{
    struct cpu_device *d = (struct cpu_device *)(void *)device;
    struct cpu_memory *m = calloc(1, sizeof *m);
    int status;

    if (!m) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a block of %zu bytes", bytes);
    status = sdrt_arena_create(&m->arena, bytes, log);
    if (status != SDRT_OK) {
        free(m);
        return status;
    }
    m->memory = (struct sdrt_device_memory){ .device = device, .base = sdrt_arena_base(m->arena),
                                      .bytes = bytes };
    if (users && sdrt_team_spread(sdrt_cpu_team(users), m->memory.base, bytes) != SDRT_OK &&
        !atomic_exchange(&d->warned, 1))
        sdrt_note(log, SDRT_LOG_WARNING, "the system refuses to spread memory over the NUMA "
                  "nodes; it lies where it is first touched");
    *out = &m->memory;
    return SDRT_OK;
}

static int cpu_memory_left(struct sdrt_device *device, size_t *bytes)
{
    (void)device;
    return sdrt_memory_available(bytes);
}

static void cpu_free(struct sdrt_device_memory *memory)
{
    struct cpu_memory *m = (struct cpu_memory *)(void *)memory;

    sdrt_arena_free(&m->arena);
    free(m);
}

static void cpu_discard(const struct sdrt_device_memory *memory, size_t at, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)memory->base + at;
    const uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes) / page * page;

    if (begin < end) sdrt_memory_discard((void *)begin, end - begin);
}

static void *cpu_map(const struct sdrt_device *device, const void *address)
{
    (void)device;
    return (void *)(uintptr_t)address;
}

static void cpu_copy(struct sdrt_queue *queue, void *to, const void *from, size_t bytes)
{
    (void)queue;
    memcpy(to, from, bytes);
}

/* ---- steps ---- */

struct walk {
    struct cpu_queue *queue;
    struct sdrt_device_step *steps;
    int n;
};

/* Every worker walks all steps; of each it does the shares that it gets hold of.  After a
 * cancellation or an error the shares are still counted but not done, so that all workers
 * stay in step and the walk ends at once. */
static void walk(void *arg, int worker, int workers)
{
    const struct walk *job = arg;
    struct sdrt_team *team = job->queue->team;
    atomic_int *failed = &job->queue->failed;
    double t0 = worker == 0 ? sdrt_now() : 0.0;

    (void)workers;
    for (int i = 0; i < job->n; i++) {
        struct sdrt_device_step *s = &job->steps[i];
        struct sdrt_exec ex = {
            .nparts = s->nparts,
            .scratch = s->scratch ? s->scratch + (size_t)worker * s->scratch_each : NULL,
        };
        while ((ex.part = sdrt_team_next_share(team, worker, s->nparts)) >= 0) {
            if (sdrt_team_cancelled(team) || atomic_load_explicit(failed, memory_order_relaxed))
                continue;
            if (s->run(s->arg, &ex) != 0) atomic_store_explicit(failed, 1, memory_order_relaxed);
        }
        sdrt_team_end_step(team, worker);
        if (worker == 0) {
            const double t1 = sdrt_now();
            s->seconds += t1 - t0;
            t0 = t1;
        }
    }
}

static void run_team(struct sdrt_queue *queue, sdrt_team_body *body, void *arg)
{
    const struct cpu_device *d = (struct cpu_device *)(void *)queue->device;

    if (d->blas) sdrt_blas_hold();
    sdrt_team_run(cpu_queue_of(queue)->team, body, arg);
    if (d->blas) sdrt_blas_release();
}

/* The caller is worker 0, so all is done when it returns. */
static void cpu_run(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n)
{
    struct walk job = { .queue = cpu_queue_of(queue), .steps = steps, .n = n };

    run_team(queue, walk, &job);
}

static int cpu_wait(struct sdrt_queue *queue)
{
    struct cpu_queue *q = cpu_queue_of(queue);
    const int failed = atomic_exchange(&q->failed, 0);

    if (sdrt_team_cancelled(q->team)) return SDRT_E_CANCELLED;
    return failed ? SDRT_E_UNSUPPORTED : SDRT_OK;
}

struct each {
    struct sdrt_team *team;
    int n;
    void (*body)(void *arg, int worker, int i);
    void *arg;
};

static void take_turns(void *arg, int worker, int workers)
{
    const struct each *e = arg;
    int i;

    (void)workers;
    while ((i = sdrt_team_next_share(e->team, worker, e->n)) >= 0) e->body(e->arg, worker, i);
}

static void cpu_each(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                     void *arg)
{
    struct each e = { .team = cpu_queue_of(queue)->team, .n = n, .body = body, .arg = arg };

    run_team(queue, take_turns, &e);
}

static void cpu_cancel(struct sdrt_queue *queue) { sdrt_team_cancel(cpu_queue_of(queue)->team); }
static void cpu_rearm(struct sdrt_queue *queue) { sdrt_team_rearm(cpu_queue_of(queue)->team); }

static int cpu_cancelled(const struct sdrt_queue *queue)
{
    return sdrt_team_cancelled(sdrt_cpu_team(queue));
}

/* ---- opening ---- */

static int cpu_open_queue(struct sdrt_device *device, struct sdrt_queue **out, int workers,
                          const struct sdrt_log *log)
{
    const struct cpu_device *d = (struct cpu_device *)(void *)device;
    struct cpu_queue *q = calloc(1, sizeof *q);
    int status;

    if (!q) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a queue of %d", workers);
    q->queue = (struct sdrt_queue){ .device = device, .workers = workers, .sharers = workers,
                                    .host = &q->queue };
    status = sdrt_team_create(&q->team, workers, d->topology, log);
    if (status != SDRT_OK) free(q);
    else *out = &q->queue;
    return status;
}

static void cpu_close_queue(struct sdrt_queue *queue)
{
    struct cpu_queue *q = cpu_queue_of(queue);

    sdrt_team_free(&q->team);
    free(q);
}

static void cpu_close(struct sdrt_device *device)
{
    struct cpu_device *d = (struct cpu_device *)(void *)device;

    sdrt_topology_free(&d->topology);
    free(d);
}

static const struct sdrt_device_calls cpu_calls = {
    .close = cpu_close, .memory_left = cpu_memory_left, .alloc = cpu_alloc, .free = cpu_free, .discard = cpu_discard,
    .map = cpu_map, .open_queue = cpu_open_queue, .close_queue = cpu_close_queue,
    .write = cpu_copy, .read = cpu_copy, .run = cpu_run, .wait = cpu_wait, .each = cpu_each,
    .cancel = cpu_cancel, .cancelled = cpu_cancelled, .rearm = cpu_rearm,
};

/* Higher levels take none of its kernels where they have their own. */
static int uses_blas(const struct sdrt_ops *ops, unsigned isa)
{
    struct sdrt_ops without;

    sdrt_ops_init(&without, isa & ~(unsigned)SDRT_ISA_BLAS);
    return ops->gemm.gemm != without.gemm.gemm || ops->conv.conv2d != without.conv.conv2d;
}

int sdrt_cpu_device_open(struct sdrt_device **out, unsigned isa, const char *name,
                         enum sdrt_pinning pinning, const struct sdrt_log *log)
{
    struct cpu_device *d = calloc(1, sizeof *d);
    int status;

    *out = NULL;
    if (!d) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a device");
    status = sdrt_topology_create(&d->topology, NULL, log);
    if (status != SDRT_OK) {
        free(d);
        return status;
    }
    sdrt_topology_pinning(d->topology, pinning);
    sdrt_ops_init(&d->ops, isa);
    d->blas = uses_blas(&d->ops, isa);
    sdrt_ops_init(&d->wide_ops, isa & ~(unsigned)SDRT_ISA_ANY_F16);
    sdrt_ops_init(&d->f32_ops, isa & ~(unsigned)(SDRT_ISA_ANY_F16 | SDRT_ISA_ANY_BF16 |
                                                 SDRT_ISA_ANY_INT16));
    d->device.ops = &d->ops;
    d->device.wide_ops = &d->wide_ops;
    d->device.f32_ops = &d->f32_ops;
    d->device.calls = &cpu_calls;
    d->device.isa = name;
    d->device.host = &d->device;
    d->device.workers = sdrt_topology_cores(d->topology);
    *out = &d->device;
    return SDRT_OK;
}

const struct sdrt_topology *sdrt_cpu_topology(const struct sdrt_device *device)
{
    return ((const struct cpu_device *)(const void *)device)->topology;
}

struct sdrt_team *sdrt_cpu_team(const struct sdrt_queue *queue)
{
    return ((const struct cpu_queue *)(const void *)queue)->team;
}
