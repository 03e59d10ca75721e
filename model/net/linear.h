/* SPDX-License-Identifier: MIT
 *
 * The plain layers that networks are full of.
 */
#ifndef SDRT_MODEL_NET_LINEAR_H
#define SDRT_MODEL_NET_LINEAR_H

#include "runtime/graph/graph.h"

/* act(x W + b) of n channels, with name.weight and name.bias.  Failures stay in g's status. */
sdrt_tensor sdrt_linear(struct sdrt_graph *g, sdrt_tensor x, const char *name, int n,
                        enum sdrt_act act);

/* x convolved with name.weight and name.bias to out_c channels, stride 1, padded by kernel / 2 so that it
 * keeps its size; residual is added to it, and it is written into `into`, where those are no
 * SDRT_NO_TENSOR.  Failures stay in g's status. */
sdrt_tensor sdrt_plain_conv(struct sdrt_graph *g, sdrt_tensor x, const char *name, int out_c,
                            int kernel, sdrt_tensor residual, sdrt_tensor into);

#endif
