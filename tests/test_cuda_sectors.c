/* SPDX-License-Identifier: MIT
 *
 * Bytes that CUDA's kernels move to and from device memory, in sectors of 32, beside those they use: at the
 * models' own widths, with fewer rows.  What is moved and not used is a kernel's access in part or across
 * rows, which costs a GPU time and no test of results sees.
 */
#include "bench/shapes_attention.h"
#include "bench/shapes_conv.h"
#include "bench/shapes_gemm.h"
#include "bench/shapes_norm.h"
#include "kernels/cuda/cuda.h"
#include "kernels/cuda/launch.h"
#include "kernels/stream.h"
#include "tests/cuda_level.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct sdrt_ops ops;

/* Device memory of one call. */
static struct {
    void *pieces[16];
    int n;
} held;

/* n values of the type, all 0.5, which no kernel's accesses depend on. */
static void *values(size_t n, enum sdrt_dtype type)
{
    struct tbuf b = tbuf_bytes(sdrt_dtype_bytes(type, n));

    for (size_t i = 0; i < n; i++) tencode(0.5, type, b.p, i);
    void *p = tcuda_upload(b.p, b.bytes);
    tbuf_free(&b);
    cr_assert_lt(held.n, 16);
    return held.pieces[held.n++] = p;
}

static void *bytes(size_t n) { return n ? values((n + 3) / 4, SDRT_F32) : NULL; }

static void end(int status, const char *what)
{
    cr_expect_eq(status, 0, "%s", what);
    while (held.n) tcuda_free(held.pieces[--held.n]);
}

static struct sdrt_exec exec(void)
{
    return (struct sdrt_exec){ .nparts = 1, .stream = tcuda_stream() };
}

static int least(int a, int b) { return a < b ? a : b; }

/* ---- families ---- */

static void run_gemm(const struct sdrt_gemm_shape *shape, enum sdrt_dtype stored, int residual,
                     const char *name)
{
    enum { M = 128, N = 128, K = 320 };
    struct sdrt_gemm_shape s = *shape;
    struct sdrt_exec ex = exec();

    s.m = least(s.m, M);
    s.n = s.w.n = least(s.n, N);
    s.k = s.w.k = least(s.k, K);
    s.w.stored = stored;
    s.a_type = stored == SDRT_F32 ? SDRT_F32 : tnarrow_type;
    s.y_type = residual ? SDRT_F32 : tnarrow_type;
    const size_t m = (size_t)s.m, n = (size_t)s.n;
    float *y = values(m * (size_t)s.y_pitch, SDRT_F32);
    const struct sdrt_gemm_args a = { .a = values(m * (size_t)s.a_pitch, s.a_type),
                                      .w = bytes(ops.gemm.pack_bytes(&s.w)),
                                      .bias = values(2 * n, SDRT_F32),
                                      .residual = residual ? y : NULL,
                                      .y = y };

    ex.scratch = bytes(ops.gemm.scratch(&s));
    end(ops.gemm.takes(&s) ? ops.gemm.gemm(&ex, &s, &a) : 0, name);
}

static void run_gemms(enum sdrt_dtype stored)
{
    for (int i = 0; i < SDRT_GEMM_MODEL_SHAPES; i += 3) {
        const struct sdrt_named_gemm *g = &sdrt_gemm_model_shapes[i];
        run_gemm(&g->s, stored, !g->s.w.gated && i % 2, g->name);
    }
}

static void run_conv(const struct sdrt_named_conv *c, enum sdrt_dtype stored)
{
    enum { SIDE = 8, CHANNELS = 128 };
    struct sdrt_conv_shape s = c->s;
    struct sdrt_exec ex = exec();

    s.batch = 1;
    s.in_h = least(s.in_h, SIDE);
    s.in_w = least(s.in_w, SIDE);
    s.out_h = s.in_h * s.upsample / s.stride;
    s.out_w = s.in_w * s.upsample / s.stride;
    if (s.in_c > CHANNELS) s.in_c = CHANNELS; /* the pitches stay */
    if (s.in_c2 > CHANNELS) s.in_c2 = CHANNELS;
    s.out_c = s.w.n = least(s.out_c, CHANNELS);
    s.w.k = s.in_c + s.in_c2;
    s.w.stored = stored;
    const size_t in = (size_t)(s.in_h * s.in_w), out = (size_t)(s.out_h * s.out_w);
    float *y = values(out * (size_t)s.y_pitch, SDRT_F32);
    const struct sdrt_conv_args a = {
        .x = values(in * (size_t)s.x_pitch, SDRT_F32),
        .x2 = s.in_c2 ? values(in * (size_t)s.x2_pitch, SDRT_F32) : NULL,
        .msb = s.prologue ? values(3 * (size_t)s.w.k, SDRT_F32) : NULL,
        .w = bytes(ops.conv.pack_bytes(&s.w)),
        .bias = values((size_t)s.out_c, SDRT_F32),
        .residual = y,
        .y = y,
    };

    ex.scratch = bytes(ops.conv.scratch(&s));
    end(ops.conv.conv2d(&ex, &s, &a), c->name);
}

static void run_attention(const struct sdrt_named_attention *t, enum sdrt_stream_attention kind)
{
    enum { QUERIES = 64, KEYS = 128, HEADS = 2 };
    struct sdrt_attention_shape s = t->s;
    const struct sdrt_exec ex = exec();
    const int width = s.heads * s.head_dim;

    s.batch = 1;
    s.heads = least(s.heads, HEADS);
    s.q_len = least(s.q_len, QUERIES);
    s.kv_len = least(s.kv_len, KEYS);
    s.q_type = s.k_type = s.v_type = s.o_type = tnarrow_type;
    const size_t kv = (size_t)(s.kv_len * s.k_pitch);
    const struct sdrt_attention_args a = {
        .q = values((size_t)(s.q_len * s.q_pitch), tnarrow_type),
        .k = values(kv, tnarrow_type),
        .v = values(kv, tnarrow_type),
        .o = values((size_t)(s.q_len * width), tnarrow_type),
        .bias = s.biased ? values((size_t)(s.heads * s.q_len * s.kv_len), SDRT_F32) : NULL,
    };

    tcuda_stream()->attention = kind;
    end(ops.attention.attention(&ex, &s, &a), t->name);
    tcuda_stream()->attention = SDRT_ATTENTION_BY_MODEL;
}

static void run_norms(void)
{
    enum { PIXELS = 64, ROWS = 24 };
    const struct sdrt_exec ex = exec();

    for (int i = 0; i < SDRT_GN_MODEL_SHAPES; i += 2) {
        struct sdrt_gn_shape s = sdrt_gn_model_shapes[i].s;
        const size_t c = (size_t)(s.c + s.c2);
        s.batch = 1;
        s.pixels = PIXELS;
        float *x = values(PIXELS * (size_t)s.c, SDRT_F32);
        float *x2 = s.c2 ? values(PIXELS * (size_t)s.c2, SDRT_F32) : NULL;
        float *gamma = values(c, SDRT_F32), *msb = values(3 * c, SDRT_F32);
        end(ops.norm.gn_fold(&ex, &s, x, x2, gamma, gamma, NULL, msb), "group norm");
    }
    for (int i = 0; i < SDRT_LN_MODEL_SHAPES; i++) {
        struct sdrt_ln_shape s = sdrt_ln_model_shapes[i].s;
        const size_t n = ROWS * (size_t)s.x_pitch;
        s.rows = ROWS;
        s.y_type = tnarrow_type;
        float *x = values(n, SDRT_F32), *g = values((size_t)s.c, SDRT_F32);
        end(ops.norm.layer_norm(&ex, &s, x, g, g, values(n, SDRT_F32)), "layer norm");
    }
    for (int i = 0; i < SDRT_RMS_MODEL_SHAPES; i++) {
        struct sdrt_rms_shape s = sdrt_rms_model_shapes[i].s;
        s.rows = 4;
        s.x_type = s.y_type = tnarrow_type;
        void *x = values(4 * (size_t)s.x_pitch, tnarrow_type);
        float *g = values((size_t)s.width, SDRT_F32);
        end(ops.norm.rms_norm(&ex, &s, x, g, x), "RMS norm");
    }
}

/* The norm of a 1x1 convolution, made with its operand. */
static void run_norm_operand(int side)
{
    struct sdrt_conv_shape s = {
        .batch = 1,
        .in_h = side,
        .in_w = side,
        .in_c = 320,
        .out_h = side,
        .out_w = side,
        .out_c = 64,
        .kernel = 1,
        .stride = 1,
        .upsample = 1,
        .x_pitch = 320,
        .y_pitch = 64,
        .prologue = SDRT_PROLOGUE_NORM,
        .w = { .n = 64, .k = 320, .taps = 1, .stride = 1, .stored = tnarrow_type }
    };
    struct sdrt_exec ex = exec();
    const size_t pixels = (size_t)(side * side);
    float *gamma = values(320, SDRT_F32);
    const struct sdrt_conv_norm norm = { gamma, gamma, .groups = 32, .eps = 1e-5f };
    const struct sdrt_conv_args a = { .x = values(pixels * 320, SDRT_F32),
                                      .w = bytes(ops.conv.pack_bytes(&s.w)),
                                      .y = values(pixels * 64, SDRT_F32),
                                      .norm = &norm };

    ex.scratch = bytes(ops.conv.scratch(&s));
    end(ops.conv.conv2d(&ex, &s, &a), "a norm's operand");
}

/* Latents and rows of 320 channels. */
static void run_elementwise(void)
{
    enum { H = 16, W = 16, PIXELS = H * W, C = 320 };
    const struct sdrt_exec ex = exec();
    const struct sdrt_elementwise_ops *e = &ops.elementwise;
    const struct sdrt_relu_shape relu = { .rows = 32, .c = C, .pitch = C };
    const struct sdrt_blend_shape blend = { 32, C, C, C, C, 0.5f, 0.5f };
    const struct sdrt_low_shape low = { .batch = 1, .h = 8, .w = 8, .c = C, .gain = 0.5f };
    float *x = values(PIXELS * C, SDRT_F32), *y = values(PIXELS * C, SDRT_F32);
    void *table = values(PIXELS * C, tnarrow_type);
    int32_t *ids = values(16, SDRT_F32);
    int bad = 0;

    memset(ids, 0, 16 * sizeof *ids);
    bad |= e->timestep_embedding(&ex, x, 4, C, y);
    bad |= e->silu_of_sums(&ex, 2, 2, C, x, x, y);
    bad |= e->embed(&ex, 16, C, ids, table, tnarrow_type, table, tnarrow_type, 16, y);
    bad |= e->relative_bias(&ex, 64, 32, 128, 2, table, tnarrow_type, y);
    bad |= e->guide(&ex, 1, PIXELS, 4, 7.5f, x, y);
    bad |= e->to_nhwc(&ex, 1, 2, PIXELS, 4, 1.0f, x, y);
    bad |= e->to_nchw(&ex, 1, PIXELS, 4, 1.0f, x, y);
    bad |= e->to_patches(&ex, 1, H, W, 16, 2, x, y);
    bad |= e->from_patches(&ex, 1, H, W, 16, 2, x, y);
    bad |= e->crop(&ex, 16, 8, 8, C, table, tnarrow_type, y);
    bad |= e->relu(&ex, &relu, NULL, y);
    bad |= e->silu(&ex, 32, C, y);
    bad |= e->halve(&ex, 1, H, W, C, x, y);
    bad |= e->blend(&ex, &blend, x, x, y);
    bad |= e->low_frequencies(&ex, &low, y);
    end(bad, "elementwise");
}

/* ---- what they moved ---- */

/* Bytes of sectors over the bytes used of them, at most; for all kernels that are not here no more than a latent's
 * few channels among a product's other operands. */
#define ALL 1.0005
static const struct {
    const char *kernel;
    double most;
} allowed[] = {
    /* 80 bytes of a head are two sectors and a half. */
    { "attention_40", 1.28 },
    { "attention_wgmma_40", 1.28 },
    /* 40 bytes of a group in a row of 320 channels, and 20 of what is made of them; the blocks of its
     * neighbours take the rest from the second cache. */
    { "group_norm_fold", 1.14 },
    { "group_norm_operand", 1.88 },
    { "group_norm_operand_small", 1.98 },
    /* Columns of f32 one by one: nothing that a device of these capabilities does in earnest. */
    { "product_f32", 1.15 },
    /* Four channels of a latent, each read or written alone, 64 KiB of them at 512x512. */
    { "guide", 3.0 },
    { "to_nchw", 2.5 },
    /* One number for many values, of which its sector is 4 bytes. */
    { "timestep_embedding", 1.22 },
    { "embed", 1.11 },
    { "relative_bias", 1.35 },
};

static double most_of(const char *kernel)
{
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (!strcmp(kernel, allowed[i].kernel)) return allowed[i].most;
    return ALL;
}

static void report(int capability)
{
    for (int i = 0; i < SDRT_CUDA_KERNELS; i++) {
        const char *name = sdrt_cuda_kernels[i].name;
        const struct shim_sectors s = tcuda_shim()->sectors_of(name);
        if (!s.launches) {
            cr_log_info("sm_%d %-24s not launched", capability, name);
            continue;
        }
        const double ratio = 32.0 * (double)s.sectors / (double)s.bytes;
        cr_log_info("sm_%d %-24s %4ld launches %9ld bytes used, x %.3f moved", capability, name,
                    s.launches, s.bytes, ratio);
        cr_expect_leq(ratio, most_of(name), "sm_%d %s: %.3f", capability, name, ratio);
    }
}

static void count(int capability)
{
    tcuda_open(capability);
    sdrt_cuda_ops_init(&ops, tnarrow_type);
    tcuda_shim()->count_sectors(1);
    tcuda_shim()->clear();
    run_gemms(tnarrow_type);
    run_gemms(SDRT_F8_E4M3);
    run_gemm(&sdrt_gemm_model_shapes[3].s, SDRT_F32, 0, "f32");
    for (int i = 0; i < SDRT_CONV_MODEL_SHAPES; i += 2)
        run_conv(&sdrt_conv_model_shapes[i], tnarrow_type);
    for (int i = 0; i < SDRT_ATTENTION_MODEL_SHAPES; i++) {
        run_attention(&sdrt_attention_model_shapes[i], SDRT_ATTENTION_OF_WARPS);
        if (capability == 90)
            run_attention(&sdrt_attention_model_shapes[i], SDRT_ATTENTION_OF_WARPGROUPS);
    }
    run_norms();
    run_norm_operand(8);
    run_norm_operand(32);
    run_elementwise();
    report(capability);
}

Test(cuda_sectors, least_on_75) { count(75); }
Test(cuda_sectors, least_on_80) { count(80); }
Test(cuda_sectors, least_on_90) { count(90); }
