/* SPDX-License-Identifier: MIT
 *
 * Rows of f32 or bf16, a vector at a time: what kernels read and write of tensors that may be
 * either.  `narrow`, a constant wherever speed counts, says that a row is bf16.  Include a set's
 * vec.h first.
 */
#ifndef SDRT_KERNELS_SIMD_NARROW_H
#define SDRT_KERNELS_SIMD_NARROW_H

#include "kernels/dtype.h"

#include <stdint.h>
#include <string.h>

/* A set whose vectors are not the compiler's own brings these two. */
#ifndef SDRT_OWN_NARROW
typedef uint32_t narrow_words __attribute__((vector_size(4 * VL)));
typedef uint16_t narrow_halves __attribute__((vector_size(2 * VL)));

/* To nearest even; a NaN stays one. */
SDRT_ALWAYS_INLINE narrow_halves narrow_from(vf v)
{
    const narrow_words u = (narrow_words)v, top = u >> 16;
    const narrow_words nan = (narrow_words)((u & 0x7fffffff) > 0x7f800000);
    const narrow_words rounded = (u + 0x7fff + (top & 1)) >> 16;

    return __builtin_convertvector((nan & (top | 0x40)) | (~nan & rounded), narrow_halves);
}
#endif

/* The first n > 0 lanes (all where n >= VL) of the vector at element i of a row; the others are
 * 0. */
SDRT_ALWAYS_INLINE vf narrow_load(const void *row, const int narrow, size_t i, int n)
{
    if (!narrow) {
        const float *p = (const float *)row + i;
        return n >= VL ? v_load(p) : v_load_n(p, n);
    }
    const unsigned short *p = (const unsigned short *)row + i;
    if (n >= VL) return v_load_bf16(p);
    unsigned short some[VL] = { 0 };
    memcpy(some, p, (size_t)n * sizeof *some);
    return v_load_bf16(some);
}

/* And back. */
SDRT_ALWAYS_INLINE void narrow_store(void *row, const int narrow, size_t i, vf v, int n)
{
    if (!narrow) {
        float *p = (float *)row + i;
        if (n >= VL) v_store(p, v);
        else v_store_n(p, v, n);
        return;
    }
    const narrow_halves h = narrow_from(v);
    unsigned short *p = (unsigned short *)row + i;
    if (n >= VL) memcpy(p, &h, sizeof h);
    else memcpy(p, &h, (size_t)n * sizeof *p);
}

#endif
