/* SPDX-License-Identifier: MIT */
#include "model/net/vae_bands.h"
#include "model/net/linear.h"
#include "model/net/name.h"
#include "runtime/graph/graph.h"

#include <string.h>

enum { NAME = SDRT_BAND_NAME + 32, MIDDLE = 6 /* passes: of two resnets and the attention */ };

static const char *const sides[SDRT_VAE_SIDES] = { "decoder", "encoder" };

/* ---- the order ---- */

/* Resnet number n of the decoder behind the middle: its level, its number there, and its block's name. */
static int find_decoding(const struct sdrt_vae_config *config, int n, struct sdrt_band_pass *p)
{
    const int each = config->layers + 1, last = config->levels - 1;

    if (n >= each * config->levels) return 0;
    p->level = n / each;
    p->channels = config->channels[last - p->level];
    p->begins = p->level > 0 && n % each == 0;
    p->in_c = p->begins ? config->channels[last - p->level + 1] : p->channels;
    sdrt_name(p->block, sizeof p->block, "vae.decoder.up_blocks.%d.resnets.%d", p->level, n % each);
    p->sampler[0] = 0;
    if (p->begins)
        sdrt_name(p->sampler, sizeof p->sampler, "vae.decoder.up_blocks.%d.upsamplers.0.conv",
                  p->level - 1);
    return 1;
}

/* Resnet number n of the encoder before the middle, the same. */
static int find_encoding(const struct sdrt_vae_config *config, int n, struct sdrt_band_pass *p)
{
    const int each = config->layers, last = config->levels - 1, block = n / each;

    if (n >= each * config->levels) return 0;
    p->level = last - block;
    p->channels = config->channels[block];
    const int first = block > 0 && n % each == 0;
    p->in_c = config->channels[block - first];
    sdrt_name(p->block, sizeof p->block, "vae.encoder.down_blocks.%d.resnets.%d", block, n % each);
    p->sampler[0] = 0;
    if (first)
        sdrt_name(p->sampler, sizeof p->sampler, "vae.encoder.down_blocks.%d.downsamplers.0.conv",
                  block - 1);
    return 1;
}

static int find_resnet(const struct sdrt_vae_config *config, int n, struct sdrt_band_pass *p)
{
    return (p->side == SDRT_VAE_ENCODER ? find_encoding : find_decoding)(config, n, p);
}

/* The norm behind resnet n: the next one's, or the first one behind all of them. */
static void name_after(const struct sdrt_vae_config *config, int n, struct sdrt_band_pass *p)
{
    struct sdrt_band_pass after = { .side = p->side };

    p->statistics = 0;
    if (!find_resnet(config, n + 1, &after))
        sdrt_name(p->next, sizeof p->next,
                  p->side == SDRT_VAE_ENCODER ? "vae.encoder.mid_block.resnets.0.norm1"
                                              : "vae.decoder.conv_norm_out");
    else if (!after.sampler[0]) sdrt_name(p->next, sizeof p->next, "%s.norm1", after.block);
    else p->statistics = -1; /* that is of what is sampled anew */
}

/* Pass i of two resnets and the attention between them. */
static void middle_pass(int i, struct sdrt_band_pass *p)
{
    static const enum sdrt_band_kind kinds[MIDDLE] = {
        SDRT_BAND_FIRST,   SDRT_BAND_RESNET, SDRT_BAND_KEYS,
        SDRT_BAND_QUERIES, SDRT_BAND_FIRST,  SDRT_BAND_RESNET,
    };
    static const char *const nexts[MIDDLE] = { "mid_block.resnets.0.norm2",
                                               "mid_block.attentions.0.group_norm",
                                               "",
                                               "mid_block.resnets.1.norm1",
                                               "mid_block.resnets.1.norm2",
                                               "up_blocks.0.resnets.0.norm1" };
    const char *next = nexts[i], *side = sides[p->side];

    if (p->side == SDRT_VAE_ENCODER && i == MIDDLE - 1) next = "conv_norm_out";
    p->kind = kinds[i];
    p->level = 0;
    p->statistics = p->kind == SDRT_BAND_KEYS ? -1 : p->kind == SDRT_BAND_FIRST;
    sdrt_name(p->next, sizeof p->next, "vae.%s.%s", side, next);
    if (p->kind == SDRT_BAND_KEYS || p->kind == SDRT_BAND_QUERIES)
        sdrt_name(p->block, sizeof p->block, "vae.%s.mid_block.attentions.0", side);
    else sdrt_name(p->block, sizeof p->block, "vae.%s.mid_block.resnets.%d", side, i / 4);
}

/* Which pass of resnet n is number i from its first one on; i is what is left else. */
static int resnet_pass(int *i, struct sdrt_band_pass *p)
{
    const int n = p->sampler[0] ? 3 : 2;

    if (*i >= n) {
        *i -= n;
        return 0;
    }
    const int k = *i + 3 - n;
    p->kind = k == 0   ? (p->begins ? SDRT_BAND_UP : SDRT_BAND_DOWN)
              : k == 1 ? SDRT_BAND_FIRST
                       : SDRT_BAND_RESNET;
    return 1;
}

/* Pass i of all resnets of a side but the middle's; i is what is left where there are fewer. */
static int outer_pass(const struct sdrt_vae_config *config, int *i, struct sdrt_band_pass *p)
{
    int n = 0;

    while (find_resnet(config, n, p) && !resnet_pass(i, p)) n++;
    if (!find_resnet(config, n, p)) return 0;
    if (p->kind == SDRT_BAND_RESNET) {
        name_after(config, n, p);
    } else {
        p->statistics = p->kind == SDRT_BAND_FIRST;
        sdrt_name(p->next, sizeof p->next, "%s.norm%d", p->block, 1 + p->statistics);
    }
    return 1;
}

/* What it makes, and how many rows beside it those at an edge depend on. */
static void set_ends(struct sdrt_band_pass *p)
{
    p->out_c = p->kind == SDRT_BAND_UP || p->kind == SDRT_BAND_DOWN ? p->in_c : p->channels;
    switch (p->kind) {
    case SDRT_BAND_IN:
    case SDRT_BAND_DOWN:
    case SDRT_BAND_OUT: p->halo = 1; break;
    case SDRT_BAND_UP: p->halo = 2; break;
    case SDRT_BAND_FIRST: p->halo = p->begins ? 2 : 1; break;
    case SDRT_BAND_RESNET: p->halo = p->begins ? 4 : 2; break; /* even, as what is doubled */
    case SDRT_BAND_KEYS: p->out_c = 3 * p->in_c; break;
    case SDRT_BAND_QUERIES: break;
    }
}

static void in_pass(const struct sdrt_vae_config *config, struct sdrt_band_pass *p)
{
    const int last = config->levels - 1, encodes = p->side == SDRT_VAE_ENCODER;

    p->kind = SDRT_BAND_IN;
    p->level = encodes ? last : 0;
    p->in_c = encodes ? 3 : config->latent_channels;
    p->channels = config->channels[encodes ? 0 : last];
    sdrt_name(p->next, sizeof p->next, "vae.%s.%s.resnets.0.norm1", sides[p->side],
              encodes ? "down_blocks.0" : "mid_block");
}

static void out_pass(const struct sdrt_vae_config *config, struct sdrt_band_pass *p)
{
    const int last = config->levels - 1, encodes = p->side == SDRT_VAE_ENCODER;

    p->kind = SDRT_BAND_OUT;
    p->level = encodes ? 0 : last;
    p->in_c = config->channels[encodes ? last : 0];
    p->channels = encodes ? 2 * config->latent_channels : 3;
    p->begins = 0;
    p->statistics = -1;
}

int sdrt_vae_band_pass(const struct sdrt_vae_config *config, enum sdrt_vae_side side, int i,
                       struct sdrt_band_pass *out)
{
    const int widest = config->channels[config->levels - 1];
    struct sdrt_band_pass p = { .side = side };
    int status = 1;

    if (i-- == 0) {
        in_pass(config, &p);
    } else if (side == SDRT_VAE_DECODER && i < MIDDLE) {
        p.in_c = p.channels = widest;
        middle_pass(i, &p);
    } else {
        if (side == SDRT_VAE_DECODER) i -= MIDDLE;
        if (!outer_pass(config, &i, &p)) {
            const int middle = side == SDRT_VAE_ENCODER ? MIDDLE : 0;
            p = (struct sdrt_band_pass){ .side = side, .in_c = widest, .channels = widest };
            if (i < middle) middle_pass(i, &p);
            else out_pass(config, &p);
            status = i <= middle;
        }
    }
    set_ends(&p);
    *out = p;
    return status;
}

/* ---- the graphs ---- */

/* With the norm that vector which holds before it. */
static sdrt_tensor norm_conv(struct sdrt_graph *g, sdrt_tensor x, int which, const char *name,
                             int out_c, sdrt_tensor residual, sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    int dims[4];

    sdrt_graph_dims(g, x, dims);
    spec.name = name;
    spec.msb = sdrt_graph_external(g, which ? "norm1" : "norm0", SDRT_F32, 1, 1, 3, dims[3]);
    spec.silu = 1;
    spec.out_c = out_c;
    spec.kernel = 3;
    spec.pad = 1;
    spec.residual = residual;
    spec.into = into;
    return sdrt_graph_conv(g, x, &spec);
}

static void build_resnet(struct sdrt_graph *g, const struct sdrt_band_pass *p, sdrt_tensor x,
                         sdrt_tensor out)
{
    const int whole = p->kind == SDRT_BAND_RESNET;
    char name[NAME];
    int dims[4];

    sdrt_name(name, NAME, "%s.conv1", p->block);
    const sdrt_tensor h = norm_conv(g, x, 0, name, p->channels, SDRT_NO_TENSOR,
                                    whole ? SDRT_NO_TENSOR : out);
    if (!whole) return;
    sdrt_tensor residual = x;
    sdrt_graph_dims(g, x, dims);
    if (dims[3] != p->channels) {
        sdrt_name(name, NAME, "%s.conv_shortcut", p->block);
        residual = sdrt_plain_conv(g, x, name, p->channels, 1, SDRT_NO_TENSOR, SDRT_NO_TENSOR);
    }
    sdrt_name(name, NAME, "%s.conv2", p->block);
    norm_conv(g, h, 1, name, p->channels, residual, out);
}

/* Queries, keys and values, side by side as the whole decoder packs them: a store has each matrix once. */
static sdrt_tensor projection(struct sdrt_graph *g, const struct sdrt_band_pass *p, sdrt_tensor x,
                              sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    char q[NAME], k[NAME], v[NAME], name[NAME];

    sdrt_name(q, NAME, "%s.to_q", p->block);
    sdrt_name(k, NAME, "%s.to_k", p->block);
    sdrt_name(v, NAME, "%s.to_v", p->block);
    sdrt_name(name, NAME, "%s.to_qkv", p->block);
    spec.name = name;
    spec.weights[0] = q;
    spec.weights[1] = k;
    spec.weights[2] = v;
    spec.msb = sdrt_graph_external(g, "norm0", SDRT_F32, 1, 1, 3, p->in_c);
    spec.out_c = 3 * p->in_c;
    spec.kernel = 1;
    spec.into = into;
    return sdrt_graph_conv(g, x, &spec);
}

static void build_queries(struct sdrt_graph *g, const struct sdrt_band_pass *p, sdrt_tensor x,
                          int pixels, sdrt_tensor out)
{
    const int c = p->in_c;
    const sdrt_tensor keys = sdrt_graph_external(g, "keys", SDRT_F32, 1, 1, pixels, 2 * c);
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];

    const sdrt_tensor q = sdrt_graph_slice(g, projection(g, p, x, SDRT_NO_TENSOR), 0, c);
    sdrt_name(name, NAME, "%s.attention", p->block);
    const sdrt_tensor o = sdrt_graph_attention(g, name, q, sdrt_graph_slice(g, keys, 0, c),
                                               sdrt_graph_slice(g, keys, c, c), 1, 0);
    sdrt_name(name, NAME, "%s.to_out.0", p->block);
    spec.name = name;
    spec.n = c;
    spec.residual = x;
    spec.into = out;
    sdrt_graph_gemm(g, o, &spec);
}

static void build_in(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                     const struct sdrt_band_pass *p, sdrt_tensor x, sdrt_tensor out)
{
    char name[NAME];

    if (config->quant_convs && p->side == SDRT_VAE_DECODER)
        x = sdrt_plain_conv(g, x, "vae.post_quant_conv", p->in_c, 1, SDRT_NO_TENSOR,
                            SDRT_NO_TENSOR);
    sdrt_name(name, NAME, "vae.%s.conv_in", sides[p->side]);
    sdrt_plain_conv(g, x, name, p->out_c, 3, SDRT_NO_TENSOR, out);
}

static void build_out(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                      const struct sdrt_band_pass *p, sdrt_tensor x, sdrt_tensor out)
{
    const int more = config->quant_convs && p->side == SDRT_VAE_ENCODER;
    char name[NAME];

    sdrt_name(name, NAME, "vae.%s.conv_out", sides[p->side]);
    x = norm_conv(g, x, 0, name, p->out_c, SDRT_NO_TENSOR, more ? SDRT_NO_TENSOR : out);
    if (more) sdrt_plain_conv(g, x, "vae.quant_conv", p->out_c, 1, SDRT_NO_TENSOR, out);
}

/* Doubled and made smooth, or halved, padded below and right only. */
static sdrt_tensor resample(struct sdrt_graph *g, const struct sdrt_band_pass *p, sdrt_tensor x,
                            sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    int dims[4];

    sdrt_graph_dims(g, x, dims);
    spec.name = p->sampler;
    spec.out_c = p->in_c;
    spec.kernel = 3;
    spec.into = into;
    if (p->begins) {
        spec.pad = 1;
        spec.upsample = 2;
    } else {
        spec.stride = 2;
        spec.out_h = dims[1] / 2;
        spec.out_w = dims[2] / 2;
    }
    return sdrt_graph_conv(g, x, &spec);
}

void sdrt_vae_band_build(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                         const struct sdrt_band_pass *p, int h, int w, int pixels)
{
    const int times = 1 + p->begins, halves = 1 + (p->kind == SDRT_BAND_DOWN);
    const sdrt_tensor in = sdrt_graph_external(g, "band_in", SDRT_F32, 1, h, w, p->in_c);
    const sdrt_tensor out = sdrt_graph_external(g, "band_out", SDRT_F32, 1, h * times / halves,
                                                w * times / halves, p->out_c);
    const sdrt_tensor x = p->begins && p->kind != SDRT_BAND_UP ? resample(g, p, in, SDRT_NO_TENSOR)
                                                               : in;

    switch (p->kind) {
    case SDRT_BAND_IN: build_in(g, config, p, x, out); break;
    case SDRT_BAND_UP:
    case SDRT_BAND_DOWN: resample(g, p, x, out); break;
    case SDRT_BAND_FIRST:
    case SDRT_BAND_RESNET: build_resnet(g, p, x, out); break;
    case SDRT_BAND_KEYS: projection(g, p, x, out); break;
    case SDRT_BAND_QUERIES: build_queries(g, p, x, pixels, out); break;
    case SDRT_BAND_OUT: build_out(g, config, p, x, out); break;
    }
}
