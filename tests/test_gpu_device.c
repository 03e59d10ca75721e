/* SPDX-License-Identifier: MIT
 *
 * A GPU as a device, over a stand-in for its driver: what is refused and in which words, memory,
 * copies, steps, and their recordings.
 */
#include "config.h"

#include "kernels/cuda/cuda.h"
#include "kernels/stream.h"
#include "model/pipeline/model.h"
#include "model/pipeline/packing.h"
#include "runtime/device/cpu.h"
#include "runtime/device/cuda.h"
#include "tests/support.h"
#include "tests/temp_folder.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As in stub_cuda.c. */
struct stub_counts {
    long blocks, pinned, streams, events, graphs, contexts, modules;
    long launches, captures, graph_launches;
    long dependent;
};

static const char *stub(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/tests/.libs/%s", STUB_FOLDER, name);
    return path;
}

static struct stub_counts *counts(void)
{
    void *library = dlopen(stub("libstubcuda.so"), RTLD_NOW);

    cr_assert_not_null(library, "%s", dlerror());
    struct stub_counts *c = dlsym(library, "stub_counts");
    cr_assert_not_null(c);
    return c;
}

static char order[32];     /* of the steps that ran */
static int refuse_at = -1; /* the name of one that answers -1 */

static void set_up(void)
{
    temp_folder_make();
    *counts() = (struct stub_counts){ .blocks = 0 };
    order[0] = 0;
    refuse_at = -1;
    setenv("SDRT_CUDA_LIBRARY", stub("libstubcuda.so"), 1);
    setenv("STUB_CUDA", "name=shim", 1); /* which carries its kernels */
}

TestSuite(gpu_device, .init = set_up, .fini = temp_folder_remove);

static int open_gpu(struct sdrt_device **out, const struct sdrt_cuda_options *options)
{
    struct sdrt_device *host;

    expect_quiet(sdrt_cpu_device_open(&host, 0, "generic", SDRT_PIN_NEVER, &kept_log), "host");
    const int status = sdrt_cuda_device_open(out, &host, options, &kept_log);
    cr_expect_null(host);
    return status;
}

/* ---- what is refused ---- */

Test(gpu_device, refusals)
{
    static const struct {
        const char *driver, *stub;
        int index;
        const char *text;
    } cases[] = {
        { "/nowhere/libcuda.so", "", 0,
          "SDRT_CUDA_LIBRARY=/nowhere/libcuda.so: expected a CUDA driver" },
        { "libm.so.6", "", 0, "the CUDA driver is of version 0.0: expected 12.0 or later" },
        { NULL, "version=11080", 0, "the CUDA driver is of version 11.8: expected 12.0 or later" },
        { "libstubcuda_old.so", "", 0, "the CUDA driver has no cuGraphExecDestroy" },
        { NULL, "no-device", 0, "the CUDA driver finds no GPU" },
        { NULL, "init", 0, "the CUDA driver does not start: CUDA_ERROR_INVALID_VALUE" },
        { NULL, "name=shim", 2,
          "device \"cuda:2\": the CUDA driver finds 2 GPUs: expected a number "
          "below 2" },
        { NULL, "capability=70 name=shim", 0, "shim, has compute capability 7.0: expected 7.5" },
        { NULL, "capability=61 name=shim", 0, "shim, has compute capability 6.1: expected 7.5" },
        { NULL, "no-binary capability=99 name=shim", 1,
          "no kernels were built for compute capability "
          "9.9" },
        { NULL, "no-kernel name=shim", 0, "CUDA_ERROR_NOT_FOUND" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_device *device;
        const struct sdrt_cuda_options o = { .index = cases[i].index };
        const char *library = cases[i].driver ? cases[i].driver : "libstubcuda.so";
        setenv("SDRT_CUDA_LIBRARY", strncmp(library, "libstub", 7) ? library : stub(library), 1);
        setenv("STUB_CUDA", cases[i].stub, 1);
        expect_failure(open_gpu(&device, &o), SDRT_E_UNSUPPORTED, cases[i].text, cases[i].text);
        cr_expect_null(device);
    }
    cr_expect_eq(counts()->contexts, 0);
    cr_expect_eq(counts()->modules, 0);
}

/* Ways to go, by the environment; nothing is loaded for one that there is not. */
Test(gpu_device, switches)
{
    const struct sdrt_cuda_options o = { .index = 0 };
    struct sdrt_device *device;

    setenv("SDRT_CUDA_ATTENTION", "wraps", 1);
    expect_failure(open_gpu(&device, &o), SDRT_E_ARG,
                   "SDRT_CUDA_ATTENTION=wraps: expected warps or warpgroups", "attention");
    cr_expect_null(device);
    cr_expect_eq(counts()->contexts, 0);
    setenv("SDRT_CUDA_ATTENTION", "warps", 1);
    setenv("SDRT_CUDA_LAUNCHES", "late", 1);
    expect_failure(open_gpu(&device, &o), SDRT_E_ARG,
                   "SDRT_CUDA_LAUNCHES=late: expected plain or dependent", "launches");
    setenv("SDRT_CUDA_LAUNCHES", "dependent", 1);
    expect_quiet(open_gpu(&device, &o), "attention of warps");
    sdrt_device_close(&device);
}

Test(gpu_device, without_kernels)
{
    struct sdrt_device *device;

    setenv("STUB_CUDA", "name=TITAN", 1);
    if (sdrt_cuda_image_bytes) {
        expect_quiet(open_gpu(&device, &(struct sdrt_cuda_options){ .index = 0 }), "with kernels");
        sdrt_device_close(&device);
        return;
    }
    expect_failure(open_gpu(&device, &(struct sdrt_cuda_options){ .index = 0 }), SDRT_E_UNSUPPORTED,
                   "built without CUDA kernels", "no kernels");
}

Test(gpu_device, no_driver)
{
    struct sdrt_device *device;

    unsetenv("SDRT_CUDA_LIBRARY");
    if (dlopen("libcuda.so.1", RTLD_NOW)) return; /* there is one */
    expect_failure(open_gpu(&device, &(struct sdrt_cuda_options){ .index = 0 }), SDRT_E_UNSUPPORTED,
                   "no CUDA driver is installed", "no driver");
}

Test(gpu_device, options_of_a_model)
{
    static const struct {
        const char *device, *precision;
        size_t memory;
        int status;
        const char *text;
    } cases[] = {
        { "gpu", NULL, 0, SDRT_E_ARG, "unknown device \"gpu\": expected cpu, cuda, cuda:N" },
        { "cuda:", NULL, 0, SDRT_E_ARG, "unknown device \"cuda:\"" },
        { "cuda:1x", NULL, 0, SDRT_E_ARG, "unknown device \"cuda:1x\"" },
        { "cudas", NULL, 0, SDRT_E_ARG, "unknown device \"cudas\"" },
        { "cpu", NULL, 1, SDRT_E_ARG, "a limit of a GPU's memory" },
        { "cuda", "f32", 0, SDRT_E_UNSUPPORTED,
          "computes in bf16, or in f16 before compute capability 8.0: expected precision bf16 or "
          "f16, not f32" },
        { "cuda", "f16", 0, SDRT_E_UNSUPPORTED,
          "a GPU that computes in bf16: expected precision bf16, not f16" },
        { "cuda:7", NULL, 0, SDRT_E_UNSUPPORTED, "expected a number below 2" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sdrt_model *model;
        struct sdrt_options o;
        sdrt_options_init(&o);
        o.random_weights = 1;
        o.device = cases[i].device;
        o.precision = cases[i].precision;
        o.device_memory = cases[i].memory;
        o.log = &kept_log;
        expect_failure(sdrt_model_open(&model, &o), cases[i].status, cases[i].text, cases[i].text);
    }
}

/* ---- compute capability 7.5 ---- */

Test(gpu_device, capability_75)
{
    const struct sdrt_attention_shape plain = { .head_dim = 40 };
    const struct sdrt_gemm_shape f16 = { .w = { .stored = SDRT_F16 } };
    struct sdrt_device *device;

    setenv("STUB_CUDA", "name=shim capability=75", 1);
    expect_quiet(open_gpu(&device, &(struct sdrt_cuda_options){ .index = 0 }), "7.5");
    cr_expect_str_eq(sdrt_cuda_device_precision(device), "f16");
    cr_expect_eq(device->ops->attention.operand(&plain), SDRT_F16);
    cr_expect_eq(device->ops->gemm.operand(&f16), SDRT_F16);
    cr_expect_eq(device->wide_ops->attention.operand(&plain), SDRT_F32);
    sdrt_device_close(&device);
    setenv("STUB_CUDA", "name=shim capability=80", 1);
    expect_quiet(open_gpu(&device, &(struct sdrt_cuda_options){ .index = 0 }), "8.0");
    cr_expect_str_eq(sdrt_cuda_device_precision(device), "bf16");
    cr_expect_eq(device->ops->attention.operand(&plain), SDRT_BF16);
    cr_expect_eq(device->wide_ops, device->ops);
    sdrt_device_close(&device);
}

/* What f16 does not hold has weights of f32, which products are made in there. */
Test(gpu_device, packing_on_75)
{
    static const struct {
        const char *name;
        enum sdrt_dtype from, as;
    } cases[] = {
        { "unet.conv_in.weight", SDRT_F32, SDRT_F16 },
        { "unet.conv_in.weight", SDRT_BF16, SDRT_F16 },
        { "unet.conv_in.weight", SDRT_F8_E4M3, SDRT_F8_E4M3 },
        { "vae.decoder.conv_in.weight", SDRT_F16, SDRT_F32 },
        { "vae.decoder.conv_in.weight", SDRT_F8_E4M3, SDRT_F32 },
        { "taesd.decoder.layers.0.weight", SDRT_F16, SDRT_F32 },
        { "text_encoder.text_model.final.weight", SDRT_BF16, SDRT_BF16 },
        { "text_encoder_3.shared.weight", SDRT_F32, SDRT_F32 },
    };
    struct sdrt_device *device;

    setenv("STUB_CUDA", "name=shim capability=75", 1);
    expect_quiet(open_gpu(&device, &(struct sdrt_cuda_options){ .index = 0 }), "7.5");
    sdrt_packing_policy *packing = sdrt_packing_of(sdrt_cuda_device_precision(device), device);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct sdrt_packed_matrix m = { .name = cases[i].name, .from = cases[i].from };
        cr_expect_eq(packing(&m), cases[i].as, "%s of %s", m.name, sdrt_dtype_name(m.from));
    }
    sdrt_device_close(&device);
}

/* A model takes f16 by itself there, and no other precision. */
Test(gpu_device, model_on_75)
{
    struct sdrt_model *model;
    struct sdrt_options o;

    setenv("STUB_CUDA", "name=shim capability=75", 1);
    sdrt_options_init(&o);
    o.random_weights = 1;
    o.device = "cuda";
    o.log = &kept_log;
    expect_quiet(sdrt_model_open(&model, &o), "7.5");
    cr_expect_str_eq(model->precision, "f16");
    sdrt_model_release(&model);
    o.precision = "bf16";
    expect_failure(sdrt_model_open(&model, &o), SDRT_E_UNSUPPORTED,
                   "a GPU that computes in f16: expected precision f16, not bf16", "bf16");
}

/* ---- planning without a driver ---- */

Test(gpu_device, planned_without_a_driver)
{
    struct sdrt_context *c;
    struct sdrt_options o;
    struct sdrt_request r;
    struct sdrt_memory m;
    char *text;

    setenv("SDRT_CUDA_LIBRARY", "/nowhere", 1);
    sdrt_options_init(&o);
    sdrt_request_init(&r);
    o.random_weights = o.plan_only = 1;
    o.device = "cuda";
    o.log = &kept_log;
    expect_quiet(sdrt_open(&c, &o), "open");
    expect_quiet(sdrt_session_plan_text(sdrt_session_of(c), &r, SDRT_PLAN_TABLE, &text), "plan");
    cr_expect(strstr(text, "on cuda: weights "), "%s", text);
    cr_expect(strstr(text, "conv2d 3x3 cuda"), "%s", text);
    sdrt_free(text);
    expect_quiet(sdrt_measure(c, &r, &m), "measure");
    cr_expect_eq(m.available_bytes, 0u);
    /* SD 1.5's U-Net and VAE in bf16. */
    cr_expect(m.weights_bytes > (size_t)1600 << 20 && m.weights_bytes < (size_t)1700 << 20, "%zu",
              m.weights_bytes);
    r.prompt = "a cat";
    expect_failure(sdrt_generate(c, &r), SDRT_E_UNSUPPORTED, "opened to plan only", "draw");
    sdrt_close(&c);
}

/* ---- memory and copies ---- */

static struct sdrt_device *device;
static struct sdrt_queue *queue;

static void begin(const struct sdrt_cuda_options *options)
{
    expect_quiet(open_gpu(&device, options), "device");
    expect_quiet(sdrt_queue_open(&queue, device, 2, &kept_log), "queue");
}

/* Nothing of the driver's is left. */
static void end(void)
{
    sdrt_queue_close(&queue);
    sdrt_device_close(&device);
    const struct stub_counts *c = counts();
    cr_expect(!c->blocks && !c->pinned && !c->streams && !c->events && !c->graphs && !c->contexts &&
              !c->modules);
}

Test(gpu_device, memory)
{
    const size_t mib = (size_t)1 << 20;
    struct sdrt_device_memory *a, *b;
    size_t left;

    setenv("STUB_CUDA", "name=shim memory=64", 1);
    begin(&(struct sdrt_cuda_options){ .limit = 32 * mib });
    cr_expect_eq(sdrt_device_memory_left(device, &left), SDRT_OK);
    cr_expect_eq(left, 32 * mib);
    expect_quiet(sdrt_device_alloc(&a, device, 20 * mib, queue, &kept_log), "20 MiB");
    cr_expect_eq(sdrt_device_memory_left(device, &left), SDRT_OK);
    cr_expect_eq(left, 12 * mib);
    expect_failure(sdrt_device_alloc(&b, device, 13 * mib, NULL, &kept_log), SDRT_E_NOMEM,
                   "13 MiB: 12 MiB are left of what it may take", "beyond the limit");
    expect_quiet(sdrt_device_alloc(&b, device, 12 * mib, NULL, &kept_log), "12 MiB");
    cr_expect_null(sdrt_device_map(device, b->base));
    sdrt_device_free(&a);
    sdrt_device_free(&b);
    end();
    begin(&(struct sdrt_cuda_options){ .index = 1 });
    expect_failure(sdrt_device_alloc(&a, device, 65 * mib, NULL, &kept_log), SDRT_E_NOMEM,
                   "out of memory for a block of 65 MiB: 64 MiB are left", "beyond the GPU");
    end();
}

Test(gpu_device, copies)
{
    static const size_t sizes[] = { 1,        4095,           (4u << 20) - 1,
                                    4u << 20, (4u << 20) + 1, (13u << 20) + 7 };
    const size_t most = (13u << 20) + 7;
    unsigned char *from = malloc(most), *to = malloc(most);
    struct sdrt_device_memory *m;

    cr_assert(from && to);
    begin(&(struct sdrt_cuda_options){ .index = 0 });
    expect_quiet(sdrt_device_alloc(&m, device, most + 3, queue, &kept_log), "memory");
    for (size_t i = 0; i < most; i++)
        from[i] = (unsigned char)((i * 2654435761u >> 13) + (i >> 18));
    sdrt_queue_read(queue, to, m->base, most);
    for (size_t i = 0; i < most; i++) cr_assert_eq(to[i], 0, "new memory is not zero at %zu", i);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        sdrt_queue_write(queue, m->base + 3, from, sizes[k]);
        memset(to, 0x77, most);
        sdrt_queue_read(queue, to, m->base + 3, sizes[k]);
        cr_expect_eq(memcmp(to, from, sizes[k]), 0, "%zu bytes", sizes[k]);
    }
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    sdrt_device_free(&m);
    free(from);
    free(to);
    end();
}

/* ---- steps ---- */

static int any_capability;

static int enqueue(const void *arg, const struct sdrt_exec *ex)
{
    const char *name = arg;
    const int params = 5;
    const struct sdrt_launch l = { .kernel = 2,
                                   .grid_x = 1,
                                   .grid_y = 1,
                                   .grid_z = 1,
                                   .params = &params,
                                   .params_bytes = sizeof params };

    cr_expect(any_capability || ex->stream->capability == 90);
    cr_expect_eq(ex->stream->multiprocessors, 7);
    if (refuse_at == *name) return -1;
    strncat(order, name, 1);
    return ex->stream->launch(ex->stream, &l);
}

static struct sdrt_device_step steps[] = {
    { .run = enqueue, .arg = "a", .nparts = 1 },
    { .run = enqueue, .arg = "b", .nparts = 2 },
    { .run = enqueue, .arg = "c", .nparts = 1 },
};

Test(gpu_device, steps)
{
    begin(&(struct sdrt_cuda_options){ .index = 0 });
    cr_expect_eq(queue->sharers, 1);
    cr_expect_eq(queue->workers, 2);
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    cr_expect_str_eq(order, "abbc");
    cr_expect_eq(counts()->launches, 4);
    refuse_at = 'b';
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_E_UNSUPPORTED);
    cr_expect_str_eq(sdrt_queue_fault(queue), "a kernel refused its work");
    cr_expect_str_eq(order, "abbca");
    refuse_at = -1;
    setenv("STUB_CUDA", "launch", 1);
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_E_UNSUPPORTED);
    cr_expect_str_eq(sdrt_queue_fault(queue), "the GPU answers CUDA_ERROR_LAUNCH_FAILED");
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK, "a failure is told once");
    setenv("STUB_CUDA", "", 1);
    sdrt_queue_cancel(queue);
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_E_CANCELLED);
    cr_expect(sdrt_queue_cancelled(queue) && sdrt_queue_cancelled(queue->host));
    sdrt_queue_rearm(queue);
    order[0] = 0;
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    cr_expect_str_eq(order, "abbc");
    end();
}

/* A launch may overlap the one before it, but not what else lies between, nor the first of a graph. */
Test(gpu_device, dependent_launches)
{
    struct sdrt_recording recording = { .device = NULL };
    struct sdrt_device_memory *m;
    char byte = 1;

    setenv("STUB_CUDA", "name=shim version=12030", 1);
    begin(&(struct sdrt_cuda_options){ .index = 0 });
    expect_quiet(sdrt_device_alloc(&m, device, 1, queue, &kept_log), "memory");
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(counts()->dependent, 3, "of 4 launches");
    sdrt_queue_run(queue, steps, 1);
    cr_expect_eq(counts()->dependent, 4);
    sdrt_queue_write(queue, m->base, &byte, 1);
    sdrt_queue_run(queue, steps, 1);
    cr_expect_eq(counts()->dependent, 4, "behind a copy");
    sdrt_queue_read(queue, &byte, m->base, 1);
    sdrt_queue_run(queue, steps, 1);
    cr_expect_eq(counts()->dependent, 4, "behind another one");
    struct sdrt_device_step uploading[] = { steps[0], steps[0], steps[0] };
    const struct sdrt_device_upload upload = { m->base, &byte, 1 };
    uploading[1].uploads = &upload;
    uploading[1].n_uploads = 1;
    uploading[2].awaits = 1;
    sdrt_queue_run(queue, uploading, 3);
    cr_expect_eq(counts()->dependent, 5, "beside an upload");
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    sdrt_queue_time_steps(queue, 1);
    sdrt_queue_run(queue, steps, 3);
    cr_expect_eq(counts()->dependent, 6, "between marks, where one step launches twice");
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    sdrt_queue_time_steps(queue, 0);
    for (int i = 0; i < 3; i++) sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(counts()->dependent, 6 + 3 + 3, "once by themselves, once captured");
    sdrt_queue_run(queue, steps, 1);
    cr_expect_eq(counts()->dependent, 12, "behind a graph");
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    sdrt_recording_clear(&recording);
    sdrt_device_free(&m);
    end();
}

/* Not by a driver whose graphs do not know of them, for other machine code, or where the user says so. */
Test(gpu_device, no_dependent_launches)
{
    static const char *const drivers[] = { "name=shim version=12020",
                                           "name=shim version=12030 capability=80",
                                           "name=shim version=12030 capability=100",
                                           "name=shim version=12030" };

    for (int i = 0; i < 4; i++) {
        setenv("STUB_CUDA", drivers[i], 1);
        if (i == 3) setenv("SDRT_CUDA_LAUNCHES", "plain", 1);
        begin(&(struct sdrt_cuda_options){ .index = 0 });
        any_capability = 1;
        sdrt_queue_run(queue, steps, 3);
        cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
        cr_expect_eq(counts()->launches, 4 * (i + 1));
        cr_expect_eq(counts()->dependent, 0, "%s", drivers[i]);
        end();
    }
}

Test(gpu_device, times_of_steps)
{
    struct sdrt_recording recording = { .device = NULL };

    begin(&(struct sdrt_cuda_options){ .index = 0 });
    for (int i = 0; i < 3; i++) steps[i].seconds = 0.0;
    sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    cr_expect_eq(steps[1].seconds, 0.0);
    sdrt_queue_time_steps(queue, 1);
    for (int i = 0; i < 2; i++) {
        sdrt_queue_replay(queue, &recording, steps, 3);
        cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    }
    for (int i = 0; i < 3; i++) cr_expect_eq(steps[i].seconds, 2 * 0.25e-3);
    cr_expect_eq(counts()->captures, 0);
    cr_expect_eq(counts()->launches, 12);
    sdrt_queue_time_steps(queue, 0);
    sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    cr_expect_eq(steps[0].seconds, 2 * 0.25e-3);
    sdrt_recording_clear(&recording);
    end();
}

/* What comes beside the steps is there before the step that needs it. */
Test(gpu_device, uploads)
{
    static const unsigned char values[2][5] = { "abcd", "efgh" };
    struct sdrt_device_memory *m;
    unsigned char seen[10] = { 0 };

    begin(&(struct sdrt_cuda_options){ .index = 0 });
    expect_quiet(sdrt_device_alloc(&m, device, 10, queue, &kept_log), "memory");
    const struct sdrt_device_upload uploads[] = { { m->base, values[0], 5 },
                                                  { m->base + 5, values[1], 5 } };
    struct sdrt_device_step list[] = { steps[0], steps[1], steps[2] };
    list[0].uploads = list[1].uploads = uploads;
    list[0].n_uploads = list[1].n_uploads = 1;
    list[1].uploads++;
    list[1].first_upload = 1;
    list[1].awaits = 1;
    list[2].awaits = 2;
    sdrt_queue_run(queue, list, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    sdrt_queue_read(queue, seen, m->base, 10);
    cr_expect_eq(memcmp(seen, values, 10), 0);
    sdrt_device_free(&m);
    end();
}

/* The first run launches kernel by kernel, the second is captured, later ones are one graph; each
 * does all launches once. */
Test(gpu_device, recordings)
{
    struct sdrt_recording recording = { .device = NULL };

    begin(&(struct sdrt_cuda_options){ .index = 0 });
    for (int i = 1; i <= 5; i++) {
        sdrt_queue_replay(queue, &recording, steps, 3);
        cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
        cr_expect_eq(counts()->launches, 4 * i, "run %d", i);
        cr_expect_eq(counts()->graph_launches, i < 2 ? 0 : i - 1, "run %d", i);
    }
    cr_expect_str_eq(order, "abbcabbc", "a replay asks no kernel's host side");
    cr_expect_eq(counts()->captures, 1);
    cr_expect_eq(counts()->graphs, 1);
    sdrt_queue_cancel(queue);
    sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_E_CANCELLED);
    cr_expect_eq(counts()->launches, 20);
    sdrt_queue_rearm(queue);
    sdrt_recording_clear(&recording);
    sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(counts()->captures, 1, "a cleared one begins anew");
    sdrt_recording_clear(&recording);
    end();
}

/* A refusal while it is captured leaves no graph. */
Test(gpu_device, refused_while_captured)
{
    struct sdrt_recording recording = { .device = NULL };

    begin(&(struct sdrt_cuda_options){ .index = 0 });
    sdrt_queue_replay(queue, &recording, steps, 3);
    refuse_at = 'c';
    sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_E_UNSUPPORTED);
    refuse_at = -1;
    cr_expect_eq(counts()->graphs, 0);
    cr_expect_eq(counts()->launches, 4);
    sdrt_queue_replay(queue, &recording, steps, 3);
    cr_expect_eq(sdrt_queue_wait(queue), SDRT_OK);
    cr_expect_eq(counts()->launches, 8);
    sdrt_recording_clear(&recording);
    end();
}
