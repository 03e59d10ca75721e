/* SPDX-License-Identifier: MIT
 *
 * IP-Adapter: a picture as a prompt.  Each cross-attention of a U-Net attends once more, with the same
 * queries, to tokens that are made of what CLIP's encoder of pictures says, and adds that up.  Ye et al., 2023
 * (arXiv:2308.06721); the resampler of "plus" is Flamingo's (arXiv:2204.14198).
 */
#ifndef SDRT_MODEL_NET_IP_ADAPTER_H
#define SDRT_MODEL_NET_IP_ADAPTER_H

#include "model/net/config.h"
#include "model/net/unet_once.h"

/* The number in its file of cross-attention i of a U-Net: those of the way down, of the way up, then of the
 * middle, of which each counts two. */
int sdrt_ip_number(const struct sdrt_unet_parts *parts, int i);

/* Keys and values of adapter ip (from 0 on) for cross-attention i, as a step reads them: an external tensor
 * [batch][1][tokens][2 * channels]. */
sdrt_tensor sdrt_ip_cross_tensor(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                 const struct sdrt_unet_part *cross, int ip, int i, int batch,
                                 int tokens);

/* Adds to g what adapter ip makes of "image" [batch][1][rows][in]: all those keys and values, the values times "scale" [1][1][1][most channels].  A resampler
 * reads "queries" too, [batch][1][tokens][1] of I32, which count from 0.  Weights are named behind "ip.". */
void sdrt_ip_build(struct sdrt_graph *g, const struct sdrt_model_config *config, int ip, int batch,
                   int rows);

#endif
