/* SPDX-License-Identifier: MIT
 *
 * CLIP's text transformer.  Radford et al., 2021 (arXiv:2103.00020).
 */
#ifndef SDRT_MODEL_TEXT_ENCODER_H
#define SDRT_MODEL_TEXT_ENCODER_H

#include "model/config.h"
#include "runtime/graph.h"

struct sdrt_text_tensors {
    sdrt_tensor ids; /* external, int32 [batch][1][tokens][1] */
    sdrt_tensor out; /* external, [batch][1][tokens][hidden], after the final layer norm */
};

/* Adds the whole encoder to g; weights are those of prefix ("text_encoder").  Failures stay in
 * the graph's status. */
void sdrt_text_encoder_build(struct sdrt_graph *g, const struct sdrt_clip_config *config,
                             const char *prefix, int batch, int tokens,
                             struct sdrt_text_tensors *out);

#endif
