/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/image_prompt.h"
#include "model/checkpoint/folder_weights.h"
#include "model/checkpoint/part.h"
#include "model/checkpoint/tensor_names.h"
#include "model/net/ip_adapter.h"
#include "runtime/files/json.h"
#include "runtime/files/path.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SIZE = 1 << 20, MAX_CONFIG_BYTES = 1 << 20, MAX_DEPTH = 128, HEAD = 64 };

struct sdrt_image_prompt_file {
    struct sdrt_part part;
    int vision;
    char *path; /* owned */
    const struct sdrt_log *log;
};

/* ---- names ---- */

/* In the order of their worth; what begins with from begins with to in the file. */
static const struct {
    int vision;
    const char *from, *to;
} names[] = {
    { 1, "vision.class.weight", "vision_model.embeddings.class_embedding" },
    { 1, "vision.patch.", "vision_model.embeddings.patch_embedding." },
    { 1, "vision.position.", "vision_model.embeddings.position_embedding." },
    { 1, "vision.pre.", "vision_model.pre_layrnorm." },
    { 1, "vision.post.", "vision_model.post_layernorm." },
    { 1, "vision.layers.", "vision_model.encoder.layers." },
    { 1, "vision.projection.", "visual_projection." },
    { 0, "ip.latents.weight", "image_proj.latents" },
    { 0, "ip.cross.", "ip_adapter." },
    { 0, "ip.", "image_proj." },
};
enum { NAMES = sizeof names / sizeof *names };

static int translate(const struct sdrt_image_prompt_file *f, const char *name,
                     char out[SDRT_NAME_MAX])
{
    for (int i = 0; i < NAMES; i++) {
        const size_t n = strlen(names[i].from);
        if (names[i].vision == f->vision && !strncmp(name, names[i].from, n))
            return snprintf(out, SDRT_NAME_MAX, "%s%s", names[i].to, name + n) < SDRT_NAME_MAX;
    }
    return 0;
}

/* ---- the provider ---- */

/* The resampler's queries are [1][tokens][width], a table. */
static void drop_first(struct sdrt_weight_view *view)
{
    if (view->rank != 3 || view->shape[0] != 1) return;
    view->rank = 2;
    view->shape[0] = view->shape[1];
    view->shape[1] = view->shape[2];
}

static int get(void *self, const char *name, int rank, const int64_t *shape,
               struct sdrt_weight_view *out)
{
    const struct sdrt_image_prompt_file *f = self;
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(f->part.files);
    char own[SDRT_NAME_MAX];

    if (!translate(f, name, own)) return SDRT_E_MISSING;
    const int status = p.get(p.self, own, rank, shape, out);
    if (status == SDRT_OK) drop_first(out);
    return status;
}

static int describe(void *self, const char *name, int rank, const int64_t *shape,
                    struct sdrt_weight_view *out)
{
    const struct sdrt_image_prompt_file *f = self;
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(f->part.files);
    char own[SDRT_NAME_MAX];

    if (!translate(f, name, own)) return SDRT_E_MISSING;
    const int status = p.describe(p.self, own, rank, shape, out);
    if (status == SDRT_OK) drop_first(out);
    return status;
}

static int read_values(void *self, const char *name, const struct sdrt_weight_view *view,
                       size_t first, size_t count, void *out)
{
    const struct sdrt_image_prompt_file *f = self;
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(f->part.files);
    char own[SDRT_NAME_MAX];

    return translate(f, name, own) ? p.read(p.self, own, view, first, count, out) : SDRT_E_IO;
}

static void release(void *self, const char *name)
{
    const struct sdrt_image_prompt_file *f = self;
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(f->part.files);
    char own[SDRT_NAME_MAX];

    if (translate(f, name, own)) p.release(p.self, own);
}

static void prefetch(void *self, const char *name)
{
    const struct sdrt_image_prompt_file *f = self;
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(f->part.files);
    char own[SDRT_NAME_MAX];

    if (translate(f, name, own)) p.prefetch(p.self, own);
}

struct sdrt_weights_provider sdrt_image_prompt_file_provider(struct sdrt_image_prompt_file *f)
{
    return (struct sdrt_weights_provider){ .get = get,
                                           .release = release,
                                           .prefetch = prefetch,
                                           .describe = describe,
                                           .read = read_values,
                                           .self = f };
}

/* ---- what it looks like ---- */

/* One dimension of a tensor of the file, of this rank; 0 where there is none. */
static int size_of(const struct sdrt_image_prompt_file *f, int rank, int dimension,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static int size_of(const struct sdrt_image_prompt_file *f, int rank, int dimension,
                   const char *format, ...)
{
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(f->part.files);
    struct sdrt_weight_view view;
    char name[SDRT_NAME_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (p.describe(p.self, name, -1, NULL, &view) != SDRT_OK) return 0;
    const int64_t size = view.rank == rank ? view.shape[dimension] : 0;
    if (view.data) p.release(p.self, name);
    return size > 0 && size <= MAX_SIZE ? (int)size : 0;
}

static int refuse(const struct sdrt_image_prompt_file *f, const char *found, const char *expected)
{
    return sdrt_fail(f->log, SDRT_E_UNSUPPORTED, "%s: %s: expected %s", f->path, found, expected);
}

static int refuse_kind(const struct sdrt_image_prompt_file *f, const char *expected)
{
    const struct sdrt_kind *kind = sdrt_part_kind(&f->part, 1);

    return sdrt_fail(f->log, SDRT_E_UNSUPPORTED, "%s: is %s: expected %s", f->path,
                     kind ? kind->name : "none of the files that are known", expected);
}

/* ---- an encoder of pictures ---- */

/* Heads and activation, which no shape tells: of a folder its settings', else those of the published ones
 * of this width. */
static int tell_layers(const struct sdrt_image_prompt_file *f, struct sdrt_clip_config *c)
{
    static const struct {
        int hidden, heads;
        enum sdrt_clip_act act;
    } published[] = { { 768, 12, SDRT_CLIP_QUICK_GELU },
                      { 1024, 16, SDRT_CLIP_QUICK_GELU },
                      { 1280, 16, SDRT_CLIP_GELU },
                      { 1664, 16, SDRT_CLIP_GELU } };
    const char *act = "quick_gelu";
    json_t *config = NULL;
    int64_t heads = 0;
    int status;

    for (size_t i = 0; i < sizeof published / sizeof *published && !f->part.config; i++)
        if (published[i].hidden == c->hidden) {
            c->heads = published[i].heads;
            c->act = published[i].act;
            return SDRT_OK;
        }
    if (!f->part.config)
        return refuse(f, "an encoder of pictures whose heads no tensor tells",
                      "one of 768, 1024, 1280 or 1664 channels, or a folder with a config.json");
    status = sdrt_json_load(&config, f->part.config, MAX_CONFIG_BYTES, f->log);
    const json_t *own = json_object_get(config, "vision_config");
    if (!own) own = config;
    if (status == SDRT_OK)
        status = sdrt_json_int(own, "num_attention_heads", f->part.config, 1, c->hidden, &heads,
                               f->log);
    if (status == SDRT_OK)
        status = sdrt_json_string(own, "hidden_act", f->part.config, &act, f->log);
    if (status == SDRT_OK && (!heads || c->hidden % heads))
        status = refuse(f, "config.json", "num_attention_heads that divide hidden_size");
    if (status == SDRT_OK && strcmp(act, "gelu") && strcmp(act, "quick_gelu"))
        status = refuse(f, "config.json: hidden_act", "gelu or quick_gelu");
    c->heads = (int)heads;
    c->act = strcmp(act, "gelu") ? SDRT_CLIP_QUICK_GELU : SDRT_CLIP_GELU;
    json_decref(config);
    return status;
}

static int detect_vision(const struct sdrt_image_prompt_file *f, struct sdrt_vision_config *v)
{
    static const char patch[] = "vision_model.embeddings.patch_embedding.weight";
    struct sdrt_clip_config *c = &v->clip;
    int side = 0;

    *v = (struct sdrt_vision_config){
        .patch = size_of(f, 4, 2, "%s", patch),
        .projection = size_of(f, 2, 0, "visual_projection.weight"),
        .clip = { .hidden = size_of(f, 4, 0, "%s", patch),
                  .intermediate = size_of(f, 2, 0, "vision_model.encoder.layers.0.mlp.fc1.weight"),
                  .positions = size_of(f, 2, 0,
                                       "vision_model.embeddings.position_embedding.weight") },
    };
    while (c->layers < MAX_DEPTH &&
           size_of(f, 1, 0, "vision_model.encoder.layers.%d.layer_norm1.weight", c->layers))
        c->layers++;
    while (side * side < c->positions - 1) side++;
    v->size = side * v->patch;
    if (!v->patch || !c->hidden || c->layers < 2 || side * side != c->positions - 1 || !side)
        return refuse_kind(f, "CLIP's encoder of pictures, of transformers' names "
                              "(vision_model.embeddings.patch_embedding.weight)");
    return tell_layers(f, c);
}

/* ---- an IP-Adapter ---- */

static int detect_ip(const struct sdrt_image_prompt_file *f, const struct sdrt_model_config *base,
                     struct sdrt_ip_config *ip)
{
    static const char others[] = "a plain IP-Adapter or a plus one";
    const int context = base->unet.context_dim;
    int width = size_of(f, 2, 0, "image_proj.proj_out.weight");

    *ip = (struct sdrt_ip_config){ 0 };
    if (!sdrt_part_has_prefix(&f->part, "ip_adapter."))
        return refuse_kind(f, "an IP-Adapter (image_proj, ip_adapter)");
    if (sdrt_part_has(&f->part, "image_proj.proj.3.weight"))
        return refuse(f, "a full-face IP-Adapter", others);
    if (sdrt_part_has_prefix(&f->part, "image_proj.perceiver_resampler.") ||
        sdrt_part_has_prefix(&f->part, "image_proj.proj.0."))
        return refuse(f, "an IP-Adapter that reads a face's identity (FaceID)", others);
    if (sdrt_part_has(&f->part, "image_proj.latents")) {
        ip->tokens = size_of(f, 3, 1, "image_proj.latents");
        ip->width = size_of(f, 3, 2, "image_proj.latents");
        ip->in = size_of(f, 2, 1, "image_proj.proj_in.weight");
        ip->heads = size_of(f, 2, 0, "image_proj.layers.0.0.to_q.weight") / HEAD;
        while (ip->layers < MAX_DEPTH &&
               size_of(f, 2, 0, "image_proj.layers.%d.0.to_q.weight", ip->layers))
            ip->layers++;
    } else {
        width = size_of(f, 1, 0, "image_proj.norm.weight");
        ip->in = size_of(f, 2, 1, "image_proj.proj.weight");
        ip->tokens = width ? size_of(f, 2, 0, "image_proj.proj.weight") / width : 0;
    }
    if (width != context)
        return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                         "%s: an IP-Adapter of another model: text width %d: expected %d, as this "
                         "%s has",
                         f->path, width, context, base->family);
    if (ip->tokens && ip->in && (!ip->layers || (ip->width && ip->heads))) return SDRT_OK;
    return refuse(f, "an IP-Adapter with tensors of unknown shapes", others);
}

/* Every cross-attention's keys and values are there, and no others. */
static int check_cross(const struct sdrt_image_prompt_file *f, const struct sdrt_model_config *base)
{
    struct sdrt_unet_parts parts;
    size_t found = 0;

    sdrt_unet_list_parts(&base->unet, &parts);
    for (int i = 0; i < parts.n_cross; i++) {
        const int number = sdrt_ip_number(&parts, i);
        for (int v = 0; v < 2; v++) {
            const int rows = size_of(f, 2, 0, "ip_adapter.%d.to_%c_ip.weight", number,
                                     v ? 'v' : 'k');
            const int cols = size_of(f, 2, 1, "ip_adapter.%d.to_%c_ip.weight", number,
                                     v ? 'v' : 'k');
            if (rows != parts.cross[i].channels || cols != base->unet.context_dim)
                return sdrt_fail(
                    f->log, SDRT_E_UNSUPPORTED,
                    "%s: an IP-Adapter of another model: ip_adapter.%d.to_%c_ip.weight "
                    "of %d x %d values: expected %d x %d, as this %s has",
                    f->path, number, v ? 'v' : 'k', rows, cols, parts.cross[i].channels,
                    base->unet.context_dim, base->family);
            found++;
        }
    }
    for (size_t i = 0; i < sdrt_part_count(&f->part); i++)
        found -= !strncmp(sdrt_weight_files_name(f->part.files, i), "ip_adapter.", 11);
    if (!found) return SDRT_OK;
    return sdrt_fail(f->log, SDRT_E_UNSUPPORTED,
                     "%s: has %zu tensors of attentions that this %s has not: expected none",
                     f->path, (size_t)0 - found, base->family);
}

/* ---- opening ---- */

static int open_folder(struct sdrt_image_prompt_file *f)
{
    struct sdrt_folder_weights weights;
    int status = sdrt_folder_weights_find(&weights, f->path, sdrt_transformers_weights, "", f->log);

    for (size_t i = 0; i < weights.n && status == SDRT_OK; i++)
        status = sdrt_part_add(&f->part, weights.paths[i], "", f->log);
    sdrt_folder_weights_free(&weights);
    if (status != SDRT_OK) return status;
    f->part.config = sdrt_path_join(f->path, "config.json");
    if (!f->part.config)
        return sdrt_fail(f->log, SDRT_E_NOMEM, "%s: no memory for its path", f->path);
    if (sdrt_path_is_file(f->part.config)) return SDRT_OK;
    free(f->part.config);
    f->part.config = NULL;
    return SDRT_OK;
}

int sdrt_image_prompt_file_open(struct sdrt_image_prompt_file **out, const char *path, int vision,
                                const struct sdrt_model_config *base,
                                struct sdrt_model_config *config, const struct sdrt_log *log)
{
    struct sdrt_image_prompt_file *f = *out = calloc(1, sizeof *f);

    if (!f || !(f->path = strdup(path))) {
        free(f);
        *out = NULL;
        return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory for it", path);
    }
    f->log = log;
    f->vision = vision;
    *config = *base;
    int status = vision && sdrt_path_is_folder(path) ? open_folder(f)
                                                     : sdrt_part_add(&f->part, path, "", log);
    if (status == SDRT_OK)
        status = vision ? detect_vision(f, &config->vision) : detect_ip(f, base, &config->ip);
    if (status == SDRT_OK && !vision) status = check_cross(f, base);
    if (status != SDRT_OK) sdrt_image_prompt_file_close(out);
    return status;
}

void sdrt_image_prompt_file_close(struct sdrt_image_prompt_file **file)
{
    struct sdrt_image_prompt_file *f = *file;

    if (!f) return;
    sdrt_part_free(&f->part);
    free(f->path);
    free(f);
    *file = NULL;
}
