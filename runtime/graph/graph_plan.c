/* SPDX-License-Identifier: MIT
 *
 * From nodes to addresses: scratch sizes, lives, in-place reuse, placement.
 */
#include "runtime/graph/graph_internal.h"
#include "runtime/graph/planner.h"

#include <stdlib.h>

int sdrt_graph_root(const struct sdrt_graph *g, int b)
{
    while (g->buffers[b].alias >= 0) b = g->buffers[b].alias;
    return b;
}

static size_t node_scratch(const struct sdrt_node *n, const struct sdrt_ops *ops)
{
    switch (n->kind) {
    case SDRT_NODE_CONV:      return ops->conv.scratch(&n->u.conv);
    case SDRT_NODE_GEMM:      return ops->gemm.scratch(&n->u.gemm);
    case SDRT_NODE_ATTENTION: return ops->attention.scratch(&n->u.attention);
    default:                  return 0;
    }
}

static int add_scratch(struct sdrt_graph *g, int workers)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct sdrt_node *n = &g->nodes[i];
        n->scratch_each = (node_scratch(n, g->ops) + 63) / 64 * 64;
        if (!n->scratch_each) continue;
        n->scratch = sdrt_graph_add_buffer(g, "scratch", SDRT_U8,
                                           n->scratch_each * (size_t)workers, 0);
        if (n->scratch < 0) return g->status;
    }
    return SDRT_OK;
}

/* Bytes of a node's packed weights where they are a matrix, else 0. */
static size_t packed_bytes(const struct sdrt_node *n, const struct sdrt_ops *ops)
{
    return n->kind == SDRT_NODE_CONV   ? ops->conv.pack_bytes(&n->u.conv.w)
           : n->kind == SDRT_NODE_GEMM ? ops->gemm.pack_bytes(&n->u.gemm.w)
                                       : 0;
}

void sdrt_graph_stream(struct sdrt_graph *g, double share, int ahead)
{
    double due = 0.0; /* bytes that the nodes so far should have streamed and did not */

    g->ahead = ahead;
    for (int i = 0; i < g->n_nodes; i++) {
        const double bytes = (double)packed_bytes(&g->nodes[i], g->ops);
        due += share * bytes;
        g->nodes[i].streamed = bytes > 0.0 && due >= bytes;
        if (g->nodes[i].streamed) due -= bytes;
    }
}

static int add_incoming(struct sdrt_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct sdrt_node *n = &g->nodes[i];
        if (!n->streamed) continue;
        n->incoming = sdrt_graph_add_buffer(g, "weights", SDRT_U8, packed_bytes(n, g->ops), 0);
        if (n->incoming < 0) return g->status;
    }
    return SDRT_OK;
}

static void touch(struct sdrt_buffer *b, int at)
{
    if (b->first < 0) b->first = at;
    b->last = at;
}

static void find_lives(struct sdrt_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct sdrt_node *n = &g->nodes[i];
        const sdrt_tensor uses[] = { n->x, n->x2, n->x3, n->chan, n->residual, n->msb, n->y,
                                     n->scratch_sums };
        for (size_t k = 0; k < sizeof uses / sizeof uses[0]; k++)
            if (uses[k] >= 0) touch(&g->buffers[g->tensors[uses[k]].buffer], i);
        if (n->scratch >= 0) touch(&g->buffers[n->scratch], i);
        if (n->incoming >= 0) {
            touch(&g->buffers[n->incoming], i < g->ahead ? 0 : i - g->ahead);
            touch(&g->buffers[n->incoming], i);
        }
    }
}

/* Whether the view is all of its buffer. */
static int is_whole(const struct sdrt_graph *g, const struct sdrt_view *v)
{
    const size_t elements = (size_t)v->batch * (size_t)v->h * (size_t)v->w * (size_t)v->c;

    return v->pitch == v->c && v->row0 == 0 && elements == g->buffers[v->buffer].elements;
}

/* Whether y may take over the memory of tensor old, which the node i reads element by
 * element: both whole buffers of one type and size, old dead afterwards, no other input inside it. */
static int may_take_over(const struct sdrt_graph *g, int i, sdrt_tensor old)
{
    const struct sdrt_node *n = &g->nodes[i];
    const struct sdrt_view *vo = &g->tensors[old], *vy = &g->tensors[n->y];
    const int root = sdrt_graph_root(g, vo->buffer);
    const struct sdrt_buffer *bo = &g->buffers[root], *by = &g->buffers[vy->buffer];
    const sdrt_tensor others[] = { n->x, n->x2, n->x3, n->chan };

    if (bo->external || by->external || by->first != i || bo->last != i) return 0;
    if (!is_whole(g, vo) || !is_whole(g, vy) || g->buffers[vo->buffer].bytes != by->bytes ||
        g->buffers[vo->buffer].type != by->type)
        return 0;
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
        if (others[k] >= 0 && others[k] != old &&
            sdrt_graph_root(g, g->tensors[others[k]].buffer) == root)
            return 0;
    return 1;
}

/* Those that read a row before they write it. */
static int is_norm(enum sdrt_node_kind kind)
{
    return kind == SDRT_NODE_LAYER_NORM || kind == SDRT_NODE_ADA_NORM || kind == SDRT_NODE_RMS_NORM;
}

static void reuse_in_place(struct sdrt_graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct sdrt_node *n = &g->nodes[i];
        const int by_residual = n->kind == SDRT_NODE_CONV || n->kind == SDRT_NODE_GEMM;
        const sdrt_tensor old = by_residual ? n->residual
                              : is_norm(n->kind) ? n->x : SDRT_NO_TENSOR;
        /* Not over an input that is read out of order: a conv reads its neighbours. */
        if (old < 0 || (by_residual && (old == n->x || old == n->x2)) || !may_take_over(g, i, old))
            continue;
        const int root = sdrt_graph_root(g, g->tensors[old].buffer);
        const int y = g->tensors[n->y].buffer;
        g->buffers[y].alias = root;
        if (g->buffers[y].last > g->buffers[root].last)
            g->buffers[root].last = g->buffers[y].last;
    }
}

int sdrt_graph_plan(struct sdrt_graph *g, int workers)
{
    struct sdrt_plan_buffer *in = NULL;
    size_t *offsets = NULL;
    int *which = NULL, n = 0, status = g->status;
    struct sdrt_plan_result result;

    if (status != SDRT_OK || g->planned) return status;
    status = sdrt_graph_set_types(g);
    if (status == SDRT_OK) status = add_scratch(g, workers);
    if (status == SDRT_OK) status = add_incoming(g);
    if (status != SDRT_OK) return status;
    find_lives(g);
    reuse_in_place(g);

    in = malloc((size_t)g->n_buffers * sizeof *in);
    offsets = malloc((size_t)g->n_buffers * sizeof *offsets);
    which = malloc((size_t)g->n_buffers * sizeof *which);
    if (!in || !offsets || !which) {
        status = sdrt_fail(g->log, SDRT_E_NOMEM, "out of memory for the plan of %s", g->name);
        goto out;
    }
    for (int i = 0; i < g->n_buffers; i++) {
        const struct sdrt_buffer *b = &g->buffers[i];
        if (b->external || b->alias >= 0 || b->first < 0) continue;
        in[n] = (struct sdrt_plan_buffer){ .size = b->bytes, .first = b->first, .last = b->last };
        which[n++] = i;
    }
    status = sdrt_plan_memory(in, offsets, n, &result, g->log);
    if (status != SDRT_OK) goto out;
    for (int i = 0; i < n; i++) g->buffers[which[i]].offset = offsets[i];
    g->peak = result.peak;
    g->lower_bound = result.lower_bound;
    g->planned = 1;
out:
    free(in);
    free(offsets);
    free(which);
    return status;
}
