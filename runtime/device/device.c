/* SPDX-License-Identifier: MIT */
#include "runtime/device/device.h"

void sdrt_device_close(struct sdrt_device **device)
{
    if (*device) (*device)->calls->close(*device);
    *device = NULL;
}

int sdrt_device_memory_left(struct sdrt_device *device, size_t *bytes)
{
    return device->calls->memory_left(device, bytes);
}

int sdrt_device_alloc(struct sdrt_device_memory **out, struct sdrt_device *device, size_t bytes,
                      const struct sdrt_queue *users, const struct sdrt_log *log)
{
    *out = NULL;
    return device->calls->alloc(device, out, bytes, users, log);
}

void sdrt_device_pin(struct sdrt_device *device, struct sdrt_device_memory *memory)
{
    if (device->calls->pin && device->calls->pin(device, memory->base, memory->bytes) == SDRT_OK)
        memory->pinned = device;
}

void sdrt_device_free(struct sdrt_device_memory **memory)
{
    struct sdrt_device_memory *m = *memory;

    *memory = NULL;
    if (!m) return;
    if (m->pinned) m->pinned->calls->unpin(m->pinned, m->base);
    m->device->calls->free(m);
}

void sdrt_device_discard(const struct sdrt_device_memory *memory, size_t at, size_t bytes)
{
    memory->device->calls->discard(memory, at, bytes);
}

void *sdrt_device_map(const struct sdrt_device *device, const void *address)
{
    return device->calls->map(device, address);
}

int sdrt_queue_open(struct sdrt_queue **out, struct sdrt_device *device, int workers,
                    const struct sdrt_log *log)
{
    *out = NULL;
    return device->calls->open_queue(device, out, workers, log);
}

void sdrt_queue_close(struct sdrt_queue **queue)
{
    if (*queue) (*queue)->device->calls->close_queue(*queue);
    *queue = NULL;
}

void sdrt_queue_write(struct sdrt_queue *queue, void *to_device, const void *from, size_t bytes)
{
    queue->device->calls->write(queue, to_device, from, bytes);
}

void sdrt_queue_read(struct sdrt_queue *queue, void *to, const void *from_device, size_t bytes)
{
    queue->device->calls->read(queue, to, from_device, bytes);
}

void sdrt_queue_run(struct sdrt_queue *queue, struct sdrt_device_step *steps, int n)
{
    queue->device->calls->run(queue, steps, n);
}

void sdrt_queue_replay(struct sdrt_queue *queue, struct sdrt_recording *recording,
                       struct sdrt_device_step *steps, int n)
{
    const struct sdrt_device_calls *calls = queue->device->calls;

    recording->device = queue->device;
    if (calls->replay) calls->replay(queue, recording, steps, n);
    else calls->run(queue, steps, n);
}

void sdrt_recording_clear(struct sdrt_recording *recording)
{
    if (recording->graph) recording->device->calls->forget(recording);
    *recording = (struct sdrt_recording){ .device = NULL };
}

void sdrt_queue_time_steps(struct sdrt_queue *queue, int on)
{
    if (queue->device->calls->time_steps) queue->device->calls->time_steps(queue, on);
}

int sdrt_queue_wait(struct sdrt_queue *queue) { return queue->device->calls->wait(queue); }

const char *sdrt_queue_fault(const struct sdrt_queue *queue)
{
    const struct sdrt_device_calls *calls = queue->device->calls;

    return calls->fault ? calls->fault(queue) : "a kernel failed";
}

void sdrt_queue_each(struct sdrt_queue *queue, int n, void (*body)(void *arg, int worker, int i),
                     void *arg)
{
    queue->device->calls->each(queue, n, body, arg);
}

void sdrt_queue_cancel(struct sdrt_queue *queue) { queue->device->calls->cancel(queue); }

int sdrt_queue_cancelled(const struct sdrt_queue *queue)
{
    return queue->device->calls->cancelled(queue);
}

void sdrt_queue_rearm(struct sdrt_queue *queue) { queue->device->calls->rearm(queue); }
