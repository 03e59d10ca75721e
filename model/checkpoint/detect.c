/* SPDX-License-Identifier: MIT
 *
 * Finds out what an open checkpoint's model looks like: sizes from the weights, which are
 * always right, the rest from config.json files or the values of SD 1.5.
 */
#include "model/checkpoint/checkpoint_internal.h"
#include "model/checkpoint/detect_t5.h"
#include "model/net/family.h"
#include "model/net/mmdit.h"
#include "kernels/pack.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_LAYERS = 8,        /* resnets of a level */
    MAX_DEPTH = 16,        /* transformer blocks behind each other */
    MAX_CLIP_LAYERS = 64,
    MAX_INPUT_BLOCKS = 64,
    MAX_SIZE = 1 << 20,    /* of one dimension */
};

static int have(const struct sdrt_checkpoint *c, const char *format, int i)
{
    char canonical[SDRT_NAME_MAX];
    struct sdrt_place place;

    snprintf(canonical, sizeof canonical, format, i);
    return sdrt_checkpoint_translate(c, canonical, &place) && sdrt_set_has(place.set, place.name);
}

/* How many of the names with i = 0, 1, ... in the place of format's %d are in the file,
 * up to the first that is not and to limit. */
static int count(const struct sdrt_checkpoint *c, int limit, const char *format)
{
    int i = 0;

    while (i < limit && have(c, format, i)) i++;
    return i;
}

static int count_prefix(const struct sdrt_weight_files *set, int limit, const char *format)
{
    char prefix[SDRT_NAME_MAX];
    int i;

    for (i = 0; i < limit; i++) {
        snprintf(prefix, sizeof prefix, format, i);
        if (!sdrt_set_has_prefix(set, prefix)) break;
    }
    return i;
}

/* The shape of a tensor; its data are given back. */
static int shape_of(struct sdrt_checkpoint *c, const char *name, struct sdrt_weight_view *view)
{
    struct sdrt_weights_provider weights = sdrt_checkpoint_provider(c);
    const int rc = weights.get(weights.self, name, -1, NULL, view);

    if (rc == SDRT_E_MISSING)
        return sdrt_fail(c->log, rc, "%s: has no tensor %s", c->path, name);
    if (rc == SDRT_OK) weights.release(weights.self, name);
    return rc;
}

/* One dimension of the tensor's shape into *size. */
static int size_of(struct sdrt_checkpoint *c, int rank, int dimension, int *size,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static int size_of(struct sdrt_checkpoint *c, int rank, int dimension, int *size,
                   const char *format, ...)
{
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    va_list args;
    int rc;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    rc = shape_of(c, name, &view);
    if (rc != SDRT_OK) return rc;
    if (view.rank != rank || view.shape[dimension] < 1 || view.shape[dimension] > MAX_SIZE)
        return sdrt_fail(c->log, SDRT_E_FORMAT,
                         "%s: %s: expected %d dimensions, each from 1 to %d", c->path, name, rank,
                         (int)MAX_SIZE);
    *size = (int)view.shape[dimension];
    return SDRT_OK;
}

static int unsupported(const struct sdrt_checkpoint *c, const char *what, int value,
                       const char *expected)
{
    return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: %s %d: expected %s", c->path, what, value,
                     expected);
}

/* Levels and layers: what translation of the U-Net's names needs. */
static int detect_unet_layout(struct sdrt_checkpoint *c)
{
    struct sdrt_unet_names *names = &c->unet_names;

    names->original = sdrt_set_has(c->denoiser, "input_blocks.0.0.weight");
    if (names->original) {
        const int blocks = count_prefix(c->denoiser, MAX_INPUT_BLOCKS, "input_blocks.%d.");
        char op[64];
        int first = 1;
        for (; first < blocks; first++) {
            snprintf(op, sizeof op, "input_blocks.%d.0.op.weight", first);
            if (sdrt_set_has(c->denoiser, op)) break;
        }
        names->layers = first - 1;
        names->levels = blocks / first;
        if (blocks % first)
            return unsupported(c, "input blocks of the U-Net:", blocks, "as many in each level");
    } else {
        names->layers = count_prefix(c->denoiser, MAX_LAYERS + 1, "down_blocks.0.resnets.%d.");
        names->levels = count_prefix(c->denoiser, SDRT_MAX_LEVELS + 1, "down_blocks.%d.");
    }
    if (names->levels < 1 || names->levels > SDRT_MAX_LEVELS)
        return unsupported(c, "levels of the U-Net:", names->levels, "1 to 4");
    if (names->layers < 1 || names->layers > MAX_LAYERS)
        return unsupported(c, "resnets in a level of the U-Net:", names->layers, "1 to 8");
    for (int i = 0; i < names->levels; i++)
        names->attention[i] = have(c, "unet.down_blocks.%d.attentions.0.norm.weight", i);
    return SDRT_OK;
}

static int detect_unet_depths(struct sdrt_checkpoint *c, int *linear)
{
    struct sdrt_unet_config *u = &c->config.unet;
    char format[SDRT_NAME_MAX], block[64] = "";
    struct sdrt_weight_view view;
    int rc;

    u->mid_depth = count(c, MAX_DEPTH,
                         "unet.mid_block.attentions.0.transformer_blocks.%d.norm1.weight");
    if (u->mid_depth) snprintf(block, sizeof block, "unet.mid_block");
    for (int i = 0; i < u->levels; i++) {
        snprintf(format, sizeof format,
                 "unet.down_blocks.%d.attentions.0.transformer_blocks.%%d.norm1.weight", i);
        u->depth[i] = count(c, MAX_DEPTH, format);
        if (u->depth[i]) snprintf(block, sizeof block, "unet.down_blocks.%d", i);
    }
    if (!*block)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                         "%s: has no cross-attention, so no prompt can steer it", c->path);
    snprintf(format, sizeof format, "%s.attentions.0.proj_in.weight", block);
    rc = shape_of(c, format, &view);
    if (rc != SDRT_OK) return rc;
    *linear = view.rank == 2;
    return size_of(c, 2, 1, &u->context_dim, "%s.attentions.0.transformer_blocks.0.attn2.to_k."
                   "weight", block);
}

static int detect_unet(struct sdrt_checkpoint *c, int *linear)
{
    struct sdrt_unet_config *u = &c->config.unet;
    int rc = detect_unet_layout(c);

    if (rc != SDRT_OK) return rc;
    u->levels = c->unet_names.levels;
    u->layers = c->unet_names.layers;
    rc = detect_unet_depths(c, linear);
    for (int i = 0; rc == SDRT_OK && i < u->levels; i++)
        rc = size_of(c, 4, 0, &u->channels[i], "unet.down_blocks.%d.resnets.0.conv1.weight", i);
    if (rc == SDRT_OK) rc = size_of(c, 4, 1, &u->in_channels, "unet.conv_in.weight");
    if (rc == SDRT_OK) rc = size_of(c, 4, 0, &u->out_channels, "unet.conv_out.weight");
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 0, &u->time_embed_dim, "unet.time_embedding.linear_1.weight");
    if (rc == SDRT_OK && have(c, "unet.add_embedding.linear_1.weight", 0))
        rc = size_of(c, 2, 1, &u->added_dim, "unet.add_embedding.linear_1.weight");
    return rc;
}

int sdrt_checkpoint_is_mmdit(const struct sdrt_checkpoint *c, int *original)
{
    *original = sdrt_set_has_prefix(c->denoiser, "joint_blocks.0.context_block.");
    return *original || sdrt_set_has_prefix(c->denoiser, "transformer_blocks.0.norm1_context.");
}

static int detect_positions(struct sdrt_checkpoint *c)
{
    struct sdrt_mmdit_config *m = &c->config.mmdit;
    int places = 0, rc = size_of(c, 3, 1, &places, "transformer.pos_embed.pos_embed");

    while (m->grid * m->grid < places) m->grid++;
    if (rc == SDRT_OK && m->grid * m->grid != places)
        return unsupported(c, "places in the MMDiT's table of positions:", places, "a square");
    return rc;
}

/* Sizes of patches and heads, and which blocks have what. */
static int detect_mmdit_blocks(struct sdrt_checkpoint *c)
{
    struct sdrt_mmdit_config *m = &c->config.mmdit;
    int head = 64, out = 0, rc;

    rc = size_of(c, 4, 1, &m->in_channels, "transformer.pos_embed.proj.weight");

    m->qk_norm = have(c, "transformer.transformer_blocks.%d.attn.norm_q.weight", 0);
    for (int i = 0; i < m->depth; i++)
        if (have(c, "transformer.transformer_blocks.%d.attn2.to_q.weight", i))
            m->dual |= (uint64_t)1 << i;
    if (rc == SDRT_OK) rc = size_of(c, 4, 2, &m->patch, "transformer.pos_embed.proj.weight");
    if (rc == SDRT_OK) rc = size_of(c, 2, 0, &out, "transformer.proj_out.weight");
    if (rc == SDRT_OK && m->qk_norm)
        rc = size_of(c, 1, 0, &head, "transformer.transformer_blocks.0.attn.norm_q.weight");
    if (rc != SDRT_OK) return rc;
    if (m->patch > 16 || m->in_channels > 4096 || out != m->patch * m->patch * m->in_channels)
        return unsupported(c, "channels that the MMDiT puts out:", out, "as many as it takes, of a "
                           "patch");
    m->heads = m->width / head;
    return SDRT_OK;
}

static int detect_mmdit(struct sdrt_checkpoint *c, int original)
{
    struct sdrt_mmdit_config *m = &c->config.mmdit;
    int rc;

    m->depth = count_prefix(c->denoiser, SDRT_MMDIT_MAX_DEPTH + 1,
                            original ? "joint_blocks.%d." : "transformer_blocks.%d.");
    c->mmdit_names = (struct sdrt_mmdit_names){ .original = original, .depth = m->depth };
    if (m->depth > SDRT_MMDIT_MAX_DEPTH)
        return unsupported(c, "blocks of the MMDiT:", m->depth, "1 to 64");
    rc = size_of(c, 2, 0, &m->width, "transformer.context_embedder.weight");
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 1, &m->context_width, "transformer.context_embedder.weight");
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 1, &m->pooled_width,
                     "transformer.time_text_embed.text_embedder.linear_1.weight");
    if (rc == SDRT_OK) rc = detect_mmdit_blocks(c);
    return rc == SDRT_OK ? detect_positions(c) : rc;
}

static int detect_vae(struct sdrt_checkpoint *c)
{
    struct sdrt_vae_config *v = &c->config.vae;
    struct sdrt_vae_names *names = &c->vae_names;
    int rc = SDRT_OK;

    if (sdrt_set_has_prefix(c->vae, "decoder.up.")) names->layout = SDRT_VAE_ORIGINAL;
    else if (sdrt_set_has(c->vae, "decoder.mid_block.attentions.0.query.weight"))
        names->layout = SDRT_VAE_DIFFUSERS_OLD;
    else names->layout = SDRT_VAE_DIFFUSERS;
    names->levels = count_prefix(c->vae, SDRT_MAX_LEVELS + 1,
                                 names->layout == SDRT_VAE_ORIGINAL ? "decoder.up.%d."
                                                                    : "decoder.up_blocks.%d.");
    v->levels = names->levels;
    if (v->levels < 1 || v->levels > SDRT_MAX_LEVELS)
        return unsupported(c, "levels of the VAE:", v->levels, "1 to 4");
    v->layers = count(c, MAX_LAYERS + 2, "vae.decoder.up_blocks.0.resnets.%d.norm1.weight") - 1;
    if (v->layers < 1 || v->layers > MAX_LAYERS)
        return unsupported(c, "resnets in a level of the VAE's encoder:", v->layers, "1 to 8");
    for (int i = 0; rc == SDRT_OK && i < v->levels; i++)
        rc = size_of(c, 4, 0, &v->channels[i], "vae.decoder.up_blocks.%d.resnets.0.conv1.weight",
                     v->levels - 1 - i);
    if (rc == SDRT_OK) rc = size_of(c, 4, 1, &v->latent_channels, "vae.decoder.conv_in.weight");
    v->quant_convs = sdrt_set_has(c->vae, "post_quant_conv.weight");
    v->has_encoder = sdrt_set_has(c->vae, "encoder.conv_in.weight");
    return rc;
}

static int detect_text(struct sdrt_checkpoint *c, int i, const struct sdrt_text_recipe *recipe)
{
    const char *part = sdrt_text_prefix(i);
    struct sdrt_text_config *t = &c->config.text[i];
    struct sdrt_clip_config *clip = &t->clip;
    char format[SDRT_NAME_MAX];
    int rc = size_of(c, 2, 0, &clip->vocab, "%s.text_model.embeddings.token_embedding.weight", part);

    if (rc == SDRT_OK)
        rc = size_of(c, 2, 1, &clip->hidden, "%s.text_model.embeddings.token_embedding.weight",
                     part);
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 0, &clip->positions,
                     "%s.text_model.embeddings.position_embedding.weight", part);
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 0, &clip->intermediate, "%s.text_model.encoder.layers.0.mlp.fc1.weight",
                     part);
    snprintf(format, sizeof format, "%s.text_projection.weight", part);
    t->projected = recipe->pooled && !(recipe->unprojected && !have(c, format, 0));
    if (rc == SDRT_OK && t->projected) rc = size_of(c, 2, 0, &t->pooled, "%s", format);
    else if (recipe->pooled) t->pooled = clip->hidden;
    snprintf(format, sizeof format, "%s.text_model.encoder.layers.%%d.layer_norm1.weight", part);
    clip->layers = count(c, MAX_CLIP_LAYERS, format);
    clip->heads = clip->hidden / 64;
    if (c->text[i].layout != SDRT_CLIP_OPEN) t->cut = recipe->cut_in_folder;
    t->skip -= t->cut;
    return rc;
}

/* Each level's channels must split into groups. */
static int check_groups(const struct sdrt_checkpoint *c, const char *part, const int *channels,
                        int levels, int groups)
{
    for (int i = 0; i < levels; i++)
        if (channels[i] % groups)
            return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                             "%s: %d channels of the %s: expected a multiple of its %d groups",
                             c->path, channels[i], part, groups);
    return SDRT_OK;
}

/* Those of each level that has attention must split into heads. */
static int check_heads(const struct sdrt_checkpoint *c)
{
    const struct sdrt_unet_config *u = &c->config.unet;
    const int of = u->heads ? u->heads : u->head_dim;

    for (int i = 0; i < u->levels; i++)
        if (sdrt_unet_has_attention(u, i) && u->channels[i] % of)
            return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: %d channels of the U-Net: expected a "
                             "multiple of its %d %s", c->path, u->channels[i], of,
                             u->heads ? "heads" : "channels a head");
    return SDRT_OK;
}

static int check_text(const struct sdrt_checkpoint *c, int i)
{
    const struct sdrt_text_config *t = &c->config.text[i];

    if (t->clip.heads < 1 || t->clip.hidden % t->clip.heads)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: text encoder of width %d: expected a "
                         "multiple of its %d heads", c->path, t->clip.hidden, t->clip.heads);
    if (t->clip.positions < 2)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: text encoder of %d position: expected at "
                         "least 2", c->path, t->clip.positions);
    if (t->clip.layers <= t->skip)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: text encoder of %d layers: expected more "
                         "than the %d that are left out", c->path, t->clip.layers, t->skip);
    return SDRT_OK;
}

/* Does what the text encoders give fit what the U-Net takes? */
static int check_unet_text(const struct sdrt_checkpoint *c)
{
    const struct sdrt_unet_config *u = &c->config.unet;
    const int numbers = sdrt_added_numbers(&c->config);
    const int rest = u->added_dim - sdrt_pooled_width(&c->config);
    int width = 0;

    for (int i = 0; i < c->n_text; i++) width += c->config.text[i].clip.hidden;
    if (u->context_dim != width)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the U-Net expects text embeddings of "
                         "width %d, %s %d", c->path, u->context_dim, c->n_text == 1 ?
                         "the text encoder gives" : "the text encoders together give", width);
    if (numbers && (rest < 2 * numbers || rest % (2 * numbers)))
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: %d channels are added to the time "
                         "embedding: expected %d of the pooled text and as many for each of %d "
                         "numbers", c->path, u->added_dim, u->added_dim - rest, numbers);
    return SDRT_OK;
}

static int check_unet(const struct sdrt_checkpoint *c)
{
    const struct sdrt_unet_config *u = &c->config.unet;
    const struct sdrt_vae_config *v = &c->config.vae;
    int rc = check_unet_text(c);

    if (rc != SDRT_OK) return rc;
    if (u->out_channels != v->latent_channels)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: latents of the U-Net have %d channels, "
                         "the VAE expects %d", c->path, u->out_channels, v->latent_channels);
    if (u->in_channels != u->out_channels)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the U-Net takes %d channels: an "
                         "inpainting or editing model; expected text to image, with %d", c->path,
                         u->in_channels, u->out_channels);
    rc = check_groups(c, "U-Net", u->channels, u->levels, u->norm_groups);
    return rc == SDRT_OK ? check_heads(c) : rc;
}

static int check_mmdit(const struct sdrt_checkpoint *c)
{
    const struct sdrt_mmdit_config *m = &c->config.mmdit;
    const int pooled = sdrt_pooled_width(&c->config);
    int width = 0;

    for (int i = 0; i < c->n_text; i++) width += c->config.text[i].clip.hidden;
    if (width > m->context_width)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the MMDiT expects text embeddings of width "
                         "%d, the CLIP text encoders together give %d", c->path, m->context_width,
                         width);
    if (pooled != m->pooled_width)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the MMDiT expects pooled text of width %d, "
                         "the text encoders together give %d", c->path, m->pooled_width, pooled);
    if (m->in_channels != c->config.vae.latent_channels)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: latents of the MMDiT have %d channels, "
                         "the VAE expects %d", c->path, m->in_channels,
                         c->config.vae.latent_channels);
    return sdrt_mmdit_denoiser.check(&c->config, c->log);
}

/* Do the parts fit each other? */
static int check_config(const struct sdrt_checkpoint *c)
{
    const struct sdrt_vae_config *v = &c->config.vae;
    int rc = c->config.denoiser == SDRT_DENOISER_MMDIT ? check_mmdit(c) : check_unet(c);

    for (int i = 0; i < c->n_text && rc == SDRT_OK; i++) rc = check_text(c, i);
    return rc == SDRT_OK ? check_groups(c, "VAE", v->channels, v->levels, v->norm_groups) : rc;
}

/* Whether an SD 2.x U-Net predicts v: nothing says so, but the biases of its last transformer's
 * first norm are wider spread in those that do, which ComfyUI tells them by. */
static int biases_say_v(struct sdrt_checkpoint *c, int *v)
{
    const struct sdrt_unet_config *u = &c->config.unet;
    struct sdrt_weights_provider weights = sdrt_checkpoint_provider(c);
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    double sum = 0.0, squares = 0.0;
    float x;
    int rc;

    snprintf(name, sizeof name, "unet.up_blocks.%d.attentions.%d.transformer_blocks.0.norm1.bias",
             u->levels - 1, u->layers);
    rc = weights.get(weights.self, name, -1, NULL, &view);
    if (rc != SDRT_OK) return rc == SDRT_E_MISSING ? SDRT_OK : rc;
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
static int detect_noise(struct sdrt_checkpoint *c, const struct sdrt_family *family)
{
    int v = c->v_pred, rc = SDRT_OK;

    if (family->biases_say_v && c->unet_names.original && !v) rc = biases_say_v(c, &v);
    if (v) c->config.noise.prediction = SDRT_PREDICTION_V;
    c->config.noise.zero_snr = c->zero_snr;
    return rc;
}

static int find_family(struct sdrt_checkpoint *c, const struct sdrt_family **family)
{
    int linear = 0, original = 0, rc;

    if (sdrt_checkpoint_is_mmdit(c, &original)) {
        rc = detect_mmdit(c, original);
        *family = sdrt_family_find_mmdit(c->config.mmdit.qk_norm, c->config.mmdit.dual != 0);
        if (rc == SDRT_OK && c->n_text != (*family)->n_text)
            rc = sdrt_fail(c->log, SDRT_E_MISSING, "%s: has %d of the %d CLIP text encoders of %s: "
                           "give them with --clip-l FILE and --clip-g FILE", c->path, c->n_text,
                           (*family)->n_text, (*family)->name);
        return rc;
    }
    rc = detect_unet(c, &linear);
    if (rc != SDRT_OK) return rc;
    *family = sdrt_family_find(linear, c->config.unet.added_dim > 0, c->n_text);
    if (!*family)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: %s projections, %s to the time embedding, "
                         "and %d text encoders: expected the parts of SD 1.x, SD 2.x or SDXL",
                         c->path, linear ? "linear" : "convolutional",
                         c->config.unet.added_dim ? "text added" : "nothing added", c->n_text);
    return SDRT_OK;
}

/* A T5 counts where the family has a place for it. */
static int detect_t5(struct sdrt_checkpoint *c)
{
    const struct sdrt_weights_provider weights = sdrt_checkpoint_provider(c);
    struct sdrt_model_config *m = &c->config;
    int rc;

    if (!sdrt_weight_files_count(c->t5)) return SDRT_OK;
    if (!m->t5_tokens)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: a T5 is given, but %s has no place for it",
                         c->path, m->family);
    rc = sdrt_t5_detect(&m->t5, &weights, "text_encoder_3", c->path, c->log);
    if (rc != SDRT_OK) return rc;
    if (m->t5.hidden != sdrt_context_width(m))
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the MMDiT expects text embeddings of width "
                         "%d, the T5 gives %d", c->path, sdrt_context_width(m), m->t5.hidden);
    if (!c->t5_tokenizer)
        return sdrt_fail(c->log, SDRT_E_MISSING, "%s: has a T5 but no tokenizer for it: give its "
                         "spiece.model or tokenizer.json with --t5-tokenizer FILE, or leave the T5 "
                         "out with --t5 none", c->path);
    m->has_t5 = 1;
    return SDRT_OK;
}

int sdrt_checkpoint_detect(struct sdrt_checkpoint *c)
{
    const struct sdrt_family *family = NULL;
    int rc;

    memset(&c->config, 0, sizeof c->config);
    rc = find_family(c, &family);
    if (rc != SDRT_OK) return rc;
    sdrt_family_apply(family, &c->config);
    rc = detect_vae(c);
    for (int i = 0; i < c->n_text && rc == SDRT_OK; i++) rc = detect_text(c, i, &family->text[i]);
    if (rc == SDRT_OK && family->denoiser == SDRT_DENOISER_UNET) rc = detect_noise(c, family);
    if (rc == SDRT_OK) rc = sdrt_checkpoint_read_json(c);
    if (rc == SDRT_OK) rc = check_config(c);
    return rc == SDRT_OK ? detect_t5(c) : rc;
}
