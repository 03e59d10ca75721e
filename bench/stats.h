/* SPDX-License-Identifier: MIT
 *
 * Whether two sets of times differ by more than their noise.
 */
#ifndef SDRT_BENCH_STATS_H
#define SDRT_BENCH_STATS_H

/* Two-sided p value of the Mann-Whitney U test: the probability that sets drawn from one
 * distribution differ in rank as much as these.  Exact for up to 20 samples each without ties,
 * else by the normal approximation with the correction for ties.  1 when a set is empty.
 * Mann and Whitney, "On a test of whether one of two random variables is stochastically larger
 * than the other", 1947. */
double sdrt_mann_whitney(const double *a, int na, const double *b, int nb);

/* Median of n >= 1 values. */
double sdrt_median(const double *x, int n);

#endif
