/* SPDX-License-Identifier: MIT
 *
 * LoRAs named inside a prompt, as AUTOMATIC1111's web UI has it: "<lora:name:0.8>".
 *
 * Behind the name come the strength in the text encoders and the one in the denoiser (the first's
 * where there is no second), then what has a name: te=, unet=, and sd-webui-lora-block-weight's
 * lbw=, which may also stand as the second or third without its name.  "<lyco:" is the same,
 * "<hypernet:" is left out with a warning.  Other things in brackets are text.
 */
#ifndef SDRT_MODEL_LORA_TAGS_H
#define SDRT_MODEL_LORA_TAGS_H

#include "model/lora/strength.h"

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* LoRAs that a request names, in order; paths are owned. */
struct sdrt_lora_list {
    struct sdrt_lora_use {
        char *path;
        struct sdrt_lora_strength strength;
    } * uses;
    size_t count;
};

/* Frees the paths and the array; the list is then empty. */
void sdrt_lora_list_clear(struct sdrt_lora_list *list);

/* Appends a copy of path.  SDRT_E_NOMEM. */
int sdrt_lora_list_add(struct sdrt_lora_list *list, const char *path,
                       const struct sdrt_lora_strength *strength, const struct sdrt_log *log);

/* prompt without its tags into *plain, which the caller frees, NULL after a failure; what the tags
 * name is appended to list, at strength 1 unless they say another, as sdrt_lora_folder_find() finds
 * it in folder.  With list NULL, for a negative prompt, which has no LoRAs of its own, they are
 * left out with a warning.  Blanks before a tag go with it.  "<lora:" without '>' is plain text.
 * SDRT_E_ARG for a strength that is no number, a word that is not known, no name or one with ".."
 * in it, and for a tag where folder is NULL; errors of sdrt_lora_folder_find(); SDRT_E_NOMEM. */
int sdrt_lora_tags_split(const char *prompt, const char *folder, char **plain,
                         struct sdrt_lora_list *list, const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
