/* SPDX-License-Identifier: MIT
 *
 * The two steps of a group norm to begin with.  Build it, check it against the oracle and time it:
 *
 *     cc -O3 -march=native -shared -fPIC -o mine.so group_norm.c -lm
 *     sdbench kernels gn_sums --kernel ./mine.so --shape "gn_sums 2x4096 320 g32"
 *     sdbench kernels gn_fold --kernel ./mine.so --shape "gn_fold 2x4096 320 g32"
 *
 * Some channels at a time: differences of a few pixels are added up in f32, and those sums in double.
 */
#include <sdrt_kernel.h>

#include <math.h>

enum { CHANNELS = 64, PIXELS = 16 };

/* Pixels p0 .. p1-1 of n channels, at most CHANNELS; x is the image's pixel 0. */
static void add_up(const float *x, size_t pitch, int n, int p0, int p1, double *sums,
                   double *squares)
{
    for (int c = 0; c < n; c++) sums[c] = squares[c] = 0.0;
    for (int first = p0; first < p1; first += PIXELS) {
        const int end = first + PIXELS < p1 ? first + PIXELS : p1;
        float sum[CHANNELS] = { 0 }, square[CHANNELS] = { 0 };
        for (int p = first; p < end; p++) {
            const float *row = x + (size_t)p * pitch;
            for (int c = 0; c < n; c++) {
                const float d = row[c] - x[c];
                sum[c] += d;
                square[c] += d * d;
            }
        }
        for (int c = 0; c < n; c++) {
            sums[c] += (double)sum[c];
            squares[c] += (double)square[c];
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
        double *to = sums + ((size_t)ex->part * (size_t)s->batch + (size_t)b) * 2 * all;
        for (int c = 0; c < s->c; c += CHANNELS)
            add_up(x + pixel * (size_t)s->x_pitch + c, (size_t)s->x_pitch,
                   s->c - c < CHANNELS ? s->c - c : CHANNELS, p0, p1, to + c, to + all + c);
        to += s->c;
        for (int c = 0; c < s->c2; c += CHANNELS)
            add_up(x2 + pixel * (size_t)s->x2_pitch + c, (size_t)s->x2_pitch,
                   s->c2 - c < CHANNELS ? s->c2 - c : CHANNELS, p0, p1, to + c, to + all + c);
    }
    return 0;
}

/* Channels c0 .. c1-1 of an image, first their mean, then the squares around it, which no cancelling
 * reaches; first and first2 are its pixel 0. */
static double moments(const struct sdrt_gn_shape *s, const float *first, const float *first2,
                      const double *sums, int c0, int c1, double *mean)
{
    const size_t all = (size_t)(s->c + s->c2), part = (size_t)s->batch * 2 * all;
    const double n = s->pixels;
    double squares = 0.0;

    *mean = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (int c = c0; c < c1; c++) {
            double sum = 0.0, square = 0.0;
            for (int k = 0; k < sdrt_gn_parts(s); k++) {
                sum += sums[(size_t)k * part + (size_t)c];
                square += sums[(size_t)k * part + all + (size_t)c];
            }
            const double own = (double)(c < s->c ? first[c] : first2[c - s->c]) + sum / n;
            if (!pass) *mean += own / (c1 - c0);
            else squares += square - sum * sum / n + n * (own - *mean) * (own - *mean);
        }
    return squares > 0.0 ? squares / (n * (c1 - c0)) : 0.0;
}

static int gn_fold(const struct sdrt_exec *ex, const struct sdrt_gn_shape *s, const float *x,
                   const float *x2, const float *gamma, const float *beta, const double *sums,
                   float *msb)
{
    const int all = s->c + s->c2, per = all / s->groups;
    const int end = sdrt_row_begin(s->batch, ex->part + 1, ex->nparts);

    for (int b = sdrt_row_begin(s->batch, ex->part, ex->nparts); b < end; b++) {
        const size_t pixel = (size_t)b * (size_t)s->pixels;
        float *to = msb + (size_t)b * 3 * (size_t)all;
        double mean = 0.0, rstd = 0.0;
        for (int c = 0; c < all; c++) {
            if (c % per == 0) {
                const double variance = moments(s, x + pixel * (size_t)s->x_pitch,
                                                s->c2 ? x2 + pixel * (size_t)s->x2_pitch : x,
                                                sums + (size_t)b * 2 * (size_t)all, c, c + per,
                                                &mean);
                rstd = 1.0 / sqrt(variance + (double)s->eps);
            }
            to[c] = (float)mean;
            to[all + c] = (float)((double)gamma[c] * rstd);
            to[2 * all + c] = beta[c];
        }
    }
    return 0;
}

int sdrt_kernel_fill(struct sdrt_kernel *k)
{
    if (k->abi != SDRT_KERNEL_ABI) return SDRT_KERNEL_ABI;
    k->norm->gn_sums = gn_sums;
    k->norm->gn_fold = gn_fold;
    k->name = "group norm";
    return SDRT_KERNEL_ABI;
}
