/* SPDX-License-Identifier: MIT
 *
 * Under which names LoRA files address the modules of a model.
 *
 * Trainers write a module's path with '.' or with '_', behind different prefixes, and with
 * the block names of diffusers or of the original code.  The index holds every such spelling
 * of every module that the model has, so that a key either is a module or is foreign.
 */
#ifndef SDRT_MODEL_LORA_NAMES_H
#define SDRT_MODEL_LORA_NAMES_H

#include "runtime/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_lora_index;

/* An empty index.  *out belongs to the caller.  SDRT_E_NOMEM. */
int sdrt_lora_index_create(struct sdrt_lora_index **out, const struct sdrt_log *log);

/* Frees *index and sets it to NULL.  NULL is allowed. */
void sdrt_lora_index_free(struct sdrt_lora_index **index);

/* Makes it empty again, as before the first add. */
void sdrt_lora_index_clear(struct sdrt_lora_index *index);

/* 1 before the first add. */
int sdrt_lora_index_empty(const struct sdrt_lora_index *index);

/* Adds the module of a weight: canonical as in checkpoint.h ("unet.conv_in.weight"), original
 * the same one's name in the original code without its part ("input_blocks.0.0.weight"), or
 * NULL; of what that names, the module is third 0, 1 or 2 of its rows, or all of it (-1).  Names
 * that do not end in ".weight" are ignored.  SDRT_E_NOMEM. */
int sdrt_lora_index_add(struct sdrt_lora_index *index, const char *canonical, const char *original,
                        int third);

/* The canonical name without ".weight" of the n-th module that key (lora_file.h) means, borrowed
 * until the next add; NULL: there is none, or no n-th.  Most keys mean one module; of several
 * each is the *third of the rows of what key names, which else is -1. */
const char *sdrt_lora_index_find(struct sdrt_lora_index *index, const char *key, int n, int *third);

#ifdef __cplusplus
}
#endif

#endif
