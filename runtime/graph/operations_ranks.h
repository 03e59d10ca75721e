/* SPDX-License-Identifier: MIT
 *
 * Nodes between ranks, as rows of the table of operations.c.
 */
#ifndef SDRT_RUNTIME_GRAPH_OPERATIONS_RANKS_H
#define SDRT_RUNTIME_GRAPH_OPERATIONS_RANKS_H

#include "runtime/graph/program_internal.h"

/* How a node becomes steps, as in operations.c. */
int sdrt_steps_exchange(const struct sdrt_program *p, struct sdrt_step *s);
int sdrt_steps_gather(const struct sdrt_program *p, struct sdrt_step *s);

/* In the place of gn_fold where the statistics are of all ranks. */
int sdrt_run_gn_ranks(const struct sdrt_step *st, const struct sdrt_exec *ex);

#endif
