/* SPDX-License-Identifier: MIT
 *
 * Shapes of kernels as people write them:
 *
 *     conv 2x64x64 320+320>640 k3 s1 silu     images x height x width, channels of the input (of
 *                                             both sources) > of the output; kernel, stride;
 *                                             pN padding, up, norm or silu (norm, then SiLU)
 *     gemm 8192 320>1280 gated gelu           rows, k > n; silu, gelu, gelu_tanh, gelu_quick
 *     attention 2x8x40 4096x77 q320 kv640     images x heads x head size, queries x keys; pitches;
 *                                             causal, biased, scaleN
 *     gn_sums 2x4096 320+320 g32 eps1e-05     images x pixels, channels, groups; gn_fold alike
 *     layer_norm 8192x320                     rows x channels
 *     rms_norm 8192x24x64 pitch4608           rows x pieces x width of a piece
 *     elementwise silu 4096x320               an operation and its sizes, as elementwise.c names them
 *
 * What is left out of the words at the end is as the models mostly have it.
 */
#ifndef SDRT_BENCH_SHAPE_TEXT_H
#define SDRT_BENCH_SHAPE_TEXT_H

#include "bench/kernel_jobs.h"
#include "runtime/base/error.h"

/* Whether text begins as a shape does, with a family and a blank. */
int sdrt_shape_is_text(const char *text);

/* Sets the job's family, shape and calls (1); its name is text, borrowed.  SDRT_E_ARG with a line
 * that says which word is wrong. */
int sdrt_shape_read(struct sdrt_job *job, const char *text, const struct sdrt_log *log);

/* The shape as text that reads as the same; cut off at size. */
void sdrt_shape_write(const struct sdrt_job *job, char *text, size_t size);

#endif
