/* SPDX-License-Identifier: MIT
 *
 * A model's configuration as the files of a diffusers folder: what config_json.h reads, written.  Keys
 * that are not there have the defaults of diffusers' and transformers' classes.
 */
#ifndef SDRT_MODEL_CHECKPOINT_CONFIG_WRITE_H
#define SDRT_MODEL_CHECKPOINT_CONFIG_WRITE_H

#include "model/net/config.h"
#include "runtime/base/error.h"

#include <jansson.h>

/* Each makes a new object, which is the caller's; NULL without memory. */
json_t *sdrt_config_write_vae(const struct sdrt_model_config *config);
json_t *sdrt_config_write_text(const struct sdrt_model_config *config, int i);
json_t *sdrt_config_write_t5(const struct sdrt_model_config *config);
json_t *sdrt_config_write_scheduler(const struct sdrt_model_config *config);

/* The denoiser's, into *out.  SDRT_E_UNSUPPORTED for a U-Net whose transformers lie where none of
 * diffusers' classes has them, SDRT_E_NOMEM; path is for the message. */
int sdrt_config_write_denoiser(json_t **out, const struct sdrt_model_config *config,
                               const char *path, const struct sdrt_log *log);

/* model_index.json.  scheduler is a class of diffusers; NULL for what the configuration calls for. */
json_t *sdrt_config_write_index(const struct sdrt_model_config *config, const char *scheduler);

/* tokenizer_config.json of CLIP text encoder i, or of the T5. */
json_t *sdrt_config_write_tokenizer(const struct sdrt_model_config *config, int i);
json_t *sdrt_config_write_t5_tokenizer(void);

/* The folder's number of text encoder i, 0 for text_encoder, 1 for text_encoder_2: the refiner's only
 * one is the second. */
int sdrt_config_text_place(const struct sdrt_model_config *config, int i);

/* Layers of text encoder i that its folder has: those behind the last one that is read are cut away
 * where the final norm is put in their place, as SD 2.x has it. */
int sdrt_config_text_layers(const struct sdrt_model_config *config, int i);

#endif
