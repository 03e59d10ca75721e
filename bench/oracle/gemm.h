/* SPDX-License-Identifier: MIT */
#ifndef SDRT_BENCH_ORACLE_GEMM_H
#define SDRT_BENCH_ORACLE_GEMM_H

#include "kernels/gemm.h"

/* The definition in gemm.h, in double.  w [n or 2n][k] and residual [m][n] are dense;
 * bias, gate and residual may be NULL.  want [m][n]; every step-th value, the others NaN. */
void oracle_gemm(const struct sdrt_gemm_shape *s, const float *a, const double *w,
                 const float *bias, const float *gate, const double *residual, size_t step,
                 double *want);

#endif
