/* SPDX-License-Identifier: MIT */
#include "kernels/pack.h"

#include <stdint.h>
#include <string.h>

static float from_bits(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

static uint32_t to_bits(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

static float from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, m = h & 0x3ff;

    if (exponent == 31) return from_bits(sign | 0x7f800000u | m << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | m << 13);
    const float v = (float)m * 0x1p-24f; /* zero and subnormals */
    return sign ? -v : v;
}

/* Round to nearest even, by adding the rounding bias to the bits. */
static uint16_t to_f16(float f)
{
    const uint32_t u = to_bits(f), sign = u >> 16 & 0x8000;
    uint32_t a = u & 0x7fffffffu;

    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000u) return (uint16_t)(sign | 0x7c00); /* 65520 and above */
    if (a < 0x38800000u) {                                  /* below 2^-14: subnormal */
        const float magic = 0.5f; /* its last bit weighs 2^-24 */
        return (uint16_t)(sign | (to_bits(from_bits(a) + magic) - to_bits(magic)));
    }
    a += 0xfff + (a >> 13 & 1) - (112u << 23);
    return (uint16_t)(sign | a >> 13);
}

static uint16_t to_bf16(float f)
{
    const uint32_t u = to_bits(f);

    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

int sdrt_to_f32(const void *src, enum sdrt_dtype from, float *dst, size_t count)
{
    const uint16_t *h = src;

    switch (from) {
    case SDRT_F32:
        memcpy(dst, src, count * sizeof *dst);
        return 0;
    case SDRT_F16:
        for (size_t i = 0; i < count; i++) dst[i] = from_f16(h[i]);
        return 0;
    case SDRT_BF16:
        for (size_t i = 0; i < count; i++) dst[i] = from_bits((uint32_t)h[i] << 16);
        return 0;
    default:
        return -1;
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

static void store(void *dst, enum sdrt_dtype type, size_t at, float v)
{
    if (type == SDRT_F32) ((float *)dst)[at] = v;
    else ((uint16_t *)dst)[at] = type == SDRT_F16 ? to_f16(v) : to_bf16(v);
}

/* n channels of one row, src [n][taps] -> dst [taps][channels][lanes], of which dst is one
 * lane.  A value moves as it is where both types agree: the fast path of loading. */
static void scatter(const struct sdrt_weight_shape *w, const void *src, enum sdrt_dtype from, int n,
                    int channels, size_t lanes, void *dst)
{
    const size_t taps = (size_t)w->taps;

    for (size_t t = 0; t < taps; t++)
        for (size_t c = 0; c < (size_t)n; c++) {
            const size_t at = c * taps + t, to = (t * (size_t)channels + c) * lanes;
            if (from != w->stored) store(dst, w->stored, to, ((const float *)src)[at]);
            else if (from == SDRT_F32) ((uint32_t *)dst)[to] = ((const uint32_t *)src)[at];
            else ((uint16_t *)dst)[to] = ((const uint16_t *)src)[at];
        }
}

/* As scatter, by way of f32 where the types differ. */
static void copy_channels(const struct sdrt_weight_shape *w, const char *src, enum sdrt_dtype from,
                          int channels, size_t lanes, char *dst)
{
    enum { VALUES = 1152 };
    const size_t size = sdrt_dtype_size(from), stored = sdrt_dtype_size(w->stored);
    const int some = VALUES / w->taps;
    float values[VALUES];

    if (from == w->stored) {
        scatter(w, src, from, channels, channels, lanes, dst);
        return;
    }
    for (int c = 0; c < channels; c += some) {
        const int n = channels - c < some ? channels - c : some;
        sdrt_to_f32(src + (size_t)c * (size_t)w->taps * size, from, values,
                    (size_t)n * (size_t)w->taps);
        scatter(w, values, from, n, channels, lanes, dst + (size_t)c * lanes * stored);
    }
}

/* Rows that are count consecutive lanes of one panel, chunk by chunk, because a panel's
 * chunk fits a cache and a whole panel may not. */
static void copy_rows(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                      const char *src, enum sdrt_dtype from, char *panel, int lane, int count)
{
    const size_t lanes = (size_t)l->panel, taps = (size_t)w->taps;
    const size_t size = sdrt_dtype_size(from), stored = sdrt_dtype_size(w->stored);

    for (int c = 0; c < w->k; c += l->chunk) {
        const int channels = w->k - c < l->chunk ? w->k - c : l->chunk;
        for (int i = 0; i < count; i++)
            copy_channels(w, src + ((size_t)i * (size_t)w->k + (size_t)c) * taps * size, from,
                          channels, lanes,
                          panel + ((size_t)c * taps * lanes + (size_t)(lane + i)) * stored);
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
    int n;

    if (from != SDRT_F32 && from != SDRT_F16 && from != SDRT_BF16) return -1;
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
