/* SPDX-License-Identifier: MIT */
#include "bench/roof.h"

#include <immintrin.h>

typedef __m512 vec;
typedef __m512i ivec;
enum { LANES = 16 };
#define SIMD(name) _mm512_##name

#include "bench/roof_simd.h"

const struct sdrt_roof_loops sdrt_roof_avx512 = {
    .f32 = f32, .int16 = int16, .int8 = int8, .read = read_all
};
