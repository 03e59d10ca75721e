/* SPDX-License-Identifier: MIT
 *
 * T2I-Adapter: a small net that reads a picture once and leaves features that a U-Net's way down adds to
 * its own in every step, at the end of each level.  Mou et al., 2023 (arXiv:2302.08453), in diffusers'
 * names behind "unet.".
 */
#ifndef SDRT_MODEL_NET_ADAPTER_H
#define SDRT_MODEL_NET_ADAPTER_H

#include "model/net/denoiser.h"

/* Height and width of feature i for a latent of h x w. */
void sdrt_adapter_size(const struct sdrt_adapter_config *config, int i, int *h, int *w);

/* Adds it to g, for one image: "picture" [1][h][w][channels * factor * factor], of which each row holds a
 * square of pixels channel by channel, and h x w is feature 0's size; "feature.0" and so on [1][h][w][c],
 * those of sdrt_adapter_size(). */
void sdrt_adapter_build(struct sdrt_graph *g, const struct sdrt_adapter_config *config, int h,
                        int w);

#endif
