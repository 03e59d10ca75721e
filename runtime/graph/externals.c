/* SPDX-License-Identifier: MIT
 *
 * A program's external tensors, by name.
 */
#include "runtime/graph/program_internal.h"

#include <string.h>

/* The tensor that was declared with the buffer, before any slice of it. */
static sdrt_tensor whole_of(const struct sdrt_graph *g, int buffer)
{
    sdrt_tensor x = 0;

    while (g->tensors[x].buffer != buffer) x++;
    return x;
}

/* Whether tensor x, which may be none, lies in the buffer. */
static int is_in(const struct sdrt_graph *g, sdrt_tensor x, int buffer)
{
    return x >= 0 && g->tensors[x].buffer == buffer;
}

static void find_uses(const struct sdrt_graph *g, int buffer, struct sdrt_external *e)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct sdrt_node *n = &g->nodes[i];
        e->writes |= is_in(g, n->y, buffer);
        e->reads |= is_in(g, n->x, buffer) || is_in(g, n->x2, buffer) || is_in(g, n->x3, buffer) ||
                    is_in(g, n->chan, buffer) || is_in(g, n->residual, buffer);
    }
}

int sdrt_program_external(const struct sdrt_program *p, int i, struct sdrt_external *out)
{
    const struct sdrt_graph *g = p->graph;

    for (int b = 0; b < g->n_buffers; b++) {
        if (!g->buffers[b].external || i--) continue;
        const sdrt_tensor x = whole_of(g, b);
        const struct sdrt_view *v = &g->tensors[x];
        *out = (struct sdrt_external){ .name = g->buffers[b].name,
                                       .tensor = x,
                                       .type = g->buffers[b].type,
                                       .dims = { v->batch, v->h, v->w, v->c } };
        find_uses(g, b, out);
        return 1;
    }
    return 0;
}

int sdrt_program_find(const struct sdrt_program *p, const char *name, struct sdrt_external *out)
{
    for (int i = 0; sdrt_program_external(p, i, out); i++)
        if (!strcmp(out->name, name)) return 1;
    return 0;
}
