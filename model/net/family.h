/* SPDX-License-Identifier: MIT
 *
 * The families of models, as data: the signs by which the tensors of a checkpoint tell one
 * from another, and for each what no tensor says.
 */
#ifndef SDRT_MODEL_NET_FAMILY_H
#define SDRT_MODEL_NET_FAMILY_H

#include "model/net/config.h"

/* What a denoiser takes of one text encoder; the words are as in struct sdrt_text_config. */
struct sdrt_text_recipe {
    const char *name;  /* of the encoder, for messages */
    enum sdrt_clip_act act;
    int skip;          /* counted from the encoder as it was trained */
    int cut_in_folder; /* how many of those layers a diffusers folder has left out already */
    int final_norm;
    int pooled; /* 1: its pooled text is taken too */
    int pad_id;
};

struct sdrt_family {
    const char *name;
    /* Signs: of U-Nets ... */
    int linear;        /* the transformers' projections are linear layers, not convolutions */
    int added;         /* something is added to the time embedding */
    /* ... and of MMDiTs, which have no other: */
    enum sdrt_denoiser_kind denoiser;
    int qk_norm, dual;   /* some block attends to the image twice */
    int n_text;
    /* What no tensor says. */
    struct sdrt_text_recipe text[SDRT_MAX_TEXT];
    int heads, head_dim; /* one of them is 0 */
    float scaling_factor, shift_factor;
    int biases_say_v;    /* single files of both predictions exist, told apart by a norm's biases */
    int zero_negative, aesthetic, size;
    int t5_tokens;
};

/* The family of U-Nets with these signs, a constant; NULL when there is none.  n_text -1: not
 * known. */
const struct sdrt_family *sdrt_family_find(int linear, int added, int n_text);

/* That of MMDiTs; there always is one. */
const struct sdrt_family *sdrt_family_find_mmdit(int qk_norm, int dual);

/* Writes what the family says to config: all but the sizes that shapes tell.  In the text
 * encoders that are n_text, only skip, final_norm, pad_id and act are set; the noise model is
 * Stable Diffusion's with the prediction of the noise, or for MMDiTs of the flow. */
void sdrt_family_apply(const struct sdrt_family *family, struct sdrt_model_config *config);

#endif
