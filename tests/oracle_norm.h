/* SPDX-License-Identifier: MIT */
#ifndef SDRT_TESTS_ORACLE_NORM_H
#define SDRT_TESTS_ORACLE_NORM_H

#include "kernels/norm.h"

/* Group norm without an activation: want [batch * pixels][c + c2]. */
void oracle_group_norm(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                       const float *gamma, const float *beta, double *want);

/* want [rows][c]. */
void oracle_layer_norm(const struct sdrt_ln_shape *s, const float *x, const float *gamma,
                       const float *beta, double *want);

#endif
