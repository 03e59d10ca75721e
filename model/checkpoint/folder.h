/* SPDX-License-Identifier: MIT
 *
 * The parts of a diffusers folder: unet/ or transformer/, vae/, text_encoder/ ..., each whole or
 * sharded (folder_weights.h).
 */
#ifndef SDRT_MODEL_CHECKPOINT_FOLDER_H
#define SDRT_MODEL_CHECKPOINT_FOLDER_H

#include "model/checkpoint/part.h"

/* Opens a whole model; with_t5 0 leaves its T5 out.  *out belongs to the caller, who frees it with
 * sdrt_parts_free(); after a failure it is empty.
 * SDRT_E_UNSUPPORTED for another family, SDRT_E_MISSING without a denoiser, errors of
 * sdrt_folder_weights_find(), sdrt_json_load() and sdrt_weight_files_add(). */
int sdrt_folder_open_parts(struct sdrt_parts *out, const char *path, int with_t5,
                           const struct sdrt_log *log);

/* Opens a denoiser, a VAE, or text encoder i (text encoder 2 is the T5), from its own folder or a
 * model's.  Whether it is such a part shows only when its tensors are asked for.  *out belongs
 * to the caller; after a failure it is empty.  Errors as above. */
int sdrt_folder_open_denoiser(struct sdrt_part *out, const char *path, const struct sdrt_log *log);
int sdrt_folder_open_vae(struct sdrt_part *out, const char *path, const struct sdrt_log *log);
int sdrt_folder_open_text(struct sdrt_part *out, int i, const char *path,
                          const struct sdrt_log *log);

/* Looks for a T5's tokenizer in path when it is a folder, else beside it.  *out is a path that
 * belongs to the caller; NULL when there is none.  SDRT_E_NOMEM. */
int sdrt_folder_find_t5_tokenizer(char **out, const char *path, const struct sdrt_log *log);

#endif
