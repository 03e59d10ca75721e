/* SPDX-License-Identifier: MIT */
#include "model/net/taesd.h"
#include "model/net/name.h"
#include "runtime/graph/graph.h"

enum { NAME = 96, BLOCKS = 3 /* of a level */ };

/* A side of it being built: layers are numbered as in a torch Sequential, in which upsampling and
 * activations count. */
struct side {
    struct sdrt_graph *g;
    const char *name;
    int width, layer;
};

static sdrt_tensor conv(const struct side *s, sdrt_tensor x, const char *name, int out_c,
                        struct sdrt_conv_spec spec)
{
    spec.name = name;
    spec.out_c = out_c;
    spec.kernel = 3;
    spec.pad = 1;
    return sdrt_graph_conv(s->g, x, &spec);
}

/* The convolution that is the next layer. */
static sdrt_tensor layer(struct side *s, sdrt_tensor x, int out_c, struct sdrt_conv_spec spec)
{
    char name[NAME];

    sdrt_name(name, NAME, "taesd.%s.layers.%d", s->name, s->layer++);
    return conv(s, x, name, out_c, spec);
}

/* Three convolutions with ReLU between, and after the sum with what went in. */
static sdrt_tensor block(struct side *s, sdrt_tensor x)
{
    const sdrt_tensor in = x;
    char name[NAME];

    for (int i = 0; i < 3; i++) {
        struct sdrt_conv_spec spec = sdrt_conv_defaults;
        if (i == 2) spec.residual = in;
        spec.relu = 1;
        sdrt_name(name, NAME, "taesd.%s.layers.%d.conv.%d", s->name, s->layer, 2 * i);
        x = conv(s, x, name, s->width, spec);
    }
    s->layer++;
    return x;
}

static sdrt_tensor blocks(struct side *s, sdrt_tensor x, int n)
{
    for (int i = 0; i < n; i++) x = block(s, x);
    return x;
}

void sdrt_taesd_build_decoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int h,
                              int w)
{
    struct side s = { g, "decoder", config->tiny_decoder, 0 };
    struct sdrt_conv_spec spec = sdrt_conv_defaults, first = sdrt_conv_defaults;
    const int last = SDRT_TAESD_LEVELS - 1;

    sdrt_tensor x = sdrt_graph_external(g, "vae_in", SDRT_F32, 1, h, w, config->latent_channels);
    spec.into = sdrt_graph_external(g, "vae_out", SDRT_F32, 1, h << last, w << last, 3);
    first.relu = 1;
    x = layer(&s, x, s.width, first);
    s.layer++; /* the activation */
    for (int i = 0; i < last; i++) {
        struct sdrt_conv_spec up = sdrt_conv_defaults;
        up.upsample = 2;
        up.no_bias = 1;
        x = blocks(&s, x, BLOCKS);
        s.layer++; /* the upsampling */
        x = layer(&s, x, s.width, up);
    }
    layer(&s, block(&s, x), 3, spec);
}

void sdrt_taesd_build_encoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int h,
                              int w)
{
    struct side s = { g, "encoder", config->tiny_encoder, 0 };
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    const int last = SDRT_TAESD_LEVELS - 1, z = config->latent_channels;

    sdrt_tensor x = sdrt_graph_external(g, "pixels", SDRT_F32, 1, h, w, 3);
    spec.into = sdrt_graph_external(g, "moments", SDRT_F32, 1, h >> last, w >> last, z);
    x = block(&s, layer(&s, x, s.width, sdrt_conv_defaults));
    for (int i = 0; i < last; i++) {
        struct sdrt_conv_spec down = sdrt_conv_defaults;
        down.stride = 2;
        down.no_bias = 1;
        down.out_h = (h >> i) / 2;
        down.out_w = (w >> i) / 2;
        x = layer(&s, x, s.width, down);
        x = blocks(&s, x, BLOCKS);
    }
    layer(&s, x, z, spec);
}
