/* SPDX-License-Identifier: MIT
 *
 * Every kernel at every shape that the models run, with operands like theirs.
 */
#ifndef SDRT_BENCH_KERNEL_JOBS_H
#define SDRT_BENCH_KERNEL_JOBS_H

#include "bench/elementwise.h"
#include "kernels/ops.h"
#include "runtime/device/device.h"

enum sdrt_family {
    SDRT_FAMILY_ATTENTION,
    SDRT_FAMILY_CONV,
    SDRT_FAMILY_GEMM,
    SDRT_FAMILY_GN_SUMS,
    SDRT_FAMILY_GN_FOLD,
    SDRT_FAMILY_LAYER_NORM,
    SDRT_FAMILY_RMS_NORM,
    SDRT_FAMILY_ELEMENTWISE,
    SDRT_FAMILIES
};
extern const char *const sdrt_family_names[SDRT_FAMILIES];

/* One kernel at one shape; the shape and its name are set by sdrt_job_get(), all else by
 * sdrt_job_set(). */
struct sdrt_job {
    enum sdrt_family family;
    const char *name;
    int calls; /* in one U-Net step of two images, one VAE pass, or one run of the rest */
    union {
        struct sdrt_conv_shape      conv;
        struct sdrt_gemm_shape      gemm;
        struct sdrt_attention_shape attention;
        struct sdrt_gn_shape        gn;
        struct sdrt_ln_shape        ln;
        struct sdrt_rms_shape       rms;
        struct sdrt_ew_shape        ew;
    } u;
    const struct sdrt_ops *ops;
    struct sdrt_queue *queue;
    float  *x, *x2, *x3, *y, *bias;   /* x3: values of attention, msb of a conv; bias: embed's ids */
    double *sums;
    void   *w, *scratch;              /* scratch of all workers */
    size_t y_floats, sums_doubles, scratch_each;
    double flop, bytes, weight_bytes; /* bytes: weights too */
    int    nparts;
};

int sdrt_job_count(enum sdrt_family family);
void sdrt_job_get(struct sdrt_job *job, enum sdrt_family family, int i);

/* Makes the operands for the kernels of ops on that queue, which are borrowed.  0 without
 * memory; release in both cases. */
int sdrt_job_set(struct sdrt_job *job, const struct sdrt_ops *ops, struct sdrt_queue *queue);
void sdrt_job_release(struct sdrt_job *job);

/* Of the weights, where the family has them; convolutions have none of I8 and stay in F32. */
void sdrt_job_set_precision(struct sdrt_job *job, enum sdrt_dtype stored);

/* Puts what is to be changed in place where it is to be changed; before each run of a job that has
 * such, and nothing for others. */
void sdrt_job_prepare(struct sdrt_job *job);

/* Once, on all workers. */
void sdrt_job_run(struct sdrt_job *job);

/* How many parts the kernel would make of it for so many workers; its own number, where that is fixed. */
int sdrt_job_parts(const struct sdrt_job *job, int workers);

/* One part of nparts, on the calling thread. */
void sdrt_job_run_part(struct sdrt_job *job, int part, int nparts);

/* Fewer rows of the same shape, so that the generic level is done in a moment. */
void sdrt_job_shorten(struct sdrt_job *job);

/* What it writes, of so many bytes. */
void *sdrt_job_result(const struct sdrt_job *job, size_t *bytes);

/* Relative L2 distance of two results of jobs of that shape. */
double sdrt_result_distance(const struct sdrt_job *shape, const void *a, const void *b);

/* Relative L2 distance of two jobs' results after a run, of one shape. */
double sdrt_job_distance(const struct sdrt_job *a, const struct sdrt_job *b);

/* floats of unit normal numbers, or zeros without rng; to free(), NULL without memory. */
struct sdrt_rng;
float *sdrt_job_numbers(struct sdrt_rng *rng, size_t floats);

#endif
