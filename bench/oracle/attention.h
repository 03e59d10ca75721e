/* SPDX-License-Identifier: MIT */
#ifndef SDRT_BENCH_ORACLE_ATTENTION_H
#define SDRT_BENCH_ORACLE_ATTENTION_H

#include "kernels/attention.h"

/* The definition in attention.h, in double, with all scores of a query at once; bias may be NULL.
 * want [batch * q_len][heads * head_dim]; every step-th query of each head, the others NaN. */
void oracle_attention(const struct sdrt_attention_shape *s, const float *q, const float *k,
                      const float *v, const float *bias, size_t step, double *want);

#endif
