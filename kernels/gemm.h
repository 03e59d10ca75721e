/* SPDX-License-Identifier: MIT
 *
 * Matrix products with a fused epilogue: the linear layers of every model.
 *
 *     t[m][n] = sum_k a[m][k] * w[n][k] + bias[n]
 *     y[m][n] = gate[n] * act(t) + residual[m][n]          (plain; adaLN's gate, where given)
 *     y[m][n] = value[m][n] * act(gate[m][n])              (gated; GEGLU when act is GELU)
 *
 * a, y and residual are rows with their own pitch, so that they may be slices of wider rows.
 * bias, gate and residual are f32; a and y have the types that the shape says, f32 or another
 * that takes() allows.  y may be the same rows as residual, where it is f32; never as a.
 */
#ifndef SDRT_KERNELS_GEMM_H
#define SDRT_KERNELS_GEMM_H

#include "kernels/act.h"
#include "kernels/exec.h"
#include "kernels/pack.h"

struct sdrt_gemm_shape {
    int m, n, k;        /* w.n == n, w.k == k, w.taps == 1 */
    enum sdrt_dtype a_type, y_type;
    int a_pitch;        /* elements from one row to the next */
    int y_pitch;
    int residual_pitch; /* used when args.residual is set */
    enum sdrt_act act;
    struct sdrt_weight_shape w;
};

struct sdrt_gemm_args {
    const void  *a;        /* [m][k] of s->a_type */
    const void  *w;        /* packed by pack_rows */
    const float *bias;     /* [n], or [2n] when gated (values, then gates), or NULL */
    const float *gate;     /* [n] or NULL; NULL when gated */
    const float *residual; /* [m][n] or NULL; NULL when gated */
    void        *y;        /* [m][n] of s->y_type */
};

struct sdrt_gemm_ops {
    /* Size and filling of the packed weight; see kernels/pack.h for the arguments. */
    size_t (*pack_bytes)(const struct sdrt_weight_shape *w);
    int (*pack_rows)(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                     enum sdrt_dtype from, void *dst);
    /* Whether it computes with the shape's a_type and y_type, which are judged one by one; f32 is
     * taken by all. */
    int (*takes)(const struct sdrt_gemm_shape *s);
    /* What the product rounds a to before it multiplies: where it is not F32, it is a type that
     * takes() allows, and an a that is stored so loses nothing. */
    enum sdrt_dtype (*operand)(const struct sdrt_gemm_shape *s);
    /* How many shares suit this shape on so many workers (at least 1).  The result of
     * the product does not depend on it. */
    int (*parts)(const struct sdrt_gemm_shape *s, int workers);
    /* Bytes of scratch for each worker. */
    size_t (*scratch)(const struct sdrt_gemm_shape *s);
    int (*gemm)(const struct sdrt_exec *ex, const struct sdrt_gemm_shape *s,
                const struct sdrt_gemm_args *a);
};

#ifndef SDRT_KERNEL_H /* not for plugins */
/* Fill *ops with the best entries that the given sdrt_isa flags allow. */
void sdrt_gemm_init(struct sdrt_gemm_ops *ops, unsigned isa);

/* A filler for each level that improves on the levels below: it overwrites only those entries. */
#define SDRT_GEMM_FILLER(flag, filler) void filler(struct sdrt_gemm_ops *ops);
#define SDRT_GEMM_INT8_FILLER(flag, filler) void filler(struct sdrt_gemm_ops *ops);
#include "kernels/levels.h"
#endif

#endif
