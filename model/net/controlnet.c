/* SPDX-License-Identifier: MIT */
#include "model/net/controlnet.h"
#include "model/net/linear.h"
#include "model/net/name.h"
#include "model/net/unet.h"
#include "runtime/graph/graph.h"

enum { NAME = 96 };

/* ---- the types of a union of nets ---- */

static const struct {
    const char *name;
    int number;
} types[] = {
    { "openpose", 0 },      { "depth", 1 },   { "hed", 2 },    { "pidi", 2 },
    { "scribble", 2 },      { "ted", 2 },     { "canny", 3 },  { "lineart", 3 },
    { "anime_lineart", 3 }, { "mlsd", 3 },    { "normal", 4 }, { "segment", 5 },
    { "tile", 6 },          { "repaint", 7 },
};

const char *sdrt_control_type_name(int i)
{
    return i >= 0 && i < (int)(sizeof types / sizeof *types) ? types[i].name : NULL;
}

int sdrt_control_type_number(int i) { return types[i].number; }

/* ---- the picture ---- */

static sdrt_tensor hint_conv(struct sdrt_graph *g, sdrt_tensor x, const char *leaf, int channels,
                             int stride, sdrt_tensor into)
{
    struct sdrt_conv_spec spec = sdrt_conv_defaults;
    char name[NAME];

    sdrt_name(name, sizeof name, "unet.controlnet_cond_embedding.%s", leaf);
    spec.name = name;
    spec.out_c = channels;
    spec.kernel = 3;
    spec.pad = 1;
    spec.stride = stride;
    spec.into = into;
    return sdrt_graph_conv(g, x, &spec);
}

/* What the picture's type is to a union of nets. */
static void build_task(struct sdrt_graph *g, const struct sdrt_unet_config *c, int batch)
{
    const sdrt_tensor type = sdrt_graph_external(g, "type", SDRT_I32, batch, 1, 1, 1);
    const sdrt_tensor task = sdrt_graph_embed(g, "unet.task", type, "unet.task_embedding",
                                              c->hint.types, NULL, 0, c->channels[0]);

    sdrt_graph_blend(g, "unet.task", 1.0f, task, 0.0f, SDRT_NO_TENSOR,
                     sdrt_graph_external(g, "task", SDRT_F32, batch, 1, 1, c->channels[0]));
}

void sdrt_controlnet_build_hint(struct sdrt_graph *g, const struct sdrt_unet_config *c,
                                const struct sdrt_denoiser_shape *s)
{
    const int up = c->hint.n - 1, width = c->channels[0];
    const sdrt_tensor in = sdrt_graph_external(g, "picture", SDRT_F32, s->batch, s->h << up,
                                               s->w << up, c->hint.channels);
    sdrt_tensor x = hint_conv(g, in, "conv_in", c->hint.widths[0], 1, SDRT_NO_TENSOR);

    for (int i = 0; i < 2 * up; i++) {
        char leaf[NAME / 2];
        sdrt_name(leaf, sizeof leaf, "blocks.%d", i);
        x = sdrt_graph_silu(g, "unet.controlnet_cond_embedding.silu", x);
        x = hint_conv(g, x, leaf, c->hint.widths[(i + 1) / 2], 1 + i % 2, SDRT_NO_TENSOR);
    }
    x = sdrt_graph_silu(g, "unet.controlnet_cond_embedding.silu", x);
    hint_conv(g, x, "conv_out", width, 1,
              sdrt_graph_external(g, "hints", SDRT_F32, s->batch, s->h, s->w, width));
    if (c->hint.types) build_task(g, c, s->batch);
}

/* ---- how a union of nets looks at its picture ---- */

/* Adds residual; into the planner's choice. */
static sdrt_tensor look_linear(struct sdrt_graph *g, int i, const char *leaf, sdrt_tensor x, int n,
                               enum sdrt_act act, sdrt_tensor residual)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];

    sdrt_name(name, NAME, "unet.transformer_layes.%d.%s", i, leaf);
    spec.name = name;
    spec.n = n;
    spec.act = act;
    spec.residual = residual;
    return sdrt_graph_gemm(g, x, &spec);
}

static sdrt_tensor look_norm(struct sdrt_graph *g, int i, const char *leaf, sdrt_tensor x)
{
    char name[NAME];

    sdrt_name(name, NAME, "unet.transformer_layes.%d.%s", i, leaf);
    return sdrt_graph_layer_norm(g, x, name, 1e-5f, SDRT_NO_TENSOR);
}

/* What is added to all pixels, [batch][1][1][channels[0]].  The net was trained with attention over the
 * batch, not over its pictures and the latent, and within a batch all see the same picture: what a row
 * attends to is its own value. */
static sdrt_tensor look(struct sdrt_graph *g, const struct sdrt_unet_config *c, int batch)
{
    const int n = c->channels[0];
    sdrt_tensor x = sdrt_graph_external(g, "task", SDRT_F32, batch, 1, 1, n);

    for (int i = 0; i < c->hint.type_layers; i++) {
        const sdrt_tensor qkv = look_linear(g, i, "attn.in_proj", look_norm(g, i, "ln_1", x), 3 * n,
                                            SDRT_ACT_NONE, SDRT_NO_TENSOR);
        x = look_linear(g, i, "attn.out_proj", sdrt_graph_slice(g, qkv, 2 * n, n), n, SDRT_ACT_NONE,
                        x);
        const sdrt_tensor h = look_linear(g, i, "mlp.c_fc", look_norm(g, i, "ln_2", x), 4 * n,
                                          SDRT_ACT_GELU_QUICK, SDRT_NO_TENSOR);
        x = look_linear(g, i, "mlp.c_proj", h, n, SDRT_ACT_NONE, x);
    }
    return sdrt_linear(g, x, "unet.spatial_ch_projs", n, SDRT_ACT_NONE);
}

/* ---- the step ---- */

int sdrt_controlnet_features(const struct sdrt_unet_config *c, int *channels)
{
    int n = 1, sum = c->channels[0];

    for (int i = 0; i < c->levels; i++) {
        const int here = c->layers + (i + 1 < c->levels);
        n += here;
        sum += here * c->channels[i];
    }
    *channels = sum + c->channels[c->levels - 1];
    return n + 1;
}

void sdrt_controlnet_build_step(struct sdrt_graph *g, const struct sdrt_unet_config *c,
                                const struct sdrt_denoiser_shape *s, int more)
{
    sdrt_tensor features[SDRT_UNET_FEATURES];
    int channels, at = 0;

    sdrt_controlnet_features(c, &channels);
    const sdrt_tensor in = sdrt_graph_external(g, "model_in", SDRT_F32, s->batch, s->h, s->w,
                                               c->in_channels);
    const sdrt_tensor hints = sdrt_graph_external(g, "hints", SDRT_F32, s->batch, s->h, s->w,
                                                  c->channels[0]);
    const sdrt_tensor gates = sdrt_graph_external(g, "gates", SDRT_F32, s->batch, 1, 1, channels);
    const sdrt_tensor all = c->hint.types ? look(g, c, s->batch) : SDRT_NO_TENSOR;
    const int n = sdrt_unet_build_way_down(g, c, s, in, hints, all, features);
    for (int i = 0; i < n; i++) {
        struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
        char name[NAME], control[NAME];
        int dims[4];
        sdrt_graph_dims(g, features[i], dims);
        sdrt_name(name, sizeof name,
                  i + 1 < n ? "unet.controlnet_down_blocks.%d" : "unet.controlnet_mid_block", i);
        sdrt_name(control, sizeof control, "/control.%d", i);
        spec.name = name;
        spec.n = dims[3];
        spec.gate = sdrt_graph_slice(g, gates, at, dims[3]);
        spec.into = sdrt_graph_external(g, control, SDRT_F32, dims[0], dims[1], dims[2], dims[3]);
        spec.residual = more ? spec.into : SDRT_NO_TENSOR;
        sdrt_graph_gemm(g, features[i], &spec);
        at += dims[3];
    }
}
