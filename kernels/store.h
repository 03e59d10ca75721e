/* SPDX-License-Identifier: MIT
 *
 * From f32 to the types that files store.
 */
#ifndef SDRT_KERNELS_STORE_H
#define SDRT_KERNELS_STORE_H

#include "kernels/dtype.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Whether sdrt_from_f32() knows the type. */
int sdrt_can_store(enum sdrt_dtype type);

/* count values (whole blocks of the type) to type: F32, F16, BF16, F8_E4M3 and F8_E5M2 to nearest
 * even, Q8_0 and Q4_K as ggml's reference makes them, to the bit.  Returns the index of the first
 * value that is not finite or beyond the type's largest, count when there is none; what was written
 * for such a value means nothing.  dst need not be aligned. */
size_t sdrt_from_f32(const float *src, enum sdrt_dtype type, void *dst, size_t count);

#ifdef __cplusplus
}
#endif

#endif
