/* SPDX-License-Identifier: MIT
 *
 * Which type each tensor is stored in.  A product that multiplies bf16 (on some GPUs f16) rounds its
 * operands anyway, so what only such products read is stored so, half the memory and traffic of f32, for
 * the same result.  The residual stream, which norms and sums read, stays f32.
 */
#include "runtime/graph/graph_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* What the nodes want of a buffer. */
enum { WIDE = 1, NARROW = 2 };

static void want(const struct sdrt_graph *g, unsigned char *wanted, sdrt_tensor x, int narrow)
{
    if (x >= 0) wanted[g->tensors[x].buffer] |= narrow ? NARROW : WIDE;
}

/* The type of 16 bits that the kernels multiply, if any. */
static enum sdrt_dtype narrow_type(const struct sdrt_graph *g)
{
    return sdrt_graph_attention_type(g, 1, 1) == SDRT_F16 ? SDRT_F16 : SDRT_BF16;
}

/* Whoever can write it does not ask for it. */
static void want_y(const struct sdrt_graph *g, unsigned char *wanted, sdrt_tensor y, int takes)
{
    if (!takes) want(g, wanted, y, 0);
}

static void want_of_gemm(const struct sdrt_graph *g, const struct sdrt_node *n,
                         unsigned char *wanted)
{
    struct sdrt_gemm_shape s = n->u.gemm;

    want(g, wanted, n->x, g->ops->gemm.operand(&s) == narrow_type(g));
    s.y_type = narrow_type(g);
    want_y(g, wanted, n->y, g->ops->gemm.takes(&s));
}

static void want_of_attention(const struct sdrt_graph *g, const struct sdrt_node *n,
                              unsigned char *wanted)
{
    struct sdrt_attention_shape s = n->u.attention;
    const int narrow = g->ops->attention.operand(&s) == narrow_type(g);

    want(g, wanted, n->x, narrow);
    want(g, wanted, n->x2, narrow);
    want(g, wanted, n->x3, narrow);
    s.o_type = narrow_type(g);
    want_y(g, wanted, n->y, g->ops->attention.takes(&s));
}

static void want_of_conv(const struct sdrt_graph *g, const struct sdrt_node *n,
                         unsigned char *wanted)
{
    struct sdrt_conv_shape s = n->u.conv;

    want(g, wanted, n->x, 0);
    want(g, wanted, n->x2, 0);
    s.y_type = narrow_type(g);
    want_y(g, wanted, n->y, g->ops->conv.takes(&s));
}

static void want_of_node(const struct sdrt_graph *g, const struct sdrt_node *n,
                         unsigned char *wanted)
{
    switch (n->kind) {
    case SDRT_NODE_GEMM:      want_of_gemm(g, n, wanted); break;
    case SDRT_NODE_ATTENTION: want_of_attention(g, n, wanted); break;
    case SDRT_NODE_CONV:      want_of_conv(g, n, wanted); break;
    case SDRT_NODE_RMS_NORM:
        /* In place it is a step on the way to a product; else x is a residual stream. */
        if (g->tensors[n->x].buffer != g->tensors[n->y].buffer) want(g, wanted, n->x, 0);
        break;
    case SDRT_NODE_LAYER_NORM:
    case SDRT_NODE_ADA_NORM:
        want(g, wanted, n->x, 0);
        want(g, wanted, n->x2, 0);
        want(g, wanted, n->x3, 0);
        break;
    case SDRT_NODE_GATHER: break; /* as those that write and read it */
    default:
        want(g, wanted, n->x, 0);
        want(g, wanted, n->x2, 0);
        want(g, wanted, n->x3, 0);
        want(g, wanted, n->y, 0);
        break;
    }
    want(g, wanted, n->chan, 0);
    want(g, wanted, n->residual, 0);
    want(g, wanted, n->msb, 0);
}

static void set_shape(const struct sdrt_graph *g, struct sdrt_node *n)
{
    const enum sdrt_dtype x = sdrt_graph_type(g, n->x), y = sdrt_graph_type(g, n->y);

    switch (n->kind) {
    case SDRT_NODE_GEMM:
        n->u.gemm.a_type = x;
        n->u.gemm.y_type = y;
        break;
    case SDRT_NODE_ATTENTION:
        n->u.attention.q_type = x;
        n->u.attention.k_type = sdrt_graph_type(g, n->x2);
        n->u.attention.v_type = sdrt_graph_type(g, n->x3);
        n->u.attention.o_type = y;
        break;
    case SDRT_NODE_CONV: n->u.conv.y_type = y; break;
    case SDRT_NODE_LAYER_NORM:
    case SDRT_NODE_ADA_NORM: n->u.ln.y_type = y; break;
    case SDRT_NODE_RMS_NORM:
        n->u.rms.x_type = x;
        n->u.rms.y_type = y;
        break;
    default: break;
    }
}

static int is_f32(const struct sdrt_graph *g, sdrt_tensor x)
{
    return sdrt_graph_type(g, x) == SDRT_F32;
}

static int is_f32_or_narrow(const struct sdrt_graph *g, sdrt_tensor x)
{
    return is_f32(g, x) || sdrt_graph_type(g, x) == narrow_type(g);
}

/* Whether the node's kernel computes with the types that its operands have now. */
static int takes(const struct sdrt_graph *g, const struct sdrt_node *n)
{
    const int x_x2_x3 = is_f32(g, n->x) && is_f32(g, n->x2) && is_f32(g, n->x3);

    if (!is_f32(g, n->chan) || !is_f32(g, n->residual) || !is_f32(g, n->msb)) return 0;
    switch (n->kind) {
    case SDRT_NODE_GEMM:      return g->ops->gemm.takes(&n->u.gemm);
    case SDRT_NODE_ATTENTION: return g->ops->attention.takes(&n->u.attention);
    case SDRT_NODE_CONV:      return x_x2_x3 && g->ops->conv.takes(&n->u.conv);
    case SDRT_NODE_LAYER_NORM:
    case SDRT_NODE_ADA_NORM:  return x_x2_x3 && is_f32_or_narrow(g, n->y);
    case SDRT_NODE_RMS_NORM:  return is_f32_or_narrow(g, n->x) && is_f32_or_narrow(g, n->y);
    case SDRT_NODE_GATHER: return sdrt_graph_type(g, n->x) == sdrt_graph_type(g, n->y);
    case SDRT_NODE_EMBED:     return sdrt_graph_type(g, n->x) == SDRT_I32 && is_f32(g, n->y);
    default:                  return x_x2_x3 && is_f32(g, n->y);
    }
}

int sdrt_graph_set_types(struct sdrt_graph *g)
{
    unsigned char *wanted = calloc((size_t)g->n_buffers + 1, sizeof *wanted);

    if (!wanted) {
        sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
        return g->status;
    }
    for (int i = 0; i < g->n_nodes; i++) want_of_node(g, &g->nodes[i], wanted);
    for (int i = 0; i < g->n_buffers; i++) {
        struct sdrt_buffer *b = &g->buffers[i];
        if (b->external || wanted[i] != NARROW) continue;
        b->type = narrow_type(g);
        b->bytes = sdrt_dtype_bytes(b->type, b->elements);
    }
    free(wanted);
    for (int i = 0; i < g->n_nodes && g->status == SDRT_OK; i++) {
        struct sdrt_node *n = &g->nodes[i];
        char text[160];
        set_shape(g, n);
        if (takes(g, n)) continue;
        snprintf(text, sizeof text, "%s: no kernel takes its operands' types", n->name);
        sdrt_graph_fail(g, SDRT_E_UNSUPPORTED, text);
    }
    return g->status;
}

enum sdrt_dtype sdrt_graph_attention_type(const struct sdrt_graph *g, int heads, int c)
{
    const struct sdrt_attention_shape s = { .batch = 1, .heads = heads, .q_len = 1, .kv_len = 1,
                                            .head_dim = heads > 0 ? c / heads : c };

    return g->ops->attention.operand(&s);
}
