/* SPDX-License-Identifier: MIT */
#include "model/name.h"
#include "model/text_encoder.h"

enum { NAME = 128 };

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
                                  const struct sdrt_clip_config *config, sdrt_tensor residual)
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
    const sdrt_tensor o = sdrt_graph_attention(g, name, sdrt_graph_slice(g, qkv, 0, c),
                                               sdrt_graph_slice(g, qkv, c, c),
                                               sdrt_graph_slice(g, qkv, 2 * c, c), config->heads, 1);
    return linear(g, o, layer, "self_attn.out_proj", c, SDRT_ACT_NONE, residual);
}

void sdrt_text_encoder_build(struct sdrt_graph *g, const struct sdrt_clip_config *config,
                             const char *prefix, int batch, int tokens,
                             struct sdrt_text_tensors *out)
{
    const float eps = 1e-5f;
    const enum sdrt_act act = config->act == SDRT_CLIP_GELU ? SDRT_ACT_GELU : SDRT_ACT_GELU_QUICK;
    char table[NAME], positions[NAME], name[NAME], layer[64];

    sdrt_name(table, sizeof table, "%s.text_model.embeddings.token_embedding", prefix);
    sdrt_name(positions, sizeof positions, "%s.text_model.embeddings.position_embedding", prefix);
    sdrt_name(name, sizeof name, "%s.text_model.embeddings", prefix);
    out->ids = sdrt_graph_external(g, "ids", batch, 1, tokens, 1);
    sdrt_tensor x = sdrt_graph_embed(g, name, out->ids, table, config->vocab, positions,
                                     config->positions, config->hidden);
    for (int i = 0; i < config->layers; i++) {
        sdrt_name(layer, sizeof layer, "%s.text_model.encoder.layers.%d", prefix, i);
        sdrt_name(name, sizeof name, "%s.layer_norm1", layer);
        x = self_attention(g, sdrt_graph_layer_norm(g, x, name, eps, SDRT_NO_TENSOR), layer, config,
                           x);
        sdrt_name(name, sizeof name, "%s.layer_norm2", layer);
        const sdrt_tensor inner = linear(g, sdrt_graph_layer_norm(g, x, name, eps, SDRT_NO_TENSOR),
                                         layer, "mlp.fc1", config->intermediate, act,
                                         SDRT_NO_TENSOR);
        x = linear(g, inner, layer, "mlp.fc2", config->hidden, SDRT_ACT_NONE, x);
    }
    sdrt_name(name, sizeof name, "%s.text_model.final_layer_norm", prefix);
    out->out = sdrt_graph_external(g, "text", batch, 1, tokens, config->hidden);
    sdrt_graph_layer_norm(g, x, name, eps, out->out);
}
