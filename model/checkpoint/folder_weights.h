/* SPDX-License-Identifier: MIT
 *
 * Which files of a part's folder hold its weights, and which folder a path stands for.
 */
#ifndef SDRT_MODEL_CHECKPOINT_FOLDER_WEIGHTS_H
#define SDRT_MODEL_CHECKPOINT_FOLDER_WEIGHTS_H

#include "runtime/base/error.h"

#include <stddef.h>

/* Paths, owned. */
struct sdrt_folder_weights {
    char **paths;
    size_t n;
};

/* The parts' names for how their weights' files begin. */
extern const char sdrt_diffusion_weights[];    /* of unet/, transformer/, vae/ */
extern const char sdrt_transformers_weights[]; /* of text_encoder/ and its fellows */

/* Finds the files with the weights of the part whose own folder this is: one, or the shards that
 * an index names; safetensors rather than pickled, full precision rather than .fp16, that rather
 * than .bf16.  base is one of the names above.  hint ends the message where they are not there, ""
 * for none.  *out belongs to the caller, who frees it with sdrt_folder_weights_free(); after a
 * failure it is empty.  SDRT_E_MISSING, naming what is not there; SDRT_E_FORMAT for an index that
 * names no files; errors of sdrt_json_load(). */
int sdrt_folder_weights_find(struct sdrt_folder_weights *out, const char *folder, const char *base,
                             const char *hint, const struct sdrt_log *log);

/* Frees what it owns and leaves all zeros. */
void sdrt_folder_weights_free(struct sdrt_folder_weights *weights);

enum { SDRT_FOLDER_NAME = 256 };

/* The name of a tensor file in a folder, of several the first in byte order, hidden ones left out;
 * "" when there is none. */
void sdrt_folder_find_file(char out[SDRT_FOLDER_NAME], const char *folder);

/* What a path stands for: a model_index.json for the folder that it lies in, the folder of a
 * repository in a hub's cache (refs/, snapshots/) for its snapshot, anything else for itself.
 * *out belongs to the caller, NULL after a failure.  SDRT_E_MISSING for a cache without snapshot,
 * SDRT_E_UNSUPPORTED for one with several and no word which, errors of sdrt_read_file(). */
int sdrt_folder_resolve(char **out, const char *path, const struct sdrt_log *log);

#endif
