/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"

#include <immintrin.h>

/* Latency 4 to 5 times two units: ten chains keep both busy. */
enum { CHAINS = 12 };

/* The factor is below one, so that the sums stay finite however long the loop runs. */
static double f32(long rounds, const void *data)
{
    const float *x = data;
    __m512 a[CHAINS];
    const __m512 m = _mm512_load_ps(x), c = _mm512_load_ps(x + 16);

    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_load_ps(x + 16 * (i + 2));
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            __m512 next = _mm512_fmadd_ps(a[i], m, c);
            __asm__("" : "+v"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = _mm512_add_ps(a[0], a[i]);
    __asm__ volatile("" : : "v"(a[0]));
    return 2.0 * 16 * CHAINS * (double)rounds;
}

static double int8(long rounds, const void *data)
{
    const __m512i *x = data;
    __m512i a[CHAINS];
    const __m512i m = _mm512_load_si512(x);

    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_load_si512(x + i + 1);
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            __m512i next = _mm512_maddubs_epi16(a[i], m);
            __asm__("" : "+v"(next));
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = _mm512_add_epi16(a[0], a[i]);
    __asm__ volatile("" : : "v"(a[0]));
    return 2.0 * 64 * CHAINS * (double)rounds;
}

/* Eight sums, so that the additions' latency does not hide the loads. */
static double read_all(const float *x, long n)
{
    __m512 s[8];

    for (int j = 0; j < 8; j++) s[j] = _mm512_setzero_ps();
    for (long i = 0; i < n; i += 128)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) s[j] = _mm512_add_ps(s[j], _mm512_load_ps(x + i + 16 * j));
    for (int j = 1; j < 8; j++) s[0] = _mm512_add_ps(s[0], s[j]);
    __asm__ volatile("" : : "v"(s[0]));
    return 4.0 * (double)n;
}

const struct sdrt_roof_loops sdrt_roof_avx512 = { f32, NULL, int8, read_all };
