/* SPDX-License-Identifier: MIT */
#include "kernels/avx512/vec.h"
#include "kernels/simd/norm.h"

void sdrt_norm_init_avx512(struct sdrt_norm_ops *ops) { norm_fill(ops); }
