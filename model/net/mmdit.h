/* SPDX-License-Identifier: MIT
 *
 * The denoiser of SD 3 and SD 3.5: a transformer over the tokens of image and text together, each
 * with weights of its own.  Esser et al., 2024 (arXiv:2403.03206), in diffusers' names.
 *
 * All modulations of all blocks depend on timestep and pooled text alone, so the schedule makes
 * them for every step at once; the prompt leaves the text's first hidden states,
 * [batch][1][tokens][width], and the cropped table of positions, [1][1][patches][width].
 */
#ifndef SDRT_MODEL_NET_MMDIT_H
#define SDRT_MODEL_NET_MMDIT_H

#include "model/net/denoiser.h"

extern const struct sdrt_denoiser sdrt_mmdit_denoiser;

/* Whether block i attends a second time over the image alone. */
int sdrt_mmdit_dual(const struct sdrt_mmdit_config *config, int i);

/* A ControlNet for an MMDiT, whose configuration has control set: as controlnet.h says of a U-Net's, but
 * that its picture is a latent, "picture" [batch][h][w][in_channels]; that the hints, [batch][1][patches]
 * [width], have the positions in them that the prompt left; and that its features, one for each block, are
 * [batch][1][patches][width]. */
void sdrt_mmdit_build_hint(struct sdrt_graph *g, const struct sdrt_mmdit_config *config,
                           const struct sdrt_denoiser_shape *shape);
void sdrt_mmdit_build_control(struct sdrt_graph *g, const struct sdrt_mmdit_config *config,
                              const struct sdrt_denoiser_shape *shape, int more);

#endif
