/* SPDX-License-Identifier: MIT */
#include "model/net/mmdit.h"
#include "model/net/linear.h"
#include "model/net/name.h"

enum { NAME = 128, TIME_CHANNELS = 256, MOST_VECTORS = 9 };

static const float EPS = 1e-6f;

int sdrt_mmdit_dual(const struct sdrt_mmdit_config *config, int i)
{
    return (int)(config->dual >> i & 1);
}

static int check(const struct sdrt_model_config *model, const struct sdrt_log *log)
{
    const struct sdrt_mmdit_config *c = &model->mmdit;

    if (c->depth < 1 || c->depth > SDRT_MMDIT_MAX_DEPTH)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED, "the MMDiT has %d blocks: expected 1 to %d",
                         c->depth, (int)SDRT_MMDIT_MAX_DEPTH);
    if (c->heads < 1 || c->width % c->heads)
        return sdrt_fail(log, SDRT_E_UNSUPPORTED,
                         "the MMDiT is %d wide: expected a multiple of its %d heads", c->width,
                         c->heads);
    return SDRT_OK;
}

static int check_size(const struct sdrt_model_config *model, int h, int w,
                      const struct sdrt_log *log)
{
    const struct sdrt_mmdit_config *c = &model->mmdit;
    const int most = c->grid * c->patch, pixels = 1 << (model->vae.levels - 1);

    if (h % c->patch || w % c->patch || h > most || w > most)
        return sdrt_fail(log, SDRT_E_ARG, "size %dx%d: expected multiples of %d up to %d for %s",
                         w * pixels, h * pixels, c->patch * pixels, most * pixels, model->family);
    return SDRT_OK;
}

/* ---- modulations ---- */

/* Vectors that a block takes for the image and for the text; the last block's text goes nowhere. */
static int image_vectors(const struct sdrt_mmdit_config *c, int i)
{
    return sdrt_mmdit_dual(c, i) ? 9 : 6;
}

static int text_vectors(const struct sdrt_mmdit_config *c, int i)
{
    if (!c->context_width) return 0;
    return i == c->depth - 1 && !c->control ? 2 : 6;
}

/* Channels of all vectors, block by block, the image's before the text's, and of the output's
 * two. */
static int modulation_width(const struct sdrt_mmdit_config *c)
{
    int vectors = c->control ? 0 : 2;

    for (int i = 0; i < c->depth; i++) vectors += image_vectors(c, i) + text_vectors(c, i);
    return vectors * c->width;
}

/* silu(time embedding + embedded pooled text) of all pairs, which every modulation reads. */
static sdrt_tensor embed_time(struct sdrt_graph *g, const struct sdrt_mmdit_config *c,
                              sdrt_tensor timesteps, sdrt_tensor added)
{
    static const char embedder[] = "transformer.time_text_embed";
    char name[NAME];
    sdrt_tensor t, text;

    sdrt_name(name, NAME, "%s.time_proj", embedder);
    t = sdrt_graph_timestep_embedding(g, name, timesteps, TIME_CHANNELS);
    sdrt_name(name, NAME, "%s.timestep_embedder.linear_1", embedder);
    t = sdrt_linear(g, t, name, c->width, SDRT_ACT_SILU);
    sdrt_name(name, NAME, "%s.timestep_embedder.linear_2", embedder);
    t = sdrt_linear(g, t, name, c->width, SDRT_ACT_NONE);
    sdrt_name(name, NAME, "%s.text_embedder.linear_1", embedder);
    text = sdrt_linear(g, added, name, c->width, SDRT_ACT_SILU);
    sdrt_name(name, NAME, "%s.text_embedder.linear_2", embedder);
    text = sdrt_linear(g, text, name, c->width, SDRT_ACT_NONE);
    return sdrt_graph_silu_of_sums(g, embedder, t, text);
}

static void build_schedule(struct sdrt_graph *g, const struct sdrt_model_config *model,
                           const struct sdrt_denoiser_shape *shape)
{
    const struct sdrt_mmdit_config *c = &model->mmdit;
    const int rows = shape->evaluations * shape->batch;
    int at = 0;

    const sdrt_tensor timesteps = sdrt_graph_external(g, "timesteps", SDRT_F32, 1, 1,
                                                      shape->evaluations, 1);
    const sdrt_tensor added = sdrt_graph_external(g, "added", SDRT_F32, 1, 1, shape->batch,
                                                  c->pooled_width);
    const sdrt_tensor table = sdrt_graph_external(g, "time_table", SDRT_F32, 1, 1, rows,
                                                  modulation_width(c));
    const sdrt_tensor t = embed_time(g, c, timesteps, added);
    for (int i = 0; i < c->depth + !c->control; i++) {
        struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
        char name[2][NAME];
        const char *weights[2] = { name[0], name[1] };
        const int counts[2] = { i < c->depth ? image_vectors(c, i) * c->width : 2 * c->width,
                                i < c->depth ? text_vectors(c, i) * c->width : 0 };
        sdrt_name(name[0], NAME,
                  i < c->depth ? "transformer.transformer_blocks.%d.norm1.linear"
                               : "transformer.norm_out.linear",
                  i);
        sdrt_name(name[1], NAME, "transformer.transformer_blocks.%d.norm1_context.linear", i);
        spec.name = name[0];
        spec.weights = weights;
        spec.weight_rows = counts;
        spec.n_weights = counts[1] ? 2 : 1;
        spec.n = counts[0] + counts[1];
        spec.into = sdrt_graph_slice(g, table, at, spec.n);
        sdrt_graph_gemm(g, t, &spec);
        at += spec.n;
    }
}

static void build_prompt(struct sdrt_graph *g, const struct sdrt_model_config *model,
                         const struct sdrt_denoiser_shape *shape)
{
    const struct sdrt_mmdit_config *c = &model->mmdit;
    const int h = shape->h / c->patch, w = shape->w / c->patch;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;

    if (c->context_width) {
        const sdrt_tensor text = sdrt_graph_external(g, "text", SDRT_F32, shape->batch, 1,
                                                     shape->tokens, c->context_width);
        spec.name = "transformer.context_embedder";
        spec.n = c->width;
        spec.into = sdrt_graph_external(g, "context", SDRT_F32, shape->batch, 1, shape->tokens,
                                        c->width);
        sdrt_graph_gemm(g, text, &spec);
    }
    sdrt_graph_crop(g, "transformer.pos_embed.crop", "transformer.pos_embed.pos_embed", c->grid, h,
                    w, sdrt_graph_external(g, "positions", SDRT_F32, 1, 1, h * w, c->width));
}

/* ---- the step ---- */

struct builder {
    struct sdrt_graph *g;
    const struct sdrt_mmdit_config *c;
    sdrt_tensor modulations; /* [batch][1][1][..] */
    int at;                  /* the next of them */
    int own;                 /* 1: in this block each patch attends to itself and the text alone */
    char block[64];          /* prefix of the block's weights */
};

/* Half of a block: the image's or the text's hidden states, and what they are called. */
struct stream {
    sdrt_tensor x;
    int row0, rows; /* its place in the joint sequence */
    const char *norm1, *norm2, *feed_forward;
    const char *queries, *keys, *values, *out;
    const char *norm_queries, *norm_keys;
    sdrt_tensor vectors[MOST_VECTORS];
};

/* In the order of the model's rows. */
enum { SHIFT, SCALE, GATE, MLP_SHIFT, MLP_SCALE, MLP_GATE, SHIFT2, SCALE2, GATE2 };

static const struct stream image_stream = {
    .norm1 = "norm1", .norm2 = "norm2", .feed_forward = "ff", .queries = "attn.to_q",
    .keys = "attn.to_k", .values = "attn.to_v", .out = "attn.to_out.0",
    .norm_queries = "attn.norm_q", .norm_keys = "attn.norm_k",
}, text_stream = {
    .norm1 = "norm1_context", .norm2 = "norm2_context", .feed_forward = "ff_context",
    .queries = "attn.add_q_proj", .keys = "attn.add_k_proj", .values = "attn.add_v_proj",
    .out = "attn.to_add_out", .norm_queries = "attn.norm_added_q",
    .norm_keys = "attn.norm_added_k",
}, second_stream = {
    .norm1 = "norm1.second", .queries = "attn2.to_q", .keys = "attn2.to_k",
    .values = "attn2.to_v", .out = "attn2.to_out.0", .norm_queries = "attn2.norm_q",
    .norm_keys = "attn2.norm_k",
};

static void take_vectors(struct builder *b, sdrt_tensor *vectors, int n)
{
    for (int i = 0; i < n; i++, b->at += b->c->width)
        vectors[i] = sdrt_graph_slice(b->g, b->modulations, b->at, b->c->width);
}

static sdrt_tensor modulated(struct builder *b, sdrt_tensor x, const char *leaf, sdrt_tensor scale,
                             sdrt_tensor shift)
{
    char name[NAME];

    sdrt_name(name, NAME, "%s.%s", b->block, leaf);
    return sdrt_graph_ada_norm(b->g, x, name, scale, shift, EPS);
}

/* x + gate * (a times the weights). */
static sdrt_tensor gated(struct builder *b, sdrt_tensor a, const char *leaf, sdrt_tensor gate,
                         sdrt_tensor x)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[NAME];

    sdrt_name(name, NAME, "%s.%s", b->block, leaf);
    spec.name = name;
    spec.n = b->c->width;
    spec.gate = gate;
    spec.residual = x;
    return sdrt_graph_gemm(b->g, a, &spec);
}

/* Each head's part of the queries or keys to length 1, roughly. */
static void norm_heads(struct builder *b, sdrt_tensor x, const char *leaf)
{
    char name[NAME];

    sdrt_name(name, NAME, "%s.%s", b->block, leaf);
    sdrt_graph_rms_norm(b->g, x, name, b->c->heads, EPS, x);
}

/* Queries, keys and values of one stream into its rows of qkv [batch][1][..][3 * width]. */
static void project(struct builder *b, const struct stream *s, sdrt_tensor x, sdrt_tensor qkv)
{
    const char *const leaves[3] = { s->queries, s->keys, s->values };
    const int c = b->c->width;
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    char name[3][NAME];

    for (int i = 0; i < 3; i++) sdrt_name(name[i], NAME, "%s.%s", b->block, leaves[i]);
    spec.name = name[0];
    spec.weights = (const char *const[]){ name[0], name[1], name[2] };
    spec.n_weights = 3;
    spec.n = 3 * c;
    spec.into = sdrt_graph_rows(b->g, qkv, s->row0, s->rows);
    const sdrt_tensor rows = sdrt_graph_gemm(b->g, x, &spec);
    if (!b->c->qk_norm) return;
    norm_heads(b, sdrt_graph_slice(b->g, rows, 0, c), s->norm_queries);
    norm_heads(b, sdrt_graph_slice(b->g, rows, c, c), s->norm_keys);
}

/* The last common rows are the text's. */
static sdrt_tensor attention(struct builder *b, const char *leaf, sdrt_tensor qkv, int common)
{
    const int c = b->c->width;
    char name[NAME];

    sdrt_name(name, NAME, "%s.%s.attention", b->block, leaf);
    sdrt_graph_common_rows(b->g, common);
    return sdrt_graph_attention(b->g, name, sdrt_graph_slice(b->g, qkv, 0, c),
                                sdrt_graph_slice(b->g, qkv, c, c),
                                sdrt_graph_slice(b->g, qkv, 2 * c, c), b->c->heads, 0);
}

static sdrt_tensor new_qkv(struct builder *b, const char *leaf, sdrt_tensor like, int rows)
{
    char name[NAME];
    int dims[4];

    sdrt_name(name, NAME, "%s.%s.qkv", b->block, leaf);
    sdrt_graph_dims(b->g, like, dims);
    return sdrt_graph_tensor(b->g, name, dims[0], 1, rows, 3 * b->c->width);
}

static void feed_forward(struct builder *b, struct stream *s)
{
    const sdrt_tensor *v = s->vectors;
    char name[NAME], leaf[40];

    const sdrt_tensor x = modulated(b, s->x, s->norm2, v[MLP_SCALE], v[MLP_SHIFT]);
    sdrt_name(name, NAME, "%s.%s.net.0.proj", b->block, s->feed_forward);
    const sdrt_tensor inner = sdrt_linear(b->g, x, name, 4 * b->c->width, SDRT_ACT_GELU_TANH);
    sdrt_name(leaf, sizeof leaf, "%s.net.2", s->feed_forward);
    s->x = gated(b, inner, leaf, v[MLP_GATE], s->x);
}

/* The attention of the image to itself, from hidden states that are not yet those after the
 * joint one. */
static void attend_again(struct builder *b, struct stream *image, sdrt_tensor normed)
{
    struct stream s = second_stream;
    const sdrt_tensor qkv = new_qkv(b, "attn2", normed, image->rows);

    s.rows = image->rows;
    project(b, &s, normed, qkv);
    image->x = gated(b, attention(b, "attn2", qkv, 0), s.out, image->vectors[GATE2], image->x);
}

/* The patches' rows of the attention anew, without each other. */
static void attend_alone(struct builder *b, const struct stream *image, sdrt_tensor qkv,
                         sdrt_tensor o)
{
    const int c = b->c->width;
    char name[NAME];

    sdrt_name(name, NAME, "%s.attn.own", b->block);
    sdrt_graph_own_attention(b->g, name, sdrt_graph_slice(b->g, qkv, 0, c),
                             sdrt_graph_slice(b->g, qkv, c, c),
                             sdrt_graph_slice(b->g, qkv, 2 * c, c), b->c->heads, image->row0,
                             image->rows, o);
}

/* The last block's text is read once more and then left: its vectors are scale and shift alone. */
static void joint_block(struct builder *b, struct stream *image, struct stream *text, int i)
{
    const int last = i == b->c->depth - 1 && !b->c->control, dual = sdrt_mmdit_dual(b->c, i);
    sdrt_tensor normed2 = SDRT_NO_TENSOR;

    sdrt_name(b->block, sizeof b->block, "transformer.transformer_blocks.%d", i);
    take_vectors(b, image->vectors, image_vectors(b->c, i));
    take_vectors(b, text->vectors, text_vectors(b->c, i));
    const sdrt_tensor *v = image->vectors, *t = text->vectors;

    const sdrt_tensor qkv = new_qkv(b, "attn", image->x, image->rows + text->rows);
    project(b, image, modulated(b, image->x, image->norm1, v[SCALE], v[SHIFT]), qkv);
    project(b, text, modulated(b, text->x, text->norm1, t[last ? 0 : SCALE], t[last ? 1 : SHIFT]),
            qkv);
    const sdrt_tensor o = attention(b, "attn", qkv, text->rows);
    if (b->own) attend_alone(b, image, qkv, o);
    if (dual) normed2 = modulated(b, image->x, second_stream.norm1, v[SCALE2], v[SHIFT2]);
    image->x = gated(b, sdrt_graph_rows(b->g, o, image->row0, image->rows), image->out, v[GATE],
                     image->x);
    if (!last)
        text->x = gated(b, sdrt_graph_rows(b->g, o, text->row0, text->rows), text->out, t[GATE],
                        text->x);
    if (dual) attend_again(b, image, normed2);
    feed_forward(b, image);
    if (!last) feed_forward(b, text);
}

/* A block of the image alone, as in ControlNets that read no text. */
static void single_block(struct builder *b, struct stream *image, int i)
{
    const sdrt_tensor *v = image->vectors;

    sdrt_name(b->block, sizeof b->block, "transformer.transformer_blocks.%d", i);
    take_vectors(b, image->vectors, image_vectors(b->c, i));
    const sdrt_tensor qkv = new_qkv(b, "attn", image->x, image->rows);
    project(b, image, modulated(b, image->x, image->norm1, v[SCALE], v[SHIFT]), qkv);
    image->x = gated(b, attention(b, "attn", qkv, 0), image->out, v[GATE], image->x);
    feed_forward(b, image);
}

static sdrt_tensor embed_patches(struct sdrt_graph *g, const struct sdrt_mmdit_config *c,
                                 sdrt_tensor latent, sdrt_tensor positions)
{
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;

    spec.name = "transformer.pos_embed.proj";
    spec.n = c->width;
    spec.residual = positions;
    return sdrt_graph_gemm(g, sdrt_graph_to_patches(g, "transformer.patches", latent, c->patch),
                           &spec);
}

/* What a step of c reads and works on; positions: what is added to the patches. */
static void begin_step(struct builder *b, const struct sdrt_denoiser_shape *shape,
                       sdrt_tensor positions, struct stream *image, struct stream *text)
{
    const struct sdrt_mmdit_config *c = b->c;
    const sdrt_tensor in = sdrt_graph_external(b->g, "model_in", SDRT_F32, shape->batch, shape->h,
                                               shape->w, c->in_channels);

    b->modulations = sdrt_graph_external(b->g, "time", SDRT_F32, shape->batch, 1, 1,
                                         modulation_width(c));
    if (c->context_width)
        text->x = sdrt_graph_external(b->g, "context", SDRT_F32, shape->batch, 1, shape->tokens,
                                      c->width);
    image->x = embed_patches(b->g, c, in, positions);
    image->rows = text->row0 = shape->h / c->patch * (shape->w / c->patch);
    text->rows = shape->tokens;
}

/* What ControlNets leave for the image behind each block but the last, which share n features: in
 * diffusers' way of counting. */
static void add_control(struct builder *b, struct stream *image, int i, const sdrt_tensor *features,
                        int n)
{
    const double blocks = (double)b->c->depth / n;

    if (n && i < b->c->depth - 1)
        image->x = sdrt_graph_blend(b->g, "/control", 1.0f, image->x, 1.0f,
                                    features[(int)(i / blocks)], image->x);
}

static void declare_features(struct sdrt_graph *g, const struct sdrt_mmdit_config *c,
                             const struct sdrt_denoiser_shape *shape, int n, sdrt_tensor *features)
{
    char name[NAME];

    for (int i = 0; i < n; i++) {
        sdrt_name(name, sizeof name, "/control.%d", i);
        features[i] = sdrt_graph_external(g, name, SDRT_F32, shape->batch, 1,
                                          shape->h / c->patch * (shape->w / c->patch), c->width);
    }
}

void sdrt_mmdit_build_hint(struct sdrt_graph *g, const struct sdrt_mmdit_config *c,
                           const struct sdrt_denoiser_shape *shape)
{
    const int patches = shape->h / c->patch * (shape->w / c->patch);
    struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
    const sdrt_tensor picture = sdrt_graph_external(g, "picture", SDRT_F32, shape->batch, shape->h,
                                                    shape->w, c->in_channels);

    spec.name = "transformer.pos_embed_input.proj";
    spec.n = c->width;
    spec.residual = sdrt_graph_external(g, "positions", SDRT_F32, 1, 1, patches, c->width);
    spec.into = sdrt_graph_external(g, "hints", SDRT_F32, shape->batch, 1, patches, c->width);
    sdrt_graph_gemm(g, sdrt_graph_to_patches(g, "transformer.hint_patches", picture, c->patch),
                    &spec);
}

void sdrt_mmdit_build_control(struct sdrt_graph *g, const struct sdrt_mmdit_config *c,
                              const struct sdrt_denoiser_shape *shape, int more)
{
    struct builder b = { .g = g, .c = c };
    struct stream image = image_stream, text = text_stream;
    sdrt_tensor features[SDRT_MMDIT_MAX_DEPTH];
    char name[NAME];

    declare_features(g, c, shape, c->depth, features);
    const sdrt_tensor hints = sdrt_graph_external(g, "hints", SDRT_F32, shape->batch, 1,
                                                  shape->h / c->patch * (shape->w / c->patch),
                                                  c->width);
    const sdrt_tensor gates = sdrt_graph_external(g, "gates", SDRT_F32, shape->batch, 1, 1,
                                                  c->depth * c->width);
    begin_step(&b, shape, hints, &image, &text);
    for (int i = 0; i < c->depth; i++) {
        struct sdrt_gemm_spec spec = sdrt_gemm_defaults;
        if (c->context_width) joint_block(&b, &image, &text, i);
        else single_block(&b, &image, i);
        sdrt_name(name, sizeof name, "transformer.controlnet_blocks.%d", i);
        spec.name = name;
        spec.n = c->width;
        spec.gate = sdrt_graph_slice(g, gates, i * c->width, c->width);
        spec.into = features[i];
        spec.residual = more ? features[i] : SDRT_NO_TENSOR;
        sdrt_graph_gemm(g, image.x, &spec);
    }
}

static void build_step(struct sdrt_graph *g, const struct sdrt_model_config *model,
                       const struct sdrt_denoiser_shape *shape)
{
    const struct sdrt_mmdit_config *c = &model->mmdit;
    const int h = shape->h, w = shape->w, patches = h / c->patch * (w / c->patch);
    struct builder b = { .g = g, .c = c };
    struct stream image = image_stream, text = text_stream;
    sdrt_tensor v[2], features[SDRT_MMDIT_MAX_DEPTH];

    declare_features(g, c, shape, shape->controlled, features);
    /* Of a band, those of its rows. */
    const int all = (shape->whole_h ? shape->whole_h : h) / c->patch * (w / c->patch);
    sdrt_tensor positions = sdrt_graph_external(g, "positions", SDRT_F32, 1, 1, all, c->width);
    if (all != patches)
        positions = sdrt_graph_rows(g, positions, shape->row0 / c->patch * (w / c->patch), patches);
    begin_step(&b, shape, positions, &image, &text);
    const sdrt_tensor out = sdrt_graph_external(g, "model_out", SDRT_F32, shape->batch, h, w,
                                                c->in_channels);
    for (int i = 0; i < c->depth; i++) {
        const int perturbed = shape->perturbed[i / 32] >> i % 32 & 1;
        b.own = perturbed && shape->own;
        if (perturbed && !shape->own) b.at += (image_vectors(c, i) + text_vectors(c, i)) * c->width;
        else joint_block(&b, &image, &text, i);
        add_control(&b, &image, i, features, shape->controlled);
    }

    take_vectors(&b, v, 2);
    const sdrt_tensor x = sdrt_graph_ada_norm(g, image.x, "transformer.norm_out", v[0], v[1], EPS);
    sdrt_graph_from_patches(g, "transformer.unpatched",
                            sdrt_linear(g, x, "transformer.proj_out",
                                        c->patch * c->patch * c->in_channels, SDRT_ACT_NONE),
                            c->patch, out);
}

const struct sdrt_denoiser sdrt_mmdit_denoiser = {
    .name = "mmdit",
    .check = check,
    .check_size = check_size,
    .build_schedule = build_schedule,
    .build_prompt = build_prompt,
    .build_step = build_step,
};
