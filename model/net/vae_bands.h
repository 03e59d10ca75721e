/* SPDX-License-Identifier: MIT
 *
 * The VAE's decoder and encoder as passes over bands of rows, whose results are those of the whole: before a
 * norm is applied, a pass over all bands has found its statistics.
 *
 * A resnet is two passes, its first convolution for the second norm's statistics and then all of it, in
 * place where it keeps its channels: 3 convolutions for 2.  Where a level of the decoder begins, what was
 * upsampled is never whole: it is made again in each of three passes.  What the encoder halves is kept.
 * Attention's keys and values are whole, its queries go by bands.
 */
#ifndef SDRT_MODEL_NET_VAE_BANDS_H
#define SDRT_MODEL_NET_VAE_BANDS_H

#include "model/net/config.h"
#include "runtime/graph/tensor.h"

enum sdrt_vae_side { SDRT_VAE_DECODER, SDRT_VAE_ENCODER, SDRT_VAE_SIDES };

enum sdrt_band_kind {
    SDRT_BAND_IN,      /* from the latent, or from pixels */
    SDRT_BAND_UP,      /* what begins a level of the decoder, for the statistics alone */
    SDRT_BAND_DOWN,    /* what begins one of the encoder, whole */
    SDRT_BAND_FIRST,   /* a resnet's first convolution, the same */
    SDRT_BAND_RESNET,  /* all of it, in place but where it begins a level */
    SDRT_BAND_KEYS,    /* and values, behind queries that are left */
    SDRT_BAND_QUERIES, /* and the rest of the attention, in place */
    SDRT_BAND_OUT,     /* to pixels, or to moments */
};

enum { SDRT_BAND_NAME = 96 };

struct sdrt_band_pass {
    enum sdrt_vae_side side;
    enum sdrt_band_kind kind;
    int level;       /* of what it makes; 0: the latent's size, each further one twice that */
    int begins;      /* 1: it reads the level before, and doubles it */
    int in_c, out_c; /* channels of its ends */
    int channels;    /* of the level */
    int halo;        /* rows of what it makes, beside those that are right, at an edge within */
    int statistics;  /* vector, 0 or 1, that its result's statistics are for; -1: none */
    char block[SDRT_BAND_NAME];   /* names: "vae.decoder.up_blocks.1.resnets.0" */
    char sampler[SDRT_BAND_NAME]; /* "vae.encoder.down_blocks.0.downsamplers.0.conv" */
    char next[SDRT_BAND_NAME];    /* the norm whose statistics they are */
};

/* Pass i of a decoder or an encoder, in order; 0 where there are no more. */
int sdrt_vae_band_pass(const struct sdrt_vae_config *config, enum sdrt_vae_side side, int i,
                       struct sdrt_band_pass *out);

/* Adds a pass over a band of h x w of what it reads, of pixels in the latent's size altogether.
 * External tensors: band_in [1][h][w][in_c]; band_out [1][..][..][out_c], twice as large where it
 * begins a level, half as large of SDRT_BAND_DOWN; norm0 and norm1, mean, scale and shift [1][1][3][c],
 * those that it applies; keys [1][1][pixels][2 * in_c] of queries. */
void sdrt_vae_band_build(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                         const struct sdrt_band_pass *pass, int h, int w, int pixels);

#endif
