/* SPDX-License-Identifier: MIT
 *
 * FreeU, Si et al. 2023 (arXiv:2309.11497): a U-Net's way up, weighed anew.
 */
#ifndef SDRT_MODEL_NET_FREEU_H
#define SDRT_MODEL_NET_FREEU_H

#include "runtime/graph/tensor.h"

/* Before a resnet of an up block, counted from 0: of the first two, half of the channels of x, which enters
 * it, are multiplied by weights[block], and the lowest frequencies of its skip by weights[2 + block].  Nothing
 * where weights [4] begin with 0. */
void sdrt_freeu_weigh(struct sdrt_graph *g, const float *weights, int block, sdrt_tensor x,
                      sdrt_tensor skip);

#endif
