/* SPDX-License-Identifier: MIT
 *
 * Attention by products of warpgroups: against the definition in double, at every tail of queries, keys
 * and channels, the same bits in whatever order threads and blocks come; and where it is chosen.
 */
#include "bench/oracle/attention.h"
#include "kernels/cuda/attention_wgmma.h"
#include "kernels/cuda/cuda.h"
#include "kernels/stream.h"
#include "tests/cuda_level.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = 3 };

/* ---- which kernel the last launch was of ---- */

static int (*enqueue)(struct sdrt_stream *stream, const struct sdrt_launch *l);
static const char *launched;

static int noting(struct sdrt_stream *stream, const struct sdrt_launch *l)
{
    launched = sdrt_cuda_kernels[l->kernel].name;
    return enqueue(stream, l);
}

static int ignoring(struct sdrt_stream *stream, const struct sdrt_launch *l)
{
    (void)stream;
    launched = sdrt_cuda_kernels[l->kernel].name;
    return 0;
}

static void open_model(struct sdrt_ops *ops, enum sdrt_stream_attention kind)
{
    tcuda_ops_init(ops);
    struct sdrt_stream *stream = tcuda_stream();
    if (!enqueue) enqueue = stream->launch;
    stream->launch = noting;
    stream->attention = kind;
}

/* ---- right ---- */

struct size {
    int batch, heads, q_len, kv_len;
    int apart; /* elements between rows of o, beyond a row */
    int o_is_narrow;
    float keys; /* their size: of scores, and so of how one key stands out */
};

static struct sdrt_attention_shape shape_of(int channels, const struct size *z)
{
    const int width = z->heads * channels, fused = z->q_len == z->kv_len;

    return (struct sdrt_attention_shape){
        .batch = z->batch,
        .heads = z->heads,
        .head_dim = channels,
        .q_len = z->q_len,
        .kv_len = z->kv_len,
        .q_type = tnarrow_type,
        .k_type = tnarrow_type,
        .v_type = tnarrow_type,
        .o_type = z->o_is_narrow ? tnarrow_type : SDRT_F32,
        .q_pitch = fused ? 3 * width : width,
        .k_pitch = fused ? 3 * width : 2 * width,
        .v_pitch = fused ? 3 * width : 2 * width,
        .o_pitch = width + z->apart,
        .scale = 1.0f / sqrtf((float)channels),
    };
}

/* Rows of one operand, what they are in 16 bits, and what that says. */
struct operand {
    struct tbuf values, typed;
    float *rounded;
};

static struct operand operand_of(uint64_t *rng, int rows, int width, int pitch, float size)
{
    struct operand x = { .values = tbuf_floats((size_t)rows * (size_t)pitch) };

    trand_rows(rng, x.values.v, (size_t)rows, width, pitch, size);
    x.typed = ttyped_rows(x.values.v, tnarrow_type, (size_t)rows, (size_t)width, (size_t)pitch);
    x.rounded = trounded_rows(x.values.v, (size_t)rows, (size_t)width, (size_t)pitch, 1);
    return x;
}

static void operand_free(struct operand *x)
{
    tbuf_free(&x->values);
    tbuf_free(&x->typed);
    free(x->rounded);
}

/* The kernel's answers in all orders; the first one stays in o. */
static void run_orders(const struct sdrt_ops *ops, const struct sdrt_attention_shape *s,
                       const struct sdrt_attention_args *a, struct tbuf *o, const char *text)
{
    const struct sdrt_exec ex = { .nparts = 1 };
    struct tbuf first = tbuf_bytes(o->bytes);
    char name[32];

    snprintf(name, sizeof name, "attention_wgmma_%d", s->head_dim);
    for (int i = 0; i < ORDERS; i++) {
        tbuf_nan(o);
        cr_expect_eq(ops->attention.attention(&ex, s, a), 0, "%s", text);
        cr_expect_str_eq(launched, name, "%s", text);
        if (!i) memcpy(first.p, o->p, o->bytes);
        cr_expect_eq(memcmp(first.p, o->p, o->bytes), 0, "%s: order %d changes bits", text, i);
    }
    tbuf_free(&first);
}

static void check(int channels, const struct size *z)
{
    struct sdrt_ops ops;
    uint64_t rng = trand_seed();
    char text[160];

    tcuda_open(90);
    open_model(&ops, SDRT_ATTENTION_OF_WARPGROUPS);
    const struct sdrt_attention_shape s = shape_of(channels, z);
    const int width = s.heads * s.head_dim, queries = s.batch * s.q_len;
    struct operand q = operand_of(&rng, queries, width, s.q_pitch, 1.0f);
    struct operand k = operand_of(&rng, s.batch * s.kv_len, width, s.k_pitch, z->keys);
    struct operand v = operand_of(&rng, s.batch * s.kv_len, width, s.v_pitch, 1.0f);
    struct tbuf o = tbuf_bytes(sdrt_dtype_bytes(s.o_type, (size_t)queries * (size_t)s.o_pitch));
    double *want = malloc((size_t)(queries * width) * sizeof *want);
    const struct sdrt_attention_args a = { q.typed.p, k.typed.p, v.typed.p, o.p, NULL };

    snprintf(text, sizeof text, "%dx%dx%d %dx%d pitches %d %d %d keys %g", s.batch, s.heads,
             channels, s.q_len, s.kv_len, s.q_pitch, s.k_pitch, s.o_pitch, (double)z->keys);
    oracle_attention(&s, q.rounded, k.rounded, v.rounded, NULL, 1, want);
    run_orders(&ops, &s, &a, &o, text);
    float *got = ttyped_values(&o, s.o_type);
    /* Weights are rounded to 2^-8 of themselves, and values differ by up to 2. */
    const struct tdiff d = tcompare(got, want, (size_t)queries, width, s.o_pitch,
                                    2e-5 * (double)z->keys + 2.0 * ttyped_error(tnarrow_type),
                                    3e-6 + ttyped_error(s.o_type));
    cr_expect_eq(d.bad, 0u, "%s: %zu bad, max %.3g at %zu", text, d.bad, d.max_abs, d.at);
    cr_expect_eq(tgaps_written(got, (size_t)queries, width, s.o_pitch), 0u, "%s: a gap", text);
    operand_free(&q), operand_free(&k), operand_free(&v);
    tbuf_free(&o);
    free(got);
    free(want);
}

/* Every tail of both halves of a block's queries; one tile of keys and several, whole and not; keys that stand
 * out early and late; rows of o that may be stored in pairs and not. */
static void check_sizes(int channels)
{
    static const struct size all[] = {
        { 1, 1, 1, 1, 0, 0, 1.0f },     { 2, 2, 65, 15, 1, 1, 1.0f },
        { 1, 2, 128, 79, 2, 1, 30.0f }, { 2, 1, 63, 80, 0, 0, 1.0f },
        { 1, 1, 129, 81, 3, 0, 1.0f },  { 1, 2, 64, 128, 0, 1, 1.0f },
        { 1, 1, 3, 129, 0, 0, 30.0f },  { 1, 1, 127, 127, 0, 1, 1.0f },
        { 1, 1, 17, 257, 1, 0, 1.0f },  { 1, 1, 70, 400, 0, 1, 30.0f },
    };
    const int all_of_them = getenv("SDRT_CUDA_FULL") != NULL;
    const int n = (int)(sizeof all / sizeof *all);

    /* Else a half of them, another one of each head, and those that need several tiles always. */
    for (int i = 0; i < n; i++)
        if (all_of_them || i >= n - 2 || i % 2 == channels / 40 % 2) check(channels, &all[i]);
}

Test(cuda_attention_wgmma, head_40) { check_sizes(40); }
Test(cuda_attention_wgmma, head_64) { check_sizes(64); }
Test(cuda_attention_wgmma, head_80) { check_sizes(80); }
Test(cuda_attention_wgmma, head_128) { check_sizes(128); }
Test(cuda_attention_wgmma, head_160) { check_sizes(160); }

/* ---- where it is chosen ---- */

/* The kernel for an H100 of attention whose operands lie at `at`. */
static const char *chosen(const struct sdrt_attention_shape *s, enum sdrt_stream_attention kind,
                          size_t at)
{
    struct sdrt_ops ops;
    unsigned char *p = tcuda_upload("", 1);
    const struct sdrt_attention_args a = { p + at, p + at, p + at, p, NULL };
    const struct sdrt_exec ex = { .nparts = 1, .stream = tcuda_stream() };

    open_model(&ops, kind);
    sdrt_cuda_ops_init(&ops, tnarrow_type);
    ex.stream->launch = ignoring;
    ex.stream->multiprocessors = 132;
    launched = "none";
    cr_expect_eq(ops.attention.attention(&ex, s, &a), 0);
    tcuda_free(p);
    return launched;
}

Test(cuda_attention_wgmma, is_chosen_by_shape)
{
    const struct size picture = { 2, 8, 4096, 4096, 0, 1, 1.0f }, few = { 1, 1, 9, 9, 0, 1, 1.0f };
    struct sdrt_attention_shape s;

    tcuda_open(90);
    s = shape_of(64, &picture);
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_BY_MODEL, 0), "attention_wgmma_64");
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_OF_WARPS, 0), "attention_64");
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_BY_MODEL, 8), "attention_plain");
    s.q_pitch += 8; /* no multiple of a head */
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_OF_WARPGROUPS, 0), "attention_64");
    s = shape_of(64, &picture);
    s.biased = 1;
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_BY_MODEL, 0), "attention_plain");
    s = shape_of(40, &few); /* half a tile of keys */
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_BY_MODEL, 0), "attention_40");
    s = shape_of(128, &few); /* of which warps have none */
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_OF_WARPS, 0), "attention_wgmma_128");
    s = shape_of(96, &picture);
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_BY_MODEL, 0), "attention_plain");
    tcuda_stream()->tensor_map = NULL; /* a driver that has none */
    s = shape_of(64, &picture);
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_BY_MODEL, 0), "attention_64");
    tcuda_open(80);
    cr_expect_str_eq(chosen(&s, SDRT_ATTENTION_OF_WARPGROUPS, 0), "attention_64");
}

/* What a launch asks for is what the list says. */
Test(cuda_attention_wgmma, shared_memory_is_as_listed)
{
    static const int channels[] = { 40, 64, 80, 128, 160 };

    for (int i = 0; i < 5; i++)
        cr_expect_eq(sdrt_cuda_kernels[SDRT_CUDA_attention_wgmma_40 + i].shared,
                     (unsigned)SDRT_CUDA_ATTENTION_WGMMA_SHARED(channels[i]), "%d", channels[i]);
}
