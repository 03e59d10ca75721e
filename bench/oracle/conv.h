/* SPDX-License-Identifier: MIT */
#ifndef SDRT_BENCH_ORACLE_CONV_H
#define SDRT_BENCH_ORACLE_CONV_H

#include "kernels/conv.h"

/* The definition in conv.h, in double.  w [out_c][in_c + in_c2][ky][kx] and residual
 * [pixels][out_c] are dense; want is [batch * out_h * out_w][out_c], every step-th value,
 * the others NaN.  x, x2, msb, bias and chan are read from a.
 * The input is rounded to type after its prologue. */
void oracle_conv(const struct sdrt_conv_shape *s, const struct sdrt_conv_args *a, const double *w,
                 enum sdrt_dtype type, const double *residual, size_t step, double *want);

#endif
