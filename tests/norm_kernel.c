/* SPDX-License-Identifier: MIT
 *
 * Norms as a kernel outside the tree (tests/check_kernels.sh): right, or wrong with FAULT.
 */
#include <sdrt_kernel.h>

#include <math.h>

enum { NONE, SKIPS_A_TAIL, WRONG_MEAN, ONE_PASS };
#ifndef FAULT
#define FAULT NONE
#endif

static int layer_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gamma, const float *beta, void *y)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    if (s->y_type != SDRT_F32) return -1;
    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++) {
        const float *in = x + (size_t)r * (size_t)s->x_pitch;
        float *out = (float *)y + (size_t)r * (size_t)s->y_pitch;
        double sum = 0.0, squares = 0.0;
        for (int c = 0; c < s->c; c++) sum += (double)in[c];
        const double mean = sum / s->c;
        float one_pass = 0.0f; /* of an f32, and squares of values that are no deviations */
        for (int c = 0; c < s->c; c++) one_pass += in[c] * in[c] * 100.0f;
        for (int c = 0; c < s->c; c++) squares += ((double)in[c] - mean) * ((double)in[c] - mean);
        const double variance = FAULT == ONE_PASS
                                    ? (double)(float)(one_pass / (float)s->c / 100.0f) - mean * mean
                                    : squares / s->c;
        const double rstd = 1.0 / sqrt(variance + (double)s->eps);
        const int n = FAULT == SKIPS_A_TAIL && s->c % 4 ? s->c - 1 : s->c;
        for (int c = 0; c < n; c++)
            out[c] = (float)(((double)in[c] - mean) * rstd * (double)gamma[c] + (double)beta[c]);
    }
    return 0;
}

static int rms_norm(const struct sdrt_exec *ex, const struct sdrt_rms_shape *s, const void *x,
                    const float *gamma, void *y)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    if (s->x_type != SDRT_F32 || s->y_type != SDRT_F32) return -1;
    for (int i = sdrt_row_begin(s->rows, ex->part, ex->nparts) * s->groups; i < end * s->groups;
         i++) {
        const size_t row = (size_t)(i / s->groups), at = (size_t)(i % s->groups * s->width);
        const float *in = (const float *)x + row * (size_t)s->x_pitch + at;
        float *out = (float *)y + row * (size_t)s->y_pitch + at;
        double squares = 0.0;
        for (int c = 0; c < s->width; c++) squares += (double)in[c] * (double)in[c];
        const double factor = 1.0 / sqrt(squares / (FAULT == WRONG_MEAN ? s->width + 1 : s->width) +
                                         (double)s->eps);
        for (int c = 0; c < s->width; c++)
            out[c] = (float)((double)in[c] * factor * (double)gamma[c]);
    }
    return 0;
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    if (k->abi != SDRT_KERNEL_ABI) return SDRT_KERNEL_ABI;
    k->norm->layer_norm = layer_norm;
    k->norm->rms_norm = rms_norm;
    k->name = "norms";
    return SDRT_KERNEL_ABI;
}
