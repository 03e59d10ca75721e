/* SPDX-License-Identifier: MIT
 *
 * A kernel from a file: loaded, and checked before it is believed.
 */
#ifndef SDRT_BENCH_KERNEL_CHECK_H
#define SDRT_BENCH_KERNEL_CHECK_H

#include "bench/kernel_jobs.h"
#include "runtime/base/error.h"

#include <stdint.h>

struct sdrt_kernel_file {
    const char *path; /* borrowed */
    char name[48];    /* what the object calls itself, or the file's */
    enum sdrt_dtype operand;
    struct sdrt_ops ops;     /* the generic level's, with the object's entries */
    int has[SDRT_FAMILIES];  /* whether it has entries of the family */
    int has_op[SDRT_EW_OPS]; /* and which of elementwise */
};

/* Loads the object into this process, for good.  SDRT_E_IO, SDRT_E_FORMAT for another ABI, for none
 * of our families or for a type that is no operand's, each with a line. */
int sdrt_kernel_load(struct sdrt_kernel_file *file, const char *path, const struct sdrt_log *log);

/* Whether it has the entry that the job runs. */
int sdrt_kernel_has(const struct sdrt_kernel_file *file, const struct sdrt_job *job);

/* Runs it in a process of its own, before it is loaded here, over small random shapes of the family and
 * over the n jobs, all with random numbers of seed in guarded memory (kernel_trial.h), twice with new
 * numbers in the same place, cut into several numbers of parts, on one thread and on two; compares with
 * the oracle.  Of elementwise those that it has are run.  Many values of a large shape are left out,
 * and very large ones are shortened.  *checked: how many shapes.  SDRT_E_NUMERIC with a line that names
 * the shape and what is wrong.  Call it while this process has one thread. */
int sdrt_kernel_check(const char *path, enum sdrt_family family, const struct sdrt_job *jobs, int n,
                      uint64_t seed, int *checked, const struct sdrt_log *log);

#endif
