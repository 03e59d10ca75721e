/* SPDX-License-Identifier: MIT
 *
 * One kernel at one shape, with random operands in guarded memory and what an oracle in double
 * precision makes of them.  For kernels that nobody has seen: operands are read-only while it runs,
 * gaps between rows are NaN, and what it is to write is NaN before.
 */
#ifndef SDRT_BENCH_KERNEL_TRIAL_H
#define SDRT_BENCH_KERNEL_TRIAL_H

#include "bench/guarded.h"
#include "bench/kernel_jobs.h"
#include "bench/oracle/values.h"

enum sdrt_trial_buffer {
    SDRT_TRIAL_X,
    SDRT_TRIAL_X2,
    SDRT_TRIAL_X3, /* a; q, k, v; x, x2, msb or sums */
    SDRT_TRIAL_WEIGHTS,
    SDRT_TRIAL_BIAS, /* embed's ids, too */
    SDRT_TRIAL_MORE, /* a convolution's chan, a product's gate, a norm's gamma */
    SDRT_TRIAL_RESIDUAL,
    SDRT_TRIAL_READ, /* those before are not to be written */
    SDRT_TRIAL_Y = SDRT_TRIAL_READ,
    SDRT_TRIAL_SCRATCH,
    SDRT_TRIAL_SCRATCH2, /* of two threads */
    SDRT_TRIAL_BUFFERS
};

enum sdrt_trial_residual {
    SDRT_TRIAL_NO_RESIDUAL,
    SDRT_TRIAL_OWN_RESIDUAL,
    SDRT_TRIAL_IN_PLACE,
    SDRT_TRIAL_RESIDUALS
};

struct sdrt_trial {
    struct sdrt_job job; /* family and shape, set by the caller; so are these four: */
    int bias, more;      /* whether they are given */
    enum sdrt_trial_residual residual;
    size_t step; /* every step-th value (attention: query) is checked */
    const struct sdrt_ops *ops;
    struct sdrt_guarded buffer[SDRT_TRIAL_BUFFERS];
    double *values, *residuals, *want; /* weights and residual as the oracle sees them */
    size_t rows;
    int width, pitch; /* of the result */
    int wide;         /* whether that is of doubles */
};

/* Memory for the shape and the kernel, at the ends of its pages or at their beginnings; 0 without. */
int sdrt_trial_create(struct sdrt_trial *t, const struct sdrt_ops *ops, int at_end);
void sdrt_trial_free(struct sdrt_trial *t);

/* New numbers in the same memory, packed by the kernel, and the oracle's answer.  NULL, or what is
 * wrong with the packing. */
const char *sdrt_trial_fill(struct sdrt_trial *t, uint64_t *rng);

/* Prepares y for a run of all parts. */
void sdrt_trial_clear(struct sdrt_trial *t);

/* Does one part with scratch that holds NaN; thread is 0 or 1.  What the kernel returns. */
int sdrt_trial_part(struct sdrt_trial *t, int part, int nparts, int thread);

/* The kernel's own number of parts for so many workers. */
int sdrt_trial_parts(const struct sdrt_trial *t, int workers);

/* Value i of the result, of rows times width. */
double sdrt_trial_value(const struct sdrt_trial *t, size_t i);

/* How many of them nobody has written since sdrt_trial_clear(). */
size_t sdrt_trial_unwritten(const struct sdrt_trial *t);

/* How far y is from the oracle's answer, products being rounded to operand: bad counts values that
 * are beyond the limit of that precision, nmse is against *nmse_limit. */
struct tdiff sdrt_trial_compare(const struct sdrt_trial *t, enum sdrt_dtype operand,
                                double *nmse_limit);

#endif
