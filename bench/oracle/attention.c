/* SPDX-License-Identifier: MIT */
#include "bench/oracle/attention.h"

#include <math.h>
#include <stdlib.h>

static void one_query(const struct sdrt_attention_shape *s, const float *q, const float *k,
                      const float *v, const float *bias, int keys, double *scores, double *o)
{
    double top = -INFINITY, total = 0.0;

    for (int j = 0; j < keys; j++) {
        scores[j] = 0.0;
        for (int d = 0; d < s->head_dim; d++)
            scores[j] += (double)q[d] * (double)k[(long)j * s->k_pitch + d];
        scores[j] *= (double)s->scale;
        if (bias) scores[j] += (double)bias[j];
        top = fmax(top, scores[j]);
    }
    for (int d = 0; d < s->head_dim; d++) o[d] = 0.0;
    for (int j = 0; j < keys; j++) {
        const double p = exp(scores[j] - top);
        total += p;
        for (int d = 0; d < s->head_dim; d++) o[d] += p * (double)v[(long)j * s->v_pitch + d];
    }
    for (int d = 0; d < s->head_dim; d++) o[d] /= total;
}

void oracle_attention(const struct sdrt_attention_shape *s, const float *q, const float *k,
                      const float *v, const float *bias, size_t step, double *want)
{
    double *scores = malloc((size_t)s->kv_len * sizeof *scores);

    if (!scores) abort();
    for (int b = 0; b < s->batch; b++)
        for (int h = 0; h < s->heads; h++)
            for (int i = 0; i < s->q_len; i++) {
                const long row = (long)b * s->q_len + i, c = (long)h * s->head_dim;
                const long key = (long)b * s->kv_len;
                double *o = want + row * s->heads * s->head_dim + c;
                for (int d = 0; d < s->head_dim; d++) o[d] = NAN;
                if ((size_t)(row * s->heads + h) % step) continue;
                one_query(s, q + row * s->q_pitch + c, k + key * s->k_pitch + c,
                          v + key * s->v_pitch + c,
                          bias ? bias + ((long)h * s->q_len + i) * s->kv_len : NULL,
                          s->causal ? i + 1 : s->kv_len, scores, o);
            }
    free(scores);
}
