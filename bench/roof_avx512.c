/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"

#include <immintrin.h>

/* Latency 4 to 5 times two units: ten chains keep both busy. */
enum { CHAINS = 12 };

static double f32(long rounds)
{
    __m512 a[CHAINS];
    const __m512 m = _mm512_set1_ps(0.5f), c = _mm512_set1_ps(1.0f);

    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
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

static double int8(long rounds)
{
    __m512i a[CHAINS];
    const __m512i m = _mm512_set1_epi8(1);

    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_epi8((char)i);
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

static double read_all(const float *x, long n)
{
    __m512 s[4] = { _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                    _mm512_setzero_ps() };

    for (long i = 0; i < n; i += 64)
        for (int j = 0; j < 4; j++) s[j] = _mm512_add_ps(s[j], _mm512_loadu_ps(x + i + 16 * j));
    s[0] = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
    __asm__ volatile("" : : "v"(s[0]));
    return 4.0 * (double)n;
}

const struct sdrt_roof_loops sdrt_roof_avx512 = { f32, int8, read_all };
