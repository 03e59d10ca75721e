/* SPDX-License-Identifier: MIT
 *
 * The denoiser of SD 1.x, SD 2.x and SDXL: a U-Net with cross-attention.  Rombach et al., 2022
 * (arXiv:2112.10752), in diffusers' names.
 *
 * The prompt leaves the keys and values of every cross-attention, [batch][1][tokens][2 * channels]
 * each; the schedule the time embedding's share of every resnet, for all timesteps in one
 * product.
 */
#ifndef SDRT_MODEL_NET_UNET_H
#define SDRT_MODEL_NET_UNET_H

#include "model/net/denoiser.h"

extern const struct sdrt_denoiser sdrt_unet_denoiser;

/* The most features that a way down has: a skip for each resnet and each downsampler, and the middle's. */
enum { SDRT_UNET_FEATURES = SDRT_MAX_LEVELS * (SDRT_MAX_LAYERS + 1) + 1 };

/* Adds a U-Net's way down and its middle to g: in [batch][h][w][in_channels], hint SDRT_NO_TENSOR or
 * what is added to the first features [batch][h][w][channels[0]], all SDRT_NO_TENSOR or what is added to each
 * of their pixels [batch][1][1][channels[0]].  Names, "time" and what the prompt
 * left are as in build_step.  Writes its features, the skips in order and then the middle's, and returns
 * how many they are. */
int sdrt_unet_build_way_down(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                             const struct sdrt_denoiser_shape *shape, sdrt_tensor in,
                             sdrt_tensor hint, sdrt_tensor all,
                             sdrt_tensor out[SDRT_UNET_FEATURES]);

#endif
