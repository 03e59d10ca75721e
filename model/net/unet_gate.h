/* SPDX-License-Identifier: MIT
 *
 * T-GATE, Zhang et al. 2024 (arXiv:2404.02747): what cross-attentions add converges in the first steps, so
 * from one step on it is taken as that left it, and a U-Net without them has no use for guidance.
 */
#ifndef SDRT_MODEL_NET_UNET_GATE_H
#define SDRT_MODEL_NET_UNET_GATE_H

#include "model/net/denoiser.h"
#include "model/net/unet_parts.h"
#include "runtime/graph/graph.h"

/* What the names end with of the external tensors [batch / 2][h][w][channels] in which they are left. */
#define SDRT_GATE_KEPT ".kept"

/* x + out, in x; out is that of a cross-attention, behind its last projection, for a guided pair. */
sdrt_tensor sdrt_gate_keep(struct sdrt_graph *g, const struct sdrt_unet_part *cross, sdrt_tensor x,
                           sdrt_tensor out);

/* x with what was left by the same cross-attention, in x. */
sdrt_tensor sdrt_gate_take(struct sdrt_graph *g, const struct sdrt_unet_part *cross, sdrt_tensor x);

#endif
