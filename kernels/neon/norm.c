/* SPDX-License-Identifier: MIT */
#include "kernels/neon/vec.h"
#include "kernels/simd/norm.h"

void sdrt_norm_init_neon(struct sdrt_norm_ops *ops) { norm_fill(ops); }
