/* SPDX-License-Identifier: MIT */
#ifndef SDRT_TESTS_ORACLE_ATTENTION_H
#define SDRT_TESTS_ORACLE_ATTENTION_H

#include "kernels/attention.h"

/* The definition in attention.h, in double, with all scores of a query at once; bias may be NULL.
 * want [batch * q_len][heads * head_dim]. */
void oracle_attention(const struct sdrt_attention_shape *s, const float *q, const float *k,
                      const float *v, const float *bias, double *want);

#endif
