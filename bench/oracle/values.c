/* SPDX-License-Identifier: MIT */
#include "bench/oracle/values.h"

#include <math.h>
#include <string.h>

static uint32_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

float trand(uint64_t *state) { return (float)((int32_t)next(state) >> 8) * 0x1p-23f; }

int trand_int(uint64_t *state, int n) { return (int)((uint64_t)next(state) * (uint64_t)n >> 32); }

void trand_rows(uint64_t *state, float *rows, size_t n, int width, int pitch, float scale)
{
    for (size_t r = 0; r < n; r++)
        for (int i = 0; i < width; i++) rows[r * (size_t)pitch + (size_t)i] = scale * trand(state);
}

size_t tgaps_written(const float *rows, size_t n, int width, int pitch)
{
    const uint32_t untouched = 0xffffffff;
    size_t bad = 0;

    for (size_t r = 0; r < n; r++)
        for (int i = width; i < pitch; i++)
            bad += memcmp(rows + r * (size_t)pitch + i, &untouched, sizeof untouched) != 0;
    return bad;
}

struct sums {
    double err, ref;
};

static void compare(struct tdiff *d, struct sums *sums, size_t i, double g, double w, double limit)
{
    const double e = fabs(g - w);

    if (!isfinite(g) || e > limit) d->bad++;
    if (isnan(w)) return;
    if (!(e <= d->max_abs)) {
        d->max_abs = e;
        d->at = i;
    }
    sums->err += e * e;
    sums->ref += w * w;
}

struct tdiff tcompare(const float *got, const double *want, size_t n, int width, int pitch,
                      double atol, double rtol)
{
    struct tdiff d = { 0 };
    struct sums s = { 0 };

    for (size_t i = 0; i < n * (size_t)width; i++)
        compare(&d, &s, i, (double)got[i / (size_t)width * (size_t)pitch + i % (size_t)width],
                want[i], atol + rtol * fabs(want[i]));
    d.nmse = s.ref > 0.0 ? s.err / s.ref : s.err;
    return d;
}

struct tdiff tcompare_doubles(const double *got, const double *want, size_t n, double atol,
                              double rtol)
{
    struct tdiff d = { 0 };
    struct sums s = { 0 };

    for (size_t i = 0; i < n; i++) compare(&d, &s, i, got[i], want[i], atol + rtol * fabs(want[i]));
    d.nmse = s.ref > 0.0 ? s.err / s.ref : s.err;
    return d;
}

/* Significant bits, and the weight of the last bit of the smallest numbers. */
static void format_of(enum sdrt_dtype type, int *bits, int *least)
{
    *bits = type == SDRT_F16 ? 11 : type == SDRT_BF16 ? 8 : type == SDRT_F8_E4M3 ? 4 : 24;
    *least = type == SDRT_F16 ? -24 : type == SDRT_BF16 ? -133 : type == SDRT_F8_E4M3 ? -9 : -149;
}

double tround(double v, enum sdrt_dtype type)
{
    int bits, least, e;

    format_of(type, &bits, &least);
    if (v == 0.0 || !isfinite(v)) return v;
    frexp(v, &e);
    const int last = e - bits > least ? e - bits : least;
    const double r = ldexp(nearbyint(ldexp(v, -last)), last);
    const double overflow = type == SDRT_F16 ? 0x1p16 : type == SDRT_F8_E4M3 ? 480.0 : 0x1p128;
    return fabs(r) >= overflow ? copysign(INFINITY, v) : r;
}

static uint16_t bits_of(double v, enum sdrt_dtype type)
{
    const int small = type == SDRT_F8_E4M3;
    const int mantissa = type == SDRT_F16 ? 10 : small ? 3 : 7;
    const int bias = type == SDRT_F16 ? 15 : small ? 7 : 127;
    const int sign = signbit(v) ? small ? 0x80 : 0x8000 : 0, top = (2 * bias + 1) << mantissa;
    double a = fabs(v);
    int e;

    if (isnan(v)) return (uint16_t)(sign | top | 1 << (mantissa - 1));
    if (isinf(v)) return (uint16_t)(sign | top);
    if (a < ldexp(1.0, 1 - bias)) return (uint16_t)(sign | (int)ldexp(a, bias - 1 + mantissa));
    a = frexp(a, &e); /* a * 2 is 1.mantissa */
    return (uint16_t)(sign | ((e - 1 + bias) << mantissa) |
                      ((int)ldexp(a, mantissa + 1) - (1 << mantissa)));
}

void tencode(double v, enum sdrt_dtype type, void *dst, size_t index)
{
    if (type == SDRT_F32) ((float *)dst)[index] = (float)v;
    else if (type == SDRT_F8_E4M3)
        ((uint8_t *)dst)[index] = (uint8_t)bits_of(tround(v, type), type);
    else ((uint16_t *)dst)[index] = bits_of(tround(v, type), type);
}

double tdecode(const void *src, enum sdrt_dtype type, size_t index)
{
    if (type == SDRT_F32) return (double)((const float *)src)[index];
    const int mantissa = type == SDRT_F16 ? 10 : 7, bias = type == SDRT_F16 ? 15 : 127;
    const int bits = ((const uint16_t *)src)[index], e = (bits & 0x7fff) >> mantissa;
    const double part = (double)(bits & ((1 << mantissa) - 1)) / (double)(1 << mantissa);
    const double v = e > 2 * bias ? (part > 0.0 ? NAN : INFINITY)
                     : e          ? ldexp(1.0 + part, e - bias)
                                  : ldexp(part, 1 - bias);

    return bits & 0x8000 ? -v : v;
}
