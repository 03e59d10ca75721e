/* SPDX-License-Identifier: MIT
 *
 * Weights, from the checkpoint's row-major order into a kernel's own layout.
 *
 * A weight is a matrix of n rows; a row holds taps values for each of k input
 * channels, [n][k][taps], which is what checkpoints store: a linear layer is
 * [out][in] (taps 1), a conv is [out][in][kh][kw] (taps kh*kw).  Packing happens
 * once a model; the layout depends on the weight's shape alone, never on the
 * image size, so that a new resolution packs nothing.
 */
#ifndef SDRT_KERNELS_PACK_H
#define SDRT_KERNELS_PACK_H

#include "kernels/dtype.h"

#include <stddef.h>

struct sdrt_weight_shape {
    int n;     /* output columns of the operation (after gating) */
    int k;     /* input channels */
    int taps;  /* 1 or 9 */
    int gated; /* 1: 2n rows are stored, values in rows 0..n-1, their gates in n..2n-1 */
    int stride; /* of the convolution that reads it; 0: nothing depends on it */
    enum sdrt_dtype stored; /* SDRT_F32, SDRT_F16 or SDRT_BF16: type of the packed values; for
                             * linear layers SDRT_I8 too, at the levels of
                             * SDRT_ISA_ANY_INT8 (kernels/isa.h), on a GPU SDRT_F8_E4M3; to sdrt_panel_pack() also SDRT_F64, for values of 64 bits that are
                             * moved as they are */
    int rotated; /* I8 of a multiple of SDRT_ROTATION channels: rows of both operands are rotated */
};

/* So many neighbours in k are multiplied by the regular Hadamard matrix of that order before they are
 * rounded, which spreads what is large in one of them over all and leaves products as they were: three
 * Kronecker factors of {{1,1,1,-1},{1,1,-1,1},{1,-1,1,1},{-1,1,1,1}}, each its own transpose, of norm 2
 * (ConvRot, arXiv 2512.03673). */
enum { SDRT_ROTATION = 64 };

static inline int sdrt_rotates(const struct sdrt_weight_shape *w)
{
    return w->rotated && w->k % SDRT_ROTATION == 0;
}

/* How a panel kernel lays weights out: [panel][chunk][tap][channel][lane].
 * A panel is `panel` consecutive output columns (for a gated weight: panel/2 values,
 * then the panel/2 gates that belong to them); a chunk is up to `chunk` consecutive
 * input channels.  Missing columns of the last panel are zero. */
struct sdrt_panel_layout {
    int panel;
    int chunk;
};

#ifndef SDRT_KERNEL_H /* plugins are given them in a struct */
/* Bytes of the whole packed weight, a multiple of 64. */
size_t sdrt_panel_bytes(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w);

/* Byte offset of panel p, chunk c inside it. */
size_t sdrt_panel_offset(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                         int p, int c);

/* Packs count source rows, which are rows row0 .. row0+count-1 of the weight, from
 * src [count][k][taps] of a floating-point type (F64 only where it is stored so) into dst, the
 * whole packed weight.  dst must start zeroed; every row is packed once, in any order.
 * Conversion rounds to nearest even.  Returns 0, or -1 for a type it cannot read. */
int sdrt_panel_pack(const struct sdrt_panel_layout *l, const struct sdrt_weight_shape *w,
                    int row0, int count, const void *src, enum sdrt_dtype from, void *dst);

/* Whether the type is floating-point with elements of their own, which sdrt_to_f32() reads. */
static inline int sdrt_is_float(enum sdrt_dtype type)
{
    return type == SDRT_F32 || type == SDRT_F16 || type == SDRT_BF16 || type == SDRT_F8_E4M3 ||
           type == SDRT_F8_E5M2;
}

/* count values of type from (F32, F16, BF16, F8, or whole blocks of ggml's types) to f32; -1 for any
 * other type. */
int sdrt_to_f32(const void *src, enum sdrt_dtype from, float *dst, size_t count);
#endif

#endif
