/* SPDX-License-Identifier: MIT */
#include "runtime/graph/graph_internal.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct sdrt_gemm_spec sdrt_gemm_defaults = {
    .gate = SDRT_NO_TENSOR, .residual = SDRT_NO_TENSOR, .into = SDRT_NO_TENSOR,
};

int sdrt_graph_create(struct sdrt_graph **out, const char *name, struct sdrt_weight_store *store,
                      const struct sdrt_ops *ops, const struct sdrt_log *log)
{
    struct sdrt_graph *g = *out = calloc(1, sizeof *g);

    if (g) g->name = strdup(name);
    if (!g || !g->name) {
        free(g);
        *out = NULL;
        return sdrt_fail(log, SDRT_E_NOMEM, "out of memory for the graph %s", name);
    }
    g->store = store;
    g->ops = ops;
    g->log = log;
    return SDRT_OK;
}

static void free_strings(char **strings, int n)
{
    if (!strings) return;
    for (int i = 0; i < n; i++) free(strings[i]);
    free(strings);
}

void sdrt_graph_free(struct sdrt_graph **graph)
{
    struct sdrt_graph *g = *graph;

    if (!g) return;
    for (int i = 0; i < g->n_buffers; i++) free(g->buffers[i].name);
    for (int i = 0; i < g->n_nodes; i++) {
        struct sdrt_node *n = &g->nodes[i];
        free(n->name);
        free_strings(n->weights, n->n_weights);
        free_strings(n->biases, n->n_weights);
        free(n->rows);
    }
    free(g->buffers);
    free(g->tensors);
    free(g->nodes);
    free(g->name);
    free(g);
    *graph = NULL;
}

int sdrt_graph_status(const struct sdrt_graph *g) { return g->status; }
const char *sdrt_graph_name(const struct sdrt_graph *g) { return g->name; }

int sdrt_graph_fail(struct sdrt_graph *g, int status, const char *what)
{
    if (g->status == SDRT_OK)
        g->status = sdrt_fail(g->log, status, "graph %s: %s", g->name, what);
    return -1;
}

/* Makes room for one more element; NULL with g->status set when there is none. */
static void *grow(struct sdrt_graph *g, void *array, int n, int *cap, size_t size)
{
    if (n < *cap) return array;
    const int more = *cap ? *cap * 2 : 128;
    void *p = realloc(array, (size_t)more * size);
    if (!p) {
        sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
        return NULL;
    }
    *cap = more;
    return p;
}

int sdrt_graph_add_buffer(struct sdrt_graph *g, const char *name, enum sdrt_dtype type,
                          size_t elements, int external)
{
    struct sdrt_buffer *b = grow(g, g->buffers, g->n_buffers, &g->cap_buffers, sizeof *b);
    char *copy = b ? strdup(name) : NULL;

    if (b) g->buffers = b;
    if (!copy) return sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
    g->buffers[g->n_buffers] = (struct sdrt_buffer){
        .name = copy, .type = type, .elements = elements, .bytes = sdrt_dtype_bytes(type, elements),
        .external = external, .first = -1, .last = -1, .alias = -1,
    };
    return g->n_buffers++;
}

static sdrt_tensor add_view(struct sdrt_graph *g, const struct sdrt_view *view)
{
    struct sdrt_view *v = grow(g, g->tensors, g->n_tensors, &g->cap_tensors, sizeof *v);

    if (!v) return SDRT_NO_TENSOR;
    g->tensors = v;
    g->tensors[g->n_tensors] = *view;
    return g->n_tensors++;
}

sdrt_tensor sdrt_graph_typed_tensor(struct sdrt_graph *g, const char *name, enum sdrt_dtype type,
                                    int external, int batch, int h, int w, int c)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    if (batch < 1 || h < 1 || w < 1 || c < 1 || (double)batch * h * w * c > INT32_MAX * 2.0)
        return sdrt_graph_fail(g, SDRT_E_ARG, "a tensor is too large");
    const size_t elements = (size_t)batch * (size_t)h * (size_t)w * (size_t)c;
    const int b = sdrt_graph_add_buffer(g, name, type, elements, external);
    if (b < 0) return SDRT_NO_TENSOR;
    return add_view(g, &(struct sdrt_view){ b, batch, h, w, c, 0, c, 0, h * w });
}

sdrt_tensor sdrt_graph_new_tensor(struct sdrt_graph *g, const char *name, int batch, int h, int w,
                                  int c)
{
    return sdrt_graph_typed_tensor(g, name, SDRT_F32, 0, batch, h, w, c);
}

sdrt_tensor sdrt_graph_external(struct sdrt_graph *g, const char *name, enum sdrt_dtype type,
                                int batch, int h, int w, int c)
{
    return sdrt_graph_typed_tensor(g, name, type, 1, batch, h, w, c);
}

sdrt_tensor sdrt_graph_tensor(struct sdrt_graph *g, const char *name, int batch, int h, int w,
                              int c)
{
    return sdrt_graph_new_tensor(g, name, batch, h, w, c);
}

sdrt_tensor sdrt_graph_slice(struct sdrt_graph *g, sdrt_tensor x, int c0, int c)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    struct sdrt_view v = g->tensors[x];
    v.c0 += c0;
    v.c = c;
    return add_view(g, &v);
}

sdrt_tensor sdrt_graph_rows(struct sdrt_graph *g, sdrt_tensor x, int row0, int n)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    struct sdrt_view v = g->tensors[x];
    if (row0 < 0 || n < 1 || row0 > v.h * v.w - n)
        return sdrt_graph_fail(g, SDRT_E_ARG, "rows beyond the end of an image");
    v.row0 += row0;
    v.h = 1;
    v.w = n;
    return add_view(g, &v);
}

sdrt_tensor sdrt_graph_images(struct sdrt_graph *g, sdrt_tensor x, int image0, int n)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    struct sdrt_view v = g->tensors[x];
    if (image0 < 0 || n < 1 || image0 > v.batch - n)
        return sdrt_graph_fail(g, SDRT_E_ARG, "images beyond the last one");
    v.row0 += image0 * v.image_rows;
    v.batch = n;
    return add_view(g, &v);
}

enum sdrt_dtype sdrt_graph_type(const struct sdrt_graph *g, sdrt_tensor x)
{
    return x < 0 ? SDRT_F32 : g->buffers[g->tensors[x].buffer].type;
}

void sdrt_graph_dims(const struct sdrt_graph *g, sdrt_tensor x, int dims[4])
{
    static const struct sdrt_view none = { 0 };
    const struct sdrt_view *v = x < 0 ? &none : &g->tensors[x];

    dims[0] = v->batch;
    dims[1] = v->h;
    dims[2] = v->w;
    dims[3] = v->c;
}

struct sdrt_node *sdrt_graph_add_node(struct sdrt_graph *g, enum sdrt_node_kind kind,
                                      const char *name)
{
    if (g->status != SDRT_OK) return NULL;
    struct sdrt_node *n = grow(g, g->nodes, g->n_nodes, &g->cap_nodes, sizeof *n);
    char *copy = n ? strdup(name) : NULL;

    if (n) g->nodes = n;
    if (!copy) {
        sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
        return NULL;
    }
    n = &g->nodes[g->n_nodes++];
    *n = (struct sdrt_node){
        .kind = kind,
        .name = copy,
        .x = -1,
        .x2 = -1,
        .x3 = -1,
        .y = -1,
        .chan = -1,
        .residual = -1,
        .msb = -1,
        .scratch_sums = -1,
        .scratch = -1,
        .incoming = -1,
        .norm = -1,
        .images = 1,
    };
    return n;
}

static char *join(const char *prefix, const char *suffix)
{
    char *s = malloc(strlen(prefix) + strlen(suffix) + 1);

    if (s) strcat(strcpy(s, prefix), suffix);
    return s;
}

static enum sdrt_dtype no_memory(struct sdrt_graph *g)
{
    sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
    return SDRT_F32;
}

enum sdrt_dtype sdrt_graph_set_weights(struct sdrt_graph *g, struct sdrt_node *n,
                                       const char *const *prefixes, const int *rows, int count,
                                       size_t rest, int bias)
{
    enum sdrt_dtype type = SDRT_F32;

    n->weights = calloc((size_t)count, sizeof *n->weights);
    n->biases = bias ? calloc((size_t)count, sizeof *n->biases) : NULL;
    n->rows = malloc((size_t)count * sizeof *n->rows);
    n->n_weights = count;
    if (!n->weights || !n->rows || (bias && !n->biases)) return no_memory(g);
    for (int i = 0; i < count; i++) {
        n->rows[i] = rows[i];
        n->weights[i] = join(prefixes[i], ".weight");
        if (bias) n->biases[i] = join(prefixes[i], ".bias");
        if (!n->weights[i] || (bias && !n->biases[i])) return no_memory(g);
        const size_t values = (size_t)rows[i] * rest;
        if (n->kind == SDRT_NODE_EMBED || n->kind == SDRT_NODE_RELATIVE_BIAS) {
            if (sdrt_weight_store_declare_table(g->store, n->weights[i], rows[i], values) ==
                SDRT_DTYPES)
                return no_memory(g);
            continue;
        }
        const enum sdrt_dtype t = sdrt_weight_store_declare(g->store, n->weights[i], rows[i],
                                                            values);
        if (t == SDRT_DTYPES || (bias && sdrt_weight_store_declare(g->store, n->biases[i], rows[i],
                                                                   (size_t)rows[i]) == SDRT_DTYPES))
            return no_memory(g);
        type = i == 0 || t == type ? t : SDRT_F32;
    }
    return type;
}

/* From one image of x to the next, in elements; 0 where all images share it. */
static size_t image_step(const struct sdrt_graph *g, sdrt_tensor x)
{
    if (x < 0 || g->tensors[x].batch == 1) return 0;
    return (size_t)g->tensors[x].image_rows * (size_t)g->tensors[x].pitch;
}

/* Whether rows (one an image where vector is set) of x differ from image to image in a way that
 * no pitch tells. */
static int lies_apart(const struct sdrt_graph *g, sdrt_tensor x, int batch, int vector)
{
    if (x < 0 || batch == 1) return 0;
    const struct sdrt_view *v = &g->tensors[x];
    return vector ? v->batch > 1 : v->batch == 1 || !sdrt_view_dense(v);
}

/* Decides whether the node's images are computed one by one, and returns the rows of one
 * computation. */
static int set_images(const struct sdrt_graph *g, struct sdrt_node *n)
{
    const struct sdrt_view *in = &g->tensors[n->x];

    if (lies_apart(g, n->x, in->batch, 0) || lies_apart(g, n->y, in->batch, 0) ||
        lies_apart(g, n->residual, in->batch, 0) || lies_apart(g, n->chan, in->batch, 1) ||
        lies_apart(g, n->x2, in->batch, 1) || lies_apart(g, n->x3, in->batch, 1))
        n->images = in->batch;
    n->apart.x = image_step(g, n->x);
    n->apart.x2 = image_step(g, n->x2);
    n->apart.x3 = image_step(g, n->x3);
    n->apart.y = image_step(g, n->y);
    n->apart.chan = image_step(g, n->chan);
    n->apart.residual = image_step(g, n->residual);
    return in->batch / n->images * in->h * in->w;
}

/* Whether x, where there is one, has as many images (or one for all) of as many rows as like. */
static int same_rows(const struct sdrt_graph *g, sdrt_tensor x, const struct sdrt_view *like, int c)
{
    if (x < 0) return 1;
    const struct sdrt_view *v = &g->tensors[x];
    return (v->batch == like->batch || v->batch == 1) && v->h * v->w == like->h * like->w &&
           v->c == c;
}

/* The same for a vector. */
static int is_vector(const struct sdrt_graph *g, sdrt_tensor x, int batch, int c)
{
    if (x < 0) return 1;
    const struct sdrt_view *v = &g->tensors[x];
    return (v->batch == batch || v->batch == 1) && v->h * v->w == 1 && v->c == c;
}

sdrt_tensor sdrt_graph_gemm(struct sdrt_graph *g, sdrt_tensor x, const struct sdrt_gemm_spec *spec)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view in = g->tensors[x];
    const char *const *prefixes = spec->weights ? spec->weights : &spec->name;
    const int count = spec->weights ? spec->n_weights : 1;
    int *rows = malloc((size_t)count * sizeof *rows);

    if (!rows) return sdrt_graph_fail(g, SDRT_E_NOMEM, "out of memory");
    for (int i = 0; i < count; i++)
        rows[i] = spec->weight_rows ? spec->weight_rows[i]
                                    : spec->n * (spec->gated ? 2 : 1) / count;
    const sdrt_tensor y = spec->into >= 0 ? spec->into
                          : sdrt_graph_new_tensor(g, spec->name, in.batch, in.h, in.w, spec->n);
    if (g->status == SDRT_OK &&
        !(same_rows(g, y, &in, spec->n) && is_vector(g, spec->gate, in.batch, spec->n) &&
          same_rows(g, spec->residual, &in, spec->n)))
        sdrt_graph_fail(g, SDRT_E_ARG, "a linear layer's operands differ in their rows");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_GEMM, spec->name);
    if (n) {
        n->x = x;
        n->y = y;
        n->chan = spec->gate;
        n->residual = spec->residual;
        n->u.gemm = (struct sdrt_gemm_shape){
            .m = set_images(g, n), .n = spec->n, .k = in.c, .a_pitch = in.pitch,
            .y_pitch = g->tensors[y].pitch,
            .residual_pitch = spec->residual >= 0 ? g->tensors[spec->residual].pitch : 0,
            .act = spec->act,
            .w = { .n = spec->n, .k = in.c, .taps = 1, .gated = spec->gated },
        };
        n->u.gemm.w.stored = sdrt_graph_set_weights(g, n, prefixes, rows, count, (size_t)in.c,
                                                    !spec->no_bias);
        n->u.gemm.w.rotated = n->u.gemm.w.stored == SDRT_I8 && sdrt_weight_store_rotates(g->store);
    }
    free(rows);
    return n ? y : SDRT_NO_TENSOR;
}

sdrt_tensor sdrt_graph_layer_norm(struct sdrt_graph *g, sdrt_tensor x, const char *name, float eps,
                                  sdrt_tensor into)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view in = g->tensors[x];
    const sdrt_tensor y = into >= 0 ? into
                          : sdrt_graph_new_tensor(g, name, in.batch, in.h, in.w, in.c);
    if (g->status == SDRT_OK && !same_rows(g, y, &in, in.c))
        sdrt_graph_fail(g, SDRT_E_ARG, "a layer norm's operands differ in their rows");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_LAYER_NORM, name);

    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->y = y;
    n->u.ln = (struct sdrt_ln_shape){
        .rows = set_images(g, n), .c = in.c, .x_pitch = in.pitch, .y_pitch = g->tensors[y].pitch,
        .eps = eps,
    };
    sdrt_graph_set_weights(g, n, &name, &in.c, 1, 1, 1);
    return y;
}

sdrt_tensor sdrt_graph_ada_norm(struct sdrt_graph *g, sdrt_tensor x, const char *name,
                                sdrt_tensor scale, sdrt_tensor shift, float eps)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view in = g->tensors[x];
    if (!is_vector(g, scale, in.batch, in.c) || !is_vector(g, shift, in.batch, in.c))
        return sdrt_graph_fail(g, SDRT_E_ARG, "a norm is modulated by vectors of another width");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, in.batch, in.h, in.w, in.c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_ADA_NORM, name);

    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->x2 = scale;
    n->x3 = shift;
    n->y = y;
    n->u.ln = (struct sdrt_ln_shape){
        .rows = set_images(g, n), .c = in.c, .x_pitch = in.pitch, .y_pitch = in.c, .eps = eps,
    };
    return y;
}

sdrt_tensor sdrt_graph_rms_norm(struct sdrt_graph *g, sdrt_tensor x, const char *name, int groups,
                                float eps, sdrt_tensor into)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view in = g->tensors[x];
    if (groups < 1 || in.c % groups)
        return sdrt_graph_fail(g, SDRT_E_ARG, "an RMS norm's channels are not a multiple of its "
                               "groups");
    const int width = in.c / groups;
    const sdrt_tensor y = into >= 0 ? into
                          : sdrt_graph_new_tensor(g, name, in.batch, in.h, in.w, in.c);
    if (g->status == SDRT_OK && !same_rows(g, y, &in, in.c))
        sdrt_graph_fail(g, SDRT_E_ARG, "an RMS norm's operands differ in their rows");
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_RMS_NORM, name);

    if (!n) return SDRT_NO_TENSOR;
    n->x = x;
    n->y = y;
    n->u.rms = (struct sdrt_rms_shape){
        .rows = set_images(g, n), .groups = groups, .width = width, .x_pitch = in.pitch,
        .y_pitch = g->tensors[y].pitch, .eps = eps,
    };
    sdrt_graph_set_weights(g, n, &name, &width, 1, 1, 0);
    return y;
}

static sdrt_tensor attention(struct sdrt_graph *g, const char *name, sdrt_tensor q, sdrt_tensor k,
                             sdrt_tensor v, sdrt_tensor bias, struct sdrt_attention_shape shape)
{
    if (g->ranks) sdrt_graph_gather_keys(g, &k, &v);
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view vq = g->tensors[q], vk = g->tensors[k], vv = g->tensors[v];
    if (!sdrt_view_dense(&vq) || !sdrt_view_dense(&vk) || !sdrt_view_dense(&vv))
        return sdrt_graph_fail(g, SDRT_E_ARG, "attention over some rows of each image");
    if (shape.heads < 1 || vq.c % shape.heads || vk.c != vq.c || vv.c != vq.c ||
        vk.batch != vq.batch)
        return sdrt_graph_fail(g, SDRT_E_ARG, "attention with heads that do not divide the "
                               "channels");
    const sdrt_tensor o = sdrt_graph_new_tensor(g, name, vq.batch, vq.h, vq.w, vq.c);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_ATTENTION, name);
    if (!n) return SDRT_NO_TENSOR;
    n->x = q;
    n->x2 = k;
    n->x3 = v;
    n->chan = bias;
    n->y = o;
    shape.batch = vq.batch;
    shape.head_dim = vq.c / shape.heads;
    shape.q_len = vq.h * vq.w;
    shape.kv_len = vk.h * vk.w;
    shape.q_pitch = vq.pitch;
    shape.k_pitch = vk.pitch;
    shape.v_pitch = vv.pitch;
    shape.o_pitch = vq.c;
    shape.biased = bias >= 0;
    if (shape.scale == 0.0f) shape.scale = 1.0f / sqrtf((float)shape.head_dim);
    n->u.attention = shape;
    return o;
}

sdrt_tensor sdrt_graph_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                 sdrt_tensor k, sdrt_tensor v, int heads, int causal)
{
    return attention(g, name, q, k, v, SDRT_NO_TENSOR,
                     (struct sdrt_attention_shape){ .heads = heads, .causal = causal });
}

/* scale 0: by the head's width. */
static sdrt_tensor added_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                   sdrt_tensor k, sdrt_tensor v, int heads, sdrt_tensor bias,
                                   float scale)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    const struct sdrt_view *b = &g->tensors[bias], *vq = &g->tensors[q], *vk = &g->tensors[k];
    if (b->batch != 1 || b->h != heads || b->w != vq->h * vq->w || b->c != vk->h * vk->w ||
        b->pitch != b->c)
        return sdrt_graph_fail(g, SDRT_E_ARG, "attention with a bias of another shape");
    return attention(g, name, q, k, v, bias,
                     (struct sdrt_attention_shape){ .heads = heads, .scale = scale });
}

sdrt_tensor sdrt_graph_biased_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                        sdrt_tensor k, sdrt_tensor v, int heads, sdrt_tensor bias)
{
    return added_attention(g, name, q, k, v, heads, bias, 1.0f);
}

sdrt_tensor sdrt_graph_masked_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                        sdrt_tensor k, sdrt_tensor v, int heads, sdrt_tensor mask)
{
    return added_attention(g, name, q, k, v, heads, mask, 0.0f);
}

sdrt_tensor sdrt_graph_relative_bias(struct sdrt_graph *g, const char *name, int tokens, int heads,
                                     int buckets, int max_distance)
{
    if (g->status != SDRT_OK) return SDRT_NO_TENSOR;
    if (buckets < 4 || buckets % 2 || max_distance <= buckets / 4)
        return sdrt_graph_fail(g, SDRT_E_ARG, "a relative bias without buckets for its distances");
    const sdrt_tensor y = sdrt_graph_new_tensor(g, name, 1, heads, tokens, tokens);
    struct sdrt_node *n = sdrt_graph_add_node(g, SDRT_NODE_RELATIVE_BIAS, name);

    if (!n) return SDRT_NO_TENSOR;
    n->y = y;
    n->u.relative.tokens = tokens;
    n->u.relative.heads = heads;
    n->u.relative.buckets = buckets;
    n->u.relative.max_distance = max_distance;
    sdrt_graph_set_weights(g, n, &name, &buckets, 1, (size_t)heads, 0);
    return y;
}
