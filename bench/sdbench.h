/* SPDX-License-Identifier: MIT
 *
 * What the subcommands of sdbench share.
 */
#ifndef SDRT_BENCH_SDBENCH_H
#define SDRT_BENCH_SDBENCH_H

#include "runtime/error.h"

struct sdrt_bench_options {
    const char *command;
    const char *family;     /* of kernels; NULL: all */
    const char *model;      /* NULL: random weights */
    const char *isa;        /* NULL: the best here (kernels: each in turn) */
    const char *precision;
    int width, height, batch, threads, iterations, json;
    const struct sdrt_log *log;
};

/* Each returns SDRT_OK or an error that the log has heard of. */
int sdrt_bench_roofline(const struct sdrt_bench_options *o);
int sdrt_bench_kernels(const struct sdrt_bench_options *o);
int sdrt_bench_model(const struct sdrt_bench_options *o); /* step, vae, text */

/* Allocations of this process so far, by malloc and its relatives. */
long sdrt_bench_allocations(void);

#endif
