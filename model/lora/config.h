/* SPDX-License-Identifier: MIT
 *
 * What a LoRA file does not say in tensors: PEFT keeps alpha apart, in adapter_config.json
 * beside its adapter_model.safetensors; diffusers puts the same object into the file's
 * metadata, as "lora_adapter_metadata".
 */
#ifndef SDRT_MODEL_LORA_CONFIG_H
#define SDRT_MODEL_LORA_CONFIG_H

#include "model/lora/file.h"
#include "runtime/base/error.h"
#include "runtime/files/tensor_files.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_lora_config;

/* Reads the configuration that belongs to the open file.  *out belongs to the caller; it is
 * NULL after a failure, and also where the file has none.  SDRT_E_FORMAT for one that is not
 * what it should be; SDRT_E_NOMEM. */
int sdrt_lora_config_open(struct sdrt_lora_config **out, const struct sdrt_tensor_file *file,
                          const struct sdrt_log *log);

/* Frees *config and sets it to NULL.  NULL is allowed. */
void sdrt_lora_config_free(struct sdrt_lora_config **config);

/* Sets the module's alpha and root_rank where config, which may be NULL, says them, and the rank
 * of one that has no factors.  rank_pattern and alpha_pattern are as in PEFT: the first expression
 * that is the end of the module's name, from its beginning or behind a dot.  SDRT_E_FORMAT for one
 * that is no regular expression, SDRT_E_UNSUPPORTED where there is no PCRE2 and it needs that;
 * SDRT_E_NOMEM. */
int sdrt_lora_config_apply(struct sdrt_lora_config *config, struct sdrt_lora_module *module,
                           const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
