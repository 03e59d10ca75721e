/* SPDX-License-Identifier: MIT */
#include "model/net/upscaler.h"
#include "model/net/linear.h"
#include "model/net/name.h"
#include "runtime/graph/graph.h"

#include <stddef.h>

enum {
    NAME = 96,
    DENSE = 3 /* dense blocks of a residual one */,
    LAYERS = 5 /* of a dense block */
};

static const float SLOPE = 0.2f, SHARE = 0.2f; /* of LeakyReLU, and of a block in its sum */

int sdrt_upscaler_in_channels(const struct sdrt_upscaler_config *config)
{
    return 3 * config->unshuffle * config->unshuffle;
}

int sdrt_upscaler_out_channels(const struct sdrt_upscaler_config *config)
{
    return config->kind == SDRT_UPSCALER_SRVGG ? 3 * config->scale * config->scale : 3;
}

int sdrt_upscaler_layer(const struct sdrt_upscaler_config *config, int i, char *name)
{
    static const char *const rest[] = { "conv_first", "conv_body", "conv_hr", "conv_last" };
    const int n_rest = sizeof rest / sizeof *rest, each = DENSE * LAYERS;

    if (config->kind == SDRT_UPSCALER_SRVGG) {
        sdrt_name(name, NAME, "body.%d", i);
        return i < 2 * config->blocks + 3;
    }
    if (i < n_rest) return sdrt_name(name, NAME, "%s", rest[i]), 1;
    i -= n_rest;
    if (i < config->doublings) return sdrt_name(name, NAME, "conv_up%d", i + 1), 1;
    i -= config->doublings;
    sdrt_name(name, NAME, "body.%d.rdb%d.conv%d", i / each, i / LAYERS % DENSE + 1, i % LAYERS + 1);
    return i < each * config->blocks;
}

static sdrt_tensor leaky(struct sdrt_graph *g, const char *name, sdrt_tensor x)
{
    char relu[NAME];

    sdrt_name(relu, NAME, "%s.lrelu", name);
    return sdrt_graph_relu(g, relu, x, SLOPE, NULL);
}

/* ---- RRDB ---- */

/* Within a dense block every layer reads all that was before it; they lie side by side in one tensor,
 * whose first channels are the picture on its way. */
struct body {
    struct sdrt_graph *g;
    const struct sdrt_upscaler_config *config;
    sdrt_tensor dense; /* [1][h][w][width + 4 * growth] */
    sdrt_tensor x;     /* its first width channels */
};

static void dense_block(const struct body *b, int i, int k)
{
    const int width = b->config->width, growth = b->config->growth;
    char name[NAME], sum[NAME];

    for (int j = 0; j < LAYERS - 1; j++) {
        const int read = width + j * growth;
        sdrt_name(name, NAME, "body.%d.rdb%d.conv%d", i, k, j + 1);
        leaky(b->g, name,
              sdrt_plain_conv(b->g, sdrt_graph_slice(b->g, b->dense, 0, read), name, growth, 3,
                              SDRT_NO_TENSOR, sdrt_graph_slice(b->g, b->dense, read, growth)));
    }
    sdrt_name(name, NAME, "body.%d.rdb%d.conv%d", i, k, LAYERS);
    sdrt_name(sum, NAME, "body.%d.rdb%d", i, k);
    const sdrt_tensor t = sdrt_plain_conv(b->g, b->dense, name, width, 3, SDRT_NO_TENSOR,
                                          SDRT_NO_TENSOR);
    sdrt_graph_blend(b->g, sum, 1.0f, b->x, SHARE, t, b->x);
}

static void residual_block(const struct body *b, int i, int h, int w)
{
    char name[NAME];

    sdrt_name(name, NAME, "body.%d.in", i);
    const sdrt_tensor in = sdrt_graph_tensor(b->g, name, 1, h, w, b->config->width);
    sdrt_graph_blend(b->g, name, 1.0f, b->x, 0.0f, SDRT_NO_TENSOR, in);
    for (int k = 1; k <= DENSE; k++) dense_block(b, i, k);
    sdrt_name(name, NAME, "body.%d", i);
    sdrt_graph_blend(b->g, name, SHARE, b->x, 1.0f, in, b->x);
}

static void build_rrdb(struct sdrt_graph *g, const struct sdrt_upscaler_config *config,
                       sdrt_tensor in, sdrt_tensor out, int h, int w)
{
    const int width = config->width;
    const sdrt_tensor first = sdrt_plain_conv(g, in, "conv_first", width, 3, SDRT_NO_TENSOR,
                                              SDRT_NO_TENSOR);
    struct body b = { .g = g, .config = config };
    char name[NAME];

    b.dense = sdrt_graph_tensor(g, "dense", 1, h, w, width + (LAYERS - 1) * config->growth);
    b.x = sdrt_graph_slice(g, b.dense, 0, width);
    sdrt_graph_blend(g, "body.in", 1.0f, first, 0.0f, SDRT_NO_TENSOR, b.x);
    for (int i = 0; i < config->blocks; i++) residual_block(&b, i, h, w);
    sdrt_tensor x = sdrt_plain_conv(g, b.x, "conv_body", width, 3, first, SDRT_NO_TENSOR);
    for (int i = 0; i < config->doublings; i++) {
        struct sdrt_conv_spec up = sdrt_conv_defaults;
        sdrt_name(name, NAME, "conv_up%d", i + 1);
        up.name = name;
        up.out_c = width;
        up.kernel = 3;
        up.pad = 1;
        up.upsample = 2;
        x = leaky(g, name, sdrt_graph_conv(g, x, &up));
    }
    x = leaky(g, "conv_hr",
              sdrt_plain_conv(g, x, "conv_hr", width, 3, SDRT_NO_TENSOR, SDRT_NO_TENSOR));
    sdrt_plain_conv(g, x, "conv_last", 3, 3, SDRT_NO_TENSOR, out);
}

/* ---- SRVGG ---- */

static void build_srvgg(struct sdrt_graph *g, const struct sdrt_upscaler_config *config,
                        sdrt_tensor x, sdrt_tensor out)
{
    char name[NAME], slopes[NAME];

    for (int i = 0; i <= config->blocks; i++) {
        sdrt_name(name, NAME, "body.%d", 2 * i);
        sdrt_name(slopes, NAME, "body.%d", 2 * i + 1);
        x = sdrt_plain_conv(g, x, name, config->width, 3, SDRT_NO_TENSOR, SDRT_NO_TENSOR);
        x = sdrt_graph_relu(g, slopes, x, 0.0f, slopes);
    }
    sdrt_name(name, NAME, "body.%d", 2 * (config->blocks + 1));
    sdrt_plain_conv(g, x, name, sdrt_upscaler_out_channels(config), 3, SDRT_NO_TENSOR, out);
}

void sdrt_upscaler_build(struct sdrt_graph *g, const struct sdrt_upscaler_config *config, int h,
                         int w)
{
    const sdrt_tensor in = sdrt_graph_external(g, "upscale_in", SDRT_F32, 1, h, w,
                                               sdrt_upscaler_in_channels(config));
    const sdrt_tensor out = sdrt_graph_external(g, "upscale_out", SDRT_F32, 1,
                                                h << config->doublings, w << config->doublings,
                                                sdrt_upscaler_out_channels(config));

    if (config->kind == SDRT_UPSCALER_SRVGG) build_srvgg(g, config, in, out);
    else build_rrdb(g, config, in, out, h, w);
}
