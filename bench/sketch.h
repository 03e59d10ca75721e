/* SPDX-License-Identifier: MIT
 *
 * A large result in 64 numbers: its sums with 64 rows of random signs, which are always the same.
 * Distances of sketches are, to a tenth or so, distances of what they are of (Johnson and
 * Lindenstrauss, 1984; signs: Achlioptas, 2003), wherever in it the difference lies.
 */
#ifndef SDRT_BENCH_SKETCH_H
#define SDRT_BENCH_SKETCH_H

#include <stddef.h>

enum { SDRT_SKETCH = 64 };

/* NaN in x makes all of it NaN. */
void sdrt_sketch(const float *x, size_t n, double sketch[SDRT_SKETCH]);

/* Of a from b, relative to b: an estimate of the relative L2 distance of the two results. */
double sdrt_sketch_distance(const double a[SDRT_SKETCH], const double b[SDRT_SKETCH]);

#endif
