/* SPDX-License-Identifier: MIT
 *
 * Products of which several blocks share a tile's k: against the definition in double, the same bits in
 * whatever order threads and blocks come, and which products are split at all.
 */
#include "bench/oracle/conv.h"
#include "bench/oracle/gemm.h"
#include "kernels/cuda/product_host.h"
#include "tests/cuda_level.h"
#include "tests/emulated.h"
#include "tests/support.h"
#include "tests/weights.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDERS = 3 };

/* ---- how many parts the last launch had ---- */

static int (*enqueue)(struct sdrt_stream *stream, const struct sdrt_launch *l);
static unsigned parts, tiles;

static int counting(struct sdrt_stream *stream, const struct sdrt_launch *l)
{
    parts = l->grid_z;
    tiles = l->grid_x * l->grid_y;
    return enqueue(stream, l);
}

static void open_model(struct sdrt_ops *ops, int capability, int multiprocessors)
{
    tcuda_open(capability);
    tcuda_ops_init(ops);
    struct sdrt_stream *stream = tcuda_stream();
    if (stream->launch != counting) enqueue = stream->launch;
    stream->launch = counting;
    stream->multiprocessors = multiprocessors;
}

/* Sums of k products in f32, of which a gated one multiplies two.  normed: an operand in some ten thousand is
 * so near the middle of two 16-bit numbers that the last bits of its norm decide (test_conv.c). */
static void compare(const float *y, const double *want, size_t m, int n, int pitch, int k,
                    int normed, const char *text)
{
    const double atol = 6e-6 + 3e-7 * sqrt((double)k) +
                        (normed ? 18.0 * ttyped_error(tnarrow_type) / sqrt((double)k) : 0.0);
    const struct tdiff d = tcompare(y, want, m, n, pitch, atol, 6e-6);

    cr_expect_eq(d.bad, 0u, "%s: %zu bad, max %.3g at %zu", text, d.bad, d.max_abs, d.at);
    cr_expect_eq(tgaps_written(y, m, n, pitch), 0u, "%s: wrote a gap", text);
}

/* ---- linear layers ---- */

struct linear {
    int multiprocessors, m, n, k;
    enum {
        NARROW,
        FROM_F32,
        EIGHT_BITS
    } kind; /* operands as they are; made in scratch; weights in e4m3 */
    int gated, parts;
};

static void check_linear(int capability, const struct linear *l)
{
    struct sdrt_ops ops;
    uint64_t rng = trand_seed();
    char text[128];

    open_model(&ops, capability, l->multiprocessors);
    const int pitch = l->n + 3;
    const struct sdrt_gemm_shape s = {
        .m = l->m,
        .n = l->n,
        .k = l->k,
        .act = SDRT_ACT_SILU,
        .a_type = l->kind == FROM_F32 ? SDRT_F32 : tnarrow_type,
        .y_type = SDRT_F32,
        .a_pitch = l->k,
        .y_pitch = pitch,
        .residual_pitch = pitch,
        .w = { .n = l->n,
               .k = l->k,
               .taps = 1,
               .gated = l->gated,
               .stored = l->kind == EIGHT_BITS ? SDRT_F8_E4M3 : tnarrow_type },
    };
    const size_t m = (size_t)l->m, n = (size_t)l->n, rows = l->gated ? 2 * n : n;
    struct tbuf a = tbuf_floats(m * (size_t)l->k), bias = tbuf_floats(rows);
    struct tbuf y = tbuf_floats(m * (size_t)pitch), first = tbuf_floats(m * (size_t)pitch);
    struct tbuf scratch = tbuf_bytes(ops.gemm.scratch(&s));
    double *want = malloc(m * n * sizeof *want);
    struct tweights w = tweights_new(&rng, &s.w, SDRT_F32, 3.0f / sqrtf((float)l->k),
                                     ops.gemm.pack_bytes, ops.gemm.pack_rows);

    trand_rows(&rng, a.v, m, l->k, l->k, 1.0f);
    trand_rows(&rng, bias.v, 1, (int)rows, (int)rows, 1.0f);
    struct tbuf typed = ttyped_rows(a.v, s.a_type, m, (size_t)l->k, (size_t)l->k);
    float *seen = trounded_rows(a.v, m, (size_t)l->k, (size_t)l->k, 1);
    oracle_gemm(&s, seen, w.values, bias.v, NULL, NULL, 1, want);
    snprintf(text, sizeof text, "sm_%d %dx%dx%d kind %d gated %d", capability, l->m, l->n, l->k,
             (int)l->kind, l->gated);
    const struct sdrt_gemm_args g = { .a = typed.p, .w = w.packed.p, .bias = bias.v, .y = y.p };
    const struct sdrt_exec ex = { .nparts = 1, .scratch = scratch.p };
    for (int i = 0; i < ORDERS; i++) {
        tbuf_nan(&y);
        cr_expect_eq(ops.gemm.gemm(&ex, &s, &g), 0);
        cr_expect(l->parts ? parts == (unsigned)l->parts : parts > 1, "%s: %u parts", text, parts);
        if (!i) memcpy(first.p, y.p, y.bytes);
        cr_expect_eq(memcmp(first.p, y.p, y.bytes), 0, "%s: order %d changes bits", text, i);
    }
    compare(y.v, want, m, l->n, pitch, l->k, 0, text);
    tweights_free(&w);
    tbuf_free(&a), tbuf_free(&bias), tbuf_free(&y), tbuf_free(&first), tbuf_free(&scratch);
    tbuf_free(&typed);
    free(want);
    free(seen);
}

/* Every tail: of m, n and k, of whole tiles, of steps that do not divide evenly; and one that is not split. */
static void check_linears(int capability)
{
    static const struct linear all[] = {
        { 12, 65, 66, 1928, NARROW, 0, 0 },    { 12, 64, 128, 1920, NARROW, 0, 0 },
        { 3, 1, 3, 2577, NARROW, 0, 0 },       { 8, 2, 40, 3200, FROM_F32, 0, 0 },
        { 7, 63, 65, 2933, FROM_F32, 1, 0 },   { 6, 17, 70, 2680, EIGHT_BITS, 0, 0 },
        { 5, 33, 20, 2008, EIGHT_BITS, 1, 0 }, { 12, 130, 127, 4096, NARROW, 0, 0 },
        { 4, 100, 100, 9216, NARROW, 0, 4 },   { 12, 65, 66, 136, NARROW, 0, 1 },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_linear(capability, &all[i]);
}

Test(cuda_split, linear_80) { check_linears(80); }
Test(cuda_split, linear_90) { check_linears(90); }
Test(cuda_split, linear_75) { check_linears(75); }

/* ---- convolutions ---- */

struct image {
    int multiprocessors, batch, h, w, c, c2, out, stride, upsample, normed;
};

static struct sdrt_conv_shape shape_of(const struct image *i)
{
    const int k = i->c + i->c2;

    return (struct sdrt_conv_shape){
        .batch = i->batch,
        .in_h = i->h,
        .in_w = i->w,
        .in_c = i->c,
        .in_c2 = i->c2,
        .out_h = i->h * i->upsample / i->stride,
        .out_w = i->w * i->upsample / i->stride,
        .out_c = i->out,
        .kernel = 3,
        .stride = i->stride,
        .upsample = i->upsample,
        .pad = 1,
        .x_pitch = i->c,
        .x2_pitch = i->c2,
        .y_pitch = i->out,
        .residual_pitch = i->out,
        .prologue = i->normed ? SDRT_PROLOGUE_NORM_SILU : SDRT_PROLOGUE_NONE,
        .w = { .n = i->out, .k = k, .taps = 9, .stride = i->stride, .stored = tnarrow_type },
    };
}

static void check_conv(int capability, const struct image *image)
{
    struct sdrt_ops ops;
    uint64_t rng = trand_seed();
    char text[128];

    open_model(&ops, capability, image->multiprocessors);
    const struct sdrt_conv_shape s = shape_of(image);
    const size_t in = (size_t)(s.batch * s.in_h * s.in_w), n = (size_t)s.out_c;
    const size_t out = (size_t)(s.batch * s.out_h * s.out_w), k = (size_t)s.w.k;
    struct tbuf x = tbuf_floats(in * (size_t)s.in_c), x2 = tbuf_floats(in * (size_t)s.in_c2);
    struct tbuf bias = tbuf_floats(n), msb = tbuf_floats((size_t)s.batch * 3 * k);
    struct tbuf y = tbuf_floats(out * n), first = tbuf_floats(out * n);
    struct tbuf scratch = tbuf_bytes(ops.conv.scratch(&s));
    double *want = malloc(out * n * sizeof *want);
    struct tweights w = tweights_new(&rng, &s.w, SDRT_F32, 1.0f / sqrtf((float)(9 * k)),
                                     ops.conv.pack_bytes, ops.conv.pack_rows);

    trand_rows(&rng, x.v, in, s.in_c, s.x_pitch, 1.0f);
    if (s.in_c2) trand_rows(&rng, x2.v, in, s.in_c2, s.x2_pitch, 1.0f);
    trand_rows(&rng, bias.v, 1, s.out_c, s.out_c, 1.0f);
    trand_rows(&rng, msb.v, (size_t)s.batch * 3, (int)k, (int)k, 1.0f);
    const struct sdrt_conv_args a = { .x = x.v,
                                      .x2 = s.in_c2 ? x2.v : NULL,
                                      .msb = image->normed ? msb.v : NULL,
                                      .w = w.packed.p,
                                      .bias = bias.v,
                                      .y = y.p };
    oracle_conv(&s, &a, w.values, tnarrow_type, NULL, 1, want);
    snprintf(text, sizeof text, "sm_%d %dx%dx%d channels %d + %d to %d, stride %d", capability,
             s.batch, s.in_h, s.in_w, s.in_c, s.in_c2, s.out_c, s.stride);
    const struct sdrt_exec ex = { .nparts = 1, .scratch = scratch.p };
    for (int i = 0; i < ORDERS; i++) {
        tbuf_nan(&y);
        cr_expect_eq(ops.conv.conv2d(&ex, &s, &a), 0);
        cr_expect_gt(parts, 1u, "%s: not split", text);
        if (!i) memcpy(first.p, y.p, y.bytes);
        cr_expect_eq(memcmp(first.p, y.p, y.bytes), 0, "%s: order %d changes bits", text, i);
    }
    compare(y.v, want, out, s.out_c, s.y_pitch, 9 * s.w.k, image->normed, text);
    tweights_free(&w);
    tbuf_free(&x), tbuf_free(&x2), tbuf_free(&bias), tbuf_free(&msb), tbuf_free(&y);
    tbuf_free(&first), tbuf_free(&scratch);
    free(want);
}

/* Parts that begin in the middle of a tap and of channels, of all sources. */
static void check_convs(int capability)
{
    static const struct image all[] = {
        { 12, 2, 5, 7, 232, 0, 66, 1, 1, 1 },  { 7, 1, 8, 8, 200, 40, 40, 1, 1, 0 },
        { 8, 2, 6, 10, 280, 20, 72, 2, 1, 1 }, { 6, 1, 4, 4, 300, 0, 24, 2, 1, 0 },
        { 6, 1, 5, 6, 236, 0, 30, 1, 2, 0 },
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_conv(capability, &all[i]);
}

Test(cuda_split, conv_80) { check_convs(80); }
Test(cuda_split, conv_90) { check_convs(90); }
Test(cuda_split, conv_75) { check_convs(75); }

/* ---- which products ---- */

/* Whatever the device: all blocks at once, no more than a workspace holds, and none whose tiles fill it. */
static void check_limits(const struct cuda_extent *e, int multiprocessors)
{
    const size_t planned = cuda_workspace(e, SDRT_BF16, SDRT_BF16);
    const struct cuda_limits l = { multiprocessors, planned };
    const int tiles_128 = cuda_divide_up(e->m, 128) * cuda_divide_up(e->rows, 128);
    const struct cuda_tiling t[] = { cuda_tile_warps(e, 0, &l), cuda_tile_warps(e, 1, &l),
                                     cuda_tile_warpgroups(e, tiles_128, &l) };

    for (int i = 0; i < 3; i++) {
        const int all = cuda_divide_up(e->m, t[i].side) * cuda_divide_up(e->rows, t[i].side);
        cr_expect_geq(t[i].parts, 1);
        cr_expect_leq(t[i].workspace, planned, "%d x %d x %d", e->m, e->rows, e->k);
        if (t[i].parts == 1) continue;
        cr_expect_leq(all * t[i].parts, multiprocessors, "%d x %d x %d", e->m, e->rows, e->k);
        cr_expect_leq(all, SDRT_STREAM_COUNTERS);
        cr_expect_eq(t[i].workspace, (size_t)(all * t[i].parts * t[i].side * t[i].side) * 4);
    }
}

Test(cuda_split, is_chosen_by_shape_and_device)
{
    static const int sizes[] = { 1, 2, 63, 64, 128, 154, 512, 640, 1280, 2560, 8192 };
    static const int devices[] = { 1, 3, 40, 108, 114, 132, 170 };
    enum { SIZES = sizeof sizes / sizeof *sizes, DEVICES = sizeof devices / sizeof *devices };

    for (int d = 0; d < DEVICES; d++)
        for (int i = 0; i < SIZES * SIZES * SIZES; i++) {
            struct cuda_extent e = { sizes[i % SIZES], sizes[i / SIZES % SIZES], 1,
                                     sizes[i / SIZES / SIZES] };
            check_limits(&e, devices[d]);
            e.taps = 9;
            check_limits(&e, devices[d]);
        }
    /* The lowest level of SD 1.5 is split on an H100, the highest is not. */
    const struct cuda_extent low = { 128, 1280, 9, 1280 }, high = { 8192, 320, 9, 320 };
    cr_expect_gt(cuda_tile_warpgroups(&low, 10, &cuda_model_limits).parts, 4);
    cr_expect_eq(cuda_tile_warpgroups(&high, 192, &cuda_model_limits).parts, 1);
    cr_expect_eq(cuda_workspace(&high, SDRT_BF16, SDRT_BF16), 0u);
    cr_expect_eq(cuda_workspace(&low, SDRT_F32, SDRT_BF16), 0u, "f32 is never split");
}
