/* SPDX-License-Identifier: MIT
 *
 * What a U-Net makes once of all timesteps and of the prompt, and where its steps find that.
 */
#ifndef SDRT_MODEL_NET_UNET_ONCE_H
#define SDRT_MODEL_NET_UNET_ONCE_H

#include "model/net/denoiser.h"
#include "model/net/unet_parts.h"
#include "runtime/graph/graph.h"

/* Heads of an attention of so many channels. */
int sdrt_unet_heads(const struct sdrt_unet_config *config, int channels);

/* How many rows of the time table one evaluation takes: one, or one an image where the prompt
 * is added to the time embedding. */
int sdrt_unet_time_rows(const struct sdrt_unet_config *config, int batch);

/* Keys and values of a cross-attention, which the prompt leaves for every step, as it reads them: an
 * external tensor [batch][1][tokens][2 * channels]. */
sdrt_tensor sdrt_unet_cross_tensor(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                   const struct sdrt_unet_part *cross, int batch, int tokens);

/* As of struct sdrt_denoiser. */
void sdrt_unet_build_schedule(struct sdrt_graph *g, const struct sdrt_model_config *model,
                              const struct sdrt_denoiser_shape *shape);
void sdrt_unet_build_prompt(struct sdrt_graph *g, const struct sdrt_model_config *model,
                            const struct sdrt_denoiser_shape *shape);

#endif
