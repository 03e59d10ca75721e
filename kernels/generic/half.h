/* SPDX-License-Identifier: MIT
 *
 * f16, one value at a time.
 */
#ifndef SDRT_KERNELS_GENERIC_HALF_H
#define SDRT_KERNELS_GENERIC_HALF_H

#include "kernels/generic/typed.h"

/* a where the mask is all ones, b where it is zero. */
static inline uint32_t choose(uint32_t mask, uint32_t a, uint32_t b)
{
    return (a & mask) | (b & ~mask);
}

static inline uint32_t mask_of(int condition) { return -(uint32_t)condition; }

/* The conversions choose among results instead of branching, so that the loops around them
 * become vectors.  None of them meets an f32 denormal, which the team flushes to zero. */
static inline float from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h & 0x7c00;
    const uint32_t rest = (uint32_t)(h & 0x7fff) << 13, rebias = 112u << 23;
    const float lowest = 0x1p-14f; /* zero and subnormals: a normal number's fraction, less it */
    const uint32_t small = bits_of_f32(f32_of_bits(bits_of_f32(lowest) | (rest & 0x7fffff)) -
                                       lowest);
    const uint32_t normal = rest + rebias, special = normal + rebias;

    return f32_of_bits(sign | choose(mask_of(!exponent), small,
                                     choose(mask_of(exponent == 0x7c00), special, normal)));
}

/* Round to nearest even, by adding the rounding bias to the bits. */
static inline uint16_t to_f16(float f)
{
    const uint32_t u = bits_of_f32(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffffu;
    const float magic = 0.5f; /* its last bit weighs 2^-24 */
    const uint32_t small = bits_of_f32(f32_of_bits(a) + magic) - bits_of_f32(magic);
    const uint32_t normal = (a + 0xfff + (a >> 13 & 1) - (112u << 23)) >> 13;
    const uint32_t finite = choose(mask_of(a < 0x38800000u), small, normal); /* 2^-14 */
    const uint32_t any = choose(mask_of(a >= 0x477ff000u), 0x7c00, finite);  /* 65520 */

    return (uint16_t)(sign | choose(mask_of(a > 0x7f800000u), 0x7e00, any));
}

#endif
