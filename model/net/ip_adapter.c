/* SPDX-License-Identifier: MIT */
#include "model/net/ip_adapter.h"
#include "model/net/linear.h"
#include "model/net/name.h"

#include <string.h>

enum { NAME = 96 };

static const float EPS = 1e-5f;

int sdrt_ip_number(const struct sdrt_unet_parts *parts, int i)
{
    static const char *const sides[] = { "unet.down_blocks.", "unet.up_blocks.",
                                         "unet.mid_block." };
    int n = 0;

    for (int side = 0; side < 3; side++)
        for (int k = 0; k < parts->n_cross; k++) {
            if (strncmp(parts->cross[k].name, sides[side], strlen(sides[side])) != 0) continue;
            if (k == i) return 2 * n + 1;
            n++;
        }
    return -1;
}

sdrt_tensor sdrt_ip_cross_tensor(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                 const struct sdrt_unet_part *cross, int ip, int i, int batch,
                                 int tokens)
{
    const int c = cross->channels;
    char name[NAME];

    sdrt_name(name, NAME, "/ip.%d.%d", ip, i);
    return sdrt_graph_external(g, name, sdrt_graph_attention_type(g, sdrt_unet_heads(config, c), c),
                               batch, 1, tokens, 2 * c);
}

/* ---- tokens ---- */

static sdrt_tensor norm(struct sdrt_graph *g, sdrt_tensor x, const char *name, sdrt_tensor into)
{
    return sdrt_graph_layer_norm(g, x, name, EPS, into);
}

/* All tokens side by side, each normed. */
static sdrt_tensor project(struct sdrt_graph *g, const struct sdrt_ip_config *ip, sdrt_tensor image,
                           int batch, int width)
{
    const sdrt_tensor all = sdrt_linear(g, image, "ip.proj", ip->tokens * width, SDRT_ACT_NONE);
    const sdrt_tensor tokens = sdrt_graph_tensor(g, "ip.tokens", batch, 1, ip->tokens, width);

    for (int i = 0; i < ip->tokens; i++)
        norm(g, sdrt_graph_slice(g, all, i * width, width), "ip.norm",
             sdrt_graph_rows(g, tokens, i, 1));
    return tokens;
}

static sdrt_tensor layer_linear(struct sdrt_graph *g, sdrt_tensor x, int layer, const char *leaf,
                                int n, enum sdrt_act act, sdrt_tensor residual)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];

    sdrt_name(name, NAME, "ip.layers.%d.%s", layer, leaf);
    spec.name = name;
    spec.n = n;
    spec.no_bias = 1;
    spec.act = act;
    spec.residual = residual;
    return sdrt_graph_gemm(g, x, &spec);
}

static sdrt_tensor layer_norm(struct sdrt_graph *g, sdrt_tensor x, int layer, const char *leaf,
                              sdrt_tensor into)
{
    char name[NAME];

    sdrt_name(name, NAME, "ip.layers.%d.%s", layer, leaf);
    return norm(g, x, name, into);
}

/* Learned queries attend to the picture and to themselves. */
static sdrt_tensor resample_layer(struct sdrt_graph *g, const struct sdrt_ip_config *ip,
                                  sdrt_tensor x, sdrt_tensor queries, int i)
{
    enum { HEAD = 64 };
    const int inner = ip->heads * HEAD;
    char name[NAME];
    int dims[4];

    sdrt_graph_dims(g, x, dims);
    const int rows = dims[2], n = ip->tokens;
    sdrt_name(name, NAME, "ip.layers.%d.joint", i);
    const sdrt_tensor joint = sdrt_graph_tensor(g, name, dims[0], 1, rows + n, ip->width);
    const sdrt_tensor own = sdrt_graph_rows(g, joint, rows, n);
    layer_norm(g, x, i, "0.norm1", sdrt_graph_rows(g, joint, 0, rows));
    layer_norm(g, queries, i, "0.norm2", own);
    const sdrt_tensor q = layer_linear(g, own, i, "0.to_q", inner, SDRT_ACT_NONE, SDRT_NO_TENSOR);
    const sdrt_tensor kv = layer_linear(g, joint, i, "0.to_kv", 2 * inner, SDRT_ACT_NONE,
                                        SDRT_NO_TENSOR);
    sdrt_name(name, NAME, "ip.layers.%d.attention", i);
    const sdrt_tensor o = sdrt_graph_attention(g, name, q, sdrt_graph_slice(g, kv, 0, inner),
                                               sdrt_graph_slice(g, kv, inner, inner), ip->heads, 0);
    queries = layer_linear(g, o, i, "0.to_out", ip->width, SDRT_ACT_NONE, queries);
    const sdrt_tensor h = layer_norm(g, queries, i, "1.0", SDRT_NO_TENSOR);
    return layer_linear(g,
                        layer_linear(g, h, i, "1.1", 4 * ip->width, SDRT_ACT_GELU, SDRT_NO_TENSOR),
                        i, "1.3", ip->width, SDRT_ACT_NONE, queries);
}

static sdrt_tensor resample(struct sdrt_graph *g, const struct sdrt_ip_config *ip,
                            sdrt_tensor image, int batch, int width)
{
    const sdrt_tensor ids = sdrt_graph_external(g, "queries", SDRT_I32, batch, 1, ip->tokens, 1);
    sdrt_tensor queries = sdrt_graph_embed(g, "ip.queries", ids, "ip.latents", ip->tokens, NULL, 0,
                                           ip->width);
    const sdrt_tensor x = sdrt_linear(g, image, "ip.proj_in", ip->width, SDRT_ACT_NONE);

    for (int i = 0; i < ip->layers; i++) queries = resample_layer(g, ip, x, queries, i);
    return norm(g, sdrt_linear(g, queries, "ip.proj_out", width, SDRT_ACT_NONE), "ip.norm_out",
                SDRT_NO_TENSOR);
}

/* ---- keys and values ---- */

static void build_cross(struct sdrt_graph *g, sdrt_tensor tokens, int number, sdrt_tensor kv,
                        sdrt_tensor scale)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];
    int dims[4];

    sdrt_graph_dims(g, kv, dims);
    const int c = dims[3] / 2;
    spec.n = c;
    spec.no_bias = 1;
    spec.name = name;
    sdrt_name(name, NAME, "ip.cross.%d.to_k_ip", number);
    spec.into = sdrt_graph_slice(g, kv, 0, c);
    sdrt_graph_gemm(g, tokens, &spec);
    sdrt_name(name, NAME, "ip.cross.%d.to_v_ip", number);
    spec.gate = sdrt_graph_slice(g, scale, 0, c);
    spec.into = sdrt_graph_slice(g, kv, c, c);
    sdrt_graph_gemm(g, tokens, &spec);
}

void sdrt_ip_build(struct sdrt_graph *g, const struct sdrt_model_config *config, int ip, int batch,
                   int rows)
{
    const struct sdrt_ip_config *c = &config->ip;
    const struct sdrt_unet_config *unet = &config->unet;
    struct sdrt_unet_parts parts;
    int most = 0;

    sdrt_unet_list_parts(unet, &parts);
    for (int i = 0; i < parts.n_cross; i++)
        if (parts.cross[i].channels > most) most = parts.cross[i].channels;
    const sdrt_tensor image = sdrt_graph_external(g, "image", SDRT_F32, batch, 1, rows, c->in);
    const sdrt_tensor scale = sdrt_graph_external(g, "scale", SDRT_F32, 1, 1, 1, most);
    const sdrt_tensor tokens = (c->layers ? resample : project)(g, c, image, batch,
                                                                unet->context_dim);
    for (int i = 0; i < parts.n_cross; i++)
        build_cross(g, tokens, sdrt_ip_number(&parts, i),
                    sdrt_ip_cross_tensor(g, unet, &parts.cross[i], ip, i, batch, c->tokens), scale);
}
