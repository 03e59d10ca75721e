/* SPDX-License-Identifier: MIT
 *
 * The inside of a program, shared by its compiler, its walk and its reports.
 */
#ifndef SDRT_RUNTIME_GRAPH_PROGRAM_INTERNAL_H
#define SDRT_RUNTIME_GRAPH_PROGRAM_INTERNAL_H

#include "runtime/graph/graph_internal.h"
#include "runtime/graph/program.h"

/* A tensor at its address; data is NULL where the node has none. */
struct sdrt_operand {
    void *data;
    enum sdrt_dtype type;
};

struct sdrt_step;
typedef int sdrt_step_fn(const struct sdrt_step *step, const struct sdrt_exec *ex);

struct sdrt_step {
    sdrt_step_fn *run;
    const struct sdrt_ops *ops;
    int    node;
    int    nparts;
    int    last_of_node;
    /* Operands; which of them are set depends on the node. */
    struct sdrt_operand x, x2, x3, chan, residual, msb, sums, y;
    const float *gamma, *beta, *bias;
    int groups; /* of a group norm that the convolution makes, of gamma and beta; 0: none */
    float eps;
    const void *weights; /* as the kernel finds them */
    const void *packed;  /* as they are kept, in the host's memory where they are streamed */
    struct sdrt_weight_view table, positions;
    const struct sdrt_node *n;
    /* Report. */
    enum sdrt_step_class class_;
    char   kernel[48];
    double flop, bytes, weight_bytes;
    enum sdrt_dtype stored; /* type of the weights */
};

struct sdrt_program {
    struct sdrt_graph *graph;
    const struct sdrt_device *device;
    const struct sdrt_ops *ops; /* the graph's, which are the device's */
    const char *isa;
    const struct sdrt_log *log;
    int workers;
    struct sdrt_step *steps;
    struct sdrt_device_step *device_steps; /* the same, as the device runs them */
    struct sdrt_device_upload *uploads;    /* of streamed weights, in the order of their steps */
    int n_steps;
    struct sdrt_recording recording; /* of the steps as they are loaded and linked */
    struct sdrt_weight_uses uses; /* what the steps hold of the graph's store */
    int loaded, linked;
};

/* Fills in the steps of one node; returns how many (0 to 2).  One row of the operation
 * table in operations.c. */
int sdrt_node_steps(const struct sdrt_program *p, int node, struct sdrt_step *steps);

/* Packs or finds the weights of one step. */
int sdrt_step_load(struct sdrt_program *p, struct sdrt_step *s);

#endif
