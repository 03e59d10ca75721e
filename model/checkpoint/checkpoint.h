/* SPDX-License-Identifier: MIT
 *
 * A Stable Diffusion 1.x, 2.x, SDXL or 3.x checkpoint in any of the layouts that are in use,
 * offered under one set of names: diffusers' own behind the name of the part, as in
 * "unet.down_blocks.0.resnets.0.conv1.weight", "vae.decoder.conv_in.bias",
 * "text_encoder.text_model.final_layer_norm.weight", "text_encoder_2.text_projection.weight",
 * "text_encoder_3.shared.weight", "transformer.proj_out.weight".
 *
 * Read are the original single file (model.diffusion_model.*, first_stage_model.*,
 * cond_stage_model.*, conditioner.embedders.* or text_encoders.*), one with unet.*, vae.* and
 * text_encoder.* in either names, both also inside "state_dict." or "model.", a denoiser alone with
 * the other parts given beside it, and a diffusers folder (unet/ or transformer/, vae/ text_encoder/
 * text_encoder_2/, as of folder_weights.h), all as any format that tensor_files.h reads.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CHECKPOINT_H
#define SDRT_MODEL_CHECKPOINT_CHECKPOINT_H

#include "model/checkpoint/tensor_names.h"
#include "model/net/config.h"
#include "runtime/base/error.h"
#include "runtime/weights/weights.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sdrt_checkpoint;

/* Where the parts come from: model is a file or a folder; each other path, where it is not NULL,
 * is a file or folder (of original or diffusers names) that gives that part, also when the
 * model has one. */
struct sdrt_checkpoint_paths {
    const char *model, *vae;
    const char *denoiser; /* a U-Net or an MMDiT */
    const char *text[SDRT_MAX_TEXT];
    const char *t5;           /* likewise SD 3.x's third text encoder; "none": without it, also when
                               * the model has one */
    const char *t5_tokenizer; /* a spiece.model or tokenizer.json; NULL: looked for in the model's
                               * tokenizer_3/, and beside model and T5 */
};

/* Opens a checkpoint and finds out its configuration: family and sizes from names and shapes
 * of the weights, and from a folder's config.json files what shapes cannot tell.  The paths
 * are not kept.  *out belongs to the caller, NULL after a failure.  log is kept and must
 * outlive it; each failure writes one line.
 * Errors of sdrt_weight_files_add() and sdrt_json_load(); SDRT_E_UNSUPPORTED for a model
 * of another family (named in the line) or with sizes that no graph here can have;
 * SDRT_E_MISSING for a part or a tensor that is not there; SDRT_E_FORMAT for a file that is no
 * checkpoint; SDRT_E_UNSUPPORTED too for tensors that nothing would read. */
int sdrt_checkpoint_open(struct sdrt_checkpoint **out, const struct sdrt_checkpoint_paths *paths,
                         const struct sdrt_log *log);

/* The family of the denoiser that path is or has, a constant; NULL where it has none, or none that is
 * known.  Logs nothing. */
const char *sdrt_checkpoint_denoiser_family(const char *path);

/* Ends all views, frees *checkpoint and sets it to NULL.  NULL is allowed. */
void sdrt_checkpoint_close(struct sdrt_checkpoint **checkpoint);

/* Borrowed from checkpoint. */
const struct sdrt_model_config *sdrt_checkpoint_config(const struct sdrt_checkpoint *checkpoint);

/* The weights under canonical names; checkpoint must outlive all uses.  Views are as the
 * file has them: a product of 1x1 may be [out][in][1][1] or [out][in].  Queries, keys and
 * values that are one matrix in the file are offered one by one. */
struct sdrt_weights_provider sdrt_checkpoint_provider(struct sdrt_checkpoint *checkpoint);

struct sdrt_part;
struct sdrt_parts;

/* Its parts, borrowed. */
const struct sdrt_parts *sdrt_checkpoint_parts(const struct sdrt_checkpoint *checkpoint);

/* As sdrt_named_weights_locate(), of its parts. */
int sdrt_checkpoint_locate(const struct sdrt_checkpoint *checkpoint, const char *canonical,
                           const struct sdrt_part **part, char name[SDRT_NAME_MAX],
                           struct sdrt_name_part *where);

/* Paths of vocab.json and merges.txt in the folder's tokenizer of text encoder i, borrowed;
 * both NULL unless both are there. */
const char *sdrt_checkpoint_vocab_path(const struct sdrt_checkpoint *checkpoint, int i);
const char *sdrt_checkpoint_merges_path(const struct sdrt_checkpoint *checkpoint, int i);

/* That of the T5's tokenizer, borrowed; NULL without a T5. */
const char *sdrt_checkpoint_t5_tokenizer_path(const struct sdrt_checkpoint *checkpoint);

#ifdef __cplusplus
}
#endif

#endif
