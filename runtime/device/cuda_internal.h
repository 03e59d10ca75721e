/* SPDX-License-Identifier: MIT
 *
 * The inside of a GPU's device, shared by its memory and its queues.
 */
#ifndef SDRT_RUNTIME_DEVICE_CUDA_INTERNAL_H
#define SDRT_RUNTIME_DEVICE_CUDA_INTERNAL_H

#include "kernels/cuda/cuda.h"
#include "kernels/stream.h"
#include "runtime/device/cuda.h"
#include "runtime/device/cuda_driver.h"

#include <stdatomic.h>

struct cuda_device {
    struct sdrt_device device; /* first; its host is owned */
    struct sdrt_ops ops, wide_ops;
    enum sdrt_dtype narrow; /* the 16-bit type that they multiply */
    struct sdrt_cuda_driver driver;
    struct sdrt_cuda_options options;
    const struct sdrt_log *log;
    int handle;           /* the driver's number of the GPU */
    cuda_context context; /* retained; NULL where it is only planned for */
    cuda_module module;
    cuda_function functions[SDRT_CUDA_KERNELS]; /* NULL for those of later GPUs */
    int capability, multiprocessors, version;
    char name[96];
    enum sdrt_stream_attention attention;
    int dependent;       /* launches may begin before those before them are over */
    atomic_size_t taken; /* bytes, of options.limit */
};

static inline struct cuda_device *cuda_device_of(const struct sdrt_device *device)
{
    return (struct cuda_device *)(void *)(uintptr_t)device;
}

/* A device address as the driver knows it. */
static inline cuda_pointer cuda_address(const void *p) { return (cuda_pointer)(uintptr_t)p; }

/* Makes the device's context the calling thread's. */
static inline void cuda_enter(const struct cuda_device *d)
{
    (void)d->driver.use_context(d->context);
}

/* Queues, for struct sdrt_device_calls (cuda_queue.c). */
int sdrt_cuda_open_queue(struct sdrt_device *device, struct sdrt_queue **out, int workers,
                         const struct sdrt_log *log);
void sdrt_cuda_close_queue(struct sdrt_queue *queue);
void sdrt_cuda_write(struct sdrt_queue *queue, void *to, const void *from, size_t bytes);
void sdrt_cuda_read(struct sdrt_queue *queue, void *to, const void *from, size_t bytes);
void sdrt_cuda_run(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n);
void sdrt_cuda_replay(struct sdrt_queue *queue, struct sdrt_recording *recording,
                      struct sdrt_device_step *steps, int n);
void sdrt_cuda_forget(struct sdrt_recording *recording);
void sdrt_cuda_time_steps(struct sdrt_queue *queue, int on);
int sdrt_cuda_wait(struct sdrt_queue *queue);
const char *sdrt_cuda_fault(const struct sdrt_queue *queue);
void sdrt_cuda_each(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                    void *arg);
void sdrt_cuda_cancel(struct sdrt_queue *queue);
int sdrt_cuda_cancelled(const struct sdrt_queue *queue);
void sdrt_cuda_rearm(struct sdrt_queue *queue);

#endif
