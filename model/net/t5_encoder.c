/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/net/name.h"
#include "model/net/t5_encoder.h"
#include "runtime/graph/graph.h"

enum { NAME = 128 };

static const float EPS = 1e-6f;

static sdrt_tensor norm(struct sdrt_graph *g, sdrt_tensor x, const char *block, const char *name,
                        sdrt_tensor into)
{
    char full[NAME];

    sdrt_name(full, sizeof full, "%s.%s", block, name);
    return sdrt_graph_rms_norm(g, x, full, 1, EPS, into);
}

/* block.weights[0 ..], stacked, of width channels in all. */
static sdrt_tensor linear(struct sdrt_graph *g, sdrt_tensor x, const char *block,
                          const char *const *names, int n_names, struct sdrt_gemm_spec spec)
{
    char full[3][NAME];
    const char *weights[3];

    for (int i = 0; i < n_names; i++) {
        sdrt_name(full[i], NAME, "%s.%s", block, names[i]);
        weights[i] = full[i];
    }
    spec.name = full[0];
    spec.weights = weights;
    spec.n_weights = n_names;
    spec.no_bias = 1;
    return sdrt_graph_gemm(g, x, &spec);
}

static sdrt_tensor self_attention(struct sdrt_graph *g, const struct sdrt_t5_config *t5,
                                  const char *block, sdrt_tensor x, sdrt_tensor bias)
{
    static const char *const qkv[3] = { "layer.0.SelfAttention.q", "layer.0.SelfAttention.k",
                                        "layer.0.SelfAttention.v" };
    static const char *const out[1] = { "layer.0.SelfAttention.o" };
    const int c = t5->heads * t5->head_dim;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];

    spec.n = 3 * c;
    const sdrt_tensor normed = norm(g, x, block, "layer.0.layer_norm", SDRT_NO_TENSOR);
    const sdrt_tensor all = linear(g, normed, block, qkv, 3, spec);
    sdrt_name(name, sizeof name, "%s.layer.0.SelfAttention.attention", block);
    const sdrt_tensor o = sdrt_graph_biased_attention(g, name, sdrt_graph_slice(g, all, 0, c),
                                                      sdrt_graph_slice(g, all, c, c),
                                                      sdrt_graph_slice(g, all, 2 * c, c), t5->heads,
                                                      bias);
    spec.n = t5->hidden;
    spec.residual = x;
    return linear(g, o, block, out, 1, spec);
}

/* wi_0's values pass through the activation and gate wi_1's. */
static sdrt_tensor feed_forward(struct sdrt_graph *g, const struct sdrt_t5_config *t5,
                                const char *block, sdrt_tensor x)
{
    static const char *const in[2] = { "layer.1.DenseReluDense.wi_1",
                                       "layer.1.DenseReluDense.wi_0" };
    static const char *const out[1] = { "layer.1.DenseReluDense.wo" };
    struct sdrt_gemm_spec gated = sdrt_gemm_defaults, last = sdrt_gemm_defaults;

    gated.n = t5->intermediate;
    gated.gated = 1;
    gated.act = SDRT_ACT_GELU_TANH;
    const sdrt_tensor normed = norm(g, x, block, "layer.1.layer_norm", SDRT_NO_TENSOR);
    const sdrt_tensor inner = linear(g, normed, block, in, 2, gated);
    last.n = t5->hidden;
    last.residual = x;
    return linear(g, inner, block, out, 1, last);
}

void sdrt_t5_encoder_build(struct sdrt_graph *g, const struct sdrt_t5_config *t5,
                           const char *prefix, int batch, int tokens,
                           const struct sdrt_t5_place *place)
{
    char table[NAME], block[NAME], encoder[NAME];

    sdrt_name(table, sizeof table, "%s.ids", prefix);
    const sdrt_tensor ids = sdrt_graph_external(g, table, SDRT_I32, batch, 1, tokens, 1);
    const sdrt_tensor text = sdrt_graph_external(g, "text", SDRT_F32, batch, 1, place->rows,
                                                 place->width);
    const sdrt_tensor mine = sdrt_graph_rows(g, sdrt_graph_slice(g, text, 0, t5->hidden),
                                             place->row0, tokens);
    sdrt_name(table, sizeof table, "%s.%s", prefix, t5->table);
    sdrt_tensor x = sdrt_graph_embed(g, table, ids, table, t5->vocab, NULL, 0, t5->hidden);
    sdrt_name(block, sizeof block,
              "%s.encoder.block.0.layer.0.SelfAttention.relative_attention_bias", prefix);
    const sdrt_tensor bias = sdrt_graph_relative_bias(g, block, tokens, t5->heads, t5->buckets,
                                                      t5->max_distance);
    for (int i = 0; i < t5->layers; i++) {
        sdrt_name(block, sizeof block, "%s.encoder.block.%d", prefix, i);
        x = self_attention(g, t5, block, x, bias);
        x = feed_forward(g, t5, block, x);
    }
    sdrt_name(encoder, sizeof encoder, "%s.encoder", prefix);
    norm(g, x, encoder, "final_layer_norm", mine);
}
