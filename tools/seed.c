/* SPDX-License-Identifier: MIT */
#include "tools/seed.h"

#include "runtime/random/entropy.h"

#include <time.h>

uint64_t seed_draw(void)
{
    uint32_t seed;
    struct timespec now;

    if (sdrt_entropy(&seed, sizeof seed)) return seed;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)now.tv_nsec ^ (uint32_t)now.tv_sec * 2654435761u;
}
