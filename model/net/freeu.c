/* SPDX-License-Identifier: MIT */
#include "model/net/freeu.h"
#include "runtime/graph/graph.h"

void sdrt_freeu_weigh(struct sdrt_graph *g, const float *weights, int block, sdrt_tensor x,
                      sdrt_tensor skip)
{
    int dims[4];

    if (block > 1 || weights[0] == 0.0f) return;
    sdrt_graph_dims(g, x, dims);
    const sdrt_tensor half = sdrt_graph_slice(g, x, 0, dims[3] / 2);
    sdrt_graph_blend(g, "freeu.backbone", weights[block], half, 0.0f, SDRT_NO_TENSOR, half);
    sdrt_graph_low_frequencies(g, "freeu.skip", skip, weights[2 + block]);
}
