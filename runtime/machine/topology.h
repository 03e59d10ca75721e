/* SPDX-License-Identifier: MIT
 *
 * The machine as far as this process may use it: cores, hardware threads (PUs), NUMA nodes,
 * caches, and the order in which workers are put on them.  hwloc does the finding and the
 * binding.
 */
#ifndef SDRT_RUNTIME_MACHINE_TOPOLOGY_H
#define SDRT_RUNTIME_MACHINE_TOPOLOGY_H

#include "runtime/base/error.h"

#include <stddef.h>

struct sdrt_topology;

/* Looks at this machine, without the PUs that the cpuset or the affinity of this process (of
 * all its threads) forbids; so it is created before any thread is pinned.  synthetic, when not NULL, describes
 * another machine in hwloc's words ("node:2 core:4 pu:2"), on which binding does nothing.
 * *out belongs to the caller, NULL after a failure.
 * SDRT_E_ARG for a description that hwloc does not understand; SDRT_E_UNSUPPORTED when the
 * machine cannot be read; SDRT_E_NOMEM. */
int sdrt_topology_create(struct sdrt_topology **out, const char *synthetic,
                         const struct sdrt_log *log);

/* Frees *topology and sets it to NULL.  NULL is allowed. */
void sdrt_topology_free(struct sdrt_topology **topology);

/* How many workers are worth starting: physical cores with a usable PU, at most the CPU time
 * that the control group grants (cpu.max, cfs_quota_us), rounded down; 1 at least. */
int sdrt_topology_cores(const struct sdrt_topology *topology);

/* Usable PUs, and NUMA nodes that have some. */
int sdrt_topology_pus(const struct sdrt_topology *topology);
int sdrt_topology_nodes(const struct sdrt_topology *topology);

/* Where worker (any number >= 0) goes: the first PU of each core, NUMA node by node, then the
 * second PU of each, and so on; past the last PU it starts again.  The PU by its number in
 * the operating system, its core by a number from 0 in the same order, its NUMA node by its
 * number in the operating system. */
int sdrt_topology_pu(const struct sdrt_topology *topology, int worker);
int sdrt_topology_core(const struct sdrt_topology *topology, int worker);
int sdrt_topology_node(const struct sdrt_topology *topology, int worker);

/* Data cache of one core, and the last one, in bytes; level 1 to 3; 0 where there is none. */
size_t sdrt_topology_cache(const struct sdrt_topology *topology, int level);

/* One line: model, cores, caches, memory.  Borrowed from the topology. */
const char *sdrt_topology_text(const struct sdrt_topology *topology);

/* Binds the calling thread to worker's PU.  SDRT_E_UNSUPPORTED (nothing logged) where the
 * system refuses. */
int sdrt_topology_bind(const struct sdrt_topology *topology, int worker);

/* Over which NUMA nodes memory of bytes is to lie that workers 0 .. workers-1 all use: those that
 * the workers sit on, each once, in the workers' order, into nodes [most] by their numbers in the
 * operating system.  0 where the first touch does as well: on one node, or where there is not a
 * huge page for each.
 *
 * Why turn by turn and not by worker: every worker reads all weights of a layer with many rows, and
 * the arena's bytes belong to other tensors, cut into other shares, in each step.  Where they were
 * first touched says nothing of who comes next, but may load one node's memory alone. */
int sdrt_topology_spread(const struct sdrt_topology *topology, int workers, size_t bytes,
                         int *nodes, int most);

/* Lets the pages of p that nobody has touched yet come from the n nodes in turn.
 * SDRT_E_UNSUPPORTED (nothing logged) where the system refuses, as in some containers: the
 * first touch decides then. */
int sdrt_topology_place(const struct sdrt_topology *topology, const int *nodes, int n, void *p,
                        size_t bytes);

/* The calling thread's binding as it is now, for sdrt_topology_restore() by the same thread,
 * which frees *saved and sets it to NULL.  *out belongs to the caller; NULL (which restore
 * accepts) when there is nothing to restore. */
struct sdrt_binding;
void sdrt_topology_save(const struct sdrt_topology *topology, struct sdrt_binding **out);
void sdrt_topology_restore(const struct sdrt_topology *topology, struct sdrt_binding **saved);

#endif
