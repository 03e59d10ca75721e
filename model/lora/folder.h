/* SPDX-License-Identifier: MIT
 *
 * LoRAs in a folder, found by name.
 */
#ifndef SDRT_MODEL_LORA_FOLDER_H
#define SDRT_MODEL_LORA_FOLDER_H

#include "runtime/base/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The path of the file that name means into *path, which the caller frees, NULL after a failure:
 * folder/name, with or without the ending of a tensor file; else a file of that name in a folder
 * within, else in another case (of ASCII letters).  name may have folders in it.
 * SDRT_E_MISSING when there is none, SDRT_E_ARG when several fit equally well, SDRT_E_NOMEM. */
int sdrt_lora_folder_find(char **path, const char *folder, const char *name,
                          const struct sdrt_log *log);

#ifdef __cplusplus
}
#endif

#endif
