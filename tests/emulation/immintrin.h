/* SPDX-License-Identifier: MIT
 *
 * The AVX-512 and AMX intrinsics that the kernels use, for processors that lack them: found
 * before the compiler's own header, so that the very sources of kernels/avx512/ and
 * kernels/amx/ run in tests on any AVX2 machine.  What the instructions compute is taken from
 * Intel's manual; how fast says nothing.  An intrinsic that is missing here does not compile.
 */
#ifndef SDRT_TESTS_EMULATION_IMMINTRIN_H
#define SDRT_TESTS_EMULATION_IMMINTRIN_H

#include_next <immintrin.h>

#include "tests/emulation/avx512.h"
#include "tests/emulation/amx.h"

#endif
