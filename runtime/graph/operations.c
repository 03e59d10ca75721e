/* SPDX-License-Identifier: MIT
 *
 * The operations: one row each says how a node becomes steps, what it costs, and where
 * its weights come from.
 */
#include "runtime/graph/operations_ranks.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const sdrt_step_class_names[SDRT_CLASSES] = {
    "conv", "gemm", "attention", "norm", "elementwise", "other",
};

static int run_conv(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const struct sdrt_conv_norm norm = {
        .gamma = s->gamma,
        .beta = s->beta,
        .groups = s->groups,
        .eps = s->eps,
    };
    const struct sdrt_conv_args a = {
        .x = s->x.data,
        .x2 = s->x2.data,
        .msb = s->msb.data,
        .w = s->weights,
        .bias = s->bias,
        .chan = s->chan.data,
        .residual = s->residual.data,
        .y = s->y.data,
        .norm = s->groups ? &norm : NULL,
    };
    return s->ops->conv.conv2d(ex, &s->n->u.conv, &a);
}

/* Which image a share belongs to, where they are computed one by one, and its share of it. */
static size_t image_of(const struct sdrt_step *s, const struct sdrt_exec *ex,
                       struct sdrt_exec *share)
{
    *share = *ex;
    share->nparts = ex->nparts / s->n->images;
    share->part = ex->part % share->nparts;
    return (size_t)(ex->part / share->nparts);
}

/* An operand from element number offset on. */
static void *at(const struct sdrt_operand *x, size_t offset)
{
    return sdrt_element(x->data, x->type, offset);
}

static int run_gemm(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    struct sdrt_exec share;
    const size_t i = image_of(s, ex, &share);
    const struct sdrt_gemm_args a = {
        .a = at(&s->x, i * s->n->apart.x), .w = s->weights, .bias = s->bias,
        .gate = at(&s->chan, i * s->n->apart.chan),
        .residual = at(&s->residual, i * s->n->apart.residual),
        .y = at(&s->y, i * s->n->apart.y),
    };
    return s->ops->gemm.gemm(&share, &s->n->u.gemm, &a);
}

static int run_attention(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const struct sdrt_attention_args a = {
        .q = s->x.data, .k = s->x2.data, .v = s->x3.data, .o = s->y.data, .bias = s->chan.data,
    };
    return s->ops->attention.attention(ex, &s->n->u.attention, &a);
}

static int run_gn_sums(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->norm.gn_sums(ex, &s->n->u.gn, s->x.data, s->x2.data, s->sums.data);
}

static int run_gn_fold(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->norm.gn_fold(ex, &s->n->u.gn, s->x.data, s->x2.data, s->gamma, s->beta,
                                s->sums.data, s->y.data);
}

static int run_layer_norm(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    struct sdrt_exec share;
    const size_t i = image_of(s, ex, &share);

    return s->ops->norm.layer_norm(&share, &s->n->u.ln, at(&s->x, i * s->n->apart.x), s->gamma,
                                   s->beta, at(&s->y, i * s->n->apart.y));
}

static int run_ada_norm(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    struct sdrt_exec share;
    const size_t i = image_of(s, ex, &share);

    return s->ops->norm.ada_norm(&share, &s->n->u.ln, at(&s->x, i * s->n->apart.x),
                                 at(&s->x2, i * s->n->apart.x2), at(&s->x3, i * s->n->apart.x3),
                                 at(&s->y, i * s->n->apart.y));
}

static int run_rms_norm(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    struct sdrt_exec share;
    const size_t i = image_of(s, ex, &share);

    return s->ops->norm.rms_norm(&share, &s->n->u.rms, at(&s->x, i * s->n->apart.x), s->gamma,
                                 at(&s->y, i * s->n->apart.y));
}

static int run_patches(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const struct sdrt_elementwise_ops *ew = &s->ops->elementwise;
    const struct sdrt_node *n = s->n;

    return (n->u.patches.back ? ew->from_patches : ew->to_patches)(
        ex, n->u.patches.batch, n->u.patches.h, n->u.patches.w, n->u.patches.c, n->u.patches.p,
        s->x.data, s->y.data);
}

static int run_relu(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.relu(ex, &s->n->u.relu, s->gamma, s->y.data);
}

static int run_silu(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.silu(ex, s->n->u.silu.rows, s->n->u.silu.c, s->y.data);
}

static int run_halve(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.halve(ex, s->n->u.halve.batch, s->n->u.halve.h, s->n->u.halve.w,
                                     s->n->u.halve.c, s->x.data, s->y.data);
}

static int run_blend(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.blend(ex, &s->n->u.blend, s->x.data,
                                     s->n->x2 < 0 ? NULL : s->x2.data, s->y.data);
}

static int run_own_attention(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.own_attention(ex, &s->n->u.own, s->x.data, s->x2.data, s->x3.data,
                                             s->y.data);
}

static int run_low_frequencies(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.low_frequencies(ex, &s->n->u.low, s->y.data);
}

static int run_relative_bias(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.relative_bias(ex, s->n->u.relative.tokens, s->n->u.relative.buckets,
                                             s->n->u.relative.max_distance, s->n->u.relative.heads,
                                             s->table.data, s->table.dtype, s->y.data);
}

static int run_crop(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.crop(ex, s->n->u.crop.side, s->n->u.crop.h, s->n->u.crop.w,
                                    s->n->u.crop.c, s->table.data, s->table.dtype, s->y.data);
}

static int run_timestep(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.timestep_embedding(ex, s->x.data, s->n->u.timestep.n,
                                                  s->n->u.timestep.dim, s->y.data);
}

static int run_silu_of_sums(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.silu_of_sums(ex, s->n->u.sums.n, s->n->u.sums.m, s->n->u.sums.c,
                                            s->x.data, s->x2.data, s->y.data);
}

static int run_embed(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const int c = (int)s->table.shape[1];
    const int rows = s->n->u.embed.rows;

    return s->ops->elementwise.embed(ex, rows, c, s->x.data, s->table.data, s->table.dtype,
                                     s->positions.data, s->positions.dtype, s->n->u.embed.tokens,
                                     s->y.data);
}

/* Of count elements of a tensor. */
static double bytes_of(const struct sdrt_program *p, sdrt_tensor x, double count)
{
    return x < 0 ? 0.0 : count * (double)sdrt_dtype_size(sdrt_graph_type(p->graph, x));
}

static double weight_bytes(const struct sdrt_weight_shape *w)
{
    return (double)sdrt_dtype_bytes(w->stored, (size_t)w->n * (w->gated ? 2 : 1) * (size_t)w->k *
                                                   (size_t)w->taps);
}

/* The level of kernels that no processor's level improves on. */
static const char *plain(const struct sdrt_program *p)
{
    return sdrt_device_is_host(p->device) ? "generic" : p->isa;
}

static int steps_conv(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_conv_shape *c = &s->n->u.conv;
    const double pixels = (double)c->batch * c->out_h * c->out_w, k = c->w.k;

    s->run = run_conv;
    s->nparts = p->ops->conv.parts(c, p->workers);
    s->class_ = SDRT_CLASS_CONV;
    s->flop = 2.0 * pixels * c->out_c * k * c->w.taps;
    s->weight_bytes = weight_bytes(&c->w);
    s->stored = c->w.stored;
    s->bytes = bytes_of(p, s->n->x, (double)c->batch * c->in_h * c->in_w * k) +
               bytes_of(p, s->n->residual, pixels * c->out_c) +
               bytes_of(p, s->n->y, pixels * c->out_c) + s->weight_bytes;
    if (s->n->norm >= 0) {
        s->groups = p->graph->nodes[s->n->norm].u.gn.groups;
        s->eps = p->graph->nodes[s->n->norm].u.gn.eps;
    }
    snprintf(s->kernel, sizeof s->kernel, "conv2d %dx%d%s%s %s", c->kernel, c->kernel,
             c->stride == 2 ? " /2" : "", c->upsample == 2 ? " x2" : "", p->isa);
    return 1;
}

static int steps_gemm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_gemm_shape *m = &s->n->u.gemm;
    const double rows = (double)m->m * s->n->images;

    s->run = run_gemm;
    s->nparts = p->ops->gemm.parts(m, p->workers) * s->n->images;
    s->class_ = SDRT_CLASS_GEMM;
    s->flop = 2.0 * rows * m->n * (m->w.gated ? 2 : 1) * (double)m->k;
    s->weight_bytes = weight_bytes(&m->w);
    s->stored = m->w.stored;
    s->bytes = bytes_of(p, s->n->x, rows * m->k) + bytes_of(p, s->n->residual, rows * m->n) +
               bytes_of(p, s->n->y, rows * m->n) + s->weight_bytes;
    snprintf(s->kernel, sizeof s->kernel, "gemm%s %s", m->w.gated ? " gated" : "", p->isa);
    return 1;
}

static int steps_attention(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_attention_shape *a = &s->n->u.attention;
    const double c = (double)a->heads * a->head_dim;

    s->run = run_attention;
    s->nparts = p->ops->attention.parts(a, p->workers);
    s->class_ = SDRT_CLASS_ATTENTION;
    s->flop = 4.0 * a->batch * a->q_len * (double)a->kv_len * c;
    const double queries = (double)a->batch * a->q_len * c, keys = (double)a->batch * a->kv_len * c;
    s->bytes = bytes_of(p, s->n->x, queries) + bytes_of(p, s->n->x2, keys) +
               bytes_of(p, s->n->x3, keys) + bytes_of(p, s->n->y, queries);
    snprintf(s->kernel, sizeof s->kernel, "attention %d %s", a->head_dim, p->isa);
    return 1;
}

static int steps_group_norm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_gn_shape *gn = &s->n->u.gn;
    const double n = (double)gn->batch * gn->pixels * (gn->c + gn->c2);

    if (s->n->taken) return 0;
    s[1] = s[0];
    s[0].run = run_gn_sums;
    s[0].nparts = sdrt_gn_parts(gn);
    s[0].flop = 3.0 * n;
    s[0].bytes = bytes_of(p, s->n->x, n);
    snprintf(s[0].kernel, sizeof s[0].kernel, "gn_sums %s", p->isa);
    s[1].run = run_gn_fold;
    s[1].nparts = gn->batch;
    s[1].bytes = (double)sdrt_gn_sums_bytes(gn);
    snprintf(s[1].kernel, sizeof s[1].kernel, "gn_fold %s", plain(p));
    if (s->n->ranks) {
        s[1].run = sdrt_run_gn_ranks;
        s[1].nparts = 1;
        snprintf(s[1].kernel, sizeof s[1].kernel, "gn_fold of all ranks");
    }
    s[0].class_ = s[1].class_ = SDRT_CLASS_NORM;
    return 2;
}

static int steps_layer_norm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_ln_shape *ln = &s->n->u.ln;
    const int ada = s->n->kind == SDRT_NODE_ADA_NORM;

    s->run = ada ? run_ada_norm : run_layer_norm;
    s->nparts = (ln->rows < 4 * p->workers ? 1 : 4 * p->workers) * s->n->images;
    s->class_ = SDRT_CLASS_NORM;
    const double values = (double)ln->rows * s->n->images * ln->c;
    s->flop = 8.0 * values;
    s->bytes = bytes_of(p, s->n->x, values) + bytes_of(p, s->n->y, values);
    snprintf(s->kernel, sizeof s->kernel, "%s %s", ada ? "ada_norm" : "layer_norm", p->isa);
    return 1;
}

static int steps_rms_norm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_rms_shape *rms = &s->n->u.rms;
    const double values = (double)rms->rows * s->n->images * rms->groups * rms->width;

    s->run = run_rms_norm;
    s->nparts = (rms->rows < 4 * p->workers ? 1 : 4 * p->workers) * s->n->images;
    s->class_ = SDRT_CLASS_NORM;
    s->flop = 4.0 * values;
    s->bytes = bytes_of(p, s->n->x, values) + bytes_of(p, s->n->y, values);
    snprintf(s->kernel, sizeof s->kernel, "rms_norm %s", p->isa);
    return 1;
}

static int steps_patches(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_node *n = s->n;

    s->run = run_patches;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 2.0 * bytes_of(p, n->y, (double)n->u.patches.batch * n->u.patches.h *
                                           n->u.patches.w * n->u.patches.c);
    snprintf(s->kernel, sizeof s->kernel, "%s %s",
             n->u.patches.back ? "from_patches" : "to_patches", plain(p));
    return 1;
}

static int steps_relu(const struct sdrt_program *p, struct sdrt_step *s)
{
    s->run = run_relu;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 2.0 * bytes_of(p, s->n->y, (double)s->n->u.relu.rows * s->n->u.relu.c);
    snprintf(s->kernel, sizeof s->kernel, "relu generic");
    return 1;
}

static int steps_silu(const struct sdrt_program *p, struct sdrt_step *s)
{
    s->run = run_silu;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 2.0 * bytes_of(p, s->n->y, (double)s->n->u.silu.rows * s->n->u.silu.c);
    snprintf(s->kernel, sizeof s->kernel, "silu generic");
    return 1;
}

static int steps_halve(const struct sdrt_program *p, struct sdrt_step *s)
{
    s->run = run_halve;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 1.25 * bytes_of(p, s->n->x,
                               (double)s->n->u.halve.batch * s->n->u.halve.h * s->n->u.halve.w *
                                   s->n->u.halve.c);
    snprintf(s->kernel, sizeof s->kernel, "halve generic");
    return 1;
}

static int steps_blend(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_blend_shape *b = &s->n->u.blend;

    s->run = run_blend;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = (s->n->x2 < 0 ? 2.0 : 3.0) * bytes_of(p, s->n->y, (double)b->rows * b->c);
    snprintf(s->kernel, sizeof s->kernel, "blend generic");
    return 1;
}

static int steps_low_frequencies(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_low_shape *l = &s->n->u.low;

    s->run = run_low_frequencies;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 3.0 * bytes_of(p, s->n->y, (double)l->batch * l->h * l->w * l->c);
    snprintf(s->kernel, sizeof s->kernel, "low frequencies generic");
    return 1;
}

static int steps_own_attention(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_own_shape *o = &s->n->u.own;
    const double keys = (double)o->rows - o->count + 1, rows = (double)o->batch * o->count;

    s->run = run_own_attention;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ATTENTION;
    s->flop = 4.0 * rows * keys * o->heads * o->head_dim;
    s->bytes = 4.0 * bytes_of(p, s->n->y, rows * o->heads * o->head_dim);
    snprintf(s->kernel, sizeof s->kernel, "own attention generic");
    return 1;
}

static int steps_crop(const struct sdrt_program *p, struct sdrt_step *s)
{
    s->run = run_crop;
    s->nparts = p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = bytes_of(p, s->n->y, (double)s->n->u.crop.h * s->n->u.crop.w * s->n->u.crop.c);
    snprintf(s->kernel, sizeof s->kernel, "crop %s", plain(p));
    return 1;
}

static int steps_relative_bias(const struct sdrt_program *p, struct sdrt_step *s)
{
    const double tokens = s->n->u.relative.tokens;

    s->run = run_relative_bias;
    s->nparts = s->n->u.relative.heads < p->workers ? s->n->u.relative.heads : p->workers;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = bytes_of(p, s->n->y, s->n->u.relative.heads * tokens * tokens);
    snprintf(s->kernel, sizeof s->kernel, "relative_bias %s", plain(p));
    return 1;
}

static int steps_timestep(const struct sdrt_program *p, struct sdrt_step *s)
{
    s->run = run_timestep;
    s->nparts = 1;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = bytes_of(p, s->n->y, (double)s->n->u.timestep.n * s->n->u.timestep.dim);
    snprintf(s->kernel, sizeof s->kernel, "timestep_embedding %s", plain(p));
    return 1;
}

static int steps_silu_of_sums(const struct sdrt_program *p, struct sdrt_step *s)
{
    const double n = s->n->u.sums.n, m = s->n->u.sums.m, c = s->n->u.sums.c;

    s->run = run_silu_of_sums;
    s->nparts = 1;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = bytes_of(p, s->n->y, c * (n + m + n * m));
    snprintf(s->kernel, sizeof s->kernel, "silu_of_sums %s", plain(p));
    return 1;
}

static int steps_embed(const struct sdrt_program *p, struct sdrt_step *s)
{
    s->run = run_embed;
    s->nparts = 1;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    snprintf(s->kernel, sizeof s->kernel, "embed %s", plain(p));
    return 1;
}

static int load_matrix(struct sdrt_program *p, struct sdrt_step *s,
                       const struct sdrt_packing *packing, const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_store *store = p->graph->store;
    const struct sdrt_node *n = s->n;
    int status = sdrt_weight_store_matrix(store, &p->uses, packing, (const char *const *)n->weights,
                                          n->rows, n->n_weights, w, &s->packed);

    if (!n->streamed) s->weights = s->packed;
    if (status == SDRT_OK && n->biases)
        status = sdrt_weight_store_vector(store, &p->uses, (const char *const *)n->biases,
                                          n->rows, n->n_weights, &s->bias);
    return status;
}

/* A norm's or a ReLU's, n's, as the step's. */
static int load_vectors(struct sdrt_program *p, struct sdrt_step *s, const struct sdrt_node *n)
{
    struct sdrt_weight_store *store = p->graph->store;
    int status = sdrt_weight_store_vector(store, &p->uses, (const char *const *)n->weights, n->rows,
                                          1, &s->gamma);

    if (status == SDRT_OK && n->biases)
        status = sdrt_weight_store_vector(store, &p->uses, (const char *const *)n->biases, n->rows,
                                          1, &s->beta);
    return status;
}

static int load_conv(struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_packing packing = { p->ops->conv.pack_bytes, p->ops->conv.pack_rows,
                                          s->n->streamed };
    const int status = load_matrix(p, s, &packing, &s->n->u.conv.w);

    if (status != SDRT_OK || s->n->norm < 0) return status;
    return load_vectors(p, s, &p->graph->nodes[s->n->norm]);
}

static int load_gemm(struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_packing packing = { p->ops->gemm.pack_bytes, p->ops->gemm.pack_rows,
                                          s->n->streamed };
    return load_matrix(p, s, &packing, &s->n->u.gemm.w);
}

static int load_norm(struct sdrt_program *p, struct sdrt_step *s)
{
    return load_vectors(p, s, s->n);
}

static int load_slopes(struct sdrt_program *p, struct sdrt_step *s)
{
    return s->n->n_weights ? load_norm(p, s) : SDRT_OK;
}

static int load_embed(struct sdrt_program *p, struct sdrt_step *s)
{
    struct sdrt_weight_store *store = p->graph->store;
    const struct sdrt_node *n = s->n;
    const int c = p->graph->tensors[n->y].c;
    int status = sdrt_weight_store_table(store, &p->uses, (const char *const *)&n->weights[0],
                                         n->rows[0], c, &s->table);

    if (status == SDRT_OK && n->n_weights > 1)
        status = sdrt_weight_store_table(store, &p->uses, (const char *const *)&n->weights[1],
                                         n->rows[1], c, &s->positions);
    return status;
}

static int load_relative_bias(struct sdrt_program *p, struct sdrt_step *s)
{
    return sdrt_weight_store_table(p->graph->store, &p->uses,
                                   (const char *const *)&s->n->weights[0],
                                   s->n->u.relative.buckets, s->n->u.relative.heads, &s->table);
}

static int load_crop(struct sdrt_program *p, struct sdrt_step *s)
{
    const int side = s->n->u.crop.side;

    return sdrt_weight_store_table(p->graph->store, &p->uses,
                                   (const char *const *)&s->n->weights[0], 1,
                                   side * side * s->n->u.crop.c, &s->table);
}

static int load_nothing(struct sdrt_program *p, struct sdrt_step *s)
{
    (void)p;
    (void)s;
    return SDRT_OK;
}

static const struct {
    int (*steps)(const struct sdrt_program *p, struct sdrt_step *s);
    int (*load)(struct sdrt_program *p, struct sdrt_step *s);
} operations[] = {
    [SDRT_NODE_CONV] = { steps_conv, load_conv },
    [SDRT_NODE_GEMM] = { steps_gemm, load_gemm },
    [SDRT_NODE_ATTENTION] = { steps_attention, load_nothing },
    [SDRT_NODE_GROUP_NORM] = { steps_group_norm, load_norm },
    [SDRT_NODE_LAYER_NORM] = { steps_layer_norm, load_norm },
    [SDRT_NODE_ADA_NORM] = { steps_layer_norm, load_nothing },
    [SDRT_NODE_RMS_NORM] = { steps_rms_norm, load_norm },
    [SDRT_NODE_PATCHES] = { steps_patches, load_nothing },
    [SDRT_NODE_RELU] = { steps_relu, load_slopes },
    [SDRT_NODE_SILU] = { steps_silu, load_nothing },
    [SDRT_NODE_HALVE] = { steps_halve, load_nothing },
    [SDRT_NODE_BLEND] = { steps_blend, load_nothing },
    [SDRT_NODE_LOW_FREQUENCIES] = { steps_low_frequencies, load_nothing },
    [SDRT_NODE_OWN_ATTENTION] = { steps_own_attention, load_nothing },
    [SDRT_NODE_CROP] = { steps_crop, load_crop },
    [SDRT_NODE_RELATIVE_BIAS] = { steps_relative_bias, load_relative_bias },
    [SDRT_NODE_TIMESTEP] = { steps_timestep, load_nothing },
    [SDRT_NODE_SILU_OF_SUMS] = { steps_silu_of_sums, load_nothing },
    [SDRT_NODE_EMBED] = { steps_embed, load_embed },
    [SDRT_NODE_EXCHANGE] = { sdrt_steps_exchange, load_nothing },
    [SDRT_NODE_GATHER] = { sdrt_steps_gather, load_nothing },
};
static_assert(sizeof operations / sizeof operations[0] == SDRT_NODE_KINDS,
              "every operation has its row");

int sdrt_node_steps(const struct sdrt_program *p, int node, struct sdrt_step *steps)
{
    const struct sdrt_node *n = &p->graph->nodes[node];

    memset(steps, 0, 2 * sizeof *steps);
    steps[0].n = n;
    steps[0].node = node;
    steps[0].ops = p->ops;
    const int count = operations[n->kind].steps(p, steps);
    if (count) steps[count - 1].last_of_node = 1;
    return count;
}

int sdrt_step_load(struct sdrt_program *p, struct sdrt_step *s)
{
    return operations[s->n->kind].load(p, s);
}
