/* SPDX-License-Identifier: MIT */
#include "bench/oracle/gemm.h"

#include <math.h>

static double activate(double x, enum sdrt_act act)
{
    switch (act) {
    case SDRT_ACT_NONE: return x;
    case SDRT_ACT_SILU: return x / (1.0 + exp(-x));
    case SDRT_ACT_GELU: return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case SDRT_ACT_GELU_TANH:
        return 0.5 * x * (1.0 + tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case SDRT_ACT_GELU_QUICK: return x / (1.0 + exp(-1.702 * x));
    }
    return NAN;
}

static double linear(const struct sdrt_gemm_shape *s, const float *a, const double *w,
                     const float *bias, size_t row, size_t column)
{
    double t = bias ? (double)bias[column] : 0.0;

    for (size_t k = 0; k < (size_t)s->k; k++)
        t += (double)a[row * (size_t)s->a_pitch + k] * w[column * (size_t)s->k + k];
    return t;
}

void oracle_gemm(const struct sdrt_gemm_shape *s, const float *a, const double *w,
                 const float *bias, const float *gate, const double *residual, size_t step,
                 double *want)
{
    const size_t n = (size_t)s->n;

    for (size_t i = 0; i < (size_t)s->m * n; i++) {
        want[i] = NAN;
        if (i % step) continue;
        const double t = linear(s, a, w, bias, i / n, i % n);
        if (s->w.gated) want[i] = t * activate(linear(s, a, w, bias, i / n, n + i % n), s->act);
        else
            want[i] = activate(t, s->act) * (gate ? (double)gate[i % n] : 1.0) +
                      (residual ? residual[i] : 0.0);
    }
}
