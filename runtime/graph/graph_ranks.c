/* SPDX-License-Identifier: MIT
 *
 * Graphs of which each rank computes a band of rows: what a convolution reads beyond its band comes from
 * the neighbours, the statistics of group norms are of all bands, and attention to the picture itself has
 * all keys and values.  Each is a node with its buffers in the plan.
 */
#include "runtime/graph/graph_internal.h"

#include <string.h>

void sdrt_graph_share(struct sdrt_graph *g, struct sdrt_ranks *ranks, const int *bands)
{
    g->ranks = ranks;
    g->bands = bands;
}

void sdrt_graph_common_rows(struct sdrt_graph *g, int rows) { g->common = rows; }

int sdrt_graph_rank_rows(const struct sdrt_ranks *r, const int *bands, int rows, int rank)
{
    const int mine = bands[r->rank + 1] - bands[r->rank];

    return (int)((long)rows * (bands[rank + 1] - bands[rank]) / mine);
}

sdrt_tensor sdrt_graph_with_neighbours(struct sdrt_graph *g, sdrt_tensor x, int times, int below)
{
    if (g->status != SDRT_OK || x < 0) return x;
    const struct sdrt_view v = g->tensors[x];
    const struct sdrt_exchange_shape s = {
        .batch = v.batch,
        .h = v.h,
        .w = v.w,
        .c = v.c,
        .x_pitch = v.pitch,
        .times = times,
        .above = g->ranks->rank > 0,
        .below = below && g->ranks->rank + 1 < g->ranks->size,
        .reads_below = below,
    };
    if (!sdrt_view_dense(&v) || v.row0)
        return sdrt_graph_fail(g, SDRT_E_ARG, "neighbours of some rows of an image");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, "rows with neighbours", v.batch,
                                                v.h * times + s.above + s.below, v.w * times, v.c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_EXCHANGE, "exchange");
    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->y = y;
    n->u.exchange = s;
    n->ranks = g->ranks;
    n->bands = g->bands;
    return y;
}

static sdrt_tensor gather(struct sdrt_graph *g, sdrt_tensor x)
{
    const struct sdrt_view v = g->tensors[x];
    const int rows = v.h * v.w - g->common;
    int all = 0;

    for (int i = 0; i < g->ranks->size; i++)
        all += sdrt_graph_rank_rows(g->ranks, g->bands, rows, i);
    const sdrt_tensor y = sdrt_graph_new_tensor(g, "rows of all", v.batch, 1, all + g->common, v.c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_GATHER, "gather");
    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->y = y;
    n->u.gather = (struct sdrt_gather_shape){
        .batch = v.batch,
        .rows = rows,
        .all = all,
        .common = g->common,
        .c = v.c,
        .x_pitch = v.pitch,
    };
    n->ranks = g->ranks;
    n->bands = g->bands;
    return y;
}

/* Keys and values that lie side by side come in one go. */
void sdrt_graph_gather_keys(struct sdrt_graph *g, sdrt_tensor *k, sdrt_tensor *v)
{
    if (g->status != SDRT_OK) return;
    const struct sdrt_view vk = g->tensors[*k], vv = g->tensors[*v];
    if (g->buffers[vk.buffer].external && g->buffers[vv.buffer].external) return;
    if (vk.buffer == vv.buffer && vk.row0 == vv.row0 && vk.c0 + vk.c == vv.c0) {
        sdrt_tensor both = sdrt_graph_slice(g, *k, 0, vk.c + vv.c);
        if (g->status == SDRT_OK) both = gather(g, both);
        *k = sdrt_graph_slice(g, both, 0, vk.c);
        *v = sdrt_graph_slice(g, both, vk.c, vv.c);
        return;
    }
    *k = gather(g, *k);
    if (g->status == SDRT_OK) *v = gather(g, *v);
}
