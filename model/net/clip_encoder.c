/* SPDX-License-Identifier: MIT */
#include "model/net/name.h"
#include "model/net/clip_encoder.h"
#include "runtime/graph/graph.h"

enum { NAME = 128 };

static const float EPS = 1e-5f;

static sdrt_tensor linear(struct sdrt_graph *g, sdrt_tensor x, const char *layer, const char *name,
                          int n, enum sdrt_act act, sdrt_tensor residual)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char full[NAME];

    sdrt_name(full, sizeof full, "%s.%s", layer, name);
    spec.name = full;
    spec.n = n;
    spec.act = act;
    spec.residual = residual;
    return sdrt_graph_gemm(g, x, &spec);
}

static sdrt_tensor self_attention(struct sdrt_graph *g, sdrt_tensor x, const char *layer,
                                  const struct sdrt_clip_config *config,
                                  struct sdrt_clip_sight sight, sdrt_tensor residual)
{
    static const char *const parts[3] = { "q_proj", "k_proj", "v_proj" };
    const int c = config->hidden;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char full[3][NAME], name[NAME];
    const char *weights[3];

    for (int i = 0; i < 3; i++) {
        sdrt_name(full[i], NAME, "%s.self_attn.%s", layer, parts[i]);
        weights[i] = full[i];
    }
    sdrt_name(name, sizeof name, "%s.self_attn.qkv", layer);
    spec.name = name;
    spec.weights = weights;
    spec.n_weights = 3;
    spec.n = 3 * c;
    const sdrt_tensor qkv = sdrt_graph_gemm(g, x, &spec);
    sdrt_name(name, sizeof name, "%s.self_attn.attention", layer);
    const sdrt_tensor q = sdrt_graph_slice(g, qkv, 0, c), k = sdrt_graph_slice(g, qkv, c, c),
                      v = sdrt_graph_slice(g, qkv, 2 * c, c);
    const sdrt_tensor o = sight.mask < 0
                              ? sdrt_graph_attention(g, name, q, k, v, config->heads, sight.causal)
                              : sdrt_graph_masked_attention(g, name, q, k, v, config->heads,
                                                            sight.mask);
    return linear(g, o, layer, "self_attn.out_proj", c, SDRT_ACT_NONE, residual);
}

static sdrt_tensor embed(struct sdrt_graph *g, const struct sdrt_clip_config *clip,
                         const char *prefix, int batch, int tokens)
{
    char table[NAME], positions[NAME], name[NAME];

    sdrt_name(name, sizeof name, "%s.ids", prefix);
    const sdrt_tensor ids = sdrt_graph_external(g, name, SDRT_I32, batch, 1, tokens, 1);
    sdrt_name(table, sizeof table, "%s.text_model.embeddings.token_embedding", prefix);
    sdrt_name(positions, sizeof positions, "%s.text_model.embeddings.position_embedding", prefix);
    sdrt_name(name, sizeof name, "%s.text_model.embeddings", prefix);
    return sdrt_graph_embed(g, name, ids, table, clip->vocab, positions, clip->positions,
                            clip->hidden);
}

static sdrt_tensor given(struct sdrt_graph *g, const struct sdrt_clip_config *clip,
                         const char *prefix, int batch, int tokens)
{
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.embedded", prefix);
    return sdrt_graph_external(g, name, SDRT_F32, batch, 1, tokens, clip->hidden);
}

sdrt_tensor sdrt_clip_layer(struct sdrt_graph *g, const struct sdrt_clip_config *clip,
                            const char *layer, struct sdrt_clip_sight sight, sdrt_tensor x,
                            sdrt_tensor into)
{
    const enum sdrt_act act = clip->act == SDRT_CLIP_GELU ? SDRT_ACT_GELU : SDRT_ACT_GELU_QUICK;
    struct sdrt_gemm_spec last = sdrt_gemm_defaults;
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.layer_norm1", layer);
    x = self_attention(g, sdrt_graph_layer_norm(g, x, name, EPS, SDRT_NO_TENSOR), layer, clip,
                       sight, x);
    sdrt_name(name, sizeof name, "%s.layer_norm2", layer);
    const sdrt_tensor inner = linear(g, sdrt_graph_layer_norm(g, x, name, EPS, SDRT_NO_TENSOR),
                                     layer, "mlp.fc1", clip->intermediate, act, SDRT_NO_TENSOR);
    sdrt_name(name, sizeof name, "%s.mlp.fc2", layer);
    last.name = name;
    last.n = clip->hidden;
    last.residual = x;
    last.into = into;
    return sdrt_graph_gemm(g, inner, &last);
}

static sdrt_tensor layer_of(struct sdrt_graph *g, const struct sdrt_clip_config *clip,
                            const char *prefix, int i, struct sdrt_clip_sight sight, sdrt_tensor x,
                            sdrt_tensor into)
{
    char layer[64];

    sdrt_name(layer, sizeof layer, "%s.text_model.encoder.layers.%d", prefix, i);
    return sdrt_clip_layer(g, clip, layer, sight, x, into);
}

static void pool(struct sdrt_graph *g, const struct sdrt_text_config *config, const char *prefix,
                 sdrt_tensor x, sdrt_tensor into)
{
    struct sdrt_gemm_spec projection = sdrt_gemm_defaults;
    char name[NAME];

    sdrt_name(name, sizeof name, "%s.text_model.final_layer_norm", prefix);
    x = sdrt_graph_layer_norm(g, x, name, EPS, SDRT_NO_TENSOR);
    sdrt_name(name, sizeof name, "%s.text_projection", prefix);
    projection.name = name;
    projection.n = config->pooled;
    projection.no_bias = 1;
    projection.into = into;
    sdrt_graph_gemm(g, x, &projection);
}

void sdrt_clip_encoder_build(struct sdrt_graph *g, const struct sdrt_text_config *config,
                             const char *prefix, int batch, int tokens,
                             const struct sdrt_clip_place *place)
{
    const struct sdrt_clip_config *clip = &config->clip;
    const int taken = clip->layers - config->skip, rows = place->rows ? place->rows : tokens;
    struct sdrt_clip_sight sight = { 1, SDRT_NO_TENSOR };
    char name[NAME];

    const sdrt_tensor text = sdrt_graph_external(g, "text", SDRT_F32, batch, 1, rows, place->width);
    const sdrt_tensor mine = sdrt_graph_slice(g, sdrt_graph_rows(g, text, place->row0, tokens),
                                              place->at, clip->hidden);
    if (place->masked) {
        sdrt_name(name, sizeof name, "%s.mask", prefix);
        sight.mask = sdrt_graph_external(g, name, SDRT_F32, 1, clip->heads, tokens, tokens);
    }
    sdrt_tensor x = place->embedded ? given(g, clip, prefix, batch, tokens)
                                    : embed(g, clip, prefix, batch, tokens);
    for (int i = 0; i < taken; i++)
        x = layer_of(g, clip, prefix, i, sight, x,
                     i == taken - 1 && !config->final_norm ? mine : SDRT_NO_TENSOR);
    if (config->final_norm) {
        sdrt_name(name, sizeof name, "%s.text_model.final_layer_norm", prefix);
        sdrt_graph_layer_norm(g, x, name, EPS, mine);
    }
    if (!config->pooled) return;
    sdrt_name(name, sizeof name, "%s.pooled", prefix);
    const sdrt_tensor pooled = sdrt_graph_external(g, name, SDRT_F32, batch, 1, tokens,
                                                   config->pooled);
    for (int i = taken; i < clip->layers; i++)
        x = layer_of(g, clip, prefix, i, sight, x, SDRT_NO_TENSOR);
    pool(g, config, prefix, x, pooled);
}
