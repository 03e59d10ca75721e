/* SPDX-License-Identifier: MIT
 *
 * What linear layers and convolutions share on the host.
 */
#ifndef SDRT_KERNELS_CUDA_PRODUCT_HOST_H
#define SDRT_KERNELS_CUDA_PRODUCT_HOST_H

#include "kernels/cuda/launch.h"
#include "kernels/cuda/norm_params.h"
#include "kernels/cuda/product.h"

/* What products of weights that are stored so multiply, on a device whose 16-bit type is narrow. */
static inline enum sdrt_dtype cuda_operand(enum sdrt_dtype stored, enum sdrt_dtype narrow)
{
    return stored == narrow || stored == SDRT_F8_E4M3 ? narrow : SDRT_F32;
}

/* The packed weight is [tap][row][pitch], of the device's 16-bit type or e4m3 where it is stored so, else
 * f32; see product.h. */
int cuda_weight_rows(const struct sdrt_weight_shape *w);
int cuda_weight_pitch(const struct sdrt_weight_shape *w);
struct cuda_packing {
    size_t (*bytes)(const struct sdrt_weight_shape *w);
    int (*rows)(const struct sdrt_weight_shape *w, int row0, int count, const void *src,
                enum sdrt_dtype from, void *dst);
};
const struct cuda_packing *cuda_packing(enum sdrt_dtype narrow);

/* ---- tiles, and k split over blocks (tiling.c) ---- */

/* rows: of the weight in a tap. */
struct cuda_extent {
    int m, rows, taps, k;
};
struct cuda_limits {
    int multiprocessors;
    size_t workspace; /* bytes that partial sums may take */
};
/* Of a tile's side, and how many blocks share its k; what the model says that it takes, and bytes of partial
 * sums. */
struct cuda_tiling {
    int side, parts;
    double clocks;
    size_t workspace;
};

/* What the model is of: what is decided before there is a device is decided for this one. */
extern const struct cuda_limits cuda_model_limits;

/* Depend on their arguments alone, so that a device sums a product in the same order always.  has_large:
 * there are tiles of 128 too.  Of warpgroups the tiles are counted by whoever cuts them. */
struct cuda_tiling cuda_tile_warps(const struct cuda_extent *e, int has_large,
                                   const struct cuda_limits *l);
struct cuda_tiling cuda_tile_warpgroups(const struct cuda_extent *e, int tiles,
                                        const struct cuda_limits *l);

/* Bytes for the partial sums of a product, on any device: those with more multiprocessors than the model's
 * split no further. */
size_t cuda_workspace(const struct cuda_extent *e, enum sdrt_dtype stored, enum sdrt_dtype narrow);

/* A step's scratch: an operand that is made, then partial sums. */
static inline size_t cuda_workspace_at(size_t operand) { return (operand + 255) / 256 * 256; }

/* Launches, after filling in what follows from the rest: fours, pairs, quotients, parts.  A product of an
 * enlarged input is one that reads, where it is not in f32.  p->partial has room for cuda_workspace. */
int cuda_norm_operand(const struct sdrt_exec *ex, int batch, struct sdrt_cuda_norm_operand *p);
int cuda_prepare(const struct sdrt_exec *ex, struct sdrt_cuda_prepare *p);
int cuda_product(const struct sdrt_exec *ex, enum sdrt_dtype stored, struct sdrt_cuda_product *p);

#endif
