/* SPDX-License-Identifier: MIT
 *
 * A kernel of one's own, outside this tree: a shared object that `sdbench kernels FAMILY --kernel
 * FILE` loads, checks against an oracle in double precision and times beside every level.  The
 * installed sdrt_kernel.h is this header and those of the families, in one file.
 *
 * What a kernel may rely on: operands, packed weights and scratch begin at multiples of 64 bytes,
 * but rows may have any pitch; scratch holds anything.  What it must keep to: it reads and writes
 * nothing but its operands, and of y no gap between rows; several parts run at once on threads of
 * their own; the result does not depend on how many parts there are, bit by bit; it allocates
 * nothing, keeps nothing from call to call and returns 0.
 */
#ifndef SDRT_KERNELS_PLUGIN_H
#define SDRT_KERNELS_PLUGIN_H

#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"

/* Goes up with every change of a struct or of a meaning in here. */
#define SDRT_KERNEL_ABI 4

struct sdrt_kernel {
    int abi; /* SDRT_KERNEL_ABI of who calls */

    /* Filled with the entries in plain C; the object overwrites those that it has, pack_bytes,
     * pack_rows and scratch with the product.  It may keep the old ones, for shapes that it leaves
     * to them. */
    struct sdrt_attention_ops *attention;
    struct sdrt_conv_ops *conv;
    struct sdrt_gemm_ops *gemm;
    struct sdrt_norm_ops
        *norm; /* each entry by itself, but for ada_norm; gn_sums and gn_fold both do
                                 * what they say, sums being for either */
    struct sdrt_elementwise_ops *elementwise; /* each entry by itself */

    /* As in pack.h, for whoever wants panels. */
    size_t (*panel_bytes)(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w);
    size_t (*panel_offset)(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                           int p, int c);
    int (*panel_pack)(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                      int row0, int count, const void *src, enum sdrt_dtype from, void *dst);
    int (*to_f32)(const void *src, enum sdrt_dtype from, float *dst, size_t count);

    /* What the object says of itself: a name for the tables, which stays where it is (else: the
     * file's), and what its products round their operands to, F32, F16 or BF16 (else: F32).
     * Weights are to be stored so, and the limit of its errors follows from it. */
    const char *name;
    enum sdrt_dtype operand;
};

/* The one function that the object exports.  Returns its own SDRT_KERNEL_ABI, and touches nothing
 * where k->abi is another.  Called once. */
#define SDRT_KERNEL_FILL "sdrt_kernel_fill"
typedef int sdrt_kernel_fill_fn(struct sdrt_kernel *k);

#ifdef SDRT_KERNEL_H /* in an object's own source */
#ifdef __cplusplus
extern "C"
#endif
    __attribute__((visibility("default"))) int
    sdrt_kernel_fill(struct sdrt_kernel *k);
#endif

#endif
