/* SPDX-License-Identifier: MIT
 *
 * Products of pairs of bf16, summed in f32; the rest is AVX-512's.
 */
#include "bench/roof.h"

#include <immintrin.h>

/* Latency 6 times two units. */
enum { CHAINS = 12, LANES = 16 };

static double bf16(long rounds, const void *data)
{
    const __m512i *x = data;
    const __m512bh m = (__m512bh)x[0], c = (__m512bh)x[1];
    __m512 a[CHAINS];

    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_setzero_ps();
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            __m512 next = _mm512_dpbf16_ps(a[i], m, c);
            __asm__("" : "+v"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] = _mm512_add_ps(a[0], a[i]);
    __asm__ volatile("" : : "v"(a[0]));
    return 2.0 * 2 * LANES * CHAINS * (double)rounds;
}

static double f32(long rounds, const void *data) { return sdrt_roof_avx512.f32(rounds, data); }
static double int8(long rounds, const void *data) { return sdrt_roof_avx512.int8(rounds, data); }
static double read_all(const float *x, long n) { return sdrt_roof_avx512.read(x, n); }

const struct sdrt_roof_loops sdrt_roof_avx512bf16 = {
    .f32 = f32,
    .bf16 = bf16,
    .int8 = int8,
    .read = read_all,
};
