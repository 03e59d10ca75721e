/* SPDX-License-Identifier: MIT
 *
 * Weights that the ranks of one machine have in common.
 */
#ifndef SDRT_CLI_COMMONS_H
#define SDRT_CLI_COMMONS_H

#include "runtime/ranks/ranks.h"
#include "runtime/weights/commons.h"

/* A collective call, before a model is opened.  Of each machine the first rank makes them, and the
 * others open them that were started by the same words, which argv has; what is read has to be the same
 * for them.  *out belongs to the caller; NULL where this rank packs all for itself, of which one rank
 * of its machine says why.  SDRT_OK, or SDRT_E_IO with a line. */
int cli_commons_open(struct sdrt_commons **out, struct sdrt_ranks *ranks, int argc, char **argv,
                     const struct sdrt_log *log);

#endif
