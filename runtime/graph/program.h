/* SPDX-License-Identifier: MIT
 *
 * A graph compiled for one device: one flat list of steps, each a function pointer with
 * its operands' addresses, which a queue of the device runs.  Nothing is allocated, looked up
 * by name or printed while it runs.
 */
#ifndef SDRT_RUNTIME_GRAPH_PROGRAM_H
#define SDRT_RUNTIME_GRAPH_PROGRAM_H

#include "kernels/dtype.h"
#include "runtime/device/device.h"
#include "runtime/graph/tensor.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

struct sdrt_program;

/* What a step is counted under. */
enum sdrt_step_class {
    SDRT_CLASS_CONV,
    SDRT_CLASS_GEMM,
    SDRT_CLASS_ATTENTION,
    SDRT_CLASS_NORM,
    SDRT_CLASS_ELEMENTWISE,
    SDRT_CLASS_OTHER,
    SDRT_CLASSES
};
extern const char *const sdrt_step_class_names[SDRT_CLASSES];

/* One step, for reports.  Borrowed from the program. */
struct sdrt_step_info {
    const char *name;
    enum sdrt_step_class class_;
    const char *kernel;  /* operation and instruction set, "conv2d 3x3 avx512" */
    int    nparts;
    double flop;         /* multiplications and additions */
    double bytes;        /* weights and activations that it must read and write */
    double weight_bytes; /* of these the weights, as they are stored */
    enum sdrt_dtype stored; /* type of these; F32 where there are none */
    double seconds;      /* total over all runs so far */
};

/* Called between steps with the output of the step's node, whose rows of dims[3] floats are
 * pitch floats apart.  Non-zero ends the run with SDRT_E_CANCELLED. */
typedef int sdrt_trace_fn(void *user, const char *name, const int dims[4], int pitch,
                          const float *data);

/* Plans the graph for the device's kernels and a queue of so many sharers (device.h) and chooses each
 * step's partition; reads no weights.  Takes *graph over and sets it to NULL, whatever the
 * result.  device, whose kernels the graph was made for, must outlive the program. */
int sdrt_program_create(struct sdrt_program **out, struct sdrt_graph **graph,
                        const struct sdrt_device *device, int workers,
                        const struct sdrt_log *log);
void sdrt_program_free(struct sdrt_program **program);

/* Bytes of arena it needs, and the least that any placement could need: the most that is
 * alive at one step. */
size_t sdrt_program_peak(const struct sdrt_program *p);
size_t sdrt_program_lower_bound(const struct sdrt_program *p);

/* An external tensor as its graph declared it; the name is borrowed from the program. */
struct sdrt_external {
    const char *name;
    sdrt_tensor tensor;
    enum sdrt_dtype type;
    int dims[4];        /* batch, h, w, c */
    int reads, writes;  /* whether a step does */
};

/* External tensor i, in the order of declaration, or the one of that name.  1 with *out filled in;
 * 0 when there is none. */
int sdrt_program_external(const struct sdrt_program *p, int i, struct sdrt_external *out);
int sdrt_program_find(const struct sdrt_program *p, const char *name, struct sdrt_external *out);

/* Gives an external tensor its address (64-byte aligned).  Takes effect at the next link. */
void sdrt_program_bind(struct sdrt_program *p, sdrt_tensor x, void *address);

/* Packs the weights that are not packed yet, on the workers of queue, and holds all until the program
 * is unloaded or freed.  Does nothing while what it holds is current.  progress (may be NULL)
 * hears done of total and ends it by a non-zero answer, with SDRT_E_CANCELLED and no line in the
 * log, as all cancelling. */
int sdrt_program_load(struct sdrt_program *p, struct sdrt_queue *queue,
                      int (*progress)(void *user, int done, int total), void *user);

/* Gives the weights back to the store, where they stay for the next program that asks for them, as
 * sdrt_program_free() does. */
void sdrt_program_unload(struct sdrt_program *p);

/* The same, and what no other program holds is freed. */
void sdrt_program_release(struct sdrt_program *p);

/* Whether the stores have all weights of the n programs (some may be NULL): SDRT_OK, or
 * SDRT_E_MISSING / SDRT_E_FORMAT with one line that names the first few bad tensors and counts the
 * rest.  SDRT_E_NOMEM. */
int sdrt_programs_check(struct sdrt_program *const *programs, int n, const struct sdrt_log *log);

/* Bytes of its weights that stay, once they are packed; and of those that are copied to the device in
 * each run. */
size_t sdrt_program_weight_bytes(const struct sdrt_program *p);
size_t sdrt_program_streamed_bytes(const struct sdrt_program *p);

/* Fixes all addresses, which are the device's: arena has at least sdrt_program_peak() bytes,
 * 64-byte aligned. */
int sdrt_program_link(struct sdrt_program *p, void *arena);

/* Runs all steps once on a queue of the program's device, with as many sharers as the program was
 * made for, and waits for them.  trace may be NULL.  SDRT_E_CANCELLED after sdrt_queue_cancel();
 * SDRT_E_UNSUPPORTED, logged, when a kernel refuses its work. */
int sdrt_program_run(struct sdrt_program *p, struct sdrt_queue *queue, sdrt_trace_fn *trace,
                     void *user);

int sdrt_program_steps(const struct sdrt_program *p);
void sdrt_program_step(const struct sdrt_program *p, int i, struct sdrt_step_info *info);
/* Operations of all steps together, a product and its sum counted as two. */
double sdrt_program_flop(const struct sdrt_program *p);

/* What a run of a shared graph's program takes from the other ranks (sdrt_graph_share()). */
struct sdrt_crossing {
    double bytes;
    double
        least; /* that the same bands need: upsampled rows cross twice as wide, and norms send a channel's sums
                   * where a group's do */
    int exchanges;
};
struct sdrt_crossing sdrt_program_crossing(const struct sdrt_program *p);

void sdrt_program_reset_times(struct sdrt_program *p);
const char *sdrt_program_name(const struct sdrt_program *p);

/* The plan: as a table to an open stream, and as a JSON object that the caller drops with
 * json_decref(), with where each buffer lies and when it lives; NULL without memory. */
void sdrt_program_write_table(const struct sdrt_program *p, FILE *f);
json_t *sdrt_program_json(const struct sdrt_program *p);

#endif
