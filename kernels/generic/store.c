/* SPDX-License-Identifier: MIT */
#include "kernels/store.h"
#include "kernels/generic/half.h"

#include <math.h>

enum { SHORT = 32, LONG = 256, GROUP = 32, GROUPS = LONG / GROUP };

int sdrt_can_store(enum sdrt_dtype type)
{
    return type == SDRT_F32 || type == SDRT_F16 || type == SDRT_BF16 || type == SDRT_F8_E4M3 ||
           type == SDRT_F8_E5M2 || type == SDRT_Q8_0 || type == SDRT_Q4_K;
}

static float largest(enum sdrt_dtype type)
{
    switch (type) {
    case SDRT_F16: return 65504.0f;
    case SDRT_BF16: return 0x1.fep127f;
    case SDRT_F8_E4M3: return 448.0f;
    case SDRT_F8_E5M2: return 57344.0f;
    case SDRT_Q8_0: return 127.0f * 65504.0f;
    case SDRT_Q4_K: return 65504.0f;
    default: return 0x1.fffffep127f;
    }
}

/* A small float of mantissa bits and of exponents from lowest on; the value is in range. */
static uint8_t to_f8(float x, int mantissa, int lowest)
{
    const uint8_t sign = signbit(x) ? 0x80 : 0;
    const float a = fabsf(x);
    int exponent = a > 0.0f ? ilogbf(a) : lowest;

    if (exponent < lowest) exponent = lowest;
    /* Units of the last place, by which the exponent's field counts on. */
    const int units = (int)rintf(ldexpf(a, mantissa - exponent));
    return sign | (uint8_t)(units + ((exponent - lowest) << mantissa));
}

static void to_q8_0(const float *x, uint8_t *out)
{
    float most = 0.0f;

    for (int i = 0; i < SHORT; i++) most = fmaxf(most, fabsf(x[i]));
    const float d = most / 127.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    const uint16_t half = to_f16(d);
    memcpy(out, &half, sizeof half);
    for (int i = 0; i < SHORT; i++) out[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

/* ---- Q4_K ---- */

static int clamp(float x, int high)
{
    const int i = (int)rintf(x);

    return i < 0 ? 0 : i > high ? high : i;
}

/* 32 values as level * scale + low, with levels from 0 to 15 and low at most 0. */
struct fit {
    float scale, low, error;
    uint8_t level[GROUP];
};

static void set_levels(const float *x, float steps, float low, uint8_t level[GROUP])
{
    for (int i = 0; i < GROUP; i++) level[i] = (uint8_t)clamp(steps * (x[i] - low), 15);
}

static float error_of(const float *x, const float *weight, const struct fit *f)
{
    float sum = 0.0f;

    for (int i = 0; i < GROUP; i++) {
        const float off = f->scale * (float)f->level[i] + f->low - x[i];
        sum += weight[i] * (off * off);
    }
    return sum;
}

/* The least squares through the levels that steps to the unit give; 0 where they are all one. */
static int fit_levels(const float *x, const float *weight, float steps, float low, struct fit *f)
{
    float w = 0.0f, wx = 0.0f, wl = 0.0f, wll = 0.0f, wlx = 0.0f;

    set_levels(x, steps, low, f->level);
    for (int i = 0; i < GROUP; i++) {
        const float l = (float)f->level[i];
        w += weight[i];
        wx += weight[i] * x[i];
        wl += weight[i] * l;
        wll += weight[i] * l * l;
        wlx += weight[i] * l * x[i];
    }
    const float determinant = w * wll - wl * wl;
    if (!(determinant > 0.0f)) return 0;
    f->scale = (w * wlx - wx * wl) / determinant;
    f->low = (wll * wx - wl * wlx) / determinant;
    if (f->low > 0.0f) {
        f->low = 0.0f;
        f->scale = wlx / wll;
    }
    f->error = error_of(x, weight, f);
    return 1;
}

/* ggml's search: 21 numbers of steps about the range, each from the lowest value found best so far. */
static void fit_group(const float *x, struct fit *best)
{
    float low = x[0], high = x[0], squares = 0.0f, weight[GROUP];
    struct fit f;

    for (int i = 0; i < GROUP; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
        squares += x[i] * x[i];
    }
    const float typical = sqrtf(squares / GROUP);
    for (int i = 0; i < GROUP; i++) weight[i] = typical + fabsf(x[i]);
    if (low > 0.0f) low = 0.0f;
    *best = (struct fit){ .low = low };
    if (high == low) return;
    const float steps = 15.0f / (high - low);
    best->scale = 1.0f / steps;
    set_levels(x, steps, low, best->level);
    best->error = error_of(x, weight, best);
    for (int i = 0; i <= 20; i++) {
        const float tried = (-1.0f + 0.1f * (float)i + 15.0f) / (high - best->low);
        if (fit_levels(x, weight, tried, best->low, &f) && f.error < best->error) *best = f;
    }
}

/* 6 bits each of scale and minimum g, where from_q4_or_q5_k() looks for them. */
static void put_scale(uint8_t *s, int g, int scale, int low)
{
    if (g < 4) {
        s[g] = (uint8_t)scale;
        s[g + 4] = (uint8_t)low;
    } else {
        s[g + 4] = (uint8_t)((scale & 15) | (low & 15) << 4);
        s[g - 4] |= (uint8_t)(scale >> 4 << 6);
        s[g] |= (uint8_t)(low >> 4 << 6);
    }
}

static void to_q4_k(const float *x, uint8_t *out)
{
    float most_scale = 0.0f, most_low = 0.0f;
    struct fit fits[GROUPS];
    uint16_t halves[2];

    for (int g = 0; g < GROUPS; g++) {
        fit_group(x + g * GROUP, &fits[g]);
        most_scale = fits[g].scale > most_scale ? fits[g].scale : most_scale;
        most_low = -fits[g].low > most_low ? -fits[g].low : most_low;
    }
    halves[0] = to_f16(most_scale / 63.0f);
    halves[1] = to_f16(most_low / 63.0f);
    memcpy(out, halves, sizeof halves);
    const float by_scale = most_scale > 0.0f ? 63.0f / most_scale : 0.0f;
    const float by_low = most_low > 0.0f ? 63.0f / most_low : 0.0f;
    for (int g = 0; g < GROUPS; g++) {
        struct fit *f = &fits[g];
        const int scale = clamp(by_scale * f->scale, 63), low = clamp(by_low * -f->low, 63);
        put_scale(out + 4, g, scale, low);
        const float d = from_f16(halves[0]) * (float)scale, m = from_f16(halves[1]) * (float)low;
        if (d != 0.0f)
            for (int i = 0; i < GROUP; i++)
                f->level[i] = (uint8_t)clamp((x[g * GROUP + i] + m) / d, 15);
    }
    for (int g = 0; g < GROUPS; g += 2)
        for (int i = 0; i < GROUP; i++)
            out[16 + g / 2 * GROUP + i] = (uint8_t)(fits[g].level[i] | fits[g + 1].level[i] << 4);
}

size_t sdrt_from_f32(const float *src, enum sdrt_dtype type, void *dst, size_t count)
{
    const float most = largest(type);
    uint8_t *out = dst;
    size_t good = 0;

    while (good < count && fabsf(src[good]) <= most) good++;
    for (size_t i = 0; i < count; i++) {
        const uint16_t half = type == SDRT_F16 ? to_f16(src[i]) : bf16_of_f32(src[i]);
        switch (type) {
        case SDRT_F32: memcpy(out + 4 * i, &src[i], 4); break;
        case SDRT_F16:
        case SDRT_BF16: memcpy(out + 2 * i, &half, 2); break;
        case SDRT_F8_E4M3: out[i] = i < good ? to_f8(src[i], 3, -6) : 0; break;
        case SDRT_F8_E5M2: out[i] = i < good ? to_f8(src[i], 2, -14) : 0; break;
        case SDRT_Q8_0:
            if (i % SHORT == 0 && i + SHORT <= good) to_q8_0(src + i, out + i / SHORT * 34);
            break;
        case SDRT_Q4_K:
            if (i % LONG == 0 && i + LONG <= good) to_q4_k(src + i, out + i / LONG * 144);
            break;
        default: return 0;
        }
    }
    return good;
}
