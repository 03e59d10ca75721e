/* SPDX-License-Identifier: MIT
 *
 * The elementwise operations as the benchmark sees them, in one table: what sizes each has, what it
 * reads and writes, and how it is called.
 */
#ifndef SDRT_BENCH_ELEMENTWISE_H
#define SDRT_BENCH_ELEMENTWISE_H

#include "kernels/elementwise.h"

#include <stddef.h>
#include <stdint.h>

enum sdrt_elementwise_op {
    SDRT_EW_TIMESTEP,
    SDRT_EW_EMBED,
    SDRT_EW_SILU_OF_SUMS,
    SDRT_EW_RELATIVE_BIAS,
    SDRT_EW_GUIDE,
    SDRT_EW_TO_NHWC,
    SDRT_EW_TO_NCHW,
    SDRT_EW_TO_PATCHES,
    SDRT_EW_FROM_PATCHES,
    SDRT_EW_CROP,
    SDRT_EW_RELU,
    SDRT_EW_SILU,
    SDRT_EW_HALVE,
    SDRT_EW_BLEND,
    SDRT_EW_LOW_FREQUENCIES,
    SDRT_EW_OWN_ATTENTION,
    SDRT_EW_OPS
};

enum { SDRT_EW_SIZES = 5, SDRT_EW_VARIANTS = 3 };

struct sdrt_ew_shape {
    enum sdrt_elementwise_op op;
    int size[SDRT_EW_SIZES]; /* as the row of the table names them */
    int variant;             /* which of the op's operands are there, below SDRT_EW_VARIANTS */
    int gap;                 /* elements between the rows of what has a pitch */
    float factor;            /* of guidance, scaling, blending, a slope */
    enum sdrt_dtype from;    /* of tables; F32 for ops without one */
};

/* What a shape takes, in elements; x and x2 are of type from where the op is typed, else f32. */
struct sdrt_ew_extent {
    size_t x, x2, x3, ids;
    size_t rows; /* of the result, which is f32 */
    int width, pitch;
    int x_pitch;  /* in place: of the rows of x that the result holds before; else 0 */
    int id_bound; /* ids are below it */
};

/* All NULL where the shape has none. */
struct sdrt_ew_operands {
    const void *x, *x2, *x3;
    const int32_t *ids;
    float *y;
};

struct sdrt_ew_kind {
    const char *name;   /* of the entry */
    const char *sizes;  /* for people: what stands between the x of a shape */
    int n_sizes, typed; /* typed: tables may be F16 and BF16 */
    size_t entry;       /* offset of the entry in struct sdrt_elementwise_ops */
    double atol, rtol;  /* how far from the oracle's answer a value may be */
    /* Of values that an int counts; 0 where the sizes do not go together. */
    int (*measure)(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e);
    int (*run)(const struct sdrt_elementwise_ops *ops, const struct sdrt_exec *ex,
               const struct sdrt_ew_shape *s, const struct sdrt_ew_operands *o);
};
extern const struct sdrt_ew_kind sdrt_ew_kinds[SDRT_EW_OPS];

/* What a shape has where nothing else is said: the usual factor, f32, all operands, no gap. */
void sdrt_ew_usual(struct sdrt_ew_shape *s);

/* The extent of a shape whose sizes are 1 or more; 0 where they do not go together, or anything would have
 * 2^30 values or more. */
int sdrt_ew_measure(const struct sdrt_ew_shape *s, struct sdrt_ew_extent *e);

/* The structs that kernels and oracle take. */
struct sdrt_relu_shape sdrt_ew_relu(const struct sdrt_ew_shape *s);
struct sdrt_blend_shape sdrt_ew_blend(const struct sdrt_ew_shape *s);
struct sdrt_low_shape sdrt_ew_low(const struct sdrt_ew_shape *s);
struct sdrt_own_shape sdrt_ew_own(const struct sdrt_ew_shape *s);

/* Whether two fillings of the struct differ in the op's entry. */
int sdrt_ew_differs(const struct sdrt_elementwise_ops *a, const struct sdrt_elementwise_ops *b,
                    enum sdrt_elementwise_op op);

#endif
