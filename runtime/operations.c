/* SPDX-License-Identifier: MIT
 *
 * The operations: one row each says how a node becomes steps, what it costs, and where
 * its weights come from.
 */
#include "runtime/program_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const char *const sdrt_step_class_names[SDRT_CLASSES] = {
    "conv", "gemm", "attention", "norm", "elementwise", "other",
};

static int run_conv(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const struct sdrt_conv_args a = {
        .x = s->x, .x2 = s->x2, .msb = s->msb_in, .w = s->weights, .bias = s->bias,
        .chan = s->chan, .residual = s->residual, .y = s->y,
    };
    return s->ops->conv.conv2d(ex, &s->n->u.conv, &a);
}

static int run_gemm(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const struct sdrt_gemm_args a = {
        .a = s->x, .w = s->weights, .bias = s->bias, .residual = s->residual, .y = s->y,
    };
    return s->ops->gemm.gemm(ex, &s->n->u.gemm, &a);
}

static int run_attention(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const struct sdrt_attention_args a = { .q = s->x, .k = s->x2, .v = s->x3, .o = s->y };
    return s->ops->attention.attention(ex, &s->n->u.attention, &a);
}

static int run_gn_sums(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->norm.gn_sums(ex, &s->n->u.gn, s->x, s->x2, s->sums);
}

static int run_gn_fold(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->norm.gn_fold(ex, &s->n->u.gn, s->x, s->x2, s->gamma, s->beta, s->sums, s->y);
}

static int run_layer_norm(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->norm.layer_norm(ex, &s->n->u.ln, s->x, s->gamma, s->beta, s->y);
}

static int run_timestep(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.timestep_embedding(ex, s->x, s->n->u.timestep.n,
                                                  s->n->u.timestep.dim, s->y);
}

static int run_silu_of_sums(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    return s->ops->elementwise.silu_of_sums(ex, s->n->u.sums.n, s->n->u.sums.m, s->n->u.sums.c,
                                            s->x, s->x2, s->y);
}

static int run_embed(const struct sdrt_step *s, const struct sdrt_exec *ex)
{
    const int c = (int)s->table.shape[1];
    const int rows = s->n->u.embed.rows;

    return s->ops->elementwise.embed(ex, rows, c, (const int32_t *)(const void *)s->x,
                                     s->table.data, s->table.dtype, s->positions.data,
                                     s->positions.dtype, s->n->u.embed.tokens, s->y);
}

static double weight_bytes(const struct sdrt_weight_shape *w)
{
    return (double)w->n * (w->gated ? 2 : 1) * w->k * w->taps * (double)sdrt_dtype_size(w->stored);
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
    s->bytes = 4.0 * ((double)c->batch * c->in_h * c->in_w * k +
                      pixels * c->out_c * (s->n->residual >= 0 ? 2 : 1)) + s->weight_bytes;
    snprintf(s->kernel, sizeof s->kernel, "conv2d %dx%d%s%s %s", c->kernel, c->kernel,
             c->stride == 2 ? " /2" : "", c->upsample == 2 ? " x2" : "", p->isa);
    return 1;
}

static int steps_gemm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_gemm_shape *m = &s->n->u.gemm;

    s->run = run_gemm;
    s->nparts = p->ops->gemm.parts(m, p->workers);
    s->class_ = SDRT_CLASS_GEMM;
    s->flop = 2.0 * m->m * m->n * (m->w.gated ? 2 : 1) * (double)m->k;
    s->weight_bytes = weight_bytes(&m->w);
    s->bytes = 4.0 * ((double)m->m * m->k + (double)m->m * m->n * (s->n->residual >= 0 ? 2 : 1)) +
               s->weight_bytes;
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
    s->bytes = 4.0 * a->batch * c * (2.0 * a->q_len + 2.0 * a->kv_len);
    snprintf(s->kernel, sizeof s->kernel, "attention %d %s", a->head_dim, p->isa);
    return 1;
}

static int steps_group_norm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_gn_shape *gn = &s->n->u.gn;
    const double n = (double)gn->batch * gn->pixels * (gn->c + gn->c2);

    s[1] = s[0];
    s[0].run = run_gn_sums;
    s[0].nparts = sdrt_gn_parts(gn);
    s[0].flop = 3.0 * n;
    s[0].bytes = 4.0 * n;
    snprintf(s[0].kernel, sizeof s[0].kernel, "gn_sums %s", p->isa);
    s[1].run = run_gn_fold;
    s[1].nparts = gn->batch;
    s[1].bytes = (double)sdrt_gn_sums_bytes(gn);
    snprintf(s[1].kernel, sizeof s[1].kernel, "gn_fold generic");
    s[0].class_ = s[1].class_ = SDRT_CLASS_NORM;
    return 2;
}

static int steps_layer_norm(const struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_ln_shape *ln = &s->n->u.ln;

    s->run = run_layer_norm;
    s->nparts = ln->rows < 4 * p->workers ? 1 : 4 * p->workers;
    s->class_ = SDRT_CLASS_NORM;
    s->flop = 8.0 * ln->rows * ln->c;
    s->bytes = 8.0 * ln->rows * ln->c;
    snprintf(s->kernel, sizeof s->kernel, "layer_norm %s", p->isa);
    return 1;
}

static int steps_timestep(const struct sdrt_program *p, struct sdrt_step *s)
{
    (void)p;
    s->run = run_timestep;
    s->nparts = 1;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 4.0 * s->n->u.timestep.n * s->n->u.timestep.dim;
    snprintf(s->kernel, sizeof s->kernel, "timestep_embedding generic");
    return 1;
}

static int steps_silu_of_sums(const struct sdrt_program *p, struct sdrt_step *s)
{
    const double n = s->n->u.sums.n, m = s->n->u.sums.m, c = s->n->u.sums.c;

    (void)p;
    s->run = run_silu_of_sums;
    s->nparts = 1;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    s->bytes = 4.0 * c * (n + m + n * m);
    snprintf(s->kernel, sizeof s->kernel, "silu_of_sums generic");
    return 1;
}

static int steps_embed(const struct sdrt_program *p, struct sdrt_step *s)
{
    (void)p;
    s->run = run_embed;
    s->nparts = 1;
    s->class_ = SDRT_CLASS_ELEMENTWISE;
    snprintf(s->kernel, sizeof s->kernel, "embed generic");
    return 1;
}

static int load_matrix(struct sdrt_program *p, struct sdrt_step *s,
                       const struct sdrt_packing *packing, const struct sdrt_weight_shape *w)
{
    struct sdrt_weight_store *store = p->graph->store;
    const struct sdrt_node *n = s->n;
    int status = sdrt_weight_store_matrix(store, packing, (const char *const *)n->weights, n->rows,
                                          n->n_weights, w, &s->weights);

    if (status == SDRT_OK && n->biases)
        status = sdrt_weight_store_vector(store, (const char *const *)n->biases, n->rows,
                                          n->n_weights, &s->bias);
    return status;
}

static int load_conv(struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_packing packing = { p->ops->conv.pack_bytes, p->ops->conv.pack_rows };
    return load_matrix(p, s, &packing, &s->n->u.conv.w);
}

static int load_gemm(struct sdrt_program *p, struct sdrt_step *s)
{
    const struct sdrt_packing packing = { p->ops->gemm.pack_bytes, p->ops->gemm.pack_rows };
    return load_matrix(p, s, &packing, &s->n->u.gemm.w);
}

static int load_norm(struct sdrt_program *p, struct sdrt_step *s)
{
    struct sdrt_weight_store *store = p->graph->store;
    const struct sdrt_node *n = s->n;
    int status = sdrt_weight_store_vector(store, (const char *const *)n->weights, n->rows, 1,
                                          &s->gamma);

    if (status == SDRT_OK)
        status = sdrt_weight_store_vector(store, (const char *const *)n->biases, n->rows, 1,
                                          &s->beta);
    return status;
}

static int load_embed(struct sdrt_program *p, struct sdrt_step *s)
{
    struct sdrt_weight_store *store = p->graph->store;
    const struct sdrt_node *n = s->n;
    const int c = p->graph->tensors[n->y].c;
    int status = sdrt_weight_store_table(store, n->weights[0], n->rows[0], c, &s->table);

    if (status == SDRT_OK)
        status = sdrt_weight_store_table(store, n->weights[1], n->rows[1], c, &s->positions);
    return status;
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
    [SDRT_NODE_CONV]       = { steps_conv, load_conv },
    [SDRT_NODE_GEMM]       = { steps_gemm, load_gemm },
    [SDRT_NODE_ATTENTION]  = { steps_attention, load_nothing },
    [SDRT_NODE_GROUP_NORM] = { steps_group_norm, load_norm },
    [SDRT_NODE_LAYER_NORM] = { steps_layer_norm, load_norm },
    [SDRT_NODE_TIMESTEP]   = { steps_timestep, load_nothing },
    [SDRT_NODE_SILU_OF_SUMS] = { steps_silu_of_sums, load_nothing },
    [SDRT_NODE_EMBED]      = { steps_embed, load_embed },
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
    steps[count - 1].last_of_node = 1;
    return count;
}

int sdrt_step_load(struct sdrt_program *p, struct sdrt_step *s)
{
    return operations[s->n->kind].load(p, s);
}
