/* SPDX-License-Identifier: MIT
 *
 * Where programs run.  A device has the kernels of one level and memory that they reach; a queue
 * runs steps on it, one after the other.  A model holds the device, each of its sessions a queue.
 *
 * Kernels are given addresses of the device's memory.  The host reaches what lies there by
 * sdrt_queue_write() and sdrt_queue_read(), which every device has, or at no cost by
 * sdrt_device_map(), where the device's memory is the host's.
 *
 * A device that is no processor has one beside it, its host, whose queues come with its own: packing,
 * merging, and the programs that need not be where the large ones are.
 */
#ifndef SDRT_RUNTIME_DEVICE_DEVICE_H
#define SDRT_RUNTIME_DEVICE_DEVICE_H

#include "kernels/exec.h"
#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_device;
struct sdrt_ops;
struct sdrt_queue;

/* A copy from the host's memory to the device's, made beside the steps. */
struct sdrt_device_upload {
    void *to;
    const void *from;
    size_t bytes;
};

/* One step of a program, as much as a device needs to run it.  run does share ex->part of
 * ex->nparts and answers 0, or non-zero for work that the kernel does not know. */
struct sdrt_device_step {
    int (*run)(const void *arg, const struct sdrt_exec *ex);
    const void *arg;
    int    nparts;
    unsigned char *scratch; /* worker w's is scratch + w * scratch_each; NULL: none */
    size_t scratch_each;
    /* Copies that begin when all steps before this one are done, in order; the number of the first of
     * them among all steps' copies; and how many of those, from the first on, have to be done before this
     * step begins.  Not for the host. */
    const struct sdrt_device_upload *uploads;
    int n_uploads, first_upload, awaits;
    double seconds;         /* the device adds what each run took (sdrt_queue_time_steps()) */
};

/* A block of device memory. */
struct sdrt_device_memory {
    struct sdrt_device *device; /* whose it is */
    unsigned char *base;        /* its first byte, as kernels are given it */
    size_t bytes;               /* as asked for */
    struct sdrt_device *pinned; /* another, which copies from it at full speed, or NULL */
};

/* What a device keeps of steps that it ran, so that it runs them again with less effort.  All zero:
 * nothing yet. */
struct sdrt_recording {
    const struct sdrt_device *device;
    void *graph; /* the device's */
    int   runs;
};

/* What a kind of device does; the functions below say what each one means. */
struct sdrt_device_calls {
    void  (*close)(struct sdrt_device *device);
    int   (*memory_left)(struct sdrt_device *device, size_t *bytes);
    int   (*alloc)(struct sdrt_device *device, struct sdrt_device_memory **out, size_t bytes,
                   const struct sdrt_queue *users, const struct sdrt_log *log);
    void  (*free)(struct sdrt_device_memory *memory);
    /* Both NULL: memory of the host's is as good as it is. */
    int (*pin)(struct sdrt_device *device, void *base, size_t bytes);
    void (*unpin)(struct sdrt_device *device, void *base);
    void  (*discard)(const struct sdrt_device_memory *memory, size_t at, size_t bytes);
    void *(*map)(const struct sdrt_device *device, const void *address);
    int   (*open_queue)(struct sdrt_device *device, struct sdrt_queue **out, int workers,
                        const struct sdrt_log *log);
    void  (*close_queue)(struct sdrt_queue *queue);
    void  (*write)(struct sdrt_queue *queue, void *to, const void *from, size_t bytes);
    void  (*read)(struct sdrt_queue *queue, void *to, const void *from, size_t bytes);
    void  (*run)(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n);
    /* Both NULL: each run is like the first. */
    void  (*replay)(struct sdrt_queue *queue, struct sdrt_recording *recording,
                    struct sdrt_device_step *steps, int n);
    void  (*forget)(struct sdrt_recording *recording);
    void  (*time_steps)(struct sdrt_queue *queue, int on); /* NULL: it always does */
    int   (*wait)(struct sdrt_queue *queue);
    const char *(*fault)(const struct sdrt_queue *queue); /* NULL: nothing more is known */
    void  (*each)(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                  void *arg);
    void  (*cancel)(struct sdrt_queue *queue);
    int   (*cancelled)(const struct sdrt_queue *queue);
    void  (*rearm)(struct sdrt_queue *queue);
};

/* Made by the opener of its kind (cpu.h).  Threads may share one. */
struct sdrt_device {
    const struct sdrt_device_calls *calls;
    const struct sdrt_ops *ops; /* its kernels, which it owns (kernels/ops.h) */
    const struct sdrt_ops *wide_ops; /* the same, or those without f16 where ops compute in it */
    const struct sdrt_ops *f32_ops;  /* those that compute in f32 alone, for weights themselves */
    const char *isa; /* their level, for reports: "avx512" */
    int workers;     /* worth having in one queue */
    struct sdrt_device *host; /* the processor beside it; itself, where it is one */
};

struct sdrt_queue {
    struct sdrt_device *device;
    int workers;
    int sharers; /* of these do so many share a step, each with scratch of its own */
    struct sdrt_queue *host; /* a queue of device->host with the same workers; itself, where the device
                              * is one */
};

/* Whether the host reaches the device's memory by its addresses. */
static inline int sdrt_device_is_host(const struct sdrt_device *device)
{
    return device->host == device;
}

/* Frees *device and sets it to NULL; its queues are closed and its memory is freed before.  NULL
 * is allowed. */
void sdrt_device_close(struct sdrt_device **device);

/* Bytes that it can still give.  Not SDRT_OK, without a line, where nobody knows. */
int sdrt_device_memory_left(struct sdrt_device *device, size_t *bytes);

/* bytes (more than 0) of zeroed memory, aligned to 64 bytes at least.  users is the queue whose
 * workers will use it, which decides where it lies; NULL when that is not known.  *out belongs
 * to the caller, NULL after a failure.  SDRT_E_NOMEM, with the size in MiB. */
int sdrt_device_alloc(struct sdrt_device_memory **out, struct sdrt_device *device, size_t bytes,
                       const struct sdrt_queue *users, const struct sdrt_log *log);

/* Lets device copy from a block of its host's at full speed, until that is freed; where the system
 * refuses, copies are slower. */
void sdrt_device_pin(struct sdrt_device *device, struct sdrt_device_memory *memory);

/* Frees *memory, which nothing uses any more, and sets it to NULL.  NULL is allowed. */
void sdrt_device_free(struct sdrt_device_memory **memory);

/* Says that the contents of bytes from at on are not wanted again, so that the system may have
 * their whole pages back.  They stay addressable. */
void sdrt_device_discard(const struct sdrt_device_memory *memory, size_t at, size_t bytes);

/* The host's address of what kernels know by address, or NULL where the host does not reach it.
 * What a queue runs is seen there after sdrt_queue_wait(). */
void *sdrt_device_map(const struct sdrt_device *device, const void *address);

/* A queue of that many workers (on the CPU: threads, the calling one among them).  All functions
 * on it, but for cancelling, are called by one thread at a time.  *out belongs to the caller,
 * NULL after a failure; device must outlive it.  SDRT_E_ARG for a number of workers that is not
 * possible, SDRT_E_NOMEM. */
int sdrt_queue_open(struct sdrt_queue **out, struct sdrt_device *device, int workers,
                    const struct sdrt_log *log);

/* Frees *queue, on which nothing runs, and sets it to NULL.  NULL is allowed. */
void sdrt_queue_close(struct sdrt_queue **queue);

/* Copies bytes between the host and device memory, after all that was run before; done when it
 * returns.  A copy that fails is told by the next sdrt_queue_wait(). */
void sdrt_queue_write(struct sdrt_queue *queue, void *to_device, const void *from, size_t bytes);
void sdrt_queue_read(struct sdrt_queue *queue, void *to, const void *from_device, size_t bytes);

/* Runs n steps, in order.  May return before they are done: steps and their arguments stay as
 * they are until sdrt_queue_wait().  Allocates nothing. */
void sdrt_queue_run(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n);

/* The same for steps that are run again and again: they, their arguments and scratch have to be
 * what they were when *recording, zero at first, was begun, until sdrt_recording_clear(). */
void sdrt_queue_replay(struct sdrt_queue *queue, struct sdrt_recording *recording,
                       struct sdrt_device_step *steps, int n);

/* Frees what it holds, which nothing runs, and zeroes it; before its device is closed. */
void sdrt_recording_clear(struct sdrt_recording *recording);

/* From now on the queue adds up the seconds of steps, or no longer: a processor always does, for a GPU
 * it costs an event a step and its recordings. */
void sdrt_queue_time_steps(struct sdrt_queue *queue, int on);

/* Returns when all that was run is done.  SDRT_E_CANCELLED, or SDRT_E_UNSUPPORTED when a step
 * since the last wait did not answer 0; then what it and the steps after it made is undefined.
 * Logs nothing. */
int sdrt_queue_wait(struct sdrt_queue *queue);

/* What sdrt_queue_wait() found last when it answered SDRT_E_UNSUPPORTED, in a few words that stay
 * valid until the next wait. */
const char *sdrt_queue_fault(const struct sdrt_queue *queue);

/* Calls body(arg, worker, i) once for each i of 0 .. n-1, on the host's workers that go with the
 * queue, several at once, and returns when all are done.  worker is 0 .. queue->workers-1, and no
 * two calls at once have the same.  Cancelling does not shorten it. */
void sdrt_queue_each(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                     void *arg);

/* Ends what the queue runs, and all that it is given to run, as soon as possible, until
 * sdrt_queue_rearm().  From any thread and from a signal handler. */
void sdrt_queue_cancel(struct sdrt_queue *queue);
int sdrt_queue_cancelled(const struct sdrt_queue *queue);
void sdrt_queue_rearm(struct sdrt_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
