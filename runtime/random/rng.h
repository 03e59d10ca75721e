/* SPDX-License-Identifier: MIT
 *
 * Normally distributed random numbers, reproducible bit for bit.
 *
 * Two generators, named after the device whose PyTorch numbers they give:
 *
 * SDRT_RNG_CPU   torch.randn(n, generator=torch.Generator("cpu").manual_seed(seed)) in float32:
 *                mt19937 and Box-Muller; 16 and more numbers take PyTorch's AVX2 code path
 *                (the one that x86 builds run on every AVX2 and AVX-512 machine), fewer take
 *                its scalar path in double.
 * SDRT_RNG_CUDA  torch.randn(n, device="cuda") for one launch of at most one number a thread, as
 *                stable-diffusion-webui reproduces it: Philox4x32-10 (Salmon et al., "Parallel
 *                random numbers: as easy as 1, 2, 3", 2011) with the seed as key.  Call k of a
 *                generator, element i, has the counter (k, 0, i mod 2^32, i / 2^32).
 *
 * A generator draws the same numbers only for the same sequence of call sizes: as in PyTorch,
 * normal(32) differs from twice normal(16) on CUDA, and normal(20) from any split on the CPU.
 */
#ifndef SDRT_RUNTIME_RANDOM_RNG_H
#define SDRT_RUNTIME_RANDOM_RNG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sdrt_rng_kind { SDRT_RNG_CPU, SDRT_RNG_CUDA };

/* "cpu", "cuda": a constant text, NULL for no kind. */
const char *sdrt_rng_name(int kind);

enum { SDRT_MT19937_WORDS = 624 };

/* The whole state of one generator.  It belongs to the caller, holds no pointer and needs no
 * release; copying it copies the stream.  One thread at a time may draw from it. */
struct sdrt_rng {
    enum sdrt_rng_kind kind;
    uint64_t seed;
    uint32_t calls;                        /* CUDA: calls of sdrt_rng_normal so far */
    uint32_t next;                         /* CPU: next unused word of mt[] */
    int      has_spare;                    /* CPU: spare holds the second normal of a pair */
    double   spare;
    uint32_t mt[SDRT_MT19937_WORDS];
};

/* Starts the stream of seed.  As in PyTorch the CPU generator sees the low 32 bits alone (seeds
 * 5 and 2^32 + 5 are one stream); the CUDA generator uses all 64. */
void sdrt_rng_seed(struct sdrt_rng *rng, enum sdrt_rng_kind kind, uint64_t seed);

/* Writes the next n standard normal numbers to out[n].  n may be 0. */
void sdrt_rng_normal(struct sdrt_rng *rng, float *out, size_t n);

/* One block of Philox4x32-10: counter and key to four random words in out. */
void sdrt_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#ifdef __cplusplus
}
#endif

#endif
