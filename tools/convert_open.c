/* SPDX-License-Identifier: MIT
 *
 * Which tensors a file gets, and under which names.
 */
#include "model/checkpoint/checkpoint.h"
#include "model/checkpoint/file.h"
#include "model/checkpoint/folder.h"
#include "model/checkpoint/layout.h"
#include "runtime/base/grow.h"
#include "runtime/files/path.h"
#include "tools/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char vae_prefix[] = "first_stage_model.";
static const char t5_prefix[] = "text_encoders.t5xxl.transformer.";

static int out_of_memory(const struct convert_model *m)
{
    return sdrt_fail(m->log, SDRT_E_NOMEM, "no memory for a list of tensors");
}

static struct convert_tensor *find(const struct convert_model *m, const char *name)
{
    for (size_t i = m->n; i-- > 0;)
        if (!strcmp(m->list[i].name, name)) return &m->list[i];
    return NULL;
}

struct convert_tensor *convert_add(struct convert_model *m, const char *name)
{
    struct convert_tensor *list = sdrt_grow(m->list, m->n, &m->cap, sizeof *list);

    if (!list) return NULL;
    m->list = list;
    list[m->n] = (struct convert_tensor){ .name = strdup(name) };
    return list[m->n].name ? &list[m->n++] : NULL;
}

int convert_add_source(struct convert_model *m, struct convert_tensor *t, int place,
                       const struct sdrt_weights_provider *p, const char *source)
{
    struct sdrt_weight_view v;
    int status = p->describe(p->self, source, -1, NULL, &v);

    if (status != SDRT_OK)
        return status == SDRT_E_MISSING
                   ? sdrt_fail(m->log, status, "the model lacks tensor %s", source)
                   : status;
    t->whole = v.data != NULL;
    if (v.data) p->release(p->self, source);
    if (t->n_sources && (t->from != v.dtype || t->rank != v.rank || t->source[place] ||
                         t->values != sdrt_weight_elements(&v) * (size_t)t->n_sources))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "%s: does not go with the other tensors that become %s", source, t->name);
    if (!t->n_sources) {
        t->rank = v.rank;
        memcpy(t->shape, v.shape, sizeof t->shape);
    } else {
        t->shape[0] += v.shape[0];
    }
    t->from = t->kept = t->to = v.dtype;
    t->values += sdrt_weight_elements(&v);
    t->provider = *p;
    t->source[place] = strdup(source);
    t->n_sources++;
    return t->source[place] ? SDRT_OK : out_of_memory(m);
}

/* All tensors of a set but those behind the prefixes in skip, each behind prefix. */
static int add_all(struct convert_model *m, struct sdrt_weight_files *files, const char *prefix,
                   const char *const skip[2])
{
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(files);
    char name[1200];
    int status = SDRT_OK;

    for (size_t i = 0; i < sdrt_weight_files_count(files) && status == SDRT_OK; i++) {
        const char *source = sdrt_weight_files_name(files, i);
        int skipped = 0;
        for (int k = 0; k < 2; k++)
            skipped |= skip[k] && !strncmp(source, skip[k], strlen(skip[k]));
        if (skipped) continue;
        snprintf(name, sizeof name, "%s%s", prefix, source);
        struct convert_tensor *t = convert_add(m, name);
        status = t ? convert_add_source(m, t, 0, &p, source) : out_of_memory(m);
    }
    return status;
}

/* ---- a folder's parts under original names ---- */

/* What a part's names are translated by. */
struct translation {
    const struct sdrt_layout *layout; /* with original names */
    enum { UNET, MMDIT, VAE, CLIP } kind;
};

static int translate(const struct translation *by, const char *canonical, char out[SDRT_NAME_MAX],
                     struct sdrt_name_part *part)
{
    *part = (struct sdrt_name_part){ .third = -1 };
    switch (by->kind) {
    case UNET: return sdrt_names_unet(&by->layout->unet, canonical, out);
    case MMDIT: return sdrt_names_mmdit(&by->layout->mmdit, canonical, out, part);
    case VAE: return sdrt_names_vae(&by->layout->vae, canonical, out);
    default: return sdrt_names_clip(SDRT_CLIP_OPEN, canonical, out, part);
    }
}

/* The original VAE's attention is of convolutions. */
static void widen(struct convert_tensor *t)
{
    if (t->rank != 2 || !strstr(t->name, ".mid.attn_1.")) return;
    t->shape[2] = t->shape[3] = 1;
    t->rank = 4;
}

/* Adds source, a tensor of p that is canonical's, under its original name. */
static int add_one(struct convert_model *m, const struct sdrt_weights_provider *p,
                   const char *source, const char *canonical, const char *prefix,
                   const struct translation *by)
{
    char rest[SDRT_NAME_MAX], name[SDRT_NAME_MAX + 64];
    struct sdrt_name_part part;

    if (!translate(by, canonical, rest, &part))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s: has no name in a single file", source);
    snprintf(name, sizeof name, "%s%s", prefix, rest);
    struct convert_tensor *t = find(m, name);
    if (t && part.third < 0)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED, "%s: a second tensor that becomes %s", source,
                         name);
    if (!t) t = convert_add(m, name);
    if (!t) return out_of_memory(m);
    const int status = convert_add_source(m, t, part.third < 0 ? 0 : part.third, p, source);
    if (status != SDRT_OK) return status;
    t->transposed = part.transposed;
    t->swapped = part.swapped;
    if (by->kind == VAE) widen(t);
    if (!part.transposed) return SDRT_OK;
    if (t->rank != 2) return sdrt_fail(m->log, SDRT_E_FORMAT, "%s: expected a matrix", source);
    const int64_t rows = t->shape[0];
    t->shape[0] = t->shape[1];
    t->shape[1] = rows;
    return SDRT_OK;
}

static int add_translated(struct convert_model *m, struct sdrt_weight_files *files,
                          const char *prefix, const struct translation *by)
{
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(files);
    int status = SDRT_OK;

    for (size_t i = 0; i < sdrt_weight_files_count(files) && status == SDRT_OK; i++) {
        const char *source = sdrt_weight_files_name(files, i);
        if (strstr(source, "position_ids")) continue;
        status = add_one(m, &p, source, source, prefix, by);
    }
    return status;
}

/* SD 2.x's folders lack the last layer of their text encoder, and who reads a single file takes its
 * second last: the last one is written twice. */
static int add_last_layer(struct convert_model *m, const struct sdrt_part *text, const char *prefix,
                          const struct translation *by)
{
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(text->files);
    char last[64] = "", next[64], canonical[SDRT_NAME_MAX];
    int n = 0, status = SDRT_OK;

    for (;; n++) {
        snprintf(next, sizeof next, "text_model.encoder.layers.%d.", n);
        if (!sdrt_part_has_prefix(text, next)) break;
        memcpy(last, next, sizeof last);
    }
    for (size_t i = 0; n && i < sdrt_weight_files_count(text->files) && status == SDRT_OK; i++) {
        const char *source = sdrt_weight_files_name(text->files, i);
        if (strncmp(source, last, strlen(last))) continue;
        snprintf(canonical, sizeof canonical, "%s%s", next, source + strlen(last));
        status = add_one(m, &p, source, canonical, prefix, by);
    }
    return status;
}

/* How single files of a family begin their text encoders' names, and whether these are OpenCLIP's. */
struct text_home {
    const char *prefix;
    int open;
    int cut; /* 1: folders lack its last layer */
};

/* SD 2.x has linear projections around its transformers. */
static int is_linear(const struct sdrt_part *unet)
{
    static const char name[] = "mid_block.attentions.0.proj_in.weight";
    const struct sdrt_weights_provider p = sdrt_weight_files_provider(unet->files);
    struct sdrt_weight_view v;

    if (p.describe(p.self, name, -1, NULL, &v) != SDRT_OK) return 0;
    if (v.data) p.release(p.self, name);
    return v.rank == 2;
}

static struct text_home home_of(const struct convert_model *m, const struct sdrt_layout *layout,
                                int i)
{
    static const struct text_home sd3[] = { { "text_encoders.clip_l.transformer.", 0, 0 },
                                            { "text_encoders.clip_g.transformer.", 0, 0 },
                                            { t5_prefix, 0, 0 } };
    static const struct text_home sdxl[] = { { "conditioner.embedders.0.transformer.", 0, 0 },
                                             { "conditioner.embedders.1.model.", 1, 0 },
                                             { t5_prefix, 0, 0 } };
    static const struct text_home refiner = { "conditioner.embedders.0.model.", 1, 0 };
    static const struct text_home sd1 = { "cond_stage_model.transformer.", 0, 0 };
    static const struct text_home sd2 = { "cond_stage_model.model.", 1, 1 };

    if (layout->denoiser == SDRT_DENOISER_MMDIT) return sd3[i];
    if (m->parts.n_text > 1) return sdxl[i];
    if (sdrt_part_has(&m->parts.denoiser, "add_embedding.linear_1.weight")) return refiner;
    return is_linear(&m->parts.denoiser) ? sd2 : sd1;
}

static int add_text(struct convert_model *m, const struct sdrt_layout *layout, int i)
{
    static const char *const nothing[2] = { NULL, NULL };
    const struct text_home home = home_of(m, layout, i);
    const struct translation clip = { layout, CLIP };
    struct sdrt_weight_files *files = m->parts.text[i].files;

    if (!home.open) return add_all(m, files, home.prefix, nothing);
    if (layout->text[i] != SDRT_CLIP_TRANSFORMERS)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "text encoder %d: has not the names of transformers", i + 1);
    const int status = add_translated(m, files, home.prefix, &clip);
    return status == SDRT_OK && home.cut ? add_last_layer(m, &m->parts.text[i], home.prefix, &clip)
                                         : status;
}

/* The number of an upsampler's module depends on the attention in front of it. */
static void find_attention(struct sdrt_unet_names *names, const struct sdrt_part *unet)
{
    char prefix[64];

    for (int up = 0; up < names->levels; up++) {
        snprintf(prefix, sizeof prefix, "up_blocks.%d.attentions.0.", up);
        names->attention[names->levels - 1 - up] = sdrt_part_has_prefix(unet, prefix);
    }
}

/* Adds what the folder has, under the names of a single file. */
static int add_folder(struct convert_model *m, const char *path, int with_vae, int with_t5)
{
    static const char *const nothing[2] = { NULL, NULL };
    static const char denoiser[] = "model.diffusion_model.";
    struct sdrt_layout layout;
    int status = sdrt_layout_find(&layout, &m->parts, path, m->log);

    if (status != SDRT_OK) return status;
    if (layout.unet.original || layout.mmdit.original || layout.vae.layout != SDRT_VAE_DIFFUSERS)
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "%s: its parts have not diffusers' names of today", path);
    layout.unet.original = layout.mmdit.original = 1;
    layout.unet.blocks = NULL;
    find_attention(&layout.unet, &m->parts.denoiser);
    layout.vae.layout = SDRT_VAE_ORIGINAL;
    const struct translation to = { &layout,
                                    layout.denoiser == SDRT_DENOISER_MMDIT ? MMDIT : UNET };
    const struct translation vae = { &layout, VAE };
    status = add_translated(m, m->parts.denoiser.files, denoiser, &to);
    if (status == SDRT_OK && with_vae)
        status = add_translated(m, m->parts.vae.files, vae_prefix, &vae);
    for (int i = 0; i < m->parts.n_text && status == SDRT_OK; i++) status = add_text(m, &layout, i);
    if (status == SDRT_OK && with_t5 && sdrt_part_is_there(&m->parts.t5))
        status = add_all(m, m->parts.t5.files, t5_prefix, nothing);
    return status;
}

/* ---- parts given ---- */

static int add_vae(struct convert_model *m, const char *path)
{
    static const char *const nothing[2] = { NULL, NULL };
    struct sdrt_layout layout = { .vae = { SDRT_VAE_ORIGINAL, 0 } };
    const struct translation to = { &layout, VAE };
    char prefix[64];
    int status = (sdrt_path_is_folder(path) ? sdrt_folder_open_vae
                                            : sdrt_file_open_vae)(&m->vae, path, m->log);

    if (status != SDRT_OK) return status;
    if (sdrt_part_has_prefix(&m->vae, "decoder.up."))
        return add_all(m, m->vae.files, vae_prefix, nothing);
    for (int *n = &layout.vae.levels; *n < SDRT_MAX_LEVELS; ++*n) {
        snprintf(prefix, sizeof prefix, "decoder.up_blocks.%d.", *n);
        if (!sdrt_part_has_prefix(&m->vae, prefix)) break;
    }
    if (!layout.vae.levels || sdrt_part_has(&m->vae, "decoder.mid_block.attentions.0.query.weight"))
        return sdrt_fail(m->log, SDRT_E_UNSUPPORTED,
                         "%s: not a VAE with the names of today's diffusers or the original's",
                         path);
    return add_translated(m, m->vae.files, vae_prefix, &to);
}

static int add_t5(struct convert_model *m, const char *path)
{
    static const char *const nothing[2] = { NULL, NULL };
    const int status = sdrt_path_is_folder(path) ? sdrt_folder_open_text(&m->t5, 2, path, m->log)
                                                 : sdrt_file_open_t5(&m->t5, path, m->log);

    return status == SDRT_OK ? add_all(m, m->t5.files, t5_prefix, nothing) : status;
}

static int by_name(const void *a, const void *b)
{
    const struct convert_tensor *x = a, *y = b;

    return strcmp(x->name, y->name);
}

void convert_sort(struct convert_model *m)
{
    if (m->n) qsort(m->list, m->n, sizeof *m->list, by_name);
}

/* Thirds that a file of joined tensors needs are all there. */
static int check_whole(const struct convert_model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct convert_tensor *t = &m->list[i];
        for (int k = 0; k < t->n_sources; k++)
            if (!t->source[k] || t->n_sources == 2)
                return sdrt_fail(m->log, SDRT_E_MISSING,
                                 "the model lacks one of the three tensors that become %s",
                                 t->name);
    }
    return SDRT_OK;
}

int convert_open(struct convert_model *m, const char *input, const char *vae, const char *t5,
                 const struct sdrt_log *log)
{
    const char *const skip[2] = { vae ? vae_prefix : NULL, t5 ? t5_prefix : NULL };
    int status;

    *m = (struct convert_model){ .log = log };
    if (sdrt_path_is_folder(input)) {
        status = sdrt_folder_open_parts(&m->parts, input, !t5, log);
        if (status == SDRT_OK) status = add_folder(m, input, !vae, !t5);
    } else {
        status = sdrt_part_add(&m->whole, input, "", log);
        if (status == SDRT_OK) status = add_all(m, m->whole.files, "", skip);
    }
    if (status == SDRT_OK && vae && strcmp(vae, "none") != 0) status = add_vae(m, vae);
    if (status == SDRT_OK && t5 && strcmp(t5, "none") != 0) status = add_t5(m, t5);
    if (status == SDRT_OK) status = check_whole(m);
    if (status == SDRT_OK) convert_sort(m);
    return status;
}

void convert_close(struct convert_model *m)
{
    for (size_t i = 0; i < m->n; i++) {
        convert_end(m, &m->list[i]);
        for (int k = 0; k < 3; k++) {
            free(m->list[i].source[k]);
            free(m->list[i].merged[k]);
        }
        free(m->list[i].name);
    }
    free(m->list);
    sdrt_parts_free(&m->parts);
    sdrt_part_free(&m->whole);
    sdrt_part_free(&m->vae);
    sdrt_part_free(&m->t5);
    sdrt_checkpoint_close(&m->checkpoint);
    convert_loras_free(&m->loras);
    free(m->lora_names);
    *m = (struct convert_model){ .log = NULL };
}
