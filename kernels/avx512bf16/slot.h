/* SPDX-License-Identifier: MIT
 *
 * A slot of two bf16, neighbours in k, the first one in the lower half: what VDPBF16PS
 * multiplies.  Include kernels/simd/slot.h.
 */
#ifndef SDRT_KERNELS_AVX512BF16_SLOT_H
#define SDRT_KERNELS_AVX512BF16_SLOT_H

#include "kernels/avx512/bf16.h"

#include <stdint.h>

enum { SLOT = 2, SLOT_FLOATS = 1, ABREAST = 1 };
static const enum sdrt_dtype SLOT_TYPE = SDRT_F32;

SDRT_ALWAYS_INLINE vf v_product(vf x, vf w, vf acc)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)x, (__m512bh)w);
}

SDRT_ALWAYS_INLINE vf slots_interleave(vf x, vf y) { return interleave_bf16(x, y); }

SDRT_ALWAYS_INLINE vf slots_load(const float *p, int n)
{
    return pair_bf16(load_first(p, n), load_first(p + VL, n - VL));
}

SDRT_ALWAYS_INLINE void slots_store(float *p, int i, vf x)
{
    v_store_n(p + i / 2, pair_bf16(x, v_zero()), VL / 2);
}

SDRT_ALWAYS_INLINE void slots_copy(float *to, const float *from, int n, const float *ahead)
{
    int i = 0;

    for (; i + 2 * VL <= n; i += 2 * VL) {
        __builtin_prefetch(ahead + i);
        __builtin_prefetch(ahead + i + VL);
        v_store(to + i / 2, pair_bf16(v_load(from + i), v_load(from + i + VL)));
    }
    if (i < n) v_store_n(to + i / 2, slots_load(from + i, n - i), (n - i + 1) / 2);
}

SDRT_ALWAYS_INLINE vf slots_load_bf16(const void *p, int n) { return load_pair_bf16(p, n); }

SDRT_ALWAYS_INLINE void slots_copy_bf16(float *to, const void *from, int n, const void *ahead)
{
    const uint16_t *h = from;
    int i = 0;

    for (; i + 2 * VL <= n; i += 2 * VL) {
        __builtin_prefetch((const uint16_t *)ahead + i);
        v_store(to + i / 2, v_load((const float *)(const void *)(h + i)));
    }
    if (i < n) v_store_n(to + i / 2, load_pair_bf16(h + i, n - i), (n - i + 1) / 2);
}

#include "kernels/simd/slot_bf16.h"

#endif
