/* SPDX-License-Identifier: MIT
 *
 * The arithmetic of LoRA: what one module adds to one weight.
 *
 *   LoRA, LoCon   W' = W + s alpha/r  up down                          (arXiv 2106.09685)
 *   LoHa          W' = W + s alpha/r  (w1_a w1_b) o (w2_a w2_b)        (arXiv 2108.06098)
 *   LoKr          W' = W + s alpha/r  w1 (x) w2, a factor may be a product; r only then, or
 *                                                where PEFT's configuration says it
 *   difference    W' = W + s diff
 *   DoRA          W' = W + s (m (W + D) / |W + D| - W), D the change above at s = 1
 *                                                                      (arXiv 2402.09353)
 *
 * o is the product value by value, (x) Kronecker's.  With a core (lora_mid, t1, t2: Tucker's
 * form of a conv) a product a b is sum_ij a[o][i] core[i][j][kh][kw] b[j][c].  alpha/r is
 * alpha/sqrt(r) where the file says so.  The formulas are as in lycoris-lora's modules in
 * training; for DoRA at s other than 1 there are several conventions, this one is linear in s.
 * What goes by the weight itself, as OFT does, is in by_weight.h.
 */
#ifndef SDRT_MODEL_LORA_MERGE_H
#define SDRT_MODEL_LORA_MERGE_H

#include "model/lora/file.h"
#include "runtime/device/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the products run on; all borrowed.  A set of LoRAs replaces the queue when its
 * provider is told to use another. */
struct sdrt_lora_engine {
    struct sdrt_queue *queue;
    const struct sdrt_log *log;
};

/* A weight [rows][cols][taps], f32: taps is kh * kw, 1 for a linear layer. */
struct sdrt_lora_weight {
    float *data;
    int rows, cols, taps;
};

/* Changes w in place as module says, at scale.  path is the file's name, for messages.
 * SDRT_E_FORMAT, naming the tensor and both shapes, when they do not fit; SDRT_E_UNSUPPORTED
 * for a type that is no float, or what no shape tells; SDRT_E_NOMEM.  w is then undefined. */
int sdrt_lora_merge_weight(const struct sdrt_lora_engine *engine, const char *path,
                           const struct sdrt_lora_module *module, double scale,
                           const struct sdrt_lora_weight *w);

/* The same for the bias [rows] that goes with that weight. */
int sdrt_lora_merge_bias(const struct sdrt_lora_engine *engine, const char *path,
                         const struct sdrt_lora_module *module, double scale, float *bias,
                         int rows);

#ifdef __cplusplus
}
#endif

#endif
