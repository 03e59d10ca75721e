/* SPDX-License-Identifier: MIT */
#include "runtime/random/rng.h"

#include <math.h>
#include <string.h>

/* ---- mt19937: Matsumoto and Nishimura, "Mersenne Twister", 1998 ---- */

enum { MT_N = SDRT_MT19937_WORDS, MT_M = 397 };

static void mt_seed(struct sdrt_rng *rng, uint32_t seed)
{
    rng->mt[0] = seed;
    for (uint32_t i = 1; i < MT_N; i++)
        rng->mt[i] = 1812433253u * (rng->mt[i - 1] ^ (rng->mt[i - 1] >> 30)) + i;
    rng->next = MT_N;
}

static void mt_refill(uint32_t *mt)
{
    for (int i = 0; i < MT_N; i++) {
        const uint32_t y = (mt[i] & 0x80000000u) | (mt[(i + 1) % MT_N] & 0x7fffffffu);
        mt[i] = mt[(i + MT_M) % MT_N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
    }
}

static uint32_t mt_word(struct sdrt_rng *rng)
{
    uint32_t y;

    if (rng->next == MT_N) {
        mt_refill(rng->mt);
        rng->next = 0;
    }
    y = rng->mt[rng->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

static float mt_uniform(struct sdrt_rng *rng)
{
    return (float)(mt_word(rng) & 0xffffffu) * 0x1p-24f;
}

static double mt_uniform_double(struct sdrt_rng *rng)
{
    const uint64_t high = mt_word(rng);
    const uint64_t bits = (high << 32 | mt_word(rng)) & 0x1fffffffffffffu;

    return (double)bits * 0x1p-53;
}

/* ---- PyTorch's vector path, one lane at a time ----
 *
 * Its logarithm, sine and cosine are the polynomials of Cephes (Moshier) in float, and its
 * compiler fuses each product with the sum that follows.  Both decide the last bit, so
 * every fmaf below stands where that build has a fused instruction, and nowhere else; this file
 * must be compiled without contraction of its own (-ffp-contract=off). */

static float cephes_log(float x)
{
    static const float p[] = {
        7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
        1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f,
        3.3333331174e-1f,
    };
    const float ln2_low = -2.12194440e-4f, ln2_high = 0.693359375f;
    int exponent;
    float e, z, y = p[0];

    x = frexpf(x, &exponent);
    e = (float)exponent;
    if (x < 0.707106781186547524f) {
        e -= 1.0f;
        x = (x - 1.0f) + x;
    } else {
        x -= 1.0f;
    }
    z = x * x;
    for (size_t i = 1; i < sizeof p / sizeof *p; i++)
        y = fmaf(y, x, p[i]);
    y = fmaf(y * x, z, e * ln2_low);
    y = fmaf(-0.5f, z, y);
    return fmaf(e, ln2_high, x + y);
}

/* x is in [0, 2 pi]: Cephes' reduction in three parts of pi/4, then one of two polynomials. */
static void cephes_sincos(float x, float *sine, float *cosine)
{
    const int octant = ((int)(x * 1.27323954473516f) + 1) & ~1;
    const float j = (float)octant;
    float z, c, s;

    x = fmaf(j, -0.78515625f, x);
    x = fmaf(j, -2.4187564849853515625e-4f, x);
    x = fmaf(j, -3.77489497744594108e-8f, x);
    z = x * x;

    c = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f);
    c = fmaf(c * z, z, -0.5f * z) + 1.0f;

    s = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f);
    s = fmaf(s * z, x, x);

    *sine = octant & 2 ? c : s;
    *cosine = octant & 2 ? s : c;
    if (octant & 4) *sine = -*sine;
    if ((octant + 2) & 4) *cosine = -*cosine;
}

/* 16 uniforms to 16 normals; the pairs are (i, i + 8). */
static void box_muller_16(float v[16])
{
    const float two_pi = 6.28318530717958647692f;

    for (int i = 0; i < 8; i++) {
        const float radius = sqrtf(-2.0f * cephes_log(1.0f - v[i]));
        float sine, cosine;

        cephes_sincos(two_pi * v[i + 8], &sine, &cosine);
        /* PyTorch adds its mean of 0, which turns -0 into 0. */
        v[i] = radius * cosine + 0.0f;
        v[i + 8] = radius * sine + 0.0f;
    }
}

static void normal_blocks(struct sdrt_rng *rng, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = mt_uniform(rng);
    for (size_t i = 0; i + 16 <= n; i += 16)
        box_muller_16(out + i);
    if (n % 16 == 0) return;
    /* The tail is no shorter block: the last 16 are drawn anew and overlap the one before. */
    for (size_t i = n - 16; i < n; i++)
        out[i] = mt_uniform(rng);
    box_muller_16(out + n - 16);
}

static float normal_scalar(struct sdrt_rng *rng)
{
    double u1, u2, radius, theta;

    if (rng->has_spare) {
        rng->has_spare = 0;
        return (float)rng->spare;
    }
    u1 = mt_uniform_double(rng);
    u2 = mt_uniform_double(rng);
    radius = sqrt(-2.0 * log1p(-u2));
    theta = 6.28318530717958647692 * u1;
    rng->spare = radius * sin(theta);
    rng->has_spare = 1;
    return (float)(radius * cos(theta));
}

/* ---- Philox ---- */

void sdrt_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4], k[2];

    memcpy(c, counter, sizeof c);
    memcpy(k, key, sizeof k);
    for (int round = 0; round < 10; round++) {
        const uint64_t a = (uint64_t)c[0] * 0xd2511f53u;
        const uint64_t b = (uint64_t)c[2] * 0xcd9e8d57u;

        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k[0];
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k[1];
        c[3] = (uint32_t)a;
        k[0] += 0x9e3779b9u;
        k[1] += 0xbb67ae85u;
    }
    memcpy(out, c, sizeof c);
}

/* The constants are floats and the arithmetic double, as NumPy promotes them in
 * stable-diffusion-webui's modules/rng_philox.py. */
static void normal_philox(struct sdrt_rng *rng, float *out, size_t n)
{
    const float unit = 2.3283064e-10f, angle = (float)(2.3283064e-10 * 6.2831855);
    const uint32_t key[2] = { (uint32_t)rng->seed, (uint32_t)(rng->seed >> 32) };

    for (size_t i = 0; i < n; i++) {
        const uint32_t counter[4] = { rng->calls, 0, (uint32_t)i, (uint32_t)((uint64_t)i >> 32) };
        uint32_t word[4];
        double u, v;

        sdrt_philox4x32(counter, key, word);
        u = word[0] * (double)unit + unit / 2;
        v = word[1] * (double)angle + angle / 2;
        out[i] = (float)(sqrt(-2.0 * log(u)) * sin(v));
    }
    rng->calls++;
}

/* ---- both ---- */

void sdrt_rng_seed(struct sdrt_rng *rng, enum sdrt_rng_kind kind, uint64_t seed)
{
    memset(rng, 0, sizeof *rng);
    rng->kind = kind;
    rng->seed = seed;
    mt_seed(rng, (uint32_t)seed);
}

void sdrt_rng_normal(struct sdrt_rng *rng, float *out, size_t n)
{
    if (rng->kind == SDRT_RNG_CUDA) {
        normal_philox(rng, out, n);
    } else if (n >= 16) {
        normal_blocks(rng, out, n);
    } else {
        for (size_t i = 0; i < n; i++)
            out[i] = normal_scalar(rng);
    }
}

const char *sdrt_rng_name(int kind)
{
    static const char *const names[] = { [SDRT_RNG_CPU] = "cpu", [SDRT_RNG_CUDA] = "cuda" };

    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : NULL;
}
