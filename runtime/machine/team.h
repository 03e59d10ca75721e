/* SPDX-License-Identifier: MIT
 *
 * A team of workers that walk one program together.  Whoever calls is worker 0.
 *
 * The intended use is one sdrt_team_run() for many steps:
 *
 *     static void body(void *arg, int worker, int workers)
 *     {
 *         for (each step) {
 *             while ((part = sdrt_team_next_share(team, worker, nparts)) >= 0)
 *                 do share part of nparts;
 *             sdrt_team_end_step(team, worker);
 *         }
 *     }
 *
 * Waiting workers spin for a short, bounded time and then sleep; nothing is allocated after
 * creation.  While a body runs, denormals are flushed to zero (FTZ and DAZ on x86, FZ on Arm).
 *
 * To the program around it a team is a guest.  The calling thread is pinned for the time of a run
 * at most, so that it and the threads and children that it makes between runs may go where they
 * could before; the others are the team's own.  Any thread may run a team and free it, one at a
 * time.  A child after fork() has no threads but the one that made it: the team starts its own
 * again at the first run there.
 */
#ifndef SDRT_RUNTIME_MACHINE_TEAM_H
#define SDRT_RUNTIME_MACHINE_TEAM_H

#include "runtime/base/error.h"
#include "runtime/machine/topology.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_team;

enum { SDRT_TEAM_MAX_WORKERS = 4096 };

/* Starts workers - 1 threads.  topology is borrowed and must outlive the team; workers are
 * pinned as sdrt_topology_pins() says.  NULL pins nobody.
 * *out belongs to the caller, NULL after a failure.
 * SDRT_E_ARG for a number of workers below 1 or above the maximum; SDRT_E_NOMEM when a thread
 * cannot be started. */
int sdrt_team_create(struct sdrt_team **out, int workers, const struct sdrt_topology *topology,
                     const struct sdrt_log *log);

/* Ends the threads, frees *team and sets it to NULL.  Never inside a body.  NULL is allowed. */
void sdrt_team_free(struct sdrt_team **team);

/* As many as were asked for; fewer in a child after fork() that cannot start them all. */
int sdrt_team_workers(const struct sdrt_team *team);

/* Calls body(arg, worker, workers) on every worker, 0 .. workers-1, and returns when all have
 * returned; what they wrote is then visible to the caller.  By one thread at a time, never inside a
 * body. */
typedef void sdrt_team_body(void *arg, int worker, int workers);
void sdrt_team_run(struct sdrt_team *team, sdrt_team_body *body, void *arg);

/* Inside a body: waits until all workers are here.  What each wrote before is visible to all
 * after. */
void sdrt_team_barrier(struct sdrt_team *team, int worker);

/* What workers waited at barriers, the ends of steps and runs among them: seconds, of all workers
 * together, so one of two workers that waits for half of a second counts half a second. */
struct sdrt_team_waits {
    double uneven; /* until the last one came, because shares were not equal or a worker was held
                    * up, by another program for one */
    double own;    /* from then on: what the barriers themselves took */
};

/* Between runs: forgets what was waited, and from now on measures it or not.  Measuring takes two
 * looks at the clock a worker and barrier; not measuring, as at first, one branch. */
void sdrt_team_measure_waits(struct sdrt_team *team, int on);

/* Between runs: what was waited since.  Zero for a team of one, which waits for nobody. */
void sdrt_team_waits(const struct sdrt_team *team, struct sdrt_team_waits *waits);

/* Inside a body: a share of this step that nobody has taken yet, 0 .. nparts-1, or -1 when
 * all are taken.  nparts is the same on all workers of a step.  A worker gets the shares of
 * its own stretch first, as many of them as its core is fast (sdrt_topology_weight()), in order and the same ones for equal nparts, so that what it wrote
 * in the last step is still in its cache; then it helps others from the ends of theirs. */
int sdrt_team_next_share(struct sdrt_team *team, int worker, int nparts);

/* Inside a body, once the worker got -1: ends the step.  A barrier. */
void sdrt_team_end_step(struct sdrt_team *team, int worker);

/* For bytes at p that all workers use and nobody has touched yet: spreads the pages over the
 * workers' NUMA nodes where there are several, as sdrt_topology_spread() says; does nothing on
 * one.  SDRT_E_UNSUPPORTED (nothing logged) where the system refuses. */
int sdrt_team_spread(const struct sdrt_team *team, void *p, size_t bytes);

/* Asks whoever looks at sdrt_team_cancelled() to stop.  From any thread and from a signal
 * handler.  It stays set until sdrt_team_rearm(). */
void sdrt_team_cancel(struct sdrt_team *team);
int sdrt_team_cancelled(const struct sdrt_team *team);
void sdrt_team_rearm(struct sdrt_team *team);

#ifdef __cplusplus
}
#endif

#endif
