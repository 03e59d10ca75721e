/* SPDX-License-Identifier: MIT */
#include "bench/sketch.h"

#include <math.h>
#include <stdint.h>

/* The output function of splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t signs_of(uint64_t i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

void sdrt_sketch(const float *x, size_t n, double sketch[SDRT_SKETCH])
{
    for (int k = 0; k < SDRT_SKETCH; k++) sketch[k] = 0.0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t signs = signs_of(i);
        const double v = (double)x[i];
        for (int k = 0; k < SDRT_SKETCH; k++) sketch[k] += signs >> k & 1 ? v : -v;
    }
}

double sdrt_sketch_distance(const double a[SDRT_SKETCH], const double b[SDRT_SKETCH])
{
    double error = 0.0, size = 0.0;

    for (int k = 0; k < SDRT_SKETCH; k++) {
        error += (a[k] - b[k]) * (a[k] - b[k]);
        size += b[k] * b[k];
    }
    return sqrt(error / size);
}
