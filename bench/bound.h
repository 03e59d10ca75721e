/* SPDX-License-Identifier: MIT
 *
 * Which roof binds an operation, and how long it takes at that roof.
 *
 * The least time is the longer of: the arithmetic at the compute roof of the precision; the
 * traffic, weights and activations, each at the bandwidth of the smallest cache that holds them.
 * Williams, Waterman, Patterson, "Roofline", 2009.
 */
#ifndef SDRT_BENCH_BOUND_H
#define SDRT_BENCH_BOUND_H

#include "bench/roof.h"
#include "runtime/machine/topology.h"

struct sdrt_traffic {
    double flop;
    double weights;        /* bytes */
    double weights_among;  /* bytes of what is used before the same weights are used again */
    double activations;    /* bytes */
    const char *precision; /* of the arithmetic, with the step's class and its weights' type */
    enum sdrt_step_class class_;
    enum sdrt_dtype stored;
};

struct sdrt_bound {
    enum sdrt_roof_kind kind; /* of arithmetic, or of a cache or memory */
    double seconds;           /* at the roof */
};

/* topology NULL: caches play no part. */
struct sdrt_bound sdrt_bound_of(const struct sdrt_traffic *t, const struct sdrt_roof *roof,
                                const struct sdrt_topology *topology, int threads);

/* "compute", or the cache's name. */
const char *sdrt_bound_name(enum sdrt_roof_kind kind);

#endif
