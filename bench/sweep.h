/* SPDX-License-Identifier: MIT
 *
 * One command at each combination of the lists that its options name: --threads 1,2,4 say.
 */
#ifndef SDRT_BENCH_SWEEP_H
#define SDRT_BENCH_SWEEP_H

#include "bench/sdbench.h"

/* Whether an option names a list. */
int sdrt_bench_is_sweep(const struct sdrt_bench_options *o);

/* Runs the command by run at each combination, sizes outermost, threads innermost, each in a process of
 * its own, so that memory and counters are its own too; then writes the files, of which .json is an
 * array, .jsonl a line, .csv rows of each.  What run returns where that is not 0, which ends the sweep;
 * what was done until then is written all the same. */
int sdrt_bench_sweep(const struct sdrt_bench_options *o,
                     int (*run)(const struct sdrt_bench_options *o));

#endif
