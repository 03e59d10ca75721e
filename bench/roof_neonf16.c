/* SPDX-License-Identifier: MIT
 *
 * Products of halves (FMLA), summed in halves; the rest is NEON's.
 */
#include "bench/roof.h"
#include "kernels/simd/unroll.h"

#include <arm_neon.h>

enum { CHAINS = 24, PRODUCTS = 8 };

/* A sum that all its digits have left, or at infinity, takes as long as another. */
static double f16(long rounds, const void *data)
{
    const float16_t *x = data;
    const float16x8_t m = vld1q_f16(x), c = vld1q_f16(x + 8);
    float16x8_t a[CHAINS];

    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_f16(0.0f);
    for (long r = 0; r < rounds; r++) {
        SDRT_UNROLL(24)
        for (int i = 0; i < CHAINS; i++) {
            float16x8_t next = vfmaq_f16(a[i], m, c);
            __asm__("" : "+w"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    }
    for (int i = 1; i < CHAINS; i++) a[0] = vaddq_f16(a[0], a[i]);
    __asm__ volatile("" : : "w"(a[0]));
    return 2.0 * PRODUCTS * CHAINS * (double)rounds;
}

static double f32(long rounds, const void *data) { return sdrt_roof_neon.f32(rounds, data); }
static double read_all(const float *x, long n) { return sdrt_roof_neon.read(x, n); }

const struct sdrt_roof_loops sdrt_roof_neonf16 = { .f32 = f32, .f16 = f16, .read = read_all };
