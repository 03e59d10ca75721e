/* SPDX-License-Identifier: MIT */
#include "model/checkpoint/provider.h"

#include <stdio.h>
#include <string.h>

enum { MAX_WIDTH = 1 << 14 /* of a text encoder */, ONE_F16 = 0x3c00 };

/* Where a canonical name leads. */
struct place {
    const struct sdrt_part *of;
    char name[SDRT_NAME_MAX]; /* in its files */
    struct sdrt_name_part part;
};

/* What follows prefix in name, or NULL. */
static const char *after(const char *name, const char *prefix)
{
    const size_t length = strlen(prefix);

    return strncmp(name, prefix, length) ? NULL : name + length;
}

/* Translates the rest of a canonical name, which begins as a text encoder's. */
static int find_text(const struct sdrt_named_weights *w, const char *canonical, struct place *out)
{
    const char *tail;

    if ((tail = after(canonical, "text_encoder_3."))) {
        out->of = &w->parts->t5;
        return sdrt_names_t5(sdrt_part_has_prefix(out->of, "enc.blk.0."), tail, out->name);
    }
    for (int i = 0; i < w->parts->n_text; i++) {
        tail = after(canonical, sdrt_text_prefix(i));
        if (!tail || *tail != '.') continue;
        out->of = &w->parts->text[i];
        return sdrt_names_clip(w->layout->text[i], tail + 1, out->name, &out->part);
    }
    return 0;
}

/* Converters leave the names that they have no rule for as they are. */
static int find_unet(const struct sdrt_named_weights *w, const char *tail, char out[SDRT_NAME_MAX])
{
    const int known = sdrt_names_unet(&w->layout->unet, tail, out);

    if (w->behind) return known;

    if (!w->layout->unet.original || (known && sdrt_part_has(&w->parts->denoiser, out)))
        return known;
    return snprintf(out, SDRT_NAME_MAX, "%s", tail) < SDRT_NAME_MAX;
}

/* Translates a canonical name.  Returns 1, or 0 for a name that belongs to no part; whether
 * the files have it shows only there. */
static int find(const struct sdrt_named_weights *w, const char *canonical, struct place *out)
{
    const char *tail;
    int known;

    *out = (struct place){ .part = { .third = -1 } };
    if ((tail = after(canonical, "unet."))) {
        out->of = &w->parts->denoiser;
        known = find_unet(w, tail, out->name);
    } else if ((tail = after(canonical, "transformer."))) {
        out->of = &w->parts->denoiser;
        known = sdrt_names_mmdit(&w->layout->mmdit, tail, out->name, &out->part);
    } else if ((tail = after(canonical, "vae."))) {
        out->of = &w->parts->vae;
        known = sdrt_names_vae(&w->layout->vae, tail, out->name);
    } else {
        known = find_text(w, canonical, out);
    }
    return known && out->of->files;
}

int sdrt_named_weights_locate(const struct sdrt_named_weights *w, const char *canonical,
                              const struct sdrt_part **part, char name[SDRT_NAME_MAX],
                              struct sdrt_name_part *where)
{
    struct place place;

    if (!find(w, canonical, &place)) return 0;
    *part = place.of;
    if (where) *where = place.part;
    memcpy(name, place.name, SDRT_NAME_MAX);
    return 1;
}

/* SD 3.x's single files leave out the projection of CLIP-L, which is the identity there. */
static int is_identity(const struct sdrt_named_weights *w, const char *canonical,
                       const struct place *place)
{
    return w->layout->denoiser == SDRT_DENOISER_MMDIT &&
           !strcmp(canonical, "text_encoder.text_projection.weight") &&
           !sdrt_part_has(place->of, place->name);
}

/* Whether the model behind a net has it instead. */
static int is_behind(const struct sdrt_named_weights *w, const char *canonical,
                     const struct place *place)
{
    return w->behind && after(canonical, w->behind->prefix) &&
           !sdrt_part_has(place->of, place->name);
}

int sdrt_named_weights_have(const struct sdrt_named_weights *w, const char *canonical)
{
    struct place place;

    return find(w, canonical, &place) &&
           (sdrt_part_has(place.of, place.name) || is_identity(w, canonical, &place) ||
            (is_behind(w, canonical, &place) && sdrt_behind_has(w->behind, canonical)));
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
static int turn(struct sdrt_named_weights *w, const char *canonical,
                const struct sdrt_name_part *part, struct sdrt_weight_view *view)
{
    const size_t bytes = sdrt_weight_bytes(view), half = bytes / 2;
    const char *from = view->data;
    char *copy;

    if (part->transposed ? view->rank != 2 : view->rank < 1 || view->shape[0] % 2)
        return sdrt_fail(w->log, SDRT_E_FORMAT, "%s: %s: expected %s", w->path, canonical,
                         part->transposed ? "a matrix" : "an even number of rows");
    copy = sdrt_held_buffers_get(&w->turned, canonical, bytes);
    if (!copy) {
        copy = sdrt_held_buffers_add(&w->turned, canonical, bytes);
        if (!copy) return sdrt_fail(w->log, SDRT_E_NOMEM, "%s: no memory for it", canonical);
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

/* ggml drops outermost dimensions of 1, which of all tensors the table of positions alone has. */
static void restore_rank(const char *name, struct sdrt_weight_view *view)
{
    if (view->rank != 2 || strcmp(name, "transformer.pos_embed.pos_embed") != 0) return;
    view->shape[2] = view->shape[1];
    view->shape[1] = view->shape[0];
    view->shape[0] = 1;
    view->rank = 3;
}

static int named_describe(void *self, const char *name, int rank, const int64_t *shape,
                          struct sdrt_weight_view *out);

/* An identity as wide as the encoder, held under the canonical name. */
static int get_identity(struct sdrt_named_weights *w, const char *canonical,
                        struct sdrt_weight_view *out)
{
    int status = named_describe(w, "text_encoder.text_model.final_layer_norm.weight", -1, NULL,
                                out);
    const int64_t n = status == SDRT_OK && out->rank == 1 ? out->shape[0] : 0;
    const size_t bytes = (size_t)n * (size_t)n * sizeof(uint16_t);
    uint16_t *data;

    if (status != SDRT_OK) return status;
    if (n < 1 || n > MAX_WIDTH) return SDRT_E_MISSING;
    data = sdrt_held_buffers_get(&w->turned, canonical, bytes);
    if (!data) {
        data = sdrt_held_buffers_add(&w->turned, canonical, bytes);
        if (!data) return sdrt_fail(w->log, SDRT_E_NOMEM, "%s: no memory for it", canonical);
        memset(data, 0, bytes);
        for (int64_t i = 0; i < n; i++) data[i * (n + 1)] = ONE_F16;
    }
    *out = (struct sdrt_weight_view){ SDRT_F16, 2, { n, n }, data };
    return SDRT_OK;
}

static int get_behind(struct sdrt_named_weights *w, const char *name, const struct place *place,
                      int rank, const int64_t *shape, struct sdrt_weight_view *out)
{
    if (sdrt_behind_is_sum(place->of, place->name))
        return sdrt_behind_sum(w->behind, place->of, place->name, name, rank, &w->turned, out,
                               w->log);
    return sdrt_behind_get(w->behind, name, rank, shape, out);
}

static int named_get(void *self, const char *name, int rank, const int64_t *shape,
                     struct sdrt_weight_view *out)
{
    struct sdrt_named_weights *w = self;
    struct sdrt_weights_provider files;
    struct place place;
    int status;

    if (!find(w, name, &place)) return SDRT_E_MISSING;
    if (is_identity(w, name, &place)) return get_identity(w, name, out);
    if (is_behind(w, name, &place)) return get_behind(w, name, &place, rank, shape, out);
    files = sdrt_weight_files_provider(place.of->files);
    status = files.get(files.self, place.name, rank, shape, out);
    if (status != SDRT_OK) return status;
    restore_rank(name, out);
    if (place.part.third >= 0) take_third(place.part.third, out);
    if (is_turned(&place.part)) status = turn(w, name, &place.part, out);
    if (is_turned(&place.part) || status != SDRT_OK) files.release(files.self, place.name);
    return status;
}

/* What is cut out or turned comes whole. */
static int named_describe(void *self, const char *name, int rank, const int64_t *shape,
                          struct sdrt_weight_view *out)
{
    struct sdrt_named_weights *w = self;
    struct sdrt_weights_provider files;
    struct place place;

    if (!find(self, name, &place)) return SDRT_E_MISSING;
    if (is_behind(w, name, &place) && !sdrt_behind_is_sum(place.of, place.name))
        return sdrt_behind_describe(w->behind, name, rank, shape, out);
    if (is_behind(w, name, &place) || place.part.third >= 0 || is_turned(&place.part) ||
        is_identity(self, name, &place))
        return named_get(self, name, rank, shape, out);
    files = sdrt_weight_files_provider(place.of->files);
    const int status = files.describe(files.self, place.name, rank, shape, out);
    if (status == SDRT_OK) restore_rank(name, out);
    return status;
}

static int named_read(void *self, const char *name, const struct sdrt_weight_view *view,
                      size_t first, size_t count, void *out)
{
    const struct sdrt_named_weights *w = self;
    struct sdrt_weights_provider files;
    struct place place;

    if (!find(self, name, &place)) return SDRT_E_IO;
    if (is_behind(w, name, &place))
        return w->behind->provider.read(w->behind->provider.self, name, view, first, count, out);
    files = sdrt_weight_files_provider(place.of->files);
    return files.read(files.self, place.name, view, first, count, out);
}

static void named_release(void *self, const char *name)
{
    struct sdrt_named_weights *w = self;
    struct sdrt_weights_provider files;
    struct place place;

    if (!find(w, name, &place)) return;
    files = sdrt_weight_files_provider(place.of->files);
    if (is_behind(w, name, &place) && !sdrt_behind_is_sum(place.of, place.name))
        sdrt_behind_release(w->behind, name);
    else if (is_behind(w, name, &place) || is_turned(&place.part) || is_identity(w, name, &place))
        sdrt_held_buffers_release(&w->turned, name);
    else files.release(files.self, place.name);
}

static void named_prefetch(void *self, const char *name)
{
    struct sdrt_weights_provider files;
    struct place place;

    if (!find(self, name, &place)) return;
    files = sdrt_weight_files_provider(place.of->files);
    files.prefetch(files.self, place.name);
}

static void named_use_queue(void *self, struct sdrt_queue *queue)
{
    struct sdrt_named_weights *w = self;

    if (w->behind) w->behind->queue = queue;
}

struct sdrt_weights_provider sdrt_named_weights_provider(struct sdrt_named_weights *w)
{
    return (struct sdrt_weights_provider){ .get = named_get,
                                           .release = named_release,
                                           .prefetch = named_prefetch,
                                           .describe = named_describe,
                                           .read = named_read,
                                           .use_queue = named_use_queue,
                                           .self = w };
}
