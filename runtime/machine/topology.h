/* SPDX-License-Identifier: MIT
 *
 * The machine as far as this process may use it: cores, hardware threads (PUs), NUMA nodes,
 * caches, and the order in which workers are put on them.  hwloc does the finding and the
 * binding.
 */
#ifndef SDRT_RUNTIME_MACHINE_TOPOLOGY_H
#define SDRT_RUNTIME_MACHINE_TOPOLOGY_H

#include "runtime/base/error.h"
#include "runtime/machine/thread.h"

#include <stddef.h>

struct sdrt_topology;

/* Which threads are held on one PU each while they work.  A program that embeds a team has other
 * threads, and the machine other programs, which the team does not know: two teams that are
 * smaller than the machine must not both take its first PUs while others idle.  So by default only
 * a team that takes all cores is held, since every choice is the same one there, and the
 * scheduler, which sees everybody, seats the smaller ones. */
enum sdrt_pinning {
    SDRT_PIN_AUTO,   /* those of a team with as many workers as there are strong cores, or more */
    SDRT_PIN_NEVER,  /* none */
    SDRT_PIN_ALWAYS, /* all: for measuring, on a machine that does nothing else */
};

/* Looks at this machine, without the PUs that the cpuset or the affinity of this process (of
 * all its threads) forbids.  synthetic, when not NULL, describes
 * another machine in hwloc's words ("node:2 core:4 pu:2") or in its XML (from "<" on), on which
 * binding does nothing.  A system that refuses to bind threads gets a warning.
 * *out belongs to the caller, NULL after a failure.
 * SDRT_E_ARG for a description that hwloc does not understand; SDRT_E_UNSUPPORTED when the
 * machine cannot be read; SDRT_E_NOMEM. */
int sdrt_topology_create(struct sdrt_topology **out, const char *synthetic,
                         const struct sdrt_log *log);

/* Frees *topology and sets it to NULL.  NULL is allowed. */
void sdrt_topology_free(struct sdrt_topology **topology);

/* How many workers are worth starting: strong cores (physical ones with a usable PU that are at
 * least 0.35 times as fast as the best), at most the CPU time that the control groups grant,
 * rounded down; 1 at least. */
int sdrt_topology_cores(const struct sdrt_topology *topology);

/* The CPU time, in CPUs, rounded down but 1 at least, that the group of this process and all above
 * it grant (cpu.max, cfs_quota_us); 0 where none limits it.  Read below the folder root instead of
 * "/", so that a test can describe another machine; "" is this one. */
int sdrt_cpu_quota_below(const char *root);

/* Usable PUs, and NUMA nodes that have some. */
int sdrt_topology_pus(const struct sdrt_topology *topology);
int sdrt_topology_nodes(const struct sdrt_topology *topology);

/* Where worker (any number >= 0) goes: the first PU of each core, the fastest kind of cores first
 * and those of a kind NUMA node by node, then the second PU of each, and so on; past the last PU it
 * starts again.  The PU by its number in
 * the operating system, its core by a number from 0 in the same order, its NUMA node by its
 * number in the operating system. */
int sdrt_topology_pu(const struct sdrt_topology *topology, int worker);
int sdrt_topology_core(const struct sdrt_topology *topology, int worker);
int sdrt_topology_node(const struct sdrt_topology *topology, int worker);

/* How much of a step's work worker is to be given at first, of a team of workers that begins with
 * worker 0: its core's speed in thousandths of the best, a part of that where others of the team
 * sit on the same core.  1000 for all where all cores are alike, and where the team is not held on
 * its PUs, since then nobody knows where a worker is. */
int sdrt_topology_weight(const struct sdrt_topology *topology, int worker, int workers);

/* Data cache of one core, and the last one, in bytes; level 1 to 3; 0 where there is none.  Where
 * cores differ, the largest.  A machine that tells none (an old device tree of Arm's) is taken to
 * have 64 KiB and 512 KiB; what hwloc was told in words is not. */
size_t sdrt_topology_cache(const struct sdrt_topology *topology, int level);

/* One line: model, cores, caches, memory.  Borrowed from the topology. */
const char *sdrt_topology_text(const struct sdrt_topology *topology);

/* Before teams are made with it; SDRT_PIN_AUTO at first. */
void sdrt_topology_pinning(struct sdrt_topology *topology, enum sdrt_pinning pinning);

/* Whether the threads of a team of workers are held on one PU each: 0 on another machine and where
 * the system refuses. */
int sdrt_topology_pins(const struct sdrt_topology *topology, int workers);

/* Binds the calling thread to worker's PU, where a team of workers is held on its PUs, and keeps in
 * *before what it may run on now.  Two or three system calls, no memory. */
void sdrt_topology_bind(const struct sdrt_topology *topology, int worker, int workers,
                        struct sdrt_binding *before);

/* Undoes a bind, by the same thread. */
void sdrt_topology_restore(const struct sdrt_binding *before);

/* Lets the calling thread run on all PUs of the topology, unless nobody is ever to be pinned: a
 * thread that was made by one with fewer is not to share those. */
void sdrt_topology_unbind(const struct sdrt_topology *topology);

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

#endif
