/* SPDX-License-Identifier: MIT
 *
 * The types of a graph's tensors: which become bf16 where products are bf16, that all stay f32 where
 * they are not, and that what is computed stays the same.
 */
#include "kernels/isa.h"
#include "runtime/device/cpu.h"
#include "runtime/graph/program_internal.h"
#include "runtime/weights/weight_store.h"
#include "runtime/weights/weights.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_line(void *user, enum sdrt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    fprintf(stderr, "%s\n", text);
}

static const struct sdrt_log to_stderr = { print_line, NULL };

enum { TOKENS = 9, C = 64, HEADS = 2, WORKERS = 2 };

struct world {
    struct sdrt_random_weights *random;
    struct sdrt_weight_store   *store;
    struct sdrt_device *device;
    struct sdrt_queue  *queue;
    struct sdrt_graph  *g;
    sdrt_tensor in, carried, out; /* [1][1][TOKENS][..] */
};

/* The type that products are computed in. */
static enum sdrt_dtype products_of(unsigned isa)
{
    return isa & SDRT_ISA_ANY_BF16 ? SDRT_BF16 : isa & SDRT_ISA_ANY_F16 ? SDRT_F16 : SDRT_F32;
}

static enum sdrt_dtype packing_f16(const struct sdrt_packed_matrix *matrix)
{
    (void)matrix;
    return SDRT_F16;
}

/* products: F16 packs weights in f16, BF16 in bf16, any other leaves them. */
static void world_open(struct world *w, unsigned isa, enum sdrt_dtype products)
{
    sdrt_packing_policy *const packing = products == SDRT_F16    ? packing_f16
                                         : products == SDRT_BF16 ? sdrt_packing_bf16
                                                                 : sdrt_packing_as_stored;

    memset(w, 0, sizeof *w);
    cr_assert_eq(sdrt_random_weights_create(&w->random, SDRT_F32, 3, &to_stderr), SDRT_OK);
    const struct sdrt_weights_provider p = sdrt_random_weights_provider(w->random);
    cr_assert_eq(sdrt_weight_store_create(&w->store, &p, SDRT_F32, packing, &to_stderr), SDRT_OK);
    cr_assert_eq(sdrt_cpu_device_open(&w->device, isa, "test", SDRT_PIN_NEVER, &to_stderr),
                 SDRT_OK);
    cr_assert_eq(sdrt_queue_open(&w->queue, w->device, WORKERS, &to_stderr), SDRT_OK);
    cr_assert_eq(sdrt_graph_create(&w->g, "types", w->store, w->device->ops, &to_stderr), SDRT_OK);
}

static void world_close(struct world *w)
{
    sdrt_graph_free(&w->g);
    sdrt_weight_store_free(&w->store);
    sdrt_queue_close(&w->queue);
    sdrt_device_close(&w->device);
    sdrt_random_weights_free(&w->random);
}

static sdrt_tensor linear(struct sdrt_graph *g, sdrt_tensor x, const char *name, int n,
                          sdrt_tensor residual, sdrt_tensor into)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;

    spec.name = name;
    spec.n = n;
    spec.residual = residual;
    spec.into = into;
    return sdrt_graph_gemm(g, x, &spec);
}

static sdrt_tensor attend(struct sdrt_graph *g, const char *name, sdrt_tensor q, sdrt_tensor kv,
                          int at)
{
    return sdrt_graph_attention(g, name, q, sdrt_graph_slice(g, kv, at, C),
                                sdrt_graph_slice(g, kv, at + C, C), HEADS, 0);
}

/* A transformer's block: RMS norms of its queries and keys, keys and values that are carried from
 * another program, and a norm that is read by another norm too. */
static void build(struct world *w)
{
    struct sdrt_graph *g = w->g;
    struct sdrt_gemm_spec gated = sdrt_gemm_defaults;

    w->in = sdrt_graph_external(g, "in", SDRT_F32, 1, 1, TOKENS, C);
    w->carried = sdrt_graph_external(g, "carried", sdrt_graph_attention_type(g, HEADS, C), 1, 1,
                                     TOKENS, 2 * C);
    w->out = sdrt_graph_external(g, "out", SDRT_F32, 1, 1, TOKENS, C);
    linear(g, w->in, "to_kv", 2 * C, SDRT_NO_TENSOR, w->carried);
    const sdrt_tensor qkv = sdrt_graph_tensor(g, "qkv", 1, 1, TOKENS, 3 * C);
    const sdrt_tensor n1 = sdrt_graph_layer_norm(g, w->in, "norm1", 1e-5f, SDRT_NO_TENSOR);
    const sdrt_tensor q = sdrt_graph_slice(g, qkv, 0, C), k = sdrt_graph_slice(g, qkv, C, C);
    linear(g, n1, "to_qkv", 3 * C, SDRT_NO_TENSOR, qkv);
    sdrt_graph_rms_norm(g, q, "norm_q", HEADS, 1e-6f, q);
    sdrt_graph_rms_norm(g, k, "norm_k", HEADS, 1e-6f, k);
    sdrt_tensor x = linear(g, attend(g, "self", q, qkv, C), "to_out", C, w->in, SDRT_NO_TENSOR);
    const sdrt_tensor n2 = sdrt_graph_layer_norm(g, x, "norm2", 1e-5f, SDRT_NO_TENSOR);
    const sdrt_tensor q2 = linear(g, n2, "to_q2", C, SDRT_NO_TENSOR, SDRT_NO_TENSOR);
    x = linear(g, attend(g, "cross", q2, w->carried, 0), "to_out2", C, n2, SDRT_NO_TENSOR);
    const sdrt_tensor n3 = sdrt_graph_rms_norm(g, x, "norm3", 1, 1e-6f, SDRT_NO_TENSOR);
    gated.name = "inner";
    gated.n = 2 * C;
    gated.gated = 1;
    gated.act = SDRT_ACT_GELU;
    linear(g, sdrt_graph_gemm(g, n3, &gated), "last", C, x, w->out);
}

/* What attention reads, what linear layers do, and the rest. */
static const char *const attended[] = { "qkv", "to_q2", "carried" };
static const char *const multiplied[] = { "norm1", "self", "cross", "norm3", "inner" };
static const char *const wide[] = { "in", "to_out", "norm2", "to_out2", "out" };

static enum sdrt_dtype type_of(const struct sdrt_graph *g, const char *name)
{
    for (int i = 0; i < g->n_buffers; i++)
        if (!strcmp(g->buffers[i].name, name)) {
            const struct sdrt_buffer *b = &g->buffers[i];
            cr_expect_eq(b->bytes, sdrt_dtype_bytes(b->type, b->elements), "%s", name);
            return b->type;
        }
    cr_assert_fail("no buffer %s", name);
    return SDRT_DTYPES;
}

/* Runs what build() built and frees the program; the trace's sums of squares by node go to sums. */
struct seen {
    double sums[16];
    int n;
};

static int see(void *user, const char *name, const int dims[4], int pitch, const float *data)
{
    struct seen *s = user;
    double sum = 0.0;

    for (int r = 0; r < dims[0] * dims[1] * dims[2]; r++)
        for (int c = 0; c < dims[3]; c++) sum += pow((double)data[(long)r * pitch + c], 2.0);
    cr_expect(isfinite(sum) && sum > 0.0, "%s", name);
    s->sums[s->n++] = sum;
    return 0;
}

static void run(struct world *w, float out[TOKENS * C], struct seen *seen)
{
    struct tbuf in = tbuf_floats(TOKENS * C), carried = tbuf_floats(TOKENS * 2 * C);
    struct tbuf to = tbuf_floats(TOKENS * C);
    struct sdrt_program *p = NULL;
    uint64_t rng = 7;

    for (int i = 0; i < TOKENS * C; i++) in.v[i] = trand(&rng);
    cr_assert_eq(sdrt_program_create(&p, &w->g, w->device, WORKERS, &to_stderr), SDRT_OK);
    struct tbuf arena = tbuf_bytes(sdrt_program_peak(p) + 64);
    sdrt_program_bind(p, w->in, in.p);
    sdrt_program_bind(p, w->carried, carried.p);
    sdrt_program_bind(p, w->out, to.p);
    cr_assert_eq(sdrt_program_load(p, w->queue, NULL, NULL), SDRT_OK);
    cr_assert_eq(sdrt_program_link(p, arena.p), SDRT_OK);
    cr_assert_eq(sdrt_program_run(p, w->queue, NULL, NULL), SDRT_OK);
    memcpy(out, to.p, to.bytes);
    cr_assert_eq(sdrt_program_run(p, w->queue, see, seen), SDRT_OK);
    cr_expect(!memcmp(out, to.p, to.bytes), "a traced run gives another result");
    cr_expect(tbuf_ok(&arena) && tbuf_ok(&carried) && tbuf_ok(&to), "wrote outside a buffer");
    sdrt_program_free(&p);
    tbuf_free(&in), tbuf_free(&carried), tbuf_free(&to), tbuf_free(&arena);
}

static void check_types(const struct sdrt_graph *g, const char *level, enum sdrt_dtype attention,
                        enum sdrt_dtype linear_layers)
{
    for (size_t i = 0; i < sizeof attended / sizeof *attended; i++)
        cr_expect_eq(type_of(g, attended[i]), attention, "%s: %s", level, attended[i]);
    for (size_t i = 0; i < sizeof multiplied / sizeof *multiplied; i++)
        cr_expect_eq(type_of(g, multiplied[i]), linear_layers, "%s: %s", level, multiplied[i]);
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        cr_expect_eq(type_of(g, wide[i]), SDRT_F32, "%s: %s", level, wide[i]);
}

static void check_level(const char *level)
{
    const unsigned flags = tlevel(level);
    const int in_int16 = tint16_level(level), in_bf16 = (flags & SDRT_ISA_ANY_BF16) != 0;
    /* Integers are of the weights as they come. */
    const enum sdrt_dtype products = in_int16 ? SDRT_F32 : products_of(flags);
    /* Some ten roundings to 2^-9 each in turn in bf16, to 2^-12 in f16, whose sums round too, and to
     * some 2^-12 in integers. */
    const double limit = in_bf16                              ? 1e-2
                         : products == SDRT_F16 || in_int16 ? 2.5e-3
                                                              : 1e-5;
    float got[TOKENS * C], want[TOKENS * C];
    struct seen seen = { .n = 0 }, plain = { .n = 0 };
    double error = 0.0, size = 0.0;
    struct world w;

    world_open(&w, flags, products);
    build(&w);
    cr_assert_eq(sdrt_graph_set_types(w.g), SDRT_OK);
    check_types(w.g, level, in_bf16 ? SDRT_BF16 : SDRT_F32,
                products == SDRT_BF16 ? SDRT_BF16 : SDRT_F32);
    run(&w, got, &seen);
    world_close(&w);
    world_open(&w, 0, products);
    build(&w);
    run(&w, want, &plain);
    world_close(&w);
    for (int i = 0; i < TOKENS * C; i++) {
        error += pow((double)got[i] - (double)want[i], 2.0);
        size += pow((double)want[i], 2.0);
    }
    cr_expect_lt(sqrt(error / size), limit, "%s: %g", level, sqrt(error / size));
    cr_expect_eq(seen.n, plain.n);
    for (int i = 0; i < seen.n; i++)
        cr_expect_lt(fabs(seen.sums[i] / plain.sums[i] - 1.0), 2.0 * limit,
                     "%s: node %d is traced as %g, expected %g", level, i, seen.sums[i],
                     plain.sums[i]);
}

#define SDRT_LEVEL(level, ...) Test(types, block_##level) { check_level(#level); }
#include "kernels/levels.h"

/* An external tensor may have a type that the level's kernel does not write. */
Test(types, refuses_what_no_kernel_takes)
{
    struct sdrt_program *p = NULL;
    struct world w;

    world_open(&w, SDRT_ISA_BLAS, SDRT_BF16);
    const sdrt_tensor x = sdrt_graph_external(w.g, "x", SDRT_F32, 1, 1, TOKENS, C);
    const sdrt_tensor y = sdrt_graph_external(w.g, "y", SDRT_BF16, 1, 1, TOKENS, C);
    linear(w.g, x, "linear", C, SDRT_NO_TENSOR, y);
    cr_expect_eq(sdrt_program_create(&p, &w.g, w.device, WORKERS, &to_stderr), SDRT_E_UNSUPPORTED);
    cr_expect_null(p);
    world_close(&w);
}
