/* SPDX-License-Identifier: MIT
 *
 * Time that only goes forward.
 */
#ifndef SDRT_RUNTIME_BASE_CLOCK_H
#define SDRT_RUNTIME_BASE_CLOCK_H

#include <time.h>

/* Seconds since some moment before the process began. */
static inline double sdrt_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
