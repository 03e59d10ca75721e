/* SPDX-License-Identifier: MIT
 *
 * ggml's types of blocks, of 32 or 256 values that share scales.
 */
#ifndef SDRT_KERNELS_GENERIC_BLOCKS_H
#define SDRT_KERNELS_GENERIC_BLOCKS_H

#include "kernels/dtype.h"

/* count values, which are whole blocks of type from, to f32, each as ggml's reference makes it, to
 * the bit.  Returns 0, or -1 for any other type.  src need not be aligned. */
int blocks_to_f32(const void *src, enum sdrt_dtype from, float *dst, size_t count);

#endif
