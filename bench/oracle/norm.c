/* SPDX-License-Identifier: MIT */
#include "bench/oracle/norm.h"

#include <math.h>

static double value(const struct sdrt_gn_shape *s, const float *x, const float *x2, long pixel,
                    int c)
{
    return c < s->c ? (double)x[pixel * s->x_pitch + c]
                    : (double)x2[pixel * s->x2_pitch + c - s->c];
}

static void one_group(const struct sdrt_gn_shape *s, const float *x, const float *x2, long first,
                      int c0, int c1, double *mean, double *variance)
{
    const double n = (double)s->pixels * (c1 - c0);

    *mean = *variance = 0.0;
    for (long p = first; p < first + s->pixels; p++)
        for (int c = c0; c < c1; c++) *mean += value(s, x, x2, p, c) / n;
    for (long p = first; p < first + s->pixels; p++)
        for (int c = c0; c < c1; c++) *variance += pow(value(s, x, x2, p, c) - *mean, 2) / n;
}

double oracle_group_norm(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                         const float *gamma, const float *beta, double *want)
{
    const int all = s->c + s->c2, per = all / s->groups;
    double largest = 0.0;

    for (long b = 0; b < s->batch; b++)
        for (int g = 0; g < s->groups; g++) {
            double mean, variance;
            one_group(s, x, x2, b * s->pixels, g * per, (g + 1) * per, &mean, &variance);
            const double rstd = 1.0 / sqrt(variance + (double)s->eps);
            largest = fmax(largest, rstd);
            for (long p = b * s->pixels; p < (b + 1) * s->pixels; p++)
                for (int c = g * per; c < (g + 1) * per; c++)
                    want[p * all + c] = (value(s, x, x2, p, c) - mean) * rstd * (double)gamma[c] +
                                        (double)beta[c];
        }
    return largest;
}

void oracle_group_sums(const struct sdrt_gn_shape *s, const float *x, const float *x2, double *want)
{
    const int all = s->c + s->c2, parts = sdrt_gn_parts(s);

    for (int part = 0; part < parts; part++)
        for (long b = 0; b < s->batch; b++, want += 2 * all) {
            const long first = b * s->pixels, end = sdrt_row_begin(s->pixels, part + 1, parts);
            for (int c = 0; c < 2 * all; c++) want[c] = 0.0;
            for (long p = sdrt_row_begin(s->pixels, part, parts); p < end; p++)
                for (int c = 0; c < all; c++) {
                    const double d = value(s, x, x2, first + p, c) - value(s, x, x2, first, c);
                    want[c] += d;
                    want[all + c] += d * d;
                }
        }
}

void oracle_group_fold(const struct sdrt_gn_shape *s, const float *x, const float *x2,
                       const float *gamma, const float *beta, double *want)
{
    const int all = s->c + s->c2, per = all / s->groups;
    double mean = 0.0, variance = 0.0;

    for (long b = 0; b < s->batch; b++, want += 3 * all)
        for (int c = 0; c < all; c++) {
            if (c % per == 0) one_group(s, x, x2, b * s->pixels, c, c + per, &mean, &variance);
            want[c] = mean;
            want[all + c] = (double)gamma[c] / sqrt(variance + (double)s->eps);
            want[2 * all + c] = (double)beta[c];
        }
}

double oracle_layer_norm(const struct sdrt_ln_shape *s, const float *x, const float *gamma,
                         const float *beta, double *want)
{
    double largest = 0.0;

    for (long r = 0; r < s->rows; r++) {
        const float *row = x + r * s->x_pitch;
        double mean = 0.0, variance = 0.0;
        for (int c = 0; c < s->c; c++) mean += (double)row[c] / s->c;
        for (int c = 0; c < s->c; c++) variance += pow((double)row[c] - mean, 2) / s->c;
        const double rstd = 1.0 / sqrt(variance + (double)s->eps);
        largest = fmax(largest, rstd);
        for (int c = 0; c < s->c; c++)
            want[r * s->c + c] = ((double)row[c] - mean) * rstd * (double)gamma[c] +
                                 (double)beta[c];
    }
    return largest;
}

void oracle_rms_norm(const struct sdrt_rms_shape *s, const float *x, const float *gamma,
                     double *want)
{
    const long c = (long)s->groups * s->width;

    for (long i = 0; i < s->rows * c; i++) {
        const float *piece = x + i / c * s->x_pitch + i % c / s->width * s->width;
        double mean = 0.0;
        for (int k = 0; k < s->width; k++) mean += pow((double)piece[k], 2) / s->width;
        want[i] = (double)piece[i % c % s->width] / sqrt(mean + (double)s->eps) *
                  (double)gamma[i % c % s->width];
    }
}
