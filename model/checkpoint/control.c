/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/control.h"
#include "kernels/pack.h"
#include "model/checkpoint/coverage.h"
#include "model/checkpoint/folder_weights.h"
#include "model/net/controlnet.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_SIZE = 1 << 20, MAX_CONFIG_BYTES = 1 << 20 };

struct sdrt_control_file {
    struct sdrt_parts parts; /* the net in the denoiser's place */
    struct sdrt_layout layout;
    struct sdrt_named_weights weights;
    struct sdrt_behind behind; /* the model, where the net takes some of its weights */
    char *path;                /* owned */
    const struct sdrt_log *log;
};

/* ---- the file ---- */

static int is_adapter(const struct sdrt_part *part)
{
    return sdrt_part_has(part, "adapter.conv_in.weight") ||
           (sdrt_part_has(part, "conv_in.weight") && sdrt_part_has(part, "body.0.block1.weight"));
}

static int is_mmdit_net(const struct sdrt_part *part)
{
    return sdrt_part_has(part, "pos_embed_input.proj.weight");
}

/* Stability's, whose factors are added to the weights of the model's own. */
static int is_lora(const struct sdrt_part *part)
{
    return sdrt_part_has(part, "lora_controlnet") &&
           sdrt_part_has(part, "input_hint_block.0.weight");
}

static int is_net(const struct sdrt_part *part)
{
    return is_adapter(part) || is_mmdit_net(part) ||
           sdrt_part_has(part, "controlnet_cond_embedding.conv_in.weight") ||
           sdrt_part_has(part, "input_hint_block.0.weight");
}

static int open_file(struct sdrt_control_file *f)
{
    static const char *const prefixes[] = { "", "control_model.", "state_dict.control_model.",
                                            "controlnet.", "state_dict." };
    struct sdrt_part whole = { 0 };
    int status = sdrt_part_add(&whole, f->path, "", f->log);

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes && status == SDRT_OK; i++) {
        struct sdrt_part *net = &f->parts.denoiser;
        sdrt_part_free(net);
        status = sdrt_part_take(net, &whole, prefixes[i], f->log);
        if (status == SDRT_OK && is_net(net)) break;
    }
    if (status == SDRT_OK && !is_net(&f->parts.denoiser)) {
        sdrt_part_free(&f->parts.denoiser);
        status = sdrt_part_take(&f->parts.denoiser, &whole, "", f->log);
    }
    sdrt_part_free(&whole);
    return status;
}

static int open_folder(struct sdrt_control_file *f)
{
    struct sdrt_folder_weights weights;
    struct sdrt_part *net = &f->parts.denoiser;
    int status = sdrt_folder_weights_find(&weights, f->path, sdrt_diffusion_weights, "", f->log);

    for (size_t i = 0; i < weights.n && status == SDRT_OK; i++)
        status = sdrt_part_add(net, weights.paths[i], "", f->log);
    sdrt_folder_weights_free(&weights);
    if (status != SDRT_OK) return status;
    net->config = sdrt_path_join(f->path, "config.json");
    if (!net->config) return sdrt_fail(f->log, SDRT_E_NOMEM, "%s: no memory for its path", f->path);
    if (sdrt_path_is_file(net->config)) return SDRT_OK;
    free(net->config);
    net->config = NULL;
    return SDRT_OK;
}

static int refuse(const struct sdrt_control_file *f)
{
    const struct sdrt_kind *kind = sdrt_part_kind(&f->parts.denoiser, 1);

    if (!kind)
        return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                         "%s: not a ControlNet or a T2I-Adapter: none of its %zu tensors is "
                         "controlnet_cond_embedding.conv_in.weight, input_hint_block.0.weight or "
                         "body.0.block1.weight",
                         f->path, sdrt_part_count(&f->parts.denoiser));
    if (strcmp(sdrt_kind_bare(kind), "ControlNet"))
        return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                         "%s: is %s: expected a ControlNet or a T2I-Adapter", f->path, kind->name);
    return sdrt_fail(
        f->log, SDRT_E_UNSUPPORTED,
        "%s: is a ControlNet of another kind: expected one of SD 1.x, SD 2.x, SDXL or SD 3.x in "
        "diffusers' names",
        f->path);
}

static int open_net(struct sdrt_control_file *f)
{
    const int status = sdrt_path_is_folder(f->path) ? open_folder(f) : open_file(f);

    if (status != SDRT_OK) return status;
    return is_net(&f->parts.denoiser) ? SDRT_OK : refuse(f);
}

/* ---- what it looks like ---- */

/* One dimension of a tensor that may be missing; 0 where it is, or has another rank. */
static int size_of(struct sdrt_control_file *f, int rank, int dimension, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int size_of(struct sdrt_control_file *f, int rank, int dimension, const char *format, ...)
{
    const struct sdrt_weights_provider p = sdrt_named_weights_provider(&f->weights);
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (p.get(p.self, name, -1, NULL, &view) != SDRT_OK) return 0;
    const int64_t size = view.rank == rank ? view.shape[dimension] : 0;
    p.release(p.self, name);
    return size > 0 && size <= MAX_SIZE ? (int)size : 0;
}

static int have(const struct sdrt_control_file *f, const char *format, int i)
{
    char name[SDRT_NAME_MAX];

    snprintf(name, sizeof name, format, i);
    return sdrt_named_weights_have(&f->weights, name);
}

static int count_depth(const struct sdrt_control_file *f, const char *block, int j, char where[64])
{
    char format[SDRT_NAME_MAX];
    int n = 0;

    snprintf(format, sizeof format, "unet.%s.attentions.%d.transformer_blocks.%%d.norm1.weight",
             block, j);
    while (n < MAX_DEPTH && have(f, format, n)) n++;
    if (n) snprintf(where, 64, "unet.%s.attentions.%d", block, j);
    return n;
}

static void detect(struct sdrt_control_file *f, struct sdrt_unet_config *u)
{
    char where[64] = "", block[24];

    u->levels = f->layout.unet.levels;
    u->layers = f->layout.unet.layers;
    memset(u->up_depth, 0, sizeof u->up_depth);
    memset(u->down_depth, 0, sizeof u->down_depth);
    memset(u->channels, 0, sizeof u->channels);
    u->mid_depth = count_depth(f, "mid_block", 0, where);
    for (u->mid_resnets = 0; u->mid_resnets < 2; u->mid_resnets++)
        if (!have(f, "unet.mid_block.resnets.%d.norm1.weight", u->mid_resnets)) break;
    for (int i = 0; i < u->levels; i++) {
        snprintf(block, sizeof block, "down_blocks.%d", i);
        for (int j = 0; j < u->layers; j++) u->down_depth[i][j] = count_depth(f, block, j, where);
        u->channels[i] = size_of(f, 4, 0, "unet.down_blocks.%d.resnets.0.conv1.weight", i);
    }
    if (*where)
        u->context_dim = size_of(f, 2, 1, "%s.transformer_blocks.0.attn2.to_k.weight", where);
    u->in_channels = size_of(f, 4, 1, "unet.conv_in.weight");
    u->time_embed_dim = size_of(f, 2, 0, "unet.time_embedding.linear_1.weight");
    u->added_dim = size_of(f, 2, 1, "unet.add_embedding.linear_1.weight");
    u->guidance_dim = size_of(f, 2, 1, "unet.time_embedding.cond_proj.weight");
}

static void detect_hint(struct sdrt_control_file *f, struct sdrt_hint_config *h)
{
    static const char in[] = "unet.controlnet_cond_embedding.conv_in.weight";

    h->n = f->layout.unet.hints;
    h->channels = size_of(f, 4, 1, "%s", in);
    h->widths[0] = size_of(f, 4, 0, "%s", in);
    for (int i = 1; i < h->n; i++)
        h->widths[i] = size_of(f, 4, 0, "unet.controlnet_cond_embedding.blocks.%d.weight",
                               2 * i - 1);
}

/* Of a union of nets. */
static void detect_types(struct sdrt_control_file *f, struct sdrt_hint_config *h)
{
    h->types = f->layout.unet.types ? size_of(f, 2, 0, "unet.task_embedding.weight") : 0;
    if (!h->types) return;
    h->type_width = size_of(f, 2, 1, "unet.control_add_embedding.linear_1.weight") / h->types;
    while (h->type_layers < MAX_DEPTH &&
           have(f, "unet.transformer_layes.%d.ln_1.weight", h->type_layers))
        h->type_layers++;
}

/* Of an adapter for base; 0 channels where it has none such. */
static void detect_adapter(struct sdrt_control_file *f, const struct sdrt_model_config *base,
                           struct sdrt_adapter_config *a)
{
    const int wide = base->unet.added_dim > 0, factor = (1 << (base->vae.levels - 1)) << wide;
    static const char in[] = "unet.adapter.conv_in.weight";

    *a = (struct sdrt_adapter_config){ .resnets = f->layout.unet.layers,
                                       .wide = wide,
                                       .factor = factor,
                                       .first = size_of(f, 4, 0, "%s", in) };
    a->picture = size_of(f, 4, 1, "%s", in) / (factor * factor);
    while (a->n <= SDRT_MAX_LEVELS &&
           (a->channels[a->n] = size_of(f, 4, 0, "unet.adapter.body.%d.resnets.0.block1.weight",
                                        a->n)))
        a->n++;
}

/* Whether it is Stability's net of edges, whose picture is turned to numbers otherwise: by a number in the
 * file, else by its name, or its folder's. */
static int is_canny(struct sdrt_control_file *f)
{
    enum { CANNY = 1 };
    const struct sdrt_part *net = &f->parts.denoiser;
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(net->files);
    struct sdrt_weight_view view;
    float type = 0.0f;

    if (p.get(p.self, "control_type", -1, NULL, &view) != SDRT_OK)
        return strstr(f->path, "canny") != NULL || strstr(f->path, "Canny") != NULL;
    if (sdrt_weight_elements(&view) == 1) sdrt_to_f32(view.data, view.dtype, &type, 1);
    p.release(p.self, "control_type");
    return (int)lroundf(type) == CANNY;
}

/* Of a net for base's MMDiT; what has no tensor here is not there. */
static void detect_mmdit(struct sdrt_control_file *f, struct sdrt_mmdit_config *m)
{
    static const char places[] = "transformer.pos_embed.pos_embed";

    m->depth = f->layout.mmdit.depth;
    m->width = size_of(f, 4, 0, "transformer.pos_embed_input.proj.weight");
    m->context_width = size_of(f, 2, 1, "transformer.context_embedder.weight");
    m->pooled_width = size_of(f, 2, 1, "transformer.time_text_embed.text_embedder.linear_1.weight");
    m->in_channels = size_of(f, 4, 1, "transformer.pos_embed_input.proj.weight");
    m->patch = size_of(f, 4, 2, "transformer.pos_embed_input.proj.weight");
    m->qk_norm = have(f, "transformer.transformer_blocks.%d.attn.norm_q.weight", 0);
    m->dual = 0;
    for (int i = 0; i < m->depth; i++)
        if (have(f, "transformer.transformer_blocks.%d.attn2.to_q.weight", i))
            m->dual |= (uint64_t)1 << i;
    m->grid = 0;
    while (m->grid * m->grid < size_of(f, 3, 1, places)) m->grid++;
    m->control = 1;
    m->control_bare = m->context_width != 0;
    m->control_canny = !m->context_width && is_canny(f);
}

/* ---- whether it fits ---- */

static int mismatch(const struct sdrt_control_file *f, const struct sdrt_model_config *base,
                    const char *what, int own, int expected)
{
    return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                     "%s: a ControlNet of another model: %s %d: expected %d, as this %s has",
                     f->path, what, own, expected, base->family);
}

static int check_types(const struct sdrt_control_file *f, const struct sdrt_model_config *base,
                       const struct sdrt_unet_config *u)
{
    const struct sdrt_hint_config *h = &u->hint;
    const int known = SDRT_CONTROL_TYPES;

    if (!f->layout.unet.types) return SDRT_OK;
    if (!base->unet.added_dim)
        return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                         "%s: a union of ControlNets: expected it with an SDXL, not with %s",
                         f->path, base->family);
    if (h->types >= 1 && h->types <= known && h->type_layers >= 1 && h->type_width >= 2)
        return SDRT_OK;
    return sdrt_fail(
        f->log, SDRT_E_UNSUPPORTED,
        "%s: a union of %d ControlNets, with %d layers: expected 1 to %d, with a layer "
        "or more",
        f->path, h->types, h->type_layers, known);
}

/* What it leaves must have the sizes of what the U-Net has. */
static int check_fits(const struct sdrt_control_file *f, const struct sdrt_model_config *base,
                      const struct sdrt_unet_config *u)
{
    const struct sdrt_unet_config *b = &base->unet;
    const struct {
        const char *what;
        int own, expected;
    } sizes[] = {
        { "text width", u->context_dim, b->context_dim },
        { "width of what is added to the time", u->added_dim, b->added_dim },
        { "levels", u->levels, b->levels },
        { "resnets a level", u->layers, b->layers },
        { "latent channels", u->in_channels, base->vae.latent_channels },
        { "picture channels", u->hint.channels, 3 },
        { "pixels a side of one of the latent's", 1 << (u->hint.n - 1),
          1 << (base->vae.levels - 1) },
    };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].own != sizes[i].expected)
            return mismatch(f, base, sizes[i].what, sizes[i].own, sizes[i].expected);
    for (int i = 0; i < u->levels; i++)
        if (u->channels[i] != b->channels[i])
            return mismatch(f, base, "channels", u->channels[i], b->channels[i]);
    return SDRT_OK;
}

static int check_mmdit(const struct sdrt_control_file *f, const struct sdrt_model_config *base,
                       const struct sdrt_mmdit_config *m)
{
    const struct sdrt_mmdit_config *b = &base->mmdit;
    const struct {
        const char *what;
        int own, expected;
    } sizes[] = {
        { "width", m->width, b->width },
        { "text width", m->context_width, b->context_width },
        { "pooled text width", m->pooled_width, b->pooled_width },
        { "channels of the picture's latent", m->in_channels, b->in_channels },
        { "a patch's side", m->patch, b->patch },
    };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i].own != sizes[i].expected &&
            !(sizes[i].own == 0 && sizes[i].expected == b->context_width))
            return mismatch(f, base, sizes[i].what, sizes[i].own, sizes[i].expected);
    if (m->depth <= b->depth) return SDRT_OK;
    return mismatch(f, base, "blocks", m->depth, b->depth);
}

static int check_adapter(const struct sdrt_control_file *f, const struct sdrt_model_config *base,
                         const struct sdrt_adapter_config *a)
{
    const struct sdrt_unet_config *b = &base->unet;
    int fits = a->n == b->levels + a->wide && (a->picture == 1 || a->picture == 3) &&
               a->first == b->channels[0] && a->resnets;

    for (int i = 0; i < a->n && fits; i++)
        fits = a->channels[i] == b->channels[i < b->levels ? i : b->levels - 1];
    if (fits) return SDRT_OK;
    return sdrt_fail(
        f->log, SDRT_E_UNSUPPORTED,
        "%s: a T2I-Adapter of another model, or a light one, with %d features, the first of "
        "%d channels: expected %d, the first of %d, as of this %s",
        f->path, a->n, a->channels[0], b->levels + a->wide, b->channels[0], base->family);
}

/* A file alone does not say that its net leaves one number for all pixels; of those that people have, the
 * name does. */
static int check_name(const struct sdrt_control_file *f)
{
    const char *slash = strrchr(f->path, '/'), *name = slash ? slash + 1 : f->path;

    if (f->parts.denoiser.config || (!strstr(name, "shuffle") && !strstr(name, "Shuffle")))
        return SDRT_OK;
    return sdrt_fail(
        f->log, SDRT_E_UNSUPPORTED,
        "%s: by its name it leaves one number for all pixels (shuffle): expected a net that "
        "leaves features for each, or its folder with a config.json",
        f->path);
}

/* What a folder says that no shape tells. */
static int read_config(const struct sdrt_control_file *f, struct sdrt_model_config *model)
{
    const char *path = f->parts.denoiser.config, *order = "rgb";
    json_t *config = NULL;
    int pooled = 0,
        status = path ? sdrt_json_load(&config, path, MAX_CONFIG_BYTES, f->log) : SDRT_OK;

    if (status == SDRT_OK && config)
        status = sdrt_json_bool(config, "global_pool_conditions", path, &pooled, f->log);
    if (status == SDRT_OK && config)
        status = sdrt_json_string(config, "controlnet_conditioning_channel_order", path, &order,
                                  f->log);
    if (status == SDRT_OK && pooled)
        status = sdrt_fail(
            f->log, SDRT_E_UNSUPPORTED,
            "%s: global_pool_conditions: expected false, as of a net that leaves features "
            "for each pixel",
            path);
    if (status == SDRT_OK && strcmp(order, "rgb"))
        status = sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                           "%s: controlnet_conditioning_channel_order \"%s\": expected \"rgb\"",
                           path, order);
    if (status == SDRT_OK && config)
        status = sdrt_json_bool(config, "force_zeros_for_pooled_projection", path,
                                &model->mmdit.control_bare, f->log);
    json_decref(config);
    return status;
}

static int find_layout(struct sdrt_control_file *f, const struct sdrt_model_config *base)
{
    if (is_adapter(&f->parts.denoiser)) return sdrt_layout_find_adapter(&f->layout, &f->parts);
    if (is_lora(&f->parts.denoiser))
        return sdrt_layout_find_control_lora(&f->layout, &f->parts, base->unet.levels,
                                             base->unet.layers, f->path, f->log);
    return sdrt_layout_find_control(&f->layout, &f->parts, f->path, f->log);
}

/* What a net takes of its model's weights, which it has to have then. */
static int take_behind(struct sdrt_control_file *f, const struct sdrt_behind *behind)
{
    const struct sdrt_part *net = &f->parts.denoiser;
    const int lora = is_lora(net);

    if (!lora && !(is_mmdit_net(net) && !sdrt_part_has(net, "context_embedder.weight")))
        return SDRT_OK;
    if (!behind)
        return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                         "%s: takes weights of its model: expected one with a file, not random "
                         "weights",
                         f->path);
    f->behind = *behind;
    f->behind.prefix = lora ? "unet." : "transformer.pos_embed.";
    f->weights.behind = &f->behind;
    return SDRT_OK;
}

static int read_net(struct sdrt_control_file *f, const struct sdrt_model_config *base,
                    const struct sdrt_behind *behind, struct sdrt_model_config *config)
{
    const int adapter = is_adapter(&f->parts.denoiser);
    int status = find_layout(f, base);

    if (status != SDRT_OK) return status;
    f->weights = (struct sdrt_named_weights){ .parts = &f->parts,
                                              .layout = &f->layout,
                                              .path = f->path,
                                              .log = f->log };
    status = take_behind(f, behind);
    if (status != SDRT_OK) return status;
    *config = *base;
    if (base->denoiser == SDRT_DENOISER_MMDIT) {
        detect_mmdit(f, &config->mmdit);
        status = check_mmdit(f, base, &config->mmdit);
    } else if (adapter) {
        detect_adapter(f, base, &config->unet.adapter);
        status = check_adapter(f, base, &config->unet.adapter);
    } else {
        if (!is_lora(&f->parts.denoiser)) detect(f, &config->unet);
        config->unet.in_channels = size_of(f, 4, 1, "unet.conv_in.weight");
        detect_hint(f, &config->unet.hint);
        detect_types(f, &config->unet.hint);
        status = check_types(f, base, &config->unet);
        if (status == SDRT_OK) status = check_fits(f, base, &config->unet);
    }
    if (status == SDRT_OK) status = read_config(f, config);
    if (status == SDRT_OK) status = check_name(f);
    return status == SDRT_OK ? sdrt_coverage_check_control(config, &f->weights) : status;
}

int sdrt_control_file_open(struct sdrt_control_file **out, const char *path,
                           const struct sdrt_model_config *base, const struct sdrt_behind *behind,
                           struct sdrt_model_config *config, const struct sdrt_log *log)
{
    struct sdrt_control_file *f = *out = calloc(1, sizeof *f);

    if (!f || !(f->path = strdup(path))) {
        free(f);
        *out = NULL;
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for it", path);
    }
    f->log = log;
    int status = open_net(f);
    if (status == SDRT_OK &&
        (base->denoiser == SDRT_DENOISER_MMDIT) != is_mmdit_net(&f->parts.denoiser))
        status = sdrt_fail(log, SDRT_E_UNSUPPORTED,
                           "%s: a control net of another model: expected one of this %s", path,
                           base->family);
    if (status == SDRT_OK) status = read_net(f, base, behind, config);
    if (status != SDRT_OK) sdrt_control_file_close(out);
    return status;
}

void sdrt_control_file_close(struct sdrt_control_file **file)
{
    struct sdrt_control_file *f = *file;

    if (!f) return;
    sdrt_held_buffers_clear(&f->weights.turned);
    sdrt_parts_free(&f->parts);
    free(f->path);
    free(f);
    *file = NULL;
}

struct sdrt_weights_provider sdrt_control_file_provider(struct sdrt_control_file *f)
{
    return sdrt_named_weights_provider(&f->weights);
}
