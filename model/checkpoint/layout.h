/* SPDX-License-Identifier: MIT
 *
 * How the files of a checkpoint name its tensors, found out from the names themselves.
 */
#ifndef SDRT_MODEL_CHECKPOINT_LAYOUT_H
#define SDRT_MODEL_CHECKPOINT_LAYOUT_H

#include "model/checkpoint/part.h"
#include "model/checkpoint/tensor_names.h"

struct sdrt_layout {
    enum sdrt_denoiser_kind denoiser;
    struct sdrt_unet_names unet;    /* the one of the two that the denoiser is */
    struct sdrt_unet_blocks blocks; /* unet's, where it has original names */
    struct sdrt_mmdit_names mmdit;
    struct sdrt_vae_names vae;
    enum sdrt_clip_layout text[SDRT_MAX_TEXT];
};

/* Finds the layout of all parts but the T5, whose names are always transformers'.  path is for
 * messages; out points into itself and must stay where it is.  SDRT_E_MISSING for a text encoder
 * that is not CLIP's, SDRT_E_UNSUPPORTED for more levels, layers or blocks than any graph here has. */
int sdrt_layout_find(struct sdrt_layout *out, const struct sdrt_parts *parts, const char *path,
                     const struct sdrt_log *log);

/* Likewise of the denoiser alone; the rest of *out is zeros. */
int sdrt_layout_find_denoiser(struct sdrt_layout *out, const struct sdrt_parts *parts,
                              const char *path, const struct sdrt_log *log);

/* Likewise of a ControlNet of diffusers' or, for U-Nets, of original names, which stands in the denoiser's place. */
int sdrt_layout_find_control(struct sdrt_layout *out, const struct sdrt_parts *parts,
                             const char *path, const struct sdrt_log *log);

/* Likewise of a ControlNet-LoRA for a U-Net of so many levels, of layers resnets each. */
int sdrt_layout_find_control_lora(struct sdrt_layout *out, const struct sdrt_parts *parts,
                                  int levels, int layers, const char *path,
                                  const struct sdrt_log *log);

/* Likewise of a T2I-Adapter. */
int sdrt_layout_find_adapter(struct sdrt_layout *out, const struct sdrt_parts *parts);

#endif
