/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"

#include <immintrin.h>

typedef __m256 vec;
typedef __m256i ivec;
enum { LANES = 8 };
#define SIMD(name) _mm256_##name

#include "bench/roof_simd.h"

const struct sdrt_roof_loops sdrt_roof_avx2 = {
    .f32 = f32, .int16 = int16, .int8 = int8, .read = read_all
};
