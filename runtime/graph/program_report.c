/* SPDX-License-Identifier: MIT
 *
 * The plan on paper: a table and JSON.
 */
#include "runtime/graph/program_internal.h"

static double mib(size_t bytes) { return (double)bytes / (1 << 20); }

/* Live bytes at a node, as placed: what the lower bound is the maximum of. */
static size_t live_at(const struct sdrt_graph *g, int node)
{
    size_t sum = 0;

    for (int i = 0; i < g->n_buffers; i++) {
        const struct sdrt_buffer *b = &g->buffers[i];
        if (!b->external && b->alias < 0 && b->first >= 0 && b->first <= node && node <= b->last)
            sum += (b->bytes + 63) / 64 * 64;
    }
    return sum;
}

void sdrt_program_write_table(const struct sdrt_program *p, FILE *f)
{
    const struct sdrt_graph *g = p->graph;

    fprintf(f, "%s: %d steps, peak %.1f MiB, lower bound %.1f MiB (%.2f%% above)\n", g->name,
            p->n_steps, mib(g->peak), mib(g->lower_bound),
            g->lower_bound ? 100.0 * ((double)g->peak / (double)g->lower_bound - 1.0) : 0.0);
    fprintf(f, "%5s  %-58s %-26s %-22s %5s %9s %9s %9s\n", "step", "name", "kernel", "output",
            "parts", "GFLOP", "MiB moved", "MiB live");
    for (int i = 0; i < p->n_steps; i++) {
        const struct sdrt_step *s = &p->steps[i];
        const struct sdrt_view *v = &g->tensors[s->n->y];
        char dims[48];
        snprintf(dims, sizeof dims, "%dx%dx%dx%d", v->batch, v->h, v->w, v->c);
        fprintf(f, "%5d  %-58s %-26s %-22s %5d %9.3f %9.2f %9.2f\n", i, s->n->name, s->kernel, dims,
                s->nparts, s->flop * 1e-9, s->bytes / (1 << 20), mib(live_at(g, s->node)));
    }
}

static json_t *step_json(const struct sdrt_program *p, int i)
{
    const struct sdrt_step *s = &p->steps[i];
    const struct sdrt_view *v = &p->graph->tensors[s->n->y];

    return json_pack("{ss ss ss s[iiii] si sI sI sI}", "name", s->n->name, "class",
                     sdrt_step_class_names[s->class_], "kernel", s->kernel, "output", v->batch,
                     v->h, v->w, v->c, "parts", s->nparts, "flop", (json_int_t)s->flop, "bytes",
                     (json_int_t)s->bytes, "live_bytes", (json_int_t)live_at(p->graph, s->node));
}

static json_t *buffer_json(const struct sdrt_buffer *b)
{
    return json_pack("{ss sI sI si si}", "name", b->name, "offset", (json_int_t)b->offset, "bytes",
                     (json_int_t)b->bytes, "first", b->first, "last", b->last);
}

json_t *sdrt_program_json(const struct sdrt_program *p)
{
    const struct sdrt_graph *g = p->graph;
    json_t *steps = json_array(), *buffers = json_array();
    int failed = !steps || !buffers;

    for (int i = 0; i < p->n_steps && !failed; i++)
        failed = json_array_append_new(steps, step_json(p, i));
    for (int i = 0; i < g->n_buffers && !failed; i++) {
        const struct sdrt_buffer *b = &g->buffers[i];
        if (!b->external && b->alias < 0 && b->first >= 0)
            failed = json_array_append_new(buffers, buffer_json(b));
    }
    if (!failed)
        return json_pack("{ss sI sI si so so}", "name", g->name, "peak_bytes", (json_int_t)g->peak,
                         "lower_bound_bytes", (json_int_t)g->lower_bound, "operations", g->n_nodes,
                         "steps", steps, "buffers", buffers);
    json_decref(steps);
    json_decref(buffers);
    return NULL;
}
