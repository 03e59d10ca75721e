/* SPDX-License-Identifier: MIT
 *
 * SDRT_UNROLL(n) before a loop of at most n turns, known where it is inlined: it is unrolled
 * whole, so that arrays that it indexes stay in registers.  clang takes GCC's pragma for a count
 * and leaves them in memory.
 */
#ifndef SDRT_KERNELS_SIMD_UNROLL_H
#define SDRT_KERNELS_SIMD_UNROLL_H

#define SDRT_PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define SDRT_UNROLL(n) SDRT_PRAGMA(clang loop unroll(full))
#else
#define SDRT_UNROLL(n) SDRT_PRAGMA(GCC unroll n)
#endif

#endif
