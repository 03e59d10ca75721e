/* SPDX-License-Identifier: MIT
 *
 * The product of two dense matrices, by the device's GEMM kernel on all workers of a queue: what
 * turns a LoRA's two thin factors into a change of one weight.
 */
#ifndef SDRT_RUNTIME_WEIGHTS_LOW_RANK_H
#define SDRT_RUNTIME_WEIGHTS_LOW_RANK_H

#include "runtime/device/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[rows][cols] += a[rows][rank] b[rank][cols], all f32, dense, row-major, apart from one
 * another.  Takes memory for a packed copy of b while it runs.  SDRT_E_NOMEM, logged. */
int sdrt_low_rank_add(struct sdrt_queue *queue, float *y, int rows, int cols, const float *a,
                      const float *b, int rank, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
