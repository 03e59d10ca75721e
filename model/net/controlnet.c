/* SPDX-License-Identifier: MIT */
#include "model/net/controlnet.h"
#include "model/net/name.h"
#include "model/net/unet.h"
#include "runtime/graph/graph.h"

enum { NAME = 96 };

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
    const int n = sdrt_unet_build_way_down(g, c, s, in, hints, features);
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
