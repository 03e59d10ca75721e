/* SPDX-License-Identifier: MIT
 *
 * Products of bf16, summed in f32: of pairs (BFDOT), or of blocks of two rows by two columns
 * (BFMMLA).  The rest is NEON's.
 */
#include "bench/roof.h"
#include "kernels/simd/unroll.h"

#include <arm_neon.h>

enum { CHAINS = 24 };

/* The loop of one instruction: of blocks, or of pairs. */
static inline __attribute__((always_inline)) double products(const int blocks, long rounds,
                                                             const void *data)
{
    const bfloat16_t *x = data;
    const bfloat16x8_t m = vld1q_bf16(x), c = vld1q_bf16(x + 8);
    float32x4_t a[CHAINS];

    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_f32(0.0f);
    for (long r = 0; r < rounds; r++) {
        SDRT_UNROLL(24)
        for (int i = 0; i < CHAINS; i++) {
            float32x4_t next = blocks ? vbfmmlaq_f32(a[i], m, c) : vbfdotq_f32(a[i], m, c);
            __asm__("" : "+w"(next)); /* keeps the chain from being folded */
            a[i] = next;
        }
    }
    for (int i = 1; i < CHAINS; i++) a[0] = vaddq_f32(a[0], a[i]);
    __asm__ volatile("" : : "w"(a[0]));
    return 2.0 * (blocks ? 16 : 8) * CHAINS * (double)rounds;
}

static double of_blocks(long rounds, const void *data) { return products(1, rounds, data); }
static double of_pairs(long rounds, const void *data) { return products(0, rounds, data); }
static double f32(long rounds, const void *data) { return sdrt_roof_neon.f32(rounds, data); }
static double read_all(const float *x, long n) { return sdrt_roof_neon.read(x, n); }

const struct sdrt_roof_loops sdrt_roof_neonbf16 = { .f32 = f32,
                                                    .bf16 = of_pairs,
                                                    .read = read_all };
const struct sdrt_roof_loops sdrt_roof_neonmmla = { .f32 = f32,
                                                    .bf16 = of_blocks,
                                                    .read = read_all };
