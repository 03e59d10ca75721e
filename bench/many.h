/* SPDX-License-Identifier: MIT
 *
 * sdbench on several ranks: what they agree on, and what they measure together.
 */
#ifndef SDRT_BENCH_MANY_H
#define SDRT_BENCH_MANY_H

#include "bench/sdbench.h"
#include "runtime/ranks/ranks.h"

/* Zero at first: one process alone, for which the functions below do nothing. */
struct sdrt_bench_many {
    struct sdrt_ranks *ranks;     /* owned */
    struct sdrt_commons *commons; /* of this machine's; owned; NULL: there are none */
    int shared_cores;             /* there are fewer cores than ranks */
    int failed;                   /* not on this rank alone, so that another has said why */
    char *late;                   /* what this rank would say; owned */
};

/* SDRT_E_ARG where --mpi does not go with the others. */
int sdrt_bench_check_many(const struct sdrt_bench_options *o);

/* Where o->mpi says so: joins the ranks and takes this one's cores, which o then says, and finds what those of a machine
 * have in common.  Errors of
 * sdrt_ranks_open(). */
int sdrt_bench_many_open(struct sdrt_bench_many *many, struct sdrt_bench_options *o, int argc,
                         char **argv);

/* Whether this process is to say and write what concerns all. */
int sdrt_bench_is_first(const struct sdrt_bench_many *many);

/* Keeps an error until it is known whether rank 0 has said what failed: 1; 0 where it is to be told now. */
int sdrt_bench_keeps(struct sdrt_bench_many *many, const char *text);

/* A collective call: status where that is an error; else SDRT_OK where it is that on all, or SDRT_E_CANCELLED,
 * without a line. */
int sdrt_bench_agree(struct sdrt_bench_many *many, int status, const struct sdrt_log *log);

/* Leaves the ranks; says what was kept where nobody else has. */
void sdrt_bench_many_close(struct sdrt_bench_many *many, const struct sdrt_log *log);

/* step, vae and generate: what one rank takes, then all together.  Rank 0's report has it.  A collective call. */
struct sdrt_report;
int sdrt_bench_together(const struct sdrt_bench_options *o, struct sdrt_report *r);

#endif
