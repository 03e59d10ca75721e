/* SPDX-License-Identifier: MIT
 *
 * The nodes that embed, add up and move values.
 */
#include "runtime/graph/graph_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sdrt_tensor patches(struct sdrt_graph *g, const char *name, sdrt_tensor x, sdrt_tensor y,
                           sdrt_tensor picture, int p)
{
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_PATCHES, name);

    if (!n) return SDRT_NO_TENSOR;
    const struct sdrt_view *v = &g->tensors[picture];
    n->x = x;
    n->y = y;
    n->u.patches.batch = v->batch;
    n->u.patches.h = v->h;
    n->u.patches.w = v->w;
    n->u.patches.c = v->c;
    n->u.patches.p = p;
    n->u.patches.back = picture == y;
    return y;
}

sdrt_tensor sdrt_graph_to_patches(struct sdrt_graph *g, const char *name, sdrt_tensor x, int p)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view v = g->tensors[x];
    if (v.h % p || v.w % p || v.pitch != v.c || !sdrt_view_dense(&v))
        return sdrt_graph_fail(g, SDRT_E_ARG, "patches that do not fill the image");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, v.batch, 1, v.h / p * (v.w / p),
                                                v.c * p * p);
    return patches(g, name, x, y, x, p);
}

sdrt_tensor sdrt_graph_from_patches(struct sdrt_graph *g, const char *name, sdrt_tensor x, int p,
                                    sdrt_tensor into)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view v = g->tensors[x], to = g->tensors[into];
    if (to.h % p || to.w % p || v.w != to.h / p * (to.w / p) || v.c != to.c * p * p ||
        v.batch != to.batch || v.pitch != v.c || to.pitch != to.c)
        return sdrt_graph_fail(g, SDRT_E_ARG, "patches that do not fill the image");
    return patches(g, name, x, into, into, p);
}

sdrt_tensor sdrt_graph_relu(struct sdrt_graph *g, const char *name, sdrt_tensor x, float slope,
                            const char *slopes)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view v = g->tensors[x];
    if (!sdrt_view_dense(&v))
        return sdrt_graph_fail(g, SDRT_E_ARG, "ReLU of some rows of each image");
    if (!g->ops->elementwise.relu)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "ReLU, which this device has no kernel for");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_RELU, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = n->y = x;
    n->u.relu = (struct sdrt_relu_shape){
        .rows = v.batch * v.h * v.w,
        .c = v.c,
        .pitch = v.pitch,
        .slope = slope,
    };
    if (slopes) sdrt_graph_set_weights(g, n, &slopes, &v.c, 1, 1, 0);
    return x;
}

static int same_size(const struct sdrt_view *a, const struct sdrt_view *b)
{
    return a->batch == b->batch && a->h == b->h && a->w == b->w && a->c == b->c &&
           sdrt_view_dense(b);
}

sdrt_tensor sdrt_graph_blend(struct sdrt_graph *g, const char *name, float a, sdrt_tensor x,
                             float b, sdrt_tensor z, sdrt_tensor into)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view vx = g->tensors[x], vz = g->tensors[z < 0 ? x : z],
                           vy = g->tensors[into];
    if (!same_size(&vx, &vx) || !same_size(&vx, &vz) || !same_size(&vx, &vy))
        return sdrt_graph_fail(g, SDRT_E_ARG, "a sum of tensors that differ in size");
    if (!g->ops->elementwise.blend)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "sums, which this device has no kernel for");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_BLEND, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->x2 = z;
    n->y = into;
    n->u.blend = (struct sdrt_blend_shape){
        .rows = vx.batch * vx.h * vx.w,
        .c = vx.c,
        .x_pitch = vx.pitch,
        .z_pitch = vz.pitch,
        .y_pitch = vy.pitch,
        .a = a,
        .b = b,
    };
    return into;
}

sdrt_tensor sdrt_graph_low_frequencies(struct sdrt_graph *g, const char *name, sdrt_tensor x,
                                       float gain)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view v = g->tensors[x];
    if (v.pitch != v.c || !sdrt_view_dense(&v))
        return sdrt_graph_fail(g, SDRT_E_ARG, "frequencies of a part of a tensor");
    if (g->ranks) return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "FreeU over rows of ranks");
    if (!g->ops->elementwise.low_frequencies)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED,
                               "frequencies, which this device has no kernel for");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_LOW_FREQUENCIES, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = n->y = x;
    n->u.low =
        (struct sdrt_low_shape){ .batch = v.batch, .h = v.h, .w = v.w, .c = v.c, .gain = gain };
    return x;
}

sdrt_tensor sdrt_graph_own_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                     sdrt_tensor k, sdrt_tensor v, int heads, int first, int count,
                                     sdrt_tensor o)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view vq = g->tensors[q], vk = g->tensors[k], vv = g->tensors[v],
                           vo = g->tensors[o];
    const int rows = vq.h * vq.w;
    if (!sdrt_view_dense(&vq) || !sdrt_view_dense(&vk) || !sdrt_view_dense(&vv) ||
        !same_size(&vq, &vo) || vk.c != vq.c || vv.c != vq.c || vk.pitch != vq.pitch ||
        vv.pitch != vq.pitch || heads < 1 || vq.c % heads || first < 0 || count < 1 ||
        first + count > rows)
        return sdrt_graph_fail(g, SDRT_E_ARG, "attention of rows that are not there");
    if (!g->ops->elementwise.own_attention)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED,
                               "attention of rows that do not see each other, which this device "
                               "has no kernel for");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_OWN_ATTENTION, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = q;
    n->x2 = k;
    n->x3 = v;
    n->y = o;
    n->u.own = (struct sdrt_own_shape){
        .batch = vq.batch,
        .rows = rows,
        .first = first,
        .count = count,
        .heads = heads,
        .head_dim = vq.c / heads,
        .pitch = vq.pitch,
        .o_pitch = vo.pitch,
        .scale = 1.0f / sqrtf((float)(vq.c / heads)),
    };
    return o;
}

sdrt_tensor sdrt_graph_silu(struct sdrt_graph *g, const char *name, sdrt_tensor x)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view v = g->tensors[x];
    if (v.pitch != v.c || !sdrt_view_dense(&v))
        return sdrt_graph_fail(g, SDRT_E_ARG, "SiLU of a part of a tensor");
    if (!g->ops->elementwise.silu)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "SiLU, which this device has no kernel for");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_SILU, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = n->y = x;
    n->u.silu.rows = v.batch * v.h * v.w;
    n->u.silu.c = v.c;
    return x;
}

sdrt_tensor sdrt_graph_halve(struct sdrt_graph *g, const char *name, sdrt_tensor x)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view v = g->tensors[x];
    if (v.pitch != v.c || !sdrt_view_dense(&v))
        return sdrt_graph_fail(g, SDRT_E_ARG, "means of a part of a tensor");
    if (!g->ops->elementwise.halve)
        return sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, "means, which this device has no kernel for");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, v.batch, (v.h + 1) / 2, (v.w + 1) / 2,
                                                v.c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_HALVE, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->y = y;
    n->u.halve.batch = v.batch;
    n->u.halve.h = v.h;
    n->u.halve.w = v.w;
    n->u.halve.c = v.c;
    return y;
}

sdrt_tensor sdrt_graph_crop(struct sdrt_graph *g, const char *name, const char *table, int side,
                            int h, int w, sdrt_tensor into)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const int c = g->tensors[into].c;
    if (h > side || w > side || g->tensors[into].w != h * w)
        return sdrt_graph_fail(g, SDRT_E_ARG, "a crop larger than its grid");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_CROP, name);
    if (!n) return SDRT_NO_TENSOR;
    n->y = into;
    n->u.crop.side = side;
    n->u.crop.h = h;
    n->u.crop.w = w;
    n->u.crop.c = c;
    n->n_weights = 1;
    n->weights = calloc(1, sizeof *n->weights);
    n->rows = calloc(1, sizeof *n->rows);
    if (n->weights) n->weights[0] = strdup(table);
    if (!n->rows || !n->weights || !n->weights[0])
        return sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
    n->rows[0] = 1;
    if (sdrt_weight_store_declare_table(g->store, table, 1,
                                        (size_t)side * (size_t)side * (size_t)c) == SDRT_DTYPES)
        return sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
    return into;
}

sdrt_tensor sdrt_graph_timestep_embedding(struct sdrt_graph *g, const char *name, sdrt_tensor t,
                                          int dim)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, 1, 1, g->tensors[t].w, dim);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_TIMESTEP, name);

    if (!n) return SDRT_NO_TENSOR;
    n->x = t;
    n->y = y;
    n->u.timestep.n = g->tensors[t].w;
    n->u.timestep.dim = dim;
    return y;
}

sdrt_tensor sdrt_graph_silu_of_sums(struct sdrt_graph *g, const char *name, sdrt_tensor a,
                                    sdrt_tensor b)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view va = g->tensors[a], vb = g->tensors[b];
    if (va.c != vb.c || va.pitch != va.c || vb.pitch != vb.c)
        return sdrt_graph_fail(g, SDRT_E_ARG, "sums of rows of different widths");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, 1, 1, va.w * vb.w, va.c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_SILU_OF_SUMS, name);

    if (!n) return SDRT_NO_TENSOR;
    n->x = a;
    n->x2 = b;
    n->y = y;
    n->u.sums.n = va.w;
    n->u.sums.m = vb.w;
    n->u.sums.c = va.c;
    return y;
}

sdrt_tensor sdrt_graph_embed(struct sdrt_graph *g, const char *name, sdrt_tensor ids,
                             const char *table, int vocab, const char *positions, int positions_n,
                             int c)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view in = g->tensors[ids];
    const char *const prefixes[2] = { table, positions };
    const int rows[2] = { vocab, positions_n };
    if (positions && in.w > positions_n)
        return sdrt_graph_fail(g, SDRT_E_ARG, "more tokens than positions");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, in.batch, 1, in.w, c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_EMBED, name);

    if (!n) return SDRT_NO_TENSOR;
    n->x = ids;
    n->y = y;
    n->u.embed.rows = in.batch * in.w;
    n->u.embed.tokens = in.w;
    sdrt_graph_set_weights(g, n, prefixes, rows, positions ? 2 : 1, (size_t)c, 0);
    return y;
}
