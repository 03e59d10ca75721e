/* SPDX-License-Identifier: MIT
 *
 * The plain linear layer that both denoisers are full of.
 */
#ifndef SDRT_MODEL_NET_LINEAR_H
#define SDRT_MODEL_NET_LINEAR_H

#include "runtime/graph/graph.h"

/* act(x W + b) of n channels, with name.weight and name.bias.  Failures stay in g's status. */
sdrt_tensor sdrt_linear(struct sdrt_graph *g, sdrt_tensor x, const char *name, int n,
                        enum sdrt_act act);

#endif
