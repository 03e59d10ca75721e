/* SPDX-License-Identifier: MIT
 *
 * Convolutions, with the group norm that comes before one.
 */
#include "runtime/graph/graph_internal.h"

const struct sdrt_conv_spec sdrt_conv_defaults = {
    .skip = SDRT_NO_TENSOR,
    .chan = SDRT_NO_TENSOR,
    .residual = SDRT_NO_TENSOR,
    .into = SDRT_NO_TENSOR,
    .msb = SDRT_NO_TENSOR,
};

/* The statistics that a convolution's read needs: [batch][3][c] of mean, scale and beta. */
static sdrt_tensor group_norm(struct sdrt_graph *g, sdrt_tensor x, sdrt_tensor skip,
                              const struct sdrt_conv_spec *spec)
{
    const struct sdrt_view a = g->tensors[x];
    const struct sdrt_view b = skip < 0 ? (struct sdrt_view){ 0 } : g->tensors[skip];
    const struct sdrt_gn_shape s = {
        .batch = a.batch,
        .pixels = a.h * a.w,
        .c = a.c,
        .c2 = b.c,
        .x_pitch = a.pitch,
        .x2_pitch = b.pitch,
        .groups = spec->groups,
        .eps = spec->eps,
    };
    const int c = a.c + b.c;

    if (spec->groups < 1 || c % spec->groups)
        return sdrt_graph_fail(g, SDRT_E_ARG, "channels are not a multiple of the norm's groups");
    const sdrt_tensor msb = sdrt_graph_new_tensor(g, spec->norm, a.batch, 1, 3, c);
    const sdrt_tensor sums =
        sdrt_graph_typed_tensor(g, "partial sums", SDRT_F64, 0, 1, 1, 1,
                                (int)(sdrt_gn_sums_bytes(&s) / sdrt_dtype_size(SDRT_F64) +
                                      (g->ranks ? sdrt_rank_sums_count(&s, g->ranks->size) : 0)));
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_GROUP_NORM, spec->norm);
    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->x2 = skip;
    n->y = msb;
    n->scratch_sums = sums;
    n->ranks = g->ranks;
    n->bands = g->bands;
    n->u.gn = s;
    sdrt_graph_set_weights(g, n, &spec->norm, &c, 1, 1, 1);
    return msb;
}

/* Where the convolution's kernel makes its group norm itself, that node keeps its weights and name, and
 * nothing else: nobody reads its vectors. */
static void take_norm(struct sdrt_graph *g, int conv, int norm)
{
    struct sdrt_node *c = &g->nodes[conv], *n = &g->nodes[norm];

    if (!g->ops->conv.norms || !g->ops->conv.norms(&c->u.conv, n->u.gn.groups)) return;
    c->norm = norm;
    c->msb = SDRT_NO_TENSOR;
    n->taken = 1;
    n->x = n->x2 = n->y = n->scratch_sums = SDRT_NO_TENSOR;
}

static int output_size(int given, int in, int upsample, int stride)
{
    return given ? given : (in * upsample + stride - 1) / stride;
}

/* The prefixes of the weights that stand one behind another in the output's channels, which each of
 * them has rows of; how many. */
static int name_weights(const struct sdrt_conv_spec *spec, const char *prefixes[3], int rows[3])
{
    int count = 0;

    while (count < 3 && spec->weights[count]) {
        prefixes[count] = spec->weights[count];
        count++;
    }
    if (!count) prefixes[count++] = spec->name;
    for (int i = 0; i < count; i++) rows[i] = spec->out_c / count;
    return count;
}

/* The kernel's shape for a node whose tensors are known, but for the output's sides and the weights. */
static struct sdrt_conv_shape shape_of(const struct sdrt_graph *g, const struct sdrt_node *n,
                                       const struct sdrt_conv_spec *spec, int stride, int upsample)
{
    const struct sdrt_view in = g->tensors[n->x], y = g->tensors[n->y];
    const struct sdrt_view in2 = n->x2 < 0 ? (struct sdrt_view){ 0 } : g->tensors[n->x2];
    const struct sdrt_view chan = n->chan < 0 ? (struct sdrt_view){ 0 } : g->tensors[n->chan];

    return (struct sdrt_conv_shape){
        .batch = in.batch,
        .in_h = in.h,
        .in_w = in.w,
        .in_c = in.c,
        .in_c2 = in2.c,
        .out_c = spec->out_c,
        .kernel = spec->kernel,
        .stride = stride,
        .upsample = upsample,
        .pad = spec->pad,
        .lead = g->ranks && spec->kernel == 3 && g->ranks->rank > 0,
        .x_pitch = in.pitch,
        .x2_pitch = in2.pitch,
        .y_pitch = y.pitch,
        .residual_pitch = spec->residual >= 0 ? g->tensors[spec->residual].pitch : 0,
        .chan_pitch = chan.batch > 1 ? chan.pitch : 0,
        .prologue = n->msb < 0   ? SDRT_PROLOGUE_NONE
                    : spec->silu ? SDRT_PROLOGUE_NORM_SILU
                                 : SDRT_PROLOGUE_NORM,
        .w = { .n = spec->out_c,
               .k = in.c + in2.c,
               .taps = spec->kernel * spec->kernel,
               .stride = stride },
        .relu = spec->relu,
    };
}

sdrt_tensor sdrt_graph_conv(struct sdrt_graph *g, sdrt_tensor x, const struct sdrt_conv_spec *spec)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view in = g->tensors[x];
    const int stride = spec->stride ? spec->stride : 1;
    int up = spec->upsample ? spec->upsample : 1;
    const int h = output_size(spec->out_h, in.h, up, stride);
    const int w = output_size(spec->out_w, in.w, up, stride);
    const int among = g->ranks && spec->kernel == 3;
    sdrt_tensor skip = spec->skip;
    const char *prefixes[3];
    int rows[3];

    if (spec->relu && spec->kernel != 3)
        return sdrt_graph_fail(g, SDRT_E_ARG, "ReLU after a convolution that is not 3x3");
    if (spec->relu && !g->ops->elementwise.relu)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "ReLU, which this device has no kernel for");
    const sdrt_tensor msb = spec->norm ? group_norm(g, x, spec->skip, spec) : spec->msb;
    const int norm = g->n_nodes - 1;
    if (among) {
        if (spec->pad != 1 || h * stride != in.h * up || w * stride != in.w * up)
            return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "rows of ranks that are no even number");
        x = sdrt_graph_with_neighbours(g, x, up, stride == 1);
        skip = sdrt_graph_with_neighbours(g, skip, up, stride == 1);
        if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
        up = 1;
    }
    const sdrt_tensor y = spec->into >= 0
                              ? spec->into
                              : sdrt_graph_new_tensor(g, spec->name, in.batch, h, w, spec->out_c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_CONV, spec->name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->x2 = skip;
    n->y = y;
    n->chan = spec->chan;
    n->residual = spec->residual;
    n->msb = msb;
    n->u.conv = shape_of(g, n, spec, stride, up);
    n->u.conv.out_h = h;
    n->u.conv.out_w = w;
    const int count = name_weights(spec, prefixes, rows);
    n->u.conv.w.stored = sdrt_graph_set_weights(g, n, prefixes, rows, count,
                                                (size_t)n->u.conv.w.k * (size_t)n->u.conv.w.taps,
                                                !spec->no_bias);
    /* Ranks add their statistics up first. */
    if (spec->norm && !g->ranks) take_norm(g, g->n_nodes - 1, norm);
    return y;
}
