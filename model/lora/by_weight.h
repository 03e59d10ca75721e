/* SPDX-License-Identifier: MIT
 *
 * Adapters whose change is made of the weight itself:
 *
 *   GLoRA    W' = W + s alpha/r (W a1 a2 + b1 b2)                      (arXiv 2306.07967)
 *   OFT      W' = g o ((s R + (1 - s) I)^T W), R block-diagonal        (arXiv 2306.07280)
 *   BOFT     the same with a product of such R between permutations, not transposed
 *                                                                      (arXiv 2311.06243)
 *   (IA)3    W' = W + s l o W, l by rows or by columns; PEFT's l - 1   (arXiv 2205.05638)
 *
 * R is Cayley's (I + Q) (I - Q)^-1 of Q = B - B^T, whose norm over all blocks alpha bounds where it
 * is not 0; g is rescale, or ones.  As in lycoris-lora's modules.
 */
#ifndef SDRT_MODEL_LORA_BY_WEIGHT_H
#define SDRT_MODEL_LORA_BY_WEIGHT_H

#include "model/lora/values.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Whether the module is one of those. */
int sdrt_lora_is_by_weight(const struct sdrt_lora_module *module);

/* y, as large as w and zeros before: W' - W at scale s.  Errors of sdrt_lora_merge_weight(). */
int sdrt_lora_change_by_weight(const struct sdrt_lora_merge *merge, double scale,
                               const struct sdrt_lora_weight *w, float *y);

/* PEFT's (IA)3 scales what a layer gives, so also its bias[rows], where it goes by rows. */
int sdrt_lora_scale_bias(const struct sdrt_lora_merge *merge, double scale, float *bias, int rows);

#ifdef __cplusplus
}
#endif

#endif
