/* SPDX-License-Identifier: MIT
 *
 * Attention of each of the models' head sizes on a GPU, against the definition in double: the kernels of
 * warps and of warpgroups, each where it is eligible, by the device that models run on.  In the execution
 * model that stands in for a driver, on few tokens; with SDRT_TEST_GPU on the GPU that is there, on as
 * many as the models have.
 */
#include "bench/oracle/attention.h"
#include "kernels/cuda/cuda.h"
#include "kernels/ops.h"
#include "kernels/stream.h"
#include "runtime/device/cpu.h"
#include "runtime/device/cuda.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of rounding weights, and what is stored; one key too many or too few of 77 is 1.7e-4. */
#define NMSE 1.5e-5

enum { FEW = 141, CHECKED = 97 /* on a GPU one query in so many */ };

static const struct head {
    int channels, heads, tokens; /* of a model */
    const char *warps, *warpgroups;
} all_heads[] = {
    { 40, 8, 4096, "attention_40", "attention_wgmma_40" },
    { 64, 10, 4096, "attention_64", "attention_wgmma_64" },
    { 80, 8, 1024, "attention_80", "attention_wgmma_80" },
    { 128, 8, 1024, "attention_plain", "attention_wgmma_128" },
    { 160, 8, 256, "attention_160", "attention_wgmma_160" },
    { 512, 1, 4096, "attention_plain", "attention_plain" },
};

static struct sdrt_device *device;
static struct sdrt_queue *queue;

/* ---- a step of the device, and which kernel it launched ---- */

struct job {
    struct sdrt_attention_shape s;
    struct sdrt_attention_args a;
};

static int (*enqueue)(struct sdrt_stream *stream, const struct sdrt_launch *l);
static const char *launched;

static int noting(struct sdrt_stream *stream, const struct sdrt_launch *l)
{
    launched = sdrt_cuda_kernels[l->kernel].name;
    return enqueue(stream, l);
}

static int attend(const void *arg, const struct sdrt_exec *ex)
{
    const struct job *j = arg;

    enqueue = ex->stream->launch;
    ex->stream->launch = noting;
    const int status = device->ops->attention.attention(ex, &j->s, &j->a);
    ex->stream->launch = enqueue;
    return status;
}

static void run(const struct job *j, const char *text)
{
    struct sdrt_device_step step = { .run = attend, .arg = j, .nparts = 1 };

    launched = "none";
    sdrt_queue_run(queue, &step, 1);
    cr_assert_eq(sdrt_queue_wait(queue), SDRT_OK, "%s: %s", text, sdrt_queue_fault(queue));
}

/* ---- operands ---- */

/* Rows of one operand: what they are in 16 bits says, and where they lie on the device. */
struct operand {
    float *rounded;
    struct sdrt_device_memory *there;
};

static struct operand operand_of(uint64_t *rng, int rows, int pitch, float size)
{
    struct tbuf values = tbuf_floats((size_t)rows * (size_t)pitch);
    struct operand x = { 0 };

    trand_rows(rng, values.v, (size_t)rows, pitch, pitch, size);
    struct tbuf typed = ttyped_rows(values.v, tnarrow_type, (size_t)rows, (size_t)pitch,
                                    (size_t)pitch);
    x.rounded = trounded_rows(values.v, (size_t)rows, (size_t)pitch, (size_t)pitch, 1);
    cr_assert_eq(sdrt_device_alloc(&x.there, device, typed.bytes, queue, NULL), SDRT_OK);
    sdrt_queue_write(queue, x.there->base, typed.p, typed.bytes);
    tbuf_free(&values);
    tbuf_free(&typed);
    return x;
}

static void operand_free(struct operand *x)
{
    sdrt_device_free(&x->there);
    free(x->rounded);
}

/* ---- against the definition ---- */

/* Queries beside their own keys and values are a third of one product's rows, of another text's tokens they
 * are apart from these. */
static struct sdrt_attention_shape shape_of(const struct head *h, int is_cross, int on_gpu)
{
    const int heads = on_gpu || h->heads < 2 ? h->heads : 2, width = heads * h->channels;

    return (struct sdrt_attention_shape){
        .batch = on_gpu ? 2 : 1,
        .heads = heads,
        .head_dim = h->channels,
        .q_len = on_gpu ? h->tokens : FEW,
        .kv_len = is_cross ? 77
                  : on_gpu ? h->tokens
                           : FEW,
        .q_type = tnarrow_type,
        .k_type = tnarrow_type,
        .v_type = tnarrow_type,
        .o_type = is_cross ? SDRT_F32 : tnarrow_type,
        .q_pitch = is_cross ? width : 3 * width,
        .k_pitch = is_cross ? 2 * width : 3 * width,
        .v_pitch = is_cross ? 2 * width : 3 * width,
        .o_pitch = width + 8,
        .scale = 1.0f / sqrtf((float)h->channels),
    };
}

static void compare(const struct job *j, const double *want, struct sdrt_device_memory *there,
                    float size, const char *text)
{
    const struct sdrt_attention_shape *s = &j->s;
    const size_t queries = (size_t)s->batch * (size_t)s->q_len;
    const int width = s->heads * s->head_dim;
    struct tbuf o = tbuf_bytes(there->bytes);

    tbuf_nan(&o);
    sdrt_queue_write(queue, there->base, o.p, o.bytes);
    run(j, text);
    sdrt_queue_read(queue, o.p, there->base, o.bytes);
    cr_assert_eq(sdrt_queue_wait(queue), SDRT_OK, "%s", text);
    float *got = ttyped_values(&o, s->o_type);
    /* As in test_cuda_attention_wgmma.c: weights are rounded, and values differ by up to twice their size. */
    const struct tdiff d = tcompare(got, want, queries, width, s->o_pitch,
                                    2e-5 * (double)size +
                                        2.0 * (double)size * ttyped_error(tnarrow_type),
                                    3e-6 + ttyped_error(s->o_type));
    cr_expect_eq(d.bad, 0u, "%s by %s: %zu bad, max %.3g at %zu", text, launched, d.bad, d.max_abs,
                 d.at);
    cr_expect_lt(d.nmse, NMSE, "%s by %s: nmse %.2g", text, launched, d.nmse);
    cr_expect_eq(tgaps_written(got, queries, width, s->o_pitch), 0u, "%s: a gap", text);
    if (getenv("SDRT_TEST_VERBOSE"))
        fprintf(stderr, "%s by %s: max %.2e nmse %.1e\n", text, launched, d.max_abs, d.nmse);
    free(got);
    tbuf_free(&o);
}

static void check(const struct head *h, int is_cross, float size, const char *expected)
{
    const int on_gpu = getenv("SDRT_TEST_GPU") != NULL;
    struct job j = { .s = shape_of(h, is_cross, on_gpu) };
    const struct sdrt_attention_shape *s = &j.s;
    const int width = s->heads * s->head_dim, queries = s->batch * s->q_len;
    uint64_t rng = trand_seed();
    struct operand q = operand_of(&rng, queries, s->q_pitch, 1.0f), kv = { 0 };
    struct sdrt_device_memory *o;
    double *want = malloc((size_t)queries * (size_t)width * sizeof *want);
    char text[128];

    cr_assert_not_null(want);
    kv = is_cross ? operand_of(&rng, s->batch * s->kv_len, s->k_pitch, size) : q;
    /* Of one product's rows queries come first, then keys, then values. */
    const size_t k = is_cross ? 0 : (size_t)width, v = k + (size_t)width;
    const size_t bytes = sdrt_dtype_bytes(s->o_type, (size_t)queries * (size_t)s->o_pitch);
    cr_assert_eq(sdrt_device_alloc(&o, device, bytes, queue, NULL), SDRT_OK);
    j.a = (struct sdrt_attention_args){ q.there->base, kv.there->base + 2 * k,
                                        kv.there->base + 2 * v, o->base, NULL };
    snprintf(text, sizeof text, "%dx%dx%d %dx%d", s->batch, s->heads, s->head_dim, s->q_len,
             s->kv_len);
    oracle_attention(s, q.rounded, kv.rounded + k, kv.rounded + v, NULL, on_gpu ? CHECKED : 1,
                     want);
    compare(&j, want, o, size, text);
    cr_expect_str_eq(launched, expected, "%s", text);
    operand_free(&q);
    if (is_cross) operand_free(&kv);
    sdrt_device_free(&o);
    free(want);
}

/* ---- all heads, by one way ---- */

static void open_device(const char *way)
{
    const struct sdrt_cuda_options options = { 0 };
    struct sdrt_device *host = NULL;

    if (!getenv("SDRT_TEST_GPU")) setenv("SDRT_CUDA_LIBRARY", SDRT_CUDA_SHIM, 1);
    setenv("SDRT_CUDA_ATTENTION", way, 1);
    cr_assert_eq(sdrt_cpu_device_open(&host, 0, "generic", SDRT_PIN_NEVER, NULL), SDRT_OK);
    cr_assert_eq(sdrt_cuda_device_open(&device, &host, &options, NULL), SDRT_OK, "no GPU");
    cr_assert_eq(sdrt_queue_open(&queue, device, 1, NULL), SDRT_OK);
    if (!strcmp(sdrt_cuda_device_precision(device), "f16")) tnarrow_type = SDRT_F16;
}

static void check_all(const char *way)
{
    struct sdrt_cuda_facts facts;

    open_device(way);
    sdrt_cuda_device_facts(device, &facts);
    for (size_t i = 0; i < sizeof all_heads / sizeof *all_heads; i++) {
        const struct head *h = &all_heads[i];
        const int of_groups = facts.capability == 90 &&
                              (!strcmp(way, "warpgroups") || h->channels == 128);
        const char *expected = of_groups ? h->warpgroups : h->warps;
        check(h, 0, 1.0f, expected);
        check(h, 1, 1.0f, expected);
        check(h, 1, 8.0f, expected);
    }
    sdrt_queue_close(&queue);
    sdrt_device_close(&device);
}

Test(gpu_attention, by_warps) { check_all("warps"); }
Test(gpu_attention, by_warpgroups) { check_all("warpgroups"); }
