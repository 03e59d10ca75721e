/* SPDX-License-Identifier: MIT */
#include "model/net/linear.h"
#include "model/net/name.h"
#include "model/net/vae.h"
#include "runtime/graph/graph.h"

enum { NAME = 128 };

static const float EPS = 1e-6f;

/* norm, SiLU, 3x3 conv, and a residual where one is given. */
static sdrt_tensor norm_conv(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                             sdrt_tensor x, const char *norm, const char *name, int out_c,
                             sdrt_tensor residual, sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;

    spec.name = name;
    spec.norm = norm;
    spec.groups = config->norm_groups;
    spec.eps = EPS;
    spec.silu = 1;
    spec.out_c = out_c;
    spec.kernel = 3;
    spec.pad = 1;
    spec.residual = residual;
    spec.into = into;
    return sdrt_graph_conv(g, x, &spec);
}

static sdrt_tensor resnet(struct sdrt_graph *g, const struct sdrt_vae_config *config, sdrt_tensor x,
                          const char *block, int j, int channels)
{
    char norm[NAME], name[NAME];
    int dims[4];

    sdrt_name(norm, NAME, "%s.resnets.%d.norm1", block, j);
    sdrt_name(name, NAME, "%s.resnets.%d.conv1", block, j);
    const sdrt_tensor h = norm_conv(g, config, x, norm, name, channels, SDRT_NO_TENSOR,
                                    SDRT_NO_TENSOR);
    sdrt_tensor residual = x;
    sdrt_graph_dims(g, x, dims);
    if (dims[3] != channels) {
        sdrt_name(name, NAME, "%s.resnets.%d.conv_shortcut", block, j);
        residual = sdrt_plain_conv(g, x, name, channels, 1, SDRT_NO_TENSOR, SDRT_NO_TENSOR);
    }
    sdrt_name(norm, NAME, "%s.resnets.%d.norm2", block, j);
    sdrt_name(name, NAME, "%s.resnets.%d.conv2", block, j);
    return norm_conv(g, config, h, norm, name, channels, residual, SDRT_NO_TENSOR);
}

/* One head over all pixels. */
static sdrt_tensor attention(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                             sdrt_tensor x, const char *prefix, int c)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    struct sdrt_gemm_spec out = sdrt_gemm_defaults;
    char norm[NAME], q[NAME], k[NAME], v[NAME], name[NAME];

    sdrt_name(norm, NAME, "%s.group_norm", prefix);
    sdrt_name(q, NAME, "%s.to_q", prefix);
    sdrt_name(k, NAME, "%s.to_k", prefix);
    sdrt_name(v, NAME, "%s.to_v", prefix);
    sdrt_name(name, NAME, "%s.to_qkv", prefix);
    spec.name = name;
    spec.weights[0] = q;
    spec.weights[1] = k;
    spec.weights[2] = v;
    spec.norm = norm;
    spec.groups = config->norm_groups;
    spec.eps = EPS;
    spec.out_c = 3 * c;
    spec.kernel = 1;
    const sdrt_tensor qkv = sdrt_graph_conv(g, x, &spec);
    sdrt_name(name, NAME, "%s.attention", prefix);
    const sdrt_tensor o = sdrt_graph_attention(g, name, sdrt_graph_slice(g, qkv, 0, c),
                                               sdrt_graph_slice(g, qkv, c, c),
                                               sdrt_graph_slice(g, qkv, 2 * c, c), 1, 0);
    sdrt_name(name, NAME, "%s.to_out.0", prefix);
    out.name = name;
    out.n = c;
    out.residual = x;
    return sdrt_graph_gemm(g, o, &out);
}

static sdrt_tensor middle(struct sdrt_graph *g, const struct sdrt_vae_config *config, sdrt_tensor x,
                          const char *side, int c)
{
    char block[64], name[NAME];

    sdrt_name(block, sizeof block, "vae.%s.mid_block", side);
    sdrt_name(name, NAME, "%s.attentions.0", block);
    x = resnet(g, config, x, block, 0, c);
    x = attention(g, config, x, name, c);
    return resnet(g, config, x, block, 1, c);
}

void sdrt_vae_build_decoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int batch,
                            int h, int w)
{
    const int last = config->levels - 1;
    char block[64], name[NAME];

    sdrt_tensor x = sdrt_graph_external(g, "vae_in", SDRT_F32, batch, h, w,
                                        config->latent_channels);
    const sdrt_tensor out = sdrt_graph_external(g, "vae_out", SDRT_F32, batch, h << last, w << last,
                                                3);
    if (config->quant_convs)
        x = sdrt_plain_conv(g, x, "vae.post_quant_conv", config->latent_channels, 1, SDRT_NO_TENSOR,
                            SDRT_NO_TENSOR);
    x = sdrt_plain_conv(g, x, "vae.decoder.conv_in", config->channels[last], 3, SDRT_NO_TENSOR,
                        SDRT_NO_TENSOR);
    x = middle(g, config, x, "decoder", config->channels[last]);
    for (int i = 0; i < config->levels; i++) {
        const int c = config->channels[last - i];
        sdrt_name(block, sizeof block, "vae.decoder.up_blocks.%d", i);
        for (int j = 0; j < config->layers + 1; j++) x = resnet(g, config, x, block, j, c);
        if (i == last) break;
        struct sdrt_conv_spec spec = sdrt_conv_defaults;
        sdrt_name(name, NAME, "%s.upsamplers.0.conv", block);
        spec.name = name;
        spec.out_c = c;
        spec.kernel = 3;
        spec.pad = 1;
        spec.upsample = 2;
        x = sdrt_graph_conv(g, x, &spec);
    }
    norm_conv(g, config, x, "vae.decoder.conv_norm_out", "vae.decoder.conv_out", 3, SDRT_NO_TENSOR,
              out);
}

void sdrt_vae_build_encoder(struct sdrt_graph *g, const struct sdrt_vae_config *config, int batch,
                            int h, int w)
{
    const int last = config->levels - 1, z = 2 * config->latent_channels;
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    char block[64], name[NAME];

    const sdrt_tensor in = sdrt_graph_external(g, "pixels", SDRT_F32, batch, h, w, 3);
    const sdrt_tensor out = sdrt_graph_external(g, "moments", SDRT_F32, batch, h >> last, w >> last,
                                                z);
    sdrt_tensor x = sdrt_plain_conv(g, in, "vae.encoder.conv_in", config->channels[0], 3,
                                    SDRT_NO_TENSOR, SDRT_NO_TENSOR);
    for (int i = 0; i < config->levels; i++) {
        const int c = config->channels[i];
        sdrt_name(block, sizeof block, "vae.encoder.down_blocks.%d", i);
        for (int j = 0; j < config->layers; j++) x = resnet(g, config, x, block, j, c);
        if (i == last) break;
        int dims[4];
        sdrt_graph_dims(g, x, dims);
        sdrt_name(name, NAME, "%s.downsamplers.0.conv", block);
        spec = sdrt_conv_defaults;
        spec.name = name;
        spec.out_c = c;
        spec.kernel = 3;
        spec.stride = 2; /* padded below and right only */
        spec.out_h = dims[1] / 2;
        spec.out_w = dims[2] / 2;
        x = sdrt_graph_conv(g, x, &spec);
    }
    x = middle(g, config, x, "encoder", config->channels[last]);
    x = norm_conv(g, config, x, "vae.encoder.conv_norm_out", "vae.encoder.conv_out", z,
                  SDRT_NO_TENSOR, config->quant_convs ? SDRT_NO_TENSOR : out);
    if (!config->quant_convs) return;
    spec = sdrt_conv_defaults;
    spec.name = "vae.quant_conv";
    spec.out_c = z;
    spec.kernel = 1;
    spec.into = out;
    sdrt_graph_conv(g, x, &spec);
}
