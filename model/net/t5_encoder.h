/* SPDX-License-Identifier: MIT
 *
 * The encoder of T5 v1.1, as SD 3 reads prompts with it.  Raffel et al., 2020 (arXiv:1910.10683);
 * Shazeer, 2020 (arXiv:2002.05202) for the gated feed-forward layers.
 */
#ifndef SDRT_MODEL_NET_T5_ENCODER_H
#define SDRT_MODEL_NET_T5_ENCODER_H

#include "model/net/config.h"
#include "runtime/graph/tensor.h"

/* Where the hidden states go: rows row0 .. row0 + tokens - 1 of each prompt's rows, from channel
 * 0 of width.  CLIP's rows may lie before them in one tensor. */
struct sdrt_t5_place {
    int rows, row0, width;
};

/* Adds the encoder to g; weights are named behind prefix ("text_encoder_3").  All tokens attend to
 * all, padding too, as in diffusers' SD 3.  Failures stay in the graph's status.  External tensors:
 * prefix.ids, int32 [batch][1][tokens][1];
 * text [batch][1][place.rows][place.width], where it writes its own rows and channels: the
 * hidden states after the final norm. */
void sdrt_t5_encoder_build(struct sdrt_graph *g, const struct sdrt_t5_config *config,
                           const char *prefix, int batch, int tokens,
                           const struct sdrt_t5_place *place);

#endif
