/* SPDX-License-Identifier: MIT
 *
 * A stream of a GPU: copies through two windows of pinned memory, steps, and their recordings.
 */
#include "runtime/device/cuda_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOWS = 2 };
static const size_t WINDOW = (size_t)4 << 20; /* bytes: long enough for the bus's full rate */

struct cuda_queue {
    struct sdrt_queue queue;   /* first; its host is owned */
    struct sdrt_stream stream; /* as kernels see it; its counters are owned */
    struct cuda_device *device;
    cuda_stream handle;
    unsigned char *window[WINDOWS];
    cuda_event used[WINDOWS]; /* its last copy */
    int next;                 /* window */
    int follows; /* what was enqueued on handle last is a launch, which another one may overlap */
    int error;   /* the driver's first since the last wait, or 0 */
    int refused; /* a step that did not answer 0 since then */
    char fault[96];
    atomic_int cancelled;
    cuda_stream beside;   /* where uploads of steps run */
    cuda_event fork;      /* the point of handle where the last of them began */
    cuda_event *arrived;  /* of each upload of a run; n_arrived are made */
    int n_arrived, begun; /* begun: the last upload of this run and those before it */
    int timing;
    cuda_event *marks; /* before the first timed step, and after each; n_marks are made */
    int n_marks;
    struct sdrt_device_step *timed; /* n_timed of them ran between marks, not read yet */
    int n_timed;
};

static struct cuda_queue *cuda_queue_of(const struct sdrt_queue *queue)
{
    return (struct cuda_queue *)(void *)(uintptr_t)queue;
}

static void note(struct cuda_queue *q, int error)
{
    if (!q->error) q->error = error;
}

/* ---- what kernels ask for ---- */

/* One that may begin before the launch before it is over.  Whatever else lies between two launches (copies,
 * events, other streams' work) is waited for as always. */
static int launch_dependent(struct cuda_queue *q, const struct sdrt_launch *l, unsigned threads,
                            void **params)
{
    const struct cuda_device *d = q->device;
    const struct cuda_launch_attribute overlaps = { .id = CUDA_PROGRAMMATIC_STREAM_SERIALIZATION,
                                                    .value = 1 };
    const struct cuda_launch_config c = {
        .gx = l->grid_x,
        .gy = l->grid_y,
        .gz = l->grid_z,
        .bx = threads,
        .by = 1,
        .bz = 1,
        .shared = l->shared_bytes,
        .stream = q->handle,
        .attributes = &overlaps,
        .n_attributes = 1,
    };

    return d->driver.launch_with(&c, d->functions[l->kernel], params, NULL);
}

static int launch(struct sdrt_stream *stream, const struct sdrt_launch *l)
{
    struct cuda_queue *q = (struct cuda_queue *)(void *)((char *)stream -
                                                         offsetof(struct cuda_queue, stream));
    const struct cuda_device *d = q->device;
    const unsigned threads = sdrt_cuda_kernels[l->kernel].threads;
    void *params[] = { (void *)(uintptr_t)l->params };

    if (!d->functions[l->kernel]) return -1;
    const int error = stream->dependent && q->follows
                          ? launch_dependent(q, l, threads, params)
                          : d->driver.launch(d->functions[l->kernel], l->grid_x, l->grid_y,
                                             l->grid_z, threads, 1, 1, l->shared_bytes, q->handle,
                                             params, NULL);
    q->follows = !error;
    note(q, error);
    return error ? -1 : 0;
}

static int tensor_map(struct sdrt_stream *stream, struct sdrt_tensor_map *map, const void *base,
                      int rank, const uint64_t *dims, const uint64_t *strides, const uint32_t *box,
                      const uint32_t *steps)
{
    struct cuda_queue *q = (struct cuda_queue *)(void *)((char *)stream -
                                                         offsetof(struct cuda_queue, stream));
    const int error = q->device->driver.encode_tensor_map(map, CUDA_TENSOR_BF16, (unsigned)rank,
                                                          (void *)(uintptr_t)base, dims, strides,
                                                          box, steps, 0, CUDA_SWIZZLE_128,
                                                          CUDA_PROMOTE_L2_256, 0);

    note(q, error);
    return error ? -1 : 0;
}

/* ---- opening ---- */

/* Zeros by the stream itself, since nothing else comes before its first launch. */
static int make_counters(struct cuda_queue *q)
{
    static const unsigned zeros[SDRT_STREAM_COUNTERS];
    cuda_pointer p = 0;
    const int error = q->device->driver.alloc(&p, sizeof zeros);

    if (error) return error;
    q->stream.counters = (unsigned *)(uintptr_t)p;
    sdrt_cuda_write(&q->queue, q->stream.counters, zeros, sizeof zeros);
    return q->error;
}

static int open_stream(struct cuda_queue *q, const struct sdrt_log *log)
{
    const struct sdrt_cuda_driver *v = &q->device->driver;
    int error;

    cuda_enter(q->device);
    error = v->create_stream(&q->handle, CUDA_STREAM_NON_BLOCKING);
    if (!error) error = v->create_stream(&q->beside, CUDA_STREAM_NON_BLOCKING);
    if (!error) error = v->create_event(&q->fork, 0);
    for (int i = 0; i < WINDOWS && !error; i++) {
        void *p = NULL;
        error = v->alloc_pinned(&p, WINDOW);
        q->window[i] = p;
        if (!error) error = v->create_event(&q->used[i], 0);
    }
    if (!error) error = make_counters(q);
    if (error)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "device \"cuda\": a queue: %s",
                         sdrt_cuda_error(v, error));
    return SDRT_OK;
}

int sdrt_cuda_open_queue(struct sdrt_device *device, struct sdrt_queue **out, int workers,
                         const struct sdrt_log *log)
{
    struct cuda_queue *q = calloc(1, sizeof *q);
    int status;

    if (!q) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a queue of %d", workers);
    q->device = cuda_device_of(device);
    q->queue = (struct sdrt_queue){ .device = device, .workers = workers, .sharers = 1 };
    q->stream = (struct sdrt_stream){
        .launch = launch,
        .tensor_map = q->device->driver.encode_tensor_map ? tensor_map : NULL,
        .capability = q->device->capability,
        .multiprocessors = q->device->multiprocessors,
        .attention = q->device->attention,
        .dependent = q->device->dependent,
    };
    status = sdrt_queue_open(&q->queue.host, device->host, workers, log);
    if (status == SDRT_OK && q->device->context) status = open_stream(q, log);
    if (status != SDRT_OK) sdrt_cuda_close_queue(&q->queue);
    else *out = &q->queue;
    return status;
}

void sdrt_cuda_close_queue(struct sdrt_queue *queue)
{
    struct cuda_queue *q = cuda_queue_of(queue);
    const struct sdrt_cuda_driver *v = &q->device->driver;

    if (q->device->context) cuda_enter(q->device);
    for (int i = 0; i < WINDOWS; i++) {
        if (q->used[i]) (void)v->destroy_event(q->used[i]);
        if (q->window[i]) (void)v->free_pinned(q->window[i]);
    }
    for (int i = 0; i < q->n_marks; i++) (void)v->destroy_event(q->marks[i]);
    free(q->marks);
    for (int i = 0; i < q->n_arrived; i++) (void)v->destroy_event(q->arrived[i]);
    free(q->arrived);
    if (q->stream.counters) (void)v->free(cuda_address(q->stream.counters));
    if (q->fork) (void)v->destroy_event(q->fork);
    if (q->beside) (void)v->destroy_stream(q->beside);
    if (q->handle) (void)v->destroy_stream(q->handle);
    sdrt_queue_close(&q->queue.host);
    free(q);
}

/* ---- copies ---- */

/* The source may change when it returns: what is on its way is in a window. */
void sdrt_cuda_write(struct sdrt_queue *queue, void *to, const void *from, size_t bytes)
{
    struct cuda_queue *q = cuda_queue_of(queue);
    const struct sdrt_cuda_driver *v = &q->device->driver;

    cuda_enter(q->device);
    q->follows = 0;
    for (size_t at = 0; at < bytes && !q->error; at += WINDOW) {
        const size_t n = bytes - at < WINDOW ? bytes - at : WINDOW;
        const int w = q->next;
        q->next = (w + 1) % WINDOWS;
        note(q, v->wait_event(q->used[w]));
        if (q->error) return;
        memcpy(q->window[w], (const unsigned char *)from + at, n);
        note(q, v->upload(cuda_address(to) + at, q->window[w], n, q->handle));
        note(q, v->record(q->used[w], q->handle));
    }
}

void sdrt_cuda_read(struct sdrt_queue *queue, void *to, const void *from, size_t bytes)
{
    struct cuda_queue *q = cuda_queue_of(queue);
    const struct sdrt_cuda_driver *v = &q->device->driver;

    cuda_enter(q->device);
    q->follows = 0;
    for (size_t at = 0; at < bytes && !q->error; at += WINDOW) {
        const size_t n = bytes - at < WINDOW ? bytes - at : WINDOW;
        note(q, v->download(q->window[0], cuda_address(from) + at, n, q->handle));
        note(q, v->synchronize(q->handle));
        if (!q->error) memcpy((unsigned char *)to + at, q->window[0], n);
    }
}

/* ---- weights that come while steps run ---- */

/* The event of upload i; NULL where there is none. */
static cuda_event arrival(struct cuda_queue *q, int i)
{
    cuda_event *list;

    if (i < q->n_arrived) return q->arrived[i];
    list = realloc(q->arrived, ((size_t)i + 1) * sizeof *list);
    if (!list) return NULL;
    q->arrived = list;
    for (; q->n_arrived <= i; q->n_arrived++)
        if (q->device->driver.create_event(&q->arrived[q->n_arrived], 0)) return NULL;
    return q->arrived[i];
}

/* The other stream goes on where this one is, so that what a copy overwrites is used no more. */
static void begin_uploads(struct cuda_queue *q, const struct sdrt_device_step *s)
{
    const struct sdrt_cuda_driver *v = &q->device->driver;

    if (!s->n_uploads || q->error) return;
    q->follows = 0;
    note(q, v->record(q->fork, q->handle));
    note(q, v->wait_for(q->beside, q->fork, 0));
    for (int i = 0; i < s->n_uploads && !q->error; i++) {
        const struct sdrt_device_upload *u = &s->uploads[i];
        cuda_event arrived = arrival(q, s->first_upload + i);
        note(q, arrived ? v->upload(cuda_address(u->to), u->from, u->bytes, q->beside)
                        : CUDA_ERROR_OUT_OF_MEMORY);
        if (!q->error) note(q, v->record(arrived, q->beside));
    }
    q->begun = s->first_upload + s->n_uploads;
}

static void await_uploads(struct cuda_queue *q, int count)
{
    if (!count || q->error) return;
    q->follows = 0;
    note(q, q->device->driver.wait_for(q->handle, q->arrived[count - 1], 0));
}

/* ---- the time of each step ---- */

void sdrt_cuda_time_steps(struct sdrt_queue *queue, int on) { cuda_queue_of(queue)->timing = on; }

/* Marks for so many steps; 0 where there are none. */
static int make_marks(struct cuda_queue *q, int n)
{
    cuda_event *marks;

    if (q->n_marks > n) return 1;
    marks = realloc(q->marks, ((size_t)n + 1) * sizeof *marks);
    if (!marks) return 0;
    q->marks = marks;
    for (; q->n_marks < n + 1; q->n_marks++)
        if (q->device->driver.create_event(&q->marks[q->n_marks], 0)) return 0;
    return 1;
}

static void mark(struct cuda_queue *q, int i)
{
    if (!q->n_timed) return;
    q->follows = 0;
    note(q, q->device->driver.record(q->marks[i], q->handle));
}

/* Of steps that are done. */
static void read_marks(struct cuda_queue *q)
{
    for (int i = 0; i < q->n_timed && !q->error; i++) {
        float ms = 0.0f;
        note(q, q->device->driver.elapsed(&ms, q->marks[i], q->marks[i + 1]));
        q->timed[i].seconds += (double)ms * 1e-3;
    }
    q->n_timed = 0;
}

/* ---- steps ---- */

static void run_step(struct cuda_queue *q, const struct sdrt_device_step *s)
{
    struct sdrt_exec ex = { .nparts = s->nparts, .scratch = s->scratch, .stream = &q->stream };

    for (; ex.part < s->nparts; ex.part++) {
        if (q->error || q->refused || sdrt_cuda_cancelled(&q->queue)) return;
        if (s->run(s->arg, &ex) != 0) q->refused = 1;
    }
}

void sdrt_cuda_run(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n)
{
    struct cuda_queue *q = cuda_queue_of(queue);

    cuda_enter(q->device);
    if (q->timing && make_marks(q, n)) {
        q->timed = steps;
        q->n_timed = n;
    }
    q->begun = 0;
    mark(q, 0);
    for (int i = 0; i < n; i++) {
        begin_uploads(q, &steps[i]);
        await_uploads(q, steps[i].awaits);
        run_step(q, &steps[i]);
        mark(q, i + 1);
    }
    await_uploads(q, q->begun); /* all is on one stream when it ends */
}

/* Captures what the steps enqueue as one graph, which stays NULL where the driver cannot. */
static void capture(struct cuda_queue *q, struct sdrt_recording *recording,
                    struct sdrt_device_step *steps, int n)
{
    const struct sdrt_cuda_driver *v = &q->device->driver;
    cuda_graph_exec exec = NULL;
    cuda_graph graph = NULL;

    if (v->begin_capture(q->handle, CUDA_CAPTURE_THREAD_LOCAL)) return;
    q->follows = 0;
    sdrt_cuda_run(&q->queue, steps, n);
    const int ended = v->end_capture(q->handle, &graph);
    q->follows = 0;
    const int whole = !ended && graph && !q->error && !q->refused &&
                      !sdrt_cuda_cancelled(&q->queue);
    if (whole && v->instantiate(&exec, graph, 0) == 0) recording->graph = exec;
    if (graph) (void)v->destroy_graph(graph);
}

/* The first run is not recorded, since many programs run once; the second is. */
void sdrt_cuda_replay(struct sdrt_queue *queue, struct sdrt_recording *recording,
                      struct sdrt_device_step *steps, int n)
{
    struct cuda_queue *q = cuda_queue_of(queue);

    if (q->timing) {
        sdrt_cuda_run(queue, steps, n);
        return;
    }
    cuda_enter(q->device);
    if (recording->runs < 3) recording->runs++;
    if (recording->runs == 2 && !q->error) capture(q, recording, steps, n);
    if (!recording->graph) {
        if (!q->error && !q->refused) sdrt_cuda_run(queue, steps, n);
        return;
    }
    if (q->error || sdrt_cuda_cancelled(queue)) return;
    q->follows = 0;
    note(q, q->device->driver.launch_graph(recording->graph, q->handle));
}

void sdrt_cuda_forget(struct sdrt_recording *recording)
{
    const struct cuda_device *d = cuda_device_of(recording->device);

    cuda_enter(d);
    (void)d->driver.destroy_exec(recording->graph);
}

int sdrt_cuda_wait(struct sdrt_queue *queue)
{
    struct cuda_queue *q = cuda_queue_of(queue);
    const struct sdrt_cuda_driver *v = &q->device->driver;

    cuda_enter(q->device);
    note(q, v->synchronize(q->handle));
    read_marks(q);
    const int error = q->error, refused = q->refused;
    q->error = q->refused = 0;
    if (sdrt_cuda_cancelled(queue)) return SDRT_E_CANCELLED;
    if (!error && !refused) return SDRT_OK;
    if (error) snprintf(q->fault, sizeof q->fault, "the GPU answers %s", sdrt_cuda_error(v, error));
    else snprintf(q->fault, sizeof q->fault, "a kernel refused its work");
    return SDRT_E_UNSUPPORTED;
}

const char *sdrt_cuda_fault(const struct sdrt_queue *queue) { return cuda_queue_of(queue)->fault; }

/* ---- the host's workers ---- */

void sdrt_cuda_each(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                    void *arg)
{
    sdrt_queue_each(queue->host, n, body, arg);
}

void sdrt_cuda_cancel(struct sdrt_queue *queue)
{
    atomic_store(&cuda_queue_of(queue)->cancelled, 1);
    sdrt_queue_cancel(queue->host);
}

int sdrt_cuda_cancelled(const struct sdrt_queue *queue)
{
    return atomic_load(&cuda_queue_of(queue)->cancelled);
}

void sdrt_cuda_rearm(struct sdrt_queue *queue)
{
    atomic_store(&cuda_queue_of(queue)->cancelled, 0);
    sdrt_queue_rearm(queue->host);
}
