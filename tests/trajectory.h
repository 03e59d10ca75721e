/* SPDX-License-Identifier: MIT
 *
 * What the tests of samplers share: a denoiser, and a trajectory's distance from the reference's.
 */
#ifndef SDRT_TESTS_TRAJECTORY_H
#define SDRT_TESTS_TRAJECTORY_H

#include <math.h>
#include <stddef.h>

/* The stand-in for a denoiser of tests/oracle/make_sampler_golden.py and make_k_golden.py, of count values
 * x at timestep t. */
static inline void denoise(const float *x, float t, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)tanh(0.7 * (double)x[i] + 0.3 * (double)t / 1000 + 0.1 * (double)(i % 7) -
                             0.3);
}

/* The largest error of count values over the largest of want; infinite where a value is not finite. */
static inline double relative_error(const float *x, const float *want, size_t count)
{
    double worst = 0, largest = 0;

    for (size_t i = 0; i < count; i++) {
        worst = fmax(worst, fabs((double)x[i] - want[i]));
        largest = fmax(largest, fabs((double)want[i]));
        if (!isfinite(x[i])) return INFINITY;
    }
    return worst / largest;
}

#endif
