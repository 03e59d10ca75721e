/* SPDX-License-Identifier: MIT
 *
 * The inside of a graph, shared by its builder, the plan, the program and the report.
 */
#ifndef SDRT_RUNTIME_GRAPH_GRAPH_INTERNAL_H
#define SDRT_RUNTIME_GRAPH_GRAPH_INTERNAL_H

#include "kernels/ops.h"
#include "runtime/graph/graph.h"
#include "runtime/ranks/ranks.h"
#include "runtime/weights/weight_store.h"

/* Memory with one life.  Sizes in bytes; first and last are node indices, inclusive. */
struct sdrt_buffer {
    char  *name;
    enum sdrt_dtype type;
    size_t elements;
    size_t bytes;   /* of so many of that type */
    int    external;
    int    first, last;
    int    alias;   /* the buffer whose memory it takes over in place, or -1 */
    size_t offset;  /* in the arena, once planned */
    void  *address; /* external ones, once bound */
};

/* A view: channels c0 .. c0+c-1 of a buffer of pixels that are pitch elements apart, from row
 * (pixel) row0 on of each of its images of image_rows rows.  Its type is its buffer's. */
struct sdrt_view {
    int buffer;
    int batch, h, w, c;
    int c0, pitch;
    int row0, image_rows;
};

/* Whether the rows of consecutive images follow each other. */
static inline int sdrt_view_dense(const struct sdrt_view *v)
{
    return v->batch <= 1 || v->image_rows == v->h * v->w;
}

enum sdrt_node_kind {
    SDRT_NODE_CONV,
    SDRT_NODE_GEMM,
    SDRT_NODE_ATTENTION,
    SDRT_NODE_GROUP_NORM,
    SDRT_NODE_LAYER_NORM,
    SDRT_NODE_ADA_NORM,
    SDRT_NODE_RMS_NORM,
    SDRT_NODE_PATCHES,
    SDRT_NODE_RELU,
    SDRT_NODE_SILU,
    SDRT_NODE_HALVE,
    SDRT_NODE_BLEND,
    SDRT_NODE_LOW_FREQUENCIES,
    SDRT_NODE_OWN_ATTENTION,
    SDRT_NODE_CROP,
    SDRT_NODE_RELATIVE_BIAS,
    SDRT_NODE_TIMESTEP,
    SDRT_NODE_SILU_OF_SUMS,
    SDRT_NODE_EMBED,
    SDRT_NODE_EXCHANGE,
    SDRT_NODE_GATHER,
    SDRT_NODE_KINDS
};

/* A band's rows, times as many in either direction, between a row of the rank above and one of that below,
 * where there are such: y [batch][above + h * times + below][w * times][c]. */
struct sdrt_exchange_shape {
    int batch, h, w, c, x_pitch;
    int times; /* 1, or 2: nearest neighbours */
    int above, below;
    int reads_below; /* whether ranks that have one below read it */
};

/* The rows of all bands, and behind them those that all ranks have: x [batch][rows + common][c],
 * y [batch][all + common][c]. */
struct sdrt_gather_shape {
    int batch, rows, all, common, c, x_pitch;
};

struct sdrt_node {
    enum sdrt_node_kind kind;
    char *name;
    sdrt_tensor x, x2, x3;      /* inputs; attention: q, k, v; adaLN: scale, shift after x */
    sdrt_tensor y;
    sdrt_tensor chan, residual, msb; /* gemm: chan is the gate; attention: the bias */
    sdrt_tensor scratch_sums;   /* group norm: its partial sums */
    char **weights, **biases;   /* tensor names; biases NULL without */
    int   *rows;                /* of each weight */
    int    n_weights;
    struct sdrt_ranks *ranks;   /* of nodes between ranks, else NULL; borrowed */
    const int *bands;           /* with it: see sdrt_graph_share() */
    int    scratch;             /* buffer of the workers' scratch, or -1 */
    size_t scratch_each;
    int norm;     /* conv: the node of the group norm that its kernel makes, or -1 */
    int taken;    /* group norm: a convolution makes it, this node has no steps */
    int streamed; /* 1: its weights come from the host's memory before each run of it */
    int incoming; /* buffer where they arrive, or -1 */
    /* Where the operands' images do not lie alike, or have vectors of their own, the images are
     * computed one by one (the shape is one image's), these elements apart. */
    int images;                 /* so many; 1: all rows at once */
    struct { size_t x, x2, x3, y, chan, residual; } apart;
    union {
        struct sdrt_conv_shape      conv;
        struct sdrt_gemm_shape      gemm;
        struct sdrt_attention_shape attention;
        struct sdrt_gn_shape        gn;
        struct sdrt_ln_shape        ln;
        struct sdrt_rms_shape       rms;
        struct { int rows, tokens; } embed;       /* tokens: of one prompt */
        struct { int n, dim; } timestep;
        struct { int n, m, c; } sums;             /* rows of x, rows of x2, width */
        struct { int batch, h, w, c, p, back; } patches;
        struct sdrt_relu_shape relu;
        struct {
            int rows, c;
        } silu;
        struct {
            int batch, h, w, c;
        } halve;
        struct sdrt_blend_shape blend;
        struct sdrt_low_shape low;
        struct sdrt_own_shape own;
        struct { int side, h, w, c; } crop;
        struct { int tokens, heads, buckets, max_distance; } relative;
        struct sdrt_exchange_shape exchange;
        struct sdrt_gather_shape gather;
    } u;
};

struct sdrt_graph {
    char *name;
    struct sdrt_weight_store *store;
    const struct sdrt_ops *ops;
    const struct sdrt_log *log;
    int status;
    struct sdrt_buffer *buffers;
    struct sdrt_view   *tensors;
    struct sdrt_node   *nodes;
    int n_buffers, n_tensors, n_nodes;
    int cap_buffers, cap_tensors, cap_nodes;
    struct sdrt_ranks *ranks; /* see sdrt_graph_share(); NULL: it is whole */
    const int *bands;
    int common;
    int ahead;                /* nodes before a streamed one where its weights begin to come */
    size_t peak, lower_bound; /* once planned */
    int planned;
};

/* Adds a buffer of whole blocks of the type; -1 and g->status on failure. */
int sdrt_graph_add_buffer(struct sdrt_graph *g, const char *name, enum sdrt_dtype type,
                          size_t elements, int external);

/* For the builders of nodes.  Keeps the first failure and logs it; returns -1, which is also
 * SDRT_NO_TENSOR. */
int sdrt_graph_fail(struct sdrt_graph *g, int status, const char *what);

/* A tensor that has a buffer of its own, F32. */
sdrt_tensor sdrt_graph_new_tensor(struct sdrt_graph *g, const char *name, int batch, int h, int w,
                                  int c);

/* The same of any type; external: its memory is the caller's. */
sdrt_tensor sdrt_graph_typed_tensor(struct sdrt_graph *g, const char *name, enum sdrt_dtype type,
                                    int external, int batch, int h, int w, int c);

/* A node without operands, valid until the next one is added; NULL on failure. */
struct sdrt_node *sdrt_graph_add_node(struct sdrt_graph *g, enum sdrt_node_kind kind,
                                      const char *name);

/* The rows of rank in a tensor of which this one has rows. */
int sdrt_graph_rank_rows(const struct sdrt_ranks *r, const int *bands, int rows, int rank);

/* In a shared graph: x between its neighbours' rows, upsampled times times; below 0: what reads it reads no
 * row of the rank below. */
sdrt_tensor sdrt_graph_with_neighbours(struct sdrt_graph *g, sdrt_tensor x, int times, int below);

/* In a shared graph: replaces keys and values that the graph computes by those of all ranks. */
void sdrt_graph_gather_keys(struct sdrt_graph *g, sdrt_tensor *k, sdrt_tensor *v);

/* Doubles that the moments of a group norm of so many ranks take. */
size_t sdrt_rank_sums_count(const struct sdrt_gn_shape *s, int ranks);

/* Gives the node its weight tensors and declares them: prefix[i].weight of rows[i] rows and
 * rest values a row, and prefix[i].bias.  The result is the type to pack them as: the files'
 * own where all agree, else F32. */
enum sdrt_dtype sdrt_graph_set_weights(struct sdrt_graph *g, struct sdrt_node *n,
                                       const char *const *prefixes, const int *rows, int count,
                                       size_t rest, int bias);

/* Chooses the type of every tensor that is not external: BF16 where only products that round their
 * operands to it read the tensor, and whoever writes it can; else F32.  Then tells the nodes' shapes.
 * SDRT_E_UNSUPPORTED where a kernel does not take what an external tensor is. */
int sdrt_graph_set_types(struct sdrt_graph *g);

/* Chooses the types, makes the scratch buffers, finds every life, and places all of it.  Sizes
 * depend on the kernels and on how many workers need scratch of their own. */
int sdrt_graph_plan(struct sdrt_graph *g, int workers);

/* The buffer whose memory b really uses, past all in-place reuse. */
int sdrt_graph_root(const struct sdrt_graph *g, int b);

#endif
