/* SPDX-License-Identifier: MIT */
#include "kernels/pack.h"
#include "runtime/files/npy.h"
#include "tests/emulated.h"
#include "tests/support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum sdrt_dtype types[] = { SDRT_F32, SDRT_F16, SDRT_BF16 };

/* The value of a 16-bit float, from the definition of its fields. */
static double decode(unsigned bits, enum sdrt_dtype type)
{
    const int mantissa = type == SDRT_F16 ? 10 : 7, bias = type == SDRT_F16 ? 15 : 127;
    const int exponent = (int)(bits >> mantissa) & (2 * bias + 1);
    const int m = (int)bits & ((1 << mantissa) - 1);
    const double sign = bits & 0x8000 ? -1.0 : 1.0;

    if (exponent == 2 * bias + 1) return m ? NAN : sign * INFINITY;
    if (exponent == 0) return sign * ldexp(m, 1 - bias - mantissa);
    return sign * ldexp(m + (1 << mantissa), exponent - bias - mantissa);
}

static int same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && !signbit(a) == !signbit(b);
}

Test(pack, every_16_bit_float_becomes_f32)
{
    uint16_t h[0x10000];
    float *f = malloc(sizeof h / sizeof h[0] * sizeof *f);

    cr_assert_not_null(f);
    for (unsigned i = 0; i < 0x10000; i++) h[i] = (uint16_t)i;
    for (int t = 1; t < 3; t++) {
        int bad = 0;
        cr_expect(sdrt_to_f32(h, types[t], f, 0x10000) == 0);
        for (unsigned i = 0; i < 0x10000; i++) bad += !same(decode(i, types[t]), (double)f[i]);
        cr_expect(bad == 0, "%s: %d wrong", sdrt_dtype_name(types[t]), bad);
    }
    free(f);
}

Test(pack, f32_is_copied_and_other_types_are_refused)
{
    const float from[] = { 1.0f, -0.0f, INFINITY, 0x1p-149f };
    float to[4] = { 0 };

    cr_expect(sdrt_to_f32(from, SDRT_F32, to, 4) == 0 && !memcmp(from, to, sizeof from));
    for (int t = 0; t < SDRT_DTYPES; t++)
        if (!sdrt_is_float((enum sdrt_dtype)t) && sdrt_dtype_size((enum sdrt_dtype)t))
            cr_expect(sdrt_to_f32(from, (enum sdrt_dtype)t, to, 1) == -1, "type %d", t);
}

Test(pack, bytes_count_whole_blocks)
{
    cr_expect_eq(sdrt_dtype_bytes(SDRT_F32, 3), 12);
    cr_expect_eq(sdrt_dtype_bytes(SDRT_BF16, 5), 10);
    cr_expect_eq(sdrt_dtype_bytes(SDRT_I64, 0), 0);
    cr_expect_eq(sdrt_dtype_bytes(SDRT_Q8_0, 4096), 4096 / 32 * 34);
    cr_expect_eq(sdrt_dtype_bytes(SDRT_DTYPES, 64), 0);
    cr_expect_eq(sdrt_dtype_size(SDRT_Q8_0), 0, "an element of a block has no address");
    cr_expect_str_eq(sdrt_dtype_name(SDRT_Q8_0), "Q8_0");
    for (int t = 0; t < SDRT_DTYPES; t++)
        cr_expect(sdrt_dtype_bytes((enum sdrt_dtype)t, 256) > 0, "type %d has no bytes", t);
}

Test(pack, blocks_of_q8_0_become_f32)
{
    enum { BLOCKS = 3, VALUES = 32 };
    static const double scales[BLOCKS] = { 0.0123, -0.5, 0x1p-20 };
    unsigned char blocks[BLOCKS * 34];
    float got[BLOCKS * VALUES];
    int bad = 0;

    for (int b = 0; b < BLOCKS; b++) {
        uint16_t scale;
        tencode(scales[b], SDRT_F16, &scale, 0);
        memcpy(blocks + 34 * b, &scale, sizeof scale);
        for (int i = 0; i < VALUES; i++) blocks[34 * b + 2 + i] = (unsigned char)(8 * i - 128 + b);
    }
    cr_assert_eq(sdrt_to_f32(blocks, SDRT_Q8_0, got, BLOCKS * VALUES), 0);
    for (int i = 0; i < BLOCKS * VALUES; i++) {
        const int b = i / VALUES, q = 8 * (i % VALUES) - 128 + b;
        bad += !same((double)got[i], tround(scales[b], SDRT_F16) * q);
    }
    cr_expect(bad == 0, "%d wrong", bad);
}

/* tests/oracle/make_f8_golden.py: what torch makes of each byte. */
static void check_f8(const char *name, enum sdrt_dtype type)
{
    const char *root = getenv("SDRT_TESTDATA");
    struct sdrt_npy *want = NULL;
    uint8_t bytes[256];
    float got[256];
    char path[512];
    int bad = 0;

    snprintf(path, sizeof path, "%s/golden/f8/%s.npy", root ? root : "tests", name);
    cr_assert_eq(sdrt_npy_read(&want, path, NULL), SDRT_OK);
    cr_assert_eq(want->elements, 256);
    for (int i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    cr_assert_eq(sdrt_to_f32(bytes, type, got, 256), 0);
    for (int i = 0; i < 256; i++) bad += !same(((const float *)want->data)[i], (double)got[i]);
    cr_expect(bad == 0, "%s: %d wrong", name, bad);
    sdrt_npy_free(&want);
}

Test(pack, every_8_bit_float_becomes_f32)
{
    check_f8("e4m3", SDRT_F8_E4M3);
    check_f8("e5m2", SDRT_F8_E5M2);
}

/* Every finite byte, packed as bf16 by the level's own packing, is as exact as in f32. */
static void check_f8_packing(const char *level, enum sdrt_dtype type)
{
    enum { N = 6, K = 256 };
    const struct sdrt_weight_shape w = { .n = N, .k = K, .taps = 1, .stored = SDRT_BF16 };
    struct sdrt_gemm_ops ops = { 0 };
    uint8_t bytes[N * K];
    float wide[N * K];

    tgemm_init(&ops, level);
    for (int i = 0; i < N * K; i++) {
        bytes[i] = (uint8_t)(i * 37 + i / K);
        if ((bytes[i] & 0x7f) >= (type == SDRT_F8_E5M2 ? 0x7c : 0x7f)) bytes[i] = 1;
    }
    cr_assert_eq(sdrt_to_f32(bytes, type, wide, N * K), 0);
    const size_t size = ops.pack_bytes(&w);
    struct tbuf a = tbuf_bytes(size), b = tbuf_bytes(size);
    memset(a.p, 0, size);
    memset(b.p, 0, size);
    cr_expect_eq(ops.pack_rows(&w, 0, N, bytes, type, a.p), 0);
    cr_expect_eq(ops.pack_rows(&w, 0, N, wide, SDRT_F32, b.p), 0);
    cr_expect(!memcmp(a.p, b.p, size), "%s, %s: packed otherwise than from f32", level,
              sdrt_dtype_name(type));
    tbuf_free(&a), tbuf_free(&b);
}

static void check_f8_level(const char *level)
{
    check_f8_packing(level, SDRT_F8_E4M3);
    check_f8_packing(level, SDRT_F8_E5M2);
}

#define SDRT_LEVEL(level, ...) Test(pack, f8_##level) { check_f8_level(#level); }
#include "kernels/levels.h"

static uint16_t convert(float v, enum sdrt_dtype type)
{
    const struct sdrt_panel_layout one = { .panel = 1, .chunk = 1 };
    const struct sdrt_weight_shape w = { .n = 1, .k = 1, .taps = 1, .stored = type };
    uint16_t packed[32] = { 0 };

    cr_expect(sdrt_panel_pack(&one, &w, 0, 1, &v, SDRT_F32, packed) == 0);
    return packed[0];
}

/* Every value, the midpoints between neighbours, and a hair's breadth to either side. */
Test(pack, f32_rounds_to_nearest_even)
{
    for (int t = 1; t < 3; t++) {
        int bad = 0;
        for (unsigned i = 0; i < 0x7fff; i++) {
            const double a = decode(i, types[t]), b = decode(i + 1, types[t]);
            const float middle = (float)((a + b) / 2);
            if (isnan(a) || isnan(b) || isinf(b)) continue;
            const float v[] = { (float)a, middle, nextafterf(middle, 0.0f),
                                nextafterf(middle, INFINITY) };
            for (int j = 0; j < 8; j++) {
                uint16_t want;
                const float x = j < 4 ? v[j] : -v[j - 4];
                tencode((double)x, types[t], &want, 0);
                bad += convert(x, types[t]) != want;
            }
        }
        cr_expect(bad == 0, "%s: %d wrong", sdrt_dtype_name(types[t]), bad);
    }
}

Test(pack, the_ends_of_the_ranges)
{
    const float f16_max = 65504.0f, bf16_max = 0x1.fep127f, f32_max = 0x1.fffffep127f;

    cr_expect(convert(f16_max, SDRT_F16) == 0x7bff && convert(65519.996f, SDRT_F16) == 0x7bff);
    cr_expect(convert(65520.0f, SDRT_F16) == 0x7c00 && convert(-1e30f, SDRT_F16) == 0xfc00);
    cr_expect(convert(INFINITY, SDRT_F16) == 0x7c00 && convert(-INFINITY, SDRT_BF16) == 0xff80);
    cr_expect(convert(bf16_max, SDRT_BF16) == 0x7f7f && convert(f32_max, SDRT_BF16) == 0x7f80);
    cr_expect(convert(0x1p-25f, SDRT_F16) == 0 && convert(0x1.8p-25f, SDRT_F16) == 1);
    cr_expect(convert(-0.0f, SDRT_F16) == 0x8000 && convert(-0x1p-149f, SDRT_BF16) == 0x8000);
    cr_expect(isnan(decode(convert(NAN, SDRT_F16), SDRT_F16)));
    cr_expect(isnan(decode(convert(NAN, SDRT_BF16), SDRT_BF16)));
    /* A NaN whose payload lies in the bits that are cut off must not become infinity. */
    float low;
    memcpy(&low, &(uint32_t){ 0x7f800001 }, sizeof low);
    cr_expect(isnan(decode(convert(low, SDRT_F16), SDRT_F16)));
    cr_expect(isnan(decode(convert(low, SDRT_BF16), SDRT_BF16)));
}

/* Where pack.h says that tap t of channel c of row r lies: values from the start. */
static size_t place_of(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                       int row, int c, int t, size_t panel_values)
{
    const int columns = w->gated ? l->panel / 2 : l->panel, gate = w->gated && row >= w->n;
    const int column = gate ? row - w->n : row, chunk = c / l->chunk;
    const int lane = column % columns + (gate ? columns : 0);
    const int left = w->k - chunk * l->chunk, channels = left < l->chunk ? left : l->chunk;

    return (size_t)(column / columns) * panel_values +
           (size_t)(chunk * l->chunk * w->taps * l->panel) +
           (size_t)((t * channels + c % l->chunk) * l->panel + lane);
}

static double load(const void *p, enum sdrt_dtype type, size_t at)
{
    if (type == SDRT_F64) return ((const double *)p)[at];
    if (type == SDRT_F32) return (double)((const float *)p)[at];
    return decode(((const uint16_t *)p)[at], type);
}

static void check_layout(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                         enum sdrt_dtype from, uint64_t *rng)
{
    const int rows = w->gated ? 2 * w->n : w->n, columns = w->gated ? l->panel / 2 : l->panel;
    const size_t bytes = sdrt_panel_bytes(l, w), per_row = (size_t)(w->k * w->taps);
    const size_t size = sdrt_dtype_size(w->stored);
    const size_t panel = sdrt_panel_offset(l, w, 1, 0), values = panel / size;
    struct tbuf source = tbuf_bytes((size_t)rows * per_row * sdrt_dtype_size(from)), packed = tbuf_bytes(bytes);
    double *want = calloc(bytes / size, sizeof *want);
    char text[160];

    cr_assert_not_null(want);
    snprintf(text, sizeof text, "panel %d chunk %d n=%d k=%d taps=%d gated=%d %s from %s", l->panel,
             l->chunk, w->n, w->k, w->taps, w->gated, sdrt_dtype_name(w->stored),
             sdrt_dtype_name(from));
    cr_expect(bytes % 64 == 0 && panel % 64 == 0 &&
              bytes == panel * (size_t)((w->n + columns - 1) / columns), "%s: %zu", text, bytes);
    for (int c = 0; c * l->chunk < w->k; c++)
        cr_expect(sdrt_panel_offset(l, w, 2, c) ==
                  2 * panel + (size_t)(c * l->chunk * w->taps * l->panel) * size, "%s", text);
    for (size_t i = 0; i < (size_t)rows * per_row; i++) {
        const int row = (int)(i / per_row), c = (int)(i % per_row) / w->taps;
        const int moved = w->stored == SDRT_F64;
        const double v = moved ? (double)trand(rng) / 3.0 : tround((double)trand(rng), from);
        if (moved) ((double *)source.p)[i] = v;
        else tencode(v, from, source.p, i);
        want[place_of(l, w, row, c, (int)i % w->taps, values)] = moved ? v : tround(v, w->stored);
    }
    memset(packed.p, 0, bytes);
    /* Any order, any split: here odd-sized pieces from the end. */
    for (int end = rows, n; end > 0; end -= n) {
        n = 1 + trand_int(rng, end);
        cr_expect(sdrt_panel_pack(l, w, end - n, n, (const char *)source.p +
                                  (size_t)(end - n) * per_row * sdrt_dtype_size(from), from,
                                  packed.p) == 0);
    }
    size_t bad = 0;
    for (size_t i = 0; i < bytes / size; i++) bad += load(packed.p, w->stored, i) != want[i];
    cr_expect(bad == 0, "%s: %zu wrong, seed=%llu", text, bad, (unsigned long long)trand_seed());
    cr_expect(tbuf_ok(&packed), "%s: wrote outside", text);
    free(want);
    tbuf_free(&source), tbuf_free(&packed);
}

Test(pack, layout)
{
    static const int panels[] = { 2, 4, 8, 16, 32 };
    uint64_t rng = trand_seed();

    for (int n = 1; n <= 70; n++)
        for (int i = 0; i < 18; i++) {
            const int most = i < 16 ? 40 : 500;
            const struct sdrt_weight_shape w = { .n = n, .k = 1 + trand_int(&rng, most),
                                                 .taps = i % 2 ? 9 : 1, .gated = i / 2 % 2,
                                                 .stored = types[i % 3] };
            const struct sdrt_panel_layout l = { .panel = panels[trand_int(&rng, 5)],
                                                 .chunk = 1 + trand_int(&rng, 30) };
            check_layout(&l, &w, types[i / 3 % 3], &rng);
        }
}

/* What slots of 64 bits take: moved as they are. */
Test(pack, layout_of_64_bits)
{
    uint64_t rng = trand_seed();

    for (int n = 1; n <= 70; n++) {
        const struct sdrt_weight_shape w = { .n = n, .k = 1 + trand_int(&rng, 60),
                                             .taps = n % 2 ? 9 : 1, .gated = n / 2 % 2,
                                             .stored = SDRT_F64 };
        const struct sdrt_panel_layout l = { .panel = n % 3 ? 16 : 2,
                                             .chunk = 1 + trand_int(&rng, 30) };
        check_layout(&l, &w, SDRT_F64, &rng);
    }
}

Test(pack, other_types_are_refused)
{
    const struct sdrt_panel_layout l = { .panel = 8, .chunk = 8 };
    const struct sdrt_weight_shape w = { .n = 1, .k = 1, .taps = 1, .stored = SDRT_F32 };
    const double source = 0.0;
    float packed[16] = { 0 };

    for (int t = 0; t < SDRT_DTYPES; t++)
        if (!sdrt_is_float((enum sdrt_dtype)t))
            cr_expect(sdrt_panel_pack(&l, &w, 0, 1, &source, (enum sdrt_dtype)t, packed) == -1);
    const struct sdrt_weight_shape moved = { .n = 1, .k = 1, .taps = 1, .stored = SDRT_F64 };
    cr_expect(sdrt_panel_pack(&l, &moved, 0, 1, &source, SDRT_F32, packed) == -1);
}
