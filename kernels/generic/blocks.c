/* SPDX-License-Identifier: MIT
 *
 * The layouts are those of ggml (https://github.com/ggml-org/ggml, src/ggml-common.h).  A block of
 * 32 is a scale d, in some types a minimum m, in some a word of fifth bits, and 16 bytes of nibbles,
 * whose low halves are the first 16 values.  A block of 256 has scales of its own for each 16 or 32
 * values, which d and dmin multiply.  All d, m and dmin are f16.
 */
#include "kernels/generic/blocks.h"
#include "kernels/generic/half.h"

enum { SHORT = 32, LONG = 256, HALF = 128 };

static float half_at(const uint8_t *p)
{
    uint16_t h;

    memcpy(&h, p, sizeof h);
    return from_f16(h);
}

static void from_q8_0(const uint8_t *p, float *y)
{
    const float d = half_at(p);
    const int8_t *q = (const int8_t *)p + 2;

    for (int i = 0; i < SHORT; i++) y[i] = d * (float)q[i];
}

/* Nibble i of a short block. */
static int nibble(const uint8_t *q, int i)
{
    return i < SHORT / 2 ? q[i] & 15 : q[i - SHORT / 2] >> 4;
}

static void from_q4_0(const uint8_t *p, float *y)
{
    const float d = half_at(p);

    for (int i = 0; i < SHORT; i++) y[i] = d * (float)(nibble(p + 2, i) - 8);
}

static void from_q4_1(const uint8_t *p, float *y)
{
    const float d = half_at(p), m = half_at(p + 2);

    for (int i = 0; i < SHORT; i++) y[i] = d * (float)nibble(p + 4, i) + m;
}

/* Bit i of the word at p, as the fifth of a number. */
static int fifth_bit(const uint8_t *p, int i) { return (p[i / 8] >> i % 8 & 1) << 4; }

static void from_q5_0(const uint8_t *p, float *y)
{
    const float d = half_at(p);

    for (int i = 0; i < SHORT; i++)
        y[i] = d * (float)((nibble(p + 6, i) | fifth_bit(p + 2, i)) - 16);
}

static void from_q5_1(const uint8_t *p, float *y)
{
    const float d = half_at(p), m = half_at(p + 2);

    for (int i = 0; i < SHORT; i++) y[i] = d * (float)(nibble(p + 8, i) | fifth_bit(p + 4, i)) + m;
}

/* 16 scales (low nibble) and minima (high), 64 bytes of 2 bits, d, dmin.  In Q2_K and Q3_K byte l of
 * a half's 32 has the values l, l + 32, l + 64 and l + 96 of it. */
static void from_q2_k(const uint8_t *p, float *y)
{
    const uint8_t *q = p + 16;
    const float d = half_at(p + 80), dmin = half_at(p + 82);

    for (int g = 0; g < LONG / 16; g++, y += 16) {
        const uint8_t *of = q + g / 8 * 32 + g % 2 * 16;
        const int shift = g % 8 / 2 * 2;
        const float scale = d * (float)(p[g] & 15), low = dmin * (float)(p[g] >> 4);
        for (int l = 0; l < 16; l++) y[l] = scale * (float)(of[l] >> shift & 3) - low;
    }
}

/* 32 bytes of third bits, 64 of 2 bits, 12 of 16 scales less 32, d.  A third bit that is not set
 * takes 4 away. */
static void from_q3_k(const uint8_t *p, float *y)
{
    const uint8_t *q = p + 32, *s = p + 96;
    const float d = half_at(p + 108);

    for (int g = 0; g < LONG / 16; g++, y += 16) {
        const uint8_t *of = q + g / 8 * 32 + g % 2 * 16, *third = p + g % 2 * 16;
        const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4, high = s[8 + g % 4] >> g / 4 * 2 & 3;
        const int shift = g % 8 / 2 * 2, bit = g / 2;
        const float scale = d * (float)((low | high << 4) - 32);
        for (int l = 0; l < 16; l++)
            y[l] = scale * (float)((of[l] >> shift & 3) - (third[l] >> bit & 1 ? 0 : 4));
    }
}

/* Scale and minimum g of the 8 that 12 bytes hold, 6 bits each: the first four lie in the low bits
 * of bytes 0..3 and 4..7, whose high bits complete the nibbles of bytes 8..11. */
static void scale_and_minimum(const uint8_t *s, int g, int *scale, int *low)
{
    if (g < 4) {
        *scale = s[g] & 63;
        *low = s[g + 4] & 63;
    } else {
        *scale = (s[g + 4] & 15) | s[g - 4] >> 6 << 4;
        *low = s[g + 4] >> 4 | s[g] >> 6 << 4;
    }
}

/* d, dmin, 12 bytes of scales and minima, 32 of fifth bits where fifth is 1, 128 of nibbles: 32
 * bytes have two groups of 32 values, one in the low nibbles and the next in the high ones. */
static void from_q4_or_q5_k(const uint8_t *p, float *y, int fifth)
{
    const uint8_t *bits = p + 16, *q = bits + 32 * fifth;
    const float d = half_at(p), dmin = half_at(p + 2);

    for (int g = 0; g < LONG / 32; g++, y += 32) {
        const uint8_t *of = q + g / 2 * 32;
        int s, m;
        scale_and_minimum(p + 4, g, &s, &m);
        const float scale = d * (float)s, low = dmin * (float)m;
        for (int l = 0; l < 32; l++) {
            const int more = fifth ? (bits[l] >> g & 1) << 4 : 0;
            y[l] = scale * (float)((of[l] >> g % 2 * 4 & 15) | more) - low;
        }
    }
}

static void from_q4_k(const uint8_t *p, float *y) { from_q4_or_q5_k(p, y, 0); }

static void from_q5_k(const uint8_t *p, float *y) { from_q4_or_q5_k(p, y, 1); }

/* 128 bytes of 4 low bits, 64 of 2 high bits, 16 scales, d.  Group g of a half's four times 32
 * values: the nibbles lie in 64 bytes as in a short block, two groups apart, the high bits as in Q2_K. */
static void from_q6_k(const uint8_t *p, float *y)
{
    const int8_t *scales = (const int8_t *)p + 192;
    const float d = half_at(p + 208);

    for (int g = 0; g < LONG / 32; g++, y += 32) {
        const int part = g % 4;
        const uint8_t *low = p + g / 4 * 64 + part % 2 * 32, *high = p + HALF + g / 4 * 32;
        for (int l = 0; l < 32; l++) {
            const int q = (low[l] >> part / 2 * 4 & 15) | (high[l] >> part * 2 & 3) << 4;
            y[l] = d * (float)scales[g * 2 + l / 16] * (float)(q - 32);
        }
    }
}

int blocks_to_f32(const void *src, enum sdrt_dtype from, float *dst, size_t count)
{
    const struct sdrt_dtype_block block = sdrt_dtype_block(from);
    const uint8_t *p = src;
    void (*one)(const uint8_t *p, float *y);

    switch (from) {
    case SDRT_Q8_0: one = from_q8_0; break;
    case SDRT_Q4_0: one = from_q4_0; break;
    case SDRT_Q4_1: one = from_q4_1; break;
    case SDRT_Q5_0: one = from_q5_0; break;
    case SDRT_Q5_1: one = from_q5_1; break;
    case SDRT_Q2_K: one = from_q2_k; break;
    case SDRT_Q3_K: one = from_q3_k; break;
    case SDRT_Q4_K: one = from_q4_k; break;
    case SDRT_Q5_K: one = from_q5_k; break;
    case SDRT_Q6_K: one = from_q6_k; break;
    default: return -1;
    }
    for (; count >= block.values; count -= block.values, p += block.bytes, dst += block.values)
        one(p, dst);
    return 0;
}
