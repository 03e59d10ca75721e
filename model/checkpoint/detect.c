/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/detect.h"
#include "model/net/family.h"
#include "kernels/pack.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    MAX_DEPTH = 16, /* transformer blocks behind each other */
    MAX_CLIP_LAYERS = 64,
    MAX_SIZE = 1 << 20, /* of one dimension */
};

struct detection {
    struct sdrt_named_weights *weights;
    struct sdrt_model_config *config;
    const char *path; /* for messages */
    const struct sdrt_log *log;
};

static int have(const struct detection *d, const char *format, int i)
{
    char canonical[SDRT_NAME_MAX];

    snprintf(canonical, sizeof canonical, format, i);
    return sdrt_named_weights_have(d->weights, canonical);
}

/* How many of the names with i = 0, 1, ... in the place of format's %d are in the file,
 * up to the first that is not and to limit. */
static int count(const struct detection *d, int limit, const char *format)
{
    int i = 0;

    while (i < limit && have(d, format, i)) i++;
    return i;
}

/* The shape of a tensor; its data are given back. */
static int shape_of(struct detection *d, const char *name, struct sdrt_weight_view *view)
{
    struct sdrt_weights_provider weights = sdrt_named_weights_provider(d->weights);
    const int status = weights.get(weights.self, name, -1, NULL, view);

    if (status == SDRT_E_MISSING)
        return sdrt_fail(d->log, status, "%s: has no tensor %s", d->path, name);
    if (status == SDRT_OK) weights.release(weights.self, name);
    return status;
}

/* One dimension of the tensor's shape into *size. */
static int size_of(struct detection *d, int rank, int dimension, int *size, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static int size_of(struct detection *d, int rank, int dimension, int *size, const char *format, ...)
{
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    va_list args;
    int status;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    status = shape_of(d, name, &view);
    if (status != SDRT_OK) return status;
    if (view.rank != rank || view.shape[dimension] < 1 || view.shape[dimension] > MAX_SIZE)
        return sdrt_fail(d->log, SDRT_E_FORMAT, "%s: %s: expected %d dimensions, each from 1 to %d",
                         d->path, name, rank, (int)MAX_SIZE);
    *size = (int)view.shape[dimension];
    return SDRT_OK;
}

static int unsupported(const struct detection *d, const char *what, int value, const char *expected)
{
    return sdrt_fail(d->log, SDRT_E_UNSUPPORTED, "%s: %s %d: expected %s", d->path, what, value,
                     expected);
}

/* Transformer blocks behind resnet j of a block; the block's name into where, which stays otherwise. */
static int count_depth(const struct detection *d, const char *block, int j, char where[64])
{
    char format[SDRT_NAME_MAX];

    snprintf(format, sizeof format, "unet.%s.attentions.%d.transformer_blocks.%%d.norm1.weight",
             block, j);
    const int depth = count(d, MAX_DEPTH, format);
    if (depth) snprintf(where, 64, "unet.%s.attentions.%d", block, j);
    return depth;
}

/* Where transformers are; some transformer's name into where, which is empty without any. */
static void detect_unet_blocks(const struct detection *d, char where[64])
{
    struct sdrt_unet_config *u = &d->config->unet;
    char block[24];

    *where = 0;
    u->mid_depth = count_depth(d, "mid_block", 0, where);
    u->mid_resnets = count(d, 2, "unet.mid_block.resnets.%d.norm1.weight");
    for (int i = 0; i < u->levels; i++) {
        snprintf(block, sizeof block, "up_blocks.%d", u->levels - 1 - i);
        for (int j = 0; j <= u->layers; j++) u->up_depth[i][j] = count_depth(d, block, j, where);
    }
    for (int i = 0; i < u->levels; i++) {
        snprintf(block, sizeof block, "down_blocks.%d", i);
        for (int j = 0; j < u->layers; j++) u->down_depth[i][j] = count_depth(d, block, j, where);
    }
}

/* Whether a text encoder comes from a file of OpenCLIP's, which has all its layers. */
static int is_open(const struct sdrt_layout *layout, int i)
{
    return layout->text[i] == SDRT_CLIP_OPEN || layout->text[i] == SDRT_CLIP_GGML_OPEN;
}

static int detect_unet_text(struct detection *d, int *linear)
{
    struct sdrt_unet_config *u = &d->config->unet;
    struct sdrt_weight_view view;
    char where[64], name[SDRT_NAME_MAX];
    int status;

    detect_unet_blocks(d, where);
    if (!*where)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED,
                         "%s: has no cross-attention, so no prompt can steer it", d->path);
    snprintf(name, sizeof name, "%s.proj_in.weight", where);
    status = shape_of(d, name, &view);
    if (status != SDRT_OK) return status;
    /* stable-diffusion.cpp has written linear ones as convolutions; of those that add to the time
     * embedding or have OpenCLIP first, none has others. */
    *linear = view.rank == 2 || have(d, "unet.add_embedding.linear_1.weight", 0) ||
              is_open(d->weights->layout, 0);
    return size_of(d, 2, 1, &u->context_dim, "%s.transformer_blocks.0.attn2.to_k.weight", where);
}

static int detect_unet(struct detection *d, int *linear)
{
    struct sdrt_unet_config *u = &d->config->unet;
    int status;

    u->levels = d->weights->layout->unet.levels;
    u->layers = d->weights->layout->unet.layers;
    status = detect_unet_text(d, linear);
    for (int i = 0; status == SDRT_OK && i < u->levels; i++)
        status = size_of(d, 4, 0, &u->channels[i], "unet.down_blocks.%d.resnets.0.conv1.weight", i);
    if (status == SDRT_OK) status = size_of(d, 4, 1, &u->in_channels, "unet.conv_in.weight");
    if (status == SDRT_OK) status = size_of(d, 4, 0, &u->out_channels, "unet.conv_out.weight");
    if (status == SDRT_OK)
        status = size_of(d, 2, 0, &u->time_embed_dim, "unet.time_embedding.linear_1.weight");
    if (status == SDRT_OK && have(d, "unet.add_embedding.linear_1.weight", 0))
        status = size_of(d, 2, 1, &u->added_dim, "unet.add_embedding.linear_1.weight");
    if (status == SDRT_OK && have(d, "unet.time_embedding.cond_proj.weight", 0))
        status = size_of(d, 2, 1, &u->guidance_dim, "unet.time_embedding.cond_proj.weight");
    return status;
}

static int detect_positions(struct detection *d)
{
    struct sdrt_mmdit_config *m = &d->config->mmdit;
    int places = 0, status = size_of(d, 3, 1, &places, "transformer.pos_embed.pos_embed");

    while (m->grid * m->grid < places) m->grid++;
    if (status == SDRT_OK && m->grid * m->grid != places)
        return unsupported(d, "places in the MMDiT's table of positions:", places, "a square");
    return status;
}

/* Sizes of patches and heads, and which blocks have what. */
static int detect_mmdit_blocks(struct detection *d)
{
    struct sdrt_mmdit_config *m = &d->config->mmdit;
    int head = 64, out = 0;
    int status = size_of(d, 4, 1, &m->in_channels, "transformer.pos_embed.proj.weight");

    m->qk_norm = have(d, "transformer.transformer_blocks.%d.attn.norm_q.weight", 0);
    for (int i = 0; i < m->depth; i++)
        if (have(d, "transformer.transformer_blocks.%d.attn2.to_q.weight", i))
            m->dual |= (uint64_t)1 << i;
    if (status == SDRT_OK)
        status = size_of(d, 4, 2, &m->patch, "transformer.pos_embed.proj.weight");
    if (status == SDRT_OK) status = size_of(d, 2, 0, &out, "transformer.proj_out.weight");
    if (status == SDRT_OK && m->qk_norm)
        status = size_of(d, 1, 0, &head, "transformer.transformer_blocks.0.attn.norm_q.weight");
    if (status != SDRT_OK) return status;
    if (m->patch > 16 || m->in_channels > 4096 || out != m->patch * m->patch * m->in_channels)
        return unsupported(d, "channels that the MMDiT puts out:", out,
                           "as many as it takes, of a patch");
    m->heads = m->width / head;
    return SDRT_OK;
}

static int detect_mmdit(struct detection *d)
{
    struct sdrt_mmdit_config *m = &d->config->mmdit;
    int status;

    m->depth = d->weights->layout->mmdit.depth;
    status = size_of(d, 2, 0, &m->width, "transformer.context_embedder.weight");
    if (status == SDRT_OK)
        status = size_of(d, 2, 1, &m->context_width, "transformer.context_embedder.weight");
    if (status == SDRT_OK)
        status = size_of(d, 2, 1, &m->pooled_width,
                         "transformer.time_text_embed.text_embedder.linear_1.weight");
    if (status == SDRT_OK) status = detect_mmdit_blocks(d);
    return status == SDRT_OK ? detect_positions(d) : status;
}

static int detect_vae(struct detection *d)
{
    struct sdrt_vae_config *v = &d->config->vae;
    int status = SDRT_OK;

    v->levels = d->weights->layout->vae.levels;
    v->layers = count(d, SDRT_MAX_LAYERS + 2, "vae.decoder.up_blocks.0.resnets.%d.norm1.weight") -
                1;
    if (v->layers < 1 || v->layers > SDRT_MAX_LAYERS)
        return unsupported(d, "resnets in a level of the VAE's encoder:", v->layers, "1 to 8");
    for (int i = 0; status == SDRT_OK && i < v->levels; i++)
        status = size_of(d, 4, 0, &v->channels[i],
                         "vae.decoder.up_blocks.%d.resnets.0.conv1.weight", v->levels - 1 - i);
    if (status == SDRT_OK)
        status = size_of(d, 4, 1, &v->latent_channels, "vae.decoder.conv_in.weight");
    v->quant_convs = have(d, "vae.post_quant_conv.weight", 0);
    v->has_encoder = have(d, "vae.encoder.conv_in.weight", 0);
    return status;
}

static int detect_text(struct detection *d, int i, const struct sdrt_text_recipe *recipe)
{
    const char *part = sdrt_text_prefix(i);
    struct sdrt_text_config *t = &d->config->text[i];
    struct sdrt_clip_config *clip = &t->clip;
    char format[SDRT_NAME_MAX];
    int status = size_of(d, 2, 0, &clip->vocab, "%s.text_model.embeddings.token_embedding.weight",
                         part);

    if (status == SDRT_OK)
        status = size_of(d, 2, 1, &clip->hidden, "%s.text_model.embeddings.token_embedding.weight",
                         part);
    if (status == SDRT_OK)
        status = size_of(d, 2, 0, &clip->positions,
                         "%s.text_model.embeddings.position_embedding.weight", part);
    if (status == SDRT_OK)
        status = size_of(d, 2, 0, &clip->intermediate,
                         "%s.text_model.encoder.layers.0.mlp.fc1.weight", part);
    if (status == SDRT_OK && recipe->pooled)
        status = size_of(d, 2, 0, &t->pooled, "%s.text_projection.weight", part);
    snprintf(format, sizeof format, "%s.text_model.encoder.layers.%%d.layer_norm1.weight", part);
    clip->layers = count(d, MAX_CLIP_LAYERS, format);
    clip->heads = clip->hidden / 64;
    if (!is_open(d->weights->layout, i)) t->cut = recipe->cut_in_folder;
    t->skip -= t->cut;
    return status;
}

/* Whether an SD 2.x U-Net predicts v: nothing says so, but the biases of its last transformer's
 * first norm are wider spread in those that do, which ComfyUI tells them by. */
static int biases_say_v(struct detection *d, int *v)
{
    const struct sdrt_unet_config *u = &d->config->unet;
    struct sdrt_weights_provider weights = sdrt_named_weights_provider(d->weights);
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    double sum = 0.0, squares = 0.0;
    float x;
    int status;

    snprintf(name, sizeof name, "unet.up_blocks.%d.attentions.%d.transformer_blocks.0.norm1.bias",
             u->levels - 1, u->layers);
    status = weights.get(weights.self, name, -1, NULL, &view);
    if (status != SDRT_OK) return status == SDRT_E_MISSING ? SDRT_OK : status;
    const size_t n = sdrt_weight_elements(&view), size = sdrt_dtype_size(view.dtype);
    for (size_t i = 0; i < n; i++) {
        if (sdrt_to_f32((const char *)view.data + i * size, view.dtype, &x, 1)) break;
        sum += (double)x;
        squares += (double)x * (double)x;
    }
    weights.release(weights.self, name);
    if (n) *v = sqrt(squares / (double)n - sum * sum / ((double)n * (double)n)) > 0.09;
    return SDRT_OK;
}

/* What of the noise model a single file says: by tensors that are there for that alone, or not
 * at all. */
static int detect_noise(struct detection *d, const struct sdrt_family *family)
{
    int v = d->weights->parts->marks.v_pred, status = SDRT_OK;

    if (family->biases_say_v && d->weights->layout->unet.original && !v)
        status = biases_say_v(d, &v);
    if (v) d->config->noise.prediction = SDRT_PREDICTION_V;
    return status;
}

static int find_mmdit(struct detection *d, const struct sdrt_family **family)
{
    const int n_text = d->weights->parts->n_text, status = detect_mmdit(d);

    if (status != SDRT_OK) return status;
    *family = sdrt_family_find_mmdit(d->config->mmdit.qk_norm, d->config->mmdit.dual != 0);
    if (n_text != (*family)->n_text)
        return sdrt_fail(d->log, SDRT_E_MISSING,
                         "%s: has %d of the %d CLIP text encoders of %s: expected CLIP-L as "
                         "text_encoder and CLIP-G as text_encoder_2",
                         d->path, n_text, (*family)->n_text, (*family)->name);
    return SDRT_OK;
}

/* The refiner alone has one text encoder, as wide as what it reads; SDXL's are two. */
static int check_one_text(struct detection *d)
{
    int width = 0;
    const int status = size_of(d, 2, 1, &width, "%s.text_model.embeddings.token_embedding.weight",
                               sdrt_text_prefix(0));

    if (status != SDRT_OK || width >= d->config->unet.context_dim) return status;
    return sdrt_fail(d->log, SDRT_E_MISSING,
                     "%s: has one of the 2 text encoders of SDXL: expected CLIP-L as text_encoder "
                     "and CLIP-G as text_encoder_2",
                     d->path);
}

static int find_unet(struct detection *d, const struct sdrt_family **family)
{
    const int n_text = d->weights->parts->n_text;
    int linear = 0, status = detect_unet(d, &linear);

    if (status != SDRT_OK) return status;
    *family = sdrt_family_find(linear, d->config->unet.added_dim > 0, n_text);
    if (!n_text)
        return sdrt_fail(d->log, SDRT_E_MISSING,
                         "%s: has no text encoder: expected one as text_encoder", d->path);
    if (!*family)
        return sdrt_fail(d->log, SDRT_E_UNSUPPORTED,
                         "%s: %s projections, %s to the time embedding, and %d text encoders: "
                         "expected the parts of SD 1.x, SD 2.x or SDXL",
                         d->path, linear ? "linear" : "convolutional",
                         d->config->unet.added_dim ? "text added" : "nothing added", n_text);
    return (*family)->aesthetic ? check_one_text(d) : SDRT_OK;
}

/* SDXL's own U-Net reads two text encoders, the refiner's the second of them alone. */
static const struct sdrt_family *family_of_unet(const struct sdrt_unet_config *u, int linear)
{
    enum { BIG_G = 1280 };

    return sdrt_family_find(linear, u->added_dim > 0,
                            !u->added_dim             ? -1
                            : u->context_dim == BIG_G ? 1
                                                      : 2);
}

const char *sdrt_config_detect_family(struct sdrt_named_weights *weights)
{
    struct sdrt_model_config config = { 0 };
    struct detection d = { weights, &config, weights->path, weights->log };
    const struct sdrt_family *family = NULL;
    int linear = 0;

    if (weights->layout->denoiser == SDRT_DENOISER_MMDIT) {
        if (detect_mmdit(&d) == SDRT_OK)
            family = sdrt_family_find_mmdit(config.mmdit.qk_norm, config.mmdit.dual != 0);
    } else if (detect_unet(&d, &linear) == SDRT_OK) {
        family = family_of_unet(&config.unet, linear);
    }
    return family ? family->name : NULL;
}

int sdrt_config_detect(struct sdrt_model_config *config, struct sdrt_named_weights *weights)
{
    struct detection d = { weights, config, weights->path, weights->log };
    const int mmdit = weights->layout->denoiser == SDRT_DENOISER_MMDIT;
    const struct sdrt_family *family = NULL;
    int status;

    *config = (struct sdrt_model_config){ 0 };
    status = mmdit ? find_mmdit(&d, &family) : find_unet(&d, &family);
    if (status != SDRT_OK) return status;
    sdrt_family_apply(family, config);
    status = detect_vae(&d);
    for (int i = 0; i < config->n_text && status == SDRT_OK; i++)
        status = detect_text(&d, i, &family->text[i]);
    return status == SDRT_OK && !mmdit ? detect_noise(&d, family) : status;
}
