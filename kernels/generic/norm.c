/* SPDX-License-Identifier: MIT */
#include "kernels/generic/typed.h"
#include "kernels/norm.h"

#include <math.h>

size_t sdrt_gn_sums_bytes(const struct sdrt_gn_shape *s)
{
    return sizeof(double) * 2 * (size_t)sdrt_gn_parts(s) * (size_t)s->batch *
           (size_t)(s->c + s->c2);
}

size_t sdrt_gn_msb_bytes(const struct sdrt_gn_shape *s)
{
    return sizeof(float) * 3 * (size_t)s->batch * (size_t)(s->c + s->c2);
}

/* Pixels p0 .. p1-1 of n channels; x is the image's pixel 0. */
static void sum_pixels(const float *x, size_t pitch, int n, int p0, int p1, double *sum, double *sq)
{
    for (int c = 0; c < n; c++) sum[c] = sq[c] = 0.0;
    for (int p = p0; p < p1; p++) {
        const float *row = x + (size_t)p * pitch;
        for (int c = 0; c < n; c++) {
            const double d = (double)row[c] - (double)x[c];
            sum[c] += d;
            sq[c] += d * d;
        }
    }
}

static int gn_sums(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, double *sums)
{
    const size_t all = (size_t)(s->c + s->c2);
    const int p0 = sdrt_row_begin(s->pixels, ex->part, ex->nparts);
    const int p1 = sdrt_row_begin(s->pixels, ex->part + 1, ex->nparts);

    for (int b = 0; b < s->batch; b++) {
        const size_t pixel = (size_t)b * (size_t)s->pixels;
        double *sum = sums + ((size_t)ex->part * (size_t)s->batch + (size_t)b) * 2 * all;
        sum_pixels(x + pixel * (size_t)s->x_pitch, (size_t)s->x_pitch, s->c, p0, p1, sum,
                   sum + all);
        if (s->c2)
            sum_pixels(x2 + pixel * (size_t)s->x2_pitch, (size_t)s->x2_pitch, s->c2, p0, p1,
                       sum + s->c, sum + all + s->c);
    }
    return 0;
}

/* Mean and mean square deviation of one group: its channels are merged one by one.
 * Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
 * sample variances", 1979. */
static void group_moments(const struct sdrt_gn_shape *s, const float *first, const float *first2,
                          const double *sums, int c0, int c1, double *mean, double *variance)
{
    const int parts = sdrt_gn_parts(s);
    const size_t all = (size_t)(s->c + s->c2), step = (size_t)s->batch * 2 * all;
    const double n = s->pixels;
    double m = 0.0, m2 = 0.0;

    for (int c = c0; c < c1; c++) {
        const double base = c < s->c ? first[c] : first2[c - s->c], merged = c - c0;
        double t = 0.0, q = 0.0;
        for (int k = 0; k < parts; k++) {
            t += sums[(size_t)k * step + (size_t)c];
            q += sums[(size_t)k * step + all + (size_t)c];
        }
        const double off = base + t / n - m;
        m += off / (merged + 1.0);
        m2 += q - t * t / n + off * off * n * merged / (merged + 1.0);
    }
    *mean = m;
    *variance = m2 > 0.0 ? m2 / (n * (c1 - c0)) : 0.0;
}

static int gn_fold(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, const float *gamma, const float *beta, const double *sums,
                   float *msb)
{
    const int per = (s->c + s->c2) / s->groups;
    const int end = sdrt_row_begin(s->batch, ex->part + 1, ex->nparts);
    const size_t all = (size_t)(s->c + s->c2);

    for (int b = sdrt_row_begin(s->batch, ex->part, ex->nparts); b < end; b++) {
        const size_t pixel = (size_t)b * (size_t)s->pixels;
        const float *first = x + pixel * (size_t)s->x_pitch;
        const float *first2 = s->c2 ? x2 + pixel * (size_t)s->x2_pitch : NULL;
        float *to = msb + (size_t)b * 3 * all;
        for (int g = 0; g < s->groups; g++) {
            double mean, variance;
            group_moments(s, first, first2, sums + (size_t)b * 2 * all, g * per, (g + 1) * per,
                          &mean, &variance);
            const double rstd = 1.0 / sqrt(variance + (double)s->eps);
            for (int c = g * per; c < (g + 1) * per; c++) {
                to[c] = (float)mean;
                to[all + (size_t)c] = (float)((double)gamma[c] * rstd);
                to[2 * all + (size_t)c] = beta[c];
            }
        }
    }
    return 0;
}

/* Scaled by gain[c] + one. */
static void norm_rows(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gain, float one, const float *shift, void *y)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++) {
        const float *row = x + (size_t)r * (size_t)s->x_pitch;
        void *to = sdrt_element(y, s->y_type, (size_t)r * (size_t)s->y_pitch);
        double mean = 0.0, m2 = 0.0;
        for (int c = 0; c < s->c; c++) mean += (double)row[c];
        mean /= s->c;
        for (int c = 0; c < s->c; c++) {
            const double d = (double)row[c] - mean;
            m2 += d * d;
        }
        const double rstd = 1.0 / sqrt(m2 / s->c + (double)s->eps);
        for (int c = 0; c < s->c; c++)
            typed_store(to, s->y_type, (size_t)c,
                        (float)(((double)row[c] - mean) * rstd) * (gain[c] + one) + shift[c]);
    }
}

static int layer_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                      const float *gamma, const float *beta, void *y)
{
    norm_rows(ex, s, x, gamma, 0.0f, beta, y);
    return 0;
}

static int ada_norm(const struct sdrt_exec *ex, const struct sdrt_ln_shape *s, const float *x,
                    const float *scale, const float *shift, void *y)
{
    norm_rows(ex, s, x, scale, 1.0f, shift, y);
    return 0;
}

static int rms_norm(const struct sdrt_exec *ex, const struct sdrt_rms_shape *s, const void *x,
                    const float *gamma, void *y)
{
    const int end = sdrt_row_begin(s->rows, ex->part + 1, ex->nparts);

    for (int r = sdrt_row_begin(s->rows, ex->part, ex->nparts); r < end; r++)
        for (int g = 0; g < s->groups; g++) {
            const size_t at = (size_t)g * (size_t)s->width;
            const void *row = sdrt_element(x, s->x_type, (size_t)r * (size_t)s->x_pitch + at);
            void *to = sdrt_element(y, s->y_type, (size_t)r * (size_t)s->y_pitch + at);
            double squares = 0.0;
            for (int c = 0; c < s->width; c++) {
                const double v = (double)typed_load(row, s->x_type, (size_t)c);
                squares += v * v;
            }
            const double scale = 1.0 / sqrt(squares / s->width + (double)s->eps);
            for (int c = 0; c < s->width; c++)
                typed_store(to, s->y_type, (size_t)c,
                            (float)((double)typed_load(row, s->x_type, (size_t)c) * scale) *
                                gamma[c]);
        }
    return 0;
}

void sdrt_norm_init_generic(struct sdrt_norm_ops *ops)
{
    ops->gn_sums = gn_sums;
    ops->gn_fold = gn_fold;
    ops->layer_norm = layer_norm;
    ops->ada_norm = ada_norm;
    ops->rms_norm = rms_norm;
}
