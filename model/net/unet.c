/* SPDX-License-Identifier: MIT */
#include "model/net/freeu.h"
#include "model/net/ip_adapter.h"
#include "model/net/name.h"
#include "model/net/unet.h"
#include "model/net/unet_gate.h"
#include "model/net/unet_once.h"
#include "model/net/unet_parts.h"

enum { NAME = 160, MAX_SKIPS = SDRT_UNET_FEATURES - 1 };

static const float RESNET_EPS = 1e-5f, TRANSFORMER_GN_EPS = 1e-6f, LAYER_NORM_EPS = 1e-5f;

static int check(const struct sdrt_model_config *config, const struct sdrt_log *log)
{
    struct sdrt_unet_parts parts;

    if (sdrt_unet_list_parts(&config->unet, &parts)) return SDRT_OK;
    return sdrt_fail(log, SDRT_E_UNSUPPORTED, "the U-Net has too many blocks");
}

/* ---- the step ---- */

struct builder {
    struct sdrt_graph *g;
    const struct sdrt_unet_config *config;
    const struct sdrt_unet_parts *parts;
    sdrt_tensor time;
    int batch, tokens;
    int ips; /* IP-Adapters, of so many tokens each */
    const int *ip_tokens;
    int next_resnet, next_cross, time_at;
    int adapted;    /* how many features T2I-Adapters leave */
    int controlled; /* 1: ControlNets leave something for the skips and the middle */
    sdrt_tensor skips[MAX_SKIPS];
    int n_skips;
    const unsigned *perturbed; /* see struct sdrt_denoiser_shape; and the next */
    const float *freeu;
    sdrt_tensor
        kept;  /* what enters the last layers, here and in a shortened step; SDRT_NO_TENSOR */
    int again; /* how many they are */
    enum sdrt_gate gate;
    sdrt_tensor
        into; /* what the next layer or resampling writes; SDRT_NO_TENSOR: the planner's choice */
};

static sdrt_tensor resnet(struct builder *b, sdrt_tensor x, sdrt_tensor skip, const char *block,
                          int j, int channels, sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    char name[4][NAME];
    int dims[4], dims2[4];

    sdrt_name(name[0], NAME, "%s.resnets.%d.norm1", block, j);
    sdrt_name(name[1], NAME, "%s.resnets.%d.conv1", block, j);
    spec.name = name[1];
    spec.norm = name[0];
    spec.groups = b->config->norm_groups;
    spec.eps = RESNET_EPS;
    spec.silu = 1;
    spec.out_c = channels;
    spec.kernel = 3;
    spec.pad = 1;
    spec.skip = skip;
    spec.chan = sdrt_graph_slice(b->g, b->time, b->time_at, channels);
    b->time_at += b->parts->resnets[b->next_resnet++].channels;
    const sdrt_tensor h = sdrt_graph_conv(b->g, x, &spec);

    sdrt_graph_dims(b->g, x, dims);
    sdrt_graph_dims(b->g, skip, dims2);
    sdrt_tensor residual = x;
    if (skip >= 0 || dims[3] + dims2[3] != channels) {
        struct sdrt_conv_spec shortcut = sdrt_conv_defaults;
        sdrt_name(name[2], NAME, "%s.resnets.%d.conv_shortcut", block, j);
        shortcut.name = name[2];
        shortcut.out_c = channels;
        shortcut.kernel = 1;
        shortcut.skip = skip;
        residual = sdrt_graph_conv(b->g, x, &shortcut);
    }
    sdrt_name(name[0], NAME, "%s.resnets.%d.norm2", block, j);
    sdrt_name(name[3], NAME, "%s.resnets.%d.conv2", block, j);
    spec.name = name[3];
    spec.skip = spec.chan = SDRT_NO_TENSOR;
    spec.residual = residual;
    spec.into = into;
    return sdrt_graph_conv(b->g, h, &spec);
}

static sdrt_tensor project_into(struct builder *b, sdrt_tensor x, const char *prefix,
                                const char *leaf, struct sdrt_gemm_spec spec)
{
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.%s", prefix, leaf);
    spec.name = name;
    return sdrt_graph_gemm(b->g, x, &spec);
}

static sdrt_tensor project(struct builder *b, sdrt_tensor x, const char *prefix, const char *leaf,
                           int n, int bias, sdrt_tensor residual)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;

    spec.n = n;
    spec.no_bias = !bias;
    spec.residual = residual;
    return project_into(b, x, prefix, leaf, spec);
}

static sdrt_tensor norm_of(struct builder *b, sdrt_tensor x, const char *prefix, const char *leaf)
{
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.%s", prefix, leaf);
    return sdrt_graph_layer_norm(b->g, x, name, LAYER_NORM_EPS, SDRT_NO_TENSOR);
}

static sdrt_tensor self_attention(struct builder *b, sdrt_tensor x, const char *prefix, int c)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char q[NAME], k[NAME], v[NAME], name[NAME];

    sdrt_name(q, sizeof q, "%s.attn1.to_q", prefix);
    sdrt_name(k, sizeof k, "%s.attn1.to_k", prefix);
    sdrt_name(v, sizeof v, "%s.attn1.to_v", prefix);
    sdrt_name(name, sizeof name, "%s.attn1.to_qkv", prefix);
    spec.name = name;
    spec.weights = (const char *const[]){ q, k, v };
    spec.n_weights = 3;
    spec.n = 3 * c;
    spec.no_bias = 1;
    const sdrt_tensor qkv = sdrt_graph_gemm(b->g, norm_of(b, x, prefix, "norm1"), &spec);
    sdrt_name(name, sizeof name, "%s.attn1.attention", prefix);
    const sdrt_tensor values = sdrt_graph_slice(b->g, qkv, 2 * c, c);
    sdrt_tensor o = values;
    if (!(b->perturbed[b->next_cross / 32] >> b->next_cross % 32 & 1))
        o = sdrt_graph_attention(b->g, name, sdrt_graph_slice(b->g, qkv, 0, c),
                                 sdrt_graph_slice(b->g, qkv, c, c), values,
                                 sdrt_unet_heads(b->config, c), 0);
    return project(b, o, prefix, "attn1.to_out.0", c, 1, x);
}

/* One attention of q to keys and values that lie side by side. */
static sdrt_tensor attend(struct builder *b, const char *prefix, const char *leaf, sdrt_tensor q,
                          sdrt_tensor kv, int c)
{
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.%s", prefix, leaf);
    return sdrt_graph_attention(b->g, name, q, sdrt_graph_slice(b->g, kv, 0, c),
                                sdrt_graph_slice(b->g, kv, c, c), sdrt_unet_heads(b->config, c), 0);
}

/* To the prompt, and with the same queries to the pictures of IP-Adapters, added up. */
static sdrt_tensor cross_attention(struct builder *b, sdrt_tensor x, const char *prefix, int c)
{
    const int i = b->next_cross++;
    const struct sdrt_unet_part *cross = &b->parts->cross[i];

    if (b->gate == SDRT_GATE_TAKE) return sdrt_gate_take(b->g, cross, x);
    const sdrt_tensor kv = sdrt_unet_cross_tensor(b->g, b->config, cross, b->batch, b->tokens);
    const sdrt_tensor q = project(b, norm_of(b, x, prefix, "norm2"), prefix, "attn2.to_q", c, 0,
                                  SDRT_NO_TENSOR);
    sdrt_tensor o = attend(b, prefix, "attn2.attention", q, kv, c);

    for (int k = 0; k < b->ips; k++) {
        const sdrt_tensor ip = sdrt_ip_cross_tensor(b->g, b->config, cross, k, i, b->batch,
                                                    b->ip_tokens[k]);
        o = sdrt_graph_blend(b->g, "/ip", 1.0f, o, 1.0f,
                             attend(b, prefix, "attn2.ip_attention", q, ip, c), o);
    }
    if (b->gate == SDRT_GATE_KEEP)
        return sdrt_gate_keep(b->g, cross, x,
                              project(b, o, prefix, "attn2.to_out.0", c, 1, SDRT_NO_TENSOR));
    return project(b, o, prefix, "attn2.to_out.0", c, 1, x);
}

static sdrt_tensor feed_forward(struct builder *b, sdrt_tensor x, const char *prefix, int c)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.ff.net.0.proj", prefix);
    spec.name = name;
    spec.n = 4 * c;
    spec.gated = 1;
    spec.act = SDRT_ACT_GELU;
    const sdrt_tensor inner = sdrt_graph_gemm(b->g, norm_of(b, x, prefix, "norm3"), &spec);
    return project(b, inner, prefix, "ff.net.2", c, 1, x);
}

static sdrt_tensor transformer(struct builder *b, sdrt_tensor x, const char *block, int j,
                               int depth, int c)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    struct sdrt_gemm_spec last = sdrt_gemm_defaults;
    char base[NAME - 40], norm[NAME], name[NAME];

    if (depth == 0) return x;
    sdrt_name(base, sizeof base, "%s.attentions.%d", block, j);
    sdrt_name(norm, sizeof norm, "%s.norm", base);
    sdrt_name(name, sizeof name, "%s.proj_in", base);
    spec.name = name;
    spec.norm = norm;
    spec.groups = b->config->norm_groups;
    spec.eps = TRANSFORMER_GN_EPS;
    spec.out_c = c;
    spec.kernel = 1;
    sdrt_tensor h = sdrt_graph_conv(b->g, x, &spec);
    for (int d = 0; d < depth; d++) {
        char prefix[NAME - 24];
        sdrt_name(prefix, sizeof prefix, "%s.transformer_blocks.%d", base, d);
        h = self_attention(b, h, prefix, c);
        h = cross_attention(b, h, prefix, c);
        h = feed_forward(b, h, prefix, c);
    }
    last.n = c;
    last.residual = x;
    last.into = b->into;
    return project_into(b, h, base, "proj_out", last);
}

/* A resnet and its transformer, if it has one. */
static sdrt_tensor layer(struct builder *b, sdrt_tensor x, sdrt_tensor skip, const char *block,
                         int j, int depth, int channels)
{
    x = resnet(b, x, skip, block, j, channels, depth ? SDRT_NO_TENSOR : b->into);
    x = transformer(b, x, block, j, depth, channels);
    b->into = SDRT_NO_TENSOR;
    return x;
}

static void push_skip(struct builder *b, sdrt_tensor x) { b->skips[b->n_skips++] = x; }

/* A conv between levels: stride 2 down, or nearest upsampling to h x w and a conv. */
static sdrt_tensor resample(struct builder *b, sdrt_tensor x, const char *block, const char *leaf,
                            int c, int stride, int h, int w)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.%s", block, leaf);
    spec.name = name;
    spec.out_c = c;
    spec.kernel = 3;
    spec.pad = 1;
    spec.stride = stride;
    spec.upsample = stride == 1 ? 2 : 1;
    spec.out_h = h;
    spec.out_w = w;
    spec.into = b->into;
    b->into = SDRT_NO_TENSOR;
    return sdrt_graph_conv(b->g, x, &spec);
}

/* x with what others leave for it under a name. */
static sdrt_tensor with_more(struct builder *b, sdrt_tensor x, const char *format, int i)
{
    char name[NAME];
    int dims[4];

    sdrt_graph_dims(b->g, x, dims);
    sdrt_name(name, sizeof name, format, i);
    const sdrt_tensor more = sdrt_graph_external(b->g, name, SDRT_F32, dims[0], dims[1], dims[2],
                                                 dims[3]);
    return sdrt_graph_blend(b->g, name, 1.0f, x, 1.0f, more, x);
}

/* x with feature i of T2I-Adapters. */
static sdrt_tensor adapted(struct builder *b, sdrt_tensor x, int i)
{
    return i < b->adapted ? with_more(b, x, "/adapter.%d", i) : x;
}

/* A level with transformers takes its feature of T2I-Adapters before its downsampler, as the last one does,
 * the others after that. */
static sdrt_tensor down(struct builder *b, sdrt_tensor x)
{
    const struct sdrt_unet_config *c = b->config;
    char block[64];

    for (int i = 0; i < c->levels; i++) {
        const int last = i == c->levels - 1, late = !last && !c->down_depth[i][c->layers - 1];
        sdrt_name(block, sizeof block, "unet.down_blocks.%d", i);
        for (int j = 0; j < c->layers; j++) {
            x = layer(b, x, SDRT_NO_TENSOR, block, j, c->down_depth[i][j], c->channels[i]);
            if (j == c->layers - 1 && !late) x = adapted(b, x, i);
            push_skip(b, x);
        }
        if (last) break;
        x = resample(b, x, block, "downsamplers.0.conv", c->channels[i], 2, 0, 0);
        if (late) x = adapted(b, x, i);
        push_skip(b, x);
    }
    return x;
}

static sdrt_tensor middle(struct builder *b, sdrt_tensor x)
{
    const struct sdrt_unet_config *c = b->config;
    const int channels = c->channels[c->levels - 1];

    for (int j = 0; j < c->mid_resnets; j++) {
        const int depth = j == 0 ? c->mid_depth : 0;
        x = layer(b, x, SDRT_NO_TENSOR, "unet.mid_block", j, depth, channels);
    }
    return x;
}

/* x with what ControlNets leave for it; i counts the skips, the middle last. */
static sdrt_tensor controlled(struct builder *b, sdrt_tensor x, int i)
{
    return b->controlled ? with_more(b, x, "/control.%d", i) : x;
}

static sdrt_tensor pop_skip(struct builder *b)
{
    const int i = --b->n_skips;

    return controlled(b, b->skips[i], i);
}

/* The layer of the last up block from which on a shortened step computes anew. */
static int kept_at(const struct builder *b) { return b->config->layers + 1 - b->again; }

static sdrt_tensor up(struct builder *b, sdrt_tensor x)
{
    const struct sdrt_unet_config *c = b->config;
    char block[64];
    int dims[4];

    for (int i = 0; i < c->levels; i++) {
        const int level = c->levels - 1 - i, channels = c->channels[level];
        sdrt_name(block, sizeof block, "unet.up_blocks.%d", i);
        for (int j = 0; j < c->layers + 1; j++) {
            if (level == 0 && j == kept_at(b) - 1) b->into = b->kept;
            const sdrt_tensor skip = pop_skip(b);
            sdrt_freeu_weigh(b->g, b->freeu, i, x, skip);
            x = layer(b, x, skip, block, j, c->up_depth[level][j], channels);
        }
        if (level == 0) break;
        if (level == 1 && kept_at(b) == 0) b->into = b->kept;
        sdrt_graph_dims(b->g, b->skips[b->n_skips - 1], dims);
        x = resample(b, x, block, "upsamplers.0.conv", channels, 1, dims[1], dims[2]);
    }
    return x;
}

static struct builder builder_of(struct sdrt_graph *g, const struct sdrt_unet_parts *parts,
                                 const struct sdrt_unet_config *config,
                                 const struct sdrt_denoiser_shape *shape)
{
    return (struct builder){
        .g = g,
        .config = config,
        .parts = parts,
        .batch = shape->batch,
        .tokens = shape->tokens,
        .ips = shape->ips,
        .ip_tokens = shape->ip_tokens,
        .controlled = shape->controlled,
        .adapted = shape->adapted,
        .again = shape->again,
        .gate = shape->gate,
        .perturbed = shape->perturbed,
        .freeu = shape->freeu,
        .into = SDRT_NO_TENSOR,
        .time = sdrt_graph_external(g, "time", SDRT_F32, sdrt_unet_time_rows(config, shape->batch),
                                    1, 1, parts->time_channels),
    };
}

/* From the latent to the first features, to which hint is added, and all to each pixel. */
static sdrt_tensor begin(struct builder *b, sdrt_tensor in, sdrt_tensor hint, sdrt_tensor all)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;

    spec.name = "unet.conv_in";
    spec.out_c = b->config->channels[0];
    spec.kernel = 3;
    spec.pad = 1;
    spec.residual = hint;
    spec.chan = all;
    const sdrt_tensor x = sdrt_graph_conv(b->g, in, &spec);
    push_skip(b, x);
    return x;
}

int sdrt_unet_build_way_down(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                             const struct sdrt_denoiser_shape *shape, sdrt_tensor in,
                             sdrt_tensor hint, sdrt_tensor all, sdrt_tensor out[SDRT_UNET_FEATURES])
{
    struct sdrt_unet_parts parts;

    sdrt_unet_list_parts(config, &parts);
    struct builder b = builder_of(g, &parts, config, shape);
    const sdrt_tensor x = middle(&b, down(&b, begin(&b, in, hint, all)));
    for (int i = 0; i < b.n_skips; i++) out[i] = b.skips[i];
    out[b.n_skips] = x;
    return b.n_skips + 1;
}

/* ---- a shortened step ----
 * DeepCache, Ma et al. 2024 (arXiv:2312.00858): what enters the last layers of the last up block changes
 * little from one timestep to the next, so it is taken from an earlier one, and of the way down only the
 * layers whose skips those read are computed. */

/* Channels of the tensor that enters the last layers: those of the level, or of the one below where all
 * layers are computed anew and it comes from between both. */
static int kept_channels(const struct sdrt_unet_config *c, int again)
{
    return again > c->layers && c->levels > 1 ? c->channels[1] : c->channels[0];
}

static sdrt_tensor kept_tensor(const struct builder *b, const struct sdrt_denoiser_shape *s)
{
    if (!s->again) return SDRT_NO_TENSOR;
    return sdrt_graph_external(b->g, "kept", SDRT_F32, s->batch, s->h, s->w,
                               kept_channels(b->config, s->again));
}

/* Goes past all layers but the last ones, which have this depth of transformers. */
static void pass_over(struct builder *b)
{
    const struct sdrt_unet_config *c = b->config;
    int depth = 0;

    for (int j = kept_at(b); j < c->layers + 1; j++) depth += c->up_depth[0][j];
    b->next_cross = b->parts->n_cross - depth;
    while (b->next_resnet < b->parts->n_resnets - b->again)
        b->time_at += b->parts->resnets[b->next_resnet++].channels;
}

static sdrt_tensor shortened(struct builder *b, sdrt_tensor x)
{
    const struct sdrt_unet_config *c = b->config;
    char block[64];

    for (int j = 0; j + 1 < b->again; j++) {
        x = layer(b, x, SDRT_NO_TENSOR, "unet.down_blocks.0", j, c->down_depth[0][j],
                  c->channels[0]);
        push_skip(b, x);
    }
    pass_over(b);
    x = b->kept;
    sdrt_name(block, sizeof block, "unet.up_blocks.%d", c->levels - 1);
    for (int j = kept_at(b); j < c->layers + 1; j++)
        x = layer(b, x, b->skips[--b->n_skips], block, j, c->up_depth[0][j], c->channels[0]);
    return x;
}

static void build_step(struct sdrt_graph *g, const struct sdrt_model_config *model,
                       const struct sdrt_denoiser_shape *shape)
{
    const struct sdrt_unet_config *config = &model->unet;
    const int batch = shape->batch, h = shape->h, w = shape->w;
    struct sdrt_unet_parts parts;
    struct sdrt_conv_spec spec = sdrt_conv_defaults;

    sdrt_unet_list_parts(config, &parts);
    const sdrt_tensor in = sdrt_graph_external(g, "model_in", SDRT_F32, batch, h, w,
                                               config->in_channels);
    struct builder b = builder_of(g, &parts, config, shape);
    const sdrt_tensor out = sdrt_graph_external(g, "model_out", SDRT_F32, batch, h, w,
                                                config->out_channels);

    b.kept = kept_tensor(&b, shape);
    sdrt_tensor x = begin(&b, in, SDRT_NO_TENSOR, SDRT_NO_TENSOR);
    if (shape->shortened) {
        x = shortened(&b, x);
    } else {
        x = adapted(&b, middle(&b, down(&b, x)), config->levels);
        x = up(&b, controlled(&b, x, b.n_skips));
    }

    spec.name = "unet.conv_out";
    spec.norm = "unet.conv_norm_out";
    spec.groups = config->norm_groups;
    spec.eps = RESNET_EPS;
    spec.silu = 1;
    spec.out_c = config->out_channels;
    spec.kernel = 3;
    spec.pad = 1;
    spec.into = out;
    sdrt_graph_conv(g, x, &spec);
}

const struct sdrt_denoiser sdrt_unet_denoiser = {
    .name = "unet",
    .check = check,
    .build_schedule = sdrt_unet_build_schedule,
    .build_prompt = sdrt_unet_build_prompt,
    .build_step = build_step,
};
