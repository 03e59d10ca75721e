/* SPDX-License-Identifier: MIT
 *
 * Ranks that are threads of one process: what MPI does for runtime/ranks, for tests.
 */
#ifndef SDRT_TESTS_RANKS_THREADS_H
#define SDRT_TESTS_RANKS_THREADS_H

#include "runtime/ranks/ranks.h"

enum { THREAD_RANKS_MOST = 8 };

/* Runs body(ranks, arg) on size threads, each with ranks of its own, which wait for timeout seconds, and
 * returns when all have returned. */
void thread_ranks_run(int size, double timeout, void (*body)(struct sdrt_ranks *ranks, void *arg),
                      void *arg);

#endif
