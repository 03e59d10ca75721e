/* SPDX-License-Identifier: MIT */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT = 20 /* samples of each set, at most */ };

/* U of a: pairs in which a's value is larger, ties counting half. */
static double larger_pairs(const double *a, int na, const double *b, int nb, int *ties)
{
    double u = 0.0;

    *ties = 0;
    for (int i = 0; i < na; i++)
        for (int j = 0; j < nb; j++) {
            u += a[i] > b[j] ? 1.0 : a[i] == b[j] ? 0.5 : 0.0;
            if (a[i] == b[j]) *ties = 1;
        }
    return u;
}

/* P(U <= u).  ways[j][k] counts the orders of i and j values that give U = k; the largest value is
 * from the one set or from the other. */
static double exact_below(int na, int nb, double u)
{
    static double ways[EXACT + 1][EXACT * EXACT + 1];
    double below = 0.0, all = 0.0;

    memset(ways, 0, sizeof ways);
    for (int j = 0; j <= nb; j++) ways[j][0] = 1.0;
    for (int i = 1; i <= na; i++)
        for (int j = 1; j <= nb; j++) /* ways[0] stays: no b, one order */
            for (int k = i * j; k >= 0; k--)
                ways[j][k] = (k >= j ? ways[j][k - j] : 0.0) + ways[j - 1][k];
    for (int k = 0; k <= na * nb; k++) {
        all += ways[nb][k];
        if (k <= u) below += ways[nb][k];
    }
    return below / all;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Sum over the groups of equal values of t^3 - t. */
static double tie_term(const double *a, int na, const double *b, int nb)
{
    const int n = na + nb;
    double *all = malloc((size_t)n * sizeof *all), sum = 0.0;

    if (!all) return 0.0;
    memcpy(all, a, (size_t)na * sizeof *all);
    memcpy(all + na, b, (size_t)nb * sizeof *all);
    qsort(all, (size_t)n, sizeof *all, by_value);
    for (int i = 0, j; i < n; i = j) {
        for (j = i; j < n && all[j] == all[i]; j++) continue;
        sum += pow(j - i, 3) - (j - i);
    }
    free(all);
    return sum;
}

static double approximate(const double *a, int na, const double *b, int nb, double u)
{
    const double n = na + nb, m = (double)na * nb;
    const double variance = m / 12.0 * (n + 1.0 - tie_term(a, na, b, nb) / (n * (n - 1.0)));

    if (variance <= 0.0) return 1.0;                            /* all are equal */
    const double distance = fmax(0.0, fabs(u - m / 2.0) - 0.5); /* continuity */
    return erfc(distance / sqrt(2.0 * variance));
}

double sdrt_mann_whitney(const double *a, int na, const double *b, int nb)
{
    int ties;

    if (na < 1 || nb < 1) return 1.0;
    const double u = larger_pairs(a, na, b, nb, &ties);
    if (ties || na > EXACT || nb > EXACT) return approximate(a, na, b, nb, u);
    return fmin(1.0, 2.0 * exact_below(na, nb, fmin(u, (double)na * nb - u)));
}

double sdrt_median(const double *x, int n)
{
    double *sorted = malloc((size_t)n * sizeof *sorted), median = x[0];

    if (!sorted) return median;
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    median = n % 2 ? sorted[n / 2] : 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]);
    free(sorted);
    return median;
}
