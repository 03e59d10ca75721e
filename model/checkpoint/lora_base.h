/* SPDX-License-Identifier: MIT
 *
 * Which models a LoRA was made for.
 */
#ifndef SDRT_MODEL_CHECKPOINT_LORA_BASE_H
#define SDRT_MODEL_CHECKPOINT_LORA_BASE_H

#include "runtime/files/tensor_files.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one tensor of a LoRA says of that, by its name and shape: "SD 1.x", "SDXL", "Flux", ...; a
 * constant.  NULL: nothing. */
const char *sdrt_lora_tensor_base(const char *name, const struct sdrt_file_tensor *tensor);

/* Whether the first of two such answers says more; NULL says nothing. */
int sdrt_lora_base_is_better(const char *base, const char *than);

/* What all tensors of a file say, and, where they say nothing, with_notes, what its trainer noted;
 * a constant, NULL when nothing is known. */
const char *sdrt_lora_file_base(const struct sdrt_tensor_file *file, int with_notes);

/* 0 when a LoRA for base is none for a model of this family, else 1. */
int sdrt_lora_base_fits(const char *base, const char *family);

#ifdef __cplusplus
}
#endif

#endif
