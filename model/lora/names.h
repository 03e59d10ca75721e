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

#include "model/checkpoint/tensor_names.h"
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
 * the same one's name in the original code without its part ("input_blocks.0.0.weight"), or NULL;
 * where in what that names the module is.  Names that do not end in ".weight" are ignored.
 * SDRT_E_NOMEM. */
int sdrt_lora_index_add(struct sdrt_lora_index *index, const char *canonical, const char *original,
                        const struct sdrt_name_part *where);

/* Blocks that are weighed apart, as the original U-Net numbers them: all text encoders,
 * input_blocks 0 to 11, middle_block, output_blocks 0 to 11. */
enum { SDRT_LORA_BASE, SDRT_LORA_IN, SDRT_LORA_MIDDLE = 13, SDRT_LORA_OUT, SDRT_LORA_BLOCKS = 26 };

/* A module that a key means. */
struct sdrt_lora_place {
    const char *module;          /* its canonical name without ".weight", borrowed */
    struct sdrt_name_part where; /* in the rows of what the key names */
    int block;                   /* -1: in none of them */
};

/* Fills *place with the n-th module that key (lora_file.h) means; 0 when there is none, or no n-th.
 * Most keys mean one module; of several each is another third. */
int sdrt_lora_index_find(struct sdrt_lora_index *index, const char *key, int n,
                         struct sdrt_lora_place *place);

/* 1 when the canonical name of some module begins with part, else 0. */
int sdrt_lora_index_has(const struct sdrt_lora_index *index, const char *part);

#ifdef __cplusplus
}
#endif

#endif
