/* SPDX-License-Identifier: MIT */
#include <config.h>

#include "model/net/name.h"
#include "model/net/t5_encoder.h"

#include <stdint.h>

enum {
    NAME = 128,
    MAX_LAYERS = 64,
    MAX_SIZE = 1 << 20, /* of one dimension */
};

static const float EPS = 1e-6f;

struct sdrt_t5_config sdrt_t5_xxl_config(void)
{
    return (struct sdrt_t5_config){
        .table = "shared", .vocab = 32128, .hidden = 4096, .layers = 24, .heads = 64,
        .head_dim = 64, .intermediate = 10240, .buckets = 32, .max_distance = 128,
    };
}

/* ---- configuration ---- */

struct probe {
    const struct sdrt_weights_provider *weights;
    const char *prefix, *path;
    const struct sdrt_log *log;
};

/* Rows and columns of prefix.name; SDRT_E_MISSING is told by no message. */
static int shape_of(const struct probe *p, const char *name, int *rows, int *cols)
{
    const struct sdrt_weights_provider *w = p->weights;
    struct sdrt_weight_view v;
    char full[NAME];

    sdrt_name(full, sizeof full, "%s.%s", p->prefix, name);
    const int status = (w->describe ? w->describe : w->get)(w->self, full, -1, NULL, &v);
    if (status != SDRT_OK) return status;
    if (!w->describe || v.data) w->release(w->self, full);
    if (v.rank != 2 || v.shape[0] < 1 || v.shape[1] < 1 || v.shape[0] > MAX_SIZE ||
        v.shape[1] > MAX_SIZE)
        return sdrt_fail(p->log, SDRT_E_UNSUPPORTED, "%s: tensor %s: expected a matrix of at most "
                         "%d rows and columns", p->path, full, MAX_SIZE);
    *rows = (int)v.shape[0];
    *cols = (int)v.shape[1];
    return SDRT_OK;
}

static int required(const struct probe *p, const char *name, int *rows, int *cols)
{
    const int status = shape_of(p, name, rows, cols);

    if (status == SDRT_E_MISSING)
        return sdrt_fail(p->log, status, "%s: has no tensor %s.%s", p->path, p->prefix, name);
    return status;
}

static int count_layers(const struct probe *p, int *layers)
{
    int status = SDRT_OK, rows, cols;
    char name[NAME];

    for (*layers = 0; *layers < MAX_LAYERS; ++*layers) {
        sdrt_name(name, sizeof name, "encoder.block.%d.layer.0.SelfAttention.q.weight", *layers);
        status = shape_of(p, name, &rows, &cols);
        if (status != SDRT_OK) break;
    }
    return status == SDRT_E_MISSING ? SDRT_OK : status;
}

int sdrt_t5_detect(struct sdrt_t5_config *t5, const struct sdrt_weights_provider *weights,
                   const char *prefix, const char *path, const struct sdrt_log *log)
{
    static const char first[] = "encoder.block.0.layer.";
    const struct probe p = { weights, prefix, path, log };
    int inner = 0, hidden = 0, unused = 0;
    char name[NAME];

    *t5 = (struct sdrt_t5_config){ .table = "shared", .max_distance = 128 };
    int status = shape_of(&p, "shared.weight", &t5->vocab, &t5->hidden);
    if (status == SDRT_E_MISSING) {
        t5->table = "encoder.embed_tokens";
        status = required(&p, "encoder.embed_tokens.weight", &t5->vocab, &t5->hidden);
    }
    sdrt_name(name, sizeof name, "%s0.SelfAttention.relative_attention_bias.weight", first);
    if (status == SDRT_OK) status = required(&p, name, &t5->buckets, &t5->heads);
    sdrt_name(name, sizeof name, "%s0.SelfAttention.q.weight", first);
    if (status == SDRT_OK) status = required(&p, name, &inner, &hidden);
    sdrt_name(name, sizeof name, "%s1.DenseReluDense.wi_0.weight", first);
    if (status == SDRT_OK) status = required(&p, name, &t5->intermediate, &unused);
    if (status == SDRT_OK) status = count_layers(&p, &t5->layers);
    if (status != SDRT_OK) return status;
    if (hidden != t5->hidden || inner % t5->heads || t5->buckets < 4 || t5->buckets % 2 ||
        t5->buckets / 4 >= t5->max_distance)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "%s: T5 encoder of width %d, with queries %d x "
                         "%d, %d heads and %d buckets of distances: expected v1.1 of T5", path,
                         t5->hidden, inner, hidden, t5->heads, t5->buckets);
    t5->head_dim = inner / t5->heads;
    return SDRT_OK;
}

/* ---- graph ---- */

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
                           const struct sdrt_t5_place *place, struct sdrt_t5_tensors *out)
{
    char table[NAME], block[NAME], encoder[NAME];

    out->ids = sdrt_graph_external(g, "ids", batch, 1, tokens, 1);
    out->out = sdrt_graph_external(g, "text", batch, 1, place->rows, place->width);
    const sdrt_tensor mine = sdrt_graph_rows(g, sdrt_graph_slice(g, out->out, 0, t5->hidden),
                                             place->row0, tokens);
    sdrt_name(table, sizeof table, "%s.%s", prefix, t5->table);
    sdrt_tensor x = sdrt_graph_embed(g, table, out->ids, table, t5->vocab, NULL, 0, t5->hidden);
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
