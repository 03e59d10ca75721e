/* SPDX-License-Identifier: MIT */
#include "runtime/graph/program_internal.h"

#include <stdint.h>
#include <stdlib.h>

static int run_step(const void *arg, const struct sdrt_exec *ex)
{
    const struct sdrt_step *s = arg;

    return s->run(s, ex);
}

int sdrt_program_create(struct sdrt_program **out, struct sdrt_graph **graph,
                        const struct sdrt_device *device, int workers,
                        const struct sdrt_log *log)
{
    struct sdrt_graph *g = *graph;
    struct sdrt_program *p = *out = NULL;
    int status = sdrt_graph_plan(g, workers);

    *graph = NULL;
    if (status == SDRT_OK) {
        const size_t most = 2 * (size_t)g->n_nodes + 2;
        p = calloc(1, sizeof *p);
        if (p) p->steps = calloc(most, sizeof *p->steps);
        if (p) p->device_steps = calloc(most, sizeof *p->device_steps);
        if (p) p->uploads = calloc((size_t)g->n_nodes + 1, sizeof *p->uploads);
        if (!p || !p->steps || !p->device_steps || !p->uploads)
            status = sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the program %s", g->name);
    }
    if (p) p->graph = g;
    if (status != SDRT_OK) {
        if (p) sdrt_program_free(&p);
        else sdrt_graph_free(&g);
        return status;
    }
    p->device = device;
    p->ops = g->ops;
    p->isa = device->isa;
    p->log = log;
    p->workers = workers;
    for (int i = 0; i < g->n_nodes; i++)
        p->n_steps += sdrt_node_steps(p, i, p->steps + p->n_steps);
    for (int i = 0; i < p->n_steps; i++)
        p->device_steps[i] = (struct sdrt_device_step){ .run = run_step, .arg = &p->steps[i],
                                                        .nparts = p->steps[i].nparts };
    *out = p;
    return SDRT_OK;
}

void sdrt_program_free(struct sdrt_program **program)
{
    struct sdrt_program *p = *program;

    if (!p) return;
    sdrt_program_unload(p);
    sdrt_graph_free(&p->graph);
    free(p->steps);
    free(p->device_steps);
    free(p->uploads);
    free(p);
    *program = NULL;
}

size_t sdrt_program_peak(const struct sdrt_program *p) { return p->graph->peak; }
size_t sdrt_program_lower_bound(const struct sdrt_program *p) { return p->graph->lower_bound; }
int sdrt_program_steps(const struct sdrt_program *p) { return p->n_steps; }
const char *sdrt_program_name(const struct sdrt_program *p) { return p->graph->name; }

void sdrt_program_bind(struct sdrt_program *p, sdrt_tensor x, void *address)
{
    p->graph->buffers[p->graph->tensors[x].buffer].address = address;
    p->linked = 0;
}

struct load_progress {
    const struct sdrt_program *p;
    int (*fn)(void *user, int done, int total);
    void *user;
};

static int tell_progress(void *user, double share)
{
    const struct load_progress *l = user;
    const int n = l->p->n_steps;

    return l->fn ? l->fn(l->user, (int)(share * n), n) : 0;
}

static int load_steps(struct sdrt_program *p)
{
    int status = SDRT_OK;

    for (int i = 0; i < p->n_steps && status == SDRT_OK; i++)
        status = sdrt_step_load(p, &p->steps[i]);
    return status;
}

/* Streamed weights begin to come before the first step of the node that is so far ahead, and are waited
 * for by their own.  Steps and uploads are in the order of nodes. */
static void set_uploads(struct sdrt_program *p)
{
    const struct sdrt_graph *g = p->graph;
    int n = 0, begins = 0;

    for (int i = 0; i < p->n_steps; i++)
        p->device_steps[i].n_uploads = p->device_steps[i].awaits = 0;
    for (int i = 0; i < p->n_steps; i++) {
        const struct sdrt_node *node = p->steps[i].n;
        const int from = p->steps[i].node < g->ahead ? 0 : p->steps[i].node - g->ahead;
        if (!node->streamed) continue;
        while (p->steps[begins].node < from) begins++;
        struct sdrt_device_step *s = &p->device_steps[begins];
        if (!s->n_uploads++) {
            s->uploads = &p->uploads[n];
            s->first_upload = n;
        }
        p->uploads[n++] = (struct sdrt_device_upload){
            .to = (void *)(uintptr_t)p->steps[i].weights,
            .from = p->steps[i].packed,
            .bytes = g->buffers[node->incoming].bytes,
        };
        p->device_steps[i].awaits = n;
    }
}

/* The steps ask for their weights, all are made at once, and the steps ask again.  What was made
 * before a failure stays in the store for the next try. */
int sdrt_program_load(struct sdrt_program *p, struct sdrt_queue *queue,
                      int (*progress)(void *user, int done, int total), void *user)
{
    struct load_progress l = { .p = p, .fn = progress, .user = user };
    int status;

    if (p->loaded && sdrt_weight_store_current(p->graph->store, &p->uses)) return SDRT_OK;
    sdrt_program_unload(p);
    status = load_steps(p);
    if (status == SDRT_OK)
        status = sdrt_weight_store_fill(p->graph->store, &p->uses, queue, tell_progress, &l);
    if (status == SDRT_OK) status = load_steps(p);
    if (status == SDRT_OK) set_uploads(p);
    if (status != SDRT_OK) sdrt_program_unload(p);
    p->loaded = status == SDRT_OK;
    return status;
}

static void give_back(struct sdrt_program *p, enum sdrt_weight_keep keep)
{
    p->loaded = 0;
    sdrt_recording_clear(&p->recording);
    sdrt_weight_store_give_back(p->graph->store, &p->uses, keep);
}

void sdrt_program_unload(struct sdrt_program *p) { give_back(p, SDRT_WEIGHTS_KEEP); }
void sdrt_program_release(struct sdrt_program *p) { give_back(p, SDRT_WEIGHTS_FREE); }

size_t sdrt_program_weight_bytes(const struct sdrt_program *p)
{
    size_t sum = 0;

    for (int i = 0; i < p->graph->n_nodes; i++) {
        const struct sdrt_node *n = &p->graph->nodes[i];
        for (int k = 0; k < n->n_weights; k++) {
            if (!n->streamed) sum += sdrt_weight_store_bytes(p->graph->store, n->weights[k]);
            if (n->biases) sum += sdrt_weight_store_bytes(p->graph->store, n->biases[k]);
        }
    }
    return sum;
}

size_t sdrt_program_streamed_bytes(const struct sdrt_program *p)
{
    size_t sum = 0;

    for (int i = 0; i < p->graph->n_nodes; i++)
        if (p->graph->nodes[i].streamed)
            sum += p->graph->buffers[p->graph->nodes[i].incoming].bytes;
    return sum;
}

static struct sdrt_operand operand_of(const struct sdrt_program *p, unsigned char *arena,
                                      sdrt_tensor x, int *unbound)
{
    const enum sdrt_dtype type = sdrt_graph_type(p->graph, x);

    if (x < 0) return (struct sdrt_operand){ .type = type };
    const struct sdrt_view *v = &p->graph->tensors[x];
    const struct sdrt_buffer *b = &p->graph->buffers[sdrt_graph_root(p->graph, v->buffer)];
    const void *base = b->external ? b->address : arena + b->offset;
    const size_t first = (size_t)v->row0 * (size_t)v->pitch + (size_t)v->c0;

    if (!base) *unbound = v->buffer;
    return (struct sdrt_operand){ .data = sdrt_element(base, type, first), .type = type };
}

int sdrt_program_link(struct sdrt_program *p, void *arena)
{
    int unbound = -1;

    sdrt_recording_clear(&p->recording);
    for (int i = 0; i < p->n_steps; i++) {
        struct sdrt_step *s = &p->steps[i];
        const struct sdrt_node *n = s->n;
        s->x = operand_of(p, arena, n->x, &unbound);
        s->x2 = operand_of(p, arena, n->x2, &unbound);
        s->x3 = operand_of(p, arena, n->x3, &unbound);
        s->chan = operand_of(p, arena, n->chan, &unbound);
        s->residual = operand_of(p, arena, n->residual, &unbound);
        s->msb = operand_of(p, arena, n->msb, &unbound);
        s->sums = operand_of(p, arena, n->scratch_sums, &unbound);
        s->y = operand_of(p, arena, n->y, &unbound);
        if (n->streamed)
            s->weights = (unsigned char *)arena + p->graph->buffers[n->incoming].offset;
        p->device_steps[i].scratch_each = n->scratch_each;
        p->device_steps[i].scratch = n->scratch < 0 ? NULL : (unsigned char *)arena +
                                                     p->graph->buffers[n->scratch].offset;
    }
    if (unbound >= 0)
        return sdrt_fail(p->log, SDRT_E_ARG, "program %s: tensor %s has no memory",
                         p->graph->name, p->graph->buffers[unbound].name);
    set_uploads(p);
    p->linked = 1;
    return SDRT_OK;
}

/* The output of a step copied together as f32, from row 0 of the first image on. */
static int copy_traced(const struct sdrt_program *p, struct sdrt_queue *queue,
                       const struct sdrt_step *s, float *copy)
{
    const struct sdrt_view *v = &p->graph->tensors[s->n->y];
    const size_t pitch = (size_t)v->pitch, rows = (size_t)v->h * (size_t)v->w;
    const size_t image = (rows - 1) * pitch + (size_t)v->c;
    void *raw = malloc(sdrt_dtype_bytes(s->y.type, image));

    if (!raw) return SDRT_E_NOMEM;
    for (size_t b = 0; b < (size_t)v->batch; b++) {
        sdrt_queue_read(queue, raw,
                        sdrt_element(s->y.data, s->y.type, b * (size_t)v->image_rows * pitch),
                        sdrt_dtype_bytes(s->y.type, image));
        for (size_t i = 0; i < rows; i++)
            sdrt_to_f32(sdrt_element(raw, s->y.type, i * pitch), s->y.type,
                        copy + (b * rows + i) * pitch, (size_t)v->c);
    }
    free(raw);
    return SDRT_OK;
}

/* Hands the output of a step to trace: where it lies, or a copy. */
static int trace_step(const struct sdrt_program *p, struct sdrt_queue *queue,
                      const struct sdrt_step *s, sdrt_trace_fn *trace, void *user)
{
    const struct sdrt_view *v = &p->graph->tensors[s->n->y];
    const int dims[4] = { v->batch, v->h, v->w, v->c };
    const int plain = sdrt_view_dense(v) && s->y.type == SDRT_F32;
    const float *seen = plain ? sdrt_device_map(p->device, s->y.data) : NULL;

    if (seen) return trace(user, s->n->name, dims, v->pitch, seen) ? SDRT_E_CANCELLED : SDRT_OK;
    float *copy = malloc((size_t)v->batch * (size_t)v->h * (size_t)v->w * (size_t)v->pitch *
                         sizeof *copy);
    if (!copy || copy_traced(p, queue, s, copy) != SDRT_OK) {
        free(copy);
        return sdrt_fail(p->log, SDRT_E_NOMEM, "program %s: out of memory for a trace",
                         p->graph->name);
    }
    const int stop = trace(user, s->n->name, dims, v->pitch, copy);
    free(copy);
    return stop ? SDRT_E_CANCELLED : SDRT_OK;
}

static int run_traced(struct sdrt_program *p, struct sdrt_queue *queue, sdrt_trace_fn *trace,
                      void *user)
{
    int status = SDRT_OK;

    for (int i = 0; i < p->n_steps && status == SDRT_OK; i++) {
        sdrt_queue_run(queue, &p->device_steps[i], 1);
        status = sdrt_queue_wait(queue);
        if (status == SDRT_OK && p->steps[i].last_of_node)
            status = trace_step(p, queue, &p->steps[i], trace, user);
    }
    return status;
}

int sdrt_program_run(struct sdrt_program *p, struct sdrt_queue *queue, sdrt_trace_fn *trace,
                     void *user)
{
    int status;

    if (!p->loaded || !p->linked)
        return sdrt_fail(p->log, SDRT_E_ARG, "program %s: run before load and link",
                         p->graph->name);
    if (trace) {
        status = run_traced(p, queue, trace, user);
    } else {
        sdrt_queue_replay(queue, &p->recording, p->device_steps, p->n_steps);
        status = sdrt_queue_wait(queue);
    }
    if (status == SDRT_E_UNSUPPORTED && p->graph->ranks && p->graph->ranks->fault[0])
        return sdrt_ranks_fail(p->graph->ranks, SDRT_E_IO, p->log);
    if (status == SDRT_E_UNSUPPORTED)
        sdrt_fail(p->log, status, "program %s: %s", p->graph->name, sdrt_queue_fault(queue));
    return status;
}

void sdrt_program_step(const struct sdrt_program *p, int i, struct sdrt_step_info *info)
{
    const struct sdrt_step *s = &p->steps[i];

    *info = (struct sdrt_step_info){
        .name = s->n->name, .class_ = s->class_, .kernel = s->kernel, .nparts = s->nparts,
        .flop = s->flop, .bytes = s->bytes, .weight_bytes = s->weight_bytes,
        .stored = s->stored, .seconds = p->device_steps[i].seconds,
    };
}

double sdrt_program_flop(const struct sdrt_program *p)
{
    double flop = 0.0;

    for (int i = 0; i < p->n_steps; i++) flop += p->steps[i].flop;
    return flop;
}

void sdrt_program_reset_times(struct sdrt_program *p)
{
    for (int i = 0; i < p->n_steps; i++) p->device_steps[i].seconds = 0.0;
}
