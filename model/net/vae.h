/* SPDX-License-Identifier: MIT
 *
 * The autoencoder between pixels and latents.  Rombach et al., 2022 (arXiv:2112.10752), in
 * diffusers' names.
 */
#ifndef SDRT_MODEL_NET_VAE_H
#define SDRT_MODEL_NET_VAE_H

#include "model/net/config.h"
#include "runtime/graph/tensor.h"

/* External tensors: vae_in, latent / scaling_factor + shift_factor
 * [batch][h][w][latent_channels];
 * vae_out [batch][h * 2^(levels-1)][w * 2^(levels-1)][3], about -1 .. 1. */
void sdrt_vae_build_decoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int batch,
                            int h, int w);

/* External tensors: pixels, -1 .. 1 [batch][h][w][3], h and w multiples of 2^(levels-1);
 * moments [batch][h / ..][w / ..][2 * latent_channels]: mean, then log variance. */
void sdrt_vae_build_encoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int batch,
                            int h, int w);

#endif
