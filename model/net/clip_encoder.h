/* SPDX-License-Identifier: MIT
 *
 * CLIP's text transformer, OpenAI's and OpenCLIP's.  Radford et al., 2021 (arXiv:2103.00020).
 */
#ifndef SDRT_MODEL_NET_CLIP_ENCODER_H
#define SDRT_MODEL_NET_CLIP_ENCODER_H

#include "model/net/config.h"
#include "runtime/graph/tensor.h"

/* What the tokens of a layer see: with causal 1 each those before it, else all; with a mask, [1][heads]
 * [tokens][tokens], what that leaves, which is added to the scores. */
struct sdrt_clip_sight {
    int causal;
    sdrt_tensor mask; /* SDRT_NO_TENSOR for none */
};

/* Adds one transformer layer to g, whose weights are named behind layer: x [batch][1][tokens][hidden]; into
 * may be SDRT_NO_TENSOR. */
sdrt_tensor sdrt_clip_layer(struct sdrt_graph *g, const struct sdrt_clip_config *clip,
                            const char *layer, struct sdrt_clip_sight sight, sdrt_tensor x,
                            sdrt_tensor into);

/* Where the hidden states go: channels at .. at + hidden - 1 of rows that are width wide, from row
 * row0 on of each prompt's rows (0: as many as it has tokens). */
struct sdrt_clip_place {
    int width, at;
    int rows, row0;
    int embedded; /* 1: the tokens' embeddings with their positions are given, not looked up */
    int masked;   /* 1: which token sees which is given, in place of those before it */
};

/* Adds the encoder to g; weights are named behind prefix ("text_encoder").  Layers that nothing
 * reads are left out.  Failures stay in the graph's status.  External tensors:
 * prefix.ids, int32 [batch][1][tokens][1], or where place.embedded is set prefix.embedded,
 * [batch][1][tokens][hidden];
 * where place.masked is set prefix.mask, [1][heads][tokens][tokens], for all of the batch;
 * text [batch][1][place.rows][place.width], where it writes its own rows and channels: the
 * hidden states that the configuration names;
 * prefix.pooled [batch][1][tokens][pooled], where the configuration takes it: the last layer's
 * states after final norm and projection; the end token's row is the pooled text. */
void sdrt_clip_encoder_build(struct sdrt_graph *g, const struct sdrt_text_config *config,
                             const char *prefix, int batch, int tokens,
                             const struct sdrt_clip_place *place);

#endif
