/* SPDX-License-Identifier: MIT
 *
 * Processes that work together, on one machine or many: ranks 0 .. size-1, behind a table of calls.
 * What carries their messages is a part that is loaded when it is asked for (mpi.c); everything else
 * is made of its calls here, so that times, bytes and limits are the same for all of it.
 *
 * One thread of a process at a time uses its ranks.  All ranks of a collective call make it, in the same
 * order.  No call waits longer than the ranks' timeout for the others: then, and after any failure,
 * ranks->fault says in a few words what it was, and every later call fails at once.
 */
#ifndef SDRT_RUNTIME_RANKS_RANKS_H
#define SDRT_RUNTIME_RANKS_RANKS_H

#include "runtime/base/error.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_RANKS_ABI = 1, SDRT_RANKS_MOST = 4096, SDRT_RANKS_TEXT = 160 };

struct sdrt_ranks;

/* A message to or from one rank.  What is received has to be as large as what was sent. */
struct sdrt_message {
    int with; /* the other rank */
    int tag;  /* messages of one tag between two ranks keep their order */
    int receives;
    void *data;
    size_t bytes;
};

/* What a part does. */
struct sdrt_ranks_calls {
    /* Begins all messages and waits until they are done: 0, or -1 with ranks->fault, where the time is
     * up after the ranks' timeout or something failed. */
    int (*exchange)(struct sdrt_ranks *r, const struct sdrt_message *messages, int n);
    /* Sends a copy of some bytes and waits for nothing.  0, or -1 with ranks->fault. */
    int (*post)(struct sdrt_ranks *r, int to, int tag, const void *data, size_t bytes);
    /* Takes a message of this tag that has come, from whom it is, and at most bytes of it: 1; 0 where
     * none has; -1 with ranks->fault. */
    int (*poll)(struct sdrt_ranks *r, int tag, void *data, size_t bytes, int *from);
    /* clean: all ranks come here too.  Else the process is to end soon. */
    void (*close)(struct sdrt_ranks *r, int clean);
    /* Ends all ranks at once, with this exit status; does not return. */
    void (*abort)(struct sdrt_ranks *r, int status);
};

struct sdrt_ranks {
    const struct sdrt_ranks_calls *calls;
    void *own; /* the part's */
    int rank, size;
    int node_rank, node_size; /* among those on this machine */
    const int *nodes;         /* of each rank its machine, by the lowest rank there; the part's */
    const char *name; /* of what carries them, in a few words: "Open MPI 4.1.4"; the part's */
    double timeout;   /* seconds; at first SDRT_RANKS_TIMEOUT */
    double seconds;   /* in calls so far */
    uint64_t bytes_out, bytes_in, exchanges;
    char fault[SDRT_RANKS_TEXT]; /* "" while all is well */
};

#define SDRT_RANKS_TIMEOUT 60.0

/* What a part exports as "sdrt_ranks_part". */
struct sdrt_ranks_part {
    int abi; /* SDRT_RANKS_ABI */
    /* Fills *r, zero at first: 0, or -1 with r->fault. */
    int (*open)(struct sdrt_ranks *r);
};

/* Loads the part in file path and joins the ranks that this process was started as one of.  *out belongs
 * to the caller, NULL after a failure: SDRT_E_UNSUPPORTED where there is no such part, or it does not fit
 * this program, or what it carries messages with refuses; SDRT_E_NOMEM. */
int sdrt_ranks_open(struct sdrt_ranks **out, const char *path, const struct sdrt_log *log);

/* Leaves them and sets *ranks to NULL: together, when all is well, else without waiting for anybody.
 * NULL and a pointer to NULL are allowed. */
void sdrt_ranks_close(struct sdrt_ranks **ranks);

/* Begins all messages and waits until they are done; counts them.  SDRT_OK, or SDRT_E_IO without a
 * line. */
int sdrt_ranks_exchange(struct sdrt_ranks *r, const struct sdrt_message *messages, int n);

/* From rank 0's bytes to everybody's.  As an exchange. */
int sdrt_ranks_broadcast(struct sdrt_ranks *r, void *data, size_t bytes);

/* Puts bytes of each rank behind each other, in all [size * bytes], which holds the rank's own at its
 * place.  As an exchange. */
int sdrt_ranks_gather(struct sdrt_ranks *r, void *all, size_t bytes);

/* The same of unlike sizes: rank i's bytes[i] lie at all + at[i]. */
int sdrt_ranks_gather_parts(struct sdrt_ranks *r, void *all, const size_t *at, const size_t *bytes);

/* Returns when all ranks are here.  As an exchange. */
int sdrt_ranks_barrier(struct sdrt_ranks *r);

/* One line that tells ranks->fault, as status, which is returned. */
int sdrt_ranks_fail(const struct sdrt_ranks *r, int status, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
