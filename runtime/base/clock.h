/* SPDX-License-Identifier: MIT
 *
 * Time that only goes forward.
 */
#ifndef SDRT_RUNTIME_BASE_CLOCK_H
#define SDRT_RUNTIME_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds, and seconds, since some moment before the process began. */
static inline int64_t sdrt_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline double sdrt_now(void) { return 1e-9 * (double)sdrt_now_ns(); }

#endif
