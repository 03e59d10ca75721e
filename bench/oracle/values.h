/* SPDX-License-Identifier: MIT
 *
 * What the oracles and those who ask them share: repeatable random numbers, array comparison, and a
 * second opinion on number formats.  Nothing here or beside it calls a kernel.
 */
#ifndef SDRT_BENCH_ORACLE_VALUES_H
#define SDRT_BENCH_ORACLE_VALUES_H

#include "kernels/dtype.h"

#include <stddef.h>
#include <stdint.h>

/* Any number is a state to begin with. */
float trand(uint64_t *state);          /* uniform in [-1, 1) */
int trand_int(uint64_t *state, int n); /* uniform in 0 .. n-1 */

/* Rows of width floats, pitch apart, of which the rest stays NaN. */
void trand_rows(uint64_t *state, float *rows, size_t n, int width, int pitch, float scale);
size_t tgaps_written(const float *rows, size_t n, int width, int pitch);

struct tdiff {
    double max_abs;
    double nmse; /* sum of squared error / sum of squares of the reference */
    size_t at;   /* index of max_abs */
    size_t bad;  /* entries that are NaN or infinite, or missed the tolerance */
};

/* got: rows as above; want: [n][width], in which NaN means any finite value. */
struct tdiff tcompare(const float *got, const double *want, size_t n, int width, int pitch,
                      double atol, double rtol);

/* The same of doubles, one behind the other. */
struct tdiff tcompare_doubles(const double *got, const double *want, size_t n, double atol,
                              double rtol);

/* The nearest value of the type, ties to even, and its bits, by arithmetic alone. */
double tround(double v, enum sdrt_dtype type);
void tencode(double v, enum sdrt_dtype type, void *dst, size_t index);

/* The value of F32, F16 or BF16 that is there. */
double tdecode(const void *src, enum sdrt_dtype type, size_t index);

#endif
