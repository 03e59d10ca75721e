/* SPDX-License-Identifier: MIT
 *
 * Tasks 0 .. total-1 dealt out over ranks.  Whoever is ready asks rank 0 for the next one, so that a
 * faster rank gets more of them.  A thread beside each rank's work talks for it, rank 0's with all
 * others: while tasks are dealt out, nothing else may use the ranks.
 *
 * A rank that is not heard of for the ranks' timeout is lost, and what it was at is given to another;
 * so is the task of one that failed.  When rank 0 is lost, the others end what they are at, and no more
 * is dealt out.
 */
#ifndef SDRT_RUNTIME_RANKS_DEAL_H
#define SDRT_RUNTIME_RANKS_DEAL_H

#include "runtime/ranks/ranks.h"

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_deal;

/* How a task ended. */
enum sdrt_dealt { SDRT_DEALT_NONE, SDRT_DEALT_DONE, SDRT_DEALT_FAILED };

/* Begins on all ranks.  stop, which may be NULL, says with another value than 0 that this rank is to end
 * soon; ranks, stop and log are borrowed.  The log is called by the functions below alone.  *out belongs
 * to the caller, NULL after a failure: SDRT_E_NOMEM. */
int sdrt_deal_open(struct sdrt_deal **out, struct sdrt_ranks *ranks, int total,
                   const volatile sig_atomic_t *stop, const struct sdrt_log *log);

/* The next task, or -1 when all are done, or this rank is to take no more: after one that failed, after
 * stop, or where rank 0 is lost.  before: how the one that it got last ended.  Waits while others are at
 * the last tasks, which may come to be this rank's. */
int sdrt_deal_next(struct sdrt_deal *deal, enum sdrt_dealt before);

/* Ends and frees *deal and sets it to NULL.  On rank 0 done [total] (NULL: not wanted) says of each task
 * whether it is done.  SDRT_OK; SDRT_E_IO, with a line for each, where ranks were lost, on others than
 * rank 0 where that was.  When any was, ranks->fault says so, and closing them waits for nobody. */
int sdrt_deal_close(struct sdrt_deal **deal, unsigned char *done);

#ifdef __cplusplus
}
#endif

#endif
