/* SPDX-License-Identifier: MIT
 *
 * A merge under way, and how its formulas read the tensors of a module.
 */
#ifndef SDRT_MODEL_LORA_VALUES_H
#define SDRT_MODEL_LORA_VALUES_H

#include "model/lora/merge.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_lora_merge {
    const struct sdrt_lora_engine *engine;
    const char *path;
    const struct sdrt_lora_module *module;
};

/* SDRT_E_NOMEM, logged. */
int sdrt_lora_out_of_memory(const struct sdrt_lora_merge *merge);

/* Room for n values, zeros, also for none; NULL without memory. */
float *sdrt_lora_zeros(size_t n);

/* The values of a tensor, which must be first x rest, as f32 into *out, which the caller frees;
 * NULL after a failure.  SDRT_E_FORMAT for another shape, SDRT_E_UNSUPPORTED for a type that is no
 * float, SDRT_E_NOMEM; each names the tensor. */
int sdrt_lora_values(const struct sdrt_lora_merge *merge, enum sdrt_lora_role role, int64_t first,
                     int64_t rest, float **out);

/* One product of two factors, with or without a core between them. */
struct sdrt_lora_factors {
    enum sdrt_lora_role a, b, core;
    int has_core;
    int a_turned; /* 1: with a core, a is stored [rank][rows] (lycoris' w1_a beside t1) */
};

/* y[rows][cols][taps] += the product of f, on the engine's queue; errors as above. */
int sdrt_lora_add_product(const struct sdrt_lora_merge *merge, const struct sdrt_lora_factors *f,
                          float *y, int rows, int cols, int taps);

#ifdef __cplusplus
}
#endif

#endif
