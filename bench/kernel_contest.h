/* SPDX-License-Identifier: MIT
 *
 * sdbench kernels, its two halves: which levels and shapes (kernels.c), and how one shape is checked
 * and timed (kernel_contest.c).
 */
#ifndef SDRT_BENCH_KERNEL_CONTEST_H
#define SDRT_BENCH_KERNEL_CONTEST_H

#include "bench/kernel_check.h"
#include "bench/report.h"
#include "bench/roof.h"
#include "bench/sdbench.h"
#include "kernels/isa.h"

enum {
    SDRT_BENCH_LEVELS = 1 /* of a file */
#define SDRT_LEVEL(level, ...) +1
#include "kernels/levels.h"
};

struct sdrt_bench_precision {
    const char *name;
    enum sdrt_dtype stored;
    double limit; /* how far a kernel may be from the generic level, relative, in L2 */
};

struct sdrt_bench_level {
    const char *name;
    const struct sdrt_isa_level *isa; /* a file's: the best here, whose roof is its own */
    int foreign;                      /* of a file */
    struct sdrt_ops ops;
    struct sdrt_roof_meter *meter;
    const struct sdrt_bench_precision *precision;
};

struct sdrt_kernel_bench {
    const struct sdrt_bench_options *o;
    struct sdrt_report *report;
    struct sdrt_device *device;
    struct sdrt_queue *queue;
    struct sdrt_bench_level levels[SDRT_BENCH_LEVELS];
    int n_levels;
    struct sdrt_kernel_file file; /* of --kernel */
    uint64_t seed;
};

/* Checks one shape at n levels from first on, times them in turn with each other and with the generic
 * level and other libraries, and adds their rows to the report's table.  SDRT_E_NUMERIC when one is
 * wrong, which is then not timed; SDRT_E_NOMEM. */
int sdrt_kernel_contest(const struct sdrt_kernel_bench *b, const struct sdrt_job *shape, int first,
                        int n);

/* Writes the loop in which the shape's time goes by at the last level, as assembly with markers for llvm-mca, to
 * standard output, with its clocks a round as measured and as predicted.  Errors of assembly.h. */
int sdrt_kernel_loop(const struct sdrt_kernel_bench *b, const struct sdrt_job *shape);

/* Wipes the line that tells a person who waits what is being timed. */
void sdrt_kernel_told(void);

#endif
