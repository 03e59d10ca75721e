/* SPDX-License-Identifier: MIT */
#ifndef SDRT_BENCH_ORACLE_NORM_H
#define SDRT_BENCH_ORACLE_NORM_H

#include "kernels/norm.h"

/* Group norm without an activation: want [batch * pixels][c + c2].  Both return the largest
 * 1 / sqrt(variance + eps), by which an error of the mean is multiplied. */
double oracle_group_norm(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                         const float *gamma, const float *beta, double *want);

/* The definition of gn_sums, in double: want [parts][batch][2][c + c2]. */
void oracle_group_sums(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                       double *want);

/* That of gn_fold, of the values instead of their sums: want [batch][3][c + c2]. */
void oracle_group_fold(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                       const float *gamma, const float *beta, double *want);

/* want [rows][c]. */
double oracle_layer_norm(const struct sdrt_ln_shape *s, const float *x, const float *gamma,
                         const float *beta, double *want);

/* The definition of rms_norm, in double; want [rows][groups * width]. */
void oracle_rms_norm(const struct sdrt_rms_shape *s, const float *x, const float *gamma,
                     double *want);

#endif
