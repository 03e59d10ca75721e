/* SPDX-License-Identifier: MIT
 *
 * One network, loaded and ready to be run again and again on inputs like a real run's.
 */
#ifndef SDRT_BENCH_PASS_H
#define SDRT_BENCH_PASS_H

#include "bench/counters.h"
#include "bench/roof.h"
#include "bench/sdbench.h"
#include "model/pipeline/session.h"

struct sdrt_bench_pass {
    struct sdrt_context   *context; /* its model and session are used directly */
    struct sdrt_program *program;   /* NULL: it runs in bands */
    struct sdrt_bands *bands;       /* else NULL */
    int index; /* of its pass */
    struct sdrt_roof_meter *meter; /* NULL where ranks are measured */
    const char *network;    /* "unet", "vae", "text" */
    const char *precision;
    int    batch;
    int    repeats;         /* runs of the program in one pass */
    double flop;            /* of one pass */
    double weights;         /* bytes of the matrices that are loaded, packed */
    size_t workspace;       /* bytes of arena that the loaded programs take in turn */
    double first;           /* seconds of the first pass, which touches all pages */
    size_t resident;        /* after it, before the roof took its memory */
    long   mallocs;         /* the most in one of the passes after that */
    double joules;          /* of the last pass; NAN where unknown */
    struct sdrt_counters counters;
    double counted[SDRT_COUNTERS]; /* by the last pass; NAN where it is not to be had */
    /* Of each pass after the first, the share of all workers' time that they waited at barriers:
     * for each other, and for the barriers themselves. */
    struct sdrt_times uneven, barriers;
};

/* "unet" when network is NULL.  SDRT_E_ARG for another name. */
int sdrt_pass_network(const char **network, const struct sdrt_log *log);

/* Sets what a model is opened with by o, whose strings it borrows. */
void sdrt_bench_fill(struct sdrt_options *options, const struct sdrt_bench_options *o);

/* Opens the model on so many workers (0: one for each core), runs the network once, all ranks of o->share
 * together, and but with o->mpi tries the roof once.  pass is empty after a failure.  Errors of sdrt_open(). */
int sdrt_pass_open(struct sdrt_bench_pass *pass, const struct sdrt_bench_options *o,
                   const char *network, int threads);
void sdrt_pass_close(struct sdrt_bench_pass *pass);

/* Program i of a pass, and how often it runs; NULL where there are no more. */
struct sdrt_program *sdrt_pass_program(const struct sdrt_bench_pass *pass, int i, int *times);

/* One pass; the program's step times are then of this pass alone. */
int sdrt_pass_run(struct sdrt_bench_pass *pass, double *seconds);

/* Planned bytes: the packed weights and the part of the arena that the pass uses. */
double sdrt_pass_planned(const struct sdrt_bench_pass *pass);

/* Facts barrier_share and its two parts, each the median of the passes. */
void sdrt_pass_waits(const struct sdrt_bench_pass *pass, struct sdrt_report *r);

/* Facts counters.cycles and so on, of the last pass, and a line of them or of why there are none. */
void sdrt_pass_counted(const struct sdrt_bench_pass *pass, struct sdrt_report *r);

/* The request that the options ask for. */
void sdrt_bench_request(struct sdrt_request *request, const struct sdrt_bench_options *o);

/* Facts about the machine, the size and the plan. */
void sdrt_pass_facts(const struct sdrt_bench_pass *pass, const struct sdrt_bench_options *o,
                     struct sdrt_report *r);

#endif
