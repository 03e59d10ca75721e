/* SPDX-License-Identifier: MIT
 *
 * LoRAs named inside a prompt, as AUTOMATIC1111's web UI has it: "<lora:name:0.8>".
 */
#ifndef SDRT_MODEL_TEXT_LORA_PROMPT_H
#define SDRT_MODEL_TEXT_LORA_PROMPT_H

#include "runtime/base/error.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* LoRAs that a request names, in order; paths are owned. */
struct sdrt_lora_list {
    struct sdrt_lora_use {
        char  *path;
        double scale;
    } *uses;
    size_t count;
};

/* Frees the paths and the array; the list is then empty. */
void sdrt_lora_list_clear(struct sdrt_lora_list *list);

/* Appends a copy of path.  SDRT_E_NOMEM. */
int sdrt_lora_list_add(struct sdrt_lora_list *list, const char *path, double scale,
                       const struct sdrt_log *log);

/* prompt without its tags into *plain, which the caller frees, NULL after a failure; what the
 * tags name is appended to list: folder/name.safetensors, at scale 1 unless they say another.
 * Blanks before a tag go with it.  "<lora:" without '>' is plain text.
 * SDRT_E_ARG for a scale that is no number, a name with ".." in it or none, and for a tag
 * where folder is NULL; SDRT_E_NOMEM. */
int sdrt_lora_prompt_split(const char *prompt, const char *folder, char **plain,
                           struct sdrt_lora_list *list, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
