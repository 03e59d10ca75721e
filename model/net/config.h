/* SPDX-License-Identifier: MIT
 *
 * What a model looks like: the numbers that its graphs are built from.  Plain values,
 * nothing owned.  Meanings and defaults as in diffusers' config.json files.
 */
#ifndef SDRT_MODEL_NET_CONFIG_H
#define SDRT_MODEL_NET_CONFIG_H

#include "model/noise/schedule.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SDRT_MAX_LEVELS = 4,
    SDRT_MAX_LAYERS = 8, /* resnets of a level on the way down */
    SDRT_MMDIT_MAX_DEPTH = 64,
    SDRT_MAX_HINTS = 8,
    SDRT_MAX_IPS = 4, /* IP-Adapters at once */
    SDRT_MAX_TEXT = 3,
    SDRT_MAX_LATENT = 16, /* channels whose statistics are known */
    SDRT_CLIP_TOKENS = 77
};

/* What the picture that a ControlNet reads goes through once: n widths, from the picture's size down to
 * the latent's, each of half the one before it. */
struct sdrt_hint_config {
    int n; /* 0: it is no ControlNet */
    int widths[SDRT_MAX_HINTS];
    int channels; /* of the picture */
    int types; /* of a union of nets, kinds of pictures that it reads, which it is told; 0: it is one net */
    int type_layers; /* of what such a one looks at its picture with */
    int type_width;  /* in which it embeds whether it is each of them */
};

/* A T2I-Adapter, which leaves n features: one for each level, and a wide one's, for SDXL, works at half the
 * latent's size and leaves one for the middle too. */
struct sdrt_adapter_config {
    int n; /* 0: it is none */
    int channels[SDRT_MAX_LEVELS + 1];
    int first;   /* channels of its first convolution */
    int resnets; /* of a feature */
    int wide;
    int factor;  /* pixels a side that are one of its rows */
    int picture; /* channels of the picture: 3, or 1 for grey */
};

/* The denoiser.  Level 0 works at the latent's full size, each further one at half. */
struct sdrt_unet_config {
    int in_channels, out_channels;
    int levels;
    int channels[SDRT_MAX_LEVELS];
    int layers;                 /* resnets per level on the way down; one more on the way up */
    /* Transformer blocks after each resnet of a level, 0: none. */
    int down_depth[SDRT_MAX_LEVELS][SDRT_MAX_LAYERS], up_depth[SDRT_MAX_LEVELS][SDRT_MAX_LAYERS + 1];
    int mid_resnets;            /* in the middle: 2, 1 or 0 */
    int mid_depth;              /* transformer blocks between two of them, 0: none */
    int context_dim;            /* width of the text embeddings */
    int heads;                  /* of attention; 0: channels / head_dim */
    int head_dim;               /* 0 when heads is set */
    int time_embed_dim;
    int norm_groups;
    int linear_projections; /* 1: around the transformers, not convolutions of the same numbers */
    int added_dim;              /* width of what is added to the time embedding: the pooled text
                                 * and embedded numbers of the image (SDXL); 0: nothing is */
    struct sdrt_hint_config hint; /* a ControlNet's, which is a way down and no way up */
    struct sdrt_adapter_config adapter; /* a T2I-Adapter's, of which nothing else is there */
    int guidance_dim;           /* width of the embedded guidance scale that is added to the
                                 * timestep's embedding (LCM); 0: it is not told */
};

/* The denoiser of SD 3.x: joint attention of image and text. */
struct sdrt_mmdit_config {
    int depth, width, heads;
    int in_channels;      /* of the latent, and of the output */
    int patch;            /* side of the square of latent pixels that is a token */
    int context_width;    /* of the text embeddings; 0: a ControlNet that reads none */
    int pooled_width;     /* of the pooled text, which is added to the time embedding */
    int grid;             /* side of the square table of positions, in tokens */
    int qk_norm;          /* 1: the RMS of each head's queries and keys is 1 */
    uint64_t dual;        /* bit i: block i attends once more over the image alone */
    int control;      /* 1: it is a ControlNet, whose blocks are all alike and which puts out what
                           * each of them leaves */
    int control_canny; /* 1: whose picture of edges is made numbers from 0.5 to 128 */
    int control_bare; /* 1: such a one that is told no pooled text, and whose picture's latent has no
                           * shift */
};

/* The autoencoder.  Level 0 works at the image's full size. */
struct sdrt_vae_config {
    int   latent_channels;
    int   levels;
    int   channels[SDRT_MAX_LEVELS];
    int   layers; /* resnets per level of the encoder; the decoder has one more */
    int   norm_groups;
    float scaling_factor; /* latent of the denoiser = scaling_factor * (latent of the VAE - */
    float shift_factor;   /* shift_factor) */
    int   has_stats;      /* 1: then of the VAE's latent, channel by channel, mean is taken away and it
                           * is divided by std, before the scaling factor; the shift is 0 */
    float mean[SDRT_MAX_LATENT], std[SDRT_MAX_LATENT];
    int   quant_convs;    /* 1: 1x1 convolutions stand between encoder, latent and decoder */
    int   has_encoder;    /* 0: only the decoder's weights are there */
    int tiny_decoder,
        tiny_encoder; /* widths of a TAESD's that stand in for its own, which are of the
                           * denoiser's latent; 0: there is none */
};

enum sdrt_clip_act { SDRT_CLIP_QUICK_GELU, SDRT_CLIP_GELU };

/* CLIP's text encoder. */
struct sdrt_clip_config {
    int vocab, hidden, layers, heads, intermediate;
    int positions; /* the longest prompt in tokens, with both ends */
    enum sdrt_clip_act act;
};

/* CLIP's encoder of pictures, a vision transformer. */
struct sdrt_vision_config {
    struct sdrt_clip_config
        clip;        /* its layers; positions: the patches, and one token before them */
    int size, patch; /* pixels a side of the picture, and of a patch */
    int projection;  /* width of what stands for the whole picture */
};

/* An IP-Adapter: how many tokens of the text's width it makes of what an encoder of pictures says, in
 * channels wide: of what stands for the whole, or where it has layers (a resampler, "plus") of all. */
struct sdrt_ip_config {
    int tokens, in;
    int layers, width, heads; /* of the resampler; 0: there is none */
};

/* The encoder of T5 v1.1. */
struct sdrt_t5_config {
    const char *table; /* a constant: the name of the embeddings, without ".weight" */
    int vocab, hidden, layers;
    int heads, head_dim; /* heads * head_dim may differ from hidden */
    int intermediate;
    int buckets, max_distance; /* of relative positions */
};

/* One text encoder, and what the denoiser takes of it. */
struct sdrt_text_config {
    struct sdrt_clip_config clip;
    int skip;       /* layers at the end that do not take part in the hidden states */
    int cut;        /* layers of the encoder as it was trained that are not there (a diffusers
                     * folder of SD 2.x lacks the last one) */
    int final_norm; /* 1: the final layer norm follows the last layer that does */
    int pooled;     /* width of the pooled text that is taken too (after all layers, the norm
                     * and the projection, at the end token); 0: none is */
    int pad_id;     /* token that fills a short prompt up; -1: the end token */
};

enum sdrt_denoiser_kind { SDRT_DENOISER_UNET, SDRT_DENOISER_MMDIT };

/* A model as its parts and how the prompt reaches the denoiser: the hidden states of the text
 * encoders lie side by side in the context's channels, their pooled texts side by side at the
 * beginning of what is added to the time embedding, and behind them, each embedded in
 * (added_dim - pooled) / numbers channels, the numbers of the image (see sdrt_added_numbers). */
struct sdrt_model_config {
    const char *family;  /* a constant, as "SDXL" */
    enum sdrt_denoiser_kind denoiser;
    struct sdrt_unet_config  unet;  /* the one of the two that it is */
    struct sdrt_mmdit_config mmdit;
    struct sdrt_vae_config  vae;
    struct sdrt_text_config text[SDRT_MAX_TEXT];
    int n_text;
    int t5_tokens;       /* rows of the context that a T5 fills, behind CLIP's; they are zeros, as
                          * all channels that no encoder fills, where there is no T5 */
    int has_t5;
    struct sdrt_t5_config t5; /* where there is one */
    struct sdrt_noise_model noise;
    int zero_negative;   /* 1: with no negative prompt its text embeddings are all zeros */
    int aesthetic;       /* 1: the numbers end in an aesthetic score, not in the target size */
    int size;            /* pixels a side that it was trained for */
    struct sdrt_vision_config
        vision;               /* of an encoder of pictures, and of an IP-Adapter, which are parts */
    struct sdrt_ip_config ip; /* of their own beside this model */
};

/* What a U-Net is for, told from what it takes beside the latent. */
enum sdrt_unet_task {
    SDRT_TASK_DRAW,    /* nothing: text to image */
    SDRT_TASK_INPAINT, /* a mask and the latent of what lies outside it: 9 channels */
    SDRT_TASK_EDIT,    /* the latent of a picture to change as the prompt says: 8 channels */
    SDRT_TASK_UNKNOWN
};
enum sdrt_unet_task sdrt_unet_task(const struct sdrt_unet_config *unet);

/* What one takes that no text says, "takes a picture and a mask", a constant. */
const char *sdrt_task_takes(enum sdrt_unet_task task);

/* The same number of transformer blocks after each resnet of a level, down and up. */
void sdrt_unet_set_depths(struct sdrt_unet_config *unet, const int depths[SDRT_MAX_LEVELS]);

/* Whether a level, or the middle behind the last, has transformers. */
int sdrt_unet_has_attention(const struct sdrt_unet_config *unet, int level);

/* What a model is for, told from its denoiser. */
enum sdrt_unet_task sdrt_model_task(const struct sdrt_model_config *config);

/* How many numbers of the image are added to the time embedding: original height and width,
 * the crop's top and left, then target height and width, or one aesthetic score; 0 without
 * added_dim.  Podell et al., 2023 (arXiv:2307.01952), section 2.2. */
int sdrt_added_numbers(const struct sdrt_model_config *config);

/* Channels of the text embeddings that the denoiser takes, and of what is added to its time
 * embedding (0: nothing is). */
int sdrt_context_width(const struct sdrt_model_config *config);
int sdrt_added_width(const struct sdrt_model_config *config);

/* CLIP's tokens of a prompt, with both ends and the padding: 77, or as many as the text encoders
 * have positions for. */
int sdrt_prompt_tokens(const struct sdrt_model_config *config);

/* Rows of the denoiser's context: CLIP's tokens, and behind them the T5's. */
int sdrt_context_rows(const struct sdrt_model_config *config);

/* Sum of the text encoders' pooled widths. */
int sdrt_pooled_width(const struct sdrt_model_config *config);

#ifdef __cplusplus
}
#endif

#endif
