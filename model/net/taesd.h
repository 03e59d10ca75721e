/* SPDX-License-Identifier: MIT
 *
 * TAESD: autoencoders of 3x3 convolutions and ReLU alone, distilled from the VAEs of Stable Diffusion,
 * which turn the denoiser's latent into pixels with an eighteenth of the work (Ollin Boer Bohan,
 * github.com/madebyollin/taesd), in the names of diffusers' AutoencoderTiny.
 */
#ifndef SDRT_MODEL_NET_TAESD_H
#define SDRT_MODEL_NET_TAESD_H

#include "model/net/config.h"
#include "runtime/graph/tensor.h"

enum {
    SDRT_TAESD_LEVELS = 4 /* it halves three times */,
    SDRT_TAESD_WIDTH = 64 /* as published */
};

/* External tensors: vae_in, tanh(latent / 3) * 3 [1][h][w][latent channels]; vae_out
 * [1][8 * h][8 * w][3], about 0 .. 1. */
void sdrt_taesd_build_decoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int h,
                              int w);

/* External tensors: pixels, 0 .. 1 [1][h][w][3], h and w multiples of 8; moments
 * [1][h / 8][w / 8][latent channels], the denoiser's latent itself. */
void sdrt_taesd_build_encoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int h,
                              int w);

#endif
