/* SPDX-License-Identifier: MIT
 *
 * What a model looks like: the numbers that its graphs are built from.  Plain values,
 * nothing owned.  Meanings and defaults as in diffusers' config.json files.
 */
#ifndef SDRT_MODEL_CONFIG_H
#define SDRT_MODEL_CONFIG_H

#include "model/schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_MAX_LEVELS = 4 };

/* The denoiser.  Level 0 works at the latent's full size, each further one at half. */
struct sdrt_unet_config {
    int in_channels, out_channels;
    int levels;
    int channels[SDRT_MAX_LEVELS];
    int layers;                 /* resnets per level on the way down; one more on the way up */
    int depth[SDRT_MAX_LEVELS]; /* transformer blocks after each resnet, 0: none */
    int mid_depth;              /* transformer blocks in the middle, 0: none */
    int context_dim;            /* width of the text embeddings */
    int heads;                  /* of attention; 0: channels / head_dim */
    int head_dim;               /* 0 when heads is set */
    int time_embed_dim;
    int norm_groups;
};

/* The autoencoder.  Level 0 works at the image's full size. */
struct sdrt_vae_config {
    int   latent_channels;
    int   levels;
    int   channels[SDRT_MAX_LEVELS];
    int   layers; /* resnets per level of the encoder; the decoder has one more */
    int   norm_groups;
    float scaling_factor; /* latent of the U-Net = scaling_factor * latent of the VAE */
    int   has_encoder;    /* 0: only the decoder's weights are there */
};

enum sdrt_clip_act { SDRT_CLIP_QUICK_GELU, SDRT_CLIP_GELU };

/* CLIP's text encoder. */
struct sdrt_clip_config {
    int vocab, hidden, layers, heads, intermediate;
    int positions; /* the longest prompt in tokens, with both ends */
    enum sdrt_clip_act act;
};

struct sdrt_model_config {
    struct sdrt_unet_config unet;
    struct sdrt_vae_config  vae;
    struct sdrt_clip_config clip;
    enum sdrt_prediction    prediction;
};

/* Stable Diffusion 1.5, for benchmarks with random weights. */
struct sdrt_model_config sdrt_sd15_config(void);

#ifdef __cplusplus
}
#endif

#endif
