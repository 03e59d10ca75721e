/* SPDX-License-Identifier: MIT */
#include "model/net/clip_vision.h"
#include "model/net/clip_encoder.h"
#include "model/net/name.h"

enum { NAME = 64 };

static const float EPS = 1e-5f;

/* Patches and a learned token before them, each with its place's numbers. */
static sdrt_tensor embed(struct sdrt_graph *g, const struct sdrt_vision_config *v)
{
    const int c = v->clip.hidden, n = v->clip.positions;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    const sdrt_tensor places = sdrt_graph_external(g, "places", SDRT_I32, 1, 1, n, 1);
    const sdrt_tensor at = sdrt_graph_embed(g, "vision.places", places, "vision.position", n, NULL,
                                            0, c);
    const sdrt_tensor pixels = sdrt_graph_external(g, "pixels", SDRT_F32, 1, v->size, v->size, 3);
    const sdrt_tensor x = sdrt_graph_tensor(g, "vision.embeddings", 1, 1, n, c);

    spec.n = c;
    spec.no_bias = 1;
    spec.name = "vision.class";
    spec.residual = sdrt_graph_rows(g, at, 0, 1);
    spec.into = sdrt_graph_rows(g, x, 0, 1);
    sdrt_graph_gemm(g, sdrt_graph_external(g, "one", SDRT_F32, 1, 1, 1, 1), &spec);
    spec.name = "vision.patch";
    spec.residual = sdrt_graph_rows(g, at, 1, n - 1);
    spec.into = sdrt_graph_rows(g, x, 1, n - 1);
    sdrt_graph_gemm(g, sdrt_graph_to_patches(g, "vision.patches", pixels, v->patch), &spec);
    return sdrt_graph_layer_norm(g, x, "vision.pre", EPS, SDRT_NO_TENSOR);
}

void sdrt_clip_vision_build(struct sdrt_graph *g, const struct sdrt_vision_config *v, int embeds,
                            int hidden)
{
    const struct sdrt_clip_config *clip = &v->clip;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    sdrt_tensor x = embed(g, v);
    char name[NAME];

    for (int i = 0; i < clip->layers - !embeds; i++) {
        sdrt_tensor into = SDRT_NO_TENSOR;
        if (hidden && i == clip->layers - 2)
            into = sdrt_graph_external(g, "hidden", SDRT_F32, 1, 1, clip->positions, clip->hidden);
        sdrt_name(name, sizeof name, "vision.layers.%d", i);
        x = sdrt_clip_layer(g, clip, name, (struct sdrt_clip_sight){ 0, SDRT_NO_TENSOR }, x, into);
    }
    if (!embeds) return;
    spec.name = "vision.projection";
    spec.n = v->projection;
    spec.no_bias = 1;
    spec.into = sdrt_graph_external(g, "embeds", SDRT_F32, 1, 1, 1, v->projection);
    sdrt_graph_gemm(g,
                    sdrt_graph_layer_norm(g, sdrt_graph_rows(g, x, 0, 1), "vision.post", EPS,
                                          SDRT_NO_TENSOR),
                    &spec);
}
