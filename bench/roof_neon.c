/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"
#include "kernels/simd/unroll.h"

#include <arm_neon.h>

/* Latency 4 times four pipes on Apple's and Qualcomm's cores; 24 are what a tile has. */
enum { CHAINS = 24, LANES = 4 };

/* The factor is below one, so that the sums stay finite however long the loop runs. */
static double f32(long rounds, const void *data)
{
    const float *x = data;
    float32x4_t a[CHAINS];
    const float32x4_t m = vld1q_f32(x), c = vld1q_f32(x + LANES);

    for (int i = 0; i < CHAINS; i++) a[i] = vld1q_f32(x + LANES * (i + 2));
    for (long r = 0; r < rounds; r++) {
        SDRT_UNROLL(24)
        for (int i = 0; i < CHAINS; i++) {
            float32x4_t next = vfmaq_f32(a[i], m, c);
            __asm__("" : "+w"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    }
    for (int i = 1; i < CHAINS; i++) a[0] = vaddq_f32(a[0], a[i]);
    __asm__ volatile("" : : "w"(a[0]));
    return 2.0 * LANES * CHAINS * (double)rounds;
}

/* Eight sums, so that the additions' latency does not hide the loads. */
static double read_all(const float *x, long n)
{
    float32x4_t s[8];

    for (int j = 0; j < 8; j++) s[j] = vdupq_n_f32(0.0f);
    for (long i = 0; i < n; i += 8 * LANES) {
        SDRT_UNROLL(8)
        for (int j = 0; j < 8; j++) s[j] = vaddq_f32(s[j], vld1q_f32(x + i + LANES * j));
    }
    for (int j = 1; j < 8; j++) s[0] = vaddq_f32(s[0], s[j]);
    __asm__ volatile("" : : "w"(s[0]));
    return 4.0 * (double)n;
}

const struct sdrt_roof_loops sdrt_roof_neon = { .f32 = f32, .read = read_all };
