/* SPDX-License-Identifier: MIT
 *
 * Finds out what an open checkpoint's model looks like: sizes from the weights, which are
 * always right, the rest from config.json files or the values of SD 1.5.
 */
#include "model/checkpoint_internal.h"
#include "runtime/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    MAX_LAYERS = 8,        /* resnets of a level */
    MAX_DEPTH = 16,        /* transformer blocks behind each other */
    MAX_CLIP_LAYERS = 64,
    MAX_INPUT_BLOCKS = 64,
    MAX_SIZE = 1 << 20,    /* of one dimension */
    MAX_CONFIG_BYTES = 1 << 20,
};

struct sdrt_model_config sdrt_sd15_config(void)
{
    return (struct sdrt_model_config){
        .unet = { .in_channels = 4, .out_channels = 4, .levels = 4,
                  .channels = { 320, 640, 1280, 1280 }, .layers = 2, .depth = { 1, 1, 1, 0 },
                  .mid_depth = 1, .context_dim = 768, .heads = 8, .head_dim = 0,
                  .time_embed_dim = 1280, .norm_groups = 32 },
        .vae = { .latent_channels = 4, .levels = 4, .channels = { 128, 256, 512, 512 },
                 .layers = 2, .norm_groups = 32, .scaling_factor = 0.18215f, .has_encoder = 1 },
        .clip = { .vocab = 49408, .hidden = 768, .layers = 12, .heads = 12,
                  .intermediate = 3072, .positions = 77, .act = SDRT_CLIP_QUICK_GELU },
        .prediction = SDRT_PREDICTION_EPSILON,
    };
}

/* How many of the names with i = 0, 1, ... in the place of format's %d are in the file,
 * up to the first that is not and to limit. */
static int count(const struct sdrt_checkpoint *c, int limit, const char *format)
{
    char canonical[SDRT_NAME_MAX], name[SDRT_NAME_MAX];
    int i;

    for (i = 0; i < limit; i++) {
        snprintf(canonical, sizeof canonical, format, i);
        const struct sdrt_weight_files *set = sdrt_checkpoint_translate(c, canonical, name);
        if (!set || !sdrt_set_has(set, name)) break;
    }
    return i;
}

static int have(const struct sdrt_checkpoint *c, const char *format, int i)
{
    char canonical[SDRT_NAME_MAX], name[SDRT_NAME_MAX];

    snprintf(canonical, sizeof canonical, format, i);
    const struct sdrt_weight_files *set = sdrt_checkpoint_translate(c, canonical, name);
    return set && sdrt_set_has(set, name);
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

/* One dimension of the tensor's shape into *size. */
static int size_of(struct sdrt_checkpoint *c, int rank, int dimension, int *size,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static int size_of(struct sdrt_checkpoint *c, int rank, int dimension, int *size,
                   const char *format, ...)
{
    struct sdrt_weights_provider weights = sdrt_checkpoint_provider(c);
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    va_list args;
    int rc;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    rc = weights.get(weights.self, name, -1, NULL, &view);
    if (rc == SDRT_E_MISSING)
        return sdrt_fail(c->log, rc, "%s: has no tensor %s", c->path, name);
    if (rc != SDRT_OK) return rc;
    weights.release(weights.self, name);
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

    names->original = sdrt_set_has(c->unet, "input_blocks.0.0.weight");
    if (names->original) {
        const int blocks = count_prefix(c->unet, MAX_INPUT_BLOCKS, "input_blocks.%d.");
        char op[64];
        int first = 1;
        for (; first < blocks; first++) {
            snprintf(op, sizeof op, "input_blocks.%d.0.op.weight", first);
            if (sdrt_set_has(c->unet, op)) break;
        }
        names->layers = first - 1;
        names->levels = blocks / first;
        if (blocks % first)
            return unsupported(c, "input blocks of the U-Net:", blocks, "as many in each level");
    } else {
        names->layers = count_prefix(c->unet, MAX_LAYERS + 1, "down_blocks.0.resnets.%d.");
        names->levels = count_prefix(c->unet, SDRT_MAX_LEVELS + 1, "down_blocks.%d.");
    }
    if (names->levels < 1 || names->levels > SDRT_MAX_LEVELS)
        return unsupported(c, "levels of the U-Net:", names->levels, "1 to 4");
    if (names->layers < 1 || names->layers > MAX_LAYERS)
        return unsupported(c, "resnets in a level of the U-Net:", names->layers, "1 to 8");
    for (int i = 0; i < names->levels; i++)
        names->attention[i] = have(c, "unet.down_blocks.%d.attentions.0.norm.weight", i);
    return SDRT_OK;
}

static int detect_unet_depths(struct sdrt_checkpoint *c)
{
    struct sdrt_unet_config *u = &c->config.unet;
    char format[SDRT_NAME_MAX], block[64] = "";

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
    return size_of(c, 2, 1, &u->context_dim, "%s.attentions.0.transformer_blocks.0.attn2.to_k."
                   "weight", block);
}

static int detect_unet(struct sdrt_checkpoint *c)
{
    struct sdrt_unet_config *u = &c->config.unet;
    int rc = detect_unet_layout(c);

    if (rc != SDRT_OK) return rc;
    u->levels = c->unet_names.levels;
    u->layers = c->unet_names.layers;
    rc = detect_unet_depths(c);
    for (int i = 0; rc == SDRT_OK && i < u->levels; i++)
        rc = size_of(c, 4, 0, &u->channels[i], "unet.down_blocks.%d.resnets.0.conv1.weight", i);
    if (rc == SDRT_OK) rc = size_of(c, 4, 1, &u->in_channels, "unet.conv_in.weight");
    if (rc == SDRT_OK) rc = size_of(c, 4, 0, &u->out_channels, "unet.conv_out.weight");
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 0, &u->time_embed_dim, "unet.time_embedding.linear_1.weight");
    return rc;
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
    v->has_encoder = sdrt_set_has(c->vae, "encoder.conv_in.weight");
    return rc;
}

static int detect_clip(struct sdrt_checkpoint *c)
{
    static const char text[] = "text_encoder.text_model";
    struct sdrt_clip_config *t = &c->config.clip;
    int rc = size_of(c, 2, 0, &t->vocab, "%s.embeddings.token_embedding.weight", text);

    if (rc == SDRT_OK)
        rc = size_of(c, 2, 1, &t->hidden, "%s.embeddings.token_embedding.weight", text);
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 0, &t->positions, "%s.embeddings.position_embedding.weight", text);
    if (rc == SDRT_OK)
        rc = size_of(c, 2, 0, &t->intermediate, "%s.encoder.layers.0.mlp.fc1.weight", text);
    t->layers = count(c, MAX_CLIP_LAYERS,
                      "text_encoder.text_model.encoder.layers.%d.layer_norm1.weight");
    t->heads = t->hidden / 64;
    return rc;
}

/* diffusers' attention_head_dim is in truth the number of heads (its issue 2011); as a
 * list, one number per level, it stands for one size of head. */
static int read_heads(struct sdrt_checkpoint *c, const json_t *json, const char *where)
{
    struct sdrt_unet_config *u = &c->config.unet;
    const json_t *number = json_object_get(json, "num_attention_heads");
    const char *key = number && !json_is_null(number) ? "num_attention_heads"
                                                      : "attention_head_dim";
    int64_t heads = u->heads, list[SDRT_MAX_LEVELS];
    size_t n = 0;
    int rc;

    if (!json_is_array(json_object_get(json, key))) {
        rc = sdrt_json_int(json, key, where, 1, 1024, &heads, c->log);
        u->heads = (int)heads;
        return rc;
    }
    rc = sdrt_json_int_array(json, key, where, 1, 1024, list, SDRT_MAX_LEVELS, &n, c->log);
    if (rc != SDRT_OK) return rc;
    if ((int)n != u->levels)
        return sdrt_fail(c->log, SDRT_E_FORMAT, "%s: %s: expected %d numbers", where, key,
                         u->levels);
    u->heads = 0;
    u->head_dim = u->channels[0] / (int)list[0];
    for (int i = 0; i < u->levels; i++)
        if (u->channels[i] != u->head_dim * (int)list[i])
            return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: %s: expected one size of head for "
                             "all levels", where, key);
    return SDRT_OK;
}

static int read_unet_json(struct sdrt_checkpoint *c)
{
    json_t *json = NULL;
    int64_t groups = c->config.unet.norm_groups;
    int rc = sdrt_json_load(&json, c->unet_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK) rc = read_heads(c, json, c->unet_json);
    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "norm_num_groups", c->unet_json, 1, 4096, &groups, c->log);
    c->config.unet.norm_groups = (int)groups;
    json_decref(json);
    return rc;
}

static int read_vae_json(struct sdrt_checkpoint *c)
{
    struct sdrt_vae_config *v = &c->config.vae;
    json_t *json = NULL;
    int64_t groups = v->norm_groups;
    double factor = (double)v->scaling_factor;
    int rc = sdrt_json_load(&json, c->vae_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "norm_num_groups", c->vae_json, 1, 4096, &groups, c->log);
    if (rc == SDRT_OK)
        rc = sdrt_json_double(json, "scaling_factor", c->vae_json, &factor, c->log);
    if (rc == SDRT_OK && !(factor > 1e-6 && factor < 1e6))
        rc = sdrt_fail(c->log, SDRT_E_FORMAT, "%s: scaling_factor: expected 1e-6 to 1e6",
                       c->vae_json);
    v->norm_groups = (int)groups;
    v->scaling_factor = (float)factor;
    json_decref(json);
    return rc;
}

static int read_text_json(struct sdrt_checkpoint *c)
{
    struct sdrt_clip_config *t = &c->config.clip;
    const char *act = "quick_gelu";
    json_t *json = NULL;
    int64_t heads = t->heads;
    int rc = sdrt_json_load(&json, c->text_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_int(json, "num_attention_heads", c->text_json, 1, 1024, &heads, c->log);
    if (rc == SDRT_OK) rc = sdrt_json_string(json, "hidden_act", c->text_json, &act, c->log);
    t->heads = (int)heads;
    if (rc != SDRT_OK) goto out;
    if (!strcmp(act, "gelu")) t->act = SDRT_CLIP_GELU;
    else if (!strcmp(act, "quick_gelu")) t->act = SDRT_CLIP_QUICK_GELU;
    else rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                        "%s: hidden_act %.40s: expected quick_gelu or gelu", c->text_json, act);
out:
    json_decref(json);
    return rc;
}

static int read_scheduler_json(struct sdrt_checkpoint *c)
{
    const char *type = "epsilon";
    json_t *json = NULL;
    int rc = sdrt_json_load(&json, c->scheduler_json, MAX_CONFIG_BYTES, c->log);

    if (rc == SDRT_OK)
        rc = sdrt_json_string(json, "prediction_type", c->scheduler_json, &type, c->log);
    if (rc != SDRT_OK) goto out;
    if (!strcmp(type, "epsilon")) c->config.prediction = SDRT_PREDICTION_EPSILON;
    else if (!strcmp(type, "v_prediction")) c->config.prediction = SDRT_PREDICTION_V;
    else rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                        "%s: prediction_type %.40s: expected epsilon or v_prediction",
                        c->scheduler_json, type);
out:
    json_decref(json);
    return rc;
}

/* Each level's channels must split into groups, and into heads where heads is not 0. */
static int check_split(const struct sdrt_checkpoint *c, const char *part, const int *channels,
                       int levels, int groups, int heads)
{
    for (int i = 0; i < levels; i++) {
        if (channels[i] % groups)
            return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                             "%s: %d channels of the %s: expected a multiple of its %d groups",
                             c->path, channels[i], part, groups);
        if (heads && channels[i] % heads)
            return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                             "%s: %d channels of the %s: expected a multiple of its %d heads",
                             c->path, channels[i], part, heads);
    }
    return SDRT_OK;
}

/* Do the parts fit each other? */
static int check_config(const struct sdrt_checkpoint *c)
{
    const struct sdrt_unet_config *u = &c->config.unet;
    const struct sdrt_vae_config *v = &c->config.vae;
    const struct sdrt_clip_config *t = &c->config.clip;
    int rc;

    if (u->context_dim != t->hidden)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the U-Net expects text embeddings of "
                         "width %d, the text encoder gives %d", c->path, u->context_dim, t->hidden);
    if (u->out_channels != v->latent_channels)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: latents of the U-Net have %d channels, "
                         "the VAE expects %d", c->path, u->out_channels, v->latent_channels);
    if (u->in_channels != u->out_channels)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: the U-Net takes %d channels: an "
                         "inpainting or editing model; expected text to image, with %d", c->path,
                         u->in_channels, u->out_channels);
    rc = check_split(c, "U-Net", u->channels, u->levels, u->norm_groups, u->heads);
    if (rc == SDRT_OK) rc = check_split(c, "VAE", v->channels, v->levels, v->norm_groups, 0);
    if (rc == SDRT_OK && (t->heads < 1 || t->hidden % t->heads))
        rc = sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: text encoder of width %d: expected a "
                       "multiple of its %d heads", c->path, t->hidden, t->heads);
    return rc;
}

int sdrt_checkpoint_detect(struct sdrt_checkpoint *c)
{
    int rc;

    c->config = sdrt_sd15_config();
    memset(c->config.unet.channels, 0, sizeof c->config.unet.channels);
    memset(c->config.unet.depth, 0, sizeof c->config.unet.depth);
    memset(c->config.vae.channels, 0, sizeof c->config.vae.channels);
    rc = detect_unet(c);
    if (rc != SDRT_OK) return rc;
    if (c->config.unet.context_dim == 1024) return sdrt_checkpoint_refuse(c, c->path, "SD 2.x");
    if (c->config.unet.context_dim == 2048) return sdrt_checkpoint_refuse(c, c->path, "SDXL");
    rc = detect_vae(c);
    if (rc == SDRT_OK) rc = detect_clip(c);
    if (rc == SDRT_OK && c->unet_json) rc = read_unet_json(c);
    if (rc == SDRT_OK && c->vae_json) rc = read_vae_json(c);
    if (rc == SDRT_OK && c->text_json) rc = read_text_json(c);
    if (rc == SDRT_OK && c->scheduler_json) rc = read_scheduler_json(c);
    return rc == SDRT_OK ? check_config(c) : rc;
}
