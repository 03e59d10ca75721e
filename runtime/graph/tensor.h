/* SPDX-License-Identifier: MIT
 *
 * A tensor of a graph, by number: what graphs, programs and those who bind tensors share.
 */
#ifndef SDRT_RUNTIME_GRAPH_TENSOR_H
#define SDRT_RUNTIME_GRAPH_TENSOR_H

typedef int sdrt_tensor;
enum { SDRT_NO_TENSOR = -1 };

struct sdrt_graph;

#endif
