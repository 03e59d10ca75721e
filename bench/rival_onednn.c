/* SPDX-License-Identifier: MIT
 *
 * oneDNN, versions 2 and 3, whose interfaces differ in how a primitive is described.  Weights
 * have the layout that it chooses; activations are channels-last, as ours.
 */
#include "config.h"

#include "bench/rivals.h"

#if HAVE_ONEDNN

#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
typedef dnnl_memory_desc_t tensor;
typedef const_dnnl_memory_desc_t const_tensor;
#else
typedef dnnl_memory_desc_t *tensor;
typedef const dnnl_memory_desc_t *const_tensor;
#endif

enum { SOURCE, WEIGHTS, BIAS, RESULT, OPERANDS };
static const int arguments[OPERANDS] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS,
                                         DNNL_ARG_DST };

struct sdrt_rival_work {
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    tensor tensors[OPERANDS];
#if DNNL_VERSION_MAJOR < 3
    dnnl_memory_desc_t storage[OPERANDS];
#endif
    dnnl_memory_t memory[OPERANDS];
};

static dnnl_engine_t engine;
static dnnl_stream_t stream;

/* GNU's OpenMP, when that is what the library brings along. */
extern void omp_set_num_threads(int threads) __attribute__((weak));

static void release(struct sdrt_rival_work **work)
{
    struct sdrt_rival_work *r = *work;

    if (!r) return;
    for (int i = 0; i < OPERANDS; i++) {
        if (r->memory[i]) dnnl_memory_destroy(r->memory[i]);
#if DNNL_VERSION_MAJOR >= 3
        if (r->tensors[i]) dnnl_memory_desc_destroy(r->tensors[i]);
#endif
    }
    if (r->primitive) dnnl_primitive_destroy(r->primitive);
    if (r->description) dnnl_primitive_desc_destroy(r->description);
    free(r);
    *work = NULL;
}

static int describe(struct sdrt_rival_work *r, int i, int rank, const dnnl_dims_t dims,
                    dnnl_data_type_t type, dnnl_format_tag_t tag)
{
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_tag(&r->tensors[i], rank, dims, type, tag) == dnnl_success;
#else
    r->tensors[i] = &r->storage[i];
    return dnnl_memory_desc_init_by_tag(r->tensors[i], rank, dims, type, tag) == dnnl_success;
#endif
}

static int describe_conv(struct sdrt_rival_work *r, const struct sdrt_conv_shape *s,
                         dnnl_data_type_t type)
{
    /* Upsampling is not part of it: the input is as large as the output then. */
    const int in_h = s->upsample == 2 ? s->out_h : s->in_h;
    const int in_w = s->upsample == 2 ? s->out_w : s->in_w;
    const dnnl_dims_t source = { s->batch, s->w.k, in_h, in_w };
    const dnnl_dims_t weights = { s->out_c, s->w.k, s->kernel, s->kernel }, bias = { s->out_c };
    const dnnl_dims_t result = { s->batch, s->out_c, s->out_h, s->out_w };
    const dnnl_dims_t strides = { s->stride, s->stride }, before = { s->pad, s->pad };
    const dnnl_dims_t dense = { 0, 0 };
    const dnnl_dims_t after = { (s->out_h - 1) * s->stride + s->kernel - in_h - s->pad,
                                (s->out_w - 1) * s->stride + s->kernel - in_w - s->pad };

    if (!describe(r, SOURCE, 4, source, type, dnnl_nhwc) ||
        !describe(r, WEIGHTS, 4, weights, type, dnnl_format_tag_any) ||
        !describe(r, BIAS, 1, bias, dnnl_f32, dnnl_x) ||
        !describe(r, RESULT, 4, result, type, dnnl_nhwc))
        return 0;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
               &r->description, engine, dnnl_forward_inference, dnnl_convolution_auto,
               r->tensors[SOURCE], r->tensors[WEIGHTS], r->tensors[BIAS], r->tensors[RESULT],
               strides, dense, before, after, NULL) == dnnl_success;
#else
    dnnl_convolution_desc_t d;
    (void)dense;
    return dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, dnnl_convolution_auto,
                                              r->tensors[SOURCE], r->tensors[WEIGHTS],
                                              r->tensors[BIAS], r->tensors[RESULT], strides,
                                              before, after) == dnnl_success &&
           dnnl_primitive_desc_create(&r->description, &d, NULL, engine, NULL) == dnnl_success;
#endif
}

static int describe_product(struct sdrt_rival_work *r, int m, int n, int k, dnnl_data_type_t type)
{
    const dnnl_dims_t source = { m, k }, weights = { k, n }, bias = { 1, n }, result = { m, n };

    if (!describe(r, SOURCE, 2, source, type, dnnl_ab) ||
        !describe(r, WEIGHTS, 2, weights, type, dnnl_format_tag_any) ||
        !describe(r, BIAS, 2, bias, dnnl_f32, dnnl_ab) ||
        !describe(r, RESULT, 2, result, type, dnnl_ab))
        return 0;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(&r->description, engine, r->tensors[SOURCE],
                                             r->tensors[WEIGHTS], r->tensors[BIAS],
                                             r->tensors[RESULT], NULL) == dnnl_success;
#else
    dnnl_matmul_desc_t d;
    return dnnl_matmul_desc_init(&d, r->tensors[SOURCE], r->tensors[WEIGHTS], r->tensors[BIAS],
                                 r->tensors[RESULT]) == dnnl_success &&
           dnnl_primitive_desc_create(&r->description, &d, NULL, engine, NULL) == dnnl_success;
#endif
}

/* Memory in the layout that was chosen, of ordinary numbers in either type: 0x3c is the upper
 * byte of about 0.01. */
static int allocate(struct sdrt_rival_work *r, int i)
{
    const const_tensor t = dnnl_primitive_desc_query_md(r->description, dnnl_query_exec_arg_md,
                                                        arguments[i]);
    void *data;

    if (!t || dnnl_memory_create(&r->memory[i], t, engine, DNNL_MEMORY_ALLOCATE) != dnnl_success ||
        dnnl_memory_get_data_handle(r->memory[i], &data) != dnnl_success)
        return 0;
    memset(data, 0x3c, dnnl_memory_desc_get_size(t));
    return 1;
}

static struct sdrt_rival_work *prepare(struct sdrt_rival_work *r, int described)
{
    int ok = described;

    for (int i = 0; i < OPERANDS && ok; i++) ok = allocate(r, i);
    if (!ok || dnnl_primitive_create(&r->primitive, r->description) != dnnl_success) release(&r);
    return r;
}

static struct sdrt_rival_work *set(const struct sdrt_job *j, int bf16)
{
    const dnnl_data_type_t type = bf16 ? dnnl_bf16 : dnnl_f32;
    const struct sdrt_gemm_shape *g = &j->u.gemm;
    struct sdrt_rival_work *r = NULL;

    if (!stream || (j->family != SDRT_FAMILY_GEMM && j->family != SDRT_FAMILY_CONV)) return NULL;
    r = calloc(1, sizeof *r);
    if (!r) return NULL;
    if (j->family == SDRT_FAMILY_CONV)
        return prepare(r, describe_conv(r, &j->u.conv, type));
    return prepare(r, describe_product(r, g->m, g->n * (g->w.gated ? 2 : 1), g->k, type));
}

static void run(struct sdrt_rival_work *r)
{
    dnnl_exec_arg_t operands[OPERANDS];

    for (int i = 0; i < OPERANDS; i++)
        operands[i] = (dnnl_exec_arg_t){ arguments[i], r->memory[i] };
    dnnl_primitive_execute(r->primitive, stream, OPERANDS, operands);
    dnnl_stream_wait(stream);
}

static const struct sdrt_rival onednn = { "oneDNN", set, run, release };
const struct sdrt_rival *const sdrt_rival_onednn = &onednn;

void sdrt_onednn_start(int threads)
{
    struct sdrt_rival_work *r;

    if (omp_set_num_threads) omp_set_num_threads(threads);
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success ||
        dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) != dnnl_success)
        return;
    r = calloc(1, sizeof *r);
    if (r) r = prepare(r, describe_product(r, 512, 512, 512, dnnl_f32));
    if (r) run(r); /* starts its threads */
    release(&r);
}

#else

const struct sdrt_rival *const sdrt_rival_onednn = NULL;
void sdrt_onednn_start(int threads) { (void)threads; }

#endif
