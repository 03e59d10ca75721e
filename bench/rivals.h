/* SPDX-License-Identifier: MIT
 *
 * Other libraries at the same shapes: the product alone, without what our kernels do in the same
 * pass (norm, activation, gate, residual).
 */
#ifndef SDRT_BENCH_RIVALS_H
#define SDRT_BENCH_RIVALS_H

#include "bench/kernel_jobs.h"

struct sdrt_rival_work;

struct sdrt_rival {
    const char *name;
    /* Prepares the shape of job, whose operands are set, for the threads of its team.  NULL when
     * the library has nothing like it.  *out belongs to the caller. */
    struct sdrt_rival_work *(*set)(const struct sdrt_job *job, int bf16);
    void (*run)(struct sdrt_rival_work *work);
    void (*release)(struct sdrt_rival_work **work);
};

/* Once, before any worker is pinned, since a library's own threads take over the binding of the
 * thread that starts them. */
void sdrt_rivals_start(int threads);

/* sgemm on each worker's rows or columns; a convolution by our `blas` level. */
extern const struct sdrt_rival sdrt_rival_openblas;

/* NULL where sdbench was built without it. */
extern const struct sdrt_rival *const sdrt_rival_onednn;
void sdrt_onednn_start(int threads);

#endif
