/* SPDX-License-Identifier: MIT */
#ifndef SDRT_BENCH_ORACLE_ELEMENTWISE_H
#define SDRT_BENCH_ORACLE_ELEMENTWISE_H

#include "bench/elementwise.h"

/* The definition of the shape's operation, in double: want [rows][width] of its extent.  NaN where
 * either of two values is right: at a distance of tokens that lies where two buckets meet. */
void oracle_elementwise(const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o,
                        double *want);

#endif
