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

#endif
