/* SPDX-License-Identifier: MIT
 *
 * Faults that are planted in CUDA's kernels, one at each barrier, wait, fence and bound, and what the
 * execution model must find of each.  Results of some of them are right.
 */
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/launch.h"
#include "kernels/stream.h"
#include "tests/cuda_level.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CONFLICTS = SHIM_FAULTS, /* slow, and right */
    COUNTED,                 /* counters that are not 0 afterwards */
    WRONG,                   /* another result than in double */
};
static long wrong; /* results of the runs since this was 0 */

/* n values in device memory, of the type, between -1 and 1. */
static void *values(size_t n, enum sdrt_dtype type)
{
    uint64_t rng = trand_seed();
    struct tbuf b = tbuf_bytes(sdrt_dtype_bytes(type, n));

    for (size_t i = 0; i < n; i++) tencode((double)trand(&rng), type, b.p, i);
    void *p = tcuda_upload(b.p, b.bytes);
    tbuf_free(&b);
    return p;
}

static struct sdrt_exec exec(void)
{
    return (struct sdrt_exec){ .nparts = 1, .stream = tcuda_stream() };
}

/* Tiles that are cut both ways, and k long enough for the ring to come round. */
static void run_product(const struct sdrt_ops *ops, enum sdrt_dtype stored)
{
    const struct sdrt_gemm_shape s = {
        .m = 63,
        .n = 63,
        .k = 280,
        .a_type = stored,
        .y_type = SDRT_F32,
        .a_pitch = 280,
        .y_pitch = 63,
        .w = { .n = 63, .k = 280, .taps = 1, .stored = stored },
    };
    const struct sdrt_exec ex = exec();
    void *a = values(63 * 280, stored), *y = values(63 * 63, SDRT_F32);
    void *w = values(63 * 280, stored);
    const struct sdrt_gemm_args g = { .a = a, .w = w, .y = y };

    (void)ops->gemm.gemm(&ex, &s, &g);
    tcuda_free(a), tcuda_free(y), tcuda_free(w);
}

static void run_narrow(const struct sdrt_ops *ops) { run_product(ops, tnarrow_type); }
static void run_f32(const struct sdrt_ops *ops) { run_product(ops, SDRT_F32); }

/* Of a prologue, or of the source itself. */
static void run_conv_of(const struct sdrt_ops *ops, enum sdrt_prologue prologue)
{
    enum { SIDE = 6, C = 24, PIXELS = SIDE * SIDE };
    const struct sdrt_conv_shape s = {
        .batch = 1,
        .in_h = SIDE,
        .in_w = SIDE,
        .in_c = C,
        .out_h = SIDE,
        .out_w = SIDE,
        .out_c = C,
        .kernel = 3,
        .stride = 1,
        .upsample = 1,
        .pad = 1,
        .x_pitch = C,
        .y_pitch = C,
        .prologue = prologue,
        .w = { .n = C, .k = C, .taps = 9, .stride = 1, .stored = tnarrow_type },
    };
    struct sdrt_exec ex = exec();
    void *x = values(PIXELS * C, SDRT_F32), *y = values(PIXELS * C, SDRT_F32);
    void *w = values(9 * C * C, tnarrow_type);
    float *msb = values(3 * C, SDRT_F32);
    const struct sdrt_conv_args a = { .x = x, .w = w, .y = y, .msb = msb };

    ex.scratch = values(PIXELS * C, tnarrow_type);
    (void)ops->conv.conv2d(&ex, &s, &a);
    tcuda_free(x), tcuda_free(y), tcuda_free(w), tcuda_free(ex.scratch), tcuda_free(msb);
}

static void run_conv(const struct sdrt_ops *ops) { run_conv_of(ops, SDRT_PROLOGUE_NORM); }
static void run_read(const struct sdrt_ops *ops) { run_conv_of(ops, SDRT_PROLOGUE_NONE); }

/* A 1x1 convolution with its norm, of channels that are no whole pieces. */
static void run_norm_operand(const struct sdrt_ops *ops)
{
    enum { C = 20, PIXELS = 900 }; /* more than few values */
    const struct sdrt_conv_shape s = {
        .batch = 1,
        .in_h = 1,
        .in_w = PIXELS,
        .in_c = C,
        .out_h = 1,
        .out_w = PIXELS,
        .out_c = 8,
        .kernel = 1,
        .stride = 1,
        .upsample = 1,
        .x_pitch = C,
        .y_pitch = 8,
        .prologue = SDRT_PROLOGUE_NORM_SILU,
        .w = { .n = 8, .k = C, .taps = 1, .stride = 1, .stored = tnarrow_type },
    };
    struct sdrt_exec ex = exec();
    void *x = values(PIXELS * C, SDRT_F32), *y = values(PIXELS * 8, SDRT_F32);
    void *w = values(8 * 24, tnarrow_type);
    float *gamma = values(C, SDRT_F32), *beta = values(C, SDRT_F32);
    const struct sdrt_conv_norm norm = { gamma, beta, .groups = 2, .eps = 1e-5f };
    const struct sdrt_conv_args a = { .x = x, .w = w, .y = y, .norm = &norm };

    ex.scratch = values(PIXELS * 24, tnarrow_type);
    (void)ops->conv.conv2d(&ex, &s, &a);
    tcuda_free(x), tcuda_free(y), tcuda_free(w), tcuda_free(ex.scratch);
    tcuda_free(gamma), tcuda_free(beta);
}

static void run_attention_of(const struct sdrt_ops *ops, int head_dim, int tokens)
{
    const struct sdrt_attention_shape s = {
        .batch = 1,
        .heads = 1,
        .head_dim = head_dim,
        .q_len = tokens,
        .kv_len = tokens,
        .q_type = tnarrow_type,
        .k_type = tnarrow_type,
        .v_type = tnarrow_type,
        .o_type = SDRT_F32,
        .q_pitch = head_dim,
        .k_pitch = head_dim,
        .v_pitch = head_dim,
        .o_pitch = head_dim,
        .scale = 0.1f,
    };
    const size_t n = (size_t)(tokens * head_dim);
    const struct sdrt_exec ex = exec();
    void *q = values(n, tnarrow_type), *k = values(n, tnarrow_type), *v = values(n, tnarrow_type);
    void *o = values(n, SDRT_F32);
    const struct sdrt_attention_args a = { .q = q, .k = k, .v = v, .o = o };

    (void)ops->attention.attention(&ex, &s, &a);
    tcuda_free(q), tcuda_free(k), tcuda_free(v), tcuda_free(o);
}

static void run_attention(const struct sdrt_ops *ops) { run_attention_of(ops, 64, 200); }
static void run_large_attention(const struct sdrt_ops *ops) { run_attention_of(ops, 160, 200); }
static void run_plain_attention(const struct sdrt_ops *ops) { run_attention_of(ops, 24, 37); }

/* By warpgroups: several tiles of which the last one is cut, and a block whose second half is. */
static void run_attention_wgmma(const struct sdrt_ops *ops)
{
    tcuda_open(90);
    tcuda_stream()->attention = SDRT_ATTENTION_OF_WARPGROUPS;
    run_attention_of(ops, 40, 100);
    run_attention_of(ops, 80, 270);
    tcuda_open(80);
}

/* Of one key, whose value is what all queries get. */
static void run_one_key(const struct sdrt_ops *ops)
{
    enum { D = 64, QUERIES = 3 };
    const struct sdrt_attention_shape s = {
        .batch = 1,
        .heads = 1,
        .head_dim = D,
        .q_len = QUERIES,
        .kv_len = 1,
        .q_type = tnarrow_type,
        .k_type = tnarrow_type,
        .v_type = tnarrow_type,
        .o_type = SDRT_F32,
        .q_pitch = D,
        .k_pitch = D,
        .v_pitch = D,
        .o_pitch = D,
        .scale = 0.1f,
    };
    const struct sdrt_exec ex = exec();
    void *q = values(QUERIES * D, tnarrow_type), *k = values(D, tnarrow_type);
    void *v = values(D, tnarrow_type);
    float *o = values(QUERIES * D, SDRT_F32);
    const struct sdrt_attention_args a = { .q = q, .k = k, .v = v, .o = o };

    tcuda_open(90);
    tcuda_stream()->attention = SDRT_ATTENTION_OF_WARPGROUPS;
    (void)ops->attention.attention(&ex, &s, &a);
    for (size_t i = 0; i < QUERIES * D; i++)
        wrong += fabs((double)o[i] - tdecode(v, tnarrow_type, i % D)) > 1e-6;
    tcuda_free(q), tcuda_free(k), tcuda_free(v), tcuda_free(o);
    tcuda_open(80);
}

static void run_group_norm(const struct sdrt_ops *ops)
{
    const struct sdrt_gn_shape s = { .batch = 1,
                                     .pixels = 100,
                                     .c = 8,
                                     .x_pitch = 8,
                                     .groups = 2,
                                     .eps = 1e-5f };
    const struct sdrt_exec ex = exec();
    float *x = values(800, SDRT_F32), *gamma = values(8, SDRT_F32), *beta = values(8, SDRT_F32);
    float *msb = values(24, SDRT_F32);

    (void)ops->norm.gn_fold(&ex, &s, x, NULL, gamma, beta, NULL, msb);
    tcuda_free(x), tcuda_free(gamma), tcuda_free(beta), tcuda_free(msb);
}

static void run_layer_norm(const struct sdrt_ops *ops)
{
    const struct sdrt_ln_shape s = { .rows = 5,
                                     .c = 40,
                                     .x_pitch = 40,
                                     .y_pitch = 40,
                                     .eps = 1e-5f };
    const struct sdrt_exec ex = exec();
    float *x = values(200, SDRT_F32), *g = values(40, SDRT_F32), *y = values(200, SDRT_F32);

    (void)ops->norm.layer_norm(&ex, &s, x, g, g, y);
    tcuda_free(x), tcuda_free(g), tcuda_free(y);
}

static void run_rms_norm(const struct sdrt_ops *ops)
{
    const struct sdrt_rms_shape s = { .rows = 5,
                                      .groups = 1,
                                      .width = 40,
                                      .x_pitch = 40,
                                      .y_pitch = 40,
                                      .eps = 1e-6f };
    const struct sdrt_exec ex = exec();
    float *x = values(200, SDRT_F32), *g = values(40, SDRT_F32), *y = values(200, SDRT_F32);

    (void)ops->norm.rms_norm(&ex, &s, x, g, y);
    tcuda_free(x), tcuda_free(g), tcuda_free(y);
}

static void run_elementwise(const struct sdrt_ops *ops)
{
    const struct sdrt_exec ex = exec();
    float *x = values(50, SDRT_F32), *y = values(50, SDRT_F32);

    (void)ops->elementwise.to_nchw(&ex, 1, 10, 5, 1.0f, x, y);
    tcuda_free(x), tcuda_free(y);
}

static void run_low_frequencies(const struct sdrt_ops *ops)
{
    const struct sdrt_low_shape s = { .batch = 1, .h = 3, .w = 5, .c = 7, .gain = 0.5f };
    const struct sdrt_exec ex = exec();
    float *x = values(3 * 5 * 7, SDRT_F32);

    (void)ops->elementwise.low_frequencies(&ex, &s, x);
    tcuda_free(x);
}

/* Weights of 8 bits with rows of bf16. */
static void run_f8(const struct sdrt_ops *ops)
{
    const struct sdrt_gemm_shape s = {
        .m = 63,
        .n = 63,
        .k = 280,
        .a_type = tnarrow_type,
        .y_type = SDRT_F32,
        .a_pitch = 280,
        .y_pitch = 63,
        .w = { .n = 63, .k = 280, .taps = 1, .stored = SDRT_F8_E4M3 },
    };
    const struct sdrt_exec ex = exec();
    void *a = values(63 * 280, tnarrow_type), *y = values(63 * 63, SDRT_F32);
    uint8_t bytes[63 * 280];
    memset(bytes, 0x35, sizeof bytes);
    void *w = tcuda_upload(bytes, sizeof bytes);
    const struct sdrt_gemm_args g = { .a = a, .w = w, .y = y };

    (void)ops->gemm.gemm(&ex, &s, &g);
    tcuda_free(a), tcuda_free(y), tcuda_free(w);
}

/* The same on a device of capability 9.0. */
static void run_wgmma(const struct sdrt_ops *ops)
{
    tcuda_open(90);
    run_narrow(ops);
    run_conv(ops);
    tcuda_open(80);
}

/* One tile whose k three blocks share.  All weights are 1/4, so that a row's sum says all. */
static void run_split(const struct sdrt_ops *ops)
{
    enum { M = 5, N = 7, K = 2576 };
    const struct sdrt_gemm_shape s = {
        .m = M,
        .n = N,
        .k = K,
        .a_type = tnarrow_type,
        .y_type = SDRT_F32,
        .a_pitch = K,
        .y_pitch = N,
        .w = { .n = N, .k = K, .taps = 1, .stored = tnarrow_type },
    };
    struct sdrt_exec ex = exec();
    struct tbuf w = tbuf_bytes(sdrt_dtype_bytes(tnarrow_type, N * K));
    void *a = values(M * K, tnarrow_type);
    float *y = values(M * N, SDRT_F32);
    for (size_t i = 0; i < N * K; i++) tencode(0.25, tnarrow_type, w.p, i);
    void *on_device = tcuda_upload(w.p, w.bytes);
    const struct sdrt_gemm_args g = { .a = a, .w = on_device, .y = y };

    ex.scratch = values(ops->gemm.scratch(&s) / sizeof(float), SDRT_F32);
    (void)ops->gemm.gemm(&ex, &s, &g);
    for (int i = 0; i < M * N; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < K; k++)
            sum += 0.25 * tdecode(a, tnarrow_type, (size_t)(i / N) * K + k);
        wrong += fabs(sum - (double)y[i]) > 1e-3;
    }
    tcuda_free(a), tcuda_free(y), tcuda_free(on_device), tcuda_free(ex.scratch);
    tbuf_free(&w);
}

/* One launch on what another one wrote, of a device where the second may begin before the first is over. */
static void run_twice(const struct sdrt_ops *ops)
{
    const struct sdrt_exec ex = exec();
    float *x = values(50, SDRT_F32), *y = values(50, SDRT_F32);

    tcuda_open(90);
    (void)ops->elementwise.to_nchw(&ex, 1, 10, 5, 1.0f, x, y);
    (void)ops->elementwise.to_nchw(&ex, 1, 10, 5, 1.0f, y, x);
    tcuda_free(x), tcuda_free(y);
    tcuda_open(80);
}

/* An operand that is made, and its product. */
static void run_conv_wgmma(const struct sdrt_ops *ops)
{
    tcuda_open(90);
    run_conv(ops);
    tcuda_open(80);
}

static void run_split_wgmma(const struct sdrt_ops *ops)
{
    tcuda_open(90);
    run_split(ops);
    tcuda_open(80);
}

typedef void run_fn(const struct sdrt_ops *ops);

static const struct {
    const char *fault;
    run_fn *run;
    int finds; /* enum shim_fault, CONFLICTS, COUNTED or WRONG */
    int only;  /* 75, 80: on that device alone */
} planted[] = {
    { "product_no_barrier", run_narrow, SHIM_RACE, 0 },
    { "product_short_wait", run_narrow, SHIM_IN_FLIGHT, 80 },
    { "product_swizzle", run_narrow, CONFLICTS, 0 },
    { "product_tile_early", run_narrow, SHIM_RACE, 0 },
    { "product_tile_late", run_narrow, SHIM_RACE, 0 },
    { "product_tile_again", run_narrow, SHIM_RACE, 75 },
    { "product_bound_m", run_narrow, SHIM_BOUNDS, 0 },
    { "product_bound_n", run_narrow, SHIM_BOUNDS, 0 },
    { "product_bound_store", run_narrow, SHIM_BOUNDS, 0 },
    { "product_bound_y", run_conv, SHIM_BOUNDS, 0 },
    { "product_f8_bound_n", run_f8, SHIM_BOUNDS, 0 },
    { "product_no_barrier", run_f8, SHIM_RACE, 0 },
    { "product_no_barrier", run_read, SHIM_RACE, 0 },
    { "product_short_wait", run_read, SHIM_IN_FLIGHT, 80 },
    { "product_read_bound_m", run_read, SHIM_BOUNDS, 0 },
    { "product_read_bound_y", run_read, SHIM_BOUNDS, 0 },
    { "product_read_bound_k", run_read, SHIM_BOUNDS, 0 },
    { "prepare_bound", run_conv, SHIM_BOUNDS, 0 },
    { "product_f32_no_barrier_before", run_f32, SHIM_RACE, 0 },
    { "product_f32_no_barrier_after", run_f32, SHIM_RACE, 0 },
    { "product_f32_bound_m", run_f32, SHIM_BOUNDS, 0 },
    { "product_f32_bound_n", run_f32, SHIM_BOUNDS, 0 },
    { "launch_no_wait", run_twice, SHIM_PREVIOUS, 80 },
    { "launch_no_wait", run_conv_wgmma, SHIM_PREVIOUS, 80 },
    { "launch_no_wait", run_attention_wgmma, SHIM_PREVIOUS, 80 },
    { "wgmma_early_pixels", run_conv_wgmma, SHIM_PREVIOUS, 80 },
    { "wgmma_no_full", run_wgmma, SHIM_IN_FLIGHT, 80 },
    { "wgmma_no_free", run_wgmma, SHIM_MISUSE, 80 },
    { "wgmma_early_free", run_wgmma, SHIM_IN_FLIGHT, 80 },
    { "wgmma_bytes", run_wgmma, SHIM_DEADLOCK, 80 },
    { "wgmma_no_fence", run_wgmma, SHIM_MISUSE, 80 },
    { "wgmma_no_wait", run_wgmma, SHIM_IN_FLIGHT, 80 },
    { "wgmma_tile_early", run_wgmma, SHIM_IN_FLIGHT, 80 },
    { "wgmma_tile_late", run_wgmma, SHIM_RACE, 80 },
    { "wgmma_bound", run_wgmma, SHIM_BOUNDS, 80 },
    { "split_no_release", run_split, SHIM_BLOCKS, 0 },
    { "split_no_release", run_split_wgmma, SHIM_BLOCKS, 80 },
    { "split_no_acquire", run_split, SHIM_BLOCKS, 0 },
    { "split_no_acquire", run_split_wgmma, SHIM_BLOCKS, 80 },
    { "split_early", run_split, SHIM_BLOCKS, 0 },
    { "split_early", run_split_wgmma, SHIM_BLOCKS, 80 },
    { "split_late", run_split, SHIM_RACE, 0 },
    { "split_late", run_split_wgmma, SHIM_RACE, 80 },
    { "split_not_reset", run_split, COUNTED, 0 },
    { "split_not_reset", run_split_wgmma, COUNTED, 80 },
    { "split_left_out", run_split, WRONG, 0 },
    { "split_left_out", run_split_wgmma, WRONG, 80 },
    { "split_twice", run_split, WRONG, 0 },
    { "split_twice", run_split_wgmma, WRONG, 80 },
    { "split_step", run_split, WRONG, 0 },
    { "split_step", run_split_wgmma, WRONG, 80 },
    { "attention_no_barrier", run_attention, SHIM_RACE, 0 },
    { "attention_tile_early", run_attention, SHIM_RACE, 75 },
    { "attention_tile_early", run_large_attention, SHIM_RACE, 75 },
    { "attention_queries_early", run_attention, SHIM_UNWRITTEN, 75 },
    { "attention_no_barrier", run_large_attention, SHIM_RACE, 0 },
    { "attention_bound", run_large_attention, SHIM_BOUNDS, 0 },
    { "attention_no_wait", run_attention, SHIM_IN_FLIGHT, 80 },
    { "attention_bound", run_attention, SHIM_BOUNDS, 0 },
    { "attention_bound_store", run_attention, SHIM_BOUNDS, 0 },
    { "attention_wgmma_no_init", run_attention_wgmma, SHIM_MISUSE, 80 },
    { "attention_wgmma_no_init_fence", run_attention_wgmma, SHIM_MISUSE, 80 },
    { "attention_wgmma_no_free", run_attention_wgmma, SHIM_MISUSE, 80 },
    { "attention_wgmma_bytes", run_attention_wgmma, SHIM_DEADLOCK, 80 },
    { "attention_wgmma_no_queries", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_keys", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_next_keys", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_values", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_last_values", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_scores_fence", run_attention_wgmma, SHIM_MISUSE, 80 },
    { "attention_wgmma_no_values_fence", run_attention_wgmma, SHIM_MISUSE, 80 },
    { "attention_wgmma_no_first", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_scores", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_outputs", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_no_last", run_attention_wgmma, SHIM_IN_FLIGHT, 80 },
    { "attention_wgmma_keys", run_one_key, WRONG, 80 },
    { "attention_wgmma_bound", run_attention_wgmma, SHIM_BOUNDS, 80 },
    { "attention_plain_no_barrier", run_plain_attention, SHIM_RACE, 0 },
    { "attention_plain_bound", run_plain_attention, SHIM_BOUNDS, 0 },
    { "attention_plain_keys", run_plain_attention, SHIM_BOUNDS, 0 },
    { "norm_no_barrier", run_group_norm, SHIM_RACE, 0 },
    { "norm_same_place", run_group_norm, SHIM_RACE, 0 },
    { "norm_bound", run_group_norm, SHIM_BOUNDS, 0 },
    { "norm_no_barrier", run_norm_operand, SHIM_RACE, 0 },
    { "norm_same_place", run_norm_operand, SHIM_RACE, 0 },
    { "norm_operand_bound", run_norm_operand, SHIM_BOUNDS, 0 },
    { "norm_operand_rest", run_norm_operand, SHIM_BOUNDS, 0 },
    { "layer_norm_bound", run_layer_norm, SHIM_BOUNDS, 0 },
    { "rms_norm_bound", run_rms_norm, SHIM_BOUNDS, 0 },
    { "low_no_barrier", run_low_frequencies, SHIM_RACE, 0 },
    { "low_bound", run_low_frequencies, SHIM_BOUNDS, 0 },
    { "elementwise_bound", run_elementwise, SHIM_BOUNDS, 0 },
};
enum { PLANTED = sizeof planted / sizeof planted[0] };

static long found(const struct shim_result *r, int fault)
{
    const int counted = tcuda_counted();

    if (fault == CONFLICTS) return r->ldmatrix_replays;
    if (fault == COUNTED) return counted;
    return fault == WRONG ? wrong : r->faults[fault];
}

static int is_on(int i, int capability)
{
    return !planted[i].only || planted[i].only == capability;
}

static void find_all(int capability)
{
    struct sdrt_ops ops;

    tcuda_open(capability);
    sdrt_cuda_ops_init(&ops, tnarrow_type);
    for (int i = 0; i < PLANTED; i++) {
        long sum = 0;
        wrong = 0;
        if (!is_on(i, capability)) continue;
        tcuda_shim()->plant(planted[i].fault);
        for (int order = SHIM_FORWARD; order <= SHIM_SHUFFLED; order++) {
            tcuda_shim()->set_order((enum shim_order)order);
            tcuda_shim()->clear();
            planted[i].run(&ops);
            sum += found(tcuda_shim()->totals(), planted[i].finds);
        }
        cr_expect_gt(sum, 0, "%s: not found on sm_%d", planted[i].fault, capability);
        if (getenv("SDRT_TEST_VERBOSE"))
            fprintf(stderr, "%s: %s\n", planted[i].fault, tcuda_shim()->totals()->first);
    }
    tcuda_shim()->plant(NULL);
}

Test(cuda_faults, all_are_found_80) { find_all(80); }
Test(cuda_faults, all_are_found_75) { find_all(75); }

/* The same runs, without a fault. */
static void find_nothing(int capability)
{
    struct sdrt_ops ops;

    tcuda_open(capability);
    sdrt_cuda_ops_init(&ops, tnarrow_type);
    tcuda_shim()->plant(NULL);
    for (int i = 0; i < PLANTED; i++) {
        if (!is_on(i, capability)) continue;
        tcuda_shim()->clear();
        wrong = 0;
        planted[i].run(&ops);
        const struct shim_result *r = tcuda_shim()->totals();
        cr_expect_eq(r->total, 0, "%s without its fault: %s", planted[i].fault, r->first);
        cr_expect_eq(r->ldmatrix_replays, 0, "%s without its fault: conflicts", planted[i].fault);
        cr_expect_eq(wrong, 0, "%s without its fault: wrong", planted[i].fault);
        cr_expect_eq(tcuda_counted(), 0, "%s without its fault: counters", planted[i].fault);
    }
}

Test(cuda_faults, nothing_else_is_found_80) { find_nothing(80); }
Test(cuda_faults, nothing_else_is_found_75) { find_nothing(75); }

/* Every fault of the sources stands in the list above. */
Test(cuda_faults, list_is_whole)
{
    static const char *const files[] = {
        "product.cu",         "product_f32.cu",   "product_wgmma.cu",
        "prepare.cu",         "norm.cu",          "attention.cu",
        "attention_wgmma.cu", "attention_rows.h", "attention_plain.cu",
        "elementwise.cu",     "split.h",          "math.h"
    };
    const char *data = getenv("SDRT_TESTDATA");

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[1024], line[512];
        snprintf(path, sizeof path, "%s/../kernels/cuda/%s", data ? data : "tests", files[i]);
        FILE *f = fopen(path, "r");
        cr_assert_not_null(f, "%s", path);
        while (fgets(line, sizeof line, f))
            for (const char *p = line; (p = strstr(p, "PLANTED(")); p++) {
                const char *name = p + strlen("PLANTED(");
                const size_t n = strcspn(name, ")");
                int known = 0;
                for (int k = 0; k < PLANTED; k++)
                    known |= strlen(planted[k].fault) == n && !strncmp(planted[k].fault, name, n);
                cr_expect(known, "%s: no test finds %.*s", path, (int)n, name);
            }
        fclose(f);
    }
}
