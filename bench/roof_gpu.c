/* SPDX-License-Identifier: MIT */
#include "bench/roof_gpu.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/probe_params.h"
#include "kernels/stream.h"

#include <math.h>
#include <stdlib.h>

enum { LAUNCHES = 200, GAP_TRIES = 15, BLOCKS = 8 /* on each multiprocessor */ };
static const size_t LARGE = (size_t)128 << 20; /* bytes: beyond the L2 of any */
static const size_t SMALL = (size_t)8 << 20;   /* for tests; a float for each thread fits */

/* Launches of one probe. */
struct probe {
    int kernel; /* a number of kernels/cuda/list.h */
    struct sdrt_probe_params params;
    int launches;
};

struct sdrt_roof_gpu {
    struct sdrt_queue *queue;
    struct sdrt_device_memory *from, *to;
    double divisor;
    size_t bytes;                    /* of each buffer */
    int multiprocessors, capability; /* known once a probe was enqueued */
    int has_dependent, dependent;    /* launches: the device has them; the probe's are */
    struct probe probe;
    struct sdrt_device_step step; /* enqueues probe */
};

static int enqueue(const void *arg, const struct sdrt_exec *ex)
{
    const struct sdrt_roof_gpu *g = arg;
    const int dependent = ex->stream->dependent;
    int status = 0;
    const struct sdrt_launch l = {
        .kernel = g->probe.kernel,
        .grid_x = (unsigned)(BLOCKS * ex->stream->multiprocessors),
        .grid_y = 1,
        .grid_z = 1,
        .params = &g->probe.params,
        .params_bytes = sizeof g->probe.params,
    };

    ex->stream->dependent = g->dependent;
    for (int i = 0; i < g->probe.launches && !status; i++)
        status = ex->stream->launch(ex->stream, &l);
    ex->stream->dependent = dependent;
    return status;
}

static int note_device(const void *arg, const struct sdrt_exec *ex)
{
    struct sdrt_roof_gpu *g = (struct sdrt_roof_gpu *)(uintptr_t)arg;

    g->multiprocessors = ex->stream->multiprocessors;
    g->capability = ex->stream->capability;
    g->has_dependent = ex->stream->dependent;
    return 0;
}

int sdrt_roof_gpu_create(struct sdrt_roof_gpu **out, struct sdrt_queue *queue, double divisor,
                         const struct sdrt_log *log)
{
    struct sdrt_roof_gpu *g = *out = calloc(1, sizeof *g);
    int status;

    if (!g) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for measuring the roof");
    g->queue = queue;
    g->divisor = divisor;
    g->bytes = divisor > 1.0 ? SMALL : LARGE;
    g->step = (struct sdrt_device_step){ .run = note_device, .arg = g, .nparts = 1 };
    sdrt_queue_run(queue, &g->step, 1);
    status = sdrt_queue_wait(queue);
    g->step.run = enqueue;
    g->step.arg = g;
    if (status == SDRT_OK)
        status = sdrt_device_alloc(&g->from, queue->device, g->bytes, queue, log);
    if (status == SDRT_OK) status = sdrt_device_alloc(&g->to, queue->device, g->bytes, queue, log);
    return status;
}

void sdrt_roof_gpu_free(struct sdrt_roof_gpu **gpu)
{
    if (!*gpu) return;
    sdrt_device_free(&(*gpu)->from);
    sdrt_device_free(&(*gpu)->to);
    free(*gpu);
    *gpu = NULL;
}

/* Seconds of the probe by the device's clock; 0 where it does not run. */
static double seconds_of(struct sdrt_roof_gpu *g, int kernel, size_t bytes, int rounds,
                         int launches)
{
    g->probe = (struct probe){
        .kernel = kernel,
        .launches = launches,
        .params = { .out = g->to->base,
                    .in = g->from->base,
                    .n = (long long)bytes,
                    .rounds = rounds },
    };
    g->step.seconds = 0.0;
    sdrt_queue_time_steps(g->queue, 1);
    sdrt_queue_run(g->queue, &g->step, 1);
    const int status = sdrt_queue_wait(g->queue);
    sdrt_queue_time_steps(g->queue, 0);
    return status == SDRT_OK ? g->step.seconds : 0.0;
}

static void add(struct sdrt_roof *roof, enum sdrt_roof_kind kind, double work, double seconds)
{
    const double rate = work * 1e-9 / seconds;

    if (!(seconds > 0.0)) return;
    sdrt_bench_add(&roof->samples[kind], rate);
    if (rate > roof->best[kind]) roof->best[kind] = rate;
}

/* Rounds of so much work a block that all blocks together do total. */
static int rounds_of(const struct sdrt_roof_gpu *g, double total, double each)
{
    const double rounds = total / g->divisor / (each * BLOCKS * g->multiprocessors);

    return rounds < 1.0 ? 1 : rounds > 1e6 ? 1000000 : (int)rounds;
}

void sdrt_roof_gpu_try(struct sdrt_roof_gpu *g, struct sdrt_roof *roof)
{
    const double blocks = BLOCKS * g->multiprocessors;
    const int mma = rounds_of(g, 2e12, SDRT_PROBE_MMA_FLOP); /* some milliseconds */
    const int fma = rounds_of(g, 2e11, SDRT_PROBE_FMA_FLOP);
    const size_t bytes = g->divisor > 1.0 ? 65536 : g->bytes;
    const int copies = g->divisor > 1.0 ? 1 : 8;

    const int is_f16 = sdrt_cuda_narrow(g->capability) == SDRT_F16;

    add(roof, is_f16 ? SDRT_ROOF_F16 : SDRT_ROOF_BF16, blocks * mma * SDRT_PROBE_MMA_FLOP,
        seconds_of(g, SDRT_CUDA_probe_mma, 0, mma, 1));
    add(roof, SDRT_ROOF_F32, blocks * fma * SDRT_PROBE_FMA_FLOP,
        seconds_of(g, SDRT_CUDA_probe_fma, 0, fma, 1));
    add(roof, SDRT_ROOF_MEMORY, 2.0 * (double)bytes * copies,
        seconds_of(g, SDRT_CUDA_probe_copy, bytes, 0, copies));
}

void sdrt_roof_gpu_evict(struct sdrt_roof_gpu *g)
{
    (void)seconds_of(g, SDRT_CUDA_probe_copy, g->divisor > 1.0 ? 16 : g->bytes, 0, 1);
}

/* Both ways of launching, dependent or not. */
static void measure_gaps(struct sdrt_roof_gpu *g, int dependent, double *plain, double *in_graph)
{
    struct sdrt_times one = { .n = 0 }, graph = { .n = 0 };
    struct sdrt_recording recording = { .device = NULL };
    const int launches = g->divisor > 1.0 ? 2 : LAUNCHES;
    const int tries = g->divisor > 1.0 ? 1 : GAP_TRIES;

    g->dependent = dependent;
    for (int i = 0; i < tries; i++)
        sdrt_bench_add(&one, seconds_of(g, SDRT_CUDA_probe_empty, 0, 0, launches) / launches * 1e6);
    for (int i = 0; i < tries + 2; i++) { /* the first two record it */
        const double start = sdrt_now();
        sdrt_queue_replay(g->queue, &recording, &g->step, 1);
        if (sdrt_queue_wait(g->queue) == SDRT_OK && i >= 2)
            sdrt_bench_add(&graph, (sdrt_now() - start) / launches * 1e6);
    }
    g->dependent = 0;
    sdrt_recording_clear(&recording);
    *plain = sdrt_bench_summary(&one).median;
    *in_graph = sdrt_bench_summary(&graph).median;
}

struct sdrt_launch_gaps sdrt_roof_gpu_gaps(struct sdrt_roof_gpu *g)
{
    struct sdrt_launch_gaps gaps = { NAN, NAN, NAN, NAN };

    measure_gaps(g, 0, &gaps.plain, &gaps.in_graph);
    if (g->has_dependent) measure_gaps(g, 1, &gaps.dependent, &gaps.dependent_in_graph);
    return gaps;
}
