/* SPDX-License-Identifier: MIT */
#include "kernels/generic/blocks.h"
#include "kernels/generic/half.h"
#include "kernels/pack.h"

/* No infinities; the largest magnitude is NaN. */
static inline float from_e4m3(uint8_t b)
{
    const uint32_t sign = (uint32_t)(b & 0x80) << 24, magnitude = b & 0x7f;
    const uint32_t rest = magnitude << 20, rebias = 120u << 23;
    const float lowest = 0x1p-6f; /* zero and subnormals, as in from_f16 */
    const uint32_t small = bits_of_f32(f32_of_bits(bits_of_f32(lowest) | rest) - lowest);

    return f32_of_bits(sign | choose(mask_of(magnitude < 8), small,
                                   choose(mask_of(magnitude == 0x7f), 0x7fc00000, rest + rebias)));
}

int sdrt_to_f32(const void *src, enum sdrt_dtype from, float *dst, size_t count)
{
    const uint16_t *h = src;
    const uint8_t *b = src;

    switch (from) {
    case SDRT_F32:
        memcpy(dst, src, count * sizeof *dst);
        return 0;
    case SDRT_F16:
        for (size_t i = 0; i < count; i++) dst[i] = from_f16(h[i]);
        return 0;
    case SDRT_BF16:
        for (size_t i = 0; i < count; i++) dst[i] = f32_of_bits((uint32_t)h[i] << 16);
        return 0;
    case SDRT_F8_E4M3:
        for (size_t i = 0; i < count; i++) dst[i] = from_e4m3(b[i]);
        return 0;
    case SDRT_F8_E5M2: /* the upper half of an f16 */
        for (size_t i = 0; i < count; i++) dst[i] = from_f16((uint16_t)(b[i] << 8));
        return 0;
    default:
        return blocks_to_f32(src, from, dst, count);
    }
}

static int panels(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w)
{
    const int columns = w->gated ? l->panel / 2 : l->panel;

    return (w->n + columns - 1) / columns;
}

static size_t panel_bytes(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w)
{
    const size_t values = (size_t)l->panel * (size_t)w->k * (size_t)w->taps;

    return (values * sdrt_dtype_size(w->stored) + 63) / 64 * 64;
}

size_t sdrt_panel_bytes(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w)
{
    return panel_bytes(l, w) * (size_t)panels(l, w);
}

size_t sdrt_panel_offset(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                         int p, int c)
{
    /* All chunks before c are whole. */
    return panel_bytes(l, w) * (size_t)p + (size_t)c * (size_t)l->chunk * (size_t)w->taps *
           (size_t)l->panel * sdrt_dtype_size(w->stored);
}

/* Where row goes: its panel and its lane there. */
static void place_of(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w, int row,
                     int *panel, int *lane)
{
    const int half = l->panel / 2;

    if (!w->gated) {
        *panel = row / l->panel;
        *lane = row % l->panel;
    } else {
        const int gate = row >= w->n, column = gate ? row - w->n : row;
        *panel = column / half;
        *lane = column % half + (gate ? half : 0);
    }
}

/* f32 to type, which is not f32 itself. */
static void narrow(const float *src, enum sdrt_dtype type, uint16_t *dst, size_t count)
{
    if (type == SDRT_F16)
        for (size_t i = 0; i < count; i++) dst[i] = to_f16(src[i]);
    else
        for (size_t i = 0; i < count; i++) dst[i] = bf16_of_f32(src[i]);
}

/* Where the values of some rows go: value j of a row, which is tap j % taps of channel
 * j / taps, to dst[(tap * channels + channel) * lanes], a row after another in the lanes. */
struct target {
    size_t taps, channels, lanes;
    size_t size; /* of a value */
    char  *dst;
};

static char *target_at(const struct target *t, size_t channel, size_t tap)
{
    return t->dst + (tap * t->channels + channel) * t->lanes * t->size;
}

/* Values first .. n-1 of rows whose starts are pitch bytes apart, one by one. */
static void scatter(const struct target *t, const char *src, size_t pitch, int rows, size_t first,
                    size_t n)
{
    for (int r = 0; r < rows; r++)
        for (size_t j = first, c = first / t->taps, tap = first % t->taps; j < n; j++) {
            const char *from = src + (size_t)r * pitch + j * t->size;
            char *to = target_at(t, c, tap) + (size_t)r * t->size;
            if (t->size == 2) memcpy(to, from, 2);
            else if (t->size == 4) memcpy(to, from, 4);
            else memcpy(to, from, 8);
            if (++tap == t->taps) tap = 0, c++;
        }
}

typedef uint16_t v8 __attribute__((vector_size(16)));
typedef uint32_t v4 __attribute__((vector_size(16)));
typedef uint64_t v2 __attribute__((vector_size(16)));

#ifdef __clang__
#define SHUFFLE8(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define SHUFFLE4(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE8(a, b, ...) __builtin_shuffle(a, b, (v8){ __VA_ARGS__ })
#define SHUFFLE4(a, b, ...) __builtin_shuffle(a, b, (v4){ __VA_ARGS__ })
#endif

/* 8 rows of 8 values: three rounds that interleave row i with row i + 4. */
static inline void transpose_8x8(const char *src, size_t pitch, v8 out[8])
{
    v8 in[8];

#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) memcpy(&in[i], src + (size_t)i * pitch, sizeof in[i]);
#pragma GCC unroll 3
    for (int round = 0; round < 3; round++) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            out[2 * i] = SHUFFLE8(in[i], in[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            out[2 * i + 1] = SHUFFLE8(in[i], in[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) in[i] = out[i];
    }
}

/* 4 rows of 4 values. */
static inline void transpose_4x4(const char *src, size_t pitch, v4 out[4])
{
    v4 in[4];

#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) memcpy(&in[i], src + (size_t)i * pitch, sizeof in[i]);
#pragma GCC unroll 2
    for (int round = 0; round < 2; round++) {
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            out[2 * i] = SHUFFLE4(in[i], in[i + 2], 0, 4, 1, 5);
            out[2 * i + 1] = SHUFFLE4(in[i], in[i + 2], 2, 6, 3, 7);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) in[i] = out[i];
    }
}

/* 2 rows of 2 values. */
static inline void transpose_2x2(const char *src, size_t pitch, v2 out[2])
{
    v2 in[2];

    memcpy(&in[0], src, sizeof in[0]);
    memcpy(&in[1], src + pitch, sizeof in[1]);
    out[0] = (v2){ in[0][0], in[1][0] };
    out[1] = (v2){ in[0][1], in[1][1] };
}

/* As scatter, for as many rows as one vector has lanes, in squares. */
static void transpose(const struct target *t, const char *src, size_t pitch, size_t n)
{
    const size_t side = 16 / t->size;
    size_t c = 0, tap = 0, j = 0;

    for (; j + side <= n; j += side) {
        v8 columns[8];
        if (t->size == 2) transpose_8x8(src + j * t->size, pitch, columns);
        else if (t->size == 4) transpose_4x4(src + j * t->size, pitch, (v4 *)(void *)columns);
        else transpose_2x2(src + j * t->size, pitch, (v2 *)(void *)columns);
        for (size_t i = 0; i < side; i++) {
            memcpy(target_at(t, c, tap), &columns[i], sizeof columns[i]);
            if (++tap == t->taps) tap = 0, c++;
        }
    }
    scatter(t, src, pitch, (int)side, j, n);
}

/* n channels of some rows that have the stored type already. */
static void place_rows(const struct target *t, const char *src, size_t pitch, int rows, int n)
{
    const size_t values = (size_t)n * t->taps;
    const int side = (int)(16 / t->size);
    struct target at = *t;
    int r = 0;

    if (t->lanes == 1 && t->taps == 1) {
        memcpy(t->dst, src, values * t->size);
        return;
    }
    for (; r + side <= rows; r += side) {
        transpose(&at, src + (size_t)r * pitch, pitch, values);
        at.dst += 16;
    }
    scatter(&at, src + (size_t)r * pitch, pitch, rows - r, 0, values);
}

/* As place_rows, by way of f32, a few rows and channels at a time. */
static void convert_rows(const struct target *t, const char *src, size_t pitch, int rows, int n,
                         enum sdrt_dtype from, enum sdrt_dtype stored)
{
    enum { VALUES = 576, ROWS = 8 };
    const int some = VALUES / (int)t->taps;
    float values[VALUES], converted[ROWS * VALUES];

    for (int r = 0; r < rows; r += ROWS)
        for (int c = 0; c < n; c += some) {
            const int block = rows - r < ROWS ? rows - r : ROWS, part = n - c < some ? n - c : some;
            const size_t count = (size_t)part * t->taps, row = VALUES * t->size;
            struct target at = *t;
            for (int i = 0; i < block; i++) {
                const char *of = src + (size_t)(r + i) * pitch +
                                 (size_t)c * t->taps * sdrt_dtype_size(from);
                char *to = (char *)converted + (size_t)i * row;
                if (stored == SDRT_F32) {
                    sdrt_to_f32(of, from, (float *)(void *)to, count);
                } else {
                    sdrt_to_f32(of, from, values, count);
                    narrow(values, stored, (uint16_t *)(void *)to, count);
                }
            }
            at.dst = target_at(t, (size_t)c, 0) + (size_t)r * t->size;
            place_rows(&at, (const char *)converted, row, block, part);
        }
}

/* Rows that are count consecutive lanes of one panel, chunk by chunk, because a panel's
 * chunk fits a cache and a whole panel may not. */
static void copy_rows(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                      const char *src, enum sdrt_dtype from, char *panel, int lane, int count)
{
    struct target t = { .taps = (size_t)w->taps, .lanes = (size_t)l->panel,
                        .size = sdrt_dtype_size(w->stored) };
    const size_t channel = t.taps * sdrt_dtype_size(from), pitch = (size_t)w->k * channel;

    for (int c = 0; c < w->k; c += l->chunk) {
        const int channels = w->k - c < l->chunk ? w->k - c : l->chunk;
        const char *of = src + (size_t)c * channel;
        t.channels = (size_t)channels;
        t.dst = panel + ((size_t)c * t.taps * t.lanes + (size_t)lane) * t.size;
        if (from == w->stored) place_rows(&t, of, pitch, count, channels);
        else convert_rows(&t, of, pitch, count, channels, from, w->stored);
    }
}

/* Lanes of a panel, from lane on, that the rows after this one fill. */
static int lanes_left(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                      int lane)
{
    const int half = l->panel / 2;

    if (!w->gated) return l->panel - lane;
    return lane < half ? half - lane : l->panel - lane;
}

int sdrt_panel_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w, int row0,
                    int count, const void *src, enum sdrt_dtype from, void *dst)
{
    const size_t row_bytes = (size_t)w->k * (size_t)w->taps * sdrt_dtype_size(from);
    const int moved = w->stored == SDRT_F64;
    int n;

    if (moved ? from != SDRT_F64 : !sdrt_is_float(from)) return -1;
    for (int i = 0; i < count; i += n) {
        const int row = row0 + i, end = row < w->n || !w->gated ? w->n : 2 * w->n;
        int panel, lane;
        place_of(l, w, row, &panel, &lane);
        n = lanes_left(l, w, lane);
        if (n > count - i) n = count - i;
        if (n > end - row) n = end - row; /* the last value's panel may have lanes to spare */
        copy_rows(l, w, (const char *)src + (size_t)i * row_bytes, from,
                  (char *)dst + panel_bytes(l, w) * (size_t)panel, lane, n);
    }
    return 0;
}
