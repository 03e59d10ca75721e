/* SPDX-License-Identifier: MIT */
#include "kernels/cuda/cuda.h"
#include "kernels/stream.h"
#include "tests/cuda_call.h"
#include "tests/cuda_level.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the level, in the place of isa.c ---- */

const struct sdrt_isa_level sdrt_isa_levels[] = {
    { "cuda75", SDRT_ISA_CUDA75, SDRT_ISA_CUDA75 },
    { "cuda80", SDRT_ISA_CUDA80, SDRT_ISA_CUDA80 },
    { "cuda90", SDRT_ISA_CUDA90, SDRT_ISA_CUDA90 },
    { NULL, 0, 0 },
};

unsigned sdrt_isa_detect(void) { return SDRT_ISA_CUDA75 | SDRT_ISA_CUDA80 | SDRT_ISA_CUDA90; }

const struct sdrt_isa_level *sdrt_isa_find(const char *name)
{
    const struct sdrt_isa_level *l = sdrt_isa_levels;

    while (l->name && strcmp(l->name, name) != 0) l++;
    return l->name ? l : NULL;
}

/* Fewer shapes, where not all are asked for: the model takes a second for what a GPU does in a
 * microsecond.  SDRT_CUDA_FULL is I/N for share I, from 0 on, of N; 1 for all. */
__attribute__((constructor)) static void shorten(void)
{
    const char *asked = getenv("SDRT_CUDA_FULL"), *of = asked ? strchr(asked, '/') : NULL;

    if (!asked) setenv("SDRT_SHORT", "16", 1);
    if (!of) return;
    if (atoi(of + 1) < 2 || atoi(asked) < 0) {
        fprintf(stderr, "SDRT_CUDA_FULL=%s: expected 1, or a share as 0/4\n", asked);
        exit(2);
    }
    setenv("SDRT_SHORT", of + 1, 1);
    setenv("SDRT_SHARE", asked, 1); /* atoi ends where the digits do */
}

/* ---- the model as a driver ---- */

typedef int launch_fn(void *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                      unsigned bz, unsigned shared, void *stream, void **params, void **extra);

/* As the driver has them. */
struct launch_attribute {
    int id, pad, value, rest[15];
};
struct launch_config {
    unsigned gx, gy, gz, bx, by, bz, shared;
    void *stream;
    struct launch_attribute *attributes;
    unsigned n_attributes;
};
typedef int launch_ex_fn(const struct launch_config *c, void *f, void **params, void **extra);

typedef int encode_fn(void *map, int type, unsigned rank, void *base, const uint64_t *dims,
                      const uint64_t *strides, const uint32_t *box, const uint32_t *steps,
                      int interleave, int swizzle, int promotion, int fill);

static struct {
    struct tcuda shim;
    void *functions[SDRT_CUDA_KERNELS];
    int (*alloc)(void **p, size_t bytes);
    int (*free)(void *p);
    launch_fn *launch;
    launch_ex_fn *launch_ex;
    encode_fn *encode;
    struct sdrt_stream stream;
    int open, turn;
} driver;

static void look_up(void *library, const char *name, void *member)
{
    void *p = dlsym(library, name);

    if (!p) {
        fprintf(stderr, "the execution model lacks %s\n", name);
        abort();
    }
    memcpy(member, &p, sizeof p);
}

static int launch(struct sdrt_stream *stream, const struct sdrt_launch *l)
{
    void *params[] = { (void *)(uintptr_t)l->params };
    struct launch_attribute dependent = { .id = 6, .value = 1 };
    const struct launch_config c = {
        l->grid_x,  l->grid_y, l->grid_z,       sdrt_cuda_kernels[l->kernel].threads,
        1,          1,         l->shared_bytes, NULL,
        &dependent, 1
    };

    if (stream->dependent)
        return driver.launch_ex(&c, driver.functions[l->kernel], params, NULL) ? -1 : 0;
    return driver.launch(driver.functions[l->kernel], l->grid_x, l->grid_y, l->grid_z,
                         sdrt_cuda_kernels[l->kernel].threads, 1, 1, l->shared_bytes, NULL, params,
                         NULL)
               ? -1
               : 0;
}

static int tensor_map(struct sdrt_stream *stream, struct sdrt_tensor_map *map, const void *base,
                      int rank, const uint64_t *dims, const uint64_t *strides, const uint32_t *box,
                      const uint32_t *steps)
{
    enum { BF16 = 9, SWIZZLE_128 = 3, PROMOTE_128 = 2 };

    (void)stream;
    return driver.encode(map, BF16, (unsigned)rank, (void *)(uintptr_t)base, dims, strides, box,
                         steps, 0, SWIZZLE_128, PROMOTE_128, 0)
               ? -1
               : 0;
}

static void open_functions(void *library)
{
    int (*find)(void **f, void *module, const char *name), (*set)(void *f, int which, int value);

    look_up(library, "cuModuleGetFunction", &find);
    look_up(library, "cuFuncSetAttribute", &set);
    for (int i = 0; i < SDRT_CUDA_KERNELS; i++) {
        const struct sdrt_cuda_kernel *k = &sdrt_cuda_kernels[i];
        const unsigned shared = sdrt_cuda_shared(k, driver.stream.capability);
        if (find(&driver.functions[i], NULL, k->name) ||
            (shared > 48 << 10 && set(driver.functions[i], 8, (int)shared))) {
            fprintf(stderr, "the execution model has no kernel %s\n", k->name);
            abort();
        }
    }
}

/* Few multiprocessors, so that products of the tests' sizes take both tiles. */
static void open_driver(int capability)
{
    const char *path = capability < SDRT_CUDA_BF16 ? SDRT_CUDA_SHIM75 : SDRT_CUDA_SHIM;
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        abort();
    }
    look_up(library, "shim_plant", &driver.shim.plant);
    look_up(library, "shim_totals", &driver.shim.totals);
    look_up(library, "shim_totals_clear", &driver.shim.clear);
    look_up(library, "shim_set_order", &driver.shim.set_order);
    look_up(library, "shim_count_sectors", &driver.shim.count_sectors);
    look_up(library, "shim_sectors_of", &driver.shim.sectors_of);
    look_up(library, "cuMemAlloc_v2", &driver.alloc);
    look_up(library, "cuMemFree_v2", &driver.free);
    look_up(library, "cuLaunchKernel", &driver.launch);
    look_up(library, "cuLaunchKernelEx", &driver.launch_ex);
    look_up(library, "cuTensorMapEncodeTiled", &driver.encode);
    driver.stream = (struct sdrt_stream){ .launch = launch,
                                          .tensor_map = tensor_map,
                                          .capability = capability,
                                          .multiprocessors = 3 };
    const size_t counters = SDRT_STREAM_COUNTERS * sizeof *driver.stream.counters;
    void *p = NULL;
    if (driver.alloc(&p, counters)) abort();
    driver.stream.counters = memset(p, 0, counters);
    open_functions(library);
    driver.open = 1;
}

void tcuda_open(int capability)
{
    const int is_75 = capability < SDRT_CUDA_BF16;

    if (!driver.open) open_driver(capability);
    /* They are two libraries, and each test has a process of its own. */
    cr_assert_eq(is_75, driver.stream.capability < SDRT_CUDA_BF16);
    driver.stream.capability = capability;
    driver.stream.dependent = capability == 90;
    tnarrow_type = sdrt_cuda_narrow(capability);
}

const struct tcuda *tcuda_shim(void)
{
    if (!driver.open) tcuda_open(80);
    return &driver.shim;
}

struct sdrt_stream *tcuda_stream(void)
{
    (void)tcuda_shim();
    return &driver.stream;
}

int tcuda_counted(void)
{
    int n = 0;

    for (int i = 0; i < SDRT_STREAM_COUNTERS; i++) {
        n += driver.stream.counters[i] != 0;
        driver.stream.counters[i] = 0;
    }
    return n;
}

void *tcuda_upload(const void *host, size_t bytes)
{
    void *p = NULL;

    (void)tcuda_shim();
    if (!host) return NULL;
    if (driver.alloc(&p, bytes)) abort();
    memcpy(p, host, bytes);
    return p;
}

void tcuda_free(void *device)
{
    if (device) driver.free(device);
}

/* ---- operands ---- */

struct tcuda_call tcuda_begin(const struct sdrt_exec *ex, size_t scratch)
{
    struct tcuda_call c = { .ex = *ex };

    c.ex.stream = tcuda_stream();
    driver.shim.set_order((enum shim_order)(driver.turn++ % 3));
    if (scratch) {
        c.ex.scratch = tcuda_upload(ex->scratch, scratch);
        c.pieces[c.n++] = c.ex.scratch;
    }
    return c;
}

void *tcuda_copied(struct tcuda_call *c, const void *host, size_t bytes)
{
    void *p = host ? tcuda_upload(host, bytes) : NULL;

    cr_assert_lt(c->n, TCUDA_OPERANDS);
    c->pieces[c->n++] = p;
    return p;
}

size_t tcuda_rows_bytes(size_t rows, int width, int pitch, enum sdrt_dtype type)
{
    return rows ? sdrt_dtype_bytes(type, (rows - 1) * (size_t)pitch + (size_t)width) : 0;
}

void *tcuda_copied_rows(struct tcuda_call *c, const void *host, size_t rows, int width, int pitch,
                        enum sdrt_dtype type)
{
    return tcuda_copied(c, host, tcuda_rows_bytes(rows, width, pitch, type));
}

void tcuda_end(struct tcuda_call *c)
{
    const struct shim_result *r = driver.shim.totals();

    cr_expect_eq(r->ldmatrix_replays, 0, "%ld bank conflicts", r->ldmatrix_replays);
    cr_expect_eq(tcuda_counted(), 0, "a launch leaves counters that are not 0");
    driver.shim.clear();
    for (int i = 0; i < c->n; i++) tcuda_free(c->pieces[i]);
}

/* ---- families ---- */

static struct sdrt_ops device;

static int gemm(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a)
{
    if (ex->part) return device.gemm.gemm(ex, s, a);
    struct tcuda_call c = tcuda_begin(ex, device.gemm.scratch(s));
    const size_t m = (size_t)s->m, y_bytes = tcuda_rows_bytes(m, s->n, s->y_pitch, s->y_type);
    const int in_place = a->residual == a->y;
    struct sdrt_gemm_args d = {
        .a = tcuda_copied_rows(&c, a->a, m, s->k, s->a_pitch, s->a_type),
        .w = tcuda_copied(&c, a->w, device.gemm.pack_bytes(&s->w)),
        .bias = tcuda_copied(&c, a->bias, (size_t)(s->w.gated ? 2 * s->n : s->n) * sizeof(float)),
        .gate = tcuda_copied(&c, a->gate, (size_t)s->n * sizeof(float)),
        .y = tcuda_copied(&c, a->y, y_bytes),
    };
    d.residual = in_place
                     ? d.y
                     : tcuda_copied_rows(&c, a->residual, m, s->n, s->residual_pitch, SDRT_F32);
    const int status = device.gemm.gemm(&c.ex, s, &d);
    memcpy(a->y, d.y, y_bytes);
    tcuda_end(&c);
    return status;
}

static int conv2d(const struct sdrt_exec *ex, const struct sdrt_conv_shape *s,
                  const struct sdrt_conv_args *a)
{
    if (ex->part) return device.conv.conv2d(ex, s, a);
    struct tcuda_call c = tcuda_begin(ex, device.conv.scratch(s));
    const size_t in = (size_t)s->batch * (size_t)s->in_h * (size_t)s->in_w;
    const size_t out = (size_t)s->batch * (size_t)s->out_h * (size_t)s->out_w;
    const size_t y_bytes = tcuda_rows_bytes(out, s->out_c, s->y_pitch, s->y_type);
    const size_t chans = s->chan_pitch ? (size_t)s->batch : 1;
    const int in_place = a->residual == a->y;
    struct sdrt_conv_args d = {
        .x = tcuda_copied_rows(&c, a->x, in, s->in_c, s->x_pitch, SDRT_F32),
        .x2 = tcuda_copied_rows(&c, a->x2, in, s->in_c2, s->x2_pitch, SDRT_F32),
        .msb = tcuda_copied(&c, a->msb, (size_t)s->batch * 3 * (size_t)s->w.k * sizeof(float)),
        .w = tcuda_copied(&c, a->w, device.conv.pack_bytes(&s->w)),
        .bias = tcuda_copied(&c, a->bias, (size_t)s->out_c * sizeof(float)),
        .chan = tcuda_copied_rows(&c, a->chan, chans, s->out_c, s->chan_pitch, SDRT_F32),
        .y = tcuda_copied(&c, a->y, y_bytes),
    };
    d.residual = in_place ? d.y
                          : tcuda_copied_rows(&c, a->residual, out, s->out_c, s->residual_pitch,
                                              SDRT_F32);
    struct sdrt_conv_norm norm;
    if (a->norm) {
        norm = *a->norm;
        norm.gamma = tcuda_copied(&c, norm.gamma, (size_t)s->w.k * sizeof *norm.gamma);
        norm.beta = tcuda_copied(&c, norm.beta, (size_t)s->w.k * sizeof *norm.beta);
        d.norm = &norm;
    }
    const int status = device.conv.conv2d(&c.ex, s, &d);
    memcpy(a->y, d.y, y_bytes);
    tcuda_end(&c);
    return status;
}

static int attention(const struct sdrt_exec *ex, const struct sdrt_attention_shape *s,
                     const struct sdrt_attention_args *a)
{
    if (ex->part) return device.attention.attention(ex, s, a);
    struct tcuda_call c = tcuda_begin(ex, device.attention.scratch(s));
    const size_t queries = (size_t)s->batch * (size_t)s->q_len;
    const size_t keys = (size_t)s->batch * (size_t)s->kv_len;
    const int width = s->heads * s->head_dim;
    const size_t o_bytes = tcuda_rows_bytes(queries, width, s->o_pitch, s->o_type);
    const struct sdrt_attention_args d = {
        .q = tcuda_copied_rows(&c, a->q, queries, width, s->q_pitch, s->q_type),
        .k = tcuda_copied_rows(&c, a->k, keys, width, s->k_pitch, s->k_type),
        .v = tcuda_copied_rows(&c, a->v, keys, width, s->v_pitch, s->v_type),
        .o = tcuda_copied(&c, a->o, o_bytes),
        .bias = tcuda_copied(&c, a->bias,
                             (size_t)s->heads * (size_t)s->q_len * (size_t)s->kv_len *
                                 sizeof(float)),
    };
    const int status = device.attention.attention(&c.ex, s, &d);
    memcpy(a->o, d.o, o_bytes);
    tcuda_end(&c);
    return status;
}

static int gn_fold(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, const float *gamma, const float *beta, const double *sums,
                   float *msb)
{
    const size_t pixels = (size_t)s->batch * (size_t)s->pixels, all = (size_t)(s->c + s->c2);

    if (ex->part) return device.norm.gn_fold(ex, s, x, x2, gamma, beta, sums, msb);
    struct tcuda_call c = tcuda_begin(ex, 0);
    float *to = tcuda_copied(&c, msb, sdrt_gn_msb_bytes(s));
    const float *from = tcuda_copied_rows(&c, x, pixels, s->c, s->x_pitch, SDRT_F32);
    const float *from2 = tcuda_copied_rows(&c, x2, pixels, s->c2, s->x2_pitch, SDRT_F32);
    const float *g = tcuda_copied(&c, gamma, all * sizeof *g),
                *b = tcuda_copied(&c, beta, all * sizeof *b);
    const int status = device.norm.gn_fold(&c.ex, s, from, from2, g, b, NULL, to);
    memcpy(msb, to, sdrt_gn_msb_bytes(s));
    tcuda_end(&c);
    return status;
}

typedef int norm_fn(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                    const float *gain, const float *shift, void *y);

static int norm_rows(norm_fn *norm, const struct sdrt_exec *ex, const struct sdrt_ln_shape *s,
                     const float *x, const float *gain, const float *shift, void *y)
{
    const size_t rows = (size_t)s->rows,
                 bytes = tcuda_rows_bytes(rows, s->c, s->y_pitch, s->y_type);

    if (ex->part) return norm(ex, s, x, gain, shift, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    void *to = tcuda_copied(&c, y, bytes);
    const float *from = x == y ? to : tcuda_copied_rows(&c, x, rows, s->c, s->x_pitch, SDRT_F32);
    const float *g = tcuda_copied(&c, gain, (size_t)s->c * sizeof *g);
    const float *b = tcuda_copied(&c, shift, (size_t)s->c * sizeof *b);
    const int status = norm(&c.ex, s, from, g, b, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

static int layer_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gamma, const float *beta, void *y)
{
    return norm_rows(device.norm.layer_norm, ex, s, x, gamma, beta, y);
}

static int ada_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                    const float *scale, const float *shift, void *y)
{
    return norm_rows(device.norm.ada_norm, ex, s, x, scale, shift, y);
}

static int rms_norm(const struct sdrt_exec *ex, const struct sdrt_rms_shape *s, const void *x,
                    const float *gamma, void *y)
{
    const size_t rows = (size_t)s->rows;
    const int width = s->groups * s->width;
    const size_t bytes = tcuda_rows_bytes(rows, width, s->y_pitch, s->y_type);

    if (ex->part) return device.norm.rms_norm(ex, s, x, gamma, y);
    struct tcuda_call c = tcuda_begin(ex, 0);
    void *to = tcuda_copied(&c, y, bytes);
    const void *from = x == y ? to : tcuda_copied_rows(&c, x, rows, width, s->x_pitch, s->x_type);
    const float *g = tcuda_copied(&c, gamma, (size_t)s->width * sizeof *g);
    const int status = device.norm.rms_norm(&c.ex, s, from, g, to);
    memcpy(y, to, bytes);
    tcuda_end(&c);
    return status;
}

void tcuda_ops_init(struct sdrt_ops *ops)
{
    sdrt_cuda_ops_init(&device, tnarrow_type);
    *ops = device;
    ops->gemm.gemm = gemm;
    ops->conv.conv2d = conv2d;
    ops->attention.attention = attention;
    ops->norm.gn_fold = gn_fold;
    ops->norm.layer_norm = layer_norm;
    ops->norm.ada_norm = ada_norm;
    ops->norm.rms_norm = rms_norm;
    tcuda_elementwise_init(&ops->elementwise, &device.elementwise);
}

static struct sdrt_ops *filled(const char *level)
{
    static struct sdrt_ops ops;

    tcuda_open(atoi(level + strlen("cuda")));
    tcuda_ops_init(&ops);
    return &ops;
}

/* Families of which all devices have the same kernels are tested once; attention of warpgroups has a test of
 * its own. */
static void one_for_all(const char *level)
{
    if (!strcmp(level, "cuda90")) cr_skip_test("its kernels are those of cuda80");
}

void tgemm_init(struct sdrt_gemm_ops *ops, const char *level) { *ops = filled(level)->gemm; }
void tconv_init(struct sdrt_conv_ops *ops, const char *level) { *ops = filled(level)->conv; }
void tattention_init(struct sdrt_attention_ops *ops, const char *level)
{
    one_for_all(level);
    *ops = filled(level)->attention;
}

void tnorm_init(struct sdrt_norm_ops *ops, const char *level)
{
    one_for_all(level);
    *ops = filled(level)->norm;
}

void telementwise_init(struct sdrt_elementwise_ops *ops, const char *level)
{
    one_for_all(level);
    *ops = filled(level)->elementwise;
}
