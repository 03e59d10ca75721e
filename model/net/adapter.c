/* SPDX-License-Identifier: MIT */
#include "model/net/adapter.h"
#include "model/net/linear.h"
#include "model/net/name.h"
#include "runtime/graph/graph.h"

enum { NAME = 96 };

/* Whether feature i is half the one before it. */
static int halves(const struct sdrt_adapter_config *c, int i) { return c->wide ? i == 2 : i > 0; }

void sdrt_adapter_size(const struct sdrt_adapter_config *c, int i, int *h, int *w)
{
    if (c->wide) {
        *h /= 2;
        *w /= 2;
    }
    for (int k = 0; k <= i; k++) {
        if (!halves(c, k)) continue;
        *h = (*h + 1) / 2;
        *w = (*w + 1) / 2;
    }
}

/* x + conv(relu(conv(x))), resnets times; the last into feature i. */
static sdrt_tensor block(struct sdrt_graph *g, const struct sdrt_adapter_config *c, sdrt_tensor x,
                         int i)
{
    char name[2][NAME], feature[NAME];
    int dims[4];

    sdrt_graph_dims(g, x, dims);
    if (dims[3] != c->channels[i]) {
        sdrt_name(name[0], NAME, "unet.adapter.body.%d.in_conv", i);
        x = sdrt_plain_conv(g, x, name[0], c->channels[i], 1, SDRT_NO_TENSOR, SDRT_NO_TENSOR);
    }
    sdrt_name(feature, NAME, "feature.%d", i);
    const sdrt_tensor into = sdrt_graph_external(g, feature, SDRT_F32, 1, dims[1], dims[2],
                                                 c->channels[i]);
    for (int j = 0; j < c->resnets; j++) {
        sdrt_name(name[0], NAME, "unet.adapter.body.%d.resnets.%d.block1", i, j);
        sdrt_name(name[1], NAME, "unet.adapter.body.%d.resnets.%d.block2", i, j);
        sdrt_tensor h = sdrt_plain_conv(g, x, name[0], c->channels[i], 3, SDRT_NO_TENSOR,
                                        SDRT_NO_TENSOR);
        h = sdrt_graph_relu(g, "unet.adapter.relu", h, 0.0f, NULL);
        x = sdrt_plain_conv(g, h, name[1], c->channels[i], 1, x,
                            j + 1 == c->resnets ? into : SDRT_NO_TENSOR);
    }
    return x;
}

void sdrt_adapter_build(struct sdrt_graph *g, const struct sdrt_adapter_config *c, int h, int w)
{
    const sdrt_tensor in = sdrt_graph_external(g, "picture", SDRT_F32, 1, h, w,
                                               c->picture * c->factor * c->factor);
    sdrt_tensor x = sdrt_plain_conv(g, in, "unet.adapter.conv_in", c->first, 3, SDRT_NO_TENSOR,
                                    SDRT_NO_TENSOR);

    for (int i = 0; i < c->n; i++) {
        if (halves(c, i)) x = sdrt_graph_halve(g, "unet.adapter.halve", x);
        x = block(g, c, x, i);
    }
}
