/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"

#include <immintrin.h>

/* Latency 4 to 5 times two units: ten chains keep both busy. */
enum { CHAINS = 12 };

/* The factor is below one, so that the sums stay finite however long the loop runs. */
static double f32(long rounds, const void *data)
{
    const float *x = data;
    __m256 a[CHAINS];
    const __m256 m = _mm256_load_ps(x), c = _mm256_load_ps(x + 8);

    for (int i = 0; i < CHAINS; i++) a[i] = _mm256_load_ps(x + 8 * (i + 2));
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            __m256 next = _mm256_fmadd_ps(a[i], m, c);
            __asm__("" : "+x"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = _mm256_add_ps(a[0], a[i]);
    __asm__ volatile("" : : "x"(a[0]));
    return 2.0 * 8 * CHAINS * (double)rounds;
}

static double int8(long rounds, const void *data)
{
    const __m256i *x = data;
    __m256i a[CHAINS];
    const __m256i m = _mm256_load_si256(x);

    for (int i = 0; i < CHAINS; i++) a[i] = _mm256_load_si256(x + i + 1);
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            __m256i next = _mm256_maddubs_epi16(a[i], m);
            __asm__("" : "+x"(next));
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = _mm256_add_epi16(a[0], a[i]);
    __asm__ volatile("" : : "x"(a[0]));
    return 2.0 * 32 * CHAINS * (double)rounds;
}

/* Eight sums, so that the additions' latency does not hide the loads. */
static double read_all(const float *x, long n)
{
    __m256 s[8];

    for (int j = 0; j < 8; j++) s[j] = _mm256_setzero_ps();
    for (long i = 0; i < n; i += 64)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) s[j] = _mm256_add_ps(s[j], _mm256_load_ps(x + i + 8 * j));
    for (int j = 1; j < 8; j++) s[0] = _mm256_add_ps(s[0], s[j]);
    __asm__ volatile("" : : "x"(s[0]));
    return 4.0 * (double)n;
}

const struct sdrt_roof_loops sdrt_roof_avx2 = { f32, NULL, int8, read_all };
