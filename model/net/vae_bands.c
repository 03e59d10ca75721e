/* SPDX-License-Identifier: MIT */
#include "model/net/vae_bands.h"
#include "model/net/linear.h"
#include "model/net/name.h"
#include "runtime/graph/graph.h"

#include <string.h>

enum { NAME = SDRT_BAND_NAME + 32, MIDDLE = 6 /* passes: of two resnets and the attention */ };

/* ---- the order ---- */

/* Resnet number n behind the middle: its level, its number there, and its block's name. */
static int find_resnet(const struct sdrt_vae_config *config, int n, struct sdrt_band_pass *p)
{
    const int each = config->layers + 1, last = config->levels - 1;

    if (n >= each * config->levels) return 0;
    p->level = n / each;
    p->channels = config->channels[last - p->level];
    sdrt_name(p->block, sizeof p->block, "vae.decoder.up_blocks.%d.resnets.%d", p->level, n % each);
    p->begins = p->level > 0 && n % each == 0;
    if (p->begins)
        sdrt_name(p->up, sizeof p->up, "vae.decoder.up_blocks.%d.upsamplers.0.conv", p->level - 1);
    return 1;
}

/* The norm behind resnet n: the next one's, or the last of all. */
static void name_after(const struct sdrt_vae_config *config, int n, struct sdrt_band_pass *p)
{
    struct sdrt_band_pass after = { .level = 0 };

    p->statistics = 0;
    if (!find_resnet(config, n + 1, &after))
        sdrt_name(p->next, sizeof p->next, "vae.decoder.conv_norm_out");
    else if (!after.begins) sdrt_name(p->next, sizeof p->next, "%s.norm1", after.block);
    else p->statistics = -1; /* that is of what is upsampled */
}

static void middle_pass(int i, struct sdrt_band_pass *p)
{
    static const enum sdrt_band_kind kinds[MIDDLE] = {
        SDRT_BAND_FIRST,   SDRT_BAND_RESNET, SDRT_BAND_KEYS,
        SDRT_BAND_QUERIES, SDRT_BAND_FIRST,  SDRT_BAND_RESNET,
    };
    static const char *const nexts[MIDDLE] = {
        "vae.decoder.mid_block.resnets.0.norm2",
        "vae.decoder.mid_block.attentions.0.group_norm",
        "",
        "vae.decoder.mid_block.resnets.1.norm1",
        "vae.decoder.mid_block.resnets.1.norm2",
        "vae.decoder.up_blocks.0.resnets.0.norm1",
    };

    p->kind = kinds[i];
    p->statistics = i == 2 ? -1 : p->kind == SDRT_BAND_FIRST;
    sdrt_name(p->next, sizeof p->next, "%s", nexts[i]);
    if (i == 2 || i == 3)
        sdrt_name(p->block, sizeof p->block, "vae.decoder.mid_block.attentions.0");
    else sdrt_name(p->block, sizeof p->block, "vae.decoder.mid_block.resnets.%d", i / 4);
}

/* Which pass of resnet n is number i from its first one on; i is what is left else. */
static int resnet_pass(int *i, struct sdrt_band_pass *p)
{
    const int n = p->begins ? 3 : 2;

    if (*i >= n) {
        *i -= n;
        return 0;
    }
    const int k = *i + 3 - n;
    p->kind = k == 0 ? SDRT_BAND_UP : k == 1 ? SDRT_BAND_FIRST : SDRT_BAND_RESNET;
    return 1;
}

static void set_ends(const struct sdrt_vae_config *config, struct sdrt_band_pass *p)
{
    const int last = config->levels - 1;
    const int before = config->channels[p->level ? last - p->level + 1 : last];

    p->in_c = p->begins ? before : p->channels;
    p->out_c = p->channels;
    switch (p->kind) {
    case SDRT_BAND_IN:
        p->in_c = config->latent_channels;
        p->halo = 1;
        break;
    case SDRT_BAND_UP:
        p->out_c = p->in_c;
        p->halo = 2;
        break;
    case SDRT_BAND_FIRST: p->halo = p->begins ? 2 : 1; break;
    case SDRT_BAND_RESNET: p->halo = p->begins ? 4 : 2; break; /* even, as what is doubled */
    case SDRT_BAND_KEYS: p->out_c = 3 * p->in_c; break;
    case SDRT_BAND_QUERIES: break;
    case SDRT_BAND_OUT:
        p->out_c = 3;
        p->halo = 1;
        break;
    }
}

int sdrt_vae_band_pass(const struct sdrt_vae_config *config, int i, struct sdrt_band_pass *out)
{
    const int last = config->levels - 1;
    struct sdrt_band_pass p = { .kind = SDRT_BAND_IN, .channels = config->channels[last] };
    int n = 0;

    if (i == 0) {
        sdrt_name(p.next, sizeof p.next, "vae.decoder.mid_block.resnets.0.norm1");
    } else if (i <= MIDDLE) {
        middle_pass(i - 1, &p);
    } else {
        for (i -= MIDDLE + 1; find_resnet(config, n, &p) && !resnet_pass(&i, &p);) n++;
        if (!find_resnet(config, n, &p)) {
            if (i) return 0;
            p = (struct sdrt_band_pass){ .kind = SDRT_BAND_OUT,
                                         .level = last,
                                         .statistics = -1,
                                         .channels = config->channels[0] };
        } else if (p.kind == SDRT_BAND_RESNET) {
            name_after(config, n, &p);
        } else {
            p.statistics = p.kind == SDRT_BAND_FIRST;
            sdrt_name(p.next, sizeof p.next, "%s.norm%d", p.block, 1 + p.statistics);
        }
    }
    set_ends(config, &p);
    *out = p;
    return 1;
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

void sdrt_vae_band_build(struct sdrt_graph *g, const struct sdrt_vae_config *config,
                         const struct sdrt_band_pass *p, int h, int w, int pixels)
{
    const int times = 1 + p->begins;
    sdrt_tensor x = sdrt_graph_external(g, "band_in", SDRT_F32, 1, h, w, p->in_c);
    const sdrt_tensor out = sdrt_graph_external(g, "band_out", SDRT_F32, 1, h * times, w * times,
                                                p->out_c);

    if (p->begins) {
        struct sdrt_conv_spec spec = sdrt_conv_defaults;
        spec.name = p->up;
        spec.out_c = p->in_c;
        spec.kernel = 3;
        spec.pad = 1;
        spec.upsample = 2;
        if (p->kind == SDRT_BAND_UP) spec.into = out;
        x = sdrt_graph_conv(g, x, &spec);
    }
    switch (p->kind) {
    case SDRT_BAND_IN:
        if (config->quant_convs)
            x = sdrt_plain_conv(g, x, "vae.post_quant_conv", p->in_c, 1, SDRT_NO_TENSOR,
                                SDRT_NO_TENSOR);
        sdrt_plain_conv(g, x, "vae.decoder.conv_in", p->out_c, 3, SDRT_NO_TENSOR, out);
        break;
    case SDRT_BAND_UP: break;
    case SDRT_BAND_FIRST:
    case SDRT_BAND_RESNET: build_resnet(g, p, x, out); break;
    case SDRT_BAND_KEYS: projection(g, p, x, out); break;
    case SDRT_BAND_QUERIES: build_queries(g, p, x, pixels, out); break;
    case SDRT_BAND_OUT: norm_conv(g, x, 0, "vae.decoder.conv_out", 3, SDRT_NO_TENSOR, out); break;
    }
}
