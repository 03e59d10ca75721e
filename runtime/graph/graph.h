/* SPDX-License-Identifier: MIT
 *
 * A model for one shape, as data: nodes are the fused operations of kernels/, edges are
 * tensors.  Building a graph reads no weights and allocates no tensor; it only declares.
 *
 * Every tensor has an element type, f32 where nothing else is said, and is channels last:
 * [batch][h][w][c].  A sequence of tokens is [batch][1][tokens][c].  A tensor may be a slice of
 * another's channels; its pitch then is the wider one's.  It may also be some rows of each of
 * another's images, which linear layers, layer norms and RMS norms read and write; no other
 * operation does.
 *
 * The building functions return a tensor, or SDRT_NO_TENSOR after any failure: the first
 * failure is kept in the graph and everything later is a no-op, so a builder checks once,
 * with sdrt_graph_status().
 */
#ifndef SDRT_RUNTIME_GRAPH_GRAPH_H
#define SDRT_RUNTIME_GRAPH_GRAPH_H

#include "kernels/act.h"
#include "kernels/dtype.h"
#include "runtime/base/error.h"
#include "runtime/graph/tensor.h"

#include <stddef.h>

struct sdrt_ops;
struct sdrt_weight_store;
struct sdrt_ranks;

/* name is for reports ("unet").  store, ops (the device's that will run the graph) and log must
 * outlive it.  *out belongs to the caller until a program takes it over. */
int sdrt_graph_create(struct sdrt_graph **out, const char *name, struct sdrt_weight_store *store,
                      const struct sdrt_ops *ops, const struct sdrt_log *log);
void sdrt_graph_free(struct sdrt_graph **graph);
int sdrt_graph_status(const struct sdrt_graph *graph);
const char *sdrt_graph_name(const struct sdrt_graph *graph);

/* A tensor that lives outside the plan: the caller gives its address to
 * sdrt_program_bind().  Inputs, outputs, and what outlives one run of the program. */
sdrt_tensor sdrt_graph_external(struct sdrt_graph *g, const char *name, enum sdrt_dtype type,
                                int batch, int h, int w, int c);

/* The type that attention of c channels in so many heads, without a mask or a bias, takes its keys
 * and values in: for an external tensor that one program writes and another's attention reads. */
enum sdrt_dtype sdrt_graph_attention_type(const struct sdrt_graph *g, int heads, int c);

/* A tensor that nodes write piece by piece, through slices and rows of it. */
sdrt_tensor sdrt_graph_tensor(struct sdrt_graph *g, const char *name, int batch, int h, int w,
                              int c);

/* Channels c0 .. c0+c-1 of x, sharing its memory. */
sdrt_tensor sdrt_graph_slice(struct sdrt_graph *g, sdrt_tensor x, int c0, int c);

/* Rows (pixels, tokens) row0 .. row0+n-1 of each image of x, [batch][1][n][c], sharing its memory:
 * two sequences that lie in one tensor need not be put behind each other. */
sdrt_tensor sdrt_graph_rows(struct sdrt_graph *g, sdrt_tensor x, int row0, int n);

/* Images image0 .. image0+n-1 of x, sharing its memory. */
sdrt_tensor sdrt_graph_images(struct sdrt_graph *g, sdrt_tensor x, int image0, int n);

/* The element type, which is final for an external tensor, and for others once a program is made
 * of the graph; F32 for SDRT_NO_TENSOR. */
enum sdrt_dtype sdrt_graph_type(const struct sdrt_graph *g, sdrt_tensor x);

/* dims: batch, h, w, c of a tensor. */
void sdrt_graph_dims(const struct sdrt_graph *g, sdrt_tensor x, int dims[4]);

/* Every member may be left 0 or NULL where it says so.  Names are weight prefixes: the tensors
 * are name.weight and name.bias. */
struct sdrt_conv_spec {
    const char *name;
    const char *weights[3]; /* prefixes stacked along the output channels; NULL: name alone */
    int  out_c, kernel;
    int  stride, upsample;  /* 0 counts as 1 */
    int  pad;               /* above and left */
    int  out_h, out_w;      /* 0: the input's size (times upsample, over stride) */
    int  no_bias;
    const char *norm;       /* prefix of the group norm applied while reading, or NULL */
    int   groups;
    float eps;
    sdrt_tensor msb; /* [batch][1][3][c] of the norm (kernels/norm.h), where it is given instead;
                             * SDRT_NO_TENSOR */
    int   silu;             /* after the norm */
    int relu;               /* 1, of kernel 3: ReLU after all else */
    sdrt_tensor skip;       /* second source, its channels after x's; SDRT_NO_TENSOR */
    sdrt_tensor chan;       /* [batch or 1][1][1][out_c] added to every pixel; SDRT_NO_TENSOR */
    sdrt_tensor residual;   /* added; SDRT_NO_TENSOR */
    sdrt_tensor into;       /* write here (an external tensor); SDRT_NO_TENSOR */
};
extern const struct sdrt_conv_spec sdrt_conv_defaults; /* no tensors set */
sdrt_tensor sdrt_graph_conv(struct sdrt_graph *g, sdrt_tensor x, const struct sdrt_conv_spec *spec);

struct sdrt_gemm_spec {
    const char *name;
    const char *const *weights; /* prefixes stacked along n, each n / n_weights rows; NULL: name */
    const int *weight_rows;     /* rows of each of them; NULL: all the same */
    int  n_weights;
    int  n;                     /* output channels, after gating */
    int  no_bias;
    enum sdrt_act act;
    int  gated;
    sdrt_tensor gate;           /* [batch or 1][1][1][n], times the result before the residual */
    sdrt_tensor residual;       /* added; [1][..] is the same for all images */
    sdrt_tensor into;           /* each of the three may be SDRT_NO_TENSOR */
};
extern const struct sdrt_gemm_spec sdrt_gemm_defaults;
sdrt_tensor sdrt_graph_gemm(struct sdrt_graph *g, sdrt_tensor x, const struct sdrt_gemm_spec *spec);

sdrt_tensor sdrt_graph_layer_norm(struct sdrt_graph *g, sdrt_tensor x, const char *name, float eps,
                                  sdrt_tensor into);

/* Layer norm without weights, times 1 + scale, plus shift: scale and shift are [batch or 1][1][1][c],
 * slices of an external tensor.  adaLN (kernels/norm.h). */
sdrt_tensor sdrt_graph_ada_norm(struct sdrt_graph *g, sdrt_tensor x, const char *name,
                                sdrt_tensor scale, sdrt_tensor shift, float eps);

/* Each row's channels are groups pieces of equal width; each is divided by its root mean square and
 * multiplied by name.weight [width].  into may be x, or SDRT_NO_TENSOR. */
sdrt_tensor sdrt_graph_rms_norm(struct sdrt_graph *g, sdrt_tensor x, const char *name, int groups,
                                float eps, sdrt_tensor into);

/* q [batch][1][q_len][heads*d], k and v [batch][1][kv_len][heads*d]. */
sdrt_tensor sdrt_graph_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                 sdrt_tensor k, sdrt_tensor v, int heads, int causal);

/* The same with scores q . k + bias; bias is [1][heads][q_len][kv_len], whole. */
sdrt_tensor sdrt_graph_biased_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                        sdrt_tensor k, sdrt_tensor v, int heads, sdrt_tensor bias);

/* The same with scores q . k / sqrt(head width) + mask, of the bias's shape. */
sdrt_tensor sdrt_graph_masked_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                        sdrt_tensor k, sdrt_tensor v, int heads, sdrt_tensor mask);

/* Of sdrt_graph_attention()'s answer o, rows first .. first + count - 1 of each image anew, in place: each
 * sees itself and the rows that are not among them. */
sdrt_tensor sdrt_graph_own_attention(struct sdrt_graph *g, const char *name, sdrt_tensor q,
                                     sdrt_tensor k, sdrt_tensor v, int heads, int first, int count,
                                     sdrt_tensor o);

/* T5's bias of attention within tokens tokens (kernels/elementwise.h): name.weight, a whole tensor
 * [buckets][heads] -> [1][heads][tokens][tokens]. */
sdrt_tensor sdrt_graph_relative_bias(struct sdrt_graph *g, const char *name, int tokens, int heads,
                                     int buckets, int max_distance);

/* Patches of p x p pixels as rows (kernels/elementwise.h): x [batch][h][w][c] -> [batch][1][h/p *
 * w/p][c * p * p], and x [batch][1][h/p * w/p][p * p * c] -> into [batch][h][w][c]. */
sdrt_tensor sdrt_graph_to_patches(struct sdrt_graph *g, const char *name, sdrt_tensor x, int p);
sdrt_tensor sdrt_graph_from_patches(struct sdrt_graph *g, const char *name, sdrt_tensor x, int p,
                                    sdrt_tensor into);

/* Multiplies what is below 0 in x by slope, or where slopes is a prefix, by slopes.weight [c], each
 * channel by its own; x is returned. */
sdrt_tensor sdrt_graph_relu(struct sdrt_graph *g, const char *name, sdrt_tensor x, float slope,
                            const char *slopes);

/* The mean of each square of 2 x 2 pixels, of what there is of it at the last row and column. */
sdrt_tensor sdrt_graph_halve(struct sdrt_graph *g, const char *name, sdrt_tensor x);

/* Each value of x, a whole tensor, becomes x / (1 + exp(-x)).  Returns x. */
sdrt_tensor sdrt_graph_silu(struct sdrt_graph *g, const char *name, sdrt_tensor x);

/* into = a x + b z, which are as large as each other; z may be SDRT_NO_TENSOR, into x or z. */
sdrt_tensor sdrt_graph_blend(struct sdrt_graph *g, const char *name, float a, sdrt_tensor x,
                             float b, sdrt_tensor z, sdrt_tensor into);

/* Multiplies the lowest frequencies of each channel of x, a whole tensor, by gain (kernels/elementwise.h);
 * x is returned. */
sdrt_tensor sdrt_graph_low_frequencies(struct sdrt_graph *g, const char *name, sdrt_tensor x,
                                       float gain);

/* The middle h x w rows of a square grid: table, a whole tensor [1][side * side][c], into
 * [1][1][h * w][c]. */
sdrt_tensor sdrt_graph_crop(struct sdrt_graph *g, const char *name, const char *table, int side,
                            int h, int w, sdrt_tensor into);

/* t [1][1][n][1] -> [1][1][n][dim]. */
sdrt_tensor sdrt_graph_timestep_embedding(struct sdrt_graph *g, const char *name, sdrt_tensor t,
                                          int dim);

/* a [1][1][n][c], b [1][1][m][c] -> [1][1][n * m][c]: silu of a's row i plus b's row j, j
 * running faster. */
sdrt_tensor sdrt_graph_silu_of_sums(struct sdrt_graph *g, const char *name, sdrt_tensor a,
                                    sdrt_tensor b);

/* ids is an external tensor [batch][1][tokens][1] of I32 -> [batch][1][tokens][c].  table and
 * positions name whole tensors, [vocab][c] and [tokens or more][c]; positions may be NULL. */
sdrt_tensor sdrt_graph_embed(struct sdrt_graph *g, const char *name, sdrt_tensor ids,
                             const char *table, int vocab, const char *positions, int positions_n,
                             int c);

/* Before anything is added: each of the ranks makes a program of the same network over its band of the
 * picture's rows, and runs it when the others do; h of its tensors is the band's.  bands [size + 1] are
 * where the bands begin and end, in rows of what comes first.  3x3 convolutions, group norms and attention
 * to keys and values that the graph computes are then of the whole picture.  Both are borrowed and
 * must outlive the program. */
void sdrt_graph_share(struct sdrt_graph *g, struct sdrt_ranks *ranks, const int *bands);

/* Of keys and values of attention that is added from now on, the last rows are no part of a band: all
 * ranks have them. */
void sdrt_graph_common_rows(struct sdrt_graph *g, int rows);

/* Before a program is made of it: of the weights of convolutions and linear layers, that share (0 to 1)
 * by bytes, spread evenly over the nodes, does not stay in the device's memory but comes from the host's
 * before each use, from ahead nodes before it on.  For devices whose memory the host does not reach. */
void sdrt_graph_stream(struct sdrt_graph *g, double share, int ahead);

#endif
