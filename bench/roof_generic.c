/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"

/* Four floats at a time: what every x86-64 and AArch64 has. */
typedef float vec __attribute__((vector_size(16)));

enum { CHAINS = 8 };

static double f32(long rounds, const void *data)
{
    const vec *x = data;
    vec a[CHAINS], m = x[0], c = x[1];

    for (int i = 0; i < CHAINS; i++) a[i] = x[i + 2];
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++) {
            vec next = a[i] * m + c;
            __asm__("" : "+x"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    for (int i = 1; i < CHAINS; i++) a[0] += a[i];
    __asm__ volatile("" : : "x"(a[0]));
    return 2.0 * 4 * CHAINS * (double)rounds;
}

static double read_all(const float *x, long n)
{
    vec s[8] = { { 0 } };

    for (long i = 0; i < n; i += 32)
#pragma GCC unroll 8
        for (int j = 0; j < 8; j++) s[j] += *(const vec *)(const void *)(x + i + 4 * j);
    for (int j = 1; j < 8; j++) s[0] += s[j];
    __asm__ volatile("" : : "x"(s[0]));
    return 4.0 * (double)n;
}

const struct sdrt_roof_loops sdrt_roof_generic = { .f32 = f32, .read = read_all };
