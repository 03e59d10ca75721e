/* SPDX-License-Identifier: MIT
 *
 * CLIP's encoder of pictures: a vision transformer, Radford et al., 2021 (arXiv:2103.00020).
 */
#ifndef SDRT_MODEL_NET_CLIP_VISION_H
#define SDRT_MODEL_NET_CLIP_VISION_H

#include "model/net/config.h"
#include "runtime/graph/graph.h"

/* Adds it to g; weights are named behind "vision.".  External tensors: pixels [1][size][size][3],
 * normalised; one [1][1][1][1], which is 1; places [1][1][positions][1] of I32, which count from 0.  With embeds
 * 1 it leaves embeds [1][1][1][projection], what stands for the whole picture; with hidden 1 hidden
 * [1][1][positions][hidden], what the last layer but one leaves of all. */
void sdrt_clip_vision_build(struct sdrt_graph *g, const struct sdrt_vision_config *config,
                            int embeds, int hidden);

#endif
