/* SPDX-License-Identifier: MIT
 *
 * sdgen on many machines: what its ranks agree on, and which images each of them draws.
 */
#ifndef SDRT_TOOLS_MANY_H
#define SDRT_TOOLS_MANY_H

#include "cli/commons.h"
#include "runtime/ranks/deal.h"
#include "tools/options.h"
#include "tools/output.h"

/* Zero at first: one process alone, for which the functions below do nothing. */
struct many {
    struct sdrt_ranks *ranks;     /* owned */
    struct sdrt_deal *deal;       /* owned; NULL: nothing is dealt out */
    struct sdrt_commons *commons; /* of this machine's ranks; owned; NULL: it has none */
    const struct sdrt_log *log;
    char *names_text;   /* owned */
    const char **names; /* of all images of the run, into names_text; owned */
    int n_names, each;  /* images; of a batch */
    int lost;
    int together; /* all draw each image */
    int agreed;   /* on that they can */
    char *late;   /* what this rank would say; owned */
};

/* Where --mpi was given: joins the ranks, takes this one's cores, gives all of them rank 0's seed, and finds what
 * those of a machine, started by the same words, have in common.  Errors of sdrt_ranks_open(). */
int many_open(struct many *many, struct sdgen_options *options, int argc, char **argv,
              const struct sdrt_log *log);

/* Whether this process is to say what concerns all. */
int many_first(const struct many *many);

/* Gives all ranks rank 0's status, or with SDRT_OK its names of all images of output; then, where they
 * do not draw each image together, begins to deal out batches of each images, until stop says
 * otherwise.  SDRT_OK; SDRT_E_CANCELLED, with no line, on ranks to which rank 0 gave another status. */
int many_begin(struct many *many, const struct output *output, int each, int status,
               const volatile sig_atomic_t *stop);

/* Lets the model take its weights from what this machine's ranks have in common.  Where they draw
 * together: prepares the session for it, after which status, that of opening it, is SDRT_OK on all or
 * on none; SDRT_E_CANCELLED, with no line, where it is others that failed. */
int many_share(struct many *many, struct sdrt_context *context, const struct sdgen_options *options,
               int status);

/* Where they draw together, the same of another status: SDRT_OK on all or on none. */
int many_agree(struct many *many, int status);

/* Keeps an error for when it is known whether rank 0 has told the same of all: 1; 0 where it is to be told
 * now. */
int many_keeps(struct many *many, const char *text);

/* Whether this process writes files. */
int many_writes(const struct many *many);

/* The batch after i, -1 at first, of total ones, whose drawing ended with status; -1: there is none. */
int many_next(struct many *many, int i, int total, int status);

/* After the last one: waits for the others, and on rank 0 names in one line what nobody has drawn.
 * status where that is an error, else SDRT_OK or SDRT_E_IO. */
int many_end(struct many *many, int status);

/* Leaves the ranks, with the exit status of this process.  Where one was lost, rank 0 ends them all, or without
 * it the first that has waited for the timeout, and this does not return. */
void many_close(struct many *many, int exit_status);

#endif
