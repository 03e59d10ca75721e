/* SPDX-License-Identifier: MIT
 *
 * The plan on paper: a table, JSON, and a picture of address over time.
 */
#include "runtime/graph/program_internal.h"

#include <string.h>

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

/* Names come from the builders and hold no character that JSON or XML would escape. */
void sdrt_program_write_json(const struct sdrt_program *p, FILE *f)
{
    const struct sdrt_graph *g = p->graph;
    const char *comma = "";

    fprintf(f, "{\"name\": \"%s\", \"peak_bytes\": %zu, \"lower_bound_bytes\": %zu, \"steps\": [",
            g->name, g->peak, g->lower_bound);
    for (int i = 0; i < p->n_steps; i++) {
        const struct sdrt_step *s = &p->steps[i];
        const struct sdrt_view *v = &g->tensors[s->n->y];
        fprintf(f, "%s\n  {\"name\": \"%s\", \"class\": \"%s\", \"kernel\": \"%s\", "
                "\"output\": [%d, %d, %d, %d], \"parts\": %d, \"flop\": %.0f, \"bytes\": %.0f, "
                "\"live_bytes\": %zu}", i ? "," : "", s->n->name,
                sdrt_step_class_names[s->class_], s->kernel, v->batch, v->h, v->w, v->c, s->nparts,
                s->flop, s->bytes, live_at(g, s->node));
    }
    fprintf(f, "], \"buffers\": [");
    for (int i = 0; i < g->n_buffers; i++) {
        const struct sdrt_buffer *b = &g->buffers[i];
        if (b->external || b->alias >= 0 || b->first < 0) continue;
        fprintf(f, "%s\n  {\"name\": \"%s\", \"offset\": %zu, \"bytes\": %zu, \"first\": %d, "
                "\"last\": %d}", comma, b->name, b->offset, b->bytes, b->first, b->last);
        comma = ",";
    }
    fprintf(f, "]}\n");
}

static unsigned hue_of(const char *name)
{
    unsigned h = 2166136261u;

    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h % 360;
}

void sdrt_program_write_svg(const struct sdrt_program *p, FILE *f)
{
    enum { WIDTH = 1200, HEIGHT = 640, LEFT = 70, TOP = 40, BOTTOM = 40 };
    const struct sdrt_graph *g = p->graph;
    const double sx = (double)(WIDTH - LEFT - 10) / (g->n_nodes ? g->n_nodes : 1);
    const double sy = (double)(HEIGHT - TOP - BOTTOM) / (double)(g->peak ? g->peak : 1);

    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n", WIDTH, HEIGHT);
    fprintf(f, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n"
            "<text x=\"%d\" y=\"22\" font-size=\"15\">%s: %d operations, peak %.1f MiB, "
            "lower bound %.1f MiB</text>\n", LEFT, g->name, g->n_nodes, mib(g->peak),
            mib(g->lower_bound));
    for (int i = 0; i < g->n_buffers; i++) {
        const struct sdrt_buffer *b = &g->buffers[i];
        if (b->external || b->alias >= 0 || b->first < 0) continue;
        const int scratch = !strcmp(b->name, "scratch");
        const double h = (double)b->bytes * sy;
        fprintf(f, "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" "
                "fill=\"hsl(%u,%d%%,70%%)\" stroke=\"#333\" stroke-width=\"0.3\"><title>%s\n"
                "%.2f MiB at %zu, operations %d to %d</title></rect>\n",
                LEFT + b->first * sx, HEIGHT - BOTTOM - (double)b->offset * sy - h,
                (b->last - b->first + 1) * sx, h, hue_of(b->name), scratch ? 0 : 60, b->name,
                mib(b->bytes), b->offset, b->first, b->last);
    }
    for (int i = 0; i <= 4; i++) {
        const double y = HEIGHT - BOTTOM - (double)(HEIGHT - TOP - BOTTOM) * i / 4;
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text>\n", LEFT - 6, y + 4,
                mib(g->peak) * i / 4);
    }
    fprintf(f, "<text x=\"14\" y=\"%d\" transform=\"rotate(-90 14 %d)\" text-anchor=\"middle\">"
            "address, MiB</text>\n<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">operation, in the "
            "order of execution</text>\n</svg>\n", HEIGHT / 2, HEIGHT / 2, WIDTH / 2, HEIGHT - 12);
}
