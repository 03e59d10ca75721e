/* SPDX-License-Identifier: MIT
 *
 * Which cores each rank of a machine works on.
 */
#ifndef SDRT_RUNTIME_RANKS_CORES_H
#define SDRT_RUNTIME_RANKS_CORES_H

#include "runtime/ranks/ranks.h"

enum sdrt_cores {
    SDRT_CORES_OWN, /* what this process may run on is nobody else's: as its launcher bound it, or as it
                        * was cut here */
    SDRT_CORES_SHARED, /* there are fewer cores than ranks: one thread each, and nobody is pinned */
};

/* A collective call, before threads are made that work.  Where several ranks of a machine may run on the
 * same processors, as a launcher leaves them that binds nothing, these are cut by cores, and the process
 * is bound to its share.  What others of the machine than ranks run on is not known.  *out says how it
 * is; each machine's first rank tells of SDRT_CORES_SHARED.  SDRT_OK, or SDRT_E_IO with a line. */
int sdrt_ranks_take_cores(struct sdrt_ranks *ranks, enum sdrt_cores *out,
                          const struct sdrt_log *log);

/* Of ranks that may run on given processors, [size] masks of words each: how many of the node of rank
 * have the very mask of rank, how many of those come before it, and whether any other overlaps it. */
struct sdrt_core_users {
    int same, before, overlap;
};
struct sdrt_core_users sdrt_core_users(const unsigned long *masks, size_t words, const int *nodes,
                                       int size, int rank);

#endif
