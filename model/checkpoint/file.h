/* SPDX-License-Identifier: MIT
 *
 * The parts of a checkpoint that is one file, each behind a prefix of its own.
 */
#ifndef SDRT_MODEL_CHECKPOINT_FILE_H
#define SDRT_MODEL_CHECKPOINT_FILE_H

#include "model/checkpoint/part.h"

/* Opens a whole checkpoint, or a denoiser that is a file of its own; with_t5 0 leaves its T5 out.
 * Tensors that belong to no part and are not known to be left over are a warning.  *out belongs to the
 * caller, who frees it with sdrt_parts_free(); after a failure it is empty.
 * SDRT_E_UNSUPPORTED for a LoRA or another family, SDRT_E_MISSING without a denoiser,
 * SDRT_E_FORMAT for a file that is no checkpoint, errors of sdrt_weight_files_add(). */
int sdrt_file_open_parts(struct sdrt_parts *out, const char *path, int with_t5,
                         const struct sdrt_log *log);

/* Opens the denoiser alone, of a file of its own or of a whole checkpoint, with what the file says of
 * its noise.  Names stand behind model.diffusion_model., diffusion_model., unet., transformer. or
 * nothing.  As sdrt_file_open_parts(). */
int sdrt_file_open_denoiser(struct sdrt_parts *out, const char *path, const struct sdrt_log *log);

/* Opens a VAE, CLIP text encoder i or a T5: what is behind the first prefix that such parts have
 * in a checkpoint and that the file has, or the whole file.  Whether it is such a part shows only
 * when its tensors are asked for.  *out belongs to the caller; after a failure it is empty. */
int sdrt_file_open_vae(struct sdrt_part *out, const char *path, const struct sdrt_log *log);
int sdrt_file_open_clip(struct sdrt_part *out, int i, const char *path, const struct sdrt_log *log);
int sdrt_file_open_t5(struct sdrt_part *out, const char *path, const struct sdrt_log *log);

#endif
