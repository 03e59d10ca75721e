/* SPDX-License-Identifier: MIT
 *
 * Translation of weight names: from diffusers' (canonical here) to those of the original
 * latent-diffusion code.  Names are without the prefix of their part.  The rules are those
 * of diffusers' conversion (diffusers/loaders/single_file_utils.py), read backwards.
 */
#ifndef SDRT_MODEL_CHECKPOINT_TENSOR_NAMES_H
#define SDRT_MODEL_CHECKPOINT_TENSOR_NAMES_H

#ifdef __cplusplus
extern "C" {
#endif

enum { SDRT_NAME_MAX = 256 }; /* bytes of any weight name here, with the final 0 */

/* Where a file has the blocks of a U-Net of original names, which need not be numbered without
 * gaps: converters that count more resnets a level than there are leave some.  All are below 1000;
 * -1: it has none. */
struct sdrt_unet_blocks {
    short down[4][8], downsampler[4]; /* input_blocks, by level */
    short up[4][9], upsampler[4];     /* output_blocks, by up block, so from the smallest level */
    short upsampler_place[4]; /* the number behind the block's: output_blocks.#.PLACE.conv */
};

/* The original U-Net numbers all blocks through, so a name depends on the resnets per
 * level and on which levels have attention. */
struct sdrt_unet_names {
    int original; /* 0: diffusers' names */
    int levels;
    int layers;       /* resnets per level on the way down */
    int adapter;      /* 1: it is a T2I-Adapter, of layers resnets a feature */
    int types;        /* 1: it is a union of ControlNets, of diffusers' names */
    int hints;        /* widths of a ControlNet's picture; 0 for a U-Net */
    int attention[4]; /* of each level: 1 when it has transformers on the way up */
    const struct sdrt_unet_blocks *blocks; /* borrowed; NULL: numbered as the original code does */
};

/* SD 3.x's; the last block's text is modulated otherwise than the other blocks'. */
struct sdrt_mmdit_names {
    int original; /* 0: diffusers' names */
    int control;  /* 1: those of Stability's ControlNets for SD 3.5 Large */
    int depth;
};

enum sdrt_vae_layout {
    SDRT_VAE_DIFFUSERS,
    SDRT_VAE_DIFFUSERS_OLD, /* attention is query, key, value, proj_attn */
    SDRT_VAE_ORIGINAL
};

struct sdrt_vae_names {
    enum sdrt_vae_layout layout;
    int levels;
};

/* A text encoder's names. */
enum sdrt_clip_layout {
    SDRT_CLIP_TRANSFORMERS, /* as transformers has them */
    SDRT_CLIP_PLAIN,        /* the same without "text_model." */
    SDRT_CLIP_OPEN,         /* OpenCLIP's: queries, keys and values are one matrix */
    SDRT_CLIP_GGML, /* transformers' but for the projection, as stable-diffusion.cpp writes it */
    SDRT_CLIP_GGML_OPEN /* the same of OpenCLIP's, of which queries, keys and values stay joined */
};

/* What canonical names of text encoder i begin with, without the dot: "text_encoder",
 * "text_encoder_2", "text_encoder_3"; a constant. */
const char *sdrt_text_prefix(int i);

/* Where in a tensor of the file a weight is. */
struct sdrt_name_part {
    int third;      /* 0, 1, 2: that third of its rows; -1: all of it */
    int transposed; /* 1: the file has its columns as rows */
    int swapped;    /* 1: the file has the second half of its rows first */
};

/* Writes the file's name for a canonical name into out.  Returns 1, or 0 when the name
 * does not fit or belongs to no such model. */
int sdrt_names_unet(const struct sdrt_unet_names *names, const char *canonical,
                    char out[SDRT_NAME_MAX]);
int sdrt_names_mmdit(const struct sdrt_mmdit_names *names, const char *canonical,
                     char out[SDRT_NAME_MAX], struct sdrt_name_part *part);
int sdrt_names_vae(const struct sdrt_vae_names *names, const char *canonical,
                   char out[SDRT_NAME_MAX]);
int sdrt_names_clip(enum sdrt_clip_layout layout, const char *canonical, char out[SDRT_NAME_MAX],
                    struct sdrt_name_part *part);
/* A T5's, which has transformers' names, or with ggml 1 those that llama.cpp gives it. */
int sdrt_names_t5(int ggml, const char *canonical, char out[SDRT_NAME_MAX]);

#ifdef __cplusplus
}
#endif

#endif
