/* SPDX-License-Identifier: MIT */
#include "model/net/unet_once.h"
#include "model/net/linear.h"
#include "model/net/name.h"

enum { NAME = 160 };

int sdrt_unet_heads(const struct sdrt_unet_config *c, int channels)
{
    return c->heads ? c->heads : channels / c->head_dim;
}

int sdrt_unet_time_rows(const struct sdrt_unet_config *config, int batch)
{
    return config->added_dim ? batch : 1;
}

/* The timesteps' embedding [1][1][n][c] plus what a latent consistency model is told of the
 * guidance scale (Luo et al. 2023, section 4.2), the same for each. */
static sdrt_tensor add_guidance(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                sdrt_tensor t)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    int dims[4];

    if (!config->guidance_dim) return t;
    sdrt_graph_dims(g, t, dims);
    spec.name = "unet.time_embedding.cond_proj";
    spec.n = config->channels[0];
    spec.no_bias = 1;
    spec.residual = t;
    return sdrt_graph_gemm(g,
                           sdrt_graph_external(g, "guidance", SDRT_F32, 1, 1, dims[2],
                                               config->guidance_dim),
                           &spec);
}

/* What a union of nets is told of its picture's type, which joins added. */
static sdrt_tensor add_type(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                            sdrt_tensor added)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    int dims[4];

    if (!config->hint.types) return added;
    sdrt_graph_dims(g, added, dims);
    const sdrt_tensor types = sdrt_graph_external(g, "types", SDRT_F32, 1, 1, dims[2],
                                                  config->hint.types * config->hint.type_width);
    spec.name = "unet.control_add_embedding.linear_2";
    spec.n = config->time_embed_dim;
    spec.residual = added;
    return sdrt_graph_gemm(g,
                           sdrt_linear(g, types, "unet.control_add_embedding.linear_1",
                                       config->time_embed_dim, SDRT_ACT_SILU),
                           &spec);
}

/* silu(time embedding), or silu(time embedding + added embedding) of all pairs: every resnet
 * reads it after the SiLU, so that is the last product's epilogue where nothing is added. */
static sdrt_tensor embed_time(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                              sdrt_tensor timesteps, sdrt_tensor pooled)
{
    const int dim = config->time_embed_dim;
    const enum sdrt_act last = config->added_dim ? SDRT_ACT_NONE : SDRT_ACT_SILU;
    sdrt_tensor t = sdrt_graph_timestep_embedding(g, "unet.time_proj", timesteps,
                                                  config->channels[0]);

    t = add_guidance(g, config, t);
    t = sdrt_linear(g, t, "unet.time_embedding.linear_1", dim, SDRT_ACT_SILU);
    t = sdrt_linear(g, t, "unet.time_embedding.linear_2", dim, last);
    if (!config->added_dim) return t;
    const sdrt_tensor inner = sdrt_linear(g, pooled, "unet.add_embedding.linear_1", dim,
                                          SDRT_ACT_SILU);
    const sdrt_tensor added = sdrt_linear(g, inner, "unet.add_embedding.linear_2", dim,
                                          SDRT_ACT_NONE);
    return sdrt_graph_silu_of_sums(g, "unet.time_and_added", t, add_type(g, config, added));
}

void sdrt_unet_build_schedule(struct sdrt_graph *g, const struct sdrt_model_config *model,
                              const struct sdrt_denoiser_shape *shape)
{
    const struct sdrt_unet_config *config = &model->unet;
    const int n = shape->evaluations, batch = shape->batch;
    const char *names[SDRT_UNET_RESNETS];
    int rows[SDRT_UNET_RESNETS];
    struct sdrt_unet_parts parts;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;

    sdrt_unet_list_parts(config, &parts);
    const sdrt_tensor timesteps = sdrt_graph_external(g, "timesteps", SDRT_F32, 1, 1, n, 1);
    const sdrt_tensor added = config->added_dim ? sdrt_graph_external(g, "added", SDRT_F32, 1, 1,
                                                                      batch, config->added_dim)
                                                : SDRT_NO_TENSOR;
    const sdrt_tensor t = embed_time(g, config, timesteps, added);
    for (int i = 0; i < parts.n_resnets; i++) {
        names[i] = parts.resnets[i].name;
        rows[i] = parts.resnets[i].channels;
    }
    spec.name = "unet.time_emb_proj";
    spec.weights = names;
    spec.weight_rows = rows;
    spec.n_weights = parts.n_resnets;
    spec.n = parts.time_channels;
    spec.into = sdrt_graph_external(g, "time_table", SDRT_F32, 1, 1,
                                    n * sdrt_unet_time_rows(config, batch), parts.time_channels);
    sdrt_graph_gemm(g, t, &spec);
}

/* The keys and values that a cross-attention has of the prompt. */
static void cross_name(char name[NAME], const struct sdrt_unet_part *cross)
{
    sdrt_name(name, NAME, "%s.to_kv", cross->name);
}

sdrt_tensor sdrt_unet_cross_tensor(struct sdrt_graph *g, const struct sdrt_unet_config *config,
                                   const struct sdrt_unet_part *cross, int batch, int tokens)
{
    const int c = cross->channels;
    char name[NAME];

    cross_name(name, cross);
    return sdrt_graph_external(g, name, sdrt_graph_attention_type(g, sdrt_unet_heads(config, c), c),
                               batch, 1, tokens, 2 * c);
}

void sdrt_unet_build_prompt(struct sdrt_graph *g, const struct sdrt_model_config *model,
                            const struct sdrt_denoiser_shape *shape)
{
    const int batch = shape->batch, tokens = shape->tokens;
    struct sdrt_unet_parts parts;

    sdrt_unet_list_parts(&model->unet, &parts);
    const sdrt_tensor text = sdrt_graph_external(g, "text", SDRT_F32, batch, 1, tokens,
                                                 model->unet.context_dim);
    for (int i = 0; i < parts.n_cross; i++) {
        const struct sdrt_unet_part *a = &parts.cross[i];
        struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
        char name[NAME], k[NAME], v[NAME];
        cross_name(name, a);
        sdrt_name(k, sizeof k, "%s.to_k", a->name);
        sdrt_name(v, sizeof v, "%s.to_v", a->name);
        spec.name = name;
        spec.weights = (const char *const[]){ k, v };
        spec.n_weights = 2;
        spec.n = 2 * a->channels;
        spec.no_bias = 1;
        spec.into = sdrt_unet_cross_tensor(g, &model->unet, a, batch, tokens);
        sdrt_graph_gemm(g, text, &spec);
    }
}
