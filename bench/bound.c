/* SPDX-License-Identifier: MIT */
#include "bench/bound.h"

/* The smallest level that holds so many bytes, of all workers' caches together. */
static enum sdrt_roof_kind level_of(double bytes, const struct sdrt_topology *t, int threads)
{
    if (!t) return SDRT_ROOF_MEMORY;
    if (bytes <= threads * (double)sdrt_topology_cache(t, 1)) return SDRT_ROOF_L1;
    if (bytes <= threads * (double)sdrt_topology_cache(t, 2)) return SDRT_ROOF_L2;
    if (bytes <= (double)sdrt_topology_cache(t, 3)) return SDRT_ROOF_L3;
    return SDRT_ROOF_MEMORY;
}

/* A level that could not be measured counts as the next one. */
static double seconds_of(double bytes, enum sdrt_roof_kind *level, const struct sdrt_roof *roof)
{
    while (*level < SDRT_ROOF_MEMORY && roof->best[*level] <= 0.0) *level = *level + 1;
    return bytes > 0.0 ? bytes * 1e-9 / roof->best[*level] : 0.0;
}

struct sdrt_bound sdrt_bound_of(const struct sdrt_traffic *t, const struct sdrt_roof *roof,
                                const struct sdrt_topology *topology, int threads)
{
    const enum sdrt_roof_kind arithmetic = sdrt_roof_arithmetic(roof, t->precision, t->class_,
                                                                t->stored);
    const double compute = t->flop * 1e-9 / roof->best[arithmetic];
    enum sdrt_roof_kind from = level_of(t->weights_among, topology, threads);
    enum sdrt_roof_kind at = level_of(t->activations, topology, threads);
    const double weights = seconds_of(t->weights, &from, roof);
    const double activations = seconds_of(t->activations, &at, roof);

    if (compute >= weights + activations) return (struct sdrt_bound){ arithmetic, compute };
    return (struct sdrt_bound){ weights > activations ? from : at, weights + activations };
}

const char *sdrt_bound_name(enum sdrt_roof_kind kind)
{
    return kind <= SDRT_ROOF_INT8_DATA ? "compute" : sdrt_roof_names[kind].label;
}
