/* SPDX-License-Identifier: MIT
 *
 * In the place of kernels/levels.h for the tests of CUDA's kernels: they alone, on a device of
 * capability 7.5, on one of 8.0 and on one of 9.0.  They are no instruction sets and stand in no list.
 * What is said of bf16 is f16 on the first (tnarrow_type).
 */
#ifndef SDRT_TESTS_CUDA_LEVEL
#define SDRT_TESTS_CUDA_LEVEL
#include "config.h"
/* Tests of that level are left out. */
#undef HAVE_AVX512VNNI
#undef HAVE_AVXVNNI
#endif

#ifdef SDRT_BF16_LEVEL
SDRT_BF16_LEVEL(cuda75, SDRT_ISA_CUDA75, 1u << 10, 0, has_cuda)
SDRT_BF16_LEVEL(cuda80, SDRT_ISA_CUDA80, 1u << 11, 0, has_cuda)
SDRT_BF16_LEVEL(cuda90, SDRT_ISA_CUDA90, 1u << 12, 0, has_cuda)
#elif defined SDRT_LEVEL
SDRT_LEVEL(cuda75, SDRT_ISA_CUDA75, 1u << 10, 0, has_cuda)
SDRT_LEVEL(cuda80, SDRT_ISA_CUDA80, 1u << 11, 0, has_cuda)
SDRT_LEVEL(cuda90, SDRT_ISA_CUDA90, 1u << 12, 0, has_cuda)
#endif

#undef SDRT_LEVEL
#undef SDRT_F32_LEVEL
#undef SDRT_BF16_LEVEL
#undef SDRT_BF16_INT8_LEVEL
#undef SDRT_INT16_LEVEL
#undef SDRT_INT8_LEVEL
#undef SDRT_F16_LEVEL
#undef SDRT_GEMM_FILLER
#undef SDRT_GEMM_INT8_FILLER
#undef SDRT_CONV_FILLER
#undef SDRT_ATTENTION_FILLER
#undef SDRT_NORM_FILLER
#undef SDRT_ELEMENTWISE_FILLER
