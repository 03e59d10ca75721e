/* SPDX-License-Identifier: MIT */
#include "runtime/ranks/cores.h"
#include "runtime/machine/topology.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = sizeof(((struct sdrt_binding *)0)->pus) / sizeof(unsigned long) };

struct sdrt_core_users sdrt_core_users(const unsigned long *masks, size_t words, const int *nodes,
                                       int size, int rank)
{
    const unsigned long *mine = masks + words * (size_t)rank;
    struct sdrt_core_users u = { 0, 0, 0 };

    for (int i = 0; i < size; i++) {
        const unsigned long *theirs = masks + words * (size_t)i;
        if (nodes[i] != nodes[rank]) continue;
        if (!memcmp(mine, theirs, words * sizeof *mine)) {
            u.same++;
            u.before += i < rank;
            continue;
        }
        for (size_t k = 0; k < words; k++) u.overlap |= (mine[k] & theirs[k]) != 0;
    }
    return u;
}

/* Binds this process to the cores of share number part of parts; 0 where there are too few. */
static int bind_share(const struct sdrt_topology *t, int cores, int part, int parts)
{
    const int first = cores * part / parts, end = cores * (part + 1) / parts;
    struct sdrt_binding b;

    if (cores < parts) return 0;
    memset(&b, 0, sizeof b);
    for (int w = 0; w < sdrt_topology_pus(t); w++) {
        const int core = sdrt_topology_core(t, w), pu = sdrt_topology_pu(t, w);
        const int bits = 8 * (int)sizeof *b.pus;
        if (core >= first && core < end && pu >= 0 && pu < SDRT_MOST_PUS)
            b.pus[pu / bits] |= 1ul << pu % bits;
    }
    return sdrt_process_bind(&b);
}

static int all_cores(const struct sdrt_topology *t)
{
    int cores = 0;

    for (int w = 0; w < sdrt_topology_pus(t); w++)
        if (sdrt_topology_core(t, w) >= cores) cores = sdrt_topology_core(t, w) + 1;
    return cores;
}

static void tell(int ranks, int cores, const struct sdrt_log *log)
{
    sdrt_note(log, SDRT_LOG_WARNING,
              "MPI: %d ranks on %d core%s of one machine: they share them, one thread each", ranks,
              cores, cores == 1 ? "" : "s");
}

int sdrt_ranks_take_cores(struct sdrt_ranks *r, enum sdrt_cores *out, const struct sdrt_log *log)
{
    struct sdrt_topology *t = NULL;
    struct sdrt_binding own;
    unsigned long *masks = calloc((size_t)r->size, sizeof own.pus);
    int status;

    *out = SDRT_CORES_OWN;
    if (!masks) return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the ranks' processors");
    memset(&own, 0, sizeof own);
    (void)sdrt_thread_binding(&own);
    memcpy(masks + (size_t)r->rank * WORDS, own.pus, sizeof own.pus);
    status = sdrt_ranks_gather(r, masks, sizeof own.pus);
    if (status != SDRT_OK) sdrt_ranks_fail(r, status, log);
    const struct sdrt_core_users u = sdrt_core_users(masks, WORDS, r->nodes, r->size, r->rank);
    free(masks);
    if (status != SDRT_OK || (u.same == 1 && !u.overlap)) return status;
    status = sdrt_topology_create(&t, NULL, log);
    if (status != SDRT_OK) return status;
    const int cores = all_cores(t);
    if (u.overlap || !bind_share(t, cores, u.before, u.same)) {
        *out = SDRT_CORES_SHARED;
        if (r->node_rank == 0) tell(r->node_size, cores, log);
    }
    sdrt_topology_free(&t);
    return SDRT_OK;
}
