/* SPDX-License-Identifier: MIT
 *
 * Values of tensors that are f32 or bf16, one at a time.
 */
#ifndef SDRT_KERNELS_GENERIC_TYPED_H
#define SDRT_KERNELS_GENERIC_TYPED_H

#include "kernels/dtype.h"

#include <stdint.h>
#include <string.h>

static inline float f32_of_bits(uint32_t u)
{
    float f;

    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t bits_of_f32(float f)
{
    uint32_t u;

    memcpy(&u, &f, sizeof u);
    return u;
}

/* To nearest even, by adding the rounding bias to the bits. */
static inline uint16_t bf16_of_f32(float f)
{
    const uint32_t u = bits_of_f32(f), nan = u >> 16 | 0x40;

    return (uint16_t)((u & 0x7fffffffu) > 0x7f800000u ? nan : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}

/* Element i of x, which is of type F32 or BF16. */
static inline float typed_load(const void *x, enum sdrt_dtype type, size_t i)
{
    if (type == SDRT_BF16) return f32_of_bits((uint32_t)((const uint16_t *)x)[i] << 16);
    return ((const float *)x)[i];
}

static inline void typed_store(void *y, enum sdrt_dtype type, size_t i, float v)
{
    if (type == SDRT_BF16) ((uint16_t *)y)[i] = bf16_of_f32(v);
    else ((float *)y)[i] = v;
}

/* Whether the functions above know the type. */
static inline int typed_known(enum sdrt_dtype type)
{
    return type == SDRT_F32 || type == SDRT_BF16;
}

#endif
