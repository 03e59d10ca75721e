/* SPDX-License-Identifier: MIT
 *
 * The tiny SD 1.5 with a set of LoRAs on its weights, and what the libraries that made the LoRAs
 * merge.
 */
#ifndef SDRT_TESTS_LORA_MODEL_H
#define SDRT_TESTS_LORA_MODEL_H

#include "model/lora/lora.h"

#include <stddef.h>

extern struct sdrt_loras *loras;               /* on lora_base, without a file at first */
extern struct sdrt_weights_provider lora_base; /* the model's own weights */

/* Before and after a test: .init and .fini of its suite. */
void lora_set_up(void);
void lora_tear_down(void);

/* A path of golden data, in which name stands for "%s"; the last four stay valid. */
const char *lora_data(const char *format, const char *name);

/* Adds a file at one strength for all parts. */
int lora_add(const char *path, double scale, int lenient);

/* A weight as the set hands it out, f32, n values, owned by the caller. */
float *lora_merged(const char *name, size_t *n);

/* The largest relative L2 error over the weights in lora/NAME.merged.safetensors. */
double lora_worst_error(const char *name);

#endif
