/* SPDX-License-Identifier: MIT */
#include "kernels/avx2/vec.h"
#include "kernels/simd/norm.h"

void sdrt_norm_init_avx2(struct sdrt_norm_ops *ops) { norm_fill(ops); }
