/* SPDX-License-Identifier: MIT
 *
 * Opening a GPU, and its memory.
 */
#include "runtime/device/cuda_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- memory ---- */

static const double mib = 1.0 / (1 << 20);

static int cuda_memory_left(struct sdrt_device *device, size_t *bytes)
{
    struct cuda_device *d = cuda_device_of(device);
    size_t left, total;

    if (!d->context) return SDRT_E_UNSUPPORTED;
    cuda_enter(d);
    if (d->driver.memory_info(&left, &total)) return SDRT_E_UNSUPPORTED;
    const size_t limit = d->options.limit, taken = atomic_load(&d->taken);
    if (limit && limit - (taken < limit ? taken : limit) < left)
        left = limit - (taken < limit ? taken : limit);
    *bytes = left;
    return SDRT_OK;
}

static int tell_no_memory(struct cuda_device *d, size_t bytes, const struct sdrt_log *log)
{
    size_t left = 0;

    (void)cuda_memory_left(&d->device, &left);
    return sdrt_fail(log, SDRT_E_NOMEM,
                     "device \"cuda\": out of memory for a block of %.0f MiB: %.0f MiB "
                     "are left%s",
                     (double)bytes * mib, (double)left * mib,
                     d->options.limit ? " of what it may take" : "");
}

static int cuda_alloc(struct sdrt_device *device, struct sdrt_device_memory **out, size_t bytes,
                      const struct sdrt_queue *users, const struct sdrt_log *log)
{
    struct cuda_device *d = cuda_device_of(device);
    struct sdrt_device_memory *m = calloc(1, sizeof *m);
    cuda_pointer p = 0;
    int error = 0;

    (void)users;
    if (!m) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a block of %zu bytes", bytes);
    const size_t taken = atomic_fetch_add(&d->taken, bytes) + bytes;
    if (d->context && (!d->options.limit || taken <= d->options.limit)) {
        cuda_enter(d);
        error = d->driver.alloc(&p, bytes);
        if (!error) error = d->driver.fill(p, 0, bytes);
        if (!error) {
            *m = (struct sdrt_device_memory){ .device = device,
                                              .bytes = bytes,
                                              .base = (unsigned char *)(uintptr_t)p };
            *out = m;
            return SDRT_OK;
        }
        if (p) (void)d->driver.free(p);
    }
    free(m);
    atomic_fetch_sub(&d->taken, bytes);
    if (!d->context)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "device \"cuda\" was opened to plan only");
    if (!error || error == CUDA_ERROR_OUT_OF_MEMORY) return tell_no_memory(d, bytes, log);
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "device \"cuda\": a block of %.0f MiB: %s",
                     (double)bytes * mib, sdrt_cuda_error(&d->driver, error));
}

static void cuda_free(struct sdrt_device_memory *memory)
{
    struct cuda_device *d = cuda_device_of(memory->device);

    cuda_enter(d);
    (void)d->driver.free(cuda_address(memory->base));
    atomic_fetch_sub(&d->taken, memory->bytes);
    free(memory);
}

static int cuda_pin(struct sdrt_device *device, void *base, size_t bytes)
{
    struct cuda_device *d = cuda_device_of(device);

    if (!d->context) return SDRT_E_UNSUPPORTED;
    cuda_enter(d);
    return d->driver.pin(base, bytes, 0) ? SDRT_E_UNSUPPORTED : SDRT_OK;
}

static void cuda_unpin(struct sdrt_device *device, void *base)
{
    struct cuda_device *d = cuda_device_of(device);

    cuda_enter(d);
    (void)d->driver.unpin(base);
}

/* The driver takes whole blocks only. */
static void cuda_discard(const struct sdrt_device_memory *memory, size_t at, size_t bytes)
{
    (void)memory;
    (void)at;
    (void)bytes;
}

static void *cuda_map(const struct sdrt_device *device, const void *address)
{
    (void)device;
    (void)address;
    return NULL;
}

/* ---- opening ---- */

static int read_device(struct cuda_device *d)
{
    const struct sdrt_cuda_driver *v = &d->driver;
    int count = 0, major = 0, minor = 0, error = v->device_count(&count);

    if (!error && d->options.index >= count)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED,
                         "device \"cuda:%d\": the CUDA driver finds %d "
                         "GPU%s: expected a number below %d",
                         d->options.index, count, count == 1 ? "" : "s", count);
    if (!error) error = v->device(&d->handle, d->options.index);
    if (!error) error = v->device_name(d->name, sizeof d->name, d->handle);
    if (!error) error = v->attribute(&major, CUDA_CAPABILITY_MAJOR, d->handle);
    if (!error) error = v->attribute(&minor, CUDA_CAPABILITY_MINOR, d->handle);
    if (!error) error = v->attribute(&d->multiprocessors, CUDA_MULTIPROCESSORS, d->handle);
    if (!error) error = v->version(&d->version);
    if (error)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED, "device \"cuda:%d\": %s", d->options.index,
                         sdrt_cuda_error(v, error));
    d->capability = 10 * major + minor;
    /* The machine code of 9.0 alone waits for the launch before. */
    d->dependent = d->dependent && d->capability == 90 && v->launch_with &&
                   d->version >= CUDA_CAPTURES_DEPENDENT;
    if (d->capability < SDRT_CUDA_OLDEST)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED,
                         "device \"cuda:%d\", %s, has compute capability "
                         "%d.%d: expected %d.%d or later",
                         d->options.index, d->name, major, minor, SDRT_CUDA_OLDEST / 10,
                         SDRT_CUDA_OLDEST % 10);
    return SDRT_OK;
}

/* Which of two ways to go the environment says, to measure one beside the other: 0 or 1, -1 where it does
 * not, or SDRT_E_ARG. */
static int read_switch(const struct cuda_device *d, const char *variable, const char *const ways[2],
                       int *way)
{
    const char *named = getenv(variable);

    *way = -1;
    if (!named || !*named) return SDRT_OK;
    for (int i = 0; i < 2; i++)
        if (!strcmp(named, ways[i])) *way = i;
    if (*way >= 0) return SDRT_OK;
    return sdrt_fail(d->log, SDRT_E_ARG, "%s=%s: expected %s or %s", variable, named, ways[0],
                     ways[1]);
}

static int read_switches(struct cuda_device *d)
{
    static const char *const kernels[2] = { "warps", "warpgroups" };
    static const char *const launches[2] = { "plain", "dependent" };
    int way, status = read_switch(d, "SDRT_CUDA_ATTENTION", kernels, &way);

    if (status != SDRT_OK) return status;
    if (way >= 0) d->attention = way ? SDRT_ATTENTION_OF_WARPGROUPS : SDRT_ATTENTION_OF_WARPS;
    status = read_switch(d, "SDRT_CUDA_LAUNCHES", launches, &way);
    d->dependent = way != 0;
    return status;
}

/* A driver that carries the kernels itself, as the tests' does, takes anything for an image. */
static const void *image_for(const struct cuda_device *d)
{
    if (sdrt_cuda_image_bytes) return sdrt_cuda_image;
    return strcmp(d->name, "shim") ? NULL : d->name;
}

static int find_functions(struct cuda_device *d)
{
    enum { DEFAULT_SHARED = 48 << 10 };
    int error = 0;

    for (int i = 0; i < SDRT_CUDA_KERNELS && !error; i++) {
        const struct sdrt_cuda_kernel *k = &sdrt_cuda_kernels[i];
        if (k->capability > d->capability) continue;
        const unsigned shared = sdrt_cuda_shared(k, d->capability);
        error = d->driver.find(&d->functions[i], d->module, k->name);
        if (!error && shared > DEFAULT_SHARED)
            error = d->driver.set_attribute(d->functions[i], CUDA_MAX_DYNAMIC_SHARED, (int)shared);
        if (error)
            return sdrt_fail(d->log, SDRT_E_UNSUPPORTED, "device \"cuda:%d\", %s: kernel %s: %s",
                             d->options.index, d->name, k->name,
                             sdrt_cuda_error(&d->driver, error));
    }
    return SDRT_OK;
}

static int load_kernels(struct cuda_device *d)
{
    const void *image = image_for(d);

    if (!image)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED,
                         "device \"cuda\": this sdrt was built without CUDA "
                         "kernels: expected one configured where nvcc is");
    int error = d->driver.retain_context(&d->context, d->handle);
    if (!error) {
        cuda_enter(d);
        error = d->driver.load_module(&d->module, image);
    }
    if (error == CUDA_ERROR_NO_BINARY)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED,
                         "device \"cuda:%d\", %s: no kernels were built for "
                         "compute capability %d.%d",
                         d->options.index, d->name, d->capability / 10, d->capability % 10);
    if (error)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED, "device \"cuda:%d\", %s: %s", d->options.index,
                         d->name, sdrt_cuda_error(&d->driver, error));
    return find_functions(d);
}

static void cuda_close(struct sdrt_device *device)
{
    struct cuda_device *d = cuda_device_of(device);

    if (d->context) cuda_enter(d);
    if (d->module) (void)d->driver.unload_module(d->module);
    if (d->context) (void)d->driver.release_context(d->handle);
    sdrt_device_close(&d->device.host);
    free(d);
}

static const struct sdrt_device_calls cuda_calls = {
    .close = cuda_close,
    .memory_left = cuda_memory_left,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .pin = cuda_pin,
    .unpin = cuda_unpin,
    .discard = cuda_discard,
    .map = cuda_map,
    .open_queue = sdrt_cuda_open_queue,
    .close_queue = sdrt_cuda_close_queue,
    .write = sdrt_cuda_write,
    .read = sdrt_cuda_read,
    .run = sdrt_cuda_run,
    .replay = sdrt_cuda_replay,
    .forget = sdrt_cuda_forget,
    .time_steps = sdrt_cuda_time_steps,
    .wait = sdrt_cuda_wait,
    .fault = sdrt_cuda_fault,
    .each = sdrt_cuda_each,
    .cancel = sdrt_cuda_cancel,
    .cancelled = sdrt_cuda_cancelled,
    .rearm = sdrt_cuda_rearm,
};

static void choose_ops(struct cuda_device *d)
{
    const enum sdrt_dtype planned = d->options.f16 ? SDRT_F16 : SDRT_BF16;

    d->narrow = d->options.plan_only ? planned : sdrt_cuda_narrow(d->capability);
    sdrt_cuda_ops_init(&d->ops, d->narrow);
    d->device.ops = d->device.wide_ops = &d->ops;
    if (d->narrow != SDRT_F16) return;
    sdrt_cuda_wide_ops_init(&d->wide_ops);
    d->device.wide_ops = &d->wide_ops;
}

int sdrt_cuda_device_open(struct sdrt_device **out, struct sdrt_device **host,
                          const struct sdrt_cuda_options *options, const struct sdrt_log *log)
{
    struct cuda_device *d = calloc(1, sizeof *d);
    int status = SDRT_OK;

    *out = NULL;
    if (!d) {
        sdrt_device_close(host);
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for a device");
    }
    d->device = (struct sdrt_device){ .calls = &cuda_calls,
                                      .isa = "cuda",
                                      .workers = (*host)->workers,
                                      .host = *host };
    d->options = *options;
    d->log = log;
    *host = NULL;
    if (!options->plan_only) {
        status = read_switches(d);
        if (status == SDRT_OK) status = sdrt_cuda_driver_open(&d->driver, log);
        if (status == SDRT_OK) status = read_device(d);
        if (status == SDRT_OK) status = load_kernels(d);
    }
    choose_ops(d);
    if (status != SDRT_OK) cuda_close(&d->device);
    else *out = &d->device;
    return status;
}

/* ---- facts ---- */

int sdrt_is_cuda_device(const struct sdrt_device *device) { return device->calls == &cuda_calls; }

const char *sdrt_cuda_device_precision(const struct sdrt_device *device)
{
    return cuda_device_of(device)->narrow == SDRT_F16 ? "f16" : "bf16";
}

void sdrt_cuda_device_facts(const struct sdrt_device *device, struct sdrt_cuda_facts *facts)
{
    const struct cuda_device *d = cuda_device_of(device);
    size_t left;

    *facts = (struct sdrt_cuda_facts){ .name = d->name,
                                       .capability = d->capability,
                                       .multiprocessors = d->multiprocessors,
                                       .driver = d->version };
    if (!d->context) return;
    cuda_enter(d);
    if (d->driver.memory_info(&left, &facts->memory)) facts->memory = 0;
}
