/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/checkpoint_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *sdrt_path_join(const char *directory, const char *name)
{
    const size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);

    if (path) snprintf(path, size, "%s/%s", directory, name);
    return path;
}

int sdrt_path_is_file(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

int sdrt_path_is_folder(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

/* The first name that is not before key, as an index. */
static size_t lower_bound(const struct sdrt_weight_files *set, const char *key)
{
    size_t low = 0, high = sdrt_weight_files_count(set);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(sdrt_weight_files_name(set, middle), key) < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

int sdrt_set_has(const struct sdrt_weight_files *set, const char *name)
{
    const size_t i = lower_bound(set, name);

    return i < sdrt_weight_files_count(set) && !strcmp(sdrt_weight_files_name(set, i), name);
}

int sdrt_set_has_prefix(const struct sdrt_weight_files *set, const char *prefix)
{
    const size_t i = lower_bound(set, prefix);

    return i < sdrt_weight_files_count(set) &&
           !strncmp(sdrt_weight_files_name(set, i), prefix, strlen(prefix));
}

int sdrt_checkpoint_refuse(const struct sdrt_checkpoint *c, const char *path, const char *family)
{
    return sdrt_fail(c->log, SDRT_E_UNSUPPORTED,
                     "%s: looks like a model of the family %s; supported are SD 1.x, SD 2.x, "
                     "SDXL and SD 3.x", path, family);
}

/* What follows prefix in name, or NULL. */
static const char *after(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);

    return strncmp(name, prefix, length) ? NULL : name + length;
}

int sdrt_checkpoint_translate(const struct sdrt_checkpoint *c, const char *canonical,
                              struct sdrt_place *out)
{
    const char *tail;

    out->part = (struct sdrt_name_part){ .third = -1 };
    if ((tail = after(canonical, "unet."))) {
        out->set = c->denoiser;
        return sdrt_names_unet(&c->unet_names, tail, out->name);
    }
    if ((tail = after(canonical, "transformer."))) {
        out->set = c->denoiser;
        return sdrt_names_mmdit(&c->mmdit_names, tail, out->name, &out->part);
    }
    if ((tail = after(canonical, "vae."))) {
        out->set = c->vae;
        return sdrt_names_vae(&c->vae_names, tail, out->name);
    }
    if ((tail = after(canonical, "text_encoder_3."))) {
        out->set = c->t5;
        return snprintf(out->name, sizeof out->name, "%s", tail) < (int)sizeof out->name;
    }
    for (int i = 0; i < c->n_text; i++) {
        tail = after(canonical, sdrt_text_prefix(i));
        if (!tail || *tail != '.') continue;
        out->set = c->text[i].files;
        return sdrt_names_clip(c->text[i].layout, tail + 1, out->name, &out->part);
    }
    return 0;
}

/* Leaves of view, which holds queries, keys and values, the third that is meant.  One that
 * cannot hold three stays whole, and so has another shape than anyone expects. */
static void take_third(int third, struct sdrt_weight_view *view)
{
    if (view->rank < 1 || view->shape[0] % 3) return;
    const size_t bytes = sdrt_weight_bytes(view) / 3;
    view->shape[0] /= 3;
    view->data = (const char *)view->data + (size_t)third * bytes;
}

/* to gets from's columns as rows. */
static void transpose(char *to, const char *from, const struct sdrt_weight_view *view)
{
    const size_t size = sdrt_dtype_size(view->dtype);
    const int64_t rows = view->shape[1], columns = view->shape[0];

    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            memcpy(to + (size_t)(i * columns + j) * size, from + (size_t)(j * rows + i) * size,
                   size);
}

/* Makes of view a copy that is held under the canonical name: a matrix transposed, or a tensor
 * with the halves of its rows swapped. */
static int turn(struct sdrt_checkpoint *c, const char *canonical,
                const struct sdrt_name_part *part, struct sdrt_weight_view *view)
{
    const size_t bytes = sdrt_weight_bytes(view), half = bytes / 2;
    const char *from = view->data;
    char *copy;

    if (part->transposed ? view->rank != 2 : view->rank < 1 || view->shape[0] % 2)
        return sdrt_fail(c->log, SDRT_E_FORMAT, "%s: %s: expected %s", c->path, canonical,
                         part->transposed ? "a matrix" : "an even number of rows");
    copy = sdrt_held_buffers_get(&c->turned, canonical, bytes);
    if (!copy) {
        copy = sdrt_held_buffers_add(&c->turned, canonical, bytes);
        if (!copy) return sdrt_fail(c->log, SDRT_E_NOMEM, "%s: no memory for it", canonical);
        if (part->transposed) {
            transpose(copy, from, view);
        } else {
            memcpy(copy, from + half, half);
            memcpy(copy + half, from, half);
        }
    }
    if (part->transposed) {
        const int64_t rows = view->shape[1];
        view->shape[1] = view->shape[0];
        view->shape[0] = rows;
    }
    view->data = copy;
    return SDRT_OK;
}

static int is_turned(const struct sdrt_name_part *part)
{
    return part->transposed || part->swapped;
}

static int checkpoint_get(void *self, const char *name, int rank, const int64_t *shape,
                          struct sdrt_weight_view *out)
{
    struct sdrt_checkpoint *c = self;
    struct sdrt_weights_provider files;
    struct sdrt_place place;
    int rc;

    if (!sdrt_checkpoint_translate(c, name, &place)) return SDRT_E_MISSING;
    files = sdrt_weight_files_provider(place.set);
    rc = files.get(files.self, place.name, rank, shape, out);
    if (rc != SDRT_OK) return rc;
    if (place.part.third >= 0) take_third(place.part.third, out);
    if (is_turned(&place.part)) rc = turn(c, name, &place.part, out);
    if (is_turned(&place.part) || rc != SDRT_OK) files.release(files.self, place.name);
    return rc;
}

/* What is cut out or turned comes whole. */
static int checkpoint_describe(void *self, const char *name, int rank, const int64_t *shape,
                               struct sdrt_weight_view *out)
{
    struct sdrt_weights_provider files;
    struct sdrt_place place;

    if (!sdrt_checkpoint_translate(self, name, &place)) return SDRT_E_MISSING;
    if (place.part.third >= 0 || is_turned(&place.part))
        return checkpoint_get(self, name, rank, shape, out);
    files = sdrt_weight_files_provider(place.set);
    return files.describe(files.self, place.name, rank, shape, out);
}

static int checkpoint_read(void *self, const char *name, const struct sdrt_weight_view *view,
                           size_t first, size_t count, void *out)
{
    struct sdrt_weights_provider files;
    struct sdrt_place place;

    if (!sdrt_checkpoint_translate(self, name, &place)) return SDRT_E_IO;
    files = sdrt_weight_files_provider(place.set);
    return files.read(files.self, place.name, view, first, count, out);
}

static void checkpoint_release(void *self, const char *name)
{
    struct sdrt_checkpoint *c = self;
    struct sdrt_weights_provider files;
    struct sdrt_place place;

    if (!sdrt_checkpoint_translate(c, name, &place)) return;
    files = sdrt_weight_files_provider(place.set);
    if (is_turned(&place.part)) sdrt_held_buffers_release(&c->turned, name);
    else files.release(files.self, place.name);
}

static void checkpoint_prefetch(void *self, const char *name)
{
    struct sdrt_weights_provider files;
    struct sdrt_place place;

    if (!sdrt_checkpoint_translate(self, name, &place)) return;
    files = sdrt_weight_files_provider(place.set);
    files.prefetch(files.self, place.name);
}

struct sdrt_weights_provider sdrt_checkpoint_provider(struct sdrt_checkpoint *c)
{
    return (struct sdrt_weights_provider){ .get = checkpoint_get, .release = checkpoint_release,
                                           .prefetch = checkpoint_prefetch,
                                           .describe = checkpoint_describe,
                                           .read = checkpoint_read, .self = c };
}

static int find_text_layout(struct sdrt_checkpoint *c, struct sdrt_text_part *t)
{
    if (sdrt_set_has_prefix(t->files, "transformer.resblocks.0.")) t->layout = SDRT_CLIP_OPEN;
    else if (sdrt_set_has_prefix(t->files, "text_model.encoder.layers.0."))
        t->layout = SDRT_CLIP_TRANSFORMERS;
    else if (sdrt_set_has_prefix(t->files, "encoder.layers.0.")) t->layout = SDRT_CLIP_PLAIN;
    else return sdrt_fail(c->log, SDRT_E_MISSING, "%s: has no text encoder that is CLIP's: expected "
                          "text_model.encoder.layers.* or transformer.resblocks.*", c->path);
    return SDRT_OK;
}

/* All parts that every model needs, each with one tensor that every layout of it has. */
static int check_parts(struct sdrt_checkpoint *c, const char *vae_path)
{
    int rc = SDRT_OK;

    if (!sdrt_set_has(c->vae, "decoder.conv_in.weight")) {
        if (vae_path)
            return sdrt_fail(c->log, SDRT_E_FORMAT,
                             "%s: not a VAE: expected decoder.conv_in.weight, alone or after "
                             "first_stage_model.", vae_path);
        return sdrt_fail(c->log, SDRT_E_MISSING, "%s: has no VAE: give one with --vae FILE",
                         c->path);
    }
    if (!c->n_text)
        return sdrt_fail(c->log, SDRT_E_MISSING,
                         "%s: has no text encoder: give one with --text-encoder FILE", c->path);
    for (int i = 0; i < c->n_text && rc == SDRT_OK; i++) rc = find_text_layout(c, &c->text[i]);
    return rc;
}

int sdrt_checkpoint_add_text(struct sdrt_checkpoint *c)
{
    if (c->n_text == SDRT_MAX_TEXT)
        return sdrt_fail(c->log, SDRT_E_UNSUPPORTED, "%s: has more than %d text encoders", c->path,
                         (int)SDRT_MAX_TEXT);
    return sdrt_weight_files_create(&c->text[c->n_text++].files, c->log);
}

/* The T5's file, when it is given apart, and its tokenizer. */
static int open_t5(struct sdrt_checkpoint *c, const struct sdrt_checkpoint_paths *p)
{
    int rc = SDRT_OK;

    if (c->without_t5) return SDRT_OK;
    if (p->t5_tokenizer) {
        free(c->t5_tokenizer);
        c->t5_tokenizer = strdup(p->t5_tokenizer);
        if (!c->t5_tokenizer) return sdrt_fail(c->log, SDRT_E_NOMEM, "%s: no memory", c->path);
    }
    if (p->t5) rc = sdrt_checkpoint_open_t5(c, p->t5);
    if (rc != SDRT_OK || !sdrt_weight_files_count(c->t5)) return rc;
    rc = sdrt_checkpoint_find_t5_tokenizer(c, p->model);
    if (rc == SDRT_OK && p->t5) rc = sdrt_checkpoint_find_t5_tokenizer(c, p->t5);
    return rc;
}

static int open_parts(struct sdrt_checkpoint *c, const struct sdrt_checkpoint_paths *p)
{
    int rc = sdrt_path_is_folder(p->model) ? sdrt_checkpoint_open_folder(c, p->model)
                                           : sdrt_checkpoint_open_file(c, p->model);

    if (rc == SDRT_OK && p->vae) rc = sdrt_checkpoint_open_vae(c, p->vae);
    for (int i = 0; i < SDRT_MAX_TEXT && rc == SDRT_OK; i++)
        if (p->text[i]) rc = sdrt_checkpoint_open_text(c, i, p->text[i]);
    if (rc == SDRT_OK) rc = open_t5(c, p);
    if (rc == SDRT_OK) rc = check_parts(c, p->vae);
    return rc == SDRT_OK ? sdrt_checkpoint_detect(c) : rc;
}

int sdrt_checkpoint_open(struct sdrt_checkpoint **out, const struct sdrt_checkpoint_paths *paths,
                         const struct sdrt_log *log)
{
    struct sdrt_checkpoint *c = calloc(1, sizeof *c);
    int rc;

    *out = NULL;
    if (!c) return sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", paths->model);
    c->log = log;
    c->path = strdup(paths->model);
    rc = c->path ? SDRT_OK : sdrt_fail(log, SDRT_E_NOMEM, "%s: no memory to open it", paths->model);
    if (rc == SDRT_OK) rc = sdrt_weight_files_create(&c->denoiser, log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_create(&c->vae, log);
    if (rc == SDRT_OK) rc = sdrt_weight_files_create(&c->t5, log);
    c->without_t5 = paths->t5 && !strcmp(paths->t5, "none");
    if (rc == SDRT_OK) rc = open_parts(c, paths);
    if (rc != SDRT_OK) goto out;
    *out = c;
    c = NULL;
out:
    sdrt_checkpoint_close(&c);
    return rc;
}

void sdrt_checkpoint_close(struct sdrt_checkpoint **checkpoint)
{
    struct sdrt_checkpoint *c = *checkpoint;

    if (!c) return;
    sdrt_held_buffers_clear(&c->turned);
    sdrt_weight_files_free(&c->denoiser);
    sdrt_weight_files_free(&c->vae);
    sdrt_weight_files_free(&c->t5);
    free(c->t5_tokenizer);
    for (int i = 0; i < SDRT_MAX_TEXT; i++) {
        struct sdrt_text_part *t = &c->text[i];
        sdrt_weight_files_free(&t->files);
        free(t->json);
        free(t->vocab_path);
        free(t->merges_path);
        free(t->tokenizer_json);
    }
    free(c->path);
    free(c->denoiser_json);
    free(c->vae_json);
    free(c->scheduler_json);
    free(c->index_json);
    free(c);
    *checkpoint = NULL;
}

const struct sdrt_model_config *sdrt_checkpoint_config(const struct sdrt_checkpoint *c)
{
    return &c->config;
}

const char *sdrt_checkpoint_vocab_path(const struct sdrt_checkpoint *c, int i)
{
    return c->text[i].vocab_path;
}

const char *sdrt_checkpoint_merges_path(const struct sdrt_checkpoint *c, int i)
{
    return c->text[i].merges_path;
}

const char *sdrt_checkpoint_t5_tokenizer_path(const struct sdrt_checkpoint *c)
{
    return c->config.has_t5 ? c->t5_tokenizer : NULL;
}
